"""Where every neuron is: ids, columns, and positions drawn from the voxels of its layer.

Ids run by hemisphere, area, column, layer, class, and are contiguous in each. A position is a
function of the seed and of the neuron's column, layer, class and number alone: whoever asks for
whichever columns, in whatever order, gets the same neurons.

>>> from isocortex.cortex.atlas import load_atlas
>>> layout = make_layout(load_atlas(), scale=0.001)
>>> neurons = place_neurons(layout, seed=1, columns=range(10))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from isocortex.cortex.atlas import LAYERS, Atlas
from isocortex.cortex.columns import Columns, make_columns
from isocortex.cortex.counts import CLASSES, NeuronCounts, neuron_counts
from isocortex.cortex.volume import MIDPLANE_UM
from isocortex.errors import ConfigError
from isocortex.random import uniform

#: Neurons placed at once; only memory depends on it.
_CHUNK = 400_000
#: Keeps a position within its voxel when it is rounded to single precision.
_BELOW_ONE = 1.0 - 2.0**-12


@dataclass(frozen=True, eq=False)
class Layout:
    """Which ids are where.

    Attributes
    ----------
    atlas, columns, counts : what it is made of.
    group : (columns, layers, classes) int32, numbers of neurons.
    first : (columns + 1,) int64, first id of each column.
    """

    atlas: Atlas
    columns: Columns
    counts: NeuronCounts
    group: NDArray[np.int32]
    first: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Layout({len(self):,} neurons in {len(self.columns)} columns)"

    def __len__(self) -> int:
        return int(self.first[-1])

    def ids(self, column: int, layer: str | None = None, name: str | None = None) -> range:
        """Ids of a column, of one of its layers, or of a class in that layer."""
        sizes = self.group[column].ravel()
        begin, end = 0, sizes.size
        if layer is not None:
            begin = LAYERS.index(layer) * len(CLASSES)
            end = begin + len(CLASSES)
            if name is not None:
                begin += CLASSES.index(name)
                end = begin + 1
        first = int(self.first[column])
        return range(first + int(sizes[:begin].sum()), first + int(sizes[:end].sum()))


@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons of some columns, in the order of ids.

    Attributes (n neurons)
    ----------
    id : (n,) int64.
    column : (n,) int16; the hemisphere and the area are those of the column.
    area : (n,) uint8, number in ``atlas.areas``.
    layer : (n,) uint8, number in ``LAYERS``.
    cell_class : (n,) uint8, number in ``CLASSES``.
    position : (n, 3) float32, um, CCFv3: anterior-posterior, dorsal-ventral, medial-lateral.
    depth : (n,) float32, 0 at the pia to 1 at the white matter.
    depth_um : (n,) float32, below the pia.
    normal : (n, 3) float32, unit vector towards the pia.
    flat : (n, 2) float32, um on the flat map, left negative.
    """

    id: NDArray[np.int64]
    column: NDArray[np.int16]
    area: NDArray[np.uint8]
    layer: NDArray[np.uint8]
    cell_class: NDArray[np.uint8]
    position: NDArray[np.float32]
    depth: NDArray[np.float32]
    depth_um: NDArray[np.float32]
    normal: NDArray[np.float32]
    flat: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        return f"Neurons({len(self):,})"


def make_layout(atlas: Atlas, scale: float = 1.0, density: str = "published") -> Layout:
    """Share the neurons of each area, layer and class among its columns.

    Parameters
    ----------
    scale, density : see ``neuron_counts``.

    Notes
    -----
    In proportion to the voxels of the layer; whole numbers are made by rounding the running sum
    over the columns, from a start of its own for each area, layer and class, so that columns
    differ from their expectation by less than one neuron of each class.
    """
    columns, counts = make_columns(atlas), neuron_counts(atlas, scale, density)
    voxels = columns.voxel_counts()
    area = atlas.areas.index.get_indexer(columns.table["area"][columns.n_side :])
    group = np.zeros((columns.n_side, len(LAYERS), len(CLASSES)), np.int32)
    for row, numbers in enumerate(counts.counts):
        members = np.flatnonzero(area == atlas.row_area[row])
        layer = atlas.row_layer[row]
        heaped = np.cumsum(voxels[members, layer])
        for number in np.flatnonzero(numbers):
            start = (row * len(CLASSES) + number) * _GOLDEN % 1.0
            running = np.floor(heaped * (int(numbers[number]) / heaped[-1]) + start)
            running[heaped == heaped[-1]] = numbers[number]
            group[members, layer, number] = np.diff(running, prepend=0)
    group = np.concatenate([group, group])
    first = np.concatenate([[0], np.cumsum(group.sum(axis=(1, 2), dtype=np.int64))])
    return Layout(atlas, columns, counts, group, first)


#: Its multiples are spread evenly over the fractions.
_GOLDEN = 0.6180339887498949


def place_neurons(layout: Layout, seed: int, columns: Iterable[int] | None = None) -> Neurons:
    """Draw the neurons of some columns: uniform in the voxels of their column and layer.

    Parameters
    ----------
    columns : numbers of columns, in the order wanted; all by default.
    """
    wanted = np.arange(len(layout.columns)) if columns is None else np.array(list(columns), int)
    outside = (wanted < 0) | (wanted >= len(layout.columns))
    if outside.any():
        raise ConfigError(
            f"there is no column {wanted[outside][0]}",
            fix=f"Columns are 0 to {len(layout.columns) - 1}.",
        )
    size = np.diff(layout.first)[wanted]
    batches = np.split(wanted, np.flatnonzero(np.diff(np.cumsum(size) // _CHUNK)) + 1)
    first = _place(layout, seed, batches[0])
    if len(batches) == 1:
        return first
    n, filled = int(size.sum()), len(first)
    whole = {}
    for item in fields(Neurons):
        part = getattr(first, item.name)
        whole[item.name] = np.empty((n, *part.shape[1:]), part.dtype, order="F")  # by coordinate
        whole[item.name][:filled] = part
    for batch in batches[1:]:
        neurons = _place(layout, seed, batch)
        for name, array in whole.items():
            array[filled : filled + len(neurons)] = getattr(neurons, name)
        filled += len(neurons)
    return Neurons(**whole)


def _place(layout: Layout, seed: int, wanted: NDArray[np.int64]) -> Neurons:
    """One batch."""
    columns, volume = layout.columns, layout.atlas.volume
    per_column = len(LAYERS) * len(CLASSES)
    sizes = layout.group[wanted].reshape(-1)
    group = np.repeat(
        (wanted[:, None] * per_column + np.arange(per_column)).reshape(-1).astype(np.int32), sizes
    )
    number = _count_up(sizes)
    column, within = np.divmod(group, np.int32(per_column))
    layer, cell_class = np.divmod(within, np.int32(len(CLASSES)))

    place = column % columns.n_side * len(LAYERS) + layer
    begin, end = columns.offset[place], columns.offset[place + 1]

    def draw(what: int) -> NDArray[np.float64]:
        return uniform(seed, "soma", group, number, np.full_like(number, what))

    voxel = begin + (draw(0) * (end - begin)).astype(np.int64)
    position = volume.corner(columns.voxels[voxel])
    for axis in range(3):
        position[:, axis] += np.float32(volume.voxel_um) * (_BELOW_ONE * draw(1 + axis))
    left = column < columns.n_side
    position[left, 2] = 2.0 * MIDPLANE_UM - position[left, 2]
    return Neurons(
        id=np.repeat(layout.first[wanted], np.diff(layout.first)[wanted])
        + _count_up(np.diff(layout.first)[wanted]),
        column=column.astype(np.int16),
        area=layout.atlas.row_area[columns.row[voxel]].astype(np.uint8),
        layer=layer.astype(np.uint8),
        cell_class=cell_class.astype(np.uint8),
        position=position,
        **volume.at(position)._asdict(),
    )


def _count_up(sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """0, 1, ... anew for each of ``sizes``."""
    ends = np.cumsum(sizes, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - sizes, sizes)
