"""Embedded cells under current steps beside NEURON, run now: spikes and voltage, at every dL.

The channels are BMTK's own files, compiled here. Needs NEURON and BMTK in the same environment
(`make test-oracle`).
"""

import numpy as np
import pytest
from neuron_cell import compile_channels, original_files, run_neuron

import isocortex as ic
from isocortex.cells.library import DIVISIONS
from isocortex.export import write_cells

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


@pytest.mark.parametrize("cell_id", ["485836906", "471129934", "476087653", "491766131"])
def test_neuron_finds_the_same_cell_in_exported_files(shared, mechanisms, tmp_path, cell_id):
    """Every sample of the voltage. The axon of the third leaves a dendrite, the last keeps its."""
    processing, originals = "aibs_perisomatic", None
    if cell_id == "491766131":
        processing, folder = "aibs_allactive", shared / "examples/all_active" / cell_id
        originals = [folder / "reconstruction.swc", folder / "fit_parameters.json"]
    write_cells([cell_id], tmp_path)
    exported = [tmp_path / f"{cell_id}.swc", tmp_path / f"{cell_id}_fit.json"]
    found = [
        run_neuron(
            cell_id, mechanisms, files=files, processing=processing,
            dL=20.0, amp=0.4, delay=10.0, tstop=60.0, dt=DT, v_init=-85.0,
        )
        for files in (originals or original_files(cell_id), exported)
    ]  # fmt: skip
    assert len(found[0]["spikes"]) > 0
    assert found[0] == found[1]
