"""Every reference model under current steps: NEURON's voltage, calcium and spikes."""

import json

import numpy as np
import pytest
from golden import MODELS, compile_model

from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.network.network import CurrentSource, bare_network


def _run(model, amps, dt, v_init, celsius, stimulus, precision="double"):
    pulse = [Pulses([a], [stimulus["delay"]], [stimulus["dur"]]) for a in amps]
    sources = [CurrentSource(i, model.soma, p) for i, p in enumerate(pulse)]
    network = bare_network([model], np.zeros(len(amps), int), sources)
    engine = CpuEngine(
        network, Settings(dt=dt, celsius=celsius, v_init=v_init, precision=precision)
    )
    probes = [(i, model.soma, Variable(name)) for name in ("v", "cai") for i in range(len(amps))]
    engine.record(ProbeTable.of(probes))
    cells, times, samples = engine.advance(round(stimulus["tstop"] / dt))
    k = len(amps)
    return [times[cells == i] for i in range(k)], samples[:, :k].T, samples[:, k:].T


@pytest.mark.parametrize("dt", [0.1, 0.025])
@pytest.mark.parametrize("name", MODELS)
def test_soma_voltage_calcium_and_spikes_equal_neuron(shared, name, dt):
    """RMS voltage within 0.05 mV, spikes in the same step, calcium within 1 % (in fact 1e-5)."""
    golden = np.load(shared / "golden" / name / f"steps_dt{dt}.npz")
    stimulus = json.loads((shared / "golden" / name / "struct.json").read_text())["stim"]
    model = compile_model(shared, name)
    amps = golden["amps"]
    spikes, v, cai = _run(
        model, amps, dt, float(golden["v_init"]), float(golden["celsius"]), stimulus
    )
    every = round(float(golden["sample_dt"]) / dt)
    for i, amp in enumerate(amps):
        expected = golden[f"spikes_{i}"]
        assert len(spikes[i]) == len(expected), f"{amp} nA"
        np.testing.assert_allclose(spikes[i], expected, atol=1e-6, err_msg=f"{amp} nA")
        ours, theirs = v[i][every - 1 :: every], golden["v"][i][1:]
        rms = np.sqrt(np.mean((ours[: len(theirs)] - theirs) ** 2))
        assert rms < 0.05, f"{amp} nA"
        calcium = cai[i][every - 1 :: every][: len(theirs)]
        np.testing.assert_allclose(calcium, golden["cai"][i][1:], rtol=0.01, err_msg=f"{amp} nA")


@pytest.mark.parametrize("name", ["Scnn1a_472363762", "PV1_472912177"])
def test_every_compartment_follows_neuron(shared, name):
    """60 ms with a spike, all compartments: the maximum difference, not only the mean."""
    golden = np.load(shared / "golden" / name / "detail_dt0.025.npz")
    model = compile_model(shared, name)
    dt, nodes = float(golden["dt"]), model.compartments
    source = CurrentSource(
        0, model.soma, Pulses([float(golden["amp"])], [float(golden["delay"])], [1e9])
    )
    network = bare_network([model], [0], [source])
    engine = CpuEngine(network, Settings(dt=dt, v_init=float(golden["v_init"])))
    engine.record(ProbeTable.of([(0, int(node), Variable("v")) for node in nodes]))
    n_steps = golden["v_seg"].shape[1] - 1
    _, _, samples = engine.advance(n_steps)
    np.testing.assert_allclose(samples.T, golden["v_seg"][:, 1:], atol=1e-4)
