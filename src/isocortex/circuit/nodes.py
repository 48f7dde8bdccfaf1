"""Nodes as they were read: a table per population."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.errors import InputError

IntArray = NDArray[np.int64]


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
