"""Make cortex/data/wiring_strengths.csv: what replaces published strengths of connections.

    python tools/make_strengths.py

``WANTED`` is the mean potential at the soma that one connection of five synapses is to make: of
excitatory sources at rest, of inhibitory ones from -55 mV. The factor on the published weights that
makes it so is measured with this engine, see tools/psp.py. docs/cortex_wiring.md tells where each
number is from.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pandas as pd
from psp import potentials

from isocortex.cortex.wiring import Wiring, kind_of, load_wiring

DATA = Path(__file__).parent.parent / "src/isocortex/cortex/data"
TABLE = "wiring_strengths.csv"

#: Kinetics of excitation onto excitatory cells, of tools/make_wiring.py.
SLOW = "AMPA_NMDA_ExcToExc"
#: Cells of layer 1 receive from layer 5.
LIKE = {("e", "i1H"): "e5"}
#: mV, by kind of source and of target.
WANTED = {
    ("e", "e"): 0.465, ("e", "P"): 0.8, ("e", "S"): 0.2, ("e", "H"): 0.5,
    ("P", "e"): 1.49, ("S", "e"): 0.89, ("H", "e"): 0.61,
    ("P", "P"): 0.55, ("P", "S"): 0.42, ("P", "H"): 0.5,
    ("S", "P"): 0.2, ("S", "S"): 0.22, ("S", "H"): 0.27,
    ("H", "P"): 0.17, ("H", "S"): 0.22, ("H", "H"): 0.22,
}  # fmt: skip
#: Onto single layers: as data say onto 2/3, and less onto cells of 6 and Htr3a cells of 4, which
#: else fire more than their target without any background.
LAYERS = {("e", "e2"): 0.28, ("e", "e4"): 0.475, ("e", "e6"): 0.26, ("e", "i4H"): 0.4}
#: Onto layer 6, whose rules have a quarter of the inhibitory connections that others have.
DEEP = {("P", "e6"): 2.98, ("S", "e6"): 1.78, ("H", "e6"): 1.22}


def rows_of(wiring: Wiring) -> pd.DataFrame:
    """A row for every kind of source and group that has a wanted potential; factors are 1."""
    rows = []
    for target in sorted(set(wiring.groups.values())):
        for (source, onto), wanted in WANTED.items():
            own = f"e{target[1]}" if source == "e" else f"i{target[1]}{source}"
            like = LIKE.get((source, target), own)
            if onto == kind_of(target) and (like, target) in wiring.rules:
                slow = SLOW if (source, onto) == ("e", "e") else ""
                wanted = (LAYERS | DEEP).get((source, target), wanted)
                rows.append((source, target, like, wanted, 1.0, slow))
    columns = ["source", "target", "like", "mV", "factor", "kinetics"]
    return pd.DataFrame(rows, columns=columns)


def published(table: pd.DataFrame) -> Wiring:
    """The wiring with the published weights, but the kinetics of the table."""
    with tempfile.TemporaryDirectory() as folder:
        for file in DATA.glob("wiring_*.csv"):
            shutil.copy(file, folder)
        table.to_csv(Path(folder) / TABLE, index=False)
        return load_wiring(folder)


def main() -> None:
    """Measure what the published weights make, and write the factors that are missing."""
    table = rows_of(load_wiring())
    wiring = published(table)
    measured = potentials(wiring)
    layers, names = (
        measured["target"].str.split(" ").str[0],
        measured["target"].str.split(" ").str[1],
    )
    measured["group"] = [wiring.group(c) for c in zip(layers, names, strict=True)]
    mean = measured.groupby(["source", "group"])[["rest", "held"]].mean().abs()
    found = [
        mean.loc[(like, target), "rest" if source == "e" else "held"]
        for source, target, like in table[["source", "target", "like"]].itertuples(index=False)
    ]
    table["factor"] = (table["mV"] / found).round(4)
    table.to_csv(DATA / TABLE, index=False, lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
