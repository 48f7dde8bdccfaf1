"""Divide the embedded atlas into columns, once: ``src/isocortex/cortex/data/columns.npz``.

    python tools/make_columns.py

To be run again after tools/make_cortex_atlas.py. Takes ten seconds.
"""

from pathlib import Path

import numpy as np

import isocortex
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.columns import divide


def main() -> None:
    """Write the division."""
    division = divide(load_atlas())
    file = Path(isocortex.__file__).parent / "cortex" / "data" / "columns.npz"
    np.savez_compressed(
        file,
        column=division.column,
        area=division.area,
        names=np.array(division.places.columns, str),
        places=division.places.to_numpy(),
    )
    print(f"{file}: {len(division.area)} columns, {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
