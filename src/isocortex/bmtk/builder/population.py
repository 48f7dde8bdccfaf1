"""A population of nodes while it is built, and its files."""

from __future__ import annotations

import os
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np

from isocortex.bmtk.builder.nodes import Node, NodePool
from isocortex.bmtk.builder.saving import make_room, require_harmless, save_nodes, save_types
from isocortex.circuit.columns import Row
from isocortex.errors import ConfigError
from isocortex.sonata.nodes import read_nodes
from isocortex.sonata.types import read_types

StrPath = str | os.PathLike[str]
#: First number that types are given.
FIRST_TYPE = 100
#: Ends of the names of numbers that a file holds together, as one attribute.
AXES = ("_x", "_y", "_z")


class Numbers:
    """Ids that are given out in order, without those that were chosen."""

    def __init__(self, first: int = 0) -> None:
        self.next, self.taken = first, set[int]()

    def take(self, number: int, what: str) -> int:
        if number in self.taken:
            raise ConfigError(f"{what} {number} exists already", fix="Choose another number.")
        self.taken.add(number)
        return number

    def give(self) -> int:
        while self.next in self.taken:
            self.next += 1
        self.taken.add(self.next)
        return self.next


class Population:
    """Nodes of one name, in the order in which they were added."""

    def __init__(self, name: str) -> None:
        if not name:
            raise ConfigError("a network needs a name", field="NetworkBuilder", fix="Give one.")
        self.name = name
        self._nodes: list[Node] = []
        self._types: dict[int, dict[str, Any]] = {}
        self._waiting: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        self._node_ids, self._type_ids = Numbers(), Numbers(FIRST_TYPE)

    def add_nodes(self, N: int = 1, **properties: Any) -> None:
        """Add ``N`` nodes of one type.

        A list, array, range or generator of ``N`` values is a property of each node, anything else
        one of their type.
        """
        own: dict[str, Any] = {}
        of_type: dict[str, Any] = {}
        if isinstance(properties.get("node_type_id"), list | tuple | range | np.ndarray):
            raise ConfigError(
                "is one number for all", field="add_nodes node_type_id",
                fix="Nodes that are added together are of one type: add those of each by itself.",
            )  # fmt: skip
        for name, value in properties.items():
            if isinstance(value, range | GeneratorType):
                value = list(value)
            if not isinstance(value, list | np.ndarray):
                of_type[name] = value
                continue
            if len(value) != N:
                raise ConfigError(
                    f"has {len(value)} values for {N} nodes", field=f"add_nodes {name}",
                    fix=f"Give {N}, or one value that is no list.",
                )  # fmt: skip
            own[name] = value
        for number in own.get("node_id", ()):
            self._node_ids.take(int(number), "node_id")
        self._add_type(of_type)
        self._waiting.append((N, own, of_type))

    def _add_type(self, of_type: dict[str, Any]) -> None:
        number = of_type.get("node_type_id")
        number = self._type_ids.give() if number is None else int(number)
        if number in self._types:
            raise ConfigError(f"node_type_id {number} exists already", fix="Choose another number.")
        self._type_ids.taken.add(number)
        of_type["node_type_id"] = number
        self._types[number] = of_type

    def built_nodes(self) -> list[Node]:
        """All nodes until now."""
        for n, own, of_type in self._waiting:
            own = dict(own)
            ids = own.pop("node_id", None)
            for k in range(n):
                number = self._node_ids.give() if ids is None else int(ids[k])
                params = {name: values[k] for name, values in own.items()}
                self._nodes.append(Node(number, params, of_type))
        self._waiting.clear()
        return self._nodes

    def nodes(self, **properties: Any) -> NodePool:
        """The nodes that have these properties."""
        self.built_nodes()
        return NodePool(self, **properties)

    def import_nodes(
        self, nodes_file_name: StrPath, node_types_file_name: StrPath, population: str | None = None
    ) -> None:
        """Take up the nodes of a SONATA file, which need not be written again."""
        file, types_file = Path(nodes_file_name), Path(node_types_file_name)
        found = {each.name: each for each in read_nodes(file, types_file)}
        if population is None and len(found) == 1:
            population = next(iter(found))
        if population not in found:
            raise ConfigError(
                f"has the populations {', '.join(found)}", file=file, field="population",
                fix="Name one of them.",
            )  # fmt: skip
        types = read_types(types_file, "node_type_id")
        for type_id in types.ids.tolist():
            self._add_type({"node_type_id": type_id, **types.row(type_id)})
        nodes = found[population]
        for k, number in enumerate(nodes.node_ids.tolist()):
            params = dict(Row(nodes.columns, k))
            of_type = self._types[params["node_type_id"]]
            own = {
                name: value for name, value in params.items()
                if name != "node_type_id"
                and not (name in of_type and np.array_equal(of_type[name], value))
                and not (name[-2:] in AXES and name[:-2] in params)
            }  # fmt: skip
            self._node_ids.take(number, "node_id")
            self._nodes.append(Node(number, own, of_type))

    @property
    def nodes_built(self) -> bool:
        return not self._waiting and bool(self._nodes)

    @property
    def nnodes(self) -> int:
        return len(self._nodes)

    def save_nodes(
        self,
        nodes_file_name: StrPath | None = None,
        node_types_file_name: StrPath | None = None,
        output_dir: StrPath = ".",
        force_overwrite: bool = True,
        **harmless: Any,
    ) -> None:
        """Write the nodes and their types."""
        require_harmless("save_nodes", harmless)
        files = [
            Path(output_dir) / (name or f"{self.name}_{kind}")
            for name, kind in (
                (nodes_file_name, "nodes.h5"), (node_types_file_name, "node_types.csv"),
            )
        ]  # fmt: skip
        for file in files:
            make_room(file, force_overwrite)
        save_nodes(files[0], self.name, self.built_nodes())
        save_types(files[1], list(self._types.values()), "node_type_id")
