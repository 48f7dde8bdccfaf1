"""Isocortex beside BMTK's BioNet (NEURON): the same circuit, the same machine, one after the other.

    python benchmarks/bionet.py --bionet-python .venv-oracle/bin/python

writes benchmarks/results/<date>-bionet.md. Every time is that of a whole process seen from outside:
the set-up is a run of 1 ms, the simulation is the rest of a long run. No pass or fail.
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

from circuit import write_circuit, write_simulation
from machine import RESULTS, describe, table, write

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
    package = Path(
        _output(
            options.bionet_python,
            "-c",
            "import bmtk, pathlib;"
            "print(pathlib.Path(bmtk.__file__).parent / 'utils' / 'scripts' / 'bionet')",
        )
    )
    with tempfile.TemporaryDirectory(prefix="isocortex-bench-") as name:
        folder = Path(name)
        components = options.components or package
        write_circuit(folder, options.cells, options.tstop, components, options.seed)
        short = write_simulation(folder, SHORT, options.dt)
        long = write_simulation(folder, options.tstop, options.dt)
        _compile_mechanisms(options.bionet_python, package, folder / "mechanisms")

        facts = folder / "facts.json"
        child = [options.bionet_python, str(HERE / "run_bionet.py")]
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
        _write_report(options, json.loads(facts.read_text()), rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bionet-python", required=True, help="a Python with neuron and bmtk")
    parser.add_argument(
        "--components",
        type=Path,
        help="folder with morphologies/ and biophysical_neuron_models/ (default: inside bmtk)",
    )
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--tstop", type=float, default=1000.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5, help="runs of Isocortex (BioNet: one)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


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
    _timed(command(short))
    runs = [(_timed(command(short)), _timed(command(long))) for _ in range(repeats)]
    setup = statistics.median(seconds for (seconds, _), _ in runs)
    total = statistics.median(seconds for _, (seconds, _) in runs)
    peak = max(peak for _, (_, peak) in runs)
    output = long.parent / f"output_{long.stem.removeprefix('simulation_')}"
    with h5py.File(output / "spikes.h5") as root:
        spikes = len(root["spikes/cortex/timestamps"]) if "cortex" in root["spikes"] else 0
    return Measurement(name, setup, total - setup, peak, spikes)


def _timed(command: list[str]) -> tuple[float, int]:
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


def _write_report(options: argparse.Namespace, facts: dict, rows: list[Measurement]) -> None:
    compartments, seconds = facts["compartments"], (options.tstop - SHORT) * 1e-3
    steps = (options.tstop - SHORT) / options.dt
    head = ["", "set-up, s", "s per simulated s", "ns per compartment-step", "peak memory, MB",
            "spikes", "speed, BioNet = 1"]  # fmt: skip
    cells = [
        [
            row.name,
            f"{row.setup:.1f}",
            f"{row.run / seconds:.2f}",
            f"{row.run / (compartments * steps) * 1e9:.2f}",
            f"{row.peak_memory / 1e6:.0f}",
            str(row.spikes),
            f"{rows[0].run / row.run:.1f}",
        ]
        for row in rows
    ]
    lines = [
        f"{options.cells} cells of five Allen perisomatic models, {compartments} compartments,"
        f" dt {options.dt:g} ms, {options.tstop:g} ms; recurrent and background synapses as in"
        " benchmarks/circuit.py. Synapses are placed at random by each simulator, so spike counts"
        " agree in kind, not in number.",
        "",
        describe(options.bionet_python),
        "",
        *table(head, cells),
        "",
        "Set-up is a whole process that simulates 1 ms, with compiled code cached by a run before;"
        f" BioNet is timed once, the others are medians of {options.repeats} runs.",
    ]
    write("bionet", "Isocortex and BioNet", lines, options.output)


if __name__ == "__main__":
    main()
