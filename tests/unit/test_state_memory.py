"""States are written and read in pieces: memory besides is that of a piece, whatever their size."""

import tracemalloc

import numpy as np
import pytest
from library_circuit import poisson, write_library_circuit

import isocortex as ic
from isocortex.engine import snapshot
from isocortex.engine.state import Snapshot
from isocortex.session import statefile
from isocortex.session.statefile import Meaning, read_state, write_state

CELLS = 3000
PIECE = 1 << 13  # numbers: 64 kB


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Cells with open synapses."""
    config = write_library_circuit(
        tmp_path_factory.mktemp("c"), cells=CELLS, edges=[(c % 2, c, 5) for c in range(CELLS)],
        inputs={"drive": poisson(1000.0)},
    )  # fmt: skip
    with ic.open_session(config) as session:
        session.advance(5.0)
        yield session


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(snapshot, "PIECE", PIECE)
    monkeypatch.setattr(statefile, "PIECE", PIECE)
    monkeypatch.setattr(statefile, "CELLS", 256)


def peak(work):
    """Bytes that were taken at a time, by arrays and objects; nothing is compiled any more."""
    work()
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_besides_the_state_is_that_of_a_piece(session, tmp_path):
    """It was many times the state: places of all its numbers, and of all its synapses."""
    engine, meaning, path = session.run.engine, Meaning.of(session.network), tmp_path / "state.h5"

    def save():
        state = engine.standing()
        write_state(path, state, meaning, {"dt": 0.1}, {}, state.pieces(range(CELLS)))

    def go_on():
        engine.restore(read_state(path).state)

    saving, restoring = peak(save), peak(go_on)
    state = engine.state()
    held = sum(
        getattr(state, name).nbytes for name in ("voltage", "channel", "node", "kind", "terms")
    )
    assert len(state.terms) > CELLS
    assert held > 2e6
    assert saving < held / 4
    assert restoring < held / 4


def test_a_state_in_memory_takes_no_more_than_it_holds(session):
    engine = session.run.engine
    state = engine.state()
    held = sum(value.nbytes for value in vars(state).values() if isinstance(value, np.ndarray))
    assert peak(engine.state) < 1.2 * held
    assert peak(lambda: engine.restore(state)) < held / 4


def test_pieces_put_together_are_the_state(session, tmp_path):
    engine = session.run.engine
    pieces = list(engine.standing().pieces(range(CELLS)))
    assert len(pieces) > 20
    whole, together = engine.state(), Snapshot.of_cells(engine.standing(), range(CELLS))
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(together, name), value, err_msg=name)
