"""Accuracy for its cost: both integrators over a range of time steps, on embedded cells.

    python benchmarks/accuracy.py

writes a table and a picture. The truth is Crank-Nicolson at dt 0.0015625 ms, to which both
integrators converge; cost is measured with 64 copies of each cell on one thread.
"""

from __future__ import annotations

import time

import numpy as np

import isocortex as ic
from isocortex.analysis.style import COLOURS, new_figure, subplots
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.network.network import CurrentSource, Pulses, bare_network
from machine import describe, table, write

#: Cells of both channel families and a current at which they fire regularly, nA.
CELLS = {
    "472363762": 0.25,
    "471129934": 0.45,
    "478499902": 0.3,
    "485836906": 0.4,
    "471085676": 0.4,
    "473016550": 0.3,
}
STEPS = [0.2, 0.1, 0.05, 0.025, 0.0125]
FINE = 0.0015625
DELAY, TSTOP, COPIES = 20.0, 220.0, 64


def main() -> None:
    rows, points = [], {}
    for cell_id, amp in CELLS.items():
        cell = ic.cell(cell_id)
        truth, _ = _run(cell, amp, FINE, True, 1)
        for second_order in (False, True):
            for dt in STEPS:
                spikes, seconds = _run(cell, amp, dt, second_order, COPIES)
                cost = seconds / (COPIES * cell.n_compartments * TSTOP) * 1e9
                n = min(len(spikes), len(truth))
                late = np.abs(spikes[:n] - truth[:n])
                first = late[0] if n else np.nan
                name = "Crank-Nicolson" if second_order else "backward Euler"
                points.setdefault(name, []).append((dt, cost, first))
                rows.append(
                    [cell_id, name, f"{dt:g}", f"{len(spikes)} of {len(truth)}", f"{first:.4f}",
                     f"{late.mean() if n else np.nan:.3f}", f"{cost:.0f}"]
                )  # fmt: skip
    head = ["cell", "integrator", "dt, ms", "spikes", "first spike off by, ms",
            "all spikes, mean, ms", "ns per compartment and simulated ms"]  # fmt: skip
    lines = [
        f"A current step from {DELAY:g} to {TSTOP:g} ms. Spikes are compared one by one, in order,"
        " as far as both have them.",
        "",
        describe(),
        "",
        *table(head, rows),
    ]
    picture = write("accuracy", "Accuracy for its cost", lines).with_suffix(".png")
    _draw(points).savefig(picture)
    print(f"-> {picture}")


def _run(
    cell: ic.CompiledCell, amp: float, dt: float, second_order: bool, copies: int
) -> tuple[np.ndarray, float]:
    """Spike times of one copy (ms) and seconds of the whole run."""
    pulse = Pulses(np.array([amp]), np.array([DELAY]), np.array([TSTOP]))
    sources = [CurrentSource(i, cell.soma, pulse) for i in range(copies)]
    network = bare_network([cell], np.zeros(copies, np.int64), sources)
    engine = CpuEngine(network, Settings(dt=dt, v_init=-80.0, second_order=second_order))
    begun = time.perf_counter()
    sources_, times, _ = engine.advance(round(TSTOP / dt))
    return times[sources_ == 0], time.perf_counter() - begun


def _draw(points: dict[str, list[tuple[float, float, float]]]):
    figure = new_figure(5.2, 3.8)
    axes = subplots(figure)
    for colour, (name, values) in zip(COLOURS, points.items(), strict=False):
        per_cell = np.array(values).reshape(len(CELLS), len(STEPS), 3)
        for k, curve in enumerate(per_cell):
            axes.loglog(
                curve[:, 1], curve[:, 2], "o-", color=colour, ms=3, lw=0.8, alpha=0.6,
                label=name if k == 0 else None,
            )  # fmt: skip
        for k, dt in enumerate(STEPS):
            axes.annotate(
                f"{dt:g}", (per_cell[:, k, 1].mean(), np.nanmax(per_cell[:, k, 2])),
                (0, 4), textcoords="offset points", ha="center", fontsize=7, color=colour,
            )  # fmt: skip
    axes.set(
        xlabel="cost (ns per compartment and simulated ms)", ylabel="error of the first spike (ms)",
        title="Six cells; numbers are dt (ms)",
    )  # fmt: skip
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
