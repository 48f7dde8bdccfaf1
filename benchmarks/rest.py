"""Mean rates of the resting cortex by class at several scales, as a table of docs/cortex_model.md.

    python benchmarks/rest.py [--scales 0.0005 0.001 ...] [--seed 1] [--in-degree 1] [--dL 40]

In bold what is not between half and twice its target. 700 ms count, after 500.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
import pandas as pd

from isocortex.calibrate import calibrate
from isocortex.cortex.drive import TOLERANCE
from isocortex.cortex.recipe import Recipe

SCALES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)


def rates(recipe: Recipe) -> pd.DataFrame:
    """Neurons, Hz and target by layer and class."""
    done = calibrate(
        recipe, rounds=(0, 1), tstop=1200.0, settle=500.0, threads=len(os.sched_getaffinity(0))
    )
    return done.by_class().set_index(["layer", "class"])


def cell(hz: float, target: float) -> str:
    """A rate, bold where it is out of range."""
    text = f"{hz:.2f}"
    return text if TOLERANCE[0] * target <= hz <= TOLERANCE[1] * target else f"**{text}**"


def main() -> None:
    """Print the table, a column at a time on standard error to see it go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="+", default=list(SCALES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-degree", type=float)
    parser.add_argument("--dL", type=float, default=20.0, help="um")
    given = parser.parse_args()
    columns = {}
    for scale in given.scales:
        recipe = Recipe(scale=scale, seed=given.seed, in_degree=given.in_degree, dL=given.dL)
        columns[scale] = rates(recipe)
        print(f"scale {scale:g} done", flush=True)
    kinds = max(columns.values(), key=len)
    head = ["class", "target, Hz", f"neurons at {given.scales[0]:g}"]
    print("| " + " | ".join(head + [f"{scale:g}" for scale in columns]) + " |")
    print("|" + "---|" * (len(head) + len(columns)))
    for kind, row in kinds.iterrows():
        numbers = [columns[given.scales[0]]["neurons"].get(kind, 0)]
        line = [" ".join(kind), f"{row['target']:g}", f"{numbers[0]:,}"]
        for table in columns.values():
            line.append(cell(table.loc[kind, "Hz"], row["target"]) if kind in table.index else "")
        print("| " + " | ".join(line) + " |")
    means = [np.average(t["Hz"], weights=t["neurons"]) for t in columns.values()]
    total = columns[given.scales[0]]["neurons"].sum()
    print("| " + " | ".join(["all", "", f"{total:,}", *(f"{m:.2f}" for m in means)]) + " |")


if __name__ == "__main__":
    main()
