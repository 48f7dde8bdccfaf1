"""Time from the command to the first step: with nothing compiled yet, and with all of it cached.

And of commands that simulate nothing, and of the first step of a circuit of 300 cells.

    python benchmarks/set_up.py --peers-python .venv-oracle/bin/python

A run is a whole process that simulates one step of the circuit of circuit.py.
"""

from __future__ import annotations

import argparse
import os
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


def start_up() -> list[list[str]]:
    """Rows: what short commands take with everything cached, s."""
    with tempfile.TemporaryDirectory(prefix="isocortex-set-up-") as name:
        config = str(write_microcircuit(Path(name) / "demo", cells=300))
        rows = []
        for label, arguments in (
            ("`isocortex --version`", ["--version"]),
            ("`isocortex run --help`", ["run", "--help"]),
            ("`isocortex info`, 300 cells", ["info", config]),
            ("`isocortex run`, 300 cells, to the end of the first step", ["run", config, *STEP]),
        ):
            timed([*COMMAND, *arguments])  # whatever is to be compiled is
            seconds = [timed([*COMMAND, *arguments])[0] for _ in range(SHORT_REPEATS)]
            rows.append([label, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", required=True, help="a Python with bmtk")
    parser.add_argument("--cells", type=int, nargs="+", default=[500, 20000])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
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
        *table(["command", "median, s", "shortest, s"], short),
        "",
        f"All cached, {SHORT_REPEATS} times each.",
    ]
    write("set-up", "From the command to the first step", lines, options.output)


if __name__ == "__main__":
    main()
