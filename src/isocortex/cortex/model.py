"""The cortex as a function of the atlas: neurons, their models, and who connects to whom.

>>> cortex = CortexModel.make(Recipe(scale=0.0005))
>>> synapses = cortex.synapses(range(100))  # those that neurons 0 to 99 make
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cortex.atlas import LAYERS, SIDES, Atlas, load_atlas
from isocortex.cortex.axons import make_axons
from isocortex.cortex.columns import DISTANCE_UM, distances
from isocortex.cortex.counts import (
    CLASSES,
    EXCITATORY,
    KINDS,
    N_EXCITATORY,
    class_of,
    expected_neurons,
    group_of,
)
from isocortex.cortex.drive import Drive, load_drive
from isocortex.cortex.laminar import target_layers_of_all
from isocortex.cortex.positions import Layout, Neurons, make_layout, place_neurons
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.thinning import Thinning
from isocortex.cortex.wiring import CellClass, ConnectionRule, Wiring, load_wiring
from isocortex.elementary import exp
from isocortex.errors import ConfigError
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.draw import draw_onto, draw_sources, room_to_try
from isocortex.network.drawn.place import Synapses, place_synapses
from isocortex.network.drawn.tables import Axons, no_connections
from isocortex.random import uniform

#: Classes in whose place long-range axons end, as far as synapses go: excitatory cells of the
#: target's own layer, the first that have a rule; layer 1 has none of its own.
LIKE: dict[str, tuple[CellClass, ...]] = {
    "1": (("5", "IT"), ("2/3", "IT"), ("4", "IT")),
    "2/3": (("2/3", "IT"),),
    "4": (("4", "IT"),),
    "5": (("5", "IT"),),
    "6a": (("6a", "IT"), ("5", "IT")),
    "6b": (("6b", "6b"), ("5", "IT")),
}


@dataclass(frozen=True, eq=False)
class CortexModel:
    """A cortex model; ``make`` builds it.

    Attributes
    ----------
    recipe, atlas, wiring, layout, neurons : what it is made of.
    models : names of all cell models, in the order of ``Neurons.model``.
    rules : all local rules, in the order in which synapses name them.
    weight : (rules, models) float32, uS per synapse, as scaled.
    """

    recipe: Recipe
    atlas: Atlas
    wiring: Wiring
    layout: Layout
    neurons: Neurons
    models: tuple[str, ...]
    rules: tuple[ConnectionRule, ...]
    weight: NDArray[np.float32]

    @classmethod
    def make(
        cls, recipe: Recipe, atlas: Atlas | None = None, wiring: Wiring | None = None
    ) -> CortexModel:
        """Place the neurons and prepare what drawing their connections needs."""
        atlas = atlas or load_atlas(
            annotation=recipe.annotation, area_layer=recipe.area_layer, connectome=recipe.connectome
        )
        wiring = wiring or load_wiring(recipe.wiring)
        layout = make_layout(atlas, recipe.scale, recipe.density)
        neurons = place_neurons(layout, recipe.seed)
        models = tuple(sorted({m for shares in wiring.shares.values() for m, _ in shares}))
        rules = tuple(wiring.rules.values())
        weight = _weights(recipe, wiring, rules, models)
        return cls(recipe, atlas, wiring, layout, neurons, models, rules, weight)

    def __len__(self) -> int:
        return len(self.layout)

    def with_weights_of(self, recipe: Recipe) -> CortexModel:
        """The same neurons and connections, with the weights and background of another recipe."""
        weight = _weights(recipe, self.wiring, self.rules, self.models)
        other = replace(self, weight=weight, recipe=recipe)
        for name in ("group", "model", "kinds", "far_rule", "axons", "expected_number"):
            other.__dict__[name] = getattr(self, name)  # follows from neither: made once for both
        return other

    def __repr__(self) -> str:
        return f"CortexModel({len(self):,} neurons, scale {self.recipe.scale:g})"

    @cached_property
    def group(self) -> NDArray[np.int16]:
        """Layer and class of every neuron: layer * number of classes + class."""
        n = self.neurons
        return (n.layer.astype(np.int16) * len(CLASSES) + n.cell_class).astype(np.int16)

    @cached_property
    def model(self) -> NDArray[np.int16]:
        """Cell model of every neuron, drawn from those of its class."""
        model = np.empty(len(self), np.int16)
        u = uniform(self.recipe.seed, "cell model", self.neurons.id)
        for g in np.unique(self.group):
            members = np.flatnonzero(self.group == g)
            ids, shares = self.wiring.models(*class_of(g))
            chosen = np.searchsorted(np.cumsum(shares), u[members] * shares.sum(), side="right")
            numbers = np.array([self.models.index(name) for name in ids])
            model[members] = numbers[np.minimum(chosen, len(ids) - 1)]
        return model

    @cached_property
    def kinds(self) -> tuple[list[tuple[str, str, str]], NDArray[np.int64]]:
        """The (layer, class, cell model) there are, and which of them every neuron is."""
        key = self.group.astype(np.int64) * len(self.models) + self.model
        used, of = np.unique(key, return_inverse=True)
        split = [divmod(int(code), len(self.models)) for code in used]
        return [(*class_of(group), self.models[m]) for group, m in split], of

    def synapses(
        self, sources: range, targets: range | None = None, at_least: int = 1 << 20
    ) -> Iterator[Synapses]:
        """The synapses that some neurons make, in pieces of ``at_least`` connections or more.

        Parameters
        ----------
        targets : the neurons that receive them, default all.
        """
        begin, end = (0, len(self)) if targets is None else (targets.start, targets.stop)
        first, out = sources.start, no_connections(at_least)
        while first < sources.stop and begin < end:
            first, out, source_of, n = draw_sources(
                first, sources.stop, begin, end, self.axons, out, at_least
            )
            yield place_synapses(n, source_of, out, self.axons, len(self.models))

    def targets(self, source: int, column: int) -> Synapses:
        """The synapses that one neuron makes in one column: a pure function of recipe and both."""
        n_groups = len(LAYERS) * len(CLASSES)
        first, last = self.axons.places.first[[column * n_groups, (column + 1) * n_groups]]
        made, n = no_connections(1 << 10), 0
        if first < last:
            room = room_to_try(self.axons)
            made, n = draw_onto(source, first, last, self.axons, made, 0, room)
        return place_synapses(n, np.full(n, source), made, self.axons, len(self.models))

    @cached_property
    def kinetics(self) -> tuple[Kinetics, ...]:
        """The distinct kinetics of all rules."""
        return tuple(dict.fromkeys(rule.kinetics for rule in self.rules))

    @cached_property
    def rule_kind(self) -> IntArray:
        """Index of every rule's kinetics among ``kinetics``."""
        return np.array([self.kinetics.index(rule.kinetics) for rule in self.rules])

    @cached_property
    def thinnings(self) -> tuple[Thinning, ...]:
        """What is left of every rule's connections."""
        return tuple(Thinning.of(rule.synapses, self.recipe.kept) for rule in self.rules)

    @cached_property
    def far_rule(self) -> NDArray[np.int16]:
        """Rule whose synapses each group receives from far away and from outside the cortex."""
        numbers = {(rule.source, rule.target): k for k, rule in enumerate(self.rules)}
        rule = np.full(len(LAYERS) * len(CLASSES), -1, np.int16)
        for cell_class, target in self.wiring.groups.items():
            like = [numbers.get((self.wiring.groups[c], target)) for c in LIKE[cell_class[0]]]
            found = [number for number in like if number is not None]
            rule[group_of(cell_class)] = found[0] if found else -1
        return rule

    @cached_property
    def excitatory(self) -> NDArray[np.bool_]:
        """Whether each neuron is excitatory."""
        kinds, of = self.kinds
        return np.array([name in EXCITATORY for _, name, _ in kinds])[of]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each neuron is in the right hemisphere."""
        return self.neurons.column >= self.layout.columns.n_side

    @cached_property
    def patch(self) -> IntArray:
        """Area and side of every neuron: side * number of areas + area."""
        return self.neurons.area + len(self.atlas.areas) * self.right.astype(np.int64)

    @cached_property
    def drive(self) -> Drive:
        """The background, as the recipe says."""
        return load_drive(self.recipe.drive, self.recipe.crowding)

    @cached_property
    def axons(self) -> Axons:
        """What compiled functions draw connections from."""
        return make_axons(self)

    @cached_property
    def far_synapses(self) -> FloatArray:
        """(layers, classes), mean synapses of a long-range connection onto a cell."""
        each = np.array([rule.mean_synapses for rule in self.rules])[self.far_rule]
        return each.reshape(len(LAYERS), len(CLASSES))

    def long_connections(self) -> FloatArray:
        """``expected_long``, in connections."""
        number, each = self.expected_number, self.far_synapses
        by_layer = np.divide((number * each).sum(axis=2), number.sum(axis=2),
                             out=np.ones(number.shape[:2]), where=number.any(axis=2))  # fmt: skip
        per_connection = (self.target_layers() * by_layer).sum(axis=3)
        return self.expected_long() / np.tile(per_connection, 2)

    def target_layers(self) -> FloatArray:
        """(kind, source area, target area, layer of the cell): where long-range synapses are."""
        layers = np.array([target_layers_of_all(self.atlas, kind) for kind in KINDS])
        return (layers[..., None] * _receiving_layers(self.expected_number)).sum(axis=3)

    # --- what is expected -------------------------------------------------------------------------

    @cached_property
    def expected_number(self) -> FloatArray:
        """(areas, layers, classes), neurons of one hemisphere at scale 1."""
        expected, _ = expected_neurons(self.atlas, self.recipe.density)
        number = np.zeros((len(self.atlas.areas), len(LAYERS), len(CLASSES)))
        number[self.atlas.row_area, self.atlas.row_layer] = expected
        return number

    def sources(self) -> FloatArray:
        """Neurons of one hemisphere at scale 1, by projection class and area."""
        number = self.expected_number.reshape(len(self.atlas.areas), -1)
        groups = [[group_of(cell_class) for cell_class in classes] for classes in KINDS.values()]
        return np.array([number[:, members].sum(axis=1) for members in groups])

    def expected_local(self) -> FloatArray:
        """Synapses within each area of one hemisphere at scale 1, from the local rules alone."""
        each = np.array([rule.mean_synapses for rule in self.rules])
        return (self.connections_within() * each).sum(axis=(1, 2, 3))

    def connections_within(self) -> FloatArray:
        """(areas, source layers, target layers, rules), of one hemisphere at scale 1."""
        sigma = np.array([rule.sigma for rule in self.rules])
        probability = np.array([rule.probability for rule in self.rules])
        made = probability * self.pairs_within(self.expected_number, sigma, but_self=False)
        if self.recipe.local is not None:
            each = np.array([rule.mean_synapses for rule in self.rules])
            made *= self.recipe.local * self.recipe.synapses / (2.0 * (made * each).sum())
        return made

    def pairs_within(self, number: FloatArray, sigma: FloatArray, but_self: bool) -> FloatArray:
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
        result = np.zeros((len(number), len(LAYERS), len(LAYERS), len(self.rules)))
        by_layer = {group: np.zeros(number.shape[:2]) for group in self.wiring.groups.values()}
        for cell_class, group in self.wiring.groups.items():
            layer, name = divmod(group_of(cell_class), len(CLASSES))
            by_layer[group][:, layer] += number[:, layer, name]
        shares = distances(self.layout.columns, self.atlas)
        for width in np.unique(sigma):
            close = (shares * exp(-((DISTANCE_UM / width) ** 2))).sum(axis=3)
            for r in np.flatnonzero(sigma == width):
                source, target = by_layer[self.rules[r].source], by_layer[self.rules[r].target]
                result[..., r] = source[:, :, None] * target[:, None, :] * close
                if but_self and source is target:
                    within = np.arange(len(LAYERS))
                    result[:, within, within, r] -= source * close[:, within, within]
        return result

    def between_areas(self) -> list[FloatArray]:
        """Ipsi- and contralateral connectome, density times target volume, 0 within areas."""
        volume = self.atlas.areas["volume_mm3"].to_numpy()
        matrix = self.atlas.connectome.matrix
        whole = [matrix("wild_type", side) * volume for side in SIDES]
        np.fill_diagonal(whole[0], 0.0)
        return whole

    def expected_long(self) -> FloatArray:
        """(classes, areas, 2 * areas), ipsi first: synapses at scale 1 from one hemisphere.

        The connectome's density times the volume of the target, scaled so that with the local
        synapses the whole has ``recipe.synapses``. Within an area local wiring takes its place.
        """
        connectome = self.atlas.connectome
        volume = self.atlas.areas["volume_mm3"].to_numpy()
        sources = self.sources() > 0
        result = np.zeros((len(KINDS), len(volume), 2 * len(volume)))
        total = self.recipe.synapses / 2.0 - self.expected_local().sum()
        if abs(total) < 1e-9 * self.recipe.synapses:
            return result
        if total < 0:
            raise ConfigError(
                f"{self.recipe.synapses:.3g} synapses are fewer than the local wiring alone makes",
                field="synapses",
                fix=f"Ask for more than {2 * self.expected_local().sum():.3g}.",
            )
        whole = self.between_areas()
        contra = self.recipe.contra or whole[1].sum() / (whole[0].sum() + whole[1].sum())
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


def _weights(
    recipe: Recipe, wiring: Wiring, rules: tuple[ConnectionRule, ...], models: tuple[str, ...]
) -> NDArray[np.float32]:
    """uS per synapse: of the tables, over the share of synapses kept."""
    factor = {"e": recipe.excitation / recipe.kept, "i": recipe.inhibition / recipe.kept}
    weight = [[factor[r.source[0]] * wiring.peak(r, model) for model in models] for r in rules]
    return np.array(weight, np.float32).reshape(len(rules), len(models))


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
