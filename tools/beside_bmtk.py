"""An example run by BMTK and by Isocortex: are spikes and reports the same?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from example_files import EI, smaller_ei

TOOLS = Path(__file__).parent
#: Biological time of a comparison, ms: all that there is of small circuits, or until something has
#: happened in large ones, by the beginning of an example's name.
DURATIONS = {
    "bio_1cell": 3000.0, "bio_intfire": 3000.0, "300_intfire": 3000.0, "sim_tests": 3000.0,
    "bio_advanced_stimuli/config.simulation_xstim": 1300.0, "bio_stp_models": 560.0,
    "bio_comsol": 12.0, "bio_300cells": 60.0, "bio_450cells": 60.0, "bio_nsg": 50.0,
    "bio_neuropixels": 50.0, "300_cells": 50.0, "layer4_sample": 400.0, "ei_networks": 100.0,
    "": 1000.0,
}  # fmt: skip
#: When the stimulus begins, ms, of examples whose spikes come earlier by this: nearly nothing does.
BEGINS = {"bio_300cells": 510.0, "bio_450cells_replay": 630.0, "bio_450cells": 510.0, "": 0.0}
#: Examples whose cells fire in the same instant, so that it matters whom a simulator serves first.
TIES = ("300_intfire/config.json",)
#: What is told of the example that takes BMTK hours, and that is compared with fewer cells.
SMALLER = "with 500 cells by its script instead of 12,500"
#: What is reported of an example that reports nothing, of all its biophysical cells.
VOLTAGE = {
    "cells": {"model_type": "biophysical"}, "variable_name": "v", "module": "membrane_report",
    "sections": "soma",
}  # fmt: skip
#: Longest that BMTK may take for it, s.
LIMIT = 3600.0
#: How far a report may be from BMTK's, as a part of its largest value, to be called the same.
FAR = 1e-4


def of_example(table: dict[str, float], name: str) -> float:
    """What a table says of an example, by the beginning of its name."""
    return next(ms for start, ms in table.items() if name.startswith(start))


def compile_mechanisms(examples: Path, python: Path) -> None:
    """Let NEURON compile every folder of mod files where BMTK looks for it."""
    for folder in sorted({path.parent for path in examples.rglob("*.mod")}):
        if "x86_64" in folder.parts:
            continue
        at, given = (folder.parent, "modfiles") if folder.name == "modfiles" else (folder, ".")
        if not (at / "x86_64").exists():
            _run([str(python.parent / "nrnivmodl"), given], at, python)


def beside(config: Path, name: str, functions: Path | None, python: Path) -> dict[str, Any]:
    """What came of an example here and there.

    Parameters
    ----------
    config : of the simulation, in a copy whose mod files are compiled.
    functions : the script with functions that its cells name, with Isocortex in its imports.
    python : that has BMTK and NEURON.

    Returns
    -------
    dict with ``bmtk``, why BMTK does not run it, or ``ms``, ``cells``, ``spikes`` (there, here, at
    the same step and a step apart), ``reports`` (largest difference, by name, and the largest
    value), perhaps ``with``, what is changed of the example, and, of :data:`TIES`, ``spread``: the
    spikes of the network with delays that differ.
    """
    if name == EI:
        config = smaller_ei(config)
    watch(config)
    begins = of_example(BEGINS, name)
    if begins:
        config = earlier(config, begins)
    found = compared(config, of_example(DURATIONS, name), functions, python) | {"begins": begins}
    if name == EI:
        found["with"] = SMALLER
    if name in TIES and "spikes" in found:
        found["spread"] = compared(spread(config), found["ms"], functions, python)["spikes"]
    return found


def copied(folder: Path, name: str) -> Path:
    """A copy beside a folder, from where the same components are found."""
    copy = folder.with_name(f"{folder.name}.{name}")
    shutil.rmtree(copy, ignore_errors=True)
    ours = shutil.ignore_patterns("*.bmtk", "*.isocortex")
    return Path(shutil.copytree(folder, copy, ignore=ours))


def watch(config: Path) -> None:
    """Let a configuration without reports say the voltages of all somata, where spikes are few."""
    content = json.loads(config.read_text())
    if isinstance(content.get("simulation"), str):
        watch(config.parent / re.sub(r"^\$\{?\w+\}?/", "", content["simulation"]))
    elif not content.get("reports"):
        content["reports"] = {"soma_voltage": VOLTAGE}
        config.write_text(json.dumps(content, indent=2))


def earlier(config: Path, by: float) -> Path:
    """The configuration in a copy whose stored spikes come earlier by so much, ms."""
    folder = copied(config.parent, "earlier")
    for path in sorted(folder.rglob("*spikes.h5")):
        with h5py.File(path, "r+") as file:
            for group in file["spikes"].values():
                kept = group["timestamps"][:] >= by
                times, ids = group["timestamps"][:][kept] - by, group["node_ids"][:][kept]
                for name, values in (("timestamps", times), ("node_ids", ids)):
                    attributes = dict(group[name].attrs)
                    del group[name]
                    group[name] = values
                    group[name].attrs.update(attributes)
    return folder / config.name


def spread(config: Path) -> Path:
    """The configuration in a copy whose edges have delays of 1 to 2 ms, drawn one by one."""
    folder = copied(config.parent, "spread")
    random = np.random.default_rng(1)
    for path in sorted((folder / "network").glob("*edges.h5")):
        with h5py.File(path, "r+") as file:
            for population in file["edges"].values():
                population["0/delay"] = random.uniform(1.0, 2.0, len(population["edge_type_id"]))
    return folder / config.name


def compared(config: Path, ms: float, functions: Path | None, python: Path) -> dict[str, Any]:
    """The comparison of :func:`beside` for some time, ms."""
    theirs, ours = (config.parent / f"{config.stem}.{who}" for who in ("bmtk", "isocortex"))
    command = [str(TOOLS / "run_example_bmtk.py"), config.name, str(ms), str(theirs)]
    if functions:
        command.append("run_bionet.py")
    failed = _run([str(python), *command], config.parent, python)
    if failed:
        return {"bmtk": failed}
    command = [str(TOOLS / "run_example.py"), config.name, str(ms), "--output", str(ours)]
    command += ["--draws", str(theirs / "draws.npz")]
    if functions:
        command += ["--functions", functions.name]
    failed = _run([sys.executable, *command], config.parent, python)
    about = json.loads((theirs / "about.json").read_text())
    if failed:
        return about | {"isocortex": failed}
    until = about["ms"] - 0.5 * about["dt"]
    there, here = spikes_of(theirs, until), spikes_of(ours, until)
    return about | {
        "spikes": list(shared(there, here, about["dt"])),
        "reports": dict(sorted(differences(theirs, ours))),
    }


def _run(command: list[str], folder: Path, python: Path) -> str:
    """Why a command failed, or nothing."""
    env = dict(os.environ, OMP_NUM_THREADS="1", MPLBACKEND="agg")
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    if command[0] == str(python):
        env.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"takes longer than {LIMIT / 60:g} min"
    said = done.stdout.strip().splitlines()
    if done.returncode == 0 and not (said and said[-1].startswith("refused")):
        return ""
    told = done.stderr.strip().splitlines()
    errors = [line for line in told if re.match(r"\w*(Error|Exception)\b", line)]
    return (errors or said or told or ["without a word"])[-1][:300]


def spikes_of(folder: Path, until: float) -> dict[tuple[str, int], np.ndarray]:
    """Times, ms, of the nodes that spiked.

    What arrives in the last half of a run's last step acts in NEURON, and here in the step after.
    """
    found = {}
    with h5py.File(folder / "spikes.h5") as file:
        for population, group in file.get("spikes", {}).items():
            kept = group["timestamps"][:] < until
            ids, times = group["node_ids"][:][kept], group["timestamps"][:][kept]
            for node in np.unique(ids).tolist():
                found[population, node] = np.sort(times[ids == node])
    return found


def shared(
    there: dict[tuple[str, int], np.ndarray], here: dict[tuple[str, int], np.ndarray], dt: float
) -> tuple[int, int, int, int]:
    """Spikes there, here, at the same step in both, and one step apart."""
    same = near = 0
    for node in there.keys() & here.keys():
        a, b = (np.round(spikes[node] / dt).astype(int).tolist() for spikes in (there, here))
        i = j = 0
        while i < len(a) and j < len(b):
            if abs(a[i] - b[j]) <= 1:
                same, near = same + (a[i] == b[j]), near + (a[i] != b[j])
                i, j = i + 1, j + 1
            elif a[i] < b[j]:
                i += 1
            else:
                j += 1
    count = [sum(map(len, spikes.values())) for spikes in (there, here)]
    return count[0], count[1], same, near


def differences(theirs: Path, ours: Path) -> Iterator[tuple[str, list[float]]]:
    """Of reports that both made: the largest difference, and the largest value of BMTK's.

    Where cells are fewer here, as BMTK takes all where a node set names some by ``gids``, they are
    what is compared, and their number and that of BMTK's follow.
    """
    for path in theirs.glob("*.h5"):
        if path.name == "spikes.h5" or not (ours / path.name).exists():
            continue
        with h5py.File(path) as a, h5py.File(ours / path.name) as b:
            difference = largest = 0.0
            cells = np.zeros(2, int)
            for group in _groups(a):
                (there, x), (here, y) = _values(a, group), _values(b, group)
                mine = np.isin(there, here)
                cells += len(np.unique(there[mine])), len(np.unique(there))
                x = x[:, mine]
                same = x.shape == y.shape and x.size
                difference = max(difference, float(np.abs(x - y).max()) if same else np.inf)
                largest = max(largest, float(np.abs(x).max(initial=0.0)))
        fewer = cells.tolist() if cells[0] != cells[1] else []
        yield path.stem, [difference, largest, *fewer]


def _groups(file: h5py.File) -> list[str]:
    """Where the numbers are: potentials outside the cells, or one population after another."""
    return ["ecp"] if "ecp" in file else [f"report/{name}" for name in file["report"]]


def _values(file: h5py.File, group: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells, and times by places, in an order that does not depend on who wrote the file."""
    if group not in file:
        return np.zeros(0, int), np.zeros((0, 0))
    values, mapping = file[group]["data"][:], file[group].get("mapping")
    if mapping is None:
        return np.zeros(values.shape[1], int), values
    cell = np.repeat(mapping["node_ids"][:], np.diff(mapping["index_pointer"][:].astype(int)))
    order = np.lexsort((values[-1], mapping["element_pos"][:], mapping["element_ids"][:], cell))
    return cell[order], values[:, order]


def nothing_in(found: dict[str, Any]) -> bool:
    """Whether both ran without a spike and without a report: there is nothing to compare."""
    return "spikes" in found and not any(found["spikes"][:2]) and not found["reports"]


def same(found: dict[str, Any]) -> bool:
    """Whether all spikes are in both within a step, and voltages the same where there are none."""
    if "spikes" not in found:
        return False
    theirs, ours, equal, near = found["spikes"]
    if theirs or ours:
        return theirs == ours == equal + near
    return bool(found["reports"]) and all(
        difference <= FAR * max(1.0, largest)
        for difference, largest, *_ in found["reports"].values()
    )
