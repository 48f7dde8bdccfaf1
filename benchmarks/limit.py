"""Isocortex's kernel beside a C kernel that does the same work, and beside the counted floor.

    python benchmarks/limit.py

One thread, one embedded cell without channels, with no or two kinds of synapses on every
compartment; the best of several turns, because it is a limit that is sought. Times are of the
processor.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import isocortex as ic
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import Slots, bare_network
from machine import describe, table, write

CELL, CELLS, DT, TURNS = "485836906", 512, 0.1, 7
FLAGS = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-fopenmp-simd"]
#: What kernels do not do at every step, in C: write synapses, keep the right-hand side elsewhere.
SAVINGS = ["-DPOWERS", "-DIN_PLACE"]
#: Of a steady node, of any other, and of a row of one synapse kind: floating-point operations in a
#: step, and values moved to or from cache, counted in cable.py; a fused multiply-add counts as two,
#: a reciprocal as one. A steady node: leak 2, axial current 3, q 2, in place 3, the parent's part
#: 4, substitution 2; V four times. Any other: d 1, reciprocal 1, f 1, the parent's diagonal 1 more;
#: f twice. A row: g 3, d 1, r 3; A and B once, and in a step in which they are written, which is
#: not counted, twice.
STEADY, NODE, ROW = (16, 4), (20, 6), (7, 2)
FLOOR = {0: STEADY, 2: (NODE[0] + 2 * ROW[0], NODE[1] + 2 * ROW[1])}


def main() -> None:
    cell = replace(ic.cell(CELL), mechanisms={})
    nodes = tree(cell, np.ones(cell.n_nodes, bool))
    rows = []
    with tempfile.TemporaryDirectory(prefix="isocortex-limit-") as name:
        for precision in ("double", "single"):
            kernels, unlike = (
                {n: compiled(Path(name), precision, n, SAVINGS + more) for n in (16, 32, 64)}
                for more in ([], ["-DUNLIKE"])
            )
            size = 8 if precision == "double" else 4
            for kinds in (0, 2):
                ours = _ours(cell, precision, kinds)
                best, lanes = min((in_c(nodes, k, kinds), lanes) for lanes, k in kernels.items())
                mixed = min(in_c(nodes, program, kinds) for program in unlike.values())
                operations, moved = FLOOR[kinds]
                rows.append(
                    [precision, str(kinds), f"{best:.3f} ({lanes} lanes)", f"{ours:.3f}",
                     f"{best / ours:.2f}", f"{mixed:.3f}",
                     f"{operations / ours:.1f}", f"{moved * size / ours:.1f}"]
                )  # fmt: skip
    head = ["precision", "synapse kinds", "C, ns per node and step", "Isocortex", "speed, C = 1",
            "C, unlike cells in a block", "operations per ns", "bytes per ns"]  # fmt: skip
    lines = [
        f"{CELLS} copies of cell {CELL} without channels ({cell.n_nodes} nodes), one thread,"
        " windows of 20 steps. Without synapses every node is steady: Isocortex has its factors"
        " from the start, the C kernel divides at every step.",
        "",
        f"{describe()} {compiler()}.",
        "",
        *table(head, rows),
    ]
    write("limit", "The kernel and the machine's limit", lines)


def _ours(cell: ic.CompiledCell, precision: str, kinds: int) -> float:
    """Nanoseconds per node, cell and step."""
    network = bare_network([cell], np.zeros(CELLS, np.int64))
    if kinds:
        nodes = np.arange(cell.n_nodes)
        slots = Slots(
            np.repeat(np.arange(CELLS), cell.n_nodes * kinds),
            np.tile(np.repeat(nodes, kinds), CELLS),
            np.tile(np.arange(kinds), cell.n_nodes * CELLS),
        )
        kinetics = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)][:kinds]
        network = replace(network, slots=slots, kinetics=kinetics)
    engine = CpuEngine(network, Settings(dt=DT, precision=precision))
    engine.advance(20)
    best, steps = np.inf, 200
    for _ in range(TURNS):
        begun = time.process_time()
        engine.advance(steps)
        best = min(best, time.process_time() - begun)
    return best / (cell.n_nodes * CELLS * steps) * 1e9


def compiled(folder: Path, precision: str, lanes: int, options: list[str]) -> Path:
    """The C kernel as a program."""
    real = {"double": "double", "single": "float"}[precision]
    program = folder / f"limit_{real}_{lanes}{''.join(options)}"
    subprocess.run(
        [_cc(), *FLAGS, *options, f"-DREAL={real}", f"-DLANES={lanes}",
         str(Path(__file__).with_name("limit.c")), "-o", str(program)],
        check=True,
    )  # fmt: skip
    return program


def compiler() -> str:
    """Its version and options."""
    version = subprocess.run([_cc(), "--version"], capture_output=True, text=True).stdout
    return f"{version.splitlines()[0]}, {' '.join(FLAGS)}"


def _cc() -> str:
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        raise SystemExit("limit.c needs a C compiler (cc, gcc or clang)")
    return found


def tree(cell: ic.CompiledCell, synapses: np.ndarray) -> str:
    """What the C kernel reads of a cell; ``synapses`` says which nodes have any."""
    area = 1e-2 * cell.area
    capacitance = 1e-5 * cell.cm * cell.area / DT
    coupling = np.where(np.arange(cell.n_nodes) == 0, 0.0, cell.g_axial)
    diagonal = capacitance + cell.g_pas * area + coupling
    np.add.at(diagonal, cell.parent[1:], coupling[1:])
    leak = cell.g_pas * cell.e_pas * area
    columns = (np.maximum(cell.parent, 0), coupling, diagonal, capacitance, leak, synapses + 0)
    nodes = [" ".join(map(str, node)) for node in zip(*columns, strict=True)]
    return "\n".join([str(cell.n_nodes), *nodes])


def in_c(nodes: str, program: Path, kinds: int) -> float:
    """Nanoseconds per node, cell and step."""
    answer = subprocess.run(
        [str(program), str(kinds)], input=nodes, capture_output=True, text=True, check=True
    )
    return float(answer.stdout.split()[0])


if __name__ == "__main__":
    main()
