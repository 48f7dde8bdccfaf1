"""What a cortex model holds: neurons, synapses each way, who connects to whom, delays.

Expected numbers follow from the tables; sampled ones are counted on the synapses that some neurons
of every area really make, at any scale: at scale 1 a census takes 20 s.

>>> from isocortex.cortex.model import CortexModel
>>> from isocortex.cortex.recipe import Recipe
>>> census = take_census(CortexModel.make(Recipe(scale=0.0005)), sources_per_area=20)
>>> census.neurons["neurons"].sum()
np.int64(4500)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.compiling import compiled
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, HEMISPHERES, KINDS, class_of, group_of
from isocortex.cortex.expected import (
    between_areas,
    connections_within,
    local_synapses,
    long_connections,
    long_synapses,
    target_layers,
)
from isocortex.cortex.model import CortexModel
from isocortex.cortex.wiring import CellClass
from isocortex.errors import disk_errors
from isocortex.network.drawn.draw import draw_onto, room_to_try
from isocortex.network.drawn.tables import DELAY_STEP, no_connections
from isocortex.random import uniform

N_GROUPS = len(LAYERS) * len(CLASSES)
#: Neurons between two reports of progress.
AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Census:
    """Numbers of a cortex model; areas of matrices are the left ones, then the right ones.

    Attributes
    ----------
    neurons : area, layer, class, neurons of both hemispheres.
    degrees : layer, class, neurons, and mean synapses that one of them makes and receives from
        other neurons of the cortex, expected and sampled.
    expected, sampled : (source areas, target areas), synapses.
    connectome : the same of the connectome, off the diagonal, scaled to the same sum.
    delays : ms, local and long-range: shares of the synapses.
    total, error : synapses of the model as sampled, and its standard error or less.
    n_sampled : neurons whose synapses were counted.
    seconds_per_synapse : to draw one, on one core of this machine.
    """

    neurons: pd.DataFrame
    degrees: pd.DataFrame
    expected: FloatArray
    sampled: FloatArray
    connectome: FloatArray
    delays: pd.DataFrame
    total: float
    error: float
    n_sampled: int
    seconds_per_synapse: float

    @property
    def correlation(self) -> float:
        """Of sampled synapses between areas with the connectome, within areas left out."""
        between = self.connectome > 0
        return float(np.corrcoef(self.sampled[between], self.connectome[between])[0, 1])

    def write(self, folder: Path, areas: list[str]) -> None:
        """Write every table as CSV.

        Raises
        ------
        SimulationError : if a file cannot be written.
        """
        names = [f"{side} {area}" for side in HEMISPHERES for area in areas]
        tables = {
            "neurons": self.neurons.set_index("area"),
            "degrees": self.degrees.set_index("layer"),
            "synapses_expected": pd.DataFrame(self.expected, names, names),
            "synapses_sampled": pd.DataFrame(self.sampled, names, names),
            "delays": self.delays.set_index("delay"),
        }
        with disk_errors(folder, "write the census"):
            folder.mkdir(parents=True, exist_ok=True)
            for name, table in tables.items():
                table.to_csv(folder / f"{name}.csv", float_format="%.6g")


def take_census(
    cortex: CortexModel,
    sources_per_area: int = 250,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Census:
    """Count neurons and synapses.

    Parameters
    ----------
    sources_per_area : neurons of every area and side whose synapses are drawn, all if there are
        fewer.
    progress : told how many of them have been, and of how many.
    """
    sources, stands_for = _sample(cortex, sources_per_area, cortex.recipe.seed)
    n_areas = len(cortex.atlas.areas)
    matrix, onto = np.zeros((2 * n_areas, 2 * n_areas)), np.zeros(N_GROUPS)
    made, delays = np.zeros(len(sources)), np.zeros((2, 256))
    _count(sources[:0], stands_for, cortex.axons, matrix, onto, made, delays)  # compiles
    begun = time.process_time()  # other work on the machine does not count
    for k in range(0, len(sources), AT_ONCE):
        some = slice(k, k + AT_ONCE)
        _count(sources[some], stands_for[some], cortex.axons, matrix, onto, made[some], delays)
        progress(min(k + AT_ONCE, len(sources)), len(sources))
    seconds = time.process_time() - begun

    expected, out, into = _expected(cortex)
    number = np.bincount(cortex.group, minlength=N_GROUPS)
    group = cortex.group[sources]
    stood = np.bincount(group, stands_for, N_GROUPS)
    there = np.flatnonzero(number)
    classes = [class_of(int(g)) for g in there]

    def mean(total: NDArray[Any], over: NDArray[Any]) -> FloatArray:
        return np.divide(total, over, out=np.full(N_GROUPS, np.nan), where=over > 0)[there]

    degrees = pd.DataFrame(
        {
            "layer": [layer for layer, _ in classes],
            "class": [name for _, name in classes],
            "neurons": number[there],
            "makes_expected": mean(out, number),
            "makes": mean(np.bincount(group, stands_for * made, N_GROUPS), stood),
            "receives_expected": mean(into, number),
            "receives": mean(onto, number),
        }
    )
    used = int(np.flatnonzero(delays.sum(axis=0)).max(initial=0)) + 1
    return Census(
        _neurons(cortex),
        degrees,
        expected,
        matrix,
        _connectome(cortex, matrix),
        pd.DataFrame(
            {"delay": DELAY_STEP * np.arange(used), "local": delays[0, :used] / delays.sum(),
             "long_range": delays[1, :used] / delays.sum()}
        ).round({"delay": 6}),
        float(matrix.sum()),
        _standard_error(stands_for, cortex.patch[sources], made),
        len(sources),
        seconds / max(made.sum(), 1.0),
    )  # fmt: skip


def _neurons(cortex: CortexModel) -> pd.DataFrame:
    table = cortex.atlas.area_layer
    counts = 2 * cortex.layout.counts.counts
    row, name = np.nonzero(counts)
    return pd.DataFrame(
        {
            "area": table["area"].to_numpy()[row],
            "layer": table["layer"].to_numpy()[row],
            "class": np.array(CLASSES)[name],
            "neurons": counts[row, name],
        }
    )


def _sample(cortex: CortexModel, per_area: int, seed: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Ids drawn from every area and side, and how many neurons each stands for.

    At equal steps through the neurons of an area in the order of layer and class, so that every
    class is met as often as it is frequent.
    """
    patch = cortex.patch
    shuffled = np.argsort(uniform(seed, "census", cortex.neurons.id))
    order = shuffled[np.lexsort((cortex.group[shuffled], patch[shuffled]))]
    size = np.bincount(patch)
    taken = np.minimum(size, per_area)
    first = np.cumsum(size) - size
    start = uniform(seed, "census start", np.arange(len(size)))
    chosen = np.concatenate(
        [f + ((np.arange(n) + u) * s / n).astype(np.int64)
         for f, s, n, u in zip(first, size, taken, start, strict=True)]
    )  # fmt: skip
    return order[chosen], np.repeat(size / np.maximum(taken, 1), taken)


def _standard_error(stands_for: FloatArray, patch: NDArray[np.integer], made: FloatArray) -> float:
    """Of the total of systematic samples, from the differences of neighbours in each of them.

    Too large by up to a factor of two, since neighbours may be of two classes.
    """
    variance = 0.0
    for p in np.unique(patch):
        mine = np.flatnonzero(patch == p)
        n, weight = len(mine), stands_for[mine[0]]
        step = np.diff(made[mine])
        variance += n * weight * (weight - 1.0) * (step**2).sum() / (2.0 * max(n - 1, 1))
    return float(np.sqrt(variance))


@compiled
def _count(sources, stands_for, axons, matrix, onto, made, delays):
    """Add the synapses of some neurons to the totals."""
    neurons, places = axons.neurons, axons.places
    made_here, trials = no_connections(1 << 12), room_to_try(axons, 0)
    for i in range(len(sources)):
        made_here, trials, n = draw_onto(
            sources[i], 0, len(neurons.group), axons, made_here, 0, trials
        )
        home = places.patch[neurons.column[sources[i]]]
        for c in range(n):
            target, synapses = made_here.target[c], made_here.synapses[c]
            patch = places.patch[neurons.column[target]]
            weight = stands_for[i] * synapses
            matrix[home, patch] += weight
            onto[neurons.group[target]] += weight
            made[i] += synapses
            delays[np.int64(patch != home), made_here.delay[c]] += weight


def _expected(cortex: CortexModel) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Synapses between areas (both sides), made by each group and received by each group."""
    n = len(cortex.atlas.areas)
    number = cortex.expected_number
    out, into = np.zeros_like(number), np.zeros_like(number)
    within = connections_within(cortex) * np.array([rule.mean_synapses for rule in cortex.rules])
    members: dict[str, list[CellClass]] = {}
    for cell_class, group in cortex.wiring.groups.items():
        members.setdefault(group, []).append(cell_class)
    for r, rule in enumerate(cortex.rules):
        for side, name, axis in ((out, rule.source, 2), (into, rule.target, 1)):
            side += _shared(within[..., r].sum(axis=axis), _only(number, members[name]))
    between = long_synapses(cortex)  # (kinds, areas, 2 * areas)
    for k, classes in enumerate(KINDS.values()):
        share = _only(number, classes)
        whole = share.sum(axis=(1, 2), keepdims=True)
        made = between[k].sum(axis=1)[:, None, None]
        out += np.divide(made * share, whole, out=np.zeros_like(share), where=whole > 0)
    connections = long_connections(cortex).reshape(len(between), n, 2, n).sum(axis=2)
    ends = (connections[..., None] * target_layers(cortex)).sum(axis=(0, 1))
    into += cortex.far_synapses * _shared(ends, number)
    one_side: FloatArray = between.sum(axis=0)
    one_side[:, :n] += np.diag(local_synapses(cortex))
    swapped = np.concatenate([one_side[:, n:], one_side[:, :n]], axis=1)
    kept = cortex.recipe.scale * cortex.recipe.kept
    return (
        kept * np.concatenate([one_side, swapped]),
        2.0 * kept * out.sum(axis=0).ravel(),
        2.0 * kept * into.sum(axis=0).ravel(),
    )


def _only(number: FloatArray, classes: Iterable[CellClass]) -> FloatArray:
    """(areas, layers, classes): the numbers of some classes, 0 for the others."""
    chosen = np.zeros(N_GROUPS, bool)
    chosen[[group_of(cell_class) for cell_class in classes]] = True
    return number * chosen.reshape(number.shape[1:])


def _shared(by_layer: FloatArray, number: FloatArray) -> FloatArray:
    """(areas, layers, classes): amounts of (areas, layers), divided among classes by number."""
    whole = number.sum(axis=2, keepdims=True)
    return np.divide(
        by_layer[:, :, None] * number, whole, out=np.zeros_like(number), where=whole > 0
    )


def _connectome(cortex: CortexModel, sampled: FloatArray) -> FloatArray:
    """The connectome's density times target volume, 0 within areas, scaled to what was sampled."""
    ipsi, contra = between_areas(cortex.atlas)
    whole = np.block([[ipsi, contra], [contra, ipsi]])
    return whole * (sampled[whole > 0].sum() / whole.sum())
