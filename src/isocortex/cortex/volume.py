"""Where the cortex is: labels on voxels; depth, normal and flat-map coordinate at any point.

Coordinates are those of the Allen CCFv3 in um: anterior-posterior, dorsal-ventral, medial-lateral
(left to right), from the anterior dorsal left corner. Only the right hemisphere is stored; the left
is its mirror image about the midplane.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.errors import InputError

FloatArray = NDArray[np.float32]

#: Edges of the CCFv3, um.
EXTENT_UM = (13200.0, 8000.0, 11400.0)
#: Medial-lateral coordinate of the midplane, um.
MIDPLANE_UM = 5700.0
#: Edge of the embedded voxels and distance of the nodes of the fields, um.
VOXEL_UM = 25.0
NODE_UM = 50.0

#: Field -> (columns, stored type, quantum): relative depth, um, 1, um, um.
FIELDS: dict[str, tuple[int, Any, float]] = {
    "depth": (1, np.int16, 0.002),
    "thickness": (1, np.int16, 10.0),
    "normal": (3, np.int8, 0.01),
    "flat": (2, np.int16, 5.0),
    "to_middle": (3, np.int8, 15.0),
}


class Place(NamedTuple):
    """Where points lie within the cortex.

    Attributes (n points)
    ----------
    depth : (n,) float32, 0 at the pia, 1 at the white matter, in parts of the path between them.
    depth_um : (n,) float32, um below the pia along that path.
    normal : (n, 3) float32, unit vector towards the pia.
    flat : (n, 2) float32, um on the dorsal flat map: from the midline (left negative), and from
        front to back.
    """

    depth: FloatArray
    depth_um: FloatArray
    normal: FloatArray
    flat: FloatArray


@dataclass(frozen=True, eq=False)
class Volume:
    """Labels and fields of the right hemisphere.

    Attributes
    ----------
    labels : (AP, DV, ML) uint8, 0 outside, else 1 + row of the table of areas and layers.
    origin : (3,) voxel of the first label; the medial-lateral one counts from the midplane.
    voxel_um : edge of a voxel.
    nodes : (AP, DV, ML) int32, row of ``values``, -1 where there is none.
    nodes_origin : (3,) node of the first; nodes are ``NODE_UM`` apart, the first half as far in.
    values : (n, 10) float32: relative depth, thickness (um), normal, flat-map coordinate (um) and
        way to mid-depth along the path from pia to white matter (um).
    """

    labels: NDArray[np.uint8]
    origin: NDArray[np.int64]
    voxel_um: float
    nodes: NDArray[np.int32]
    nodes_origin: NDArray[np.int64]
    values: FloatArray

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return (1e-3 * self.voxel_um) ** 3

    def __repr__(self) -> str:
        n = np.count_nonzero(self.labels)
        return f"Volume({n:,} voxels of {self.voxel_um:g} um, {len(self.values):,} nodes)"

    def voxels(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """All voxels of the cortex: index into ``labels`` (n, 3), and row of the table (n,)."""
        flat = np.flatnonzero(self.labels)
        index = np.stack(np.unravel_index(flat, self.labels.shape), axis=1).astype(np.int16)
        return index, self.labels.ravel()[flat].astype(np.int16) - np.int16(1)

    def corner(self, voxels: NDArray[np.integer]) -> FloatArray:
        """Corner with the smallest coordinates of voxels (n, 3), um."""
        first = self.voxel_um * self.origin + (0.0, 0.0, MIDPLANE_UM)
        return (self.voxel_um * voxels + first).astype(np.float32)

    def centre(self, voxels: NDArray[np.integer]) -> FloatArray:
        """Centre of voxels (n, 3), um."""
        return self.corner(voxels) + np.float32(0.5 * self.voxel_um)

    def at(self, points: NDArray[np.floating]) -> Place:
        """Depth, normal and flat-map coordinate at points (n, 3) of either side, um.

        Interpolated between nodes; NaN further than a node from the cortex.
        """
        fields, side = self._interpolate(points, slice(0, 7))
        depth = np.clip(fields[:, 0], 0.0, 1.0)
        normal = fields[:, 2:5] / np.linalg.norm(fields[:, 2:5], axis=1, keepdims=True)
        normal[:, 2] *= side
        flat = fields[:, 5:7].copy()
        flat[:, 0] *= side
        return Place(depth, depth * fields[:, 1], normal, flat)

    def middle(self, points: NDArray[np.floating]) -> FloatArray:
        """Where the path from pia to white matter through each point is at mid-depth, um."""
        way, side = self._interpolate(points, slice(7, 10))
        way[:, 2] *= side
        return np.asarray(points, np.float32) + way

    def _interpolate(
        self, points: NDArray[np.floating], columns: slice
    ) -> tuple[FloatArray, FloatArray]:
        """Columns of ``values`` at the mirror images on the right; 1 on the right, -1 left."""
        points = np.ascontiguousarray(points, np.float32)
        origin = NODE_UM * (self.nodes_origin + 0.5)
        values = np.ascontiguousarray(self.values[:, columns])
        side = np.where(points[:, 2] >= MIDPLANE_UM, np.float32(1.0), np.float32(-1.0))
        return _interpolate(points, self.nodes, origin, values), side


@compiled
def _interpolate(
    points: FloatArray, nodes: NDArray[Any], origin: NDArray[Any], values: FloatArray
) -> FloatArray:
    """Trilinear between those of the eight nodes that exist; the left is mirrored."""
    result = np.zeros((len(points), values.shape[1]), np.float32)
    for p in range(len(points)):
        x = (points[p, 0] - origin[0]) / NODE_UM
        y = (points[p, 1] - origin[1]) / NODE_UM
        z = (abs(points[p, 2] - MIDPLANE_UM) - origin[2]) / NODE_UM
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        total = 0.0
        for corner in range(8):
            a, b, c = i + (corner >> 2), j + ((corner >> 1) & 1), k + (corner & 1)
            if a < 0 or b < 0 or c < 0:
                continue
            if a >= nodes.shape[0] or b >= nodes.shape[1] or c >= nodes.shape[2]:
                continue
            n = nodes[a, b, c]
            if n >= 0:
                weight = (1 - abs(x - a)) * (1 - abs(y - b)) * (1 - abs(z - c))
                total += weight
                for f in range(values.shape[1]):
                    result[p, f] += weight * values[n, f]
        for f in range(values.shape[1]):
            result[p, f] /= total
    return result


def encode_field(values: NDArray[np.floating], name: str) -> NDArray[np.uint8]:
    """Quantise one of ``FIELDS`` and store differences, byte by byte, for compression.

    Parameters
    ----------
    values : (nodes, columns).

    Returns
    -------
    (columns, bytes, nodes).
    """
    columns, dtype, quantum = FIELDS[name]
    assert values.shape[1] == columns
    steps = np.round(values.T / quantum)
    steps = np.clip(steps, np.iinfo(dtype).min, np.iinfo(dtype).max)
    steps = np.diff(np.ascontiguousarray(steps, dtype), axis=1, prepend=dtype(0))  # may wrap
    return steps.view(np.uint8).reshape(columns, len(values), -1).transpose(0, 2, 1)


def decode_field(stored: NDArray[np.uint8], name: str) -> FloatArray:
    """Undo ``encode_field``: (nodes, columns) float32."""
    _, dtype, quantum = FIELDS[name]
    steps = np.ascontiguousarray(stored.transpose(0, 2, 1)).view(dtype)[..., 0]
    return (np.cumsum(steps, axis=1, dtype=dtype) * np.float32(quantum)).T


def decode_volume(stored: Mapping[str, NDArray[Any]]) -> Volume:
    """The embedded volume from the arrays of voxels.npz."""
    shape = stored["nodes_shape"]
    inside = np.unpackbits(stored["nodes"], count=int(np.prod(shape))).astype(bool)
    nodes = np.full(inside.shape, -1, np.int32)
    nodes[inside] = np.arange(np.count_nonzero(inside))
    values = np.concatenate([decode_field(stored[name], name) for name in FIELDS], axis=1)
    return Volume(
        labels=np.ascontiguousarray(stored["labels"].transpose(2, 0, 1)),
        origin=stored["origin"],
        voxel_um=VOXEL_UM,
        nodes=nodes.reshape(shape),
        nodes_origin=stored["nodes_origin"],
        values=values,
    )


def read_nrrd(file: str | PathLike[str]) -> tuple[NDArray[Any], float]:
    """Read a three-dimensional NRRD volume of cubic voxels, raw or gzip-compressed.

    Returns
    -------
    volume : in the order of the file's axes.
    spacing : edge of a voxel, um.
    """

    def wrong(message: str, field: str | None = None) -> InputError:
        fix = "Give the Allen CCFv3 (2017) annotation, annotation_25.nrrd."
        return InputError(message, file=file, field=field, fix=fix)

    types = {
        "uint8": "u1", "unsigned char": "u1", "uint16": "u2", "unsigned short": "u2",
        "uint32": "u4", "unsigned int": "u4", "int": "i4", "int32": "i4", "signed int": "i4",
    }  # fmt: skip
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise wrong(f"cannot be read: {error.strerror}") from error
    head, separator, body = content.partition(b"\n\n")
    if not content.startswith(b"NRRD") or not separator:
        raise wrong("is not an NRRD file with its data in it")
    lines = head.decode("ascii", "replace").splitlines()[1:]
    fields = dict(line.split(": ", 1) for line in lines if ": " in line and line[0] != "#")
    if fields.get("type") not in types:
        raise wrong(f"{fields.get('type')!r} is not a type of label", "type")
    try:
        shape = tuple(int(n) for n in fields["sizes"].split())
        directions = fields["space directions"].replace(" ", "")
        matrix = np.array([v.split(",") for v in directions[1:-1].split(")(")], float)
    except (KeyError, ValueError) as error:
        raise wrong("sizes and space directions cannot be understood", "sizes") from error
    if len(shape) != 3 or matrix.shape != (3, 3) or not (matrix == matrix[0, 0] * np.eye(3)).all():
        raise wrong("is no volume of cubic voxels along the axes", "space directions")
    if fields.get("encoding") in ("gzip", "gz"):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise wrong(f"the data are damaged: {error}") from error
    elif fields.get("encoding") != "raw":
        raise wrong(f"{fields.get('encoding')!r} is not gzip or raw", "encoding")
    order = ">" if fields.get("endian") == "big" else "<"
    dtype = np.dtype(order + types[fields["type"]])
    if len(body) != np.prod(shape) * dtype.itemsize:
        raise wrong(f"has {len(body)} bytes of data for {shape} voxels of {dtype.itemsize} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F"), float(matrix[0, 0])


def label_annotation(
    file: str | PathLike[str], ids: NDArray[np.integer], embedded: Volume
) -> Volume:
    """The volume with labels from a whole CCFv3 annotation and the embedded fields.

    Parameters
    ----------
    ids : structure id of each row of the table of areas and layers.
    """
    annotation, spacing = read_nrrd(file)
    if not np.allclose(np.array(annotation.shape) * spacing, EXTENT_UM):
        raise InputError(
            f"{annotation.shape} voxels of {spacing:g} um are not the space of the CCFv3, "
            f"{EXTENT_UM} um",
            file=file, field="sizes", fix="Give the CCFv3 (2017) annotation, 25 um or coarser.",
        )  # fmt: skip
    right = annotation[:, :, annotation.shape[2] // 2 :]
    flat = right.ravel(order="F")
    runs = np.flatnonzero(np.diff(flat, prepend=flat[:1] + 1))
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids[order], flat[runs]), len(ids) - 1)
    label = np.where(ids[order][at] == flat[runs], order[at] + 1, 0).astype(np.uint8)
    labels = np.repeat(label, np.diff(runs, append=flat.size)).reshape(right.shape, order="F")
    absent = np.setdiff1d(np.arange(len(ids)), labels.ravel().astype(np.int64) - 1)
    if len(absent):
        raise InputError(
            f"structure {ids[absent[0]]} has no voxel in the right hemisphere",
            file=file, fix="Give the annotation of 2017 at 25 um.",
        )  # fmt: skip
    inside = np.argwhere(labels)
    first, last = inside.min(axis=0), inside.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    volume = Volume(
        np.ascontiguousarray(labels[box]), first, spacing,
        embedded.nodes, embedded.nodes_origin, embedded.values,
    )  # fmt: skip
    if np.isnan(volume.at(volume.centre(volume.voxels()[0])).depth).any():
        raise InputError(
            "has cortex where the CCFv3 (2017) has none",
            file=file, fix="Give the annotation of 2017: depths are known only for it.",
        )  # fmt: skip
    return volume
