"""Strengths of synapses by area, so that areas with few of them are not silent.

Areas differ in how many synapses their neurons have: between the connectome's numbers and the
atlas' densities an excitatory neuron gets 1300 to 3900 from others at scale 1. Neurons make up for
such differences: synapses are the stronger the fewer they are (Turrigiano 2008,
doi:10.1016/j.cell.2008.10.008), and inhibition goes with excitation (Xue et al. 2014,
doi:10.1038/nature13321). Here the synapses that a class of neurons receives in an area are all as
much stronger or weaker as gives it the conductance at rest that the class has in the mean over all
areas, excitation and inhibition each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, KINDS, group_of
from isocortex.cortex.drive import target_of
from isocortex.cortex.expected import connections_within, long_connections, target_layers
from isocortex.cortex.wiring import CellClass, kind_of

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel

#: Least and most that the synapses of an area are stronger: for classes of which it has few.
BOUNDS = (0.25, 4.0)


def strength_by_area(cortex: CortexModel) -> FloatArray:
    """(areas, rules): factor on the weights of a rule onto neurons of an area.

    It depends on the rule's target and on whether its source is excitatory, so it is the same for
    connections within the area and from other areas.
    """
    groups = sorted({rule.target for rule in cortex.rules})
    column = {name: k for k, name in enumerate(groups)}
    target = np.array([column[rule.target] for rule in cortex.rules])
    excites = np.array([kind_of(rule.source) == "e" for rule in cortex.rules])
    number = np.zeros((len(cortex.atlas.areas), len(groups)))
    for cell_class, name in cortex.wiring.groups.items():
        layer, kind = divmod(group_of(cell_class), len(CLASSES))
        number[:, column[name]] += cortex.expected_number[:, layer, kind]
    factor = np.ones((len(number), len(cortex.rules)))
    near, far = _local(cortex), _long_range(cortex)
    for of in (True, False):
        total = np.zeros_like(number)
        for r in np.flatnonzero(excites == of):
            total[:, target[r]] += near[:, r] + far[:, r]
        each = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
        mean = total.sum(axis=0) / np.maximum(number.sum(axis=0), 1.0)
        needed = np.divide(mean, each, out=np.ones_like(each), where=each > 0)
        factor[:, excites == of] = np.clip(needed, *BOUNDS)[:, target[excites == of]]
    return factor.round(4)  # the same on every machine, in whatever order it sums


def _each(cortex: CortexModel) -> FloatArray:
    """(rules,): what one spike through one synapse conducts, uS ms, mean over cell models."""
    found = []
    for rule in cortex.rules:
        shares: dict[str, float] = {}
        for cell_class, group in cortex.wiring.groups.items():
            if group == rule.target:
                for model, share in cortex.wiring.shares[cell_class]:
                    shares[model] = shares.get(model, 0.0) + share
        peak = sum(cortex.wiring.peak(rule, model) * share for model, share in shares.items())
        found.append(rule.kinetics.integral * peak / sum(shares.values()))
    return np.array(found)


def _mean_rates(cortex: CortexModel, classes: list[CellClass]) -> FloatArray:
    """(areas,): Hz at rest, mean over the neurons of some classes; 0 where there is none."""
    layer, kind = np.divmod([group_of(c) for c in classes], len(CLASSES))
    there = cortex.expected_number[:, layer, kind]
    spikes = (there * [target_of(*c) for c in classes]).sum(axis=1)
    n = there.sum(axis=1)
    return np.divide(spikes, n, out=np.zeros_like(n), where=n > 0)


def _local(cortex: CortexModel) -> FloatArray:
    """(areas, rules): conductance of a rule within every area, of one hemisphere."""
    made = connections_within(cortex).sum(axis=2)
    total = np.zeros((len(made), len(cortex.rules)))
    for r, rule in enumerate(cortex.rules):
        members = [c for c, group in cortex.wiring.groups.items() if group == rule.source]
        for k, layer in enumerate(LAYERS):
            there = [c for c in members if c[0] == layer]
            if there:
                total[:, r] += made[:, k, r] * _mean_rates(cortex, there)
    return total * [rule.mean_synapses for rule in cortex.rules] * _each(cortex)


def _long_range(cortex: CortexModel) -> FloatArray:
    """(areas, rules): conductance that long-range axons bring by a rule, of one hemisphere."""
    number = cortex.expected_number
    rate = np.array([_mean_rates(cortex, list(classes)) for classes in KINDS.values()])
    both = long_connections(cortex).reshape(len(KINDS), len(number), 2, -1).sum(axis=2)
    spikes = ((both * rate[:, :, None])[..., None] * target_layers(cortex)).sum(axis=(0, 1))
    cells = number.sum(axis=2)
    each = np.divide(spikes, cells, out=np.zeros_like(cells), where=cells > 0)
    conducts, total = _each(cortex), np.zeros((len(number), len(cortex.rules)))
    for cell_class in cortex.wiring.groups:
        group = group_of(cell_class)
        row, column = divmod(group, len(CLASSES))
        rule = cortex.far_rule[group]
        if rule >= 0:
            synapses = each[:, row] * number[:, row, column] * cortex.far_synapses[row, column]
            total[:, rule] += synapses * conducts[rule]
    return total
