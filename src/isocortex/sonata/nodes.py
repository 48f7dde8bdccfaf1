"""Read SONATA node files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from isocortex.arrays import IntArray
from isocortex.circuit import Column, NodePopulation, Text
from isocortex.circuit.columns import NUMERIC, overridden, present, take
from isocortex.errors import InputError
from isocortex.sonata.hdf5 import array, attributes, group, has_entries, open_h5
from isocortex.sonata.types import Types, read_types

logger = logging.getLogger(__name__)

#: Names of parameters, which are read from dynamics_params alone, here as in BMTK.
PARAMETER = re.compile(
    r"v_?(init|rest|th\w*|reset|m)|e_?(l|pas|k|na)|c_?m|ra|tau\w*|g_?\w*bar\w*|g_?pas|t_?ref\w*"
    r"|refrac\w*|(spike_)?threshold|(holding|threshold)_current|i_?(e|hold)|celsius",
    re.IGNORECASE,
)
#: What cells are made of: other capitals would say it and not be read.
KNOWN = (
    "model_type", "model_template", "model_processing", "morphology", "dynamics_params",
    "rotation_angle_xaxis", "rotation_angle_yaxis", "rotation_angle_zaxis",
)  # fmt: skip


def read_nodes(nodes_file: Path, types_file: Path | None) -> list[NodePopulation]:
    """All populations of a node file, each node with the attributes of its type and group."""
    types = read_types(types_file, "node_type_id")
    populations = []
    with open_h5(nodes_file) as file:
        root = group(file, "nodes", nodes_file)
        for name in root:
            populations.append(_read_population(root, name, types, nodes_file))
    if not populations:
        raise InputError("no population", file=nodes_file, field="/nodes", fix="Add one.")
    return populations


def _read_population(root: h5py.Group, name: str, types: Types, path: Path) -> NodePopulation:
    population = group(root, name, path)
    type_ids = array(population, "node_type_id", path, "int")
    n = len(type_ids)
    rows = types.rows_in(type_ids, path, f"{population.name}/node_type_id")
    ids = array(population, "node_id", path, "int", n) if "node_id" in population else np.arange(n)
    if n and (ids[0] < 0 or (ids[1:] <= ids[:-1]).any()):  # else there is nothing to sort for
        _check_ids(ids, path, population)
    columns: dict[str, Column] = {"node_type_id": type_ids}
    columns |= {key: take(column, rows) for key, column in types.columns.items()}
    _add_groups(population, columns, n, path)
    for key in columns:
        if key.lower() in KNOWN and key not in KNOWN:
            where = types.file if key in types.columns else path
            raise InputError(
                "is not read, here as in BMTK", file=where, field=f"nodes/{name}: {key}",
                fix=f"{key.lower()}, which is there too, is: remove one of them."
                if key.lower() in columns else f"Write {key.lower()}.",
            )  # fmt: skip
    unread = [
        c for c, values in columns.items() if PARAMETER.fullmatch(c) and present(values).any()
    ]
    if unread:
        logger.warning(
            "%s: nodes/%s: %s can be asked for by queries but changes no cell: parameters are read"
            " from dynamics_params alone", path, name, ", ".join(unread),
        )  # fmt: skip
    of_types = {"node_type_id": types.ids, **types.columns}
    return NodePopulation(name, ids, columns, path, of_types)


def _check_ids(ids: IntArray, path: Path, population: h5py.Group) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any() or values[0] < 0:
        bad = values[0] if values[0] < 0 else values[np.argmax(counts > 1)]
        raise InputError(
            f"node id {bad} is negative or appears twice", file=path,
            field=f"{population.name}/node_id", fix="Number every node once, from 0.",
        )  # fmt: skip


def _add_groups(population: h5py.Group, columns: dict[str, Column], n: int, path: Path) -> None:
    """Attributes of the node groups override those of the types."""
    if "node_group_id" in population:
        group_id = array(population, "node_group_id", path, "int", n)
    else:
        group_id = np.zeros(n, np.int64)
    if "node_group_index" in population:
        group_index = array(population, "node_group_index", path, "int", n)
    else:
        group_index = np.empty(n, np.int64)
        for g in np.unique(group_id):
            mine = group_id == g
            group_index[mine] = np.arange(np.count_nonzero(mine))
    for g in np.unique(group_id):
        if str(g) not in population:
            if "node_group_id" in population:
                raise InputError(
                    f"node group {g} is missing", file=path, field=f"{population.name}/{g}",
                    fix="Add the group (it may be empty) or mend node_group_id.",
                )  # fmt: skip
            continue
        members = group(population, str(g), path)
        if has_entries(members, "dynamics_params"):
            raise InputError(
                "per-node dynamics_params are not supported yet", file=path,
                field=f"{members.name}/dynamics_params", fix="Use one type per parameter set.",
            )  # fmt: skip
        mine = np.flatnonzero(group_id == g)
        index = group_index[mine]
        lowest, highest = int(index.min(initial=0)), int(index.max(initial=-1))
        every = np.array_equal(index, np.arange(n))  # as files mostly are
        for name, values in attributes(members, path, highest + 1).items():
            if lowest < 0 or highest >= len(values):
                raise InputError(
                    f"node_group_index {highest} is outside {name!r} with {len(values)} "
                    "entries", file=path, field=f"{population.name}/node_group_index",
                    fix="Give every node an entry of its group.",
                )  # fmt: skip
            for key, column in _axes(name, values):
                if isinstance(column, Text) or (column.ndim == 1 and column.dtype.kind in NUMERIC):
                    chosen = column if every and len(column) == n else take(column, index)
                    columns[key] = overridden(columns.get(key), mine, chosen, n)
                else:
                    logger.warning(
                        "%s: %s/%s is no number or text per member and is left out", path,
                        members.name, name,
                    )  # fmt: skip


def _axes(name: str, values: Column) -> Iterator[tuple[str, Column]]:
    """An attribute, or each of the axes of one that is a place, or each of more numbers."""
    array = values.codes if isinstance(values, Text) else values
    if array.ndim != 2:
        yield name, values
        return
    several = array.shape[1]
    for k, axis in enumerate("xyz"[:several] if several <= 3 else range(several)):
        part = array[:, k]
        yield f"{name}_{axis}", Text(part, values.values) if isinstance(values, Text) else part
