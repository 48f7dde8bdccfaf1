"""A state comes back from its file as it was, or with one line that says why not."""

import errno
from dataclasses import fields

import h5py
import numpy as np
import pytest
from library_circuit import clamp, poisson, write_library_circuit

import isocortex as ic
from isocortex.engine.interface import Snapshot
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


def test_a_state_comes_back_to_the_last_bit(taken, tmp_path):
    path = tmp_path / "state.h5"
    write_state(path, *taken, ABOUT, MORE)
    saved = read_state(path)
    for item in fields(Snapshot):
        ours, theirs = (getattr(state, item.name) for state in (saved.snapshot, taken[0]))
        np.testing.assert_array_equal(ours, theirs, err_msg=item.name)
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
    assert saved.time == 9.0
    assert saved.about["options"] == ABOUT["options"]
    assert saved.meaning.populations == ["cells", "drive"]
    np.testing.assert_array_equal(saved.meaning.poisson.key, taken[1].poisson.key)
    assert saved.more.keys() == MORE.keys()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_state_that_was_cut_short_is_refused(taken, tmp_path, part):
    path = tmp_path / "state.h5"
    write_state(path, *taken, ABOUT, MORE)
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
    write_state(path, *taken, ABOUT, {})
    with h5py.File(path, "r+") as file:
        del file["state/voltage"]
    with pytest.raises(InputError, match="is no state.*voltage"):
        read_state(path)


def test_a_full_disk_keeps_the_state_before(taken, tmp_path, monkeypatch):
    path = tmp_path / "state.h5"
    write_state(path, *taken, ABOUT, MORE)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SimulationError, match=r"state\.h5: cannot write the state: No space left"):
        write_state(path, *taken, ABOUT, {})
    assert read_state(path).more
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_that_does_not_come_to_the_disk_is_not_put_in_place(taken, tmp_path, monkeypatch):
    path = tmp_path / "state.h5"
    write_state(path, *taken, ABOUT, MORE)

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(statefile.os, "fsync", full)
    with pytest.raises(SimulationError, match="No space left"):
        write_state(path, *taken, ABOUT, {})
    monkeypatch.undo()
    assert read_state(path).more
    assert list(tmp_path.iterdir()) == [path]
