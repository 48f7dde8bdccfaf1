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
from isocortex.engine.interface import Settings, Variable
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.network import (
    Connections,
    CurrentSource,
    Network,
    PointNeurons,
    Pulses,
    Slots,
    SpikeTrains,
    bare_network,
)

DT = 0.1  # ms
ONSET = 300.0  # ms: the cell is at rest
TSTOP = 420.0  # ms


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


def measure(
    model: str, connections: Sequence[Connection], repeats: int = 12, current: float = 0.0
) -> Response:
    """Mean response over ``repeats`` random placements, all cells side by side.

    Parameters
    ----------
    current : nA, held at the soma throughout.
    """
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
    pulse = Pulses(np.array([current]), np.array([0.0]), np.array([TSTOP]))
    bare = bare_network(
        [cell], np.zeros(n, np.int64), [CurrentSource(i, cell.soma, pulse) for i in range(n)]
    )
    first = np.zeros(n + 2, np.int64)
    first[-1] = len(target)  # all from the one virtual source
    network = Network(
        models=bare.models, cell_model=bare.cell_model, kinetics=kinetics,
        slots=Slots(*np.array(list(slots), np.int32).T),
        connections=Connections(
            first, np.array(target, np.int32), np.array(weight),
            np.zeros(len(target), np.uint8), np.array([1.0]),
        ),
        points=PointNeurons(np.zeros(0), np.zeros(0)), n_virtual=1,
        trains=SpikeTrains(np.array([n]), np.array([ONSET - 1.0])), currents=bare.currents,
        populations=["cells"], source_population=np.zeros(n + 1, np.int64),
        source_node_id=np.arange(n + 1),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=DT, v_init=float(cell.e_pas[cell.soma])))
    engine.record([(i, cell.soma, Variable("v")) for i in range(n)])
    v = engine.advance(round(TSTOP / DT))[2][round(ONSET / DT) - 1 :]  # steps x cells, mV
    change = v[:, :-1] - v[:, -1:]
    up, down = change.max(axis=0), change.min(axis=0)
    amplitude = np.where(up > -down, up, down).reshape(len(connections), repeats)
    return Response(amplitude.mean(axis=1), float(v[0, -1]))


def holding_current(model: str, voltage: float) -> float:
    """nA that keeps the soma near ``voltage`` (mV) without a spike, by bisection."""
    cell = load_cell(model)
    low, high = -0.1, 1.0
    for _ in range(6):
        amps = np.linspace(low, high, 9)
        sources = [
            CurrentSource(i, cell.soma, Pulses(np.array([a]), np.array([0.0]), np.array([1e9])))
            for i, a in enumerate(amps)
        ]
        engine = CpuEngine(
            bare_network([cell], np.zeros(len(amps), np.int64), sources),
            Settings(dt=DT, v_init=float(cell.e_pas[cell.soma])),
        )
        engine.record([(i, cell.soma, Variable("v")) for i in range(len(amps))])
        v = engine.advance(round(ONSET / DT))[2]
        # Above rheobase the voltage is no longer steady: too much current.
        quiet = (v.max(axis=0) < voltage + 5.0) & (v[-1] < voltage)
        last = int(np.flatnonzero(quiet)[-1]) if quiet.any() else 0
        low, high = float(amps[last]), float(amps[min(last + 1, len(amps) - 1)])
    return low


def table(wiring: Wiring, measured: pd.DataFrame | None) -> pd.DataFrame:
    """Mean over the models of each class, by their shares."""
    rows = []
    for target in wiring.classes:
        sources = [s for s in wiring.classes if wiring.rule(s, target) is not None]
        sources = list({wiring.group(s): s for s in reversed(sources)}.values())[::-1]
        if target[0] == "6b" or target[1] == "Inh" or not sources:
            continue
        ids, shares = wiring.models(*target)
        rest, depolarised, base = np.zeros(len(sources)), np.zeros(len(sources)), 0.0
        for model, share in zip(ids, shares, strict=True):
            cases = [_connection(wiring, s, target, model) for s in sources]
            at_rest = measure(model, cases)
            held = measure(model, cases, current=holding_current(model, -55.0))
            rest += share * at_rest.amplitude
            depolarised += share * held.amplitude
            base += share * at_rest.baseline
        for k, source in enumerate(sources):
            known = _measured(measured, source, target) if measured is not None else ("", "")
            rows.append((*map(" ".join, (source, target)), rest[k], depolarised[k], *known))
    columns = ["source", "target", "at rest", "from -55 mV", "measured mean", "measured 90th"]
    return pd.DataFrame(rows, columns=columns)


def _connection(wiring: Wiring, source: CellClass, target: CellClass, model: str) -> Connection:
    rule = wiring.rule(source, target)
    assert rule is not None
    weight = wiring.weight(source, target, model)
    return Connection(rule.sections, rule.distance_range, rule.kinetics, weight)


def _measured(table: pd.DataFrame, source: CellClass, target: CellClass) -> tuple[str, str]:
    """Mean at rest and 90th percentile, mV, of the same pair of subclasses whatever the layers."""
    name = {"Pvalb": "pvalb", "Sst": "sst", "Vip": "vip", "Inh": "vip"}
    pyramids = {"2/3": "l23_pyr", "4": "l4_pyr", "6a": "l6_pyr"}

    def label(layer: str, kind: str) -> str:
        l5 = {"ET": "l5_ET_pyr", "NP": "all_pyr"}.get(kind, "l5_IT_pyr")
        return name.get(kind) or pyramids.get(layer, l5)

    key = f"{label(*source)}__to__{label(*target)}"
    if key not in table.index or table.loc[key, "mean_resting"] == "[]":
        return "", ""
    row = table.loc[key]
    return f"{float(row['mean_resting']):.2f}", f"{float(row['mean_90th']):.2f}"


if __name__ == "__main__":
    literature = None
    if len(sys.argv) > 1:
        file = Path(sys.argv[1]) / "v1_model/biorealistic/psp_characterization.csv"
        literature = pd.read_csv(file, sep=" ").set_index("connection")
    frame = table(load_wiring(), literature)
    print("| " + " | ".join(frame.columns) + " |")
    print("|---" * len(frame.columns) + "|")
    for row in frame.itertuples(index=False):
        print("| " + " | ".join(x if isinstance(x, str) else f"{x:.2f}" for x in row) + " |")
