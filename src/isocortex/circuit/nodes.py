"""Nodes as they were read: a table per population."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit.columns import Column, Columns, Text, among, coded
from isocortex.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


#: Prefix of templates that name a cell of the embedded library.
LIBRARY_PREFIX = "isocortex:"
#: Node attributes that together name a cell model.
MODEL_COLUMNS = ("model_template", "morphology", "dynamics_params", "model_processing")
#: Numbers that are hashed at one time.
AT_ONCE = 2**15


@dataclass(frozen=True)
class NodePopulation:
    """Nodes of one population.

    Attributes
    ----------
    node_ids : int64[n].
    columns : every attribute of a node's type and its group, by name; n rows each.
    types : the table of node types, as the file has it; empty where there is none.
    """

    name: str
    node_ids: IntArray
    columns: Columns
    file: Path
    types: Columns = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per node and one column per attribute, texts as categories; to look at."""
        import pandas as pd  # which takes longer to load than a small circuit

        columns = {
            name: pd.Categorical.from_codes(column.codes, categories=list(column.values))
            if isinstance(column, Text) else column
            for name, column in self.columns.items()
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.node_ids)))

    @property
    def virtual(self) -> NDArray[np.bool_]:
        """bool[n], the nodes that only send spikes that they are given."""
        return self._of_type("virtual")

    @property
    def biophysical(self) -> NDArray[np.bool_]:
        """bool[n], the nodes that are cells with branches."""
        return self._of_type("biophysical")

    def _of_type(self, name: str) -> NDArray[np.bool_]:
        kinds = self.columns.get("model_type")
        return np.zeros(len(self.node_ids), bool) if kinds is None else among(kinds, [name])

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

        What a value is counts, not how it is held: how texts are numbered does not matter.
        """
        columns = {"node_id": self.node_ids, **self.columns}
        return {name: _hash(column) for name, column in columns.items()}

    def digest(self) -> str:
        """One hash of ids and attributes."""
        return _hex(repr(sorted(self.digests().items())).encode())


def _hash(column: Column) -> str:
    if not isinstance(column, Text):
        return _hex(*_parts(column))
    codes, names = coded(column)
    return _hex(*_parts(codes), repr([str(name) for name in names]).encode())


def _parts(numbers: NDArray[Any]) -> Iterator[memoryview]:
    """Numbers in eight bytes each, as many at a time as stay in a processor's cache."""
    kind = np.int64 if numbers.dtype.kind in "iu" else np.float64
    for begin in range(0, len(numbers), AT_ONCE):
        yield np.ascontiguousarray(numbers[begin : begin + AT_ONCE], kind).data


def _hex(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
