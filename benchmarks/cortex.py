"""Time and memory of the mouse cortex at rest, synapses stored and drawn at spikes.

    python benchmarks/cortex.py --scales 0.001 0.01

Every run is a process of its own, after one that fills the cache of compiled code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from machine import RESULTS, describe, table, write

CHILD = """
import json, sys
from dataclasses import asdict
from isocortex.simulate import run
config, precision, threads, stored = sys.argv[1:]
result = run(config, precision=precision, threads=int(threads), store_synapses=stored == "stored",
             overwrite=True)
print(json.dumps(asdict(result.run_summary)))
"""


def main() -> None:
    options = _options()
    rows = []
    for scale in options.scales:
        with tempfile.TemporaryDirectory(prefix="isocortex-cortex-") as name:
            begun = time.perf_counter()
            cortex = CortexModel.make(Recipe(scale=scale, dL=options.dL))
            config = build_cortex(name, cortex, tstop=options.tstop)
            built = time.perf_counter() - begun
            if not rows:
                _run(config, "double", options.threads, "drawn")
                _run(config, "single", options.threads, "stored")
            for synapses in ("stored", "drawn"):
                for precision in options.precisions:
                    print(f"scale {scale:g}, {synapses}, {precision} ...", file=sys.stderr)
                    run = _run(config, precision, options.threads, synapses)
                    rows.append(_row(scale, synapses, precision, built, run))
    head = ["scale", "neurons", "compartments", "synapses", "", "precision", "built, s",
            "set-up, s", "s per simulated s", "rate, Hz", "million events per s",
            "peak memory, MB"]  # fmt: skip
    lines = [
        f"The cortex at rest as `isocortex build cortex --dL {options.dL:g}` writes it,"
        f" {options.tstop:g} ms, {options.threads} threads.",
        "",
        describe(),
        "",
        *table(head, rows),
        "",
        "Drawn synapses are counted as the recipe lets expect; events include the background.",
    ]
    write("cortex", "The cortex at rest", lines, options.output)


def _row(scale: float, synapses: str, precision: str, built: float, run: dict) -> list[str]:
    seconds = run["tstop"] * 1e-3
    return [
        f"{scale:g}",
        f"{run['n_cells']:,}",
        f"{run['n_compartments']:,}",
        f"{run['n_synapses']:,}",
        synapses,
        precision,
        f"{built:.1f}",
        f"{run['setup_seconds']:.1f}",
        f"{run['run_seconds'] / seconds:.1f}",
        f"{run['n_spikes'] / run['n_cells'] / seconds:.2f}",
        f"{run['n_events'] / run['run_seconds'] / 1e6:.1f}",
        f"{run['peak_memory_mb']:.0f}",
    ]


def _run(config: Path, precision: str, threads: int, synapses: str) -> dict:
    command = [sys.executable, "-c", CHILD, str(config), precision, str(threads), synapses]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.001, 0.01])
    parser.add_argument("--precisions", nargs="+", default=["double", "single"])
    parser.add_argument("--dL", type=float, default=20.0, help="um")
    parser.add_argument("--tstop", type=float, default=200.0, help="ms")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
