"""What runs have written, compared to the last bit."""

from pathlib import Path

import h5py
import numpy as np


def contents(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of every dataset of the spikes and reports in a folder."""
    found = {}
    for path in sorted(Path(folder).rglob("*.h5")):
        if path.name.startswith(("checkpoint", "state_")):
            continue
        name_of_file = path.relative_to(folder)
        with h5py.File(path) as file:

            def keep(name, item, file=name_of_file):
                if isinstance(item, h5py.Dataset):
                    value = np.asarray(item[()])
                    text = value.dtype == object
                    held = repr(value.tolist()).encode() if text else value.tobytes()
                    found[f"{file}/{name}"] = (value.dtype.str, value.shape, held)

            file.visititems(keep)
    return found


def require_equal(folder: Path, other: Path) -> None:
    """Both hold the same numbers to the last bit."""
    here, there = contents(folder), contents(other)
    assert here.keys() == there.keys() and here
    assert [name for name in here if here[name] != there[name]] == []
