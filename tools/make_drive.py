"""Make cortex/data/drive.csv: the background by class, cell model, scale, in-degree; and its areas.

    python tools/make_drive.py SCALE,IN_DEGREE=TABLE ...

Each TABLE is what `isocortex build calibrate` wrote for a model of that scale and in-degree; the
shares of areas are those of the first. docs/cortex_model.md tells of which models.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd

from isocortex.cortex.drive import areas_beside

DATA = Path(__file__).parent.parent / "src/isocortex/cortex/data"
KEYS = ["layer", "class", "model", "in_degree", "scale"]


def main(given: list[str]) -> None:
    """Join the tables."""
    tables = []
    for of, file in (argument.split("=", 1) for argument in given):
        scale, in_degree = (float(number) for number in of.split(","))
        table = pd.read_csv(file, dtype={"layer": str, "model": str})
        table = table.assign(scale=scale, in_degree=in_degree)
        tables.append(table[[*KEYS, "synapses", "nS"]])
    joined = pd.concat(tables).sort_values(KEYS)
    shares = areas_beside(Path(given[0].split("=", 1)[1]))
    shutil.copy(shares, areas_beside(DATA / "drive.csv"))
    joined.to_csv(DATA / "drive.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
