"""Embedded cells under current steps beside NEURON, run now: spikes and voltage, at every dL.

The channels are BMTK's own files, compiled here. Needs NEURON and BMTK in the same environment
(`make test-oracle`).
"""

import numpy as np
import pytest
from neuron_cell import compile_channels, run_neuron

import isocortex as ic
from isocortex.cells.library import DIVISIONS

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

#: An excitatory and two inhibitory models, of both families of channels, and a current, nA.
AMPS = {"485836906": 0.3, "471085676": 0.3, "471129934": 0.5}
DELAY, TSTOP, DT = 20.0, 300.0, 0.1  # ms


@pytest.fixture(scope="module")
def mechanisms(tmp_path_factory):
    """A folder in which NEURON finds BMTK's channels."""
    return compile_channels(tmp_path_factory.mktemp("mechanisms"))


@pytest.mark.parametrize("dL", DIVISIONS)
@pytest.mark.parametrize("cell_id", AMPS)
def test_spikes_and_voltage_equal_neurons(shared, mechanisms, cell_id, dL):
    """Voltage within 0.05 mV (root mean square), every spike in the same step."""
    cell = ic.cell(cell_id, dL)
    theirs = run_neuron(
        cell_id, mechanisms, dL=dL, amp=AMPS[cell_id], delay=DELAY, tstop=TSTOP, dt=DT,
        v_init=float(cell.e_pas[cell.soma]),
    )  # fmt: skip
    ours = ic.step(cell, AMPS[cell_id], delay=DELAY, duration=1e9, tstop=TSTOP, dt=DT)
    assert len(theirs["spikes"]) > 2
    assert len(ours.spikes[0]) == len(theirs["spikes"])
    np.testing.assert_allclose(ours.spikes[0], theirs["spikes"], atol=1e-6)
    difference = ours.v[0] - np.array(theirs["v"])[1 : len(ours.v[0]) + 1]
    assert np.sqrt(np.mean(difference**2)) < 0.05
