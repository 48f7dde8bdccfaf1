"""Dipoles and a head of four spheres beside NEURON's and LFPykit's.

Needs NEURON, and LFPykit for the second, in the same environment (`make test-oracle`).
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from neurons import tree, wire

from isocortex.analysis.potentials import dipole_moment
from isocortex.cells.head import CONDUCTIVITIES, Head
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import SpikeTrains

N, LENGTH, THICK, BALL = 12, 360.0, 2.0, 20.0  # compartments of the stick; um
DT, STEPS, WEIGHT = 0.1, 300, 0.002  # ms, uS

BALL_AND_STICK = """
import json, sys
from neuron import h
h.load_file("stdrun.hoc")
n, length, thick, ball, dt, steps, weight = json.loads(sys.argv[1])
soma, stick = h.Section(name="soma"), h.Section(name="stick")
soma.L = soma.diam = ball
stick.L, stick.diam, stick.nseg = length, thick, int(n)
stick.connect(soma(1))
for section in (soma, stick):
    section.Ra, section.cm = 100.0, 1.0
    section.insert("pas")
    for segment in section:
        segment.pas.g, segment.pas.e = 1e-4, -70.0
synapse = h.Exp2Syn(stick(1 - 0.5 / n))
synapse.tau1, synapse.tau2, synapse.e = 0.5, 3.0, 0.0
h.CVode().use_fast_imem(1)
segments = [soma(0.5), *stick]
currents = [h.Vector().record(each._ref_i_membrane_) for each in segments]
source = h.NetCon(None, synapse)
source.weight[0] = weight
h.dt, h.steps_per_ms = dt, 1.0 / dt
h.finitialize(-70.0)
source.event(3.0)  # which no delay is added to
h.continuerun(steps * dt)
print(json.dumps([list(each) for each in currents]))
"""


def test_the_moment_of_a_ball_and_stick_is_that_of_neurons_membrane_currents():
    pytest.importorskip("neuron")
    given = json.dumps([N, LENGTH, THICK, BALL, DT, STEPS, WEIGHT])
    done = subprocess.run([sys.executable, "-c", BALL_AND_STICK, given], check=True,
                          capture_output=True, text=True)  # fmt: skip
    current = np.array(json.loads(done.stdout.splitlines()[-1])).T  # nA
    piece = LENGTH / N
    half = 1e-2 * 100.0 * 0.5 / (np.pi / 4)  # of um / um2, MOhm
    inside, ball = half * piece / THICK**2, half * BALL / BALL**2
    coupling = np.r_[0.0, 1 / (inside + ball), np.full(N - 1, 1 / (2 * inside))]
    area = np.pi * np.r_[BALL * BALL, np.full(N, THICK * piece)]
    model = tree(np.arange(N + 1) - 1, area, coupling)
    border = np.r_[-BALL / 2, BALL / 2 + piece * np.arange(N + 1)]
    start, end = (np.column_stack([0 * y, y, 0 * y]) for y in (border[:-1], border[1:]))
    network = wire(
        [model], [0], [(1, 0, N, 0, WEIGHT, 1.0)], [exp2syn(0.5, 3.0, 0.0)], n_virtual=1,
        trains=SpikeTrains(np.array([1]), np.array([2.0])),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=DT, v_init=-70.0))
    engine.record(ProbeTable.of([(0, node, Variable("v")) for node in range(N + 1)]))
    voltages = engine.advance(STEPS)[2]
    moment = dipole_moment(model, voltages, start, end)
    expected = current[1:] @ (0.5 * (start + end))
    assert np.abs(expected).max() > 10.0  # nA um
    assert moment[np.abs(moment[:, 1]).argmax(), 1] < 0  # a sink far up: current flows down in it
    np.testing.assert_allclose(moment, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("radii", [(79e3, 80e3, 85e3, 90e3), (5250.0, 5350.0, 5650.0, 6150.0)])
def test_fields_are_those_of_lfpykit(radii):
    """In all shells, along and across the radius; its series ends earlier: 1e-5 of the largest."""
    forward = pytest.importorskip("lfpykit.eegmegcalc")
    rng = np.random.default_rng(1)
    toward = rng.normal(size=(13, 3))
    toward /= np.linalg.norm(toward, axis=1)[:, None]
    away = [radii[0], *radii[1:], 0.5 * (radii[1] + radii[2]), 0.5 * (radii[2] + radii[3])]
    electrodes = toward[:6] * np.array(away)[:, None] * (1 - 1e-12)
    places = toward[6:] * radii[0] * np.array([0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.97])[:, None]
    found = Head(np.zeros(3), radii).lead_field(places, electrodes)
    theirs = forward.FourSphereVolumeConductor(electrodes, list(radii), list(CONDUCTIVITIES))
    for k, place in enumerate(places):
        expected = theirs.get_transformation_matrix(place)
        largest = np.abs(expected).max(axis=1, keepdims=True)
        np.testing.assert_allclose(found[:, k] / largest, expected / largest, atol=1e-5)
