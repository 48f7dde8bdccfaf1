"""Write SONATA node and edge files, as the specification and BMTK have them.

Allen Institute and Blue Brain Project, SONATA developer guide;
Dai et al. 2020, doi:10.1371/journal.pcbi.1007696.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.errors import disk_errors

if TYPE_CHECKING:
    import pandas as pd

#: Name -> numbers or bytes, one for each member of a group.
Attributes = Mapping[str, NDArray[Any]]

MAGIC = np.uint32(0x0A7A)
VERSION = np.array([0, 1], dtype=np.uint32)
#: Types of these numbers, BMTK's.
GROUP_ID = {"node": np.uint32, "edge": np.uint16}
GROUP_INDEX = {"node": np.uint64, "edge": np.uint32}
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
    properties: Attributes | Sequence[Attributes] = (),
    *,
    node_ids: IntArray | None = None,
    group: IntArray | None = None,
) -> None:
    """Write one population.

    Parameters
    ----------
    type_ids : int[n], the node type of each node.
    properties : name -> numbers or bytes [n], kept in group 0; where there are several groups, of
        each group the properties of its members.
    node_ids : int[n], default 0..n-1.
    group : int[n], which of the groups each node is of.
    """
    n = len(type_ids)
    groups = [properties] if isinstance(properties, Mapping) else properties or [{}]
    with _created(file, 28 * n + _bytes_of(groups)) as root:
        nodes = root.create_group(f"nodes/{population}")
        nodes["node_id"] = np.asarray(np.arange(n) if node_ids is None else node_ids, np.uint64)
        nodes["node_type_id"] = np.asarray(type_ids, dtype=np.uint64)
        _write_groups(nodes, "node", np.zeros(n, np.int64) if group is None else group, groups)


def write_edges(
    file: Path,
    source: str,
    target: str,
    counts: tuple[int, int],
    edges: pd.DataFrame,
    *,
    name: str | None = None,
    group: IntArray | None = None,
    groups: Sequence[Attributes] = (),
) -> None:
    """Write the edges from population ``source`` to population ``target`` with both indices.

    Parameters
    ----------
    counts : nodes in the source and in the target population.
    edges : one row per edge, sorted by target: source_node_id, target_node_id, edge_type_id; other
        columns become attributes of the edges.
    name : of the edges, default ``<source>_to_<target>``.
    group, groups : int[n] and the attributes of the members of each group, where edges differ in
        which attributes they have.
    """
    own = ("source_node_id", "target_node_id", "edge_type_id")
    if group is None:
        group = np.zeros(len(edges), np.int64)
        groups = [{key: edges[key].to_numpy() for key in edges.columns if key not in own}]
    # three ids, group and place in it; both indices
    n_bytes = 26 * len(edges) + 2 * 16 * len(edges) + 16 * sum(counts)
    with _created(file, n_bytes + _bytes_of(groups)) as root:
        h5 = root.create_group(f"edges/{name or f'{source}_to_{target}'}")
        for end, population in (("source", source), ("target", target)):
            ids = h5.create_dataset(
                f"{end}_node_id", data=edges[f"{end}_node_id"].to_numpy(np.uint64)
            )
            ids.attrs["node_population"] = population
        h5["edge_type_id"] = edges["edge_type_id"].to_numpy(np.uint32)
        _write_groups(h5, "edge", group, groups)
        for which, end, count in (
            ("source_to_target", "source", counts[0]),
            ("target_to_source", "target", counts[1]),
        ):
            nodes, ranges = _index(edges[f"{end}_node_id"].to_numpy(), count)
            h5[f"indices/{which}/node_id_to_range"] = nodes
            # One table under two names: BMTK's, and that of the specification and libsonata.
            index = h5[f"indices/{which}"]
            index["node_id_to_ranges"] = index["node_id_to_range"]
            h5[f"indices/{which}/range_to_edge_id"] = ranges


def write_gap_junctions(
    file: Path, source: IntArray, target: IntArray, source_gap: IntArray, target_gap: IntArray
) -> None:
    """Write what BMTK needs beside the edges that are gap junctions: numbers of both halves."""
    columns = {"source_ids": source, "target_ids": target, "src_gap_ids": source_gap,
               "trg_gap_ids": target_gap}  # fmt: skip
    with _created(file, 8 * sum(map(len, columns.values()))) as root:
        for name, values in columns.items():
            root[name] = values


def _bytes_of(groups: Sequence[Attributes]) -> int:
    return sum(np.asarray(values).nbytes for group in groups for values in group.values())


def _write_groups(h5: h5py.Group, what: str, group: IntArray, groups: Sequence[Attributes]) -> None:
    """Which group each node or edge is of, its place in it, and the attributes of every group."""
    place = np.empty(len(group), np.int64)
    for g, attributes in enumerate(groups):
        members = group == g
        place[members] = np.arange(np.count_nonzero(members))
        inside = h5.create_group(str(g))
        for name, values in attributes.items():
            inside[name] = values
    h5[f"{what}_group_id"] = group.astype(GROUP_ID[what])
    h5[f"{what}_group_index"] = place.astype(GROUP_INDEX[what])


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
        if file.exists():
            free += file.stat().st_size  # it is replaced
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
