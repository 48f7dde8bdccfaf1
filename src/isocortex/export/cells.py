"""Embedded cells as the files that SONATA circuits name: SWC and fit, with their node types."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import pandas as pd

from isocortex.cells.library import library_cells
from isocortex.cells.originals import fit_of, swc_of
from isocortex.errors import ConfigError, disk_errors

TYPES = "node_types.csv"
#: Of :func:`isocortex.cells.library.library_cells`, what the node types tell too.
TOLD = ("ei", "cre", "layer", "location")


def write_cells(
    cell_ids: str | int | Iterable[str | int], folder: str | Path, *, overwrite: bool = False
) -> list[Path]:
    """Write embedded cells as files that BMTK and NEURON read.

    Parameters
    ----------
    cell_ids : one or several, see :func:`isocortex.library_cells`.
    folder : may hold cells that were written before: ``node_types.csv`` keeps their rows.
    overwrite : files that are there already, with other contents.

    Returns
    -------
    The files: of each cell ``<id>.swc`` and ``<id>_fit.json``, and of all ``node_types.csv``, whose
    rows are node types that name them. A circuit of these types is that of the embedded cells to
    the last bit of every voltage.

    Raises
    ------
    ModelError : there is no such cell; nothing is written then.
    ConfigError : a file is there with other contents; nothing is written then.
    """
    if isinstance(cell_ids, str | int):
        cell_ids = [cell_ids]
    ids, folder = list(dict.fromkeys(map(str, cell_ids))), Path(folder)
    texts: dict[str, str] = {}
    for cell_id in ids:
        texts[f"{cell_id}.swc"] = swc_of(cell_id)
        texts[f"{cell_id}_fit.json"] = json.dumps(fit_of(cell_id), indent=2) + "\n"
    texts["NOTICE.md"] = (files("isocortex") / "data" / "NOTICE.md").read_text(encoding="utf-8")
    texts[TYPES] = _node_types(ids).to_csv(sep=" ", index=False, na_rep="NULL")
    with disk_errors(folder, "write the cells"):
        there = {name: _text(folder / name) for name in texts if (folder / name).exists()}
        texts[TYPES], clash = _merged(there.get(TYPES, ""), texts[TYPES])
        other = [name for name in there if name != TYPES and there[name] != texts[name]]
        other += [TYPES] * clash
        if other and not overwrite:
            raise ConfigError(
                f"already holds files of other contents ({', '.join(other)})",
                file=folder, fix="Choose another folder, or --overwrite them.",
            )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            draft = folder / f".{name}.{os.getpid()}.tmp"
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, folder / name)
    return [folder / name for name in texts]


def _node_types(ids: list[str]) -> pd.DataFrame:
    """Node types that name the files of cells."""
    table = library_cells().loc[ids]
    types = table[list(TOLD)].assign(
        node_type_id=ids, model_type="biophysical", model_template="ctdb:Biophys1.hoc",
        model_processing=table["processing"], morphology=[f"{cell_id}.swc" for cell_id in ids],
        dynamics_params=[f"{cell_id}_fit.json" for cell_id in ids],
    )  # fmt: skip
    return types[[*types.columns.drop(list(TOLD)), *TOLD]]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _merged(there: str, ours: str) -> tuple[str, bool]:
    """Node types that are there and ours, by id; and whether ours replace others."""
    head, *rows = ours.splitlines()
    old_head, *old_rows = there.splitlines() or [head]
    if old_head != head:  # of another make
        return ours, True
    old, new = ({row.partition(" ")[0]: row for row in table} for table in (old_rows, rows))
    clash = any(old.get(key, row) != row for key, row in new.items())
    return "\n".join([head, *(old | new).values()]) + "\n", clash
