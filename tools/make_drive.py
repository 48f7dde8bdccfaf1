"""Make cortex/data/drive.csv, the background by class, cell model and scale, and its areas.

    python tools/make_drive.py SCALE=TABLE ...

Each TABLE is what `isocortex build calibrate` wrote for a model of that scale with a tenth of the
synapses; the shares of areas are those of the first. docs/cortex_model.md tells of which models.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd

from isocortex.cortex.drive import areas_beside

DATA = Path(__file__).parent.parent / "src/isocortex/cortex/data"
KEYS = ["layer", "class", "model", "scale"]


def main(given: list[str]) -> None:
    """Join the tables."""
    tables = []
    for scale, file in (argument.split("=", 1) for argument in given):
        table = pd.read_csv(file, dtype={"layer": str, "model": str})
        tables.append(table.assign(scale=float(scale))[[*KEYS, "synapses", "nS"]])
    joined = pd.concat(tables).sort_values(KEYS)
    shares = areas_beside(Path(given[0].split("=", 1)[1]))
    shutil.copy(shares, areas_beside(DATA / "drive.csv"))
    joined.to_csv(DATA / "drive.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
