"""Channels that change during a run beside NEURON, whose parameters are set on the way, run now.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from library_circuit import CELL, clamp, write_library_circuit

import isocortex as ic
from isocortex.experiment import changes as ex

pytest.importorskip("neuron")
bmtk = pytest.importorskip("bmtk")

CELLS = SHARED / "data" / "cells"
DELAY, START, STOP, TSTOP, DT = 20.0, 100.3, 200.0, 300.0, 0.1  # ms

CHILD = """
import json, sys
from neuron import h
import bmtk.simulator.bionet as bionet
from bmtk.simulator.bionet.default_setters import cell_models
from bmtk.simulator.bionet.morphology import Morphology

swc, fit, given = sys.argv[1:]
given = json.loads(given)
for file in ("stdrun.hoc", "import3d.hoc"):
    h.load_file(file)
h.load_file(f"{bionet.__path__[0]}/default_templates/Biophys1.hoc")
cell = h.Biophys1(swc)
cell_models.aibs_perisomatic(cell, None, json.load(open(fit)))
Morphology.load(hobj=cell).set_segment_dl(20.0)
soma = cell.soma[0](0.5)
clamp = h.IClamp(soma)
clamp.amp, clamp.delay, clamp.dur = given["amp"], given["delay"], 1e9
spikes, v = h.Vector(), h.Vector().record(soma._ref_v)
counter = h.NetCon(soma._ref_v, None, sec=soma.sec)
counter.threshold = -15.0
counter.record(spikes)

def change(sodium, leak, sag):
    for segment in cell.soma[0]:
        segment.NaV.gbar *= sodium
        segment.pas.e += sag
    for section in cell.dend:
        for segment in section:
            segment.pas.g *= leak

h.celsius, h.dt, h.steps_per_ms = 34.0, given["dt"], 1.0 / given["dt"]
h.finitialize(given["v_init"])
h.continuerun(given["start"])
change(0.75, 1.5, -3.0)
h.continuerun(given["stop"])
change(1 / 0.75, 1 / 1.5, 3.0)
h.continuerun(given["tstop"])
print(json.dumps({"spikes": list(spikes), "v": list(v)}))
"""


@pytest.fixture(scope="module")
def mechanisms(tmp_path_factory):
    """A folder in which NEURON finds BMTK's channels."""
    folder = tmp_path_factory.mktemp("mechanisms")
    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    shutil.copytree(package / "mechanisms" / "modfiles", folder / "modfiles")
    tool = Path(sys.executable).parent / "nrnivmodl"
    subprocess.run([tool, "modfiles"], cwd=folder, check=True, capture_output=True)
    return folder


def test_spikes_and_voltage_equal_neurons(shared, mechanisms, tmp_path):
    """Voltage within 0.05 mV (root mean square), every spike in the same step."""
    with open(CELLS / "index.csv", newline="") as file:
        row = {each["id"]: each for each in csv.DictReader(file)}[CELL]
    model = ic.cell(CELL)
    rest = float(model.e_pas[model.soma])
    given = {"amp": 0.3, "delay": DELAY, "start": START, "stop": STOP, "tstop": TSTOP, "dt": DT,
             "v_init": rest}  # fmt: skip
    files = [CELLS / "morphologies" / row["swc"], CELLS / "fit" / row["fit"]]
    command = [sys.executable, "-c", CHILD, *map(str, files), json.dumps(given)]
    done = subprocess.run(command, cwd=mechanisms, check=True, capture_output=True, text=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
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
