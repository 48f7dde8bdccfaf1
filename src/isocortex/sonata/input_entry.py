"""One entry of the ``inputs`` of a simulation configuration, and what its readers ask of it."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import IntArray
from isocortex.circuit import Circuit, NodePopulation
from isocortex.errors import ConfigError
from isocortex.sonata.schema import COMMENTS
from isocortex.sonata.told import SpikesFunction
from isocortex.text import finite

logger = logging.getLogger(__name__)

#: No quantity of an input is as large as this.
LARGEST = 1e15


@dataclass(frozen=True)
class Entry:
    """One input, with what its reader may need to know; ``tstop`` and ``dt`` in ms."""

    name: str
    values: dict[str, Any]
    file: Path
    circuit: Circuit
    tstop: float
    seed: int
    dt: float = 0.0
    functions: Mapping[str, SpikesFunction] = field(default_factory=dict)

    def fail(self, key: str, message: str, fix: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, field=f"inputs.{self.name}.{key}", fix=fix)

    def number(self, key: str, default: float | None = None) -> float:
        given = self.values.get(key, default)
        value = finite(given)
        if value is None:
            raise self.fail(key, f"must be a number, found {given!r}")
        if not abs(value) < LARGEST:
            raise self.fail(key, f"must be below {LARGEST:g}, found {given!r}")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"must be a whole number, found {value!r}", "Mend it.")
        return value

    def numbers(self, key: str) -> np.ndarray:
        value = self.values.get(key)
        values = value if isinstance(value, list) else [value]
        try:
            if any(isinstance(v, bool | str) for v in values):
                raise TypeError
            array = np.array(values, float)
        except (TypeError, ValueError, OverflowError):
            raise self.fail(key, f"must be a number or a list, found {value!r}") from None
        if array.ndim != 1 or not np.isfinite(array).all():
            raise self.fail(key, f"must be a finite number or a list, found {value!r}")
        return array

    def path(self, *keys: str) -> Path:
        for key in keys:
            if isinstance(self.values.get(key), str):
                return self.file.parent / self.values[key]
        raise self.fail(keys[0], "must be the path of a file", "Add it.")

    def selected(self, key: str = "node_set") -> list[tuple[str, IntArray]]:
        """(population, rows) of a node set; all nodes where there is no such key."""
        return self.circuit.select(self.values.get(key, "all"), f"inputs.{self.name}.{key}")

    def chosen(self) -> list[tuple[NodePopulation, IntArray]]:
        return [(self.circuit.nodes[name], rows) for name, rows in self.selected()]

    def virtual(self) -> list[tuple[NodePopulation, IntArray]]:
        """The chosen virtual nodes: others make their own spikes, as in BMTK."""
        chosen: list[tuple[NodePopulation, IntArray]] = []
        for population, rows in self.chosen():
            mine = rows[population.virtual[rows]]
            if len(mine):
                chosen.append((population, mine))
        if not chosen:
            raise self.fail("node_set", "has no virtual nodes", "Name a virtual population.")
        return chosen

    def not_by_node_set(self, instead: str) -> None:
        """Tell who gives a node set where other keys ``say which`` edges."""
        if "node_set" in self.values:
            logger.warning(
                "%s: inputs.%s.node_set is not read, here as in BMTK: %s which edges",
                self.file, self.name, instead,
            )  # fmt: skip

    def only(self, *keys: str) -> None:
        """Every key must be one of these: nothing is ignored."""
        known = ("input_type", "module", "node_set", "enabled", *keys)
        gids = self.values.get("gids")
        if gids is not None:  # BMTK's environment builder writes it, and BioNet does not read it
            known = (*known, "gids")
            if gids != "all":
                logger.warning(
                    "%s: inputs.%s.gids is not read, here as in BMTK: node_set says which cells",
                    self.file, self.name,
                )  # fmt: skip
        unknown = [k for k in self.values if k not in (*known, *COMMENTS)]
        if unknown:
            close = difflib.get_close_matches(unknown[0], known, 1)
            fix = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
            raise self.fail(unknown[0], "unknown key", fix)
