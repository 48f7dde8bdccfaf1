"""Isocortex beside BMTK's BioNet (NEURON): the same circuit, the same machine, one after the other.

    python benchmarks/bionet.py --peers-python .venv-oracle/bin/python

Every time is that of a whole process seen from outside: the set-up is a run of 1 ms, the simulation
is the rest of a long run. No pass or fail.
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
import time
from dataclasses import dataclass
from pathlib import Path

import h5py

from circuit import BACKGROUND_PER_CELL, write_circuit, write_simulation
from machine import RESULTS, bionet_files, describe, table, write

HERE = Path(__file__).resolve().parent
SHORT = 1.0  # ms: what remains of a run when there is nothing to simulate


@dataclass(frozen=True)
class Measurement:
    """One simulator, one setting: seconds, bytes and spikes."""

    name: str
    setup: float  # s
    run: float  # s
    peak_memory: int  # bytes
    spikes: int


def main() -> None:
    options = _options()
    package = bionet_files(options.peers_python)
    rows = []
    for cells in options.cells:
        facts, measured = _compare(options, package, cells)
        rows += _rows(options, cells, facts["compartments"], measured)
    _write_report(options, rows)


def _compare(
    options: argparse.Namespace, package: Path, cells: int
) -> tuple[dict, list[Measurement]]:
    """All simulators on the circuit of so many cells."""
    with tempfile.TemporaryDirectory(prefix="isocortex-bench-") as name:
        folder = Path(name)
        write_circuit(folder, cells, options.tstop, package, options.seed, options.connections)
        short = write_simulation(folder, SHORT, options.dt)
        long = write_simulation(folder, options.tstop, options.dt)
        _compile_mechanisms(options.peers_python, package, folder / "mechanisms")

        facts = folder / "facts.json"
        child = [options.peers_python, str(HERE / "run_bionet.py")]
        rows = [
            _measure(
                "BioNet (NEURON), 1 process",
                lambda config: [*child, str(config), str(facts)],
                short,
                long,
                1,
            )
        ]
        rows += [
            _measure(
                f"Isocortex, {precision}, {threads} thread{'s' if threads > 1 else ''}",
                lambda config, p=precision, t=threads: _isocortex(config, p, t),
                short,
                long,
                options.repeats,
            )
            for threads in sorted({1, options.threads})
            for precision in ("double", "single")
        ]
        return json.loads(facts.read_text()), rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", required=True, help="a Python with neuron and bmtk")
    parser.add_argument("--cells", type=int, nargs="+", default=[500])
    parser.add_argument("--connections", type=int, default=40, help="recurrent, onto each cell")
    parser.add_argument("--tstop", type=float, default=1000.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5, help="runs of Isocortex (BioNet: one)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def _compile_mechanisms(python: str, package: Path, folder: Path) -> None:
    shutil.copytree(package / "mechanisms" / "modfiles", folder / "modfiles")
    nrnivmodl = Path(python).absolute().parent / "nrnivmodl"
    path = f"{nrnivmodl.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [str(nrnivmodl), "modfiles"],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": path},
    )


def _isocortex(config: Path, precision: str, threads: int) -> list[str]:
    start = "from isocortex.cli import main; main()"
    options = [f"--precision={precision}", f"--threads={threads}", "--overwrite"]
    return [sys.executable, "-c", start, "run", str(config), *options]


def _measure(name: str, command, short: Path, long: Path, repeats: int) -> Measurement:
    """Medians of a short and a long run in alternation; one before them fills the caches."""
    print(f"{name} ...", flush=True)
    timed(command(short))
    runs = [(timed(command(short)), timed(command(long))) for _ in range(repeats)]
    setup = statistics.median(seconds for (seconds, _), _ in runs)
    total = statistics.median(seconds for _, (seconds, _) in runs)
    peak = max(peak for _, (_, peak) in runs)
    output = long.parent / f"output_{long.stem.removeprefix('simulation_')}"
    with h5py.File(output / "spikes.h5") as root:
        spikes = len(root["spikes/cortex/timestamps"]) if "cortex" in root["spikes"] else 0
    return Measurement(name, setup, total - setup, peak, spikes)


def timed(command: list[str]) -> tuple[float, int]:
    """Seconds and peak resident bytes of a child process; its words are shown if it fails."""
    with tempfile.TemporaryFile() as words:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=words, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            words.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{words.read().decode()[-4000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit


def _rows(
    options: argparse.Namespace, n_cells: int, compartments: int, measured: list[Measurement]
) -> list[list[str]]:
    seconds, steps = (options.tstop - SHORT) * 1e-3, (options.tstop - SHORT) / options.dt
    return [
        [
            str(n_cells),
            str(compartments),
            row.name,
            f"{row.setup:.1f}",
            f"{row.run / seconds:.2f}",
            f"{row.run / (compartments * steps) * 1e9:.2f}",
            f"{row.peak_memory / 1e6:.0f}",
            str(row.spikes),
            f"{measured[0].run / row.run:.1f}",
        ]
        for row in measured
    ]


def _write_report(options: argparse.Namespace, rows: list[list[str]]) -> None:
    head = ["cells", "compartments", "", "set-up, s", "s per simulated s",
            "ns per compartment-step", "peak memory, MB", "spikes",
            "speed, BioNet = 1"]  # fmt: skip
    synapses = options.connections * 5 + BACKGROUND_PER_CELL * 3
    lines = [
        f"Five Allen perisomatic models, {synapses} synapses onto each cell, dt {options.dt:g} ms,"
        f" {options.tstop:g} ms; the circuit is that of benchmarks/circuit.py. Synapses are placed"
        " at random by each simulator, so spike counts agree in kind, not in number.",
        "",
        describe(options.peers_python),
        "",
        *table(head, rows),
        "",
        "Set-up is a whole process that simulates 1 ms, with compiled code cached by a run before;"
        f" BioNet is timed once, the others are medians of {options.repeats} runs.",
    ]
    write(f"bionet-{synapses}", "Isocortex and BioNet", lines, options.output)


if __name__ == "__main__":
    main()
