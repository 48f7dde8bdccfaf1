"""How many neurons, connections and synapses a cortex has on average, before any is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cortex.atlas import LAYERS, SIDES, Atlas
from isocortex.cortex.columns import DISTANCE_UM, distances
from isocortex.cortex.counts import CLASSES, KINDS, N_EXCITATORY, group_of
from isocortex.cortex.laminar import target_layers_of_all
from isocortex.elementary import exp
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel


def long_connections(cortex: CortexModel) -> FloatArray:
    """``long_synapses``, in connections."""
    number, each = cortex.expected_number, cortex.far_synapses
    by_layer = np.divide((number * each).sum(axis=2), number.sum(axis=2),
                         out=np.ones(number.shape[:2]), where=number.any(axis=2))  # fmt: skip
    per_connection = (target_layers(cortex) * by_layer).sum(axis=3)
    return long_synapses(cortex) / np.tile(per_connection, 2)


def target_layers(cortex: CortexModel) -> FloatArray:
    """(kind, source area, target area, layer of the cell): where long-range synapses are."""
    layers = np.array([target_layers_of_all(cortex.atlas, kind) for kind in KINDS])
    return (layers[..., None] * _receiving_layers(cortex.expected_number)).sum(axis=3)


def projecting(cortex: CortexModel) -> FloatArray:
    """Neurons of one hemisphere at scale 1, by projection class and area."""
    number = cortex.expected_number.reshape(len(cortex.atlas.areas), -1)
    groups = [[group_of(cell_class) for cell_class in classes] for classes in KINDS.values()]
    return np.array([number[:, members].sum(axis=1) for members in groups])


def local_synapses(cortex: CortexModel) -> FloatArray:
    """Synapses within each area of one hemisphere at scale 1, from the local rules alone."""
    each = np.array([rule.mean_synapses for rule in cortex.rules])
    return (connections_within(cortex) * each).sum(axis=(1, 2, 3))


def connections_within(cortex: CortexModel) -> FloatArray:
    """(areas, source layers, target layers, rules), of one hemisphere at scale 1."""
    sigma = np.array([rule.sigma for rule in cortex.rules])
    probability = np.array([rule.probability for rule in cortex.rules])
    made = probability * pairs_within(cortex, cortex.expected_number, sigma, but_self=False)
    if cortex.recipe.local is not None:
        each = np.array([rule.mean_synapses for rule in cortex.rules])
        made *= cortex.recipe.local * cortex.recipe.synapses / (2.0 * (made * each).sum())
    return made


def pairs_within(
    cortex: CortexModel, number: FloatArray, sigma: FloatArray, but_self: bool
) -> FloatArray:
    """Pairs within each area that a rule joins, nearer ones counting more.

    Parameters
    ----------
    number : (areas, layers, classes), of neurons.
    sigma : (rules,) um; a pair at the distance d counts exp(-(d / sigma)^2).
    but_self : leave out pairs of a neuron with itself.

    Returns
    -------
    (areas, source layers, target layers, rules).
    """
    result = np.zeros((len(number), len(LAYERS), len(LAYERS), len(cortex.rules)))
    by_layer = {group: np.zeros(number.shape[:2]) for group in cortex.wiring.groups.values()}
    for cell_class, group in cortex.wiring.groups.items():
        layer, name = divmod(group_of(cell_class), len(CLASSES))
        by_layer[group][:, layer] += number[:, layer, name]
    shares = distances(cortex.layout.columns, cortex.atlas)
    for width in np.unique(sigma):
        close = (shares * exp(-((DISTANCE_UM / width) ** 2))).sum(axis=3)
        for r in np.flatnonzero(sigma == width):
            source, target = by_layer[cortex.rules[r].source], by_layer[cortex.rules[r].target]
            result[..., r] = source[:, :, None] * target[:, None, :] * close
            if but_self and source is target:
                within = np.arange(len(LAYERS))
                result[:, within, within, r] -= source * close[:, within, within]
    return result


def between_areas(atlas: Atlas) -> list[FloatArray]:
    """Ipsi- and contralateral connectome, density times target volume, 0 within areas."""
    volume = atlas.areas["volume_mm3"].to_numpy()
    matrix = atlas.connectome.matrix
    whole = [matrix("wild_type", side) * volume for side in SIDES]
    np.fill_diagonal(whole[0], 0.0)
    return whole


def long_synapses(cortex: CortexModel) -> FloatArray:
    """(classes, areas, 2 * areas), ipsi first: synapses at scale 1 from one hemisphere.

    The connectome's density times the volume of the target, scaled so that with the local
    synapses the whole has ``recipe.synapses``. Within an area local wiring takes its place.
    """
    connectome = cortex.atlas.connectome
    volume = cortex.atlas.areas["volume_mm3"].to_numpy()
    sources = projecting(cortex) > 0
    result = np.zeros((len(KINDS), len(volume), 2 * len(volume)))
    total = cortex.recipe.synapses / 2.0 - local_synapses(cortex).sum()
    if abs(total) < 1e-9 * cortex.recipe.synapses:
        return result
    if total < 0:
        raise ConfigError(
            f"{cortex.recipe.synapses:.3g} synapses are fewer than the local wiring alone makes",
            field="synapses",
            fix=f"Ask for more than {2 * local_synapses(cortex).sum():.3g}.",
        )
    whole = between_areas(cortex.atlas)
    contra = cortex.recipe.contra or whole[1].sum() / (whole[0].sum() + whole[1].sum())
    for s, (side, share) in enumerate((("ipsi", 1.0 - contra), ("contra", contra))):
        if share == 0.0:
            continue
        if not whole[s].any():
            raise ConfigError(
                f"the connectome has no {side}lateral projections for {share:.0%} of the long-"
                "range synapses", field="contra", fix="Leave contra out.",
            )  # fmt: skip
        by_class = np.array([connectome.matrix(kind, side) for kind in KINDS])
        by_class = by_class * sources[:, :, None]
        none = by_class.sum(axis=0) == 0
        by_class[:, none] = (sources[:, :, None] * np.ones_like(by_class))[:, none]
        by_class /= by_class.sum(axis=0)
        part = slice(s * len(volume), (s + 1) * len(volume))
        result[:, :, part] = by_class * (whole[s] * (total * share / whole[s].sum()))
    return result


def _receiving_layers(expected: FloatArray) -> FloatArray:
    """(target area, layer of the synapse, layer of the cell), shares.

    Axons in layer 1 end on its own cells and on the tufts of the pyramidal cells of layers 2/3
    and 5, in proportion to the number of these cells; elsewhere on cells of their layer.
    """
    number = expected.sum(axis=2)
    excitatory = expected[:, :, :N_EXCITATORY].sum(axis=2)
    share = np.tile(np.eye(len(LAYERS)), (len(number), 1, 1))
    top, upper, lower = (LAYERS.index(layer) for layer in ("1", "2/3", "5"))
    share[:, top, top] = number[:, top]
    for layer in (upper, lower):
        share[:, top, layer] = excitatory[:, layer]
    share[:, top] /= share[:, top].sum(axis=1, keepdims=True)
    return share
