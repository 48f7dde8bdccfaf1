"""What functions for weights are told of an edge, its source and its target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isocortex.circuit import Columns
from isocortex.circuit.columns import Row, value_at


class Told(Row):
    """What files say of one edge or node, by name or as an attribute; None for NULL.

    Own values go before those of the type. Nothing can be changed.
    """

    __slots__ = ("of_type",)

    def __init__(
        self, columns: Columns, row: int, of_type: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(columns, row)
        self.of_type = of_type or {}

    def __getitem__(self, name: str) -> Any:
        if name in self.columns:
            return value_at(self.columns[name], self.row)
        return self.of_type[name] if name in self.of_type else super().__getitem__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name!r} here, but {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from (name for name in self.of_type if name not in self.columns)


class ToldEdge(Told):
    """An edge, with its ends, which BMTK has as attributes alone."""

    __slots__ = ("source_node_id", "source_population", "target_node_id", "target_population")

    def __init__(
        self,
        own: tuple[Columns, int],
        of_type: Mapping[str, Any],
        source: tuple[str, int],
        target: tuple[str, int],
    ) -> None:
        super().__init__(*own, of_type)
        self.source_population, self.source_node_id = source
        self.target_population, self.target_node_id = target

    @property
    def nsyns(self) -> int:
        """Synapses: one where files say which place they have, as in BMTK."""
        placed = "afferent_section_id" in self or "sec_id" in self
        return 1 if placed or "nsyns" not in self else int(self["nsyns"])
