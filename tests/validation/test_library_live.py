"""Embedded cells under current steps beside NEURON, run now: spikes and voltage, at every dL.

The channels are BMTK's own files, compiled here. Needs NEURON and BMTK in the same environment
(`make test-oracle`).
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

import isocortex as ic
from isocortex.cells.library import DIVISIONS

pytest.importorskip("neuron")
bmtk = pytest.importorskip("bmtk")

CELLS = SHARED / "data" / "cells"
#: An excitatory and two inhibitory models, of both families of channels, and a current, nA.
AMPS = {"485836906": 0.3, "471085676": 0.3, "471129934": 0.5}
DELAY, TSTOP, DT = 20.0, 300.0, 0.1  # ms

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
Morphology.load(hobj=cell).set_segment_dl(given["dL"])
soma = cell.soma[0](0.5)
clamp = h.IClamp(soma)
clamp.amp, clamp.delay, clamp.dur = given["amp"], given["delay"], 1e9
spikes, v = h.Vector(), h.Vector().record(soma._ref_v)
counter = h.NetCon(soma._ref_v, None, sec=soma.sec)
counter.threshold = -15.0
counter.record(spikes)
h.celsius, h.dt, h.steps_per_ms = 34.0, given["dt"], 1.0 / given["dt"]
h.finitialize(given["v_init"])
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


@pytest.mark.parametrize("dL", DIVISIONS)
@pytest.mark.parametrize("cell_id", AMPS)
def test_spikes_and_voltage_equal_neurons(shared, mechanisms, cell_id, dL):
    """Voltage within 0.05 mV (root mean square), every spike in the same step."""
    with open(CELLS / "index.csv", newline="") as file:
        row = {each["id"]: each for each in csv.DictReader(file)}[cell_id]
    cell = ic.cell(cell_id, dL)
    given = {"dL": dL, "amp": AMPS[cell_id], "delay": DELAY, "tstop": TSTOP, "dt": DT,
             "v_init": float(cell.e_pas[cell.soma])}  # fmt: skip
    files = [CELLS / "morphologies" / row["swc"], CELLS / "fit" / row["fit"]]
    command = [sys.executable, "-c", CHILD, *map(str, files), json.dumps(given)]
    done = subprocess.run(command, cwd=mechanisms, check=True, capture_output=True, text=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = ic.step(cell, AMPS[cell_id], delay=DELAY, duration=1e9, tstop=TSTOP, dt=DT)
    assert len(theirs["spikes"]) > 2
    assert len(ours.spikes[0]) == len(theirs["spikes"])
    np.testing.assert_allclose(ours.spikes[0], theirs["spikes"], atol=1e-6)
    difference = ours.v[0] - np.array(theirs["v"])[1 : len(ours.v[0]) + 1]
    assert np.sqrt(np.mean(difference**2)) < 0.05
