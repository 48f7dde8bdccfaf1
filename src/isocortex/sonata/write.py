"""Write SONATA node and edge files, as the specification and BMTK have them.

Allen Institute and Blue Brain Project, SONATA developer guide;
Dai et al. 2020, doi:10.1371/journal.pcbi.1007696.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MAGIC = np.uint32(0x0A7A)
VERSION = np.array([0, 1], dtype=np.uint32)


def write_types(file: Path, types: pd.DataFrame) -> None:
    """Write a table of node or edge types: one space between columns, NULL for nothing."""
    types.to_csv(file, sep=" ", index=False, na_rep="NULL")


def write_nodes(
    file: Path,
    population: str,
    type_ids: NDArray[np.integer],
    properties: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write one population whose nodes are numbered 0..n-1 and share one group of properties.

    Parameters
    ----------
    type_ids : int[n], the node type of each node.
    properties : name -> numbers or bytes [n], kept in group 0.
    """
    n = len(type_ids)
    with _create(file) as root:
        nodes = root.create_group(f"nodes/{population}")
        nodes["node_id"] = np.arange(n, dtype=np.uint64)
        nodes["node_type_id"] = np.asarray(type_ids, dtype=np.uint64)
        nodes["node_group_id"] = np.zeros(n, dtype=np.uint32)
        nodes["node_group_index"] = np.arange(n, dtype=np.uint64)
        group = nodes.create_group("0")
        for name, values in (properties or {}).items():
            group[name] = values


def write_edges(
    file: Path,
    source: str,
    target: str,
    counts: tuple[int, int],
    edges: pd.DataFrame,
) -> None:
    """Write the edges from population ``source`` to population ``target`` with both indices.

    Parameters
    ----------
    counts : nodes in the source and in the target population.
    edges : one row per edge, sorted by target: source_node_id, target_node_id, edge_type_id; other
        columns become attributes of the edges.
    """
    n = len(edges)
    with _create(file) as root:
        group = root.create_group(f"edges/{source}_to_{target}")
        for end, population in (("source", source), ("target", target)):
            ids = group.create_dataset(
                f"{end}_node_id", data=edges[f"{end}_node_id"].to_numpy(np.uint64)
            )
            ids.attrs["node_population"] = population
        group["edge_type_id"] = edges["edge_type_id"].to_numpy(np.uint32)
        group["edge_group_id"] = np.zeros(n, dtype=np.uint16)
        group["edge_group_index"] = np.arange(n, dtype=np.uint32)
        own = ("source_node_id", "target_node_id", "edge_type_id")
        attributes = group.create_group("0")
        for name in edges.columns.difference(own, sort=False):
            attributes[name] = edges[name].to_numpy()
        for name, end, count in (
            ("source_to_target", "source", counts[0]),
            ("target_to_source", "target", counts[1]),
        ):
            nodes, ranges = _index(edges[f"{end}_node_id"].to_numpy(), count)
            group[f"indices/{name}/node_id_to_range"] = nodes
            # One table under two names: BMTK's, and that of the specification and libsonata.
            index = group[f"indices/{name}"]
            index["node_id_to_ranges"] = index["node_id_to_range"]
            group[f"indices/{name}/range_to_edge_id"] = ranges


def _create(file: Path) -> h5py.File:
    root = h5py.File(file, "w")
    root.attrs["magic"] = MAGIC
    root.attrs["version"] = VERSION
    return root


def _index(
    node_of_edge: NDArray[np.integer], count: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """SONATA's two-step index: node -> rows of the second table -> half-open ranges of edges."""
    n = len(node_of_edge)
    run_starts = np.flatnonzero(np.r_[True, node_of_edge[1:] != node_of_edge[:-1]][:n])
    runs = np.column_stack([run_starts, np.r_[run_starts[1:], n][: len(run_starts)]])
    node_of_run = node_of_edge[run_starts]
    order = np.argsort(node_of_run, kind="stable")
    starts = np.searchsorted(node_of_run[order], np.arange(count + 1))
    nodes = np.column_stack([starts[:-1], starts[1:]])
    return nodes.astype(np.uint64), runs[order].astype(np.uint64)
