"""The reference models: where their files are, compiled as the reference was."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from isocortex.cells.allen import compile_allen

MODELS = [
    "AllActive_491766131", "Nr5a1_473863035", "PV1_472912177", "PV2_473862421",
    "Pvalb_485184849", "Rorb_473863510", "Scnn1a_472363762",
]  # fmt: skip


def find(shared, *names):
    """First file of one of these names in the reference data or in BMTK; skip without."""
    # SONATA's own examples (and 9_cells) have other roundings of the same reconstructions
    folders = [shared / "golden" / "networks" / "bio_14cells", shared / "examples"]
    if bmtk := find_spec("bmtk"):
        folders.append(Path(bmtk.origin).parent / "utils" / "scripts" / "bionet")
    for name in names:
        for folder in folders:
            if found := sorted(folder.rglob(name)):
                return found[0]
    pytest.skip(f"no {names[0]} in {', '.join(map(str, folders))}")


def compile_model(shared, name):
    """The CompiledCell of a folder of ``golden``."""
    about = json.loads((shared / "golden" / name / "struct.json").read_text())
    own = name.split("_")[1]  # the all-active model's files lie in a folder of its own
    fit = find(shared, about["fit_json"], f"{own}/fit_parameters.json")
    swc = find(shared, about["swc"], f"{own}/{about['swc']}")
    return compile_allen(fit, swc, about["processing"])
