"""What larger compartments change: every cell model of the cortex at dL 40 um beside dL 20.

    python benchmarks/compartments.py [--cells FOLDER]

FOLDER has index.csv, fit/ and morphologies/ (see tools/make_cell_library.py): with it, cells at
dL 5 um stand beside too, near what smaller compartments converge to. Potentials are of one synapse
at the soma, the mean over the places where a rule may put it: of excitation and of Pvalb cells of
the same layer. Means are over the neurons of the cortex, of rates without models that fall into
depolarisation block at any dL.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd

import isocortex as ic
from isocortex.cells.library import DIVISIONS
from isocortex.cortex.counts import class_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.sites import target_sites
from isocortex.cortex.wiring import CellClass, ConnectionRule, Wiring
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.network.network import (
    Connections,
    Network,
    PointNeurons,
    Slots,
    SpikeTrains,
)
from isocortex.validation.rheobase import rheobase
from machine import RESULTS, describe, table, write

DT = 0.1  # ms, the cortex's
FINE = 5.0  # um
#: Of the current that makes a cell fire at dL 20; ms of a step, and before it.
TIMES = (1.25, 1.5, 2.0)
STEP, BEFORE = 1000.0, 300.0
#: Around that current, the currents among which the rheobase is sought, of this distance.
AROUND = np.arange(0.8, 1.25, 0.01)
SMALL = -0.01  # nA, for the input resistance
ONSET, HELD = 300.0, 50.0  # ms, of a synapse's spike and what is kept after it
PLACES = 200  # of a synapse, evenly among all
#: Quantity -> unit, and whether its change is told as a share of it.
QUANTITIES = {
    "compartments": ("", True), "nodes": ("", True), "rest": ("mV", False),
    "input resistance": ("MOhm", True), "rheobase": ("nA", True),
    **{f"rate at {k:g} times rheobase": ("Hz", True) for k in TIMES},
    "first spike at 1.5 times rheobase": ("ms", False),
    "EPSP": ("mV", True), "IPSP": ("mV", True),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=Path, help="folder of fits and reconstructions")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    cortex = CortexModel.make(Recipe())
    share, classes = shares(cortex)
    names = [m for m in cortex.models if options.cells is None or m in files(options.cells)]
    found: dict[float, dict[str, dict[str, float]]] = {dL: {} for dL in DIVISIONS}
    if options.cells:
        found[FINE] = {}
    for name in names:  # two or three seconds each
        least = rheobase(name, DIVISIONS[0])
        for dL, rows in found.items():
            if dL in DIVISIONS:
                cell = ic.cell(name, dL)
            else:
                fit, swc = files(options.cells)[name]
                cell = ic.compile_allen(fit, swc, dL=dL, name=name)
            rows[name] = measure(cell, least) | potentials(cell, cortex.wiring, classes[name])
    usual, *others = found
    tables = {dL: pd.DataFrame.from_dict(rows, orient="index") for dL, rows in found.items()}
    weight = np.array([share[name] for name in names])
    lines = [
        f"{len(names)} cell models; means over the neurons of the cortex: of the change, of its"
        f" size, and the largest of any model. Backward Euler, dt {DT:g} ms, steps of {STEP:g} ms.",
        "", describe(), "",
    ]  # fmt: skip
    head = ["", f"dL {usual:g} um", *(f"dL {dL:g} um: change, size, largest" for dL in others)]
    rows = [row(q, tables[usual], [tables[dL] for dL in others], weight) for q in QUANTITIES]
    lines += table(head, rows)
    head = ["cell", "neurons", *(f"compartments at {dL:g}" for dL in DIVISIONS)]
    shown = ["rest", "input resistance", "rheobase", f"rate at {TIMES[1]:g} times rheobase", "EPSP"]
    lines += ["", f"Every model, {usual:g} and {others[0]:g} um:", ""]
    lines += table(head + shown, by_model(tables[usual], tables[others[0]], share, shown))
    write("compartments", "Cells of larger compartments", lines, options.output)


def shares(cortex: CortexModel) -> tuple[dict[str, float], dict[str, CellClass]]:
    """Share of the neurons that are of each cell model, and the class most of these are of."""
    by_class: dict[str, dict[CellClass, float]] = {}
    number = cortex.expected_number.sum(axis=0).ravel()
    for group, neurons in enumerate(number):
        if neurons > 0:
            ids, part = cortex.wiring.models(*class_of(group))
            for name, p in zip(ids, part, strict=True):
                by_class.setdefault(name, {})[class_of(group)] = p * neurons / number.sum()
    share = {name: sum(those.values()) for name, those in by_class.items()}
    return share, {name: max(those, key=those.__getitem__) for name, those in by_class.items()}


def files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Fit and reconstruction of every model there."""
    with open(folder / "index.csv", newline="") as file:
        return {
            row["id"]: (folder / "fit" / row["fit"], folder / "morphologies" / row["swc"])
            for row in csv.DictReader(file)
        }


def measure(cell: ic.CompiledCell, least: float) -> dict[str, float]:
    """Of one cell at rest and under steps; ``least`` (nA) is about what makes it fire."""
    amps = [0.0, SMALL, *(k * least for k in TIMES)]
    steps = ic.step(cell, amps, delay=BEFORE, duration=STEP, tstop=BEFORE + STEP + 1.0, dt=DT)
    end = round((BEFORE + STEP) / DT) - 1
    near = ic.step(
        cell, (AROUND * least).tolist(), delay=BEFORE, duration=500.0, tstop=BEFORE + 501.0, dt=DT
    )
    fired = np.flatnonzero(near.rates > 0)
    early = steps.spikes[2 + TIMES.index(1.5)]
    return {
        "compartments": cell.n_compartments, "nodes": cell.n_nodes,
        "rest": steps.v[0, end],
        "input resistance": (steps.v[1, end] - steps.v[0, end]) / SMALL,
        "rheobase": AROUND[fired[0]] * least if len(fired) else np.nan,
        **{
            f"rate at {k:g} times rheobase": frequency(spikes)
            for k, spikes in zip(TIMES, steps.spikes[2:], strict=True)
        },
        "first spike at 1.5 times rheobase": early[0] - BEFORE if len(early) else np.nan,
    }  # fmt: skip


def frequency(spikes: np.ndarray) -> float:
    """Hz, of the mean interval between spikes; of fewer than three, by their number.

    NaN of a cell that falls silent in the first half of the step, in depolarisation block.
    """
    if len(spikes) == 0 or (len(spikes) > 2 and spikes[-1] < BEFORE + 0.5 * STEP):
        return np.nan
    if len(spikes) < 3:
        return 1e3 * len(spikes) / STEP
    return float(1e3 * (len(spikes) - 1) / (spikes[-1] - spikes[0]))


def potentials(cell: ic.CompiledCell, wiring: Wiring, kind: CellClass) -> dict[str, float]:
    """Mean potential at the soma of one synapse from excitatory and from Pvalb cells, mV."""
    layer = "5" if kind[0] == "1" else kind[0]
    sources = {"EPSP": (layer, "6b" if layer == "6b" else "IT"), "IPSP": (layer, "Pvalb")}
    made = {}
    for name, source in sources.items():
        rule = wiring.rule(source, kind)
        if rule is not None:
            made[name] = potential(cell, rule, wiring.weight(source, kind, cell.name))
    return made


def potential(cell: ic.CompiledCell, rule: ConnectionRule, weight: float) -> float:
    """One copy of the cell for every place, all at once; the last copy has no synapse."""
    sites = target_sites(cell, rule.sections, rule.distance_range)
    evenly = (np.arange(PLACES) + 0.5) / PLACES
    last = len(sites.nodes) - 1
    number = np.bincount(np.minimum(np.searchsorted(np.cumsum(sites.probability), evenly), last))
    used = np.flatnonzero(number)
    k = len(used)
    first = np.zeros(k + 3, np.int64)
    first[-1] = k  # all from the one virtual source
    network = Network(
        models=[cell], cell_model=np.zeros(k + 1, np.int64), kinetics=[rule.kinetics],
        slots=Slots(np.arange(k, dtype=np.int32), sites.nodes[used], np.zeros(k, np.int32)),
        connections=Connections(
            first, np.arange(k, dtype=np.int32), np.full(k, weight), np.zeros(k, np.uint8),
            np.array([1.0]),
        ),
        points=PointNeurons(np.zeros(0), np.zeros(0)), n_virtual=1,
        trains=SpikeTrains(np.array([k + 1]), np.array([ONSET - 1.0])),
        populations=["cells"], source_population=np.zeros(k + 2, np.int64),
        source_node_id=np.arange(k + 2),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=DT, v_init=float(cell.e_pas[cell.soma])))
    engine.record(ProbeTable.of([(i, cell.soma, Variable("v")) for i in range(k + 1)]))
    v = engine.advance(round((ONSET + HELD) / DT))[2][round(ONSET / DT) - 1 :]
    change = v[:, :-1] - v[:, -1:]
    up, down = change.max(axis=0), change.min(axis=0)
    most = np.where(up > -down, up, down)
    return float(np.average(most, weights=number[used]))


def row(
    quantity: str, usual: pd.DataFrame, others: list[pd.DataFrame], weight: np.ndarray
) -> list[str]:
    """Mean, and of every other division the mean change, its mean size and the largest."""
    unit, relative = QUANTITIES[quantity]
    there = np.all([each[quantity].notna() for each in (usual, *others)], axis=0)
    a, w = usual[quantity].to_numpy()[there], weight[there]
    cells = [f"{quantity}{', ' * bool(unit)}{unit}", f"{np.average(a, weights=w):.4g}"]
    for other in others:
        change = other[quantity].to_numpy()[there] - a
        if relative:
            with np.errstate(divide="ignore", invalid="ignore"):
                change = np.nan_to_num(100.0 * change / a)
        largest = change[np.argmax(np.abs(change))]
        means = [np.average(x, weights=w) for x in (change, np.abs(change))]
        sign, digits = (" %", 1) if relative else ("", 2)
        shown = [f"{means[0]:+.{digits}f}", f"{means[1]:.{digits}f}", f"{largest:+.{digits}f}"]
        cells.append(", ".join(f"{text}{sign}" for text in shown))
    return cells


def by_model(
    usual: pd.DataFrame, other: pd.DataFrame, share: dict[str, float], shown: list[str]
) -> list[list[str]]:
    """A row for every model."""
    rows = []
    for name in usual.index:
        numbers = [f"{100 * share[name]:.1f} %"]
        numbers += [f"{t.loc[name, 'compartments']:.0f}" for t in (usual, other)]
        for quantity in shown:
            numbers.append(f"{usual.loc[name, quantity]:.3g}, {other.loc[name, quantity]:.3g}")
        rows.append([name, *numbers])
    return rows


if __name__ == "__main__":
    main()
