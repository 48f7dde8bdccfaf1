"""The tables of gates of several circuits beside each other, as Markdown for docs/cortex_model.md.

    python tools/gates_table.py NAME=FOLDER/gates.json ...

Bold is what lies beyond its target. A spread is the standard deviation over networks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from isocortex.validation.gates import FAILS

MARK = {FAILS: "**fails**"}


def columns(name: str, file: Path) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """The verdict of every gate, and every quantity that was measured, of one circuit."""
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    verdicts, cells = {}, {}
    for gate in told["gates"]:
        verdicts[gate["title"]] = MARK.get(gate["verdict"], gate["verdict"])
        for criterion in gate["criteria"]:
            if criterion["value"] is None:
                continue
            scale = 100.0 if criterion["unit"] == "%" else 1.0
            text = f"{scale * criterion['value']:.3g}"
            if criterion["spread"] is not None:
                text += f" ± {scale * criterion['spread']:.2g}"
            beyond = criterion["verdict"] == FAILS
            cells[gate["title"], _named(criterion)] = f"**{text}**" if beyond else text
    return verdicts, cells


def _named(criterion: dict[str, Any]) -> str:
    """What a quantity is, with its unit and target."""
    unit = criterion["unit"]
    scale = 100.0 if unit == "%" else 1.0
    low, high = (
        None if x is None else f"{scale * x:.3g}" for x in (criterion["low"], criterion["high"])
    )
    target = {
        (True, True): f"{low} to {high}", (True, False): f"≥ {low}", (False, True): f"≤ {high}",
    }.get((low is not None, high is not None))  # fmt: skip
    said = ", ".join(part for part in (unit, target) if part)
    return criterion["what"] + (f" ({said})" if said else "")


def main() -> None:
    """Print a table of verdicts and one of quantities."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    found = {name: columns(name, Path(file)) for name, file in given.items()}
    verdicts = pd.DataFrame({name: each[0] for name, each in found.items()})
    cells = pd.DataFrame({name: each[1] for name, each in found.items()}).fillna("")
    cells.index.names = ["gate", "what"]
    order = list(dict.fromkeys(key for _, each in found.values() for key in each))
    rows = cells.loc[order].reset_index()
    rows.loc[rows["gate"].duplicated(), "gate"] = ""
    for table in (verdicts.rename_axis("gate").reset_index(), rows):
        lines = [table.columns.tolist(), ["---"] * table.shape[1], *table.to_numpy().tolist()]
        print("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines), end="\n\n")


if __name__ == "__main__":
    main()
