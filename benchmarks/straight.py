"""Straight kernels as machine code: registers, memory, instructions, how long they compile.

    python benchmarks/straight.py FILE [--precision single mixed] [--every 1]
    python benchmarks/straight.py FILE --page

Needs the extra [cuda] and no GPU: kernels are compiled for compute capability 9.0 (H100, H200), one
for each perisomatic model of the library, with two kinds of synapses on every compartment as in the
cortex. Every kernel leaves its line in FILE at once; those that are there already are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from machine import table, write
from registers import machine_code

#: Of a multiprocessor of an H100 or H200: registers, bytes of shared memory, of which a block takes
#: some besides its own.
REGISTERS, SHARED, OF_BLOCK = 65536, 233472, 1024
#: Registers are given to warps by so many.
GRAIN = 256


def blocks_of(registers: int, shared: int, warps: int) -> int:
    """Blocks of threads that a multiprocessor has room for."""
    of_warp = -(-32 * registers // GRAIN) * GRAIN
    return min(REGISTERS // of_warp // warps, SHARED // (shared + OF_BLOCK))


def network_of(name: str) -> Any:
    """One cell of a model, two kinds of synapses on every compartment."""
    from isocortex.cells.library import load_cell
    from isocortex.mechanisms.synapses import exp2syn
    from isocortex.network.network import Slots, bare_network

    model = load_cell(name)
    node = np.repeat(np.flatnonzero(model.area > 0), 2)
    slots = Slots(np.zeros(len(node), np.int32), node, np.tile([0, 1], len(node) // 2))
    kinetics = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
    return replace(bare_network([model], [0], []), slots=slots, kinetics=kinetics)


def figures(name: str, precision: str) -> dict[str, Any]:
    """Of a model's kernel."""
    from isocortex.engine.cuda import CudaEngine
    from isocortex.engine.interface import Settings
    from isocortex.engine.straight.text import LONGEST
    from isocortex.targets import cuda
    from isocortex.targets.gpu import elsewhere

    cuda.assembler = lambda: None  # it is asked below, and says more
    network, settings = network_of(name), Settings(dt=0.1, precision=precision, device="cuda")
    with tempfile.TemporaryDirectory() as folder, elsewhere((9, 0)) as gpu:
        os.environ["ISOCORTEX_CACHE"] = folder
        begun = time.process_time()
        (kernel,) = CudaEngine(network, settings)._straight.values()
        spent, begun = time.process_time() - begun, _of_children()
        (file,) = gpu.found
        found = machine_code(file.read_text(), most=kernel.registers)
        assembler = _of_children() - begun
    model = network.models[0]
    static = 4 * (LONGEST + 1) + 12 * 32 * kernel.warps  # where events of steps begin; a step's
    return {
        "model": int(name), "precision": precision, "nodes": model.n_nodes,
        "compartments": len(network.slots) // 2, "compile_s": round(spent, 1),
        "assemble_s": round(assembler, 1), **found, "shared": kernel.shared,
        "blocks": blocks_of(found["registers"], kernel.shared + static, kernel.warps),
    }  # fmt: skip


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


TEXT = """\
`benchmarks/straight.py`: straight kernels of perisomatic models of the library with two kinds of
synapses on every compartment, compiled for compute capability 9.0 (H100, H200) without a GPU, each
by itself. Mixed: synaptic rows of 16 bits, at most 128 registers a
thread up to 180 nodes; above that, and in single precision, at most 168. Spilled:
bytes of a thread, stored and loaded, wherever that is. Blocks: those of 32 cells that a
multiprocessor has room for (65,536 registers, 228 kB of shared memory). Seconds are processor time
on a machine that was in use: Numba with NVVM, then NVIDIA's assembler; the first line has what
Numba compiles once for all.

{rows}

{sums}"""


def page(found: list[dict[str, Any]]) -> list[str]:
    """A line a kernel, and what all take."""
    keys = {
        "model": "model", "precision": "precision", "nodes": "nodes",
        "registers": "registers", "spilled": "spilled", "instructions": "instructions",
        "shared": "bytes of shared memory", "blocks": "blocks", "compile_s": "compiled, s",
        "assemble_s": "assembled, s",
    }  # fmt: skip
    found = sorted(found, key=lambda f: (f["precision"], f["nodes"]))
    rows = [
        [f"{f[k]:,}" if k in ("instructions", "shared") else str(f[k]) for k in keys] for f in found
    ]
    sums = []
    for precision in dict.fromkeys(f["precision"] for f in found):
        own = [f for f in found if f["precision"] == precision]
        seconds = sum(f["compile_s"] + f["assemble_s"] for f in own)
        clean = sum(f["spilled"] == 0 for f in own)
        blocks = np.bincount([f["blocks"] for f in own])
        told = ", ".join(f"{n} with {k} blocks" for k, n in enumerate(blocks) if n)
        sums.append(
            f"{precision}: {len(own)} kernels, {seconds:.0f} s; {clean} spill nothing; {told}."
        )
    text = TEXT.format(rows="\n".join(table(list(keys.values()), rows)), sums="\n".join(sums))
    return text.splitlines()


def main() -> None:
    """A line a kernel."""
    from isocortex.cells.library import library_cells
    from isocortex.engine.straight.choice import ASKED

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--precision", nargs="+", default=["single", "mixed"])
    parser.add_argument("--every", type=int, default=1, help="of the models, by size")
    parser.add_argument("--page", action="store_true", help="write the page of results instead")
    options = parser.parse_args()
    os.environ[ASKED] = "1"
    cells = library_cells()
    cells = cells[cells.channels.str.startswith("perisomatic")].sort_values("n_nodes")
    done = options.file.read_text().splitlines() if options.file.exists() else []
    known = {(str(f["model"]), f["precision"]) for f in map(json.loads, done)}
    if options.page:
        write("straight", "Straight kernels as machine code", page([json.loads(f) for f in done]))
        return
    for name in cells.index[:: options.every]:
        for precision in options.precision:
            if (name, precision) not in known:
                line = json.dumps(figures(name, precision))
                print(line, flush=True)
                with options.file.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
