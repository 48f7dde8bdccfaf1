"""The whole cortex, built and run by the two commands of the README: memory, time, pictures.

    python benchmarks/whole.py [--scale 1] [--tstop 100] [--dL 40] [--precision mixed]

Each command is a process of its own, whose memory and processor time the system counts. ``--keep``
names a folder for circuit and results: a circuit that is there is not built again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import isocortex
from isocortex.pictures import PICTURES, save
from isocortex.report.origin import simulation_of
from machine import COMMAND, RESULTS, describe, table, write


class Used(NamedTuple):
    """Of a process: seconds that passed and that processors worked, bytes at its peak."""

    wall: float
    cores: float
    peak: float


def used(command: list[str]) -> Used:
    """Run a command and count."""
    print("$ isocortex", " ".join(command), flush=True)
    begun = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *command])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"`isocortex {' '.join(command)}` ended with {status}")
    wall = time.perf_counter() - begun
    return Used(wall, usage.ru_utime + usage.ru_stime, 1024.0 * usage.ru_maxrss)


def main() -> None:
    """Build, run, and tell."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="isocortex-whole-") as name:
        folder = Path(options.keep or name)
        rows = []
        if not (folder / "simulation_config.json").is_file():
            build = ["build", "cortex", "-o", str(folder), "--scale", f"{options.scale:g}"]
            build += ["--in-degree", "1", "--dL", options.dL, "--tstop", f"{options.tstop:g}"]
            rows.append(_row("build", used(build)))
        config = folder / "simulation_config.json"
        results = folder / "output"
        run = ["run", str(config), "--precision", options.precision, "--draw-synapses"]
        run += ["--tstop", f"{options.tstop:g}", "--overwrite"]
        if options.threads:
            run += ["--threads", str(options.threads)]
        for name in ("checkpoint_every", "save_at"):
            if value := getattr(options, name):
                run += [f"--{name.replace('_', '-')}", value]
        ran = used(run)
        rows.append(_row("run", ran))
        lines = _told(rows, results, options, ran)
        file = write("whole", "The whole cortex", lines, options.output)
        result = isocortex.Result(results)
        simulation = simulation_of(result, None)
        for kind in ("areas", "views", "rates"):
            figure = PICTURES[kind](result, simulation=simulation)
            save(figure, file.with_name(f"{file.stem}-{kind}.png"))


def _row(name: str, process: Used) -> list[str]:
    return [name, f"{process.wall:,.0f}", f"{process.cores:,.0f}", f"{process.peak / 1e9:.1f}"]


def _rates(results: Path, by: list[str]) -> pd.DataFrame:
    """What `isocortex rates` says."""
    file = results / f"rates_by_{'_'.join(by)}.csv"
    chosen = [word for name in by for word in ("--by", name)]
    subprocess.run([*COMMAND, "rates", str(results), *chosen, "-o", str(file)], check=True)
    return pd.read_csv(file)


def _told(
    rows: list[list[str]], results: Path, options: argparse.Namespace, ran: Used
) -> list[str]:
    """The page: what cores worked, which other processes beside it change less than its time."""
    told = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    run = told["summary"]
    seconds = 1e-3 * run["tstop"]
    worked = ran.cores - run["setup_seconds"] - run["compile_seconds"]
    per_second = worked / seconds
    steps = run["n_compartments"] * 1e4 * seconds
    by_layer, by_area = (_rates(results, by) for by in (["layer", "ei"], ["area"]))
    return [
        f"`isocortex build cortex --scale {options.scale:g} --in-degree 1 --dL {options.dL}`, then"
        f" `isocortex run --precision {options.precision} --tstop {options.tstop:g}`.",
        "",
        describe(),
        "",
        *table(["command", "s", "s of cores", "GB at the peak"], rows),
        "",
        f"{run['n_cells']:,} cells, {run['n_compartments']:,} compartments,"
        f" {run['n_synapses']:,} synapses; {run['n_spikes']:,} spikes in {run['tstop']:g} ms,"
        f" {run['n_events']:,} synaptic events. Set-up {run['setup_seconds']:.0f} s, then"
        f" {run['run_seconds']:.0f} s, in which cores worked {worked:,.0f} s:"
        f" {per_second:,.0f} core-seconds per simulated second,"
        f" {1e3 * per_second / run['n_cells']:.2f} ms of one core per neuron and simulated second,"
        f" {1e9 * worked / steps:.2f} ns of one core per compartment"
        " and step.",
        "",
        "Rates include the beginning, when all neurons start at one voltage.",
        "",
        *_lines(by_layer),
        "",
        *_lines(by_area),
    ]


def _lines(rates: pd.DataFrame) -> list[str]:
    """A table; nothing where there are no cells."""
    rows = rates.round(2).to_dict("split")["data"]
    return table(list(rates.columns), [["" if v != v else str(v) for v in row] for row in rows])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--tstop", type=float, default=100.0, help="ms")
    parser.add_argument("--dL", default="40", help="um")
    parser.add_argument("--precision", default="mixed")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--checkpoint-every", help="ms")
    parser.add_argument("--save-at", help="ms, keep the state")
    parser.add_argument("--keep", help="folder")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
