"""Unconnected Allen cells: Isocortex beside NEURON, CoreNEURON and Arbor, step for step.

    python benchmarks/cells.py --peers-python .venv-oracle/bin/python

All simulators of a case are set up first and then take turns; figures are medians of the turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from machine import RESULTS, bionet_files, describe, table, write

HERE = Path(__file__).resolve().parent
#: Name -> fit, reconstruction, current (nA); the files are inside the PyPI package bmtk. The
#: all-active model is not: see ``--all-active``.
MODELS = {
    "Scnn1a (spiny, 472363762)": ("472363762_fit.json", "Scnn1a_473845048_m.swc", 0.2),
    "Pvalb (fast-spiking with NaV, 472912177)": (
        "472912177_fit.json", "Pvalb_470522102_m.swc", 0.3,
    ),
}  # fmt: skip
#: NMODL files that CoreNEURON's compiler cannot translate.
NOT_IN_CORENEURON = ("NaV.mod", "vecevent.mod")
COMPARTMENT_STEPS = 4e7  # of one turn


@dataclass
class Runner:
    """A simulator in a process of its own, ready to take its turn."""

    name: str
    process: subprocess.Popen
    compartments: int = 0
    seconds: list[float] = field(default_factory=list)

    def turn(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.seconds.append(self.read())

    def read(self) -> float:
        """The next number; simulators also print greetings."""
        for line in self.process.stdout:
            if line.startswith("= "):
                return float(line.removeprefix("= "))
        raise SystemExit(f"{self.name} stopped:\n{self.process.stderr.read()[-3000:]}")


def main() -> None:
    options = _options()
    files = bionet_files(options.peers_python)
    rows = []
    with tempfile.TemporaryDirectory(prefix="isocortex-cells-") as name:
        folders = _compile(options.peers_python, files / "mechanisms" / "modfiles", Path(name))
        if options.all_active:
            models = {
                f"all-active ({options.all_active.resolve().name})": {
                    "fit": str(options.all_active.resolve() / "fit_parameters.json"),
                    "swc": str(options.all_active.resolve() / "reconstruction.swc"),
                    "processing": "aibs_allactive",
                    "amp": 0.25,
                }
            }
        else:
            models = {
                model: {
                    "fit": str(files / "biophysical_neuron_models" / fit),
                    "swc": str(files / "morphologies" / swc),
                    "processing": "aibs_perisomatic",
                    "amp": amp,
                }
                for model, (fit, swc, amp) in MODELS.items()
            }
        for model, case in models.items():
            for cells in options.cells:
                for dt in options.dt:
                    for threads in sorted({1, options.threads}):
                        more = {"cells": cells, "dt": dt, "threads": threads}
                        rows += _compare(options, folders, model, {**case, **more})
    head = ["model", "cells", "dt", "threads", "simulator", "compartments",
            "ns per compartment-step", "times NEURON", "times Arbor"]  # fmt: skip
    lines = [
        "Copies of one cell under a constant current, no synapses; backward Euler. NEURON,"
        " CoreNEURON and Isocortex have the same compartments; Arbor keeps the reconstructed axon"
        " and divides branches into at most 40 um. NaV compiles neither for CoreNEURON nor"
        " for threads in NEURON, so cells that have it lack figures there.",
        "",
        describe(options.peers_python),
        "",
        *table(head, rows),
        "",
        f"Medians of {options.repeats} turns taken in alternation.",
    ]
    name = "cells-all-active" if options.all_active else "cells"
    write(name, "Unconnected cells", lines, options.output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", required=True, help="a Python with neuron, bmtk, arbor")
    parser.add_argument(
        "--all-active", type=Path, help="this model instead: bmtk's all-active example, 491766131/"
    )
    parser.add_argument("--cells", type=int, nargs="+", default=[16, 512, 4096])
    parser.add_argument("--peers-up-to", type=int, default=512, help="cells; set-up takes long")
    parser.add_argument("--dt", type=float, nargs="+", default=[0.1, 0.025], help="ms")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def _compile(python: str, modfiles: Path, folder: Path) -> dict[str, Path]:
    """Working folders with compiled mechanisms, for NEURON and for CoreNEURON."""
    nrnivmodl = Path(python).absolute().parent / "nrnivmodl"
    path = f"{nrnivmodl.parent}{os.pathsep}{os.environ['PATH']}"
    folders = {"neuron": folder / "neuron", "coreneuron": folder / "coreneuron"}
    for name, place in folders.items():
        shutil.copytree(modfiles, place / "modfiles")
        flags = ["-coreneuron"] if name == "coreneuron" else []
        for unusable in NOT_IN_CORENEURON if flags else ():
            (place / "modfiles" / unusable).unlink(missing_ok=True)
        subprocess.run(
            [str(nrnivmodl), *flags, "modfiles"], cwd=place, check=True, capture_output=True,
            env={**os.environ, "PATH": path},
        )  # fmt: skip
    return folders


def _compare(options, folders: dict[str, Path], model: str, case: dict) -> list[list[str]]:
    """Set all simulators up, let them take turns, and return the table's rows."""
    print(f"{model}, {case['cells']} cells, dt {case['dt']}, {case['threads']} threads ...",
          file=sys.stderr, flush=True)  # fmt: skip
    case["ms"] = max(COMPARTMENT_STEPS / (case["cells"] * 200) * case["dt"], 5.0)
    peers = case["cells"] <= options.peers_up_to
    runners = []
    has_nav = '"NaV"' in Path(case["fit"]).read_text()
    if peers and (not has_nav or case["threads"] == 1):
        runners.append(_start("NEURON", "neuron", options.peers_python, folders["neuron"], case))
    if peers and not has_nav:
        place = folders["coreneuron"]
        runners.append(_start("CoreNEURON", "coreneuron", options.peers_python, place, case))
    if peers:
        runners.append(_start("Arbor", "arbor", options.peers_python, folders["neuron"], case))
    for precision in ("double", "single"):
        ours = {**case, "precision": precision}
        runners.append(_start(f"Isocortex, {precision}", "isocortex", sys.executable, HERE, ours))
    for runner in runners:
        runner.compartments = int(runner.read())
        runner.turn()  # a first turn warms up and is forgotten
        runner.seconds.clear()
    for _ in range(options.repeats):
        for runner in runners:
            runner.turn()
    steps = round(case["ms"] / case["dt"])
    cost = {r.name: statistics.median(r.seconds) / (r.compartments * steps) * 1e9 for r in runners}
    for runner in runners:
        runner.process.stdin.close()
        runner.process.wait()

    def times(name: str, peer: str) -> str:
        return f"{cost[peer] / cost[name]:.1f}" if peer in cost else ""

    return [
        [model, str(case["cells"]), f"{case['dt']:g}", str(case["threads"]), r.name,
         str(r.compartments), f"{cost[r.name]:.2f}", times(r.name, "NEURON"),
         times(r.name, "Arbor")]
        for r in runners
    ]  # fmt: skip


def _start(name: str, kind: str, python: str, folder: Path, case: dict) -> Runner:
    command = [str(Path(python).absolute()), str(HERE / "cell_runner.py"), kind, json.dumps(case)]
    return Runner(
        name,
        subprocess.Popen(
            command, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
