"""How many neurons of each class are in each area and layer, at any scale of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from isocortex.arrays import FloatArray, IntArray
from isocortex.cortex.atlas import LAYERS, Atlas
from isocortex.cortex.recipe import DENSITIES
from isocortex.errors import ConfigError

#: Excitatory neurons by where they project, then inhibitory neurons by what they express. Inh are
#: those of GAD67 that express none of the three.
CLASSES = ("IT", "ET", "NP", "CT", "6b", "Pvalb", "Sst", "Vip", "Inh")
CLASS_TITLES = {
    "IT": "intratelencephalic: to cortex and striatum",
    "ET": "extratelencephalic: to the brain stem and other places outside the telencephalon",
    "NP": "near-projecting",
    "CT": "corticothalamic",
    "6b": "excitatory neurons of layer 6b",
    "Pvalb": "inhibitory, of parvalbumin",
    "Sst": "inhibitory, of somatostatin",
    "Vip": "inhibitory, of vasoactive intestinal peptide",
    "Inh": "other inhibitory: neither Pvalb nor Sst nor Vip",
}
N_EXCITATORY = 5
EXCITATORY = CLASSES[:N_EXCITATORY]
HEMISPHERES = ("left", "right")

#: Neurons of both hemispheres at scale 1: of the first whole-cortex model with 9 million neurons.
#: All densities are multiplied by one factor to reach it (1.065 with the embedded table).
PUBLISHED_NEURONS = 9.0e6
#: Scale from which on all areas have the neurons of their tables.
FEWEST = 0.0005

#: Shares of the excitatory neurons of a layer.
#:
#: Layers 5 and 6: from the types of all excitatory somata in the MICrONS volume of mouse visual
#: cortex (MICrONS Consortium 2025, doi:10.1038/s41586-025-08790-w; classifier of Elabbady et al.
#: 2025, doi:10.1038/s41586-024-07765-7; table aibs_metamodel_celltypes_v661), rounded to 0.01:
#: 5P-IT 71, 5P-ET 20, 5P-NP 9 of 100; 6P-IT 63, 6P-CT 37 of 100. That other areas are alike is
#: inference; so is that layers 2/3 and 4 are IT throughout and that 6b is one class.
SHARES = {
    "1": {"IT": 1.0},
    "2/3": {"IT": 1.0},
    "4": {"IT": 1.0},
    "5": {"IT": 0.71, "ET": 0.20, "NP": 0.09},
    "6a": {"IT": 0.63, "CT": 0.37},
    "6b": {"6b": 1.0},
}


#: Projection classes of the connectome and the source classes (layer, name) that have them.
KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "23": (("2/3", "IT"),),
    "4": (("4", "IT"),),
    "5it": (("5", "IT"), ("5", "NP")),
    "5pt": (("5", "ET"),),
    "6": (("6a", "IT"), ("6a", "CT"), ("6b", "6b")),
}


def class_of(group: int) -> tuple[str, str]:
    """(layer, name) of a group."""
    layer, name = divmod(int(group), len(CLASSES))
    return LAYERS[layer], CLASSES[name]


def group_of(cell_class: tuple[str, str]) -> int:
    """Number of a (layer, name)."""
    return LAYERS.index(cell_class[0]) * len(CLASSES) + CLASSES.index(cell_class[1])


@dataclass(frozen=True, eq=False)
class NeuronCounts:
    """Whole numbers of neurons, the same in both hemispheres.

    Attributes
    ----------
    counts : (rows of ``area_layer``, ``CLASSES``) int64, of one hemisphere.
    scale : of the model, 1 for all neurons.
    density : name of the densities.
    factor : by which the densities of the atlas were multiplied.
    """

    counts: IntArray
    scale: float
    density: str
    factor: float

    @property
    def total(self) -> int:
        """Neurons of both hemispheres."""
        return 2 * int(self.counts.sum())

    def __repr__(self) -> str:
        return f"NeuronCounts({self.total:,} neurons, scale {self.scale:g}, {self.density})"

    def table(self, atlas: Atlas) -> pd.DataFrame:
        """``hemisphere``, ``area``, ``layer``, ``class``, ``neurons``; rows in the order of ids."""
        rows = atlas.area_layer[["area", "layer"]]
        long = pd.concat([rows, pd.DataFrame(self.counts, columns=CLASSES)], axis=1).melt(
            ["area", "layer"], var_name="class", value_name="neurons", ignore_index=False
        )
        long = long.sort_index(kind="stable")
        both = pd.concat([long.assign(hemisphere=side) for side in HEMISPHERES], ignore_index=True)
        return both[["hemisphere", "area", "layer", "class", "neurons"]]


def expected_neurons(atlas: Atlas, density: str = "published") -> tuple[FloatArray, float]:
    """Neurons of one hemisphere at scale 1, before rounding.

    Parameters
    ----------
    density : ``rodarie`` for the densities of the atlas (8.45 million neurons in both hemispheres),
        ``published`` for these times one factor, to make 9 million.

    Returns
    -------
    neurons : (rows of ``area_layer``, ``CLASSES``).
    factor : by which the densities were multiplied.
    """
    if density not in DENSITIES:
        raise ConfigError(f"unknown density {density!r}", fix=f"Choose {' or '.join(DENSITIES)}.")
    volume = atlas.area_layer["volume_mm3"].to_numpy()
    by_density = atlas.density * volume[:, None]
    share = np.array([[SHARES[layer].get(name, 0.0) for name in CLASSES] for layer in LAYERS])
    neurons = share[atlas.row_layer] * by_density[:, :1]
    neurons[:, N_EXCITATORY:] = by_density[:, 1:]
    factor = PUBLISHED_NEURONS / (2.0 * neurons.sum()) if density == "published" else 1.0
    return factor * neurons, factor


def neuron_counts(atlas: Atlas, scale: float = 1.0, density: str = "published") -> NeuronCounts:
    """Numbers of neurons at a scale.

    Both hemispheres get the same numbers, so the total is even: twice the rounded half. Totals of
    layers, of classes and of areas are apportioned by largest remainder; what lies between is
    rounded up or down such that all these totals hold.

    Parameters
    ----------
    scale : above 0, at most 1.
    density : see ``expected_neurons``.
    """
    if not 0.0 < scale <= 1.0:
        raise ConfigError(f"scale {scale} is not in (0, 1]", fix="Give a share of the neurons.")
    expected, factor = expected_neurons(atlas, density)
    expected = scale * expected
    total = int(np.floor(expected.sum() + 0.5))
    area, layer = atlas.row_area, atlas.row_layer
    by_layer = np.zeros((len(LAYERS), len(CLASSES)))
    np.add.at(by_layer, layer, expected)
    by_area = np.zeros((len(atlas.areas), len(LAYERS)))
    np.add.at(by_area, (area, layer), expected.sum(axis=1))

    layers = largest_remainder(by_layer.sum(axis=1), total)
    classes = largest_remainder(by_layer.sum(axis=0), total)
    areas = largest_remainder(by_area.sum(axis=1), total)
    layer_class = round_within(by_layer, layers, classes)
    area_layer = round_within(by_area, areas, layers)
    counts = np.zeros(expected.shape, np.int64)
    for n in range(len(LAYERS)):
        rows = np.flatnonzero(layer == n)
        counts[rows] = round_within(expected[rows], area_layer[area[rows], n], layer_class[n])
    return NeuronCounts(counts, scale, density, factor)


def largest_remainder(expected: FloatArray, total: int) -> IntArray:
    """Whole numbers that add up to ``total``, in proportion; ties go to the first."""
    if total == 0:
        return np.zeros(len(expected), np.int64)
    exact = expected * (total / expected.sum())
    result = np.floor(exact).astype(np.int64)
    missing = total - int(result.sum())
    result[np.argsort(result - exact, kind="stable")[:missing]] += 1
    return result


def round_within(expected: FloatArray, rows: IntArray, columns: IntArray) -> IntArray:
    """A table of whole numbers with given sums of rows and columns, close to another in proportion.

    The table is first fitted to the sums (iterative proportional fitting), then rounded: around a
    cycle of fractions, each is raised or lowered in turn by as much as makes one of them whole
    (Cox 1987, doi:10.1080/01621459.1987.10478456, with the smaller of the two changes in place of
    his random one). Each number moves by less than 1 from the fitted table.
    """
    fitted = expected.astype(np.float64)
    for _ in range(1000):
        fitted *= _ratio(rows, fitted.sum(axis=1))[:, None]
        fitted *= _ratio(columns, fitted.sum(axis=0))
        if np.abs(fitted.sum(axis=1) - rows).max() < 1e-9:
            break
    whole = np.floor(fitted + _EXACT)
    fraction = np.maximum(fitted - whole, 0.0)
    fraction[fraction < _EXACT] = 0.0
    while (cycle := _find_cycle(fraction)) is not None:
        up, down = tuple(np.array(cycle[0::2]).T), tuple(np.array(cycle[1::2]).T)
        forth = min((1.0 - fraction[up]).min(), fraction[down].min())
        back = min(fraction[up].min(), (1.0 - fraction[down]).min())
        change = forth if forth <= back else -back
        fraction[up] += change
        fraction[down] -= change
        done = fraction > 1.0 - _EXACT
        whole[done] += 1.0
        fraction[done | (fraction < _EXACT)] = 0.0
    return np.round(whole + fraction).astype(np.int64)


#: Fractions below this are rounding errors of the fit.
_EXACT = 1e-6


def _ratio(wanted: IntArray, found: FloatArray) -> FloatArray:
    return np.divide(wanted, found, out=np.zeros(len(found)), where=found > 0)


def _find_cycle(fraction: FloatArray) -> list[tuple[int, int]] | None:
    """Cells of a cycle that changes row and column in turn; None where fractions form none."""
    for start in np.unique(np.nonzero(fraction)[0]):
        rows: list[int] = [int(start)]
        columns: list[int] = []
        while True:
            there = np.flatnonzero(fraction[rows[-1]])
            there = there[there != columns[-1]] if columns else there
            if not len(there):
                break
            column = int(there[0])
            if column in columns:
                first = columns.index(column)
                rows, columns = rows[first + 1 :], [*columns[first + 1 :], column]
                return _cells(rows, columns)
            columns.append(column)
            there = np.flatnonzero(fraction[:, column])
            there = there[there != rows[-1]]
            if not len(there):
                break
            row = int(there[0])
            if row in rows:
                first = rows.index(row)
                return _cells(rows[first:], columns[first:])
            rows.append(row)
    return None


def _cells(rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    """Cells of the cycle row 0, column 0, row 1, column 1, ... back to row 0."""
    cells = []
    for n, column in enumerate(columns):
        cells += [(rows[n], column), (rows[(n + 1) % len(rows)], column)]
    return cells
