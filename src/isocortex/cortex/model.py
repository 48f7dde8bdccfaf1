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
from isocortex.circuit import NodePopulation
from isocortex.circuit.columns import coded, take
from isocortex.circuit.nodes import LIBRARY_PREFIX
from isocortex.cortex.atlas import LAYERS, Atlas, load_atlas
from isocortex.cortex.axons import make_axons
from isocortex.cortex.counts import (
    CLASSES,
    EXCITATORY,
    class_of,
    expected_neurons,
    group_of,
)
from isocortex.cortex.drive import Drive, load_drive
from isocortex.cortex.positions import Layout, Neurons, make_layout, place_neurons
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.thinning import Thinning, excitation_among
from isocortex.cortex.wiring import CellClass, ConnectionRule, Wiring, load_wiring
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

    def with_models(self, rows: IntArray, nodes: NodePopulation) -> CortexModel:
        """The same connections, where some neurons have the cell models that ``nodes`` tell.

        Their synapses have the places and the weights that the tables have for these models.

        Raises
        ------
        ConfigError : the tables have none for such a model in the class of a neuron.
        """
        model = self.model.copy()
        codes, templates = coded(take(nodes.columns["model_template"], rows))
        for code, template in enumerate(templates):
            name, mine = template.removeprefix(LIBRARY_PREFIX), rows[codes == code]
            for group in np.unique(self.group[mine]):
                there, _ = self.wiring.models(*class_of(group))
                if name not in there:
                    raise ConfigError(
                        f"the recipe has no places and weights of synapses for the cell model "
                        f"{name} in the class {' '.join(class_of(group))}", field="model",
                        fix=f"Choose one of {', '.join(there)}, or add it to its tables.",
                    )  # fmt: skip
            model[mine] = self.models.index(name)
        other = replace(self)
        neurons = self.axons.neurons._replace(model=model)
        other.__dict__.update(model=model, axons=self.axons._replace(neurons=neurons))
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
            room = room_to_try(self.axons, 0)
            made, _, n = draw_onto(source, first, last, self.axons, made, 0, room)
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
        return load_drive(self.recipe.drive, self.recipe.scale, self.recipe.kept)

    @cached_property
    def axons(self) -> Axons:
        """What compiled functions draw connections from."""
        return make_axons(self)

    @cached_property
    def far_synapses(self) -> FloatArray:
        """(layers, classes), mean synapses of a long-range connection onto a cell."""
        each = np.array([rule.mean_synapses for rule in self.rules])[self.far_rule]
        return each.reshape(len(LAYERS), len(CLASSES))

    @cached_property
    def expected_number(self) -> FloatArray:
        """(areas, layers, classes), neurons of one hemisphere at scale 1."""
        expected, _ = expected_neurons(self.atlas, self.recipe.density)
        number = np.zeros((len(self.atlas.areas), len(LAYERS), len(CLASSES)))
        number[self.atlas.row_area, self.atlas.row_layer] = expected
        return number


def _weights(
    recipe: Recipe, wiring: Wiring, rules: tuple[ConnectionRule, ...], models: tuple[str, ...]
) -> NDArray[np.float32]:
    """uS per synapse: of the tables, over the share of synapses kept."""
    factor = {"e": recipe.excitation / recipe.kept, "i": recipe.inhibition / recipe.kept}
    among = {("e", "e"): excitation_among(recipe.scale, recipe.kept)}
    weight = [
        [
            factor[r.source[0]] * among.get((r.source[0], r.target[0]), 1.0) * wiring.peak(r, model)
            for model in models
        ]
        for r in rules
    ]
    return np.array(weight, np.float32).reshape(len(rules), len(models))
