"""Channels that change during a run beside NEURON, whose parameters are set on the way, run now.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json

import numpy as np
import pytest
from library_circuit import CELL, clamp, write_library_circuit
from neuron_cell import compile_channels, run_neuron

import isocortex as ic
from isocortex.experiment import changes as ex

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

DELAY, START, STOP, TSTOP, DT = 20.0, 100.3, 200.0, 300.0, 0.1  # ms

COURSE = """
def change(sodium, leak, sag):
    for segment in cell.soma[0]:
        segment.NaV.gbar *= sodium
        segment.pas.e += sag
    for section in cell.dend:
        for segment in section:
            segment.pas.g *= leak

h.continuerun(given["start"])
change(0.75, 1.5, -3.0)
h.continuerun(given["stop"])
change(1 / 0.75, 1 / 1.5, 3.0)
"""


@pytest.fixture(scope="module")
def mechanisms(tmp_path_factory):
    """A folder in which NEURON finds BMTK's channels."""
    return compile_channels(tmp_path_factory.mktemp("mechanisms"))


def test_spikes_and_voltage_equal_neurons(shared, mechanisms, tmp_path):
    """Voltage within 0.05 mV (root mean square), every spike in the same step."""
    model = ic.cell(CELL)
    rest = float(model.e_pas[model.soma])
    theirs = run_neuron(
        CELL, mechanisms, COURSE, dL=20.0, amp=0.3, delay=DELAY, start=START, stop=STOP,
        tstop=TSTOP, dt=DT, v_init=rest,
    )  # fmt: skip
    when = {"start": START, "stop": STOP}
    changes = [
        ex.channel("cells", "NaV", "soma", gbar=0.75, **when),
        ex.channel("cells", "pas", "basal", g=1.5, **when),
        ex.channel("cells", "pas", "soma", to={"e": rest - 3.0}, **when),
    ]
    config = write_library_circuit(
        tmp_path, cells=1, drive=1, run={"tstop": TSTOP, "dt": DT},
        conditions={"v_init": rest},
        inputs={"clamp": clamp(0.3, (0,), DELAY, 1e9)},
    )  # fmt: skip
    traces = []
    for section in ({}, ex.section(changes)):
        config.write_text(json.dumps(json.loads(config.read_text()) | section))
        with ic.open_session(config, threads=1) as session:
            trace = session.record("v", [0])
            session.advance()
            traces.append((session.spikes["timestamps"].to_numpy(), trace.data.values[:, 0]))
    (control, _), (spikes, v) = traces
    assert len(theirs["spikes"]) > 2
    assert len(spikes) == len(theirs["spikes"])
    np.testing.assert_allclose(spikes, theirs["spikes"], atol=1e-6)
    difference = v - np.array(theirs["v"])[1 : len(v) + 1]
    assert np.sqrt(np.mean(difference**2)) < 0.05
    inside = [t[(t > START) & (t < STOP)] for t in (control, spikes)]
    assert len(inside[1]) and inside[0].tolist() != inside[1].tolist()
