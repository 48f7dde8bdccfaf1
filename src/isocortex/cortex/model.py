"""The cortex as a function of the atlas: neurons, their models, and who connects to whom.

>>> cortex = CortexModel.make(Recipe(scale=0.0005))
>>> synapses = cortex.synapses(range(100))  # those that neurons 0 to 99 make
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.library import load_cell
from isocortex.cortex import draw
from isocortex.cortex.atlas import LAYERS, Atlas, load_atlas
from isocortex.cortex.columns import DISTANCE_UM, distances
from isocortex.cortex.counts import CLASSES, N_EXCITATORY, expected_neurons
from isocortex.cortex.laminar import target_layers_of_all
from isocortex.cortex.positions import Layout, Neurons, make_layout, place_neurons
from isocortex.cortex.sites import Sites, target_sites
from isocortex.cortex.wiring import CellClass, ConnectionRule, Wiring, load_wiring
from isocortex.errors import ConfigError, located
from isocortex.random import uniform
from isocortex.sonata.schema import unknown_key

FloatArray = NDArray[np.float64]

#: Synapses of the whole cortex at scale 1, and neurons there are then.
SYNAPSES = 26e9
#: Projection classes of the connectome and the source classes (layer, name) that have them.
KINDS: dict[str, tuple[CellClass, ...]] = {
    "23": (("2/3", "IT"),),
    "4": (("4", "IT"),),
    "5it": (("5", "IT"), ("5", "NP")),
    "5pt": (("5", "ET"),),
    "6": (("6a", "IT"), ("6a", "CT"), ("6b", "6b")),
}
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


@dataclass(frozen=True)
class Recipe:
    """Everything a cortex model is made of beside the tables.

    Attributes
    ----------
    seed : of all random numbers.
    scale : share of the neurons, above 0, at most 1.
    density : ``published`` or ``rodarie``, see :mod:`isocortex.cortex.counts`.
    synapses : of the whole cortex at scale 1.
    local : share of the synapses that are within areas; None for what the wiring and the densities
        make (43 % of 26 billion).
    contra : share of the long-range synapses that cross the midline; None for the connectome's.
    in_degree : share of its synapses that a neuron keeps; None for one tenth, or the scale if that
        is more. Where it is the same, models of different scales behave alike.
    local_velocity, long_velocity : of axons, um/ms.
    long_delay : ms, of long-range synapses, to which the time along the axon is added.
    map_width : spread of a projection around the matching place of its target area, in standard
        deviations of the area.
    excitation, inhibition : factors on the weights of synapses onto excitatory cells, from
        excitatory and from inhibitory ones. With the tables' weights alone (1 and 1) a few per cent
        of drive decide between silence and bursts.
    strongest : most that a local synapse between excitatory cells may weigh, as a multiple of
        those within the target's layer.
    annotation, area_layer, connectome : files in place of the embedded tables, see
        :func:`isocortex.cortex.atlas.load_atlas`.
    wiring : folder in place of the embedded local wiring.
    """

    seed: int = 1
    scale: float = 0.001
    density: str = "published"
    synapses: float = SYNAPSES
    local: float | None = None
    contra: float | None = None
    in_degree: float | None = None
    local_velocity: float = 300.0
    long_velocity: float = 1000.0
    long_delay: float = 1.0
    map_width: float = 0.5
    excitation: float = 0.5
    inhibition: float = 1.5
    strongest: float = 4.0
    annotation: str | None = None
    area_layer: str | None = None
    connectome: str | None = None
    wiring: str | None = None

    def __post_init__(self) -> None:
        def refuse(name: str, what: str) -> None:
            raise ConfigError(
                f"{name} {getattr(self, name)!r} {what}", field=name, fix="Change it."
            )

        if not isinstance(self.seed, int):
            refuse("seed", "is not a whole number")
        for name in ("scale", "in_degree", "local", "contra"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and 0.0 < value <= 1.0):
                refuse(name, "is not in (0, 1]")
        for name in (
            "synapses",
            "local_velocity",
            "long_velocity",
            "long_delay",
            "map_width",
            "excitation",
            "inhibition",
            "strongest",
        ):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0.0 < value < np.inf):
                refuse(name, "is not a positive number")

    @classmethod
    def read(cls, values: Mapping[str, Any], file: Path | None) -> Recipe:
        """The recipe that a circuit's configuration holds.

        Raises
        ------
        ConfigError : a key or value that no recipe has.
        """
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise unknown_key(name, cls.__dataclass_fields__, file, "cortex")
        with located(file, "cortex"):
            return cls(**values)

    @property
    def kept(self) -> float:
        """Share of its synapses that a neuron keeps."""
        return max(self.scale, 0.1) if self.in_degree is None else self.in_degree

    def key(self, what: str) -> np.uint64:
        """Name of a family of random streams."""
        digest = hashlib.blake2b(f"{self.seed}:{what}".encode(), digest_size=8).digest()
        return np.uint64(int.from_bytes(digest, "little"))


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

    def synapses(self, sources: range, at_least: int = 1 << 20) -> Iterator[draw.Synapses]:
        """The synapses that some neurons make, in pieces of ``at_least`` connections or more."""
        first, out = sources.start, draw.no_connections(at_least)
        while first < sources.stop:
            first, out, source_of, n = draw.draw_sources(
                first, sources.stop, self.axons, out, at_least
            )
            yield draw.place_synapses(n, source_of, out, self.axons, len(self.models))

    def targets(self, source: int, column: int) -> draw.Synapses:
        """The synapses that one neuron makes in one column: a pure function of recipe and both."""
        n_groups = len(LAYERS) * len(CLASSES)
        first, last = self.axons.places.first[[column * n_groups, (column + 1) * n_groups]]
        made, n = draw.no_connections(1 << 10), 0
        if first < last:
            made, n = draw.draw_onto(source, first, last, self.axons, made, 0)
        return draw.place_synapses(n, np.full(n, source), made, self.axons, len(self.models))

    @property
    def expected_synapses(self) -> float:
        """How many synapses the recipe asks for at its scale."""
        return self.recipe.synapses * self.recipe.scale * self.recipe.kept

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

    # --- tables for drawing -----------------------------------------------------------------------

    @cached_property
    def axons(self) -> draw.Axons:
        """What compiled functions draw connections from."""
        n = self.neurons
        return draw.Axons(
            np.array([self.recipe.key("local"), self.recipe.key("long-range")]),
            draw.Neurons(n.position, n.normal, n.column.astype(np.int32), self.group, self.model),
            self._places,
            self._rules,
            self._projections,
            self._sites,
        )

    @cached_property
    def _places(self) -> draw.Places:
        layout, table = self.layout, self.layout.columns.table
        sizes = layout.group.reshape(-1)
        side = (table["hemisphere"] == "right").to_numpy().astype(np.int32)
        area = self.atlas.areas.index.get_indexer(table["area"])
        n_areas = len(self.atlas.areas)
        patch = side * n_areas + area
        centre = table[["x", "y", "z"]].to_numpy(np.float32)
        reach = np.zeros(len(table), np.float32)
        away = np.linalg.norm(self.neurons.position - centre[self.neurons.column], axis=1)
        np.maximum.at(reach, self.neurons.column, away.astype(np.float32))
        return draw.Places(
            np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
            patch.astype(np.int32),
            np.searchsorted(patch, np.arange(2 * n_areas + 1)),
            centre,
            reach,
            np.ascontiguousarray(layout.group.sum(axis=2, dtype=np.int32).T),
        )

    @cached_property
    def _rules(self) -> draw.Rules:
        n = len(LAYERS) * len(CLASSES)
        of = np.full((n, n), -1, np.int16)
        numbers = {(rule.source, rule.target): k for k, rule in enumerate(self.rules)}
        groups = [self.wiring.groups.get(class_of(g), "") for g in range(n)]
        for s, source in enumerate(groups):
            for t, target in enumerate(groups):
                of[s, t] = numbers.get((source, target), -1)
        sigma = np.array([rule.sigma for rule in self.rules])
        sigma *= np.sqrt(self.recipe.kept / self.recipe.scale)
        # as many connections as the whole cortex has, among fewer neurons, each keeping its share
        there = np.zeros((len(self.atlas.areas), len(LAYERS), len(CLASSES)))
        there[self.atlas.row_area, self.atlas.row_layer] = self.layout.counts.counts
        wanted = self.recipe.scale * self.recipe.kept * self.connections_within().sum(axis=(1, 2))
        pairs = self._pairs_within(there, sigma, but_self=True).sum(axis=(1, 2))
        peak = np.divide(wanted, pairs, out=np.zeros_like(wanted), where=pairs > 0.0)
        copies = np.maximum(np.ceil(peak), 1.0)
        probability = peak / copies
        return draw.Rules(
            of,
            np.concatenate([probability, probability]),
            np.concatenate([copies, copies]).astype(np.int64),
            sigma,
            sigma.max(),
            np.array([rule.synapses[0] for rule in self.rules]),
            np.array([rule.synapses[1] for rule in self.rules]),
            np.array([rule.delay for rule in self.rules]),
            self.recipe.local_velocity,
        )

    @cached_property
    def _sites(self) -> draw.Sites:
        made: list[Sites | None] = []
        used = {m: {self.wiring.group(c) for c, s in self.wiring.shares.items()
                    for name, _ in s if name == m} for m in self.models}  # fmt: skip
        for rule in self.rules:
            for model in self.models:
                if rule.target in used[model]:
                    made.append(target_sites(load_cell(model), rule.sections, rule.distance_range))
                else:
                    made.append(None)
        sizes = [0 if s is None else len(s.nodes) for s in made]
        there = [s for s in made if s is not None]
        return draw.Sites(
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate([s.nodes for s in there]),
            np.concatenate([s.keep for s in there]),
            np.concatenate([s.other for s in there]),
        )

    @cached_property
    def _projections(self) -> draw.Projections:
        n_groups = len(LAYERS) * len(CLASSES)
        kind = np.full(n_groups, -1, np.int16)
        for k, classes in enumerate(KINDS.values()):
            for cell_class in classes:
                kind[group_of(cell_class)] = k
        connections = self.long_connections()
        sources = self._sources()
        mean = np.divide(connections, sources[:, :, None], out=np.zeros_like(connections),
                         where=sources[:, :, None] > 0)  # fmt: skip
        return draw.Projections(
            kind,
            mean * self.recipe.kept,
            self.target_layers(),
            self.far_rule,
            self._near(),
            self.recipe.long_delay,
            self.recipe.long_velocity,
        )

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
        per_connection = np.einsum("kabm,bm->kab", self.target_layers(), by_layer)
        return self.expected_long() / np.tile(per_connection, 2)

    def _near(self) -> NDArray[np.float32]:
        """(columns, columns) of one side: weights of the topographic map of long-range axons.

        A Gaussian of the distance between the places of two columns on the flat maps of their
        areas, each counted from the area's middle in its standard deviations. Left columns mirror
        right ones, so the matrix holds within and across hemispheres.
        """
        table = self.layout.columns.table.iloc[: self.layout.columns.n_side]
        flat = table[["flat_x", "flat_y"]].to_numpy()
        area = table["area"].to_numpy()
        place = np.empty_like(flat)
        for name in np.unique(area):
            away = flat[area == name] - flat[area == name].mean(axis=0)
            place[area == name] = away / np.maximum(np.sqrt((away**2).mean(axis=0)), 1.0)
        square = ((place[:, None] - place) ** 2).sum(axis=2)
        return np.exp(-0.5 * square / self.recipe.map_width**2).astype(np.float32)

    def target_layers(self) -> FloatArray:
        """(kind, source area, target area, layer of the cell): where long-range synapses are."""
        layers = np.array([target_layers_of_all(self.atlas, kind) for kind in KINDS])
        return np.einsum("kabl,blm->kabm", layers, self._receiving_layers())

    def _receiving_layers(self) -> FloatArray:
        """(target area, layer of the synapse, layer of the cell), shares.

        Axons in layer 1 end on its own cells and on the tufts of the pyramidal cells of layers 2/3
        and 5, in proportion to the number of these cells; elsewhere on cells of their layer.
        """
        number = self.expected_number.sum(axis=2)
        excitatory = self.expected_number[:, :, :N_EXCITATORY].sum(axis=2)
        share = np.tile(np.eye(len(LAYERS)), (len(number), 1, 1))
        top, upper, lower = (LAYERS.index(layer) for layer in ("1", "2/3", "5"))
        share[:, top, top] = number[:, top]
        for layer in (upper, lower):
            share[:, top, layer] = excitatory[:, layer]
        share[:, top] /= share[:, top].sum(axis=1, keepdims=True)
        return share

    # --- what is expected -------------------------------------------------------------------------

    @cached_property
    def expected_number(self) -> FloatArray:
        """(areas, layers, classes), neurons of one hemisphere at scale 1."""
        expected, _ = expected_neurons(self.atlas, self.recipe.density)
        number = np.zeros((len(self.atlas.areas), len(LAYERS), len(CLASSES)))
        number[self.atlas.row_area, self.atlas.row_layer] = expected
        return number

    def _sources(self) -> FloatArray:
        """Neurons of one hemisphere at scale 1, by projection class and area."""
        number = self.expected_number.reshape(len(self.atlas.areas), -1)
        groups = [[group_of(cell_class) for cell_class in classes] for classes in KINDS.values()]
        return np.array([number[:, members].sum(axis=1) for members in groups])

    def expected_local(self) -> FloatArray:
        """Synapses within each area of one hemisphere at scale 1, from the local rules alone."""
        each = np.array([rule.mean_synapses for rule in self.rules])
        return (self.connections_within() @ each).sum(axis=(1, 2))

    def connections_within(self) -> FloatArray:
        """(areas, source layers, target layers, rules), of one hemisphere at scale 1."""
        sigma = np.array([rule.sigma for rule in self.rules])
        probability = np.array([rule.probability for rule in self.rules])
        made = probability * self._pairs_within(self.expected_number, sigma, but_self=False)
        if self.recipe.local is not None:
            each = np.array([rule.mean_synapses for rule in self.rules])
            made *= self.recipe.local * self.recipe.synapses / (2.0 * (made @ each).sum())
        return made

    def _pairs_within(self, number: FloatArray, sigma: FloatArray, but_self: bool) -> FloatArray:
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
            close = shares @ np.exp(-((DISTANCE_UM / width) ** 2))
            for r in np.flatnonzero(sigma == width):
                source, target = by_layer[self.rules[r].source], by_layer[self.rules[r].target]
                result[..., r] = source[:, :, None] * target[:, None, :] * close
                if but_self and source is target:
                    within = np.arange(len(LAYERS))
                    result[:, within, within, r] -= source * close[:, within, within]
        return result

    def expected_long(self) -> FloatArray:
        """(classes, areas, 2 * areas), ipsi first: synapses at scale 1 from one hemisphere.

        The connectome's density times the volume of the target, scaled so that with the local
        synapses the whole has ``recipe.synapses``. Within an area local wiring takes its place.
        """
        connectome = self.atlas.connectome
        volume = self.atlas.areas["volume_mm3"].to_numpy()
        sources = self._sources() > 0
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
        whole = [connectome.matrix("wild_type", side) * volume for side in ("ipsi", "contra")]
        np.fill_diagonal(whole[0], 0.0)
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


def class_of(group: int) -> CellClass:
    """(layer, name) of a group."""
    layer, name = divmod(int(group), len(CLASSES))
    return LAYERS[layer], CLASSES[name]


def group_of(cell_class: CellClass) -> int:
    """Number of a (layer, name)."""
    return LAYERS.index(cell_class[0]) * len(CLASSES) + CLASSES.index(cell_class[1])


def _weights(
    recipe: Recipe, wiring: Wiring, rules: tuple[ConnectionRule, ...], models: tuple[str, ...]
) -> NDArray[np.float32]:
    """uS per synapse: of the tables, capped, over the root of the share of synapses kept."""
    weight = np.zeros((len(rules), len(models)))
    within = {"e2": "e2", "e4": "e4", "e5": "e5", "e6": "e6"}
    for r, rule in enumerate(rules):
        for m, model in enumerate(models):
            largest = wiring.weights.get((rule.source, rule.target, model), 0.0)
            weight[r, m] = largest * rule.weight_factor
            if rule.source[0] == "e" and rule.target in within:
                own = wiring.rules[rule.target, rule.target]
                cap = wiring.weights.get((rule.target, rule.target, model), 0.0)
                weight[r, m] = min(weight[r, m], recipe.strongest * cap * own.weight_factor)
            if rule.target[0] == "e":
                excites = rule.source[0] == "e"
                weight[r, m] *= recipe.excitation if excites else recipe.inhibition
    return (weight / np.sqrt(recipe.kept)).astype(np.float32)
