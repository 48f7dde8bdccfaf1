"""A built network as SONATA files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isocortex.bmtk.builder.edges import EdgeTable
from isocortex.bmtk.builder.nodes import Node
from isocortex.errors import ConfigError
from isocortex.sonata.write import write_edges, write_gap_junctions, write_nodes, write_types

logger = logging.getLogger(__name__)

#: Arguments of BMTK about how its files are written, which change nothing here.
HARMLESS = ("mode", "compression", "sort_by", "index_by", "sort_on_disk")


def save_nodes(file: Path, population: str, nodes: list[Node]) -> None:
    """Write nodes, those with the same properties of their own as one group."""
    names = [tuple(name for name in node.params if name != "node_id") for node in nodes]
    number = {each: k for k, each in enumerate(dict.fromkeys(names))}
    group = np.array([number[each] for each in names], np.int64)
    groups = []
    for own, k in number.items():
        members = [nodes[i] for i in np.flatnonzero(group == k)]
        groups.append({
            name: _column([node.params[name] for node in members], f"add_nodes {name}")
            for name in own
        })  # fmt: skip
    write_nodes(
        file, population, np.array([node.node_type_id for node in nodes], np.int64), groups,
        node_ids=np.array([node.node_id for node in nodes], np.int64), group=group,
    )  # fmt: skip


def save_edges(
    file: Path,
    ends: tuple[str, str],
    tables: list[EdgeTable],
    counts: tuple[int, int],
    name: str | None,
) -> None:
    """Write edges, those with the same attributes as one group.

    Parameters
    ----------
    ends : names of the populations of sources and of targets.
    counts : how many nodes these have.
    name : of the edges, None for the usual one.
    """
    tables = [table for table in tables if len(table)]
    if not tables:
        logger.warning("%s to %s: the rules made no edge, and none are saved", *ends)
        return
    kinds = [tuple((key, v.dtype.str) for key, v in table.attributes.items()) for table in tables]
    number = {kind: k for k, kind in enumerate(dict.fromkeys(kinds))}
    sizes = [len(table) for table in tables]
    group = np.repeat([number[kind] for kind in kinds], sizes)
    edges = pd.DataFrame({
        "source_node_id": np.concatenate([table.source for table in tables]),
        "target_node_id": np.concatenate([table.target for table in tables]),
        "edge_type_id": np.repeat([table.properties["edge_type_id"] for table in tables], sizes),
    })  # fmt: skip
    order = np.argsort(edges["target_node_id"].to_numpy(), kind="stable")
    groups = []
    for kind, k in number.items():
        members = [table for table, each in zip(tables, kinds, strict=True) if each == kind]
        place = np.cumsum(group == k) - 1  # of each edge among the group's, before they are sorted
        mine = place[order][group[order] == k]
        groups.append({
            key: _column(
                np.concatenate([table.attributes[key] for table in members])[mine],
                f"add_properties {key}", "synapse",
            )
            for key, _ in kind
        })  # fmt: skip
    write_edges(
        file, *ends, counts, edges.iloc[order], name=name, group=group[order], groups=groups
    )


def save_gap_junctions(file: Path, tables: list[EdgeTable], first: int) -> None:
    """Write the numbers that BMTK gives both halves of every gap junction, from ``first`` on."""
    ends = []
    for table in tables:
        number = table.attributes.get("nsyns", np.ones(len(table), np.int64))
        ends.append(np.repeat(np.stack([table.source, table.target]), number, axis=1))
    source, target = np.concatenate(ends, axis=1)
    half = first + 2 * np.arange(len(source))
    write_gap_junctions(file, source, target, half, half + 1)


def save_types(file: Path, types: list[dict[str, Any]], first: str) -> None:
    """Write types, with what one of them has as a column of all; ``first`` is the first column."""
    names = dict.fromkeys([first, *(name for each in types for name in each)])
    rows = [[each.get(name) for name in names] for each in types]
    write_types(file, pd.DataFrame(rows, columns=[*names], dtype=object))


def require_harmless(what: str, options: Mapping[str, Any]) -> None:
    """Refuse arguments that BMTK does not have either."""
    unknown = [name for name in options if name not in HARMLESS]
    if unknown:
        raise ConfigError(
            f"there is no argument {unknown[0]!r}", field=what, fix="Mend or remove it."
        )


def make_room(file: Path, may_replace: bool) -> None:
    """Make the folder of a file that is to be written."""
    if file.exists() and not may_replace:
        raise ConfigError(
            "exists already", file=file, fix="Use another name, or force_overwrite=True."
        )
    file.parent.mkdir(parents=True, exist_ok=True)


def _column(values: ArrayLike, where: str, each: str = "node") -> NDArray[Any]:
    """A property of nodes or synapses as HDF5 holds it."""
    column = np.array(values)
    if column.dtype.kind == "U":
        column = np.char.encode(column, "utf-8")
    if column.dtype.kind not in "iufbS":
        raise ConfigError(
            f"holds no numbers or texts: {column[0]!r}", field=where,
            fix=f"Give each {each} a number, a text, or as many numbers as the others have.",
        )  # fmt: skip
    return column
