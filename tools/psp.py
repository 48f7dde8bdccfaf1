"""Somatic potentials of single connections, and their table for docs/cortex_wiring.md.

    python tools/psp.py [SHARED_DATA_FOLDER]

With SHARED_DATA_FOLDER, which has v1_model/biorealistic/psp_characterization.csv, measured values
(Campagnola et al. 2022, doi:10.1126/science.abj5861) stand beside ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from isocortex.cells.library import load_cell
from isocortex.cortex.sites import target_sites
from isocortex.cortex.wiring import CellClass, Wiring, load_wiring
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.network import (
    Connections,
    Network,
    PointNeurons,
    Slots,
    SpikeTrains,
)

DT = 0.1  # ms
ONSET = 300.0  # ms: the cell is at rest
TSTOP = 420.0  # ms
HELD = -55.0  # mV, from where inhibition is measured in slices

#: Names in the table of measured potentials.
PYRAMIDS = {"e2": "l23_pyr", "e4": "l4_pyr", "e5": "l5_IT_pyr", "e6": "l6_pyr"}
INTERNEURONS = {"P": "pvalb", "S": "sst", "H": "vip"}
TARGETS = {
    "2/3 IT": "l23_pyr", "4 IT": "l4_pyr", "5 IT": "l5_IT_pyr", "5 ET": "l5_ET_pyr",
    "6a IT": "l6_pyr", "6a CT": "l6_pyr",
} | {
    f"{layer} {name}": name.lower()
    for layer in ("2/3", "4", "5", "6a") for name in ("Pvalb", "Sst", "Vip")
}  # fmt: skip


class Connection(NamedTuple):
    """A connection to be measured; ``weight`` (uS) is that of each of its synapses."""

    sections: tuple[str, ...]
    distance_range: tuple[float, float]
    kinetics: Kinetics
    weight: float
    synapses: int = 5


class Response(NamedTuple):
    """Largest deflection at the soma (mV, k connections) and the voltage it began from (mV)."""

    amplitude: np.ndarray
    baseline: float


def measure(model: str, connections: Sequence[Connection], repeats: int = 12) -> Response:
    """Mean response at rest over ``repeats`` random placements, all cells side by side."""
    cell = load_cell(model)
    kinetics = list(dict.fromkeys(c.kinetics for c in connections))
    rng = np.random.default_rng(1)
    slots: dict[tuple[int, int, int], int] = {}
    target, weight = [], []
    for k, connection in enumerate(connections):
        sites = target_sites(cell, connection.sections, connection.distance_range)
        kind = kinetics.index(connection.kinetics)
        for repeat in range(repeats):
            for node in sites.draw(rng.random(connection.synapses)):
                key = (k * repeats + repeat, int(node), kind)
                target.append(slots.setdefault(key, len(slots)))
                weight.append(connection.weight)
    n = len(connections) * repeats + 1  # the last one receives nothing
    first = np.zeros(n + 2, np.int64)
    first[-1] = len(target)  # all from the one virtual source
    network = Network(
        models=[cell], cell_model=np.zeros(n, np.int64), kinetics=kinetics,
        slots=Slots(*np.array(list(slots), np.int32).T),
        connections=Connections(
            first, np.array(target, np.int32), np.array(weight),
            np.zeros(len(target), np.uint8), np.array([1.0]),
        ),
        points=PointNeurons(np.zeros(0), np.zeros(0)), n_virtual=1,
        trains=SpikeTrains(np.array([n]), np.array([ONSET - 1.0])),
        populations=["cells"], source_population=np.zeros(n + 1, np.int64),
        source_node_id=np.arange(n + 1),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=DT, v_init=float(cell.e_pas[cell.soma])))
    engine.record(ProbeTable.of([(i, cell.soma, Variable("v")) for i in range(n)]))
    v = engine.advance(round(TSTOP / DT))[2][round(ONSET / DT) - 1 :]  # steps x cells, mV
    change = v[:, :-1] - v[:, -1:]
    up, down = change.max(axis=0), change.min(axis=0)
    amplitude = np.where(up > -down, up, down).reshape(len(connections), repeats)
    return Response(amplitude.mean(axis=1), float(v[0, -1]))


def potentials(wiring: Wiring) -> pd.DataFrame:
    """Amplitude (mV) of one connection at rest and, scaled by driving force, from HELD.

    Mean over the models of the target by their shares; one row for each source group and target.
    """
    groups = {wiring.group(c): c for c in reversed(wiring.classes)}
    rows = []
    for target in wiring.classes:
        sources = [g for g in sorted(groups) if wiring.rule(groups[g], target) is not None]
        ids, shares = wiring.models(*target)
        if target[0] == "6b" or target[1] == "Inh":  # as 6a and Vip
            continue
        for model, share in zip(ids, shares, strict=True):
            cases = [connection(wiring, groups[g], target, model) for g in sources]
            at_rest = measure(model, cases)
            for source, case, amplitude in zip(sources, cases, at_rest.amplitude, strict=True):
                reversal = case.kinetics.reversal
                held = amplitude * (reversal - HELD) / (reversal - at_rest.baseline)
                rows.append((source, " ".join(target), share * amplitude, share * held))
    frame = pd.DataFrame(rows, columns=["source", "target", "rest", "held"])
    return frame.groupby(["source", "target"], sort=False).sum().reset_index()


def connection(wiring: Wiring, source: CellClass, target: CellClass, model: str) -> Connection:
    """The mean connection between two classes, as it is on one model."""
    rule = wiring.rule(source, target)
    assert rule is not None
    weight = wiring.weight(source, target, model)
    return Connection(rule.sections, rule.distance_range, rule.kinetics, weight)


def with_measured(ours: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Pairs of one layer that have a measured amplitude: mean at rest and 90th percentile, mV."""
    rows = []
    for source, target, rest, held in ours.itertuples(index=False):
        if source[1] != target[0]:
            continue
        name = PYRAMIDS.get(source) or INTERNEURONS[source[-1]]
        key = f"{name}__to__{TARGETS.get(target)}"
        if key in measured.index and measured.loc[key, "mean_resting"] != "[]":
            known = measured.loc[key, ["mean_resting", "mean_90th"]].astype(float)
            rows.append((source, target, rest, held, *known))
    columns = ["source", "target", "at rest", f"from {HELD:g} mV", "measured", "its 90th"]
    return pd.DataFrame(rows, columns=columns)


def markdown(frame: pd.DataFrame) -> str:
    """A table for the documentation."""
    lines = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    for row in frame.itertuples(index=False):
        lines.append([x if isinstance(x, str) else "" if np.isnan(x) else f"{x:.2f}" for x in row])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    ours = potentials(load_wiring())
    matrix = ours.pivot(index="source", columns="target", values="rest")
    print(markdown(matrix[ours["target"].unique()].reset_index()))
    if len(sys.argv) > 1:
        file = Path(sys.argv[1]) / "v1_model/biorealistic/psp_characterization.csv"
        literature = pd.read_csv(file, sep=" ").set_index("connection")
        print("\n" + markdown(with_measured(ours, literature)))
