"""Nodes while a network is built, and choices among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isocortex.bmtk.builder.population import Population


class Node(Mapping[str, Any]):
    """What is known of a node, by name: its own properties, then those of its type."""

    __slots__ = ("node_id", "node_type_properties", "params")

    def __init__(self, node_id: int, params: dict[str, Any], of_type: Mapping[str, Any]) -> None:
        self.node_id, self.params, self.node_type_properties = node_id, params, of_type
        params["node_id"] = node_id

    @property
    def node_type_id(self) -> int:
        return int(self.node_type_properties["node_type_id"])

    def __getitem__(self, name: str) -> Any:
        own = self.params
        return own[name] if name in own else self.node_type_properties[name]

    def __contains__(self, name: object) -> bool:
        return name in self.params or name in self.node_type_properties

    def __iter__(self) -> Iterator[str]:
        yield from self.node_type_properties
        yield from (name for name in self.params if name not in self.node_type_properties)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return repr(dict(self))


class NodePool:
    """The nodes of a network that have some properties, looked up when they are asked for.

    A property is a value, a list of which any will do, or a function that says of a value whether
    it will.
    """

    def __init__(self, network: Population, **properties: Any) -> None:
        self.network, self.properties = network, properties

    @property
    def network_name(self) -> str:
        return self.network.name

    @property
    def filter_str(self) -> str:
        """The choice as a SONATA query."""
        return "&".join(f"{key}=='{value}'" for key, value in self.properties.items()) or "*"

    def __iter__(self) -> Iterator[Node]:
        return (node for node in self.network.built_nodes() if self._has(node))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _has(self, node: Node) -> bool:
        for key, wanted in self.properties.items():
            value = node.get(key)
            if value is None:
                return False
            if callable(wanted):
                fits = wanted(value)
            else:
                fits = value in wanted if isinstance(wanted, list) else value == wanted
            if not fits:
                return False
        return True
