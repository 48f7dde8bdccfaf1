"""Time from the command to the first step: with nothing compiled yet, and with all of it cached.

And of commands that simulate nothing, and of the first step of a circuit of 300 cells.

    python benchmarks/set_up.py --peers-python .venv-oracle/bin/python

A run is a whole process that simulates one step of the circuit of circuit.py. With --short, the
short commands alone, for which no peer is needed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from bionet import timed
from circuit import write_circuit, write_simulation
from isocortex.examples import write_microcircuit
from machine import RESULTS, bionet_files, describe, table, write

DT, CONNECTIONS, REPEATS, SHORT_REPEATS = 0.1, 200, 3, 9


#: The command line in a process of its own, as its console script starts it.
COMMAND = [sys.executable, "-c", "from isocortex.cli import main; main()"]
STEP = ["--tstop", str(DT), "--overwrite"]
#: What a run cannot do without: the libraries, and Numba's own state, made at the first call of a
#: compiled function, be it cached or not.
LIBRARIES = """
import h5py, numpy, pydantic, typer
from numba import njit

@njit("float64(float64)", cache=True)
def one_more(x):
    return x + 1

one_more(1.0)
"""


def start_up() -> list[str]:
    """What short commands take with everything cached, in turn: a table of seconds."""
    with tempfile.TemporaryDirectory(prefix="isocortex-set-up-") as name:
        config = str(write_microcircuit(Path(name) / "demo", cells=300))
        alone = Path(name) / "libraries.py"
        alone.write_text(LIBRARIES)
        commands = {
            "`isocortex --version`": [*COMMAND, "--version"],
            "`isocortex run --help`": [*COMMAND, "run", "--help"],
            "`isocortex info`, 300 cells": [*COMMAND, "info", config],
            "`isocortex run`, 300 cells, to the end of the first step":
                [*COMMAND, "run", config, *STEP],
            "its libraries alone: NumPy, Numba, h5py, pydantic, typer":
                [sys.executable, str(alone)],
        }  # fmt: skip
        seconds: dict[str, list[float]] = {label: [] for label in commands}
        processor: dict[str, list[float]] = {label: [] for label in commands}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages are byte-compiled
        for command in commands.values():
            timed(command)  # whatever is to be compiled is
        for _ in range(SHORT_REPEATS):  # in turn: what else the machine does falls on all alike
            for label, command in commands.items():
                before = _processor_seconds()
                seconds[label].append(timed(command)[0])
                processor[label].append(_processor_seconds() - before)
    rows = [
        [label, *(f"{x:.2f}" for x in (statistics.median(s), min(s), min(processor[label])))]
        for label, s in seconds.items()
    ]
    load = os.getloadavg()[0]
    note = f"All cached, {SHORT_REPEATS} times each, in turn, while {load:.1f} processes "
    note += "wanted to run."
    return [
        *table(["command", "median, s", "shortest, s", "least processor time, s"], rows),
        "",
        note,
    ]


def _processor_seconds() -> float:
    """Of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="a Python with bmtk")
    parser.add_argument("--short", action="store_true", help="the short commands alone")
    parser.add_argument("--cells", type=int, nargs="+", default=[500, 20000])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.short:
        write("start-up", "Start-up", [describe(), "", *start_up()], options.output)
        return
    if options.peers_python is None:
        parser.error("--peers-python is needed, or --short")
    components = bionet_files(options.peers_python)
    short = start_up()  # before the caches are moved
    rows = []
    for cells in options.cells:
        with tempfile.TemporaryDirectory(prefix="isocortex-set-up-") as name:
            folder = Path(name)
            write_circuit(folder, cells, 1.0, components, 1, CONNECTIONS)
            command = [*COMMAND, "run", str(write_simulation(folder, DT, DT)), "--overwrite"]
            # both Numba's own cache and the generated kernels begin empty
            os.environ["NUMBA_CACHE_DIR"] = os.environ["ISOCORTEX_CACHE"] = str(folder / "cache")
            first, _ = timed(command)
            again = [timed(command) for _ in range(REPEATS)]
            cached = statistics.median(seconds for seconds, _ in again)
            peak = max(peak for _, peak in again)
            rows.append([f"{cells:,}", f"{first:.1f}", f"{cached:.1f}", f"{peak / 1e6:.0f}"])
    head = ["cells", "first run, s", "cached, s", "peak memory, MB"]
    lines = [
        f"Five Allen perisomatic models, {CONNECTIONS * 5 + 120} synapses onto each cell.",
        "",
        describe(),
        "",
        *table(head, rows),
        "",
        f"Cached: median of {REPEATS}.",
        "",
        *short,
    ]
    write("set-up", "From the command to the first step", lines, options.output)


if __name__ == "__main__":
    main()
