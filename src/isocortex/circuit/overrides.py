"""Connection overrides: other weights for the synapses from some nodes onto some."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from isocortex.arrays import IntArray
from isocortex.circuit.circuit import Circuit
from isocortex.circuit.projection import Projection
from isocortex.errors import ConfigError
from isocortex.mechanisms.synapses import Pace

#: The section of a configuration.
OVERRIDES = "connection_overrides"


@dataclass(frozen=True, slots=True)
class ConnectionOverride:
    """A factor on the weights of all synapses from some nodes onto some.

    Of several that are about the same synapse the last one holds: they do not multiply, unless one
    says so.

    Attributes
    ----------
    name : for messages.
    source, target : (population, rows of its table), as :meth:`Circuit.select` has them.
    weight : the factor, 0 or more; 0 silences.
    start : ms, from when on it holds.
    multiplies : it is a factor on what earlier ones made of the weights.
    removed : share of the connections whose synapses weigh nothing, 0..1. Of several that are about
        the same synapse the largest holds, which has the connections of all others.
    pace : factors on kinetics and release; those of several multiply.
    slower : factor on the delays; those of several multiply.
    delay : ms, that takes the place of the delays; of several the last, and then the factors.
    """

    name: str
    source: list[tuple[str, IntArray]]
    target: list[tuple[str, IntArray]]
    weight: float
    start: float = 0.0
    multiplies: bool = False
    removed: float = 0.0
    pace: Pace = Pace()
    slower: float = 1.0
    delay: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ConfigError(
                f"the factor of {self.name} must be 0 or more and finite, found {self.weight!r}",
                field=f"{OVERRIDES}.weight", fix="Choose another one.",
            )  # fmt: skip

    @classmethod
    def between(
        cls,
        circuit: Circuit,
        source: Any,
        target: Any,
        weight: float,
        *,
        name: str = "override",
        where: str = OVERRIDES,
    ) -> ConnectionOverride:
        """An override between two node sets.

        Parameters
        ----------
        source, target : node sets, in any way that :meth:`Circuit.select` takes.
        where : the field that asks, for messages.

        Raises
        ------
        ConfigError : a node set is unknown or wrong, or nothing projects from the one to the other.
        """
        senders = circuit.select(source, f"{where}.source")
        receivers = circuit.select(target, f"{where}.target")
        override = cls(name, senders, receivers, weight)
        # synapses that act by themselves leave populations of edges without any
        if not any(override.touches(p) and p.expected > 0 for p in circuit.projections):
            some = [p for p in circuit.projections if p.expected > 0]
            there = ", ".join(f"{p.source} to {p.target}" for p in some)
            raise ConfigError(
                f"no edges lead from {_populations(senders)} to {_populations(receivers)}",
                file=circuit.config_file, field=where,
                fix=f"Choose other node sets; there are edges from {there or 'no population'}.",
            )  # fmt: skip
        return override

    @property
    def only_paces(self) -> bool:
        """Whether it leaves weights, connections and delays as they are, and changes the pace."""
        alike = self.weight == 1.0 and self.removed == 0.0 and self.slower == 1.0
        return alike and self.delay is None and self.pace != Pace()

    def touches(self, projection: Projection) -> bool:
        """Whether it is about any nodes of both populations."""
        return any(name == projection.source and len(rows) for name, rows in self.source) and any(
            name == projection.target and len(rows) for name, rows in self.target
        )


def _populations(chosen: list[tuple[str, IntArray]]) -> str:
    return ", ".join(name for name, rows in chosen if len(rows)) or "any node"
