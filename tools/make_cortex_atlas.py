"""Build src/isocortex/cortex/data from the atlas, the densities and the connectome.

    python tools/make_cortex_atlas.py SHARED_DATA_FOLDER

SHARED_DATA_FOLDER has atlas/ with annotation_25_ccf2017.nrrd, structures.json, areas.csv,
area_layer.csv, connectome_43x86.npz, connectome_knox/laminar_profiles.json and
dorsal_flatmap_paths_100.h5. Where they come from: ``data/NOTICE.md`` beside the tables. Takes two
minutes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from cortex_geometry import PIA, WHITE, coarsen, depth_fields, flat_field, sample, trace_to_middle
from numpy.typing import NDArray

from isocortex.cortex.atlas import (
    AREA_COLUMNS,
    AREA_LAYER_COLUMNS,
    LAYERS,
    PROJECTION_CLASSES,
)
from isocortex.cortex.volume import FIELDS, NODE_UM, VOXEL_UM, encode_field, read_nrrd

OUTPUT = Path(__file__).parents[1] / "src/isocortex/cortex/data"
#: Structures that bound the cortex from below: fibre tracts, cortical subplate, cerebral nuclei.
BELOW = (1009, 703, 623)
#: Cortex that goes on where isocortex ends: hippocampal formation, piriform area, taenia tecta,
#: dorsal peduncular area. Other olfactory areas lie across a fissure.
BESIDE = (1089, 961, 589, 814)

Array = NDArray[Any]


def main(folder: Path) -> None:
    """Write all tables and say how large they are."""
    OUTPUT.mkdir(exist_ok=True)
    areas = pd.read_csv(folder / "areas.csv")
    table = pd.read_csv(folder / "area_layer.csv")
    order = {name: n for n, name in enumerate(areas["acronym"])}
    table = table.sort_values(
        ["area", "layer"], key=lambda c: c.map(order if c.name == "area" else LAYERS.index)
    ).reset_index(drop=True)
    annotation, spacing = read_nrrd(folder / "annotation_25_ccf2017.nrrd")
    assert spacing == VOXEL_UM
    half = annotation.shape[2] // 2
    mirror_difference(annotation, table["id"].to_numpy())

    write_areas(areas)
    write_area_layer(table)
    write_connectome(folder, list(areas["acronym"]))
    write_laminar(folder)
    write_voxels(folder, annotation[:, :, half:], table)
    sizes = {file.name: file.stat().st_size for file in sorted(OUTPUT.iterdir())}
    for name, size in sizes.items():
        print(f"{name:24s} {size / 1e3:8.0f} kB")
    print(f"{'together':24s} {sum(sizes.values()) / 1e3:8.0f} kB")


def mirror_difference(annotation: Array, ids: Array) -> None:
    """Say how far the hemispheres are mirror images."""
    half = annotation.shape[2] // 2
    right, left = annotation[:, :, half:], annotation[:, :, half - 1 :: -1]
    cortex = np.isin(right, ids) | np.isin(left, ids)
    differ = cortex & (right != left)
    far = np.array([not (left[tuple(near.T)] == right[tuple(v)]).any()
                    for v in np.argwhere(differ)
                    for near in [v + np.indices((3, 3, 3)).reshape(3, -1).T - 1]
                    if (near >= 0).all() and (near < right.shape).all()])  # fmt: skip
    print(
        f"isocortex: {np.isin(right, ids).sum()} voxels right, {np.isin(left, ids).sum()} left; "
        f"{differ.sum() / cortex.sum():.2%} of the voxels differ from their mirror image, "
        f"{far.sum() / cortex.sum():.4%} by more than one voxel"
    )


def write_areas(areas: pd.DataFrame) -> None:
    """areas.csv: the 43 areas."""
    areas = areas.rename(
        columns={
            "rgb": "colour",
            "vol_mm3_hemi": "volume_mm3",
            "hierarchy_CCTCCT": "hierarchy",
        }
    )
    areas[list(AREA_COLUMNS)].to_csv(OUTPUT / "areas.csv", index=False)


def write_area_layer(table: pd.DataFrame) -> None:
    """area_layer.csv: densities per mm3; excitatory and other inhibitory are differences."""
    marked = table["pv_mm3"] + table["sst_mm3"] + table["vip_mm3"]
    source = table["source"].str.replace("missing", "layer median")
    derived = pd.DataFrame(
        {
            "area": table["area"], "layer": table["layer"], "id": table["id"],
            "volume_mm3": table["vol_mm3_hemi"],
            "excitatory_mm3": (table["neuron_mm3"] - table["gad67_mm3"]).clip(lower=0).round(1),
            "pvalb_mm3": table["pv_mm3"].round(1),
            "sst_mm3": table["sst_mm3"].round(1),
            "vip_mm3": table["vip_mm3"].round(1),
            "other_inhibitory_mm3": (table["gad67_mm3"] - marked).clip(lower=0).round(1),
            "source": source,
        }
    )  # fmt: skip
    derived[list(AREA_LAYER_COLUMNS)].to_csv(OUTPUT / "area_layer.csv", index=False)


def write_connectome(folder: Path, areas: list[str]) -> None:
    """connectome.npz: (class, ipsi and contra, source, target), and distances."""
    with np.load(folder / "connectome_43x86.npz") as stored:
        assert stored["areas"].tolist() == areas
        arrays = {
            name: np.array(
                [
                    [stored[f"{projection}_{side}_{short}"] for side in ("ipsi", "contra")]
                    for projection in PROJECTION_CLASSES
                ],
                np.float32,
            )
            for name, short in (("density", "cd"), ("normalized_density", "ncd"))
        }
        distance = np.array([stored["dist_ipsi_um"], stored["dist_contra_um"]], np.float32)
    # The normalized density is 0 / 0 in areas without the source layer.
    absent = np.isnan(arrays["normalized_density"])
    assert not arrays["density"][absent].any()
    arrays["normalized_density"][absent] = 0.0
    np.savez_compressed(
        OUTPUT / "connectome.npz", areas=areas, classes=PROJECTION_CLASSES,
        distance_um=distance, **arrays,
    )  # fmt: skip


def write_laminar(folder: Path) -> None:
    """laminar.json: six profiles over layers, and how often each class and module uses them."""
    source = json.loads((folder / "connectome_knox/laminar_profiles.json").read_text())
    source = source["LayerProfiles"]

    def patterns(name: str) -> dict[str, list[float]]:
        return source[name]["parameters"]["patterns"]

    profiles = patterns("layer_profiles")
    table = {
        "layers": ["1", "2/3", "4", "5", "6"],
        "profiles": [np.ravel(profiles[str(n)]).tolist() for n in range(1, 7)],
        "frequency_by_class": patterns("frequency_per_source"),
        "frequency_by_module": patterns("frequency_per_module"),
    }
    (OUTPUT / "laminar.json").write_text(json.dumps(table, indent=1) + "\n")


def write_voxels(folder: Path, annotation: Array, table: pd.DataFrame) -> None:
    """voxels.npz: labels at 25 um, fields at 50 um, of the right hemisphere."""
    ids, inverse = np.unique(annotation, return_inverse=True)
    inverse = inverse.reshape(annotation.shape)
    row = {id_: n + 1 for n, id_ in enumerate(table["id"])}
    labels = np.array([row.get(id_, 0) for id_ in ids], np.uint8)[inverse]
    layer_of_row = np.array([0, *(LAYERS.index(layer) + 1 for layer in table["layer"])], np.uint8)
    layer = layer_of_row[labels]
    beyond = np.array(boundary(ids, folder), np.uint8)[inverse]

    voxels = np.argwhere(labels > 0)
    depth, thickness, normal = depth_fields(layer, beyond)
    for n, name in enumerate(LAYERS):
        of_layer = depth[layer[tuple(voxels.T)] == n + 1]
        print(f"layer {name:3s} relative depth: median {np.median(of_layer):.3f}")
    ratio = round(NODE_UM / VOXEL_UM)
    shape = tuple(n // ratio for n in labels.shape)
    inside, values = coarsen(voxels, depth, thickness, normal, shape)
    with h5py.File(folder / "dorsal_flatmap_paths_100.h5") as file:
        grid = tuple(n // 2 for n in shape[:2]) + (shape[2],)
        flat = flat_field(file["paths"][:], file["view lookup"][:], grid)
    nodes = np.argwhere(inside)
    middle = trace_to_middle(inside, values)[inside]
    # The streamlines' grid is twice as coarse; its first point lies between nodes 0 and 1.
    flat_xy = sample(flat, middle / 2 - 0.25)

    box = [slice(x.min(), x.max() + 1) for x in voxels.T]
    node_box = tuple(slice(x.min(), x.max() + 1) for x in nodes.T)
    columns = {
        "depth": np.clip(values[inside][:, :1], -0.2, 1.2),
        "thickness": VOXEL_UM * values[inside][:, 1:2],
        "normal": values[inside][:, 2:],
        "flat": flat_xy,
        "to_middle": NODE_UM * (middle - nodes),
    }
    np.savez_compressed(
        OUTPUT / "voxels.npz",
        # With the longest axis last, runs of one label are longest and the file smallest.
        labels=np.ascontiguousarray(labels[tuple(box)].transpose(1, 2, 0)),
        origin=[b.start for b in box],
        nodes=np.packbits(inside[node_box]),
        nodes_shape=inside[node_box].shape,
        nodes_origin=[b.start for b in node_box],
        **{name: encode_field(columns[name], name) for name in FIELDS},
    )


def boundary(ids: Array, folder: Path) -> list[int]:
    """What a structure is to the isocortex that touches it: side, pia or white matter."""
    paths = {s["id"]: s["structure_id_path"] for s in structures(folder)}
    kinds = []
    for id_ in ids:
        path = paths.get(int(id_), [])
        below = any(group in path for group in BELOW)
        beside = any(group in path for group in BESIDE)
        kinds.append(WHITE if below else 0 if beside else PIA)
    return kinds


def structures(folder: Path) -> list[dict[str, Any]]:
    """The Allen ontology."""
    return json.loads((folder / "structures.json").read_text())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]) / "atlas")
