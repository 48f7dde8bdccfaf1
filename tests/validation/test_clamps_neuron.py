"""Voltage clamps and conductances beside NEURON's SEClamp, run now, on an embedded cell.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import numpy as np
import pytest
from library_circuit import CELL, clamp, write_library_circuit
from neuron_cell import compile_channels, run_neuron

import isocortex as ic
from isocortex.network.build import build_network
from isocortex.network.clock import Clock

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

DELAY, TSTOP, DT = 20.0, 200.0, 0.1  # ms

CLAMP = """
held = h.SEClamp(cell.dend[2](0.5) if given["dendrite"] else cell.soma[0](0.5))
held.dur1, held.dur2 = given["begin"], given["lasts"]
held.amp1, held.amp2, held.rs = 0.0, given["voltage"], 1e9
h.finitialize(given["v_init"])
h.continuerun(given["begin"])
held.rs = given["rs"]
"""

#: A conductance of a course of one's own, the same in the whole of each step.
PLAYED = """
held = h.SEClamp(soma)
held.dur1, held.amp1 = 1e9, given["voltage"]
h.finitialize(given["v_init"])
for step, g in enumerate(given["g"]):
    held.rs = 1.0 / g if g > 0 else 1e12
    h.continuerun((step + 1) * given["dt"])
"""


@pytest.fixture(scope="module")
def mechanisms(tmp_path_factory):
    """A folder in which NEURON finds BMTK's channels."""
    return compile_channels(tmp_path_factory.mktemp("mechanisms"))


def run(tmp_path, rest, held):
    """Times of spikes, ms, and the soma's voltage, mV, of one cell under a current and an input."""
    config = write_library_circuit(
        tmp_path, cells=1, drive=1, run={"tstop": TSTOP, "dt": DT}, conditions={"v_init": rest},
        inputs={"clamp": clamp(0.3, (0,), DELAY, 1e9), "held": {"node_set": "cells", **held}},
    )  # fmt: skip
    with ic.open_session(config, threads=1) as session:
        trace = session.record("v", [0])
        session.advance()
        return session.spikes["timestamps"].to_numpy(), trace.data.values[:, 0], config


def require_alike(ours, theirs, tolerance):
    """Every spike in the same step, voltages within so many mV (root mean square)."""
    spikes, v, _ = ours
    assert len(spikes) == len(theirs["spikes"])
    np.testing.assert_allclose(spikes, theirs["spikes"], atol=0.5 * DT)
    error = v - np.array(theirs["v"])[1 : len(v) + 1]
    assert np.sqrt(np.mean(error**2)) < tolerance


@pytest.mark.parametrize("dendrite", [False, True])
@pytest.mark.parametrize("words", ["sonata", "bmtk"])
def test_a_voltage_clamp_is_neurons(mechanisms, tmp_path, dendrite, words):
    rest = float(ic.cell(CELL).e_pas[0])
    begin, lasts, voltage, rs = 60.0, 50.0, -65.0, 2.0
    theirs = run_neuron(
        CELL, mechanisms, CLAMP, dL=20.0, amp=0.3, delay=DELAY, tstop=TSTOP, dt=DT, v_init=rest,
        begin=begin, lasts=lasts, voltage=voltage, rs=rs, dendrite=dendrite,
    )  # fmt: skip
    held = {"input_type": "voltage_clamp", "module": "SEClamp", "delay": begin, "duration": lasts}
    if words == "sonata":
        held |= {"voltage": voltage, "series_resistance": rs}
    else:
        held |= {"amp": voltage, "resistance": rs}
    if dendrite:
        held |= {"section_name": "dend", "section_index": 2}
    ours = run(tmp_path, rest, held)
    require_alike(ours, theirs, 0.05)
    spikes, v, _ = ours
    assert len(spikes) > 2
    if not dendrite:
        assert not ((spikes > begin) & (spikes < begin + lasts)).any()
        assert abs(v[int((begin + 40) / DT)] - voltage) < 3.0


@pytest.mark.parametrize("module", ["ornstein_uhlenbeck", "shot_noise"])
def test_a_random_conductance_is_that_of_neuron_when_it_plays_it(mechanisms, tmp_path, module):
    rest = float(ic.cell(CELL).e_pas[0])
    held = {"input_type": "conductance", "module": module, "delay": 30.0, "duration": 120.0,
            "reversal": -40.0}  # fmt: skip
    if module == "shot_noise":
        held |= {"rise_time": 0.4, "decay_time": 4.0, "rate": 300.0, "amp_mean": 0.004,
                 "amp_var": 4e-6}  # fmt: skip
    else:
        held |= {"mean": 0.005, "sigma": 0.006, "tau": 5.0}
    ours = run(tmp_path, rest, held)
    (source,) = (
        each for each in build_network(ic.load_simulation(ours[2])).currents if each.conductance
    )
    clock = Clock(DT)
    clock.extend(round(TSTOP / DT))
    g = source.conductance(clock.middle[: round(TSTOP / DT)])
    assert (g >= 0).all() and (g > 0).mean() > 0.4
    theirs = run_neuron(
        CELL, mechanisms, PLAYED, dL=20.0, amp=0.3, delay=DELAY, tstop=TSTOP, dt=DT, v_init=rest,
        voltage=-40.0, g=g.tolist(),
    )  # fmt: skip
    require_alike(ours, theirs, 0.05)
    assert len(ours[0]) > 2
