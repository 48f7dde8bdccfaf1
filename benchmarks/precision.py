"""Single and mixed against double precision: every embedded cell for ten seconds, and the cortex.

python benchmarks/precision.py [--every 3]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace

import numpy as np

import isocortex as ic
from isocortex.circuit.signals import Pulses
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import (
    Connections,
    CurrentSource,
    Network,
    Slots,
    SpikeTrains,
    bare_network,
)
from isocortex.sonata.config import load_simulation
from machine import describe, table, write

TSTOP, DT = 10_000.0, 0.1
#: Synaptic drive: kinetics of excitatory cells, uS a synapse, events per second onto a cell.
KINETICS = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -80.0)]
WEIGHT, RATE = (3e-4, 6e-4), (7000.0, 1700.0)
#: The cortex, and how long.
SCALE, REST = 0.0005, 1000.0


class Difference:
    """Two trains of one cell, and its voltages before the first spike."""

    def __init__(self, a: np.ndarray, b: np.ndarray, v: np.ndarray, w: np.ndarray) -> None:
        self.n_double, self.n_other = len(a), len(b)
        n = min(len(a), len(b))
        late = np.abs(a[:n] - b[:n])
        apart = np.flatnonzero(late > 1.0)
        self.until = int(apart[0]) if len(apart) else n
        self.worst = f"{late[: self.until].max(initial=0.0):.2f}" if n else ""
        quiet = int((a[0] - 5.0 if len(a) else TSTOP) / DT)
        self.rms = np.sqrt(np.mean((v - w)[: max(quiet, 1)] ** 2))

    @property
    def cells(self) -> list[str]:
        return [str(self.n_other), f"{self.rms:.1e}", self.worst, str(self.until)]


def main() -> None:
    stepped, driven = [], {"single": [], "mixed": []}
    rows, rows_driven = [], []
    for cell_id in ic.library_cells().index[:: _every()]:
        cell = ic.cell(cell_id)
        amp = _firing_amplitude(cell)
        double, single = (
            ic.step(cell, amp, delay=100.0, duration=TSTOP, tstop=TSTOP, dt=DT, precision=p)
            for p in ("double", "single")
        )
        stepped.append(Difference(double.spikes[0], single.spikes[0], double.v[0], single.v[0]))
        rows.append([str(cell_id), f"{amp:.2f}", str(stepped[-1].n_double), *stepped[-1].cells])
        network = _driven(cell, amp)
        (a, v), *others = (_advanced(network, p) for p in ("double", *driven))
        for kept, (b, w) in zip(driven.values(), others, strict=True):
            kept.append(Difference(a, b, v, w))
        each = [d[-1].cells for d in driven.values()]
        rows_driven.append([str(cell_id), str(len(a)), *each[0], *each[1]])
        print(*rows_driven[-1], file=sys.stderr, flush=True)
    four = ["spikes", "RMS before the first spike, mV", "largest shift until one is 1 ms off, ms",
            "spikes until then"]  # fmt: skip
    per_precision = [f"{p}: {name}" for p in driven for name in four]
    lines = [
        f"Ten seconds at dt {DT:g} ms and the smallest of a few currents that makes the cell fire"
        f" steadily, single precision. Number of spikes: {_change(stepped)}",
        "",
        describe(),
        "",
        *table(["cell", "nA", "spikes, double", *four], rows),
        "",
        f"The same with synapses on all compartments: {RATE[0]:g} excitatory events a second of"
        f" {WEIGHT[0]:g} uS, {RATE[1]:g} inhibitory ones of {WEIGHT[1]:g} uS onto every cell. "
        + " ".join(f"In {p} precision: {_change(driven[p])}" for p in driven),
        "",
        *table(["cell", "spikes, double", *per_precision], rows_driven),
        "",
        f"The cortex at rest, scale {SCALE:g}, {REST:g} ms:",
        "",
        *_cortex(),
    ]
    write("precision", "Single and mixed against double precision", lines)


def _every() -> int:
    """Which of the cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="N: only every N-th cell")
    return parser.parse_args().every


def _change(differences: list[Difference]) -> str:
    """How much the number of spikes changes, and how many cells keep every spike."""
    counts = np.array([(d.n_double, d.n_other) for d in differences], float)
    counts = counts[counts[:, 0] > 0]
    change = np.abs(counts[:, 1] / counts[:, 0] - 1.0)
    kept = sum(d.until == d.n_double == d.n_other for d in differences)
    return (
        f"it changes by {100 * change.mean():.2f} % on average, {100 * change.max():.2f} % at"
        f" most; {kept} of {len(differences)} cells keep every spike within 1 ms."
    )


def _firing_amplitude(cell: ic.CompiledCell) -> float:
    """The smallest of a few currents at which the cell still fires after 1.5 s, nA."""
    amps = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
    found = ic.step(cell, amps, delay=100.0, duration=2000.0, tstop=2000.0, dt=DT)
    fires = [len(s) > 0 and s[-1] > 1500.0 for s in found.spikes]
    return float(amps[np.argmax(fires)])


def _driven(cell: ic.CompiledCell, amp: float) -> Network:
    """The cell with its current and one synapse of each kind on every compartment."""
    random = np.random.default_rng(int(cell.n_nodes))
    plain = bare_network(
        [cell], np.zeros(1, np.int64),
        [CurrentSource(0, cell.soma, Pulses([amp], [100.0], [TSTOP]))],
    )  # fmt: skip
    nodes = np.flatnonzero(cell.area > 0)
    n = len(nodes)
    kind = np.repeat(np.arange(2), n)
    source, time = [], []
    for k, rate in enumerate(RATE):
        events = random.poisson(1e-3 * TSTOP * rate)
        source.append(1 + k * n + random.integers(0, n, events))
        time.append(random.uniform(0.0, TSTOP, events))
    times, sources = np.concatenate(time), np.concatenate(source)
    order = np.argsort(times)
    return replace(
        plain,
        slots=Slots(np.zeros(2 * n, np.int64), np.tile(nodes, 2), kind),
        kinetics=KINETICS,
        connections=Connections(
            first=np.concatenate([[0], np.arange(2 * n + 1)]),
            target=np.arange(2 * n),
            weight=np.array(WEIGHT)[kind],
            delay=np.zeros(2 * n, np.uint8),
            delays=np.array([1.0]),
        ),
        trains=SpikeTrains(sources[order], times[order]),
        n_virtual=2 * n,
        source_population=np.zeros(1 + 2 * n, np.int64),
        source_node_id=np.arange(1 + 2 * n),
    )


def _advanced(network: Network, precision: str) -> tuple[np.ndarray, np.ndarray]:
    """Times of spikes (ms) and the soma's voltage in all steps (mV)."""
    rest = float(network.models[0].e_pas[network.models[0].soma])
    engine = CpuEngine(network, Settings(dt=DT, v_init=rest, precision=precision))
    engine.record(ProbeTable.of([(0, network.models[0].soma, Variable("v"))]))
    piece = engine.advance(int(round(TSTOP / DT)))
    return piece.time, piece.samples[:, 0]


def _cortex() -> list[str]:
    """Rates of a recurrent network, which amplifies any rounding: statistics are what remains."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="isocortex-precision-") as name:
        config = build_cortex(name, CortexModel.make(Recipe(scale=SCALE)), tstop=REST)
        excites = load_simulation(config).circuit.nodes["cortex"].table["ei"].to_numpy() == "e"
        for precision in ("double", "single", "mixed"):
            result = ic.run(config, precision=precision, store_synapses=True, overwrite=True,
                            output_dir=f"{name}/{precision}")  # fmt: skip
            rates = result.rates().query("population == 'cortex'")["rate_hz"].to_numpy()
            of_kind = [rates[kind] for kind in (excites, ~excites)]
            rows.append([precision, *(f"{x.mean():.3f}" for x in of_kind),
                         *(f"{100 * (x == 0).mean():.1f}" for x in of_kind)])  # fmt: skip
    head = ["E, Hz", "I, Hz", "E silent, %", "I silent, %"]
    return table(["precision", *head], rows)


if __name__ == "__main__":
    main()
