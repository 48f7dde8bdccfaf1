"""Isocortex's kernel beside a C kernel that does the same work, and beside the counted floor.

    python benchmarks/limit.py

One thread, one embedded cell without channels, with no or two kinds of synapses on every
compartment; the best of several turns, because it is a limit that is sought.
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
#: By number of synapse kinds: floating-point operations of a node and step, and values moved to or
#: from cache, counted in cable.py; a fused multiply-add counts as two, a reciprocal as one.
#: A steady node: leak 2, axial current 3, q 2, the parent's part 4, substitution 3; V three times,
#: q twice. Any other: d 1, reciprocal 1, f 1, the parent's diagonal 1 more; f twice. A row of one
#: synapse kind: g 1, d 1, r 3, decay 2; A and B twice.
FLOOR = {0: (14, 5), 2: (14 + 4 + 2 * 7, 5 + 2 + 2 * 4)}


def main() -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("limit.py needs a C compiler (cc, gcc or clang)")
    cell = replace(ic.cell(CELL), mechanisms={})
    rows = []
    with tempfile.TemporaryDirectory(prefix="isocortex-limit-") as name:
        for precision in ("double", "single"):
            real = {"double": "double", "single": "float"}[precision]
            kernels, unlike = {}, {}
            for lanes in (16, 32, 64):
                for programs, more in ((kernels, []), (unlike, ["-DUNLIKE"])):
                    programs[lanes] = Path(name) / f"limit_{real}_{lanes}{''.join(more)}"
                    subprocess.run(
                        [compiler, *FLAGS, *more, f"-DREAL={real}", f"-DLANES={lanes}",
                         str(Path(__file__).with_name("limit.c")), "-o", str(programs[lanes])],
                        check=True,
                    )  # fmt: skip
            size = 8 if precision == "double" else 4
            for kinds in (0, 2):
                ours = _ours(cell, precision, kinds)
                best, lanes = min((_in_c(cell, k, kinds), lanes) for lanes, k in kernels.items())
                mixed = min(_in_c(cell, program, kinds) for program in unlike.values())
                operations, moved = FLOOR[kinds]
                rows.append(
                    [precision, str(kinds), f"{best:.3f} ({lanes} lanes)", f"{ours:.3f}",
                     f"{best / ours:.2f}", f"{mixed:.3f}",
                     f"{operations / ours:.1f}", f"{moved * size / ours:.1f}"]
                )  # fmt: skip
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    head = ["precision", "synapse kinds", "C, ns per node and step", "Isocortex", "speed, C = 1",
            "C, unlike cells in a block", "operations per ns", "bytes per ns"]  # fmt: skip
    lines = [
        f"{CELLS} copies of cell {CELL} without channels ({cell.n_nodes} nodes), one thread,"
        " windows of 20 steps. Without synapses every node is steady: Isocortex has its factors"
        " from the start, the C kernel divides at every step.",
        "",
        f"{describe()} {version.splitlines()[0]}, {' '.join(FLAGS)}.",
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
        begun = time.perf_counter()
        engine.advance(steps)
        best = min(best, time.perf_counter() - begun)
    return best / (cell.n_nodes * CELLS * steps) * 1e9


def _in_c(cell: ic.CompiledCell, program: Path, kinds: int) -> float:
    area = 1e-2 * cell.area
    capacitance = 1e-5 * cell.cm * cell.area / DT
    coupling = np.where(np.arange(cell.n_nodes) == 0, 0.0, cell.g_axial)
    diagonal = capacitance + cell.g_pas * area + coupling
    np.add.at(diagonal, cell.parent[1:], coupling[1:])
    leak = cell.g_pas * cell.e_pas * area
    columns = (np.maximum(cell.parent, 0), coupling, diagonal, capacitance, leak)
    tree = [" ".join(map(str, node)) for node in zip(*columns, strict=True)]
    text = "\n".join([str(cell.n_nodes), *tree])
    answer = subprocess.run(
        [str(program), str(kinds)], input=text, capture_output=True, text=True, check=True
    )
    return float(answer.stdout.split()[0])


if __name__ == "__main__":
    main()
