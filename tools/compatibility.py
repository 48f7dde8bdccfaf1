"""What of the public examples of BMTK and SONATA runs, and is BMTK's: docs/compatibility.md.

    python tools/compatibility.py BMTK SONATA [--run MS] [--beside PYTHON] > docs/compatibility.md
    python tools/compatibility.py > docs/compatibility.md

BMTK and SONATA are checkouts of github.com/AllenInstitute/bmtk and .../sonata. Every configuration
of their `examples` that is for NEURON is loaded and built, and run for a while if asked for, in
a process of its own, so that none takes the others with it. That is done in copies, in which
tools/example_files.py makes what the repositories do not hold.

`--beside` runs each with BMTK and NEURON too, for which it names the Python that has them
(`.venv-oracle/bin/python`), and compares spikes and reports (tools/beside_bmtk.py). What was found
is kept in tools/compatibility.json, from which the page is made: `--only` and a run that was cut
off leave the other rows as they were.
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
from typing import Any

from beside_bmtk import FAR, beside, compile_mechanisms, nothing_in, same
from example_files import complete, functions_of

#: Longest that one configuration may take, s.
LIMIT = 600.0
STORE = Path(__file__).with_suffix(".json")
RUN_EXAMPLE = Path(__file__).with_name("run_example.py")
HEAD = """# Compatibility

What of the public examples of [BMTK](https://github.com/AllenInstitute/bmtk) and
[SONATA](https://github.com/AllenInstitute/sonata) runs, of those that are for NEURON, and whether
its results are those of BMTK 1.2 with NEURON 9. Made by `tools/compatibility.py`, which says how;
the commits are {commits}.

**{counts}**

*Runs* is: loaded, built and run for {run_ms:g} ms. *Equals BMTK* is: BMTK and Isocortex ran the
same files for the time that is said, in double precision, and every spike of each has one of the
other, of the same cell, at the same step of the integration or the next; but for those of the last
half step, in which events still act in NEURON when a run ends, and here as it goes on. Where
nothing spikes, all reports are within {far:g} of their largest value. The largest difference of
every report is told in its unit: mV, or mM of calcium; where BMTK reports more cells, as it does
not read the `gids` of a node set, in those that both report. What was not compared has nothing in
that column.

BMTK draws the places of synapses whose edges give none, and the units of recordings that no map
names, from NumPy's random numbers; Isocortex takes what BMTK drew. BMTK's modules `xstim` and
`comsol` stop with the NEURON and SciPy of today: they run as `tests/run_bionet_fields.py` mends
them. So is that BMTK turns a cell twice by its angles where it is in such a field and its potential
is recorded. The keys of `bio_comsol` are an earlier BMTK's, which took the nearest place: BMTK 1.2
is told them in its words, and to do so; likewise those of the interval in `bio_neuropixels`, which
it is told for every recording, as it takes what is said once for the first alone. Of an example
that reports nothing `soma_voltage` is compared, of all its biophysical cells.

What the repositories name and do not hold is made before, by `tools/example_files.py`, and the
table says what: networks by the examples' own scripts, with one changed import; files of an
archive; and stand-ins of the same structure for what has to be downloaded. BMTK, too, runs with
these, so that equal results say that such files are read as BMTK reads them, not what the original
would give. *Not there* is what nothing was made for.

| example | | beside BMTK | |
|---|---|---|---|
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
    command = [sys.executable, str(RUN_EXAMPLE), str(path), str(tstop)]
    if functions_of(path).exists():
        command += ["--functions", str(functions_of(path))]
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


def copied(root: Path, work: Path, *, large: bool) -> tuple[list[Path], dict[str, str]]:
    """Configurations in a copy of the examples with what they lack, and what that is."""
    copy = work / root.name
    made = copy / "made.json"
    if not made.exists():
        shutil.copytree(root / "examples", copy / "examples")
        # before more is made
        paths = [str(path.relative_to(copy)) for path in configurations(copy)]
        notes = complete(copy / "examples", large=large)
        made.write_text(json.dumps({"configurations": paths, "notes": notes}))
    found = json.loads(made.read_text())
    return [copy / path for path in found["configurations"]], found["notes"]


def update(store: dict[str, Any], args: argparse.Namespace, work: Path) -> None:
    """Try the configurations that are asked for; the store is written after each."""
    for k, given in enumerate(args.roots):
        root = Path(os.path.abspath(given))  # "." and ".." have names then, links keep theirs
        store["commits"][root.name] = args.commits[k] if args.commits else commit(root)
        paths, notes = copied(root, work, large=args.large)
        examples = work / root.name / "examples"
        if args.beside:
            compile_mechanisms(examples, args.beside)
        for path in paths:
            name = str(path.relative_to(examples))
            if args.only and not re.search(args.only, name):
                continue
            row = store["rows"].setdefault(f"{root.name} `{name}`", {})
            if args.run is not None or "made" not in row:
                row["made"] = notes.get(name, "")
            if args.run is not None:
                store["run_ms"] = args.run
                row["what"], why = tried(path, args.run)
                row["why"] = why.replace(f"{work / root.name}/", "").replace("|", "/")
            if args.beside and row.get("what", "runs") == "runs":
                script = functions_of(path)
                found = beside(path, name, script if script.exists() else None, args.beside)
                for failed in {"bmtk", "isocortex"} & found.keys():
                    found[failed] = found[failed].replace(f"{examples}/", "")
                row["beside"] = found
                print(name, beside_told(row), file=sys.stderr, flush=True)
            STORE.write_text(json.dumps(store, indent=1) + "\n")


def beside_told(row: dict[str, Any]) -> str:
    """What the comparison with BMTK came to."""
    found = row.get("beside")
    if found is None:
        return ""
    if "bmtk" in found:
        return f"BMTK: {found['bmtk']}"
    if "isocortex" in found:
        return f"fails: {found['isocortex']}"
    theirs, ours, equal, near = found["spikes"]
    if nothing_in(found):
        return f"nothing to compare: no spikes in {found['ms']:g} ms"
    spikes = f"{equal + near} of {theirs} spikes"
    if near:
        spikes += f", {near} of them one step apart"
    if ours != theirs:
        spikes += f"; {ours} here"
    told = "equals BMTK: " if same(found) else "differs: "
    told += spikes if theirs or ours else "no spikes"
    if "spread" in found and not same(found):
        theirs, ours, equal, near = found["spread"]
        told += (
            ", as cells fire in the same instant and each simulator has an order of its own; with "
            f"delays of 1 to 2 ms, drawn, {equal + near} of {theirs}; {ours} here"
        )
    reports = []
    for name, (apart, _, *cells) in found["reports"].items():
        of = f" in {cells[0]} of {cells[1]} cells" if cells else ""
        reports.append(f"{name} within {apart:.1g}{of}")
    without = [f"without {name} there" for name in found["without"]]
    when = f"{found['ms']:g} ms"
    if found["begins"]:
        when += f", with spikes from {found['begins']:g} ms on"
    changed = [found["with"]] if "with" in found else []
    return "; ".join([told, *reports, *without, *changed, when])


def page(store: dict[str, Any]) -> str:
    """The table, with what it comes to at its top."""
    rows = dict(sorted(store["rows"].items()))
    runs = sum(row["what"] == "runs" for row in rows.values())
    compared = [row["beside"] for row in rows.values() if "beside" in row]
    compared = [found for found in compared if not nothing_in(found)]
    equal = sum(map(same, compared))
    alone = sum("bmtk" in found for found in compared)
    others = (
        (len(compared) - equal - alone, "differing"),
        (alone, "that BMTK does not run or not in time"),
        (len(rows) - len(compared), "not compared"),
    )
    counts = f"{runs} of {len(rows)} configurations run. {equal} equal BMTK; "
    counts += ", ".join(f"{count} {how}" for count, how in others if count) + "."
    table = "".join(
        f"| {name} | {row['what']} | {beside_told(row)} "
        f"| {'; '.join(part for part in (row['made'], row['why']) if part)} |\n"
        for name, row in rows.items()
    )
    commits = " and ".join(store["commits"].values())
    return HEAD.format(commits=commits, counts=counts, run_ms=store["run_ms"], far=FAR) + table


def main() -> None:
    """Try what is asked for and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="*", metavar="CHECKOUT")
    parser.add_argument("--run", type=float, metavar="MS", help="run for so long; 0: build alone")
    parser.add_argument("--beside", type=Path, metavar="PYTHON", help="that has BMTK and NEURON")
    parser.add_argument("--only", metavar="REGEX", help="configurations whose path has this")
    parser.add_argument("--large", action="store_true", help="also build networks that take long")
    parser.add_argument("--commits", nargs="*", help="of the checkouts, where git does not know")
    parser.add_argument("--work", type=Path, help="keep the copies here, and go on with them")
    args = parser.parse_args()
    args.beside = args.beside and args.beside.absolute()
    store = json.loads(STORE.read_text()) if STORE.exists() else {"commits": {}, "rows": {}}
    with tempfile.TemporaryDirectory() as folder:
        update(store, args, (args.work or Path(folder)).absolute())
    print(page(store), end="")


if __name__ == "__main__":
    main()
