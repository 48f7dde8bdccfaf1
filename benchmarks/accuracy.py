"""Accuracy for its cost: both integrators over a range of time steps.

    python benchmarks/accuracy.py --peers-python .venv-oracle/bin/python

writes a table and a picture. The truth is Crank-Nicolson at dt 0.0016 ms, to which both integrators
and NEURON converge (tests/validation/test_convergence.py); cost is measured with 64 copies of each
cell on one thread. The cells are embedded ones and, with a Python that has bmtk, those inside bmtk.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import isocortex as ic
from isocortex.analysis.style import COLOURS, new_figure, subplots
from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.network.network import CurrentSource, bare_network
from machine import RESULTS, bionet_files, describe, table, write

#: Embedded cells of both channel families and a current at which they fire regularly, nA.
CELLS = {
    "472363762": 0.25,
    "471129934": 0.45,
    "478499902": 0.3,
    "485836906": 0.4,
    "471085676": 0.4,
    "473016550": 0.3,
    "491766131": 0.25,
}
#: Fit and reconstruction inside bmtk, and the current, nA.
IN_BMTK = {
    "473863035": ("473863035_fit.json", "Nr5a1_471087815_m.swc", 0.18),
    "473863510": ("473863510_fit.json", "Rorb_325404214_m.swc", 0.18),
    "472912177": ("472912177_fit.json", "Pvalb_470522102_m.swc", 0.3),
    "473862421": ("473862421_fit.json", "Pvalb_469628681_m.swc", 0.3),
}
STEPS = [0.2, 0.1, 0.08, 0.05, 0.025, 0.0125]
FINE = 0.0016
DELAY, TSTOP, COPIES = 20.0, 220.0, 64
EVERY = 0.4  # ms, a multiple of all steps: where voltages are compared
BEFORE = 2.0  # ms before the first spike, where the comparison of voltages ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="a Python with bmtk")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    cells = [(ic.cell(cell_id), amp) for cell_id, amp in CELLS.items()]
    if options.peers_python:
        files = bionet_files(options.peers_python)
        for fit, swc, amp in IN_BMTK.values():
            fit_file = files / "biophysical_neuron_models" / fit
            cell = ic.compile_allen(fit_file, files / "morphologies" / swc, "aibs_perisomatic")
            cells.append((replace(cell, name=fit.removesuffix("_fit.json")), amp))
    rows: list[list[str]] = []
    points: dict[str, list[list[tuple[float, float, float]]]] = {}
    for cell, amp in cells:
        truth = _run(cell, amp, FINE, True, 1)
        for second_order, name in ((False, "backward Euler"), (True, "Crank-Nicolson")):
            curve = []
            for dt in STEPS:
                run = _run(cell, amp, dt, second_order, COPIES)
                cost = run.seconds / (COPIES * cell.n_compartments * TSTOP) * 1e9
                n = min(len(run.spikes), len(truth.spikes))
                late = np.abs(run.spikes[:n] - truth.spikes[:n])
                first = late[0] if n else np.nan
                until = round((truth.spikes[0] - BEFORE) / EVERY)
                off = np.sqrt(np.mean((run.voltage[:until] - truth.voltage[:until]) ** 2))
                curve.append((dt, cost, first))
                rows.append(
                    [cell.name, name, f"{dt:g}", f"{len(run.spikes)} of {len(truth.spikes)}",
                     f"{first:.4f}", f"{late.mean() if n else np.nan:.3f}", f"{off:.4f}",
                     f"{cost:.0f}"]
                )  # fmt: skip
            points.setdefault(name, []).append(curve)
    head = ["cell", "integrator", "dt, ms", "spikes", "first spike off by, ms",
            "all spikes, mean, ms", "voltage before the first spike, RMS, mV",
            "ns per compartment and simulated ms"]  # fmt: skip
    lines = [
        f"A current step from {DELAY:g} to {TSTOP:g} ms. Spikes are compared one by one, in order,"
        f" as far as both have them, the soma's voltage until {BEFORE:g} ms before the first.",
        "",
        describe(options.peers_python),
        "",
        *table(head, rows),
    ]
    picture = write("accuracy", "Accuracy for its cost", lines, options.output).with_suffix(".png")
    _draw(points).savefig(picture)
    print(f"-> {picture}")


@dataclass
class Run:
    """Spike times of one copy (ms), its voltage every ``EVERY`` ms, and seconds for all copies."""

    spikes: np.ndarray
    voltage: np.ndarray
    seconds: float


def _run(cell: ic.CompiledCell, amp: float, dt: float, second_order: bool, copies: int) -> Run:
    pulse = Pulses(np.array([amp]), np.array([DELAY]), np.array([TSTOP]))
    sources = [CurrentSource(i, cell.soma, pulse) for i in range(copies)]
    network = bare_network([cell], np.zeros(copies, np.int64), sources)
    engine = CpuEngine(network, Settings(dt=dt, v_init=-80.0, second_order=second_order))
    engine.record(ProbeTable.of([(0, cell.soma, Variable("v", ""))]))
    begun = time.perf_counter()
    sources_, times, samples = engine.advance(round(TSTOP / dt))
    seconds = time.perf_counter() - begun
    step = round(EVERY / dt)
    return Run(times[sources_ == 0], samples[step - 1 :: step, 0], seconds)


def _draw(points: dict[str, list[list[tuple[float, float, float]]]]):
    """Error over cost, which counts backward Euler at 0.025 ms as 1 in every cell."""
    figure = new_figure(5.2, 3.8)
    axes = subplots(figure)
    unit = np.array([[cost for dt, cost, _ in curve if dt == 0.025]
                     for curve in points["backward Euler"]])  # fmt: skip
    for colour, (name, values) in zip(COLOURS, points.items(), strict=False):
        per_cell = np.array(values)
        cost, error = per_cell[:, :, 1] / unit, per_cell[:, :, 2]
        for k in range(len(cost)):
            axes.loglog(
                cost[k], error[k], "o-", color=colour, ms=3, lw=0.8, alpha=0.5,
                label=name if k == 0 else None,
            )  # fmt: skip
        for k, dt in enumerate(STEPS):
            axes.annotate(
                f"{dt:g}", (np.median(cost[:, k]), np.nanmax(error[:, k])),
                (0, 5), textcoords="offset points", ha="center", fontsize=7, color=colour,
            )  # fmt: skip
    axes.set(
        xlabel="cost (backward Euler at 0.025 ms = 1)", ylabel="error of the first spike (ms)",
        title=f"{len(cost)} cells; numbers are dt (ms)",
    )  # fmt: skip
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
