"""An embedded cell in NEURON under a current, in a process of its own, with BMTK's channels."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import SHARED

CELLS = SHARED / "data" / "cells"

CHILD = """
import json, sys
from neuron import h
import bmtk.simulator.bionet as bionet
from bmtk.simulator.bionet.default_setters import cell_models
from bmtk.simulator.bionet.morphology import Morphology

swc, fit, given, course = sys.argv[1:]
given = json.loads(given)
for file in ("stdrun.hoc", "import3d.hoc"):
    h.load_file(file)
h.load_file(f"{bionet.__path__[0]}/default_templates/Biophys1.hoc")
cell = h.Biophys1(swc)
process = getattr(cell_models, given["processing"])
process(cell, None, json.load(open(fit)))
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
exec(course)
h.continuerun(given["tstop"])
print(json.dumps({"spikes": list(spikes), "v": list(v)}))
"""


def nrnivmodl(folder: Path) -> Path:
    """Let NEURON find the mechanisms of a folder's ``modfiles`` in the folder."""
    tool = Path(sys.executable).parent / "nrnivmodl"
    done = subprocess.run([tool, "modfiles"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def compile_channels(folder: Path) -> Path:
    """Let NEURON find BMTK's channels in a folder."""
    import bmtk

    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    shutil.copytree(package / "mechanisms" / "modfiles", folder / "modfiles")
    return nrnivmodl(folder)


def original_files(cell_id: str) -> list[Path]:
    """Reconstruction and fit as the database has them."""
    with open(CELLS / "index.csv", newline="") as file:
        row = {each["id"]: each for each in csv.DictReader(file)}[cell_id]
    return [CELLS / "morphologies" / row["swc"], CELLS / "fit" / row["fit"]]


def run_neuron(
    cell_id: str, channels: Path, course: str = "", *, files: list[Path] | None = None,
    processing: str = "aibs_perisomatic", **given: float,
) -> dict:  # fmt: skip
    """Times of spikes, ms, and the soma's voltage, mV.

    ``given`` are dL, amp, delay, tstop, dt and v_init; ``course`` is run after the cell is set up
    and at rest, with ``cell``, ``h`` and ``given``. ``files`` are reconstruction and fit in place
    of the database's.
    """
    given["processing"] = processing
    files = files or original_files(cell_id)
    command = [sys.executable, "-c", CHILD, *map(str, files), json.dumps(given), course]
    done = subprocess.run(command, cwd=channels, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
