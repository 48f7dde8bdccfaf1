"""Edges while a network is built: rules, and the tables that they make.

Rules are asked in BMTK's order, so that one which draws random numbers makes the same edges there
and here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from isocortex.arrays import IntArray
from isocortex.bmtk.builder.nodes import Node, NodePool
from isocortex.errors import ConfigError

logger = logging.getLogger(__name__)

ITERATORS = ("one_to_one", "one_to_all", "all_to_one")


@dataclass(frozen=True)
class EdgeTable:
    """The edges of one type.

    Attributes (n edges)
    ----------
    source, target : int64[n], node ids.
    attributes : name -> array[n]; ``nsyns`` alone, or one row a synapse with its properties.
    """

    properties: Mapping[str, Any]
    source_network: str
    target_network: str
    source: IntArray
    target: IntArray
    attributes: dict[str, NDArray[Any]]

    @property
    def n_synapses(self) -> int:
        return int(self.attributes["nsyns"].sum()) if "nsyns" in self.attributes else len(self)

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class _Property:
    """What gives synapses a property, or several at once."""

    names: str | Sequence[str]
    rule: Any
    dtypes: Any

    def columns(self, sources: list[Node], targets: list[Node]) -> dict[str, NDArray[Any]]:
        """Of synapses between these sources and targets, row by row."""
        n = len(sources)
        if callable(self.rule):
            values: list[Any] = [self.rule(*pair) for pair in zip(sources, targets, strict=True)]
        elif isinstance(self.rule, list | np.ndarray):
            if len(self.rule) < n:
                raise ConfigError(
                    f"{len(self.rule)} values for {n} synapses",
                    field=f"add_properties {self.names}", fix="Give one for each.",
                )  # fmt: skip
            values = list(self.rule[:n])
        else:
            values = [self.rule] * n
        if isinstance(self.names, str):
            return {self.names: self._array(self.names, values, self.dtypes or float)}
        dtypes = self.dtypes or [float] * len(self.names)
        short = min((len(value) for value in values), default=len(self.names))
        if short < len(self.names):
            logger.warning(
                "add_properties %s: the rule gives %d values; %s is 0, as in BMTK",
                list(self.names), short, ", ".join(self.names[short:]),
            )  # fmt: skip
        return {
            name: self._array(name, [v[k] if k < len(v) else 0 for v in values], dtype)
            for k, (name, dtype) in enumerate(zip(self.names, dtypes, strict=True))
        }

    def _array(self, name: str, values: list[Any], dtype: DTypeLike) -> NDArray[Any]:
        try:
            made = np.array(values, dtype)
            # an array of one number is that number, as SWCReader.choose_sections gives them
            return made.reshape(len(values)) if made.size == len(values) else made
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"gave what is not as its dtypes say ({error})", field=f"add_properties {name}",
                fix="Mend the rule, or give dtypes: int, float or str for each name.",
            ) from error  # fmt: skip


@dataclass
class ConnectionMap:
    """A rule that connects two choices of nodes; what :meth:`NetworkBuilder.add_edges` returns."""

    source_nodes: NodePool
    target_nodes: NodePool
    rule: Any
    iterator: str
    edge_type_properties: dict[str, Any]
    params: list[_Property] = field(default_factory=list)

    @property
    def source_network_name(self) -> str:
        return self.source_nodes.network_name

    @property
    def target_network_name(self) -> str:
        return self.target_nodes.network_name

    @property
    def edge_type_id(self) -> int:
        return int(self.edge_type_properties["edge_type_id"])

    def add_properties(
        self,
        names: str | Sequence[str],
        rule: Callable[..., Any] | ArrayLike | None = None,
        rule_params: Mapping[str, Any] | None = None,
        values: ArrayLike | None = None,
        dtypes: DTypeLike | Sequence[DTypeLike] | None = None,
    ) -> None:
        """Give every synapse of these edges one property or several.

        Parameters
        ----------
        names : of the property; of several where the rule returns as many.
        rule : a function of source and target, asked once for every synapse, or a value for all.
        rule_params : more arguments of the function.
        values : one for each synapse, in place of a rule.
        dtypes : as there are names; float where none is given.
        """
        if (rule is None) == (values is None):
            raise ConfigError(
                "needs either a rule or values", field=f"add_properties {names}", fix="Give one."
            )
        given = rule if values is None else values
        if callable(given) and rule_params:
            given = partial(given, **rule_params)
        self.params.append(_Property(names, given, dtypes))

    def table(self) -> EdgeTable:
        """Ask the rules."""
        sources, targets = list(self.source_nodes), list(self.target_nodes)
        row, column, count = self._connected(sources, targets)
        attributes: dict[str, NDArray[Any]] = {"nsyns": count.astype(np.uint32)}
        if self.params:
            row, column = np.repeat(row, count), np.repeat(column, count)
            ends = [sources[i] for i in row], [targets[j] for j in column]
            attributes = {k: v for each in self.params for k, v in each.columns(*ends).items()}
        return EdgeTable(
            self.edge_type_properties, self.source_network_name, self.target_network_name,
            _ids(sources)[row], _ids(targets)[column], attributes,
        )  # fmt: skip

    def _connected(
        self, sources: list[Node], targets: list[Node]
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Source, target (rows) and number of synapses of all pairs that have any, by source."""
        rule, n, m = self.rule, len(sources), len(targets)
        if not callable(rule):
            counts = self._counts(rule, n, m)
            row, column = np.nonzero(counts)
            return row, column, counts[row, column]
        by_target = self.iterator == "all_to_one"
        lines: Iterable[Any]  # of numbers, one line for each source or for each target
        if self.iterator == "one_to_one":
            lines = ([rule(source, target) for target in targets] for source in sources)
        elif by_target:
            lines = (rule(sources, target) for target in targets)
        else:
            lines = (rule(source, targets) for source in sources)
        found = [(np.zeros(0, np.int64),) * 3]
        for k, line in enumerate(lines):
            counts = self._whole(line, n if by_target else m)
            there = np.flatnonzero(counts)
            found.append((np.full(len(there), k), there, counts[there]))
        first, second, count = (np.concatenate(part) for part in zip(*found, strict=True))
        row, column = (second, first) if by_target else (first, second)
        order = np.argsort(row, kind="stable")
        return row[order], column[order], count[order]

    def _counts(self, rule: Any, n: int, m: int) -> IntArray:
        """int64[n, m] of a number for all pairs, or a list of numbers."""
        if not isinstance(rule, list | np.ndarray):
            return np.full((n, m), self._whole([rule], 1)[0])
        if self.iterator == "one_to_one":
            return self._whole(rule, n * m).reshape(n, m)
        if self.iterator == "one_to_all":
            return np.tile(self._whole(rule, m), (n, 1))
        return np.tile(self._whole(rule, n)[:, None], (1, m))

    def _whole(self, values: ArrayLike, wanted: int) -> IntArray:
        """Numbers of synapses; None is none, a fraction is cut off."""
        numbers = np.asarray(values)
        if numbers.dtype == object:
            filled = np.array([0 if value is None else value for value in numbers.flat])
            numbers = filled.reshape(numbers.shape)
        where = f"connection_rule of edge type {self.edge_type_id}"
        if numbers.dtype.kind not in "iufb":
            texts = (value for value in np.array(values, object).flat if isinstance(value, str))
            raise ConfigError(
                f"gave {next(texts, values)!r}, which is no number of synapses", field=where,
                fix="Give whole numbers, or None for none.",
            )  # fmt: skip
        if numbers.shape != (wanted,):
            raise ConfigError(
                f"{wanted} numbers of synapses are needed, and it gave an array {numbers.shape}",
                field=where, fix=f"With the iterator {self.iterator} give one for each.",
            )  # fmt: skip
        if not (numbers >= 0).all() or not np.isfinite(numbers).all():
            raise ConfigError(
                "gave a number of synapses below 0, or none", field=where, fix="Give 0 or more."
            )
        return numbers.astype(np.int64)


def _ids(nodes: list[Node]) -> IntArray:
    return np.array([node.node_id for node in nodes], np.int64)


class Edge(Mapping[str, Any]):
    """What is known of an edge, by name; None for what is not."""

    def __init__(self, table: EdgeTable, row: int) -> None:
        self.source_node_id, self.target_node_id = int(table.source[row]), int(table.target[row])
        self.source_gid, self.target_gid = self.source_node_id, self.target_node_id
        self.edge_type_properties = table.properties
        self.edge_type_id = int(table.properties["edge_type_id"])
        self.synaptic_properties = {
            "source_node_id": self.source_node_id, "target_node_id": self.target_node_id,
            **{name: values[row].item() for name, values in table.attributes.items()},
        }  # fmt: skip

    def __getitem__(self, name: str) -> Any:
        return self.edge_type_properties.get(name, self.synaptic_properties.get(name))

    def __contains__(self, name: object) -> bool:
        return name in self.edge_type_properties or name in self.synaptic_properties

    def __iter__(self) -> Iterator[str]:
        return iter({**self.edge_type_properties, **self.synaptic_properties})

    def __len__(self) -> int:
        return len({**self.edge_type_properties, **self.synaptic_properties})

    def __repr__(self) -> str:
        return f"{self.source_node_id} --> {self.target_node_id} ({dict(self)})"
