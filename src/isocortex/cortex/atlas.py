"""The atlas: areas, layers, densities of neurons, the connectome and the volume they lie in.

The tables are inside the package (``tools/make_cortex_atlas.py`` makes them; ``data/NOTICE.md``
says from what); any of them can be replaced by a file of one's own.

>>> atlas = load_atlas()
>>> len(atlas.areas), round(float(2 * atlas.area_layer["volume_mm3"].sum()), 1)
(43, 123.3)
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from os import PathLike, fspath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.cortex.volume import Volume, decode_volume, label_annotation
from isocortex.errors import InputError

PathLikeStr = str | PathLike[str]

LAYERS = ("1", "2/3", "4", "5", "6a", "6b")
#: Classes of neuron that have a density; the column of each is its lower-case name.
DENSITIES = ("excitatory", "pvalb", "sst", "vip", "other_inhibitory")
#: Classes of projection neuron of the connectome, after the whole.
PROJECTION_CLASSES = ("wild_type", "23", "4", "5it", "5pt", "6")
SIDES = ("ipsi", "contra")
AREA_COLUMNS = ("id", "acronym", "name", "parent", "colour", "module", "hierarchy", "volume_mm3")
AREA_LAYER_COLUMNS = (
    "area", "layer", "id", "volume_mm3", *(f"{name}_mm3" for name in DENSITIES), "source",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Connectome:
    """Projections between areas.

    Attributes
    ----------
    classes : of source neurons, see ``PROJECTION_CLASSES``.
    density : (class, ipsi and contra, source, target) float32, connection density.
    normalized_density : the same, divided by what the source holds.
    distance_um : (ipsi and contra, source, target) float32, between centroids.
    """

    classes: tuple[str, ...]
    density: NDArray[np.float32]
    normalized_density: NDArray[np.float32]
    distance_um: NDArray[np.float32]

    def matrix(self, projection: str = "wild_type", side: str = "ipsi") -> NDArray[np.float32]:
        """Connection density, one row per source area."""
        return self.density[self.classes.index(projection), SIDES.index(side)]


@dataclass(frozen=True, eq=False)
class Atlas:
    """What is known of every area, layer and place. See ``load_atlas``.

    Attributes
    ----------
    areas : 43 rows, index the acronym: ``id``, ``name``, ``parent``, ``colour`` (as #RRGGBB),
        ``module``, ``hierarchy`` (score of Harris et al. 2019, NaN for six), ``volume_mm3`` of one
        hemisphere.
    area_layer : 240 rows, areas in the same order, then layers: ``area``, ``layer``, ``id``,
        ``volume_mm3`` of one hemisphere, densities of ``DENSITIES`` per mm3, ``source`` of these.
    connectome : areas in the same order.
    laminar : profiles over target layers, see ``isocortex.cortex.laminar``.
    volume : labels and fields of the right hemisphere.
    replaced : table -> file given in its place.
    """

    areas: pd.DataFrame
    area_layer: pd.DataFrame
    connectome: Connectome
    laminar: Mapping[str, Any]
    volume: Volume
    replaced: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        volume = 2 * self.area_layer["volume_mm3"].sum()
        return f"Atlas({len(self.areas)} areas, {volume:.1f} mm3 in both hemispheres)"

    @cached_property
    def row_area(self) -> NDArray[np.intp]:
        """Number of the area of each row of ``area_layer``."""
        return self.areas.index.get_indexer(self.area_layer["area"])

    @cached_property
    def row_layer(self) -> NDArray[np.intp]:
        """Number of the layer, in ``LAYERS``, of each row of ``area_layer``."""
        return pd.Index(LAYERS).get_indexer(self.area_layer["layer"])

    @cached_property
    def density(self) -> NDArray[np.float64]:
        """Neurons per mm3: (rows of ``area_layer``, ``DENSITIES``)."""
        return self.area_layer[[f"{name}_mm3" for name in DENSITIES]].to_numpy(np.float64)

    def provenance(self) -> list[dict[str, str]]:
        """One row per table: ``table``, ``what``, ``source``, ``licence``, ``citation``."""
        rows = json.loads(_embedded_file("provenance.json"))
        for row in rows:
            if row["table"] in self.replaced:
                row["source"] = self.replaced[row["table"]]
                row["licence"] = row["citation"] = "as the file given"
        return rows


def load_atlas(
    *,
    annotation: PathLikeStr | None = None,
    area_layer: PathLikeStr | None = None,
    connectome: PathLikeStr | None = None,
) -> Atlas:
    """Read the embedded atlas, or files of one's own in place of some of its tables.

    Parameters
    ----------
    annotation : NRRD volume of structure ids over the whole CCFv3, as the Allen Institute
        distributes it. Replaces the labels, and with them the volumes of areas and layers; depth,
        normal and flat-map coordinate remain the embedded ones.
    area_layer : CSV with the columns ``area``, ``layer`` and the five densities per mm3
        (``excitatory_mm3``, ``pvalb_mm3``, ``sst_mm3``, ``vip_mm3``, ``other_inhibitory_mm3``), a
        row for each area and layer of the embedded table. Other columns may be there; volumes are
        always those of the labels.
    connectome : NPZ with the arrays of the embedded connectome.npz: ``areas``, ``classes``,
        ``density``, ``normalized_density``, ``distance_um``.

    Raises
    ------
    InputError : a file that cannot be read or is not complete and sound.
    """
    atlas = _embedded()
    if annotation is None and area_layer is None and connectome is None:
        return atlas
    table, volume, matrices = atlas.area_layer, atlas.volume, atlas.connectome
    replaced = {}
    if area_layer is not None:
        table = read_area_layer(area_layer, atlas.area_layer)
        replaced["area_layer.csv"] = fspath(area_layer)
    if annotation is not None:
        volume = label_annotation(annotation, table["id"].to_numpy(), atlas.volume)
        voxels = np.bincount(volume.labels.ravel(), minlength=len(table) + 1)[1:]
        table = table.assign(volume_mm3=volume.voxel_mm3 * voxels)
        replaced["voxels.npz"] = fspath(annotation)
    if connectome is not None:
        matrices = read_connectome(connectome, list(atlas.areas.index))
        replaced["connectome.npz"] = fspath(connectome)
    areas = atlas.areas.assign(volume_mm3=table.groupby("area")["volume_mm3"].sum())
    return Atlas(areas, table, matrices, atlas.laminar, volume, replaced)


def read_area_layer(file: PathLikeStr, embedded: pd.DataFrame) -> pd.DataFrame:
    """Densities by area and layer from a file; everything else from the embedded table."""
    try:
        given = pd.read_csv(file, dtype={"area": str, "layer": str})
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read as a table: {error}", file=file, fix="Give a CSV file with a header."
        ) from error
    densities = [f"{name}_mm3" for name in DENSITIES]
    for column in ("area", "layer", *densities):
        if column not in given:
            raise InputError("column is missing", file=file, field=column, fix="Add it.")
    wanted = pd.MultiIndex.from_frame(embedded[["area", "layer"]])
    found = pd.MultiIndex.from_frame(given[["area", "layer"]])
    missing_areas = [a for a in embedded["area"].unique() if a not in set(given["area"])]
    if missing_areas:
        raise InputError(
            f"no row for area {', '.join(missing_areas)}",
            file=file, field="area", fix="Give every area of `load_atlas().areas`.",
        )  # fmt: skip
    for problem, pairs in (
        ("no row for", wanted.difference(found, sort=False)),
        ("the isocortex has no", found.difference(wanted, sort=False)),
        ("there are two rows for", found[found.duplicated()]),
    ):
        if len(pairs):
            area, layer = pairs[0]
            raise InputError(
                f"{problem} area {area}, layer {layer}",
                file=file, field="layer", fix="Give each row of `load_atlas().area_layer` once.",
            )  # fmt: skip
    given = given.set_index(found).loc[wanted].reset_index(drop=True)
    for column in densities:
        values = pd.to_numeric(given[column], errors="coerce").to_numpy(np.float64)
        wrong = ~np.isfinite(values) | (values < 0)
        if wrong.any():
            row = given.loc[wrong].iloc[0]
            raise InputError(
                f"{row[column]!s} in area {row['area']}, layer {row['layer']} is not a density",
                file=file, field=column, fix="Give a number per mm3, 0 or more.",
            )  # fmt: skip
        given[column] = values
    source = given["source"] if "source" in given else "given"
    table = embedded.assign(**{column: given[column] for column in densities}, source=source)
    if not table[densities].to_numpy().any():
        raise InputError("all densities are 0", file=file, fix="Give neurons per mm3.")
    return table


def read_connectome(file: PathLikeStr, areas: list[str]) -> Connectome:
    """The matrices of an NPZ file, checked to be complete, in order, finite and not negative."""

    def wrong(message: str, name: str | None, fix: str) -> InputError:
        return InputError(message, file=file, field=name, fix=fix)

    n, classes = len(areas), len(PROJECTION_CLASSES)
    shapes = {
        "areas": (n,), "classes": (classes,), "density": (classes, 2, n, n),
        "normalized_density": (classes, 2, n, n), "distance_um": (2, n, n),
    }  # fmt: skip
    try:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in shapes if name in stored}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        missing = isinstance(error, FileNotFoundError)
        what = "does not exist" if missing else "is not a NumPy .npz file"
        raise wrong(what, None, "Give one, as `isocortex data --export` writes it.") from error
    for name, shape in shapes.items():
        if name not in arrays:
            raise wrong("array is missing", name, "Add it.")
        if arrays[name].shape != shape:
            raise wrong(
                f"has shape {arrays[name].shape}, not {shape}",
                name, "Axes are class, ipsi and contra, source area, target area.",
            )  # fmt: skip
    for name, expected in (("areas", areas), ("classes", list(PROJECTION_CLASSES))):
        for at, (found, right) in enumerate(zip(arrays[name].tolist(), expected, strict=True)):
            if found != right:
                raise wrong(
                    f"entry {at} is {found!r}, not {right!r}",
                    name, "Put the matrices in the order of `load_atlas().areas`.",
                )  # fmt: skip
    for name in ("density", "normalized_density", "distance_um"):
        bad = ~np.isfinite(arrays[name]) | (arrays[name] < 0)
        if bad.any():
            index = np.argwhere(bad)[0]
            raise wrong(
                f"{arrays[name][tuple(index)]} for {areas[index[-2]]} to {areas[index[-1]]} "
                f"at {tuple(index.tolist())}",
                name, "Give finite numbers, 0 or more.",
            )  # fmt: skip
    floats = {name: arrays[name].astype(np.float32) for name in list(shapes)[2:]}
    return Connectome(classes=PROJECTION_CLASSES, **floats)


def _embedded_file(name: str) -> bytes:
    return (files("isocortex.cortex") / "data" / name).read_bytes()


@cache
def _embedded() -> Atlas:
    """The tables inside the package; the same object at every call."""
    areas = pd.read_csv(io.BytesIO(_embedded_file("areas.csv"))).set_index("acronym")
    table = pd.read_csv(io.BytesIO(_embedded_file("area_layer.csv")), dtype={"layer": str})
    with np.load(io.BytesIO(_embedded_file("connectome.npz"))) as stored:
        connectome = Connectome(
            PROJECTION_CLASSES,
            *(stored[name] for name in ("density", "normalized_density", "distance_um")),
        )
    with np.load(io.BytesIO(_embedded_file("voxels.npz"))) as stored:
        volume = decode_volume(stored)
    for array in (volume.labels, volume.values, connectome.density):
        array.setflags(write=False)  # shared by everyone who loads the atlas
    return Atlas(areas, table, connectome, json.loads(_embedded_file("laminar.json")), volume)
