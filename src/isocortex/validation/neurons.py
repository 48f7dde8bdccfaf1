"""The neurons of a cortex model, and the groups that gates speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.analysis.counts import Groups, group_counts, whole_bins
from isocortex.analysis.rates import cell_rates
from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import NodePopulation
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.counts import EXCITATORY, HEMISPHERES
from isocortex.cortex.projection import POPULATION
from isocortex.errors import InputError

#: Columns of the node table of a cortex model that gates need.
COLUMNS = ("layer", "cell_class", "model_template", "area", "hemisphere", "flat_x", "flat_y")
#: Neurons that a class, and an area of one side, must have before a gate judges it.
JUDGED_CLASS, JUDGED_AREA = 100, 50


class Spikes(NamedTuple):
    """Spikes of the neurons in the time that is judged.

    Attributes
    ----------
    times : float64[spikes], ms, from 0 to ``duration``.
    ids : int64[spikes], node ids.
    duration : ms.
    """

    times: FloatArray
    ids: IntArray
    duration: float

    @classmethod
    def between(cls, times: FloatArray, ids: IntArray, start: float, stop: float) -> Spikes:
        """Those from ``start`` to before ``stop`` (ms), which becomes the time from 0 on."""
        inside = (times >= start) & (times < stop)
        return cls(times[inside] - start, np.asarray(ids[inside], np.int64), stop - start)

    @classmethod
    def of(cls, table: pd.DataFrame, start: float, stop: float) -> Spikes:
        """The same from a table of spikes, as results have it."""
        mine = table[table["population"] == POPULATION]
        times, ids = mine["timestamps"].to_numpy(float), mine["node_ids"].to_numpy()
        return cls.between(times, ids, start, stop)

    def rates(self, groups: Groups) -> list[FloatArray]:
        """Rates (Hz) of the cells of every group; spikes are counted once for all groups."""
        ends = np.cumsum([len(ids) for ids in groups.values()])
        every = np.concatenate([np.zeros(0, np.int64), *groups.values()])
        return np.split(cell_rates(self.ids, every, self.duration), ends[:-1])

    def counts(self, groups: Groups, width: float) -> pd.DataFrame:
        """int[groups, bins], in as many whole bins (ms) as there are."""
        whole = whole_bins(self.duration, width) * width
        return group_counts(self.times, self.ids, groups, whole, width)


@dataclass(frozen=True, eq=False)
class Neurons:
    """Labels of all neurons of a cortex model, an entry each.

    Attributes
    ----------
    ids : int64[n], node ids.
    layer, cell_class, model, area, side : text[n]; layers without their L.
    flat : float64[n, 2], um, place on the flattened cortex.
    """

    ids: IntArray
    layer: NDArray[np.str_]
    cell_class: NDArray[np.str_]
    model: NDArray[np.str_]
    area: NDArray[np.str_]
    side: NDArray[np.str_]
    flat: FloatArray

    @classmethod
    def of(cls, nodes: NodePopulation) -> Neurons:
        """Those of a circuit.

        Raises
        ------
        InputError : the nodes are not those of a cortex model.
        """
        table = nodes.table
        missing = [name for name in COLUMNS if name not in table.columns]
        if missing:
            raise InputError(
                f"the nodes have no {missing[0]}: the gates are those of a cortex model",
                file=nodes.file, field=nodes.name,
                fix="Give a circuit of `isocortex build cortex`, or results of one.",
            )  # fmt: skip
        text = {name: table[name].astype(str).to_numpy(str) for name in COLUMNS[:5]}
        return cls(
            nodes.node_ids,
            np.array([name.removeprefix("L") for name in text["layer"]], str),
            text["cell_class"], text["model_template"], text["area"], text["hemisphere"],
            table[["flat_x", "flat_y"]].to_numpy(float),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def excitatory(self) -> NDArray[np.bool_]:
        """IT, ET, NP, CT and 6b cells."""
        return np.isin(self.cell_class, EXCITATORY)

    @cached_property
    def by_sign(self) -> Groups:
        return {"E": self.ids[self.excitatory], "I": self.ids[~self.excitatory]}

    @cached_property
    def by_class(self) -> Groups:
        """``2/3 IT`` and the like -> node ids."""
        return self.grouped(_joined(self.layer, self.cell_class))

    @cached_property
    def by_kind(self) -> Groups:
        """Layer, class and cell model -> node ids."""
        return self.grouped(_joined(self.layer, self.cell_class, self.model))

    @cached_property
    def by_area(self) -> Groups:
        """``VISp right`` and the like -> node ids."""
        return self.grouped(_joined(self.area, self.side))

    @cached_property
    def in_order(self) -> Groups:
        """``by_area`` in the order of the atlas, the left side before the right one."""
        order = (on(area, side) for side in HEMISPHERES for area in load_atlas().areas.index)
        return {name: self.by_area[name] for name in order if name in self.by_area}

    @cached_property
    def judged_areas(self) -> Groups:
        """The areas with enough neurons, of either side."""
        return {name: ids for name, ids in self.by_area.items() if len(ids) >= JUDGED_AREA}

    @cached_property
    def partners(self) -> Mapping[str, str]:
        """Area on the left -> the same on the right."""
        pairs = ((on(name, HEMISPHERES[0]), on(name, HEMISPHERES[1])) for name in self.areas)
        return {a: b for a, b in pairs if a in self.by_area and b in self.by_area}

    @cached_property
    def areas(self) -> list[str]:
        """Names of areas, sides apart."""
        return list(dict.fromkeys(self.area.tolist()))

    @cached_property
    def centroids(self) -> pd.DataFrame:
        """Centre of each area on the flattened cortex, um, by ``VISp right`` and the like."""
        named = pd.DataFrame(self.flat, columns=["flat_x", "flat_y"])
        return named.groupby(_joined(self.area, self.side)).mean()

    def grouped(self, names: NDArray[np.str_]) -> Groups:
        """Node ids by name, in the order of the names."""
        order = np.argsort(names, kind="stable")
        distinct, first = np.unique(names[order], return_index=True)
        parts = np.split(self.ids[order], first[1:])
        return dict(zip(distinct.tolist(), parts, strict=True))

    def where(self, **wanted: str | tuple[str, ...]) -> NDArray[np.bool_]:
        """bool[n]; of every attribute named, the neuron has one of the values."""
        chosen = np.ones(len(self), bool)
        for name, values in wanted.items():
            chosen &= np.isin(getattr(self, name), values)
        return chosen


def on(area: str, side: str) -> str:
    """Name of an area of one side."""
    return f"{area} {side}"


def _joined(*parts: NDArray[np.str_]) -> NDArray[np.str_]:
    names = parts[0]
    for part in parts[1:]:
        names = np.char.add(np.char.add(names, " "), part)
    return names
