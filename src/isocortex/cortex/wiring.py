"""Who connects to whom inside a patch of cortex, how strongly, and where on the cell.

Every area is wired as the Allen model of mouse V1 (Billeh et al. 2020,
doi:10.1016/j.neuron.2020.01.040); docs/cortex_wiring.md tells data from inference. A class of cells
is a pair (layer, name), such as ``("5", "ET")`` or ``("2/3", "Pvalb")``; several classes may share
one *group*, the unit of the published tables (``e5``, ``i2P``).

>>> wiring = load_wiring()
>>> rule = wiring.rule(("4", "IT"), ("4", "IT"))
>>> f"{rule.probability:.3f} at 0 um, {rule.probability_at(114.0):.3f} at 114 um"
'0.299 at 0 um, 0.110 at 114 um'
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from isocortex.arrays import FloatArray
from isocortex.cortex.wiring_tables import (
    Record,
    read_classes,
    read_connections,
    read_kinetics,
    read_models,
    read_strengths,
    read_weights,
)
from isocortex.elementary import exp
from isocortex.errors import InputError, ModelError
from isocortex.mechanisms.synapses import Kinetics

#: (layer, name): ("2/3", "IT").
CellClass = tuple[str, str]


@dataclass(frozen=True)
class ConnectionRule:
    """How cells of one group connect to those of another.

    Attributes
    ----------
    source, target : groups.
    probability : of a connection between two cells at horizontal distance 0.
    sigma : um, its fall-off.
    synapses : fewest and most per connection, both included; all numbers are equally likely.
    delay : ms.
    sections : kinds of section that synapses sit on: somatic, basal, apical.
    distance_range : um, path distance from the soma.
    kinetics : time constants (ms) and reversal potential (mV).
    weight_factor : mean weight of a connection over its largest.
    """

    source: str
    target: str
    probability: float
    sigma: float
    synapses: tuple[int, int]
    delay: float
    sections: tuple[str, ...]
    distance_range: tuple[float, float]
    kinetics: Kinetics
    weight_factor: float

    def probability_at(self, distance: ArrayLike) -> FloatArray:
        """Probability of a connection at a horizontal distance, um: A exp(-(d / sigma)^2)."""
        return self.probability * exp(-((np.asarray(distance, float) / self.sigma) ** 2))

    @property
    def mean_synapses(self) -> float:
        """Per connection."""
        return 0.5 * sum(self.synapses)

    @property
    def reach(self) -> float:
        """Integral of the probability over the plane, um2: times a density (1/um2), a number."""
        return float(np.pi * self.sigma**2 * self.probability)


@dataclass(frozen=True)
class Strength:
    """What replaces published weights of one kind of source onto one group.

    Attributes
    ----------
    like : group whose published weights onto the target hold for all sources of the kind.
    factor : on these.
    kinetics : in place of the published ones; None for these.
    """

    like: str
    factor: float
    kinetics: Kinetics | None


def kind_of(group: str) -> str:
    """Kind of source: e, or the letter of an inhibitory group's class (P, S, H)."""
    return "e" if group[0] == "e" else group[-1]


@dataclass(frozen=True)
class Wiring:
    """The local wiring of one patch of cortex.

    Attributes
    ----------
    folder : where the tables came from.
    groups : group of every class.
    shares : (model, its share of the cells) of every class; the shares add up to 1.
    rules : by (source group, target group); pairs that never connect are absent.
    weights : uS, published largest peak conductance of one synapse, by (source group, target group,
        model).
    strengths : what replaces them, by (kind of source, target group).
    """

    folder: Path
    groups: dict[CellClass, str]
    shares: dict[CellClass, tuple[tuple[str, float], ...]]
    rules: dict[tuple[str, str], ConnectionRule]
    weights: dict[tuple[str, str, str], float]
    strengths: dict[tuple[str, str], Strength]

    @property
    def classes(self) -> list[CellClass]:
        """All classes, from layer 1 down."""
        return list(self.groups)

    def group(self, cell_class: CellClass) -> str:
        """Row and column of the published tables that a class uses."""
        if cell_class not in self.groups:
            layer, _ = cell_class
            there = [name for other, name in self.groups if other == layer]
            layers = ", ".join(dict.fromkeys(layer for layer, _ in self.groups))
            raise ModelError(
                f"the wiring has no class {cell_class!r}",
                file=self.folder / "wiring_classes.csv",
                fix=f"Layer {layer} has {', '.join(there)}." if there else f"Layers: {layers}.",
            )
        return self.groups[cell_class]

    def models(self, layer: str, name: str) -> tuple[tuple[str, ...], FloatArray]:
        """Embedded cell models of a class.

        Returns
        -------
        ids : k ids for :func:`isocortex.cells.library.load_cell`.
        shares : float64[k], adding up to 1.
        """
        self.group((layer, name))
        ids, shares = zip(*self.shares[layer, name], strict=True)
        return ids, np.array(shares)

    def rule(self, source: CellClass, target: CellClass) -> ConnectionRule | None:
        """How ``source`` connects to ``target``; None if it does not."""
        return self.rules.get((self.group(source), self.group(target)))

    def weight(self, source: CellClass, target: CellClass, model: str) -> float:
        """Peak conductance of one synapse on a cell of ``model``, uS; 0 without a connection."""
        rule = self.rule(source, target)
        if rule is None:
            return 0.0
        self._check_model(target, model)
        return self.peak(rule, model)

    def peak(self, rule: ConnectionRule, model: str) -> float:
        """Mean peak conductance of one synapse of a rule on a cell of ``model``, uS.

        The published weight is the largest, of cells that prefer the same direction and lie well to
        each other; this is the mean over all connections. Where there is a :class:`Strength`, it
        replaces them. 0 if cells of ``model`` are not of the rule's target.
        """
        strength = self.strengths.get((kind_of(rule.source), rule.target))
        like = rule if strength is None else self.rules[strength.like, rule.target]
        mean = self.weights.get((like.source, like.target, model), 0.0) * like.weight_factor
        return mean if strength is None else mean * strength.factor

    def _check_model(self, cell_class: CellClass, model: str) -> None:
        self.group(cell_class)
        ids = [known for known, _ in self.shares[cell_class]]
        if model not in ids:
            raise ModelError(
                f"class {cell_class!r} has no cell model {model!r}",
                file=self.folder / "wiring_models.csv",
                fix=f"It has {', '.join(ids)}.",
            )

    def __repr__(self) -> str:
        models = {model for shares in self.shares.values() for model, _ in shares}
        return (
            f"Wiring({len(self.groups)} classes in {len(set(self.groups.values()))} groups, "
            f"{len(self.rules)} rules, {len(models)} cell models)"
        )


def load_wiring(folder: str | Path | None = None) -> Wiring:
    """Read the wiring.

    Parameters
    ----------
    folder : with the six tables ``wiring_*.csv``; by default those of the package. Copy them to
        change them.

    Raises
    ------
    InputError : a table is missing, has no row for something that needs one, or has an impossible
        number.
    """
    return _embedded() if folder is None else _load(Path(folder))


@cache
def _embedded() -> Wiring:
    """The tables inside the package; one's own may change while Python runs."""
    return _load(Path(str(files("isocortex") / "cortex" / "data")))


def _load(folder: Path) -> Wiring:
    groups = read_classes(folder)
    counts = read_models(folder, list(groups))
    kinetics = read_kinetics(folder)
    connections = read_connections(folder, kinetics, sorted(set(groups.values())))
    strengths = {
        pair: Strength(**row) for pair, row in read_strengths(folder, kinetics, connections).items()
    }
    rules = {
        pair: _rule(pair, row, strengths.get((kind_of(pair[0]), pair[1])))
        for pair, row in connections.items() if row["probability"] > 0
    }  # fmt: skip
    pairs = {(groups[c], model) for c, models in counts.items() for model in models}
    weights, file = read_weights(folder)
    for group, model in sorted(pairs):
        for source, target in rules:
            if target == group and (source, target, model) not in weights:
                raise InputError(
                    f"there is no weight from {source} onto model {model} of {group}",
                    file=file,
                    field=source,
                    fix="Add the row or the number (nS): wiring_connections.csv has the pair.",
                )
    shares = {c: _shares(models) for c, models in counts.items()}
    return Wiring(folder, groups, shares, rules, weights, strengths)


def _rule(pair: tuple[str, str], row: Record, strength: Strength | None) -> ConnectionRule:
    """The published mean probability within ``radius`` belongs to a Gaussian of this peak.

    The mean of A exp(-(r / sigma)^2) over the disc is A (sigma / R)^2 (1 - exp(-(R / sigma)^2)).
    """
    row = dict(row)
    ratio = (row["sigma"] / row["radius"]) ** 2
    peak = row["probability"] / (ratio * (1.0 - exp(-1.0 / ratio)))
    kept = {name: row[name] for name in ConnectionRule.__annotations__ if name in row}
    if strength is not None and strength.kinetics is not None:
        kept["kinetics"] = strength.kinetics
    source, target = pair
    return ConnectionRule(
        **kept | {"source": source, "target": target, "probability": min(peak, 1.0)}
    )


def _shares(counts: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """Share of every model; one without a count (NaN) is as frequent as the mean of the others."""
    given = [count for count in counts.values() if np.isfinite(count)]
    mean = float(np.mean(given)) if given else 1.0
    full = {model: count if np.isfinite(count) else mean for model, count in counts.items()}
    total = sum(full.values())
    return tuple((model, count / total) for model, count in full.items())
