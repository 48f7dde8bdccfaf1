"""Fourteen cells with contacts among, inside and far from them, for BMTK and for us."""

import json
import shutil
from pathlib import Path

#: um; one in a soma, one beside another, others from the deepest to far above.
CONTACTS = [
    (28.753, -362.0, -161.705), (122.4, -352.4, -190.0), (60.0, -400.0, -120.0),
    (200.0, -380.0, 100.0), (310.5, -371.3, 30.0), (40.0, -250.0, -100.0),
    (150.0, -100.0, 0.0), (500.0, 900.0, -300.0),
]  # fmt: skip
GOLDEN = Path(__file__).parent / "validation" / "potentials_bio_14cells.csv"
EVERY = 20  # steps between two lines of it
CHOSEN = {"population": "v1", "node_id": [0, 1, 3, 6, 8, 9]}


def write_case(shared: Path, folder: Path, tstop: float = 100.0) -> Path:
    """Copy the circuit and write a simulation of it that records potentials of some cells."""
    source = shared / "golden" / "networks" / "bio_14cells"
    shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for place in [folder, *folder.rglob("*/")]:
        place.chmod(0o755)
    rows = "".join(f"{k} {x} {y} {z}\n" for k, (x, y, z) in enumerate(CONTACTS))
    (folder / "contacts.csv").write_text("channel x_pos y_pos z_pos\n" + rows)
    config = json.loads((folder / "simulation_config.json").read_text())
    config["run"] |= {"tstop": tstop, "nsteps_block": 300}
    config["inputs"]["clamp"] = {
        "input_type": "current_clamp", "module": "IClamp", "node_set": {**CHOSEN, "node_id": [0]},
        "amp": 0.3, "delay": 20.0, "duration": 50.0,
    }  # fmt: skip
    config["reports"] = {
        "ecp": {
            "module": "extracellular", "cells": CHOSEN, "variable_name": "v",
            "electrode_positions": "$BASE/contacts.csv", "electrode_channels": "all",
            "minimum_distance": "auto", "contributions_dir": "by_cell",
        }
    }  # fmt: skip
    path = folder / "potentials.json"
    path.write_text(json.dumps(config))
    return path
