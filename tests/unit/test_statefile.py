"""A state comes back from its file as it was, or with one line that says why not."""

import errno
from dataclasses import fields

import h5py
import numpy as np
import pytest
from library_circuit import clamp, poisson, write_library_circuit

import isocortex as ic
from isocortex.engine.state import Snapshot
from isocortex.errors import InputError, SimulationError
from isocortex.session import statefile
from isocortex.session.statefile import Meaning, read_state, state_file, write_state

ABOUT = {"dt": 0.1, "options": {"precision": "double"}}
MORE = {"written/spikes/cells/node_ids": np.array([3, 1], np.uint64)}


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A state in which spikes are on their way and synapses are open, and what it means."""
    config = write_library_circuit(
        tmp_path_factory.mktemp("c"), edges=[(0, 0, 40), (1, 1, 40)], recurrent=[(0, 1, 20)],
        inputs={"drive": poisson(), "clamp": clamp(0.5)},
    )  # fmt: skip
    with ic.open_session(config) as session:
        session.advance(9.0)
        state = session.state()
        assert len(state.source) > 0
        assert len(state.synapse) > 0
        return state, Meaning.of(session.network)


def write(path, taken, more):
    """A state of one piece to a file."""
    state, meaning = taken
    write_state(path, state, meaning, ABOUT, more, state.pieces(range(2)))


def test_a_state_comes_back_to_the_last_bit(taken, tmp_path):
    path = tmp_path / "state.h5"
    write(path, taken, MORE)
    saved = read_state(path)
    read = Snapshot.of_cells(saved.state, range(2))
    for item in fields(Snapshot):
        ours, theirs = (getattr(state, item.name) for state in (read, taken[0]))
        np.testing.assert_array_equal(ours, theirs, err_msg=item.name)
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
    assert saved.time == 9.0
    assert saved.about["options"] == ABOUT["options"]
    assert saved.meaning().populations == ["cells", "drive"]
    np.testing.assert_array_equal(saved.meaning().poisson.key, taken[1].poisson.key)
    assert saved.more.keys() == MORE.keys()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_state_that_was_cut_short_is_refused(taken, tmp_path, part):
    path = tmp_path / "state.h5"
    write(path, taken, MORE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match=r"state\.h5: is no state, or not a whole one") as refused:
        read_state(path)
    assert "\n" not in str(refused.value)


def test_other_files_are_no_states(tmp_path, taken):
    path = tmp_path / "spikes.h5"
    with h5py.File(path, "w") as file:
        file["spikes/v1/node_ids"] = [1]
    with pytest.raises(InputError, match="is no state"):
        read_state(path)
    with pytest.raises(InputError, match="does not exist"):
        state_file(tmp_path / "absent.h5")
    with pytest.raises(InputError, match="no checkpoint.*--checkpoint-every"):
        state_file(tmp_path)
    write(path, taken, {})
    with h5py.File(path, "r+") as file:
        del file["state/cells/voltage"]
    with pytest.raises(InputError, match="is no state.*voltage"):
        read_state(path)


def test_a_full_disk_keeps_the_state_before(taken, tmp_path, monkeypatch):
    path = tmp_path / "state.h5"
    write(path, taken, MORE)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SimulationError, match=r"state\.h5: cannot write the state: No space left"):
        write(path, taken, {})
    assert read_state(path).more
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_that_does_not_come_to_the_disk_is_not_put_in_place(taken, tmp_path, monkeypatch):
    path = tmp_path / "state.h5"
    write(path, taken, MORE)

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(statefile.os, "fsync", full)
    with pytest.raises(SimulationError, match="No space left"):
        write(path, taken, {})
    monkeypatch.undo()
    assert read_state(path).more
    assert list(tmp_path.iterdir()) == [path]


def test_pieces_are_cut_where_they_are_large_enough(taken, tmp_path, monkeypatch):
    """Whatever their sizes, they hold the cells that are asked for, and come one at a time."""
    path = tmp_path / "state.h5"
    write(path, taken, {})
    for piece, cells in ((1, 1), (1, 2), (10**6, 1), (10**6, 10)):
        monkeypatch.setattr(statefile, "PIECE", piece)
        monkeypatch.setattr(statefile, "CELLS", cells)
        for wanted in (range(2), range(1), range(1, 2)):
            pieces = list(read_state(path).state.pieces(wanted))
            whole = Snapshot.of_cells(read_state(path).state, wanted)
            assert pieces[0].first == wanted.start
            assert sum(map(len, pieces)) == len(wanted)
            assert len(pieces) == (1 if piece > 1 and cells > 1 else len(wanted))
            mine = np.isin(taken[0].synapse[:, 0], wanted)
            np.testing.assert_array_equal(whole.terms, taken[0].terms[mine])
            np.testing.assert_array_equal(whole.synapse, taken[0].synapse[mine])


def test_a_state_of_fewer_numbers_than_it_says_is_refused(taken, tmp_path):
    """Nothing is read from beyond their end."""
    path = tmp_path / "state.h5"
    write(path, taken, {})
    with h5py.File(path, "r+") as file:
        file["state/cells/nodes"][1] += 5
    with pytest.raises(InputError, match="not as many|as many numbers"):
        Snapshot.of_cells(read_state(path).state, range(2))


def test_a_state_of_an_earlier_format_is_refused_by_name(taken, tmp_path, monkeypatch):
    path = tmp_path / "state.h5"
    monkeypatch.setattr(statefile, "FORMAT", "isocortex state 1")
    write(path, taken, {})
    monkeypatch.undo()
    with pytest.raises(InputError, match="of the format 'isocortex state 1'.*reads"):
        read_state(path)
