"""Single against double precision: every embedded cell under a current step of ten seconds.

python benchmarks/precision.py
"""

from __future__ import annotations

import numpy as np

import isocortex as ic
from machine import describe, table, write

TSTOP, DT = 10_000.0, 0.1


def main() -> None:
    rows = []
    for cell_id in ic.library_cells().index:
        cell = ic.cell(cell_id)
        amp = _firing_amplitude(cell)
        double, single = (
            ic.step(cell, amp, delay=100.0, duration=TSTOP, tstop=TSTOP, dt=DT, precision=p)
            for p in ("double", "single")
        )
        a, b = double.spikes[0], single.spikes[0]
        n = min(len(a), len(b))
        late = np.abs(a[:n] - b[:n])
        apart = np.flatnonzero(late > 1.0)
        quiet = double.time < (a[0] - 5.0 if len(a) else TSTOP)
        rms = np.sqrt(np.mean((double.v[0] - single.v[0])[quiet] ** 2))
        worst = f"{late[: apart[0] if len(apart) else n].max(initial=0.0):.2f}" if n else ""
        rows.append(
            [str(cell_id), f"{amp:.2f}", str(len(a)), str(len(b)), f"{rms:.1e}", worst,
             str(apart[0] if len(apart) else n)]
        )  # fmt: skip
    head = ["cell", "nA", "spikes, double", "spikes, single", "RMS before the first spike, mV",
            "largest shift until then, ms", "spikes before one is 1 ms off"]  # fmt: skip
    counts = np.array([[int(row[2]), int(row[3])] for row in rows], float)
    change = np.abs(counts[:, 1] / counts[:, 0] - 1.0)
    lines = [
        f"Ten seconds at dt {DT:g} ms and the smallest of a few currents that makes the cell fire"
        " steadily. Over all cells the number of spikes changes by"
        f" {100 * change.mean():.2f} % on average, {100 * change.max():.2f} % at most.",
        "",
        describe(),
        "",
        *table(head, rows),
    ]
    write("precision", "Single against double precision", lines)


def _firing_amplitude(cell: ic.CompiledCell) -> float:
    """The smallest of a few currents at which the cell still fires after 1.5 s, nA."""
    amps = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
    found = ic.step(cell, amps, delay=100.0, duration=2000.0, tstop=2000.0, dt=DT)
    fires = [len(s) > 0 and s[-1] > 1500.0 for s in found.spikes]
    return float(amps[np.argmax(fires)])


if __name__ == "__main__":
    main()
