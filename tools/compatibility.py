"""What of the public examples of BMTK and SONATA runs: writes docs/compatibility.md.

    python tools/compatibility.py BMTK SONATA [--run MS] [--large] > docs/compatibility.md

BMTK and SONATA are checkouts of github.com/AllenInstitute/bmtk and .../sonata. Every configuration
of their `examples` that is for NEURON is loaded and built, and run for a while if asked for, in
a process of its own, so that none takes the others with it. That is done in copies, in which
tools/example_files.py makes what the repositories do not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from example_files import complete, functions_of

#: Longest that one configuration may take, s.
LIMIT = 600.0
#: What a child does: load, build and perhaps run; the last line of its output is what came of it.
CHILD = """
import sys, tempfile
from dataclasses import replace
import isocortex as ic
from isocortex.errors import IsocortexError
from isocortex.network.build import build_network
from isocortex.session.recorders import recorders_of
path, tstop, functions = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
try:
    simulation = ic.load_simulation(path, skip_unsupported_reports=True)
    if functions:  # they are part of the example
        import runpy
        from isocortex.bmtk.simulator.bionet.processing import processed
        from isocortex.bmtk.simulator.bionet.pyfunction_cache import py_modules
        runpy.run_path(*functions)
        simulation = processed(simulation, py_modules.cell_processors)
    network = build_network(simulation)
    recorded, without = [], list(simulation.skipped)
    for spec in simulation.reports:
        try:
            recorders_of(replace(simulation, reports=[spec]), network)
            recorded.append(spec)
        except IsocortexError:
            without.append(spec.name)
    simulation = replace(simulation, reports=recorded)
    if tstop:
        simulation = replace(simulation, tstop=min(simulation.tstop, tstop))
        with tempfile.TemporaryDirectory() as folder:
            ic.run(simulation, output_dir=folder, threads=1)
    print("runs", "; without report " + ", ".join(without) if without else "")
except IsocortexError as error:
    print("refused", str(error).replace(chr(10), " "))
"""
HEAD = """# Compatibility

What of the public examples of [BMTK](https://github.com/AllenInstitute/bmtk) and
[SONATA](https://github.com/AllenInstitute/sonata) runs, of those that are for NEURON. Made by
`tools/compatibility.py`, which says how; the commits are {commits}.
*Runs* is: {how}. That results are BioNet's is tested by feature, in `tests/validation`.

What the repositories name and do not hold is made before, by `tools/example_files.py`, and the
table says what: networks by the examples' own scripts, with one changed import; files of an
archive; and stand-ins of the same structure for what has to be downloaded. These show that such
files are read and run, not that they say the same. *Not there* is what nothing was made for.

| example | | |
|---|---|---|
"""


def configurations(root: Path) -> Iterator[Path]:
    """Simulation configurations below ``examples`` that NEURON is to run."""
    for path in sorted((root / "examples").rglob("*.json")):
        if "config" not in path.name or not for_neuron(path, root):
            continue
        yield path


def for_neuron(path: Path, root: Path) -> bool:
    """Whether it is a simulation, and of NEURON as far as it or its folder in ``root`` says."""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return False
    parts = ({"run", "simulation"}, {"network", "networks", "circuit"})
    if not isinstance(content, dict) or not all(part & content.keys() for part in parts):
        return False
    simulator = content.get("target_simulator")
    if simulator is None and isinstance(content.get("simulation"), str):
        inner = path.parent / re.sub(r"^\$\{?\w+\}?/", "", content["simulation"])
        if inner.is_file():
            simulator = json.loads(inner.read_text()).get("target_simulator")
    if simulator is not None:
        return str(simulator).upper() == "NEURON"
    return not re.search(r"point|pop|nest|filter|lif", str(path.parent.relative_to(root)).lower())


def tried(path: Path, tstop: float) -> tuple[str, str]:
    """What came of a configuration, and why."""
    command = [sys.executable, "-c", CHILD, str(path), str(tstop)]
    if functions_of(path).exists():
        command.append(str(functions_of(path)))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "not decided", f"took longer than {LIMIT:g} s"
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return "crashes", (done.stderr.strip().splitlines() or ["without a word"])[-1]
    what, _, why = lines[-1].partition(" ")
    if what == "refused" and re.search(r"file does not exist|there is no file", why):
        what = "not there"
    return what, why.strip("; ").strip()


def commit(root: Path) -> str:
    """The commit of a checkout, where it is one."""
    command = ["git", "-C", str(root), "rev-parse", "--short=8", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Try every configuration and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+", metavar="CHECKOUT")
    parser.add_argument("--run", type=float, default=0.0, metavar="MS", help="also run for so long")
    parser.add_argument("--large", action="store_true", help="also build networks that take long")
    parser.add_argument("--commits", nargs="*", help="of the checkouts, where git does not know")
    args = parser.parse_args()
    commits = args.commits or [commit(root) for root in args.roots]
    how = f"loaded, built and run for {args.run:g} ms" if args.run else "loaded and built"
    print(HEAD.format(commits=" and ".join(commits), how=how), end="")
    counts: dict[str, int] = {}
    for given in args.roots:
        root = Path(os.path.abspath(given))  # "." and ".." have names then, links keep theirs
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / root.name
            shutil.copytree(root / "examples", copy / "examples")
            paths = list(configurations(copy))  # before anything is made beside them
            notes = complete(copy / "examples", large=args.large)
            for path in paths:
                name = str(path.relative_to(copy / "examples"))
                what, why = tried(path, args.run)
                counts[what] = counts.get(what, 0) + 1
                why = why.replace(f"{copy}/", "").replace("|", "/")
                why = "; ".join(part for part in (notes.get(name), why) if part)
                print(f"| {root.name} `{name}` | {what} | {why} |", flush=True)
    total = sum(counts.values())
    print(
        f"\n{total} configurations: " + ", ".join(f"{n} {what}" for what, n in counts.items()) + "."
    )


if __name__ == "__main__":
    main()
