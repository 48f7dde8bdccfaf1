"""Build src/isocortex/data/cells.npz from Allen Cell Types models, divided at every dL of ours.

Beside it, reconstructions.npz: what `isocortex cells export` writes their files from.

    python tools/make_cell_library.py CELLS_FOLDER [FOLDER ...]

CELLS_FOLDER has index.csv (id, cre, location, ei, fit, swc), fit/ and morphologies/. The models of
``OTHERS`` are looked for, by path, in the other folders.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.cells.allen import compile_allen, resistances
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.cells.fit import parameters_of
from isocortex.cells.library import DIVISIONS, NODE_ARRAYS, SECTION_VALUES, member, unpack
from isocortex.cells.originals import POINT_ARRAYS, STEP
from isocortex.cells.swc import Reconstruction, read_swc
from isocortex.text import read_json

OUTPUT = Path(__file__).parents[1] / "src/isocortex/data/cells.npz"
RECONSTRUCTIONS = OUTPUT.with_name("reconstructions.npz")
CITATION = "Gouwens et al. 2018, doi:10.1038/s41467-017-02718-3"

#: From index.csv, by layer; both signs and both channel families wherever the database has them.
#: Of the models that fit a class those of the V1 model come first. Left out, for all that they
#: are in the V1 model: 341442651, 321708130 and 333785962 (Pvalb) and 313862167 (Sst), whose
#: spikes do not reach -15 mV or that do not fire repeatedly below 0.8 nA, and 333604946 (Pvalb),
#: in depolarisation block at 1.5 times its rheobase. 471077468 (Pvalb) fails in the same way.
CELLS = """
    478107198 475585413 485466109
    487661754 485912047 477127614 478499902 382982932 476087653
    484635029 488501071 473540161 475068599 324493977 476686112
    475622793 479220013 475622680 327962063 474267418
    395830185 314900022 485836906 386049446 483061182 469798159 314642645 476455864 318808427
    477135941
    487667205 318331342 473016550 485058595 474626527
    471129934 485574832 485880739 471767045 487664663 486052980
    480351780 354190013 480353286 324025297 473601979 314831019 469793303
    486783119 471085676 321023397 471077857 478793814
    482690728 464198958 478396248 323475862 482644550 478110866 481001895 481136138
    471819401 466632464 471786879 471410185 488680211 475744706
    471087830 478828646 466245544 475888653 476104386 473564515 323452196
""".split()

#: id -> cre, location, ei, fit, swc, processing: models from other collections.
OTHERS = {
    "472363762": (
        "Scnn1a", "VisL4", "excitatory", "biophysical_neuron_models/472363762_fit.json",
        "morphologies/Scnn1a_473845048_m.swc", "aibs_perisomatic",
    ),
    "491766131": (  # the layer is that of its Cre line
        "Rbp4", "VisL5", "excitatory", "491766131/fit_parameters.json",
        "491766131/reconstruction.swc", "aibs_allactive",
    ),
}  # fmt: skip


def main(folders: list[Path]) -> None:
    """Compile, pack and check that nothing is lost but the precision of drawing coordinates."""
    with open(folders[0] / "index.csv", newline="") as file:
        index = {row["id"]: row for row in csv.DictReader(file)}
    models = {
        cell_id: (
            row["cre"], row["location"], row["ei"], folders[0] / "fit" / row["fit"],
            folders[0] / "morphologies" / row["swc"], "aibs_perisomatic",
        )
        for cell_id, row in ((cell_id, index[cell_id]) for cell_id in CELLS)
    }  # fmt: skip
    for cell_id, (cre, location, ei, fit, swc, processing) in OTHERS.items():
        models[cell_id] = (cre, location, ei, find(folders, fit), find(folders, swc), processing)

    columns: dict[str, list[np.ndarray]] = {}
    description: dict[str, dict[str, Any]] = {}
    n_nodes = dict.fromkeys(DIVISIONS, 0)
    points: dict[str, list[np.ndarray]] = {name: [] for name in POINT_ARRAYS}
    originals: dict[str, dict[str, Any]] = {}
    for cell_id, (cre, location, ei, fit, swc, processing) in sorted(models.items()):
        cells = {dL: compile_allen(fit, swc, processing, dL=dL, name=cell_id) for dL in DIVISIONS}
        cell = cells[DIVISIONS[0]]
        entry = describe(cell, processing)
        for other in cells.values():  # what is constant over a kind of section is stored once
            assert describe(other, processing) == entry
        entry |= {
            "ei": ei[0], "cre": cre, "layer": location.removeprefix("VisL"), "location": location,
            "area_um2": round(float(cell.area.sum()), 1), "processing": processing,
            "citation": CITATION, "divided": {},
        }  # fmt: skip
        for dL, cell in cells.items():
            arrays = {key: getattr(cell, key).astype(kind) for key, kind in NODE_ARRAYS.items()}
            for name, array in arrays.items():
                columns.setdefault(member(name, dL), []).append(array)
            begin = n_nodes[dL]
            n_nodes[dL] += cell.n_nodes
            entry["divided"][f"{dL:g}"] = {
                "nodes": [begin, n_nodes[dL]], "soma": cell.soma,
                "n_compartments": cell.n_compartments, "n_nodes": cell.n_nodes,
            }  # fmt: skip
            check(cell, unpack(cell_id, arrays, entry, cell.soma))
        description[cell_id] = entry
        kept = packed(swc, processing)
        begin = sum(map(len, points["type"]))
        for name, array in kept.items():
            points[name].append(array)
        originals[cell_id] = facts(read_json(fit)) | {"points": [begin, begin + len(kept["type"])]}
    write_reconstructions(originals, points)
    text = np.frombuffer(json.dumps(description).encode(), np.uint8)
    stored = {name: np.concatenate(parts) for name, parts in columns.items()}
    OUTPUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUTPUT, description=text, **stored)
    nodes = ", ".join(f"{n} nodes at dL {dL:g} um" for dL, n in n_nodes.items())
    print(f"{len(description)} cells, {nodes}, {OUTPUT.stat().st_size / 1e3:.0f} kB")


def needed(swc: Reconstruction, processing: str) -> np.ndarray:
    """Rows that are needed of a reconstruction: of an axon that is replaced, the first point.

    Where an axon leaves a dendrite it cuts that in two sections. All-active models take diameters
    from the axon, and keep it.
    """
    axon = swc.type == SECTION_TYPES["axon"]
    begins = axon & (swc.parent >= 0) & ~axon[np.maximum(swc.parent, 0)]
    return np.flatnonzero(~axon | begins | ("allactive" in processing))


def packed(path: Path, processing: str) -> dict[str, np.ndarray]:
    """``POINT_ARRAYS`` of a reconstruction; stops if its numbers are finer than ``STEP``."""
    swc = read_swc(path)
    rows = needed(swc, processing)
    table = np.loadtxt(path, comments="#", usecols=range(7))
    places = table[np.argsort(table[:, 0], kind="stable")][rows, 2:6]  # read_swc rounds them
    steps = np.rint(places / STEP)
    np.testing.assert_allclose(steps * STEP, places, rtol=0.0, atol=1e-9)
    number = np.full(len(swc.type) + 1, -1)  # the last is that of no parent
    number[rows] = np.arange(len(rows))
    arrays = dict(zip("xyzr", np.diff(steps, axis=0, prepend=0.0).T, strict=True))
    arrays |= {"type": swc.type[rows], "back": np.arange(len(rows)) - number[swc.parent[rows]]}
    return {name: arrays[name].astype(kind) for name, kind in POINT_ARRAYS.items()}


def facts(fit: dict[str, Any]) -> dict[str, Any]:
    """What compartments do not tell of a fit: resistance by SWC type, and conditions."""
    conditions = fit["conditions"][0]
    return {
        "ra": {str(kind): ra for kind, ra in resistances(parameters_of(fit, "fit")).items()},
        "celsius": conditions["celsius"], "v_init": conditions["v_init"],
    }  # fmt: skip


def write_reconstructions(
    originals: dict[str, dict[str, Any]], points: dict[str, list[np.ndarray]]
) -> None:
    """Points of all cells end to end, and as JSON where each begins and what its fit says."""
    text = np.frombuffer(json.dumps(originals).encode(), np.uint8)
    stored = {name: np.concatenate(parts) for name, parts in points.items()}
    np.savez_compressed(RECONSTRUCTIONS, description=text, **stored)
    n = len(stored["type"])
    print(f"{n} points, {RECONSTRUCTIONS.stat().st_size / 1e3:.0f} kB")


def find(folders: list[Path], path: str) -> Path:
    """The first of ``folders`` that has ``path``."""
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    sys.exit(f"none of the folders has {path}")


def describe(cell: CompiledCell, processing: str) -> dict[str, Any]:
    """What is constant over a kind of section, by SWC type."""
    real = cell.area > 0

    def by_type(values: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
        return {str(kind): float(values[kinds == kind][0]) for kind in np.unique(kinds)}

    mechanisms = {
        name: {
            "types": np.unique(cell.section_type[table.nodes]).tolist(),
            "parameters": {
                parameter: by_type(values, cell.section_type[table.nodes])
                for parameter, values in table.parameters.items()
            },
        }
        for name, table in cell.mechanisms.items()
    }
    family = "perisomatic, NaV" if "NaV" in cell.mechanisms else "perisomatic, NaTs"
    return {
        "channels": "all-active" if "allactive" in processing else family,
        "values": {
            key: by_type(getattr(cell, key)[real], cell.section_type[real])
            for key in SECTION_VALUES
        },
        "mechanisms": mechanisms,
    }


def check(cell: CompiledCell, unpacked: CompiledCell) -> None:
    """Stop if packing lost anything."""
    for name in ("name", "soma", *NODE_ARRAYS, *SECTION_VALUES):
        a, b = getattr(cell, name), getattr(unpacked, name)
        if NODE_ARRAYS.get(name) is np.float32:
            np.testing.assert_allclose(a, b, atol=1e-3, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert list(cell.mechanisms) == list(unpacked.mechanisms)
    for name, table in cell.mechanisms.items():
        other = unpacked.mechanisms[name]
        np.testing.assert_array_equal(table.nodes, other.nodes)
        assert list(table.parameters) == list(other.parameters)
        for parameter, values in table.parameters.items():
            np.testing.assert_array_equal(values, other.parameters[parameter])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(argument) for argument in sys.argv[1:]])
