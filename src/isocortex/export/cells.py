"""Embedded cells as the files that SONATA circuits name: SWC and fit, with their node types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from isocortex.cells.library import library_cells
from isocortex.cells.originals import fit_of, swc_of
from isocortex.errors import disk_errors
from isocortex.sonata.write import write_types

#: Of :func:`isocortex.cells.library.library_cells`, what the node types tell too.
TOLD = ("ei", "cre", "layer", "location")


def write_cells(cell_ids: Iterable[str | int], folder: str | Path) -> list[Path]:
    """Write embedded cells as files that BMTK and NEURON read; earlier ones are replaced.

    Parameters
    ----------
    cell_ids : see :func:`isocortex.library_cells`.

    Returns
    -------
    The files: of each cell ``<id>.swc`` and ``<id>_fit.json``, and of all ``node_types.csv``, whose
    rows are node types that name them. A circuit of these types is that of the embedded cells to
    the last bit of every voltage.

    Raises
    ------
    ModelError : there is no such cell; nothing is written then.
    """
    ids, folder = list(dict.fromkeys(map(str, cell_ids))), Path(folder)
    texts: dict[str, str] = {}
    for cell_id in ids:
        texts[f"{cell_id}.swc"] = swc_of(cell_id)
        texts[f"{cell_id}_fit.json"] = json.dumps(fit_of(cell_id), indent=2) + "\n"
    texts["NOTICE.md"] = (files("isocortex") / "data" / "NOTICE.md").read_text(encoding="utf-8")
    table = library_cells().loc[ids]
    types = table[list(TOLD)].assign(
        node_type_id=ids, model_type="biophysical", model_template="ctdb:Biophys1.hoc",
        model_processing=table["processing"], morphology=[f"{cell_id}.swc" for cell_id in ids],
        dynamics_params=[f"{cell_id}_fit.json" for cell_id in ids],
    )  # fmt: skip
    with disk_errors(folder, "write the cells"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    order = [*types.columns.drop(list(TOLD)), *TOLD]
    write_types(folder / "node_types.csv", types[order])
    return [folder / name for name in (*texts, "node_types.csv")]
