"""Current clamps from sweeps of recordings."""

import h5py
import numpy as np
import pytest
from allen_nwb import write_sweeps
from sonata_small import configuration, write_circuit, write_config

from isocortex.errors import IsocortexError
from isocortex.sonata.config import load_simulation

#: A ramp of 0.1 nA a sample, each 2 ms.
RAMP = np.arange(10) * 1e-10


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    write_sweeps(tmp_path / "cell.nwb", {"Sweep_7": RAMP, "Ramp": RAMP[::-1]}, 500.0)
    return tmp_path


def current(folder, at, **entry):
    """nA at some times."""
    clamp = {"input_type": "nwb", "module": "IClamp", "node_set": "cells", "file": "cell.nwb",
             "sweep_id": 7} | entry  # fmt: skip
    inputs = {"it": {k: v for k, v in clamp.items() if v is not ...}}
    (found,) = load_simulation(write_config(folder, configuration() | {"inputs": inputs})).inputs
    return found.signal(np.array(at)).round(6).tolist()


@pytest.mark.parametrize("entry", [{}, {"input_type": "allen"}, {"sweep_id": "7"},
                                   {"sweep_id": 7.0}, {"sweep_id": "Sweep_7"}])  # fmt: skip
def test_samples_are_held(folder, entry):
    assert current(folder, [0.0, 1.9, 2.0, 5.0, 18.0], **entry) == [0.0, 0.0, 0.1, 0.2, 0.9]


def test_the_last_sample_is_held_for_long(folder):
    assert current(folder, [100.0, 19999.0, 20000.0]) == [0.9, 0.9, 0.0]


def test_a_sweep_of_another_name(folder):
    assert current(folder, [0.0, 2.0], sweep_id="Ramp") == [0.9, 0.8]


def test_downsampling_takes_every_other_sample(folder):
    assert current(folder, [0.0, 3.9, 4.0, 8.0], downsample=4.0) == [0.0, 0.0, 0.2, 0.4]
    assert current(folder, [0.0, 3.0, 6.0], downsample=3.0) == [0.0, 0.2, 0.4]  # round(1.5) is 2
    assert current(folder, [2.0], downsample=1.0) == [0.1]


def test_a_window_is_played_from_the_start(folder):
    assert current(folder, [0.0, 2.0, 4.0, 6.0], sweep_window=[4, 8]) == [0.2, 0.3, 0.4, 0.4]


def test_a_delay_suppresses_and_does_not_shift(folder):
    assert current(folder, [0.0, 4.9, 5.0, 6.0, 18.0], delay=5.0) == [0.0, 0.0, 0.2, 0.3, 0.9]
    assert current(folder, [99.0, 100.0], delay=100.0) == [0.0, 0.9]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sweep_id": 8}, "cell.nwb: /epochs: has no Sweep_8. It has Ramp, Sweep_7"),
        ({"sweep_id": ...}, "inputs.it.sweep_id: must be a sweep's number"),
        ({"sweep_id": True}, "inputs.it.sweep_id: must be a sweep's number"),
        ({"file": "none.nwb"}, "file does not exist"),
        ({"file": "spikes.h5"}, "spikes.h5: /epochs: has no /epochs"),
        ({"sweep_window": [8, 4]}, r"must be \[from, to\] in ms"),
        ({"sweep_window": [50, 60]}, "has no sample of a sweep of 18 ms"),
        ({"delay": -1.0}, "inputs.it.delay: must not be negative"),
        ({"sweep": 8}, "Did you mean 'sweep_id'"),
    ],
)
def test_mistakes(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        current(folder, [0.0], **entry)


def test_a_sweep_without_a_rate(folder):
    with h5py.File(folder / "cell.nwb", "r+") as file:
        del file["stimulus/presentation/Sweep_7/starting_time"].attrs["rate"]
    with pytest.raises(IsocortexError, match="starting_time: has no attribute rate"):
        current(folder, [0.0])
