"""Bytes per compartment and per stored synapse, measured as differences of resident memory.

    python benchmarks/memory.py

Engines of growing size are made in processes of their own: more cells without synapses but with
two kinds of synaptic state on every compartment, then more synapses on as many cells.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from machine import RESULTS, describe, table, write

CHILD = """
import gc, json, re, sys
from dataclasses import replace
import numpy as np
import isocortex as ic
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import Connections, Slots, bare_network

cells, out_degree, precision, kinds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], 2

def memory(field):
    return int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

def make(cells, out_degree):
    cell = ic.cell("485836906")
    network = bare_network([cell], np.zeros(cells, np.int64))
    nodes = cell.compartments.astype(np.int32)
    slots = Slots(
        np.repeat(np.arange(cells, dtype=np.int32), len(nodes) * kinds),
        np.tile(np.repeat(nodes, kinds), cells),
        np.tile(np.arange(kinds, dtype=np.int32), len(nodes) * cells),
    )
    random = np.random.Generator(np.random.Philox(key=1))
    n = cells * out_degree
    connections = Connections(
        first=np.arange(cells + 1) * out_degree,
        target=random.integers(0, len(slots), n, dtype=np.int32),
        weight=np.full(n, 1e-4, np.float32),
        delay=np.repeat(np.arange(10, dtype=np.uint8), -(-n // 10))[:n],
        delays=np.arange(10) * 0.1 + 1.0,
    )
    kinetics = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
    network = replace(network, slots=slots, connections=connections, kinetics=kinetics)
    return CpuEngine(network, Settings(dt=0.1, precision=precision)), cells * len(nodes), n

make(16, 1)[0].advance(1)  # imports, compiled code
engine, compartments, synapses = make(cells, out_degree)
engine.advance(1)
gc.collect()
print(json.dumps([memory("VmRSS"), memory("VmHWM"), compartments, synapses]))
"""
CELLS, MORE_CELLS, OUT_DEGREE = 10_000, 40_000, 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for precision, budget in (("double", 60), ("single", 30), ("mixed", 22)):
        _child(16, 1, precision)  # compiles what is not in the cache
        few, many = _child(CELLS, 0, precision), _child(MORE_CELLS, 0, precision)
        compartments = many[2] - few[2]
        rows.append(
            [precision, "compartment", f"{compartments:,}",
             f"{(many[0] - few[0]) / compartments:.1f}",
             f"{(many[1] - few[1]) / compartments:.1f}", str(budget)]
        )  # fmt: skip
        wired = _child(CELLS, OUT_DEGREE, precision)
        synapses = wired[3] - few[3]
        rows.append(
            [precision, "synapse", f"{synapses:,}", f"{(wired[0] - few[0]) / synapses:.1f}",
             f"{(wired[1] - few[1]) / synapses:.1f}", "9"]
        )  # fmt: skip
    head = ["precision", "unit", "number", "bytes each while it runs", "at the peak, while built",
            "budget"]  # fmt: skip
    lines = [
        "Cells of one Allen model with all its channels and two kinds of synaptic state on every"
        f" compartment: {MORE_CELLS:,} against {CELLS:,} of them, and {CELLS:,} with {OUT_DEGREE:,}"
        " synapses each against as many with none. The peak holds the network as it was described"
        " besides the engine made of it.",
        "",
        describe(),
        "",
        *table(head, rows),
    ]
    write("memory", "Memory", lines, options.output)


def _child(cells: int, out_degree: int, precision: str) -> list[int]:
    """Resident memory in the end and at its peak (bytes), compartments, synapses."""
    command = [sys.executable, "-c", CHILD, str(cells), str(out_degree), precision]
    # the C library gives back what is freed, instead of keeping pieces of up to 32 MB
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
