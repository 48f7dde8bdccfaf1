"""Read SONATA node files."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from isocortex.circuit import NodePopulation
from isocortex.errors import InputError
from isocortex.sonata.hdf5 import array, attributes, group, has_entries, open_h5
from isocortex.sonata.types import check_type_ids, read_types

logger = logging.getLogger(__name__)

#: Names of parameters, which are read from dynamics_params alone, here as in BMTK.
PARAMETER = re.compile(
    r"v_?(init|rest|th\w*|reset|m)|e_?(l|pas|k|na)|c_?m|ra|tau\w*|g_?\w*bar\w*|g_?pas|t_?ref\w*"
    r"|refrac\w*|(spike_)?threshold|(holding|threshold)_current|i_?(e|hold)|celsius",
    re.IGNORECASE,
)


def read_nodes(nodes_file: Path, types_file: Path | None) -> list[NodePopulation]:
    """All populations of a node file, each node with the attributes of its type and group."""
    types = read_types(types_file, "node_type_id")
    check = types_file is not None
    populations = []
    with open_h5(nodes_file) as file:
        root = group(file, "nodes", nodes_file)
        for name in root:
            populations.append(_read_population(root, name, types, nodes_file, check))
    if not populations:
        raise InputError("no population", file=nodes_file, field="/nodes", fix="Add one.")
    return populations


def _read_population(
    root: h5py.Group, name: str, types: pd.DataFrame, path: Path, check: bool
) -> NodePopulation:
    population = group(root, name, path)
    type_ids = array(population, "node_type_id", path, "int")
    n = len(type_ids)
    where = f"{population.name}/node_type_id"
    if check:
        check_type_ids(type_ids, types, path, where)
    ids = array(population, "node_id", path, "int", n) if "node_id" in population else np.arange(n)
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any() or (n and values[0] < 0):
        bad = values[0] if n and values[0] < 0 else values[np.argmax(counts > 1)]
        raise InputError(
            f"node id {bad} is negative or appears twice", file=path,
            field=f"{population.name}/node_id", fix="Number every node once, from 0.",
        )  # fmt: skip
    columns: dict[str, object] = {"node_type_id": type_ids}
    codes = types.index.get_indexer(pd.Index(type_ids)) if len(types) else np.full(n, -1)
    for column in types.columns:
        series = types[column]
        if series.dtype.kind in "iufb":
            columns[column] = series.to_numpy()[codes]
        else:
            distinct, inverse = np.unique(series.astype(object).map(repr), return_inverse=True)
            firsts = [series.iloc[int(np.argmax(inverse == k))] for k in range(len(distinct))]
            usable = [k for k, v in enumerate(firsts) if not pd.isna(v)]
            renumber = np.full(len(distinct), -1)
            renumber[usable] = np.arange(len(usable))
            columns[column] = pd.Categorical.from_codes(
                renumber[inverse[codes]], categories=[firsts[k] for k in usable]
            )
    table = _add_groups(population, pd.DataFrame(columns, index=pd.RangeIndex(n)), path)
    unread = [c for c in table.columns if PARAMETER.fullmatch(c) and table[c].notna().any()]
    if unread:
        logger.warning(
            "%s: nodes/%s: %s can be asked for by queries but changes no cell: parameters are read"
            " from dynamics_params alone", path, name, ", ".join(unread),
        )  # fmt: skip
    return NodePopulation(name, ids, table, path)


def _add_groups(population: h5py.Group, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Attributes of the node groups override those of the types."""
    n = len(table)
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
        count = int(index.max(initial=-1)) + 1
        for name, values in attributes(members, path, count).items():
            if len(index) and (index.min() < 0 or index.max() >= len(values)):
                raise InputError(
                    f"node_group_index {index.max()} is outside {name!r} with {len(values)} "
                    "entries", file=path, field=f"{population.name}/node_group_index",
                    fix="Give every node an entry of its group.",
                )  # fmt: skip
            if values.ndim > 1:
                several = values.shape[1]
                for k, axis in enumerate("xyz"[:several] if several <= 3 else range(several)):
                    table = _override(table, f"{name}_{axis}", mine, values[index, k])
            else:
                table = _override(table, name, mine, values[index])
    return table


def _override(table: pd.DataFrame, name: str, rows: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    if len(rows) == len(table):
        table[name] = values
        return table
    numeric = np.asarray(values).dtype.kind in "iufb"
    if name in table:
        old = table[name]
        column = old.to_numpy(float if numeric and old.dtype.kind in "iufb" else object).copy()
    else:
        column = np.full(len(table), np.nan, float if numeric else object)
    column[rows] = values
    table[name] = column
    return table
