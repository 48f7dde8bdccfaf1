"""Nodes as they were read: a table per population."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.arrays import IntArray
from isocortex.errors import InputError


@dataclass(frozen=True, slots=True)
class NodePopulation:
    """Nodes of one population.

    Attributes
    ----------
    node_ids : int64[n].
    table : one row per node, with every attribute of its type and its group.
    """

    name: str
    node_ids: IntArray
    table: pd.DataFrame
    file: Path

    def index_of(self, node_ids: IntArray, *, file: Path, field: str) -> IntArray:
        """Rows of these node ids; an id that does not exist is an error of ``file: field``."""
        node_ids = np.asarray(node_ids, np.int64)
        order = np.argsort(self.node_ids, kind="stable")
        at = np.searchsorted(self.node_ids[order], node_ids)
        at = np.minimum(at, max(len(order) - 1, 0))
        found = self.node_ids[order[at]] == node_ids if len(order) else node_ids != node_ids
        if not found.all():
            row = int(np.flatnonzero(~found)[0])
            raise InputError(
                f"row {row} refers to node {node_ids[row]}, which population {self.name!r} does "
                "not have", file=file, field=field, fix=f"Its nodes are in {self.file}.",
            )  # fmt: skip
        return order[at]

    def digests(self) -> dict[str, str]:
        """Hash of the ids (``node_id``) and of every attribute, by name: hexadecimal digits.

        What a value is counts, not how it is held: text as a category or as an object is the same.
        """
        columns = {"node_id": pd.Series(self.node_ids), **dict(self.table.items())}
        return {str(name): _hash(column) for name, column in columns.items()}

    def digest(self) -> str:
        """One hash of ids and attributes."""
        return _hex(repr(sorted(self.digests().items())).encode())


def _hash(column: pd.Series) -> str:
    values = column.to_numpy()
    if values.dtype.kind in "iufb":
        parts = [values.astype(np.int64 if values.dtype.kind in "iu" else np.float64).tobytes()]
    else:
        codes, names = pd.factorize(column)  # in the order in which they appear
        parts = [codes.astype(np.int64).tobytes(), repr([str(name) for name in names]).encode()]
    return _hex(*parts)


def _hex(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
