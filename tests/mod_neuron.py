"""One compartment with mechanisms of mod files, in NEURON and in Isocortex."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from neuron_cell import nrnivmodl
from neurons import tree, wire

from isocortex.cells.compiled import MechanismTable
from isocortex.circuit import SynapseRule
from isocortex.circuit.signals import Pulses
from isocortex.circuit.synapses import conductances_of
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings
from isocortex.mechanisms.point import SYNAPSES
from isocortex.network.network import CurrentSource, SpikeTrains
from isocortex.report.quantity import quantity

SIDE, REST, G_PAS = 20.0, -70.0, 1e-4  # um, mV, S/cm2
EREV = {"ena": 53.0, "ek": -107.0}
CHILD = """
import json, sys
from neuron import h

given = json.loads(sys.argv[1])
h.load_file("stdrun.hoc")
soma = h.Section(name="soma")
soma.L = soma.diam = given["side"]
soma.insert("pas")
soma.g_pas, soma.e_pas = given["g_pas"], given["rest"]
for name, values in given["mechanisms"].items():
    soma.insert(name)
    for key, value in values.items():
        setattr(soma, f"{key}_{name}", value)
    if hasattr(h, f"usetable_{name}"):
        setattr(h, f"usetable_{name}", 0)
for key, value in given["erev"].items():
    if hasattr(soma(0.5), key):
        setattr(soma, key, value)
events = []
for name, weight, delay, times in given["events"]:
    if hasattr(h, f"usetable_{name}"):
        setattr(h, f"usetable_{name}", 0)
    point = getattr(h, name)(soma(0.5))
    connection = h.NetCon(None, point)
    connection.weight[0] = weight
    events.append((point, connection, [t + delay for t in times]))
start = h.FInitializeHandler(
    lambda: [connection.event(t) for _, connection, times in events for t in times]
)
clamp = h.IClamp(soma(0.5))
clamp.delay, clamp.dur, clamp.amp = 2.0, 1e9, given["amp"]
names = given["record"]
traces = {name: h.Vector().record(getattr(soma(0.5), f"_ref_{name}")) for name in names}
h.celsius, h.dt, h.steps_per_ms = given["celsius"], given["dt"], 1.0 / given["dt"]
h.finitialize(given["v_init"])
h.continuerun(given["tstop"])
print(json.dumps({name: list(trace)[1:] for name, trace in traces.items()}))
"""
GIVEN = {
    "amp": 0.3, "celsius": 34.0, "dt": 0.025, "v_init": -80.0, "tstop": 40.0, "side": SIDE,
    "rest": REST, "g_pas": G_PAS, "erev": EREV, "mechanisms": {}, "events": [], "numbers": {},
}  # fmt: skip


def compile_files(folder: Path, mods: list[Path]) -> Path:
    """Let NEURON find the mechanisms of mod files in a folder."""
    (folder / "modfiles").mkdir(parents=True)
    for mod in mods:
        shutil.copy(mod, folder / "modfiles")
    return nrnivmodl(folder)


def in_neuron(folder: Path, **given) -> dict[str, np.ndarray]:
    """What NEURON records, by name, after every step."""
    command = [sys.executable, "-c", CHILD, json.dumps(GIVEN | given)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {k: np.array(v) for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


def conductances(name: str, numbers: dict[str, float]):
    """Kinetics and factors of a synapse; a mod file's has defaults of what is not given."""
    if name in SYNAPSES:
        defaults = {k: p.default for k, p in SYNAPSES[name].parameters.items()}
        return SYNAPSES[name].made(defaults | numbers)
    rule = SynapseRule(model_template=name, dynamics=numbers)
    (made, *_), _ = conductances_of(rule, SimpleNamespace(own={}, name="tests"), np.arange(1))
    return made


def in_isocortex(engine=CpuEngine, precision="double", **given) -> dict[str, np.ndarray]:
    """The same of an engine of ours.

    ``events`` of synapses are (name, weight, delay, times); ``numbers`` are those of all of them.
    """
    given = GIVEN | given
    tables = {
        name: MechanismTable(np.array([0], np.int32), {k: np.array([v]) for k, v in values.items()})
        for name, values in given["mechanisms"].items()
    }
    model = tree([-1], [np.pi * SIDE**2], [0.0], g_pas=G_PAS, e_pas=REST, mechanisms=tables)
    clamp = CurrentSource(0, 0, Pulses([given["amp"]], [2.0], [1e9]))
    settings = Settings(
        given["dt"], celsius=given["celsius"], v_init=given["v_init"], precision=precision
    )
    synapses, kinetics, at = [], [], []
    for source, (name, weight, delay, times) in enumerate(given["events"], 1):
        for one, factor in conductances(name, given["numbers"]):
            synapses.append((source, 0, 0, len(kinetics), weight * factor, delay))
            kinetics.append(one)
        at += [(source, time) for time in times]
    sources, times = np.array(sorted(at, key=lambda each: each[1]), float).reshape(-1, 2).T
    network = wire(
        [model], [0], synapses, kinetics, n_virtual=len(given["events"]),
        trains=SpikeTrains(sources.astype(np.int64), times),
    )  # fmt: skip
    network.currents.append(clamp)
    running = engine(network, settings)
    wanted = [quantity(name, []) for name in given["record"]]
    probes = [each.probes_at(model, 0) for each in wanted]
    running.record(ProbeTable.of([(0, 0, probe) for some in probes for probe in some]))
    samples = running.advance(round(given["tstop"] / given["dt"])).samples
    edges = np.cumsum([len(some) for some in probes])[:-1]
    parts = np.split(samples, edges, axis=1)
    return {
        each.name: each.evaluate(model, 0, part, given["celsius"])
        for each, part in zip(wanted, parts, strict=True)
    }
