"""Write SONATA node and edge files, as the specification and BMTK have them.

Allen Institute and Blue Brain Project, SONATA developer guide;
Dai et al. 2020, doi:10.1371/journal.pcbi.1007696.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.errors import disk_errors

if TYPE_CHECKING:
    import pandas as pd

MAGIC = np.uint32(0x0A7A)
VERSION = np.array([0, 1], dtype=np.uint32)
#: Bytes for HDF5's own tables.
RESERVE = 2**20


def write_types(file: Path, types: pd.DataFrame) -> None:
    """Write a table of node or edge types: one space between columns, NULL for nothing."""
    with disk_errors(file, "write the types"):
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
    own = sum(np.asarray(values).nbytes for values in (properties or {}).values())
    with _created(file, 28 * n + own) as root:
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
    indices = 2 * 16 * n + 16 * sum(counts)
    with _created(file, int(edges.memory_usage().sum()) + 6 * n + indices) as root:
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


@contextmanager
def _created(file: Path, n_bytes: int) -> Iterator[h5py.File]:
    """A new file for so many bytes of data.

    Raises
    ------
    SimulationError : the disk has no room for them. HDF5 does not survive a write that fails, so
        it is asked before.
    """
    with disk_errors(file, "write the circuit"):
        free = shutil.disk_usage(file.parent).free
        if free < n_bytes + RESERVE:
            raise OSError(errno.ENOSPC, f"No space left on device ({free} bytes are free)")
        with h5py.File(file, "w") as root:
            root.attrs["magic"] = MAGIC
            root.attrs["version"] = VERSION
            yield root


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
