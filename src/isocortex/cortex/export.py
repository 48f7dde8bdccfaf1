"""Copies of the embedded tables, to be changed and given in their place."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from isocortex.errors import disk_errors

#: Options of ``isocortex build cortex`` and the embedded files that they replace; the first is what
#: the option is given, or, of the wiring, the folder.
TABLES = {
    "area-layer": ["area_layer.csv"],
    "connectome": ["connectome.npz"],
    "drive": ["drive.csv", "drive_areas.csv"],
    "wiring": [
        f"wiring_{name}.csv"
        for name in ("classes", "connections", "kinetics", "models", "strengths", "weights")
    ],
}


def export_tables(folder: Path) -> list[tuple[Path, str]]:
    """Copy the tables that can be replaced; returns what to give to which option.

    Raises
    ------
    SimulationError : if a file cannot be written.
    """
    made = []
    with as_file(files("isocortex") / "cortex" / "data") as source, disk_errors(folder, "copy"):
        for option, names in TABLES.items():
            is_folder = option == "wiring"
            place = folder / option if is_folder else folder
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copy(source / name, place / name)
            made.append((place if is_folder else place / names[0], option))
    return made
