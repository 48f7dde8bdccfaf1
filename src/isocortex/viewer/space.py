"""What stands around the neurons of a cortex: its outline as glass, its labels, its strata.

The outline is a smooth surface through the atlas' voxels; the labels are those voxels, coarser,
for sections; the strata say how deep every neuron lies, counted in layers. The right hemisphere
alone is sent: the left is its mirror image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.cortex.atlas import LAYERS, Atlas, load_atlas
from isocortex.cortex.volume import MIDPLANE_UM, VOXEL_UM, Volume
from isocortex.viewer.pack import pack
from isocortex.viewer.scene import Quantised, Scene, layer_borders

FloatArray = NDArray[np.float64]

#: Voxels along an edge of a cell of the outline, and of a label that is sent: 150 and 50 um.
OUTLINE_VOXELS, LABEL_VOXELS = 6, 2
#: How far below the outline its place between pia and white matter is asked, um.
BELOW_UM = 150.0
#: Passes of the blur that takes the steps off the outline, and what counts as inside after it.
BLURS, INSIDE = 2, 0.45
#: Of a layer in the code of a neuron's stratum: 42 steps a layer, six layers.
STEPS_A_LAYER = 42
#: Corners of a cube, and pairs of corners that share an edge.
CORNERS = np.array([(i >> 2, (i >> 1) & 1, i & 1) for i in range(8)])
EDGES = [(a, b) for a in range(8) for b in range(a) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]


def space_block(scene: Scene) -> bytes:
    """The block for the browser, empty (``rows`` is none) where the scene is not in the atlas.

    Arrays, in the atlas' coordinates (anterior-posterior, dorsal-ventral, medial-lateral):
    ``corner`` uint16[v, 3] (steps), ``inner`` uint8[v] (0 pia, 255 white matter) and ``triangle``
    uint16[t, 3] of the outline; ``label`` uint8[AP, DV, ML], 0 outside, else 1 +
    number in ``rows``.
    """
    if scene.frame != "ccf":
        return pack({"rows": []}, {})
    atlas = load_atlas()
    corner, normal, triangle = outline(atlas.volume)
    inside = (corner - BELOW_UM * normal).astype(np.float32)
    depth = np.nan_to_num(atlas.volume.at(inside).depth, nan=1.0)
    places = Quantised.of(corner)
    labels = atlas.volume.labels[(slice(LABEL_VOXELS // 2, None, LABEL_VOXELS),) * 3]
    return pack(
        {
            "corners": places.head,
            "labels": {
                "low": (VOXEL_UM * atlas.volume.origin + (0.0, 0.0, MIDPLANE_UM)).tolist(),
                "step": VOXEL_UM * LABEL_VOXELS,
                "shape": labels.shape,
            },
            "rows": [
                [str(area), f"L{layer}"]
                for area, layer in zip(
                    atlas.area_layer["area"], atlas.area_layer["layer"], strict=True
                )
            ],
            "layers": [f"L{layer}" for layer in LAYERS],
            "names": anchors(atlas),
        },
        {
            "corner": places.steps,
            "inner": np.round(255 * depth).astype(np.uint8),
            "triangle": triangle.astype(np.uint16),
            "label": labels,
        },
    )


def outline(volume: Volume) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """A smooth closed surface around the right hemisphere's cortex, by surface nets.

    Gibson, S. F. F. (1998), Constrained elastic surface nets, MICCAI, without the elastic part:
    one corner in every cube that the surface passes, amid the points where it crosses its edges.

    Returns
    -------
    corners : (v, 3) um.
    normals : (v, 3), outward.
    triangles : (t, 3) numbers of corners.
    """
    share, first = _shares(volume)
    corner, number = _corners(share)
    triangle = _triangles(share, number)
    corner = _relaxed(corner, triangle)
    a, b, c = (corner[triangle[:, k]] for k in range(3))
    normal = np.zeros_like(corner)
    for k in range(3):
        np.add.at(normal, triangle[:, k], np.cross(b - a, c - a))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    edge = VOXEL_UM * OUTLINE_VOXELS
    return first + edge * (corner + 0.5), normal, triangle


def _shares(volume: Volume) -> tuple[FloatArray, FloatArray]:
    """Share of cortex in cells around it, blurred; and the corner of the first cell, um."""
    room = BLURS + 1
    shape = [-(-n // OUTLINE_VOXELS) for n in volume.labels.shape]
    whole = np.zeros([n * OUTLINE_VOXELS for n in shape], bool)
    whole[tuple(slice(0, n) for n in volume.labels.shape)] = volume.labels > 0
    cells = whole.reshape(
        shape[0], OUTLINE_VOXELS, shape[1], OUTLINE_VOXELS, shape[2], OUTLINE_VOXELS
    )
    share = np.pad(cells.mean(axis=(1, 3, 5)), room)
    for _ in range(BLURS):
        for axis in range(3):
            share = 0.5 * share + 0.25 * (np.roll(share, 1, axis) + np.roll(share, -1, axis))
    first = VOXEL_UM * (volume.origin - room * OUTLINE_VOXELS) + (0.0, 0.0, MIDPLANE_UM)
    return share, np.asarray(first, np.float64)


def _corners(share: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Corners of the surface, in cells, and the number of the one in every cube of cells or -1."""
    size = np.array(share.shape) - 1
    at = [share[tuple(slice(o, o + n) for o, n in zip(c, size, strict=True))] for c in CORNERS]
    inside = np.stack([values > INSIDE for values in at])
    passed = np.argwhere(inside.any(axis=0) & ~inside.all(axis=0))
    value = np.stack([values[tuple(passed.T)] for values in at])
    total, crossings = np.zeros((len(passed), 3)), np.zeros(len(passed))
    for a, b in EDGES:
        crossed = (value[a] > INSIDE) != (value[b] > INSIDE)
        part = (INSIDE - value[a][crossed]) / (value[b] - value[a])[crossed]
        total[crossed] += CORNERS[a] + part[:, None] * (CORNERS[b] - CORNERS[a])
        crossings[crossed] += 1
    number = np.full(tuple(size), -1, np.int64)
    number[tuple(passed.T)] = np.arange(len(passed))
    return passed + total / crossings[:, None], number


def _triangles(share: FloatArray, number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two triangles across every edge between a cell inside and one outside, seen from outside."""
    inside = share > INSIDE
    parts = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        low = np.moveaxis(inside, (axis, u, v), (0, 1, 2))
        turned = np.moveaxis(number, (axis, u, v), (0, 1, 2))
        changes = np.argwhere(low[:-1, 1:-1, 1:-1] != low[1:, 1:-1, 1:-1])
        i, j, k = changes[:, 0], changes[:, 1] + 1, changes[:, 2] + 1
        quad = np.stack(
            [turned[i, j - 1, k - 1], turned[i, j, k - 1], turned[i, j, k], turned[i, j - 1, k]],
            axis=1,
        )
        quad = np.where(low[i, j, k][:, None], quad, quad[:, ::-1])
        parts += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    return np.concatenate(parts)


def _relaxed(corner: FloatArray, triangle: NDArray[np.int64]) -> FloatArray:
    """Corners moved halfway to the middle of their neighbours, twice."""
    ends = np.concatenate([triangle[:, [0, 1]], triangle[:, [1, 2]], triangle[:, [2, 0]]])
    count = np.bincount(ends[:, 0], minlength=len(corner))[:, None]
    for _ in range(2):
        total = np.stack(
            [np.bincount(ends[:, 0], corner[ends[:, 1], k], len(corner)) for k in range(3)], axis=1
        )
        corner = 0.5 * corner + 0.5 * total / count
    return corner


def anchors(atlas: Atlas) -> list[dict[str, Any]]:
    """Where the name of every area stands on the right.

    Returns
    -------
    ``area``, ``place`` (um), ``normal`` and ``reach`` (um), half of the edge of a square as large
    as the area's surface.
    """
    volume = atlas.volume
    voxels, row = volume.voxels()
    outer = np.flatnonzero(atlas.row_layer[row] == 0)[:: LABEL_VOXELS**3]  # plenty for a mean
    voxels, area = voxels[outer], atlas.row_area[row[outer]]
    centre = volume.centre(voxels).astype(np.float64)
    thick = np.maximum(np.bincount(area, volume.at(centre).depth_um), 1.0)
    names = []
    for number, name in enumerate(atlas.areas.index):
        mine = centre[area == number]
        if len(mine) == 0:
            continue
        place = mine[np.argmin(np.linalg.norm(mine - mine.mean(axis=0), axis=1))]
        found = volume.at(place[None])
        surface = place + found.depth_um[0] * found.normal[0]
        # layer 1 of an area is about twice as thick as its voxels are deep on average
        volume_um3 = len(mine) * LABEL_VOXELS**3 * volume.voxel_um**3
        square = volume_um3 / (2.0 * thick[number] / len(mine))
        names.append(
            {
                "area": str(name),
                "place": np.round(surface, 1).tolist(),
                "normal": np.round(found.normal[0].astype(np.float64), 3).tolist(),
                "reach": round(float(np.sqrt(square)) / 2.0, 1),
            }
        )
    return names


def strata_block(scene: Scene, number: int) -> bytes:
    """How deep the neurons of a part lie: ``stratum`` uint8[n], 42 steps a layer from the pia."""
    part = scene.part(number)
    return pack({}, {"stratum": strata(scene, part)})


def strata(scene: Scene, part: slice = slice(None)) -> NDArray[np.uint8]:
    """How deep every neuron lies, in layers from the pia: whole numbers are borders of layers."""
    keys = [facet.key for facet in scene.facets]
    relative = np.nan_to_num(load_atlas().volume.at(scene.position[part]).depth, nan=0.5)
    borders = layer_borders(scene)
    layers = [f"L{layer}" for layer in LAYERS]
    place = len(layers) * relative.astype(np.float64)
    if borders:
        areas, depths = scene.facets[keys.index("area")], scene.facets[keys.index("layer")]
        number = 256 * areas.code[part].astype(np.int64) + depths.code[part]
        top, height, layer = (np.zeros(256 * 256) for _ in range(3))
        for a, area in enumerate(areas.values):
            edges = borders[area["name"]]
            bottom = max(end for _, end in edges.values())
            for d, depth in enumerate(depths.values):
                if depth["name"] not in edges:
                    continue
                first, last = (edge / bottom for edge in edges[depth["name"]])
                top[256 * a + d], height[256 * a + d] = first, max(last - first, 1e-6)
                layer[256 * a + d] = layers.index(depth["name"])
        known = height[number] > 0.0
        here = number[known]
        within = np.clip((relative[known] - top[here]) / height[here], 0.0, 0.999)
        place[known] = layer[here] + within
    return np.floor(STEPS_A_LAYER * np.clip(place, 0.0, 5.999)).astype(np.uint8)
