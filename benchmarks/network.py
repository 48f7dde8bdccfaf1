"""How time and memory grow with a recurrent network of Allen cells.

    python benchmarks/network.py --peers-python .venv-oracle/bin/python

The cell models are those inside bmtk; bionet.py runs the same circuit in BioNet. Every run is a
process of its own, after one that fills the cache of compiled code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from circuit import write_circuit, write_simulation
from machine import RESULTS, bionet_files, describe, table, write

CHILD = """
import json, sys
from dataclasses import asdict
from isocortex.simulate import run
config, precision, threads = sys.argv[1:]
result = run(config, precision=precision, threads=int(threads))
status = open("/proc/self/status").read()
now = int(status.split("VmRSS:")[1].split()[0]) / 1024 if "VmRSS" in status else 0
print(json.dumps({**asdict(result.run_summary), "memory_mb": now}))
"""


def main() -> None:
    options = _options()
    components = bionet_files(options.peers_python)
    rows, plain = [], None
    for cells in options.cells:
        with tempfile.TemporaryDirectory(prefix="isocortex-network-") as name:
            folder = Path(name)
            print(f"{cells} cells ...", file=sys.stderr, flush=True)
            write_circuit(folder, cells, options.tstop, components, 1, options.connections)
            config = write_simulation(folder, options.tstop, options.dt)
            for precision in ("double", "single"):
                for threads in sorted({1, options.threads}):
                    if plain is None:
                        plain = _run(config, precision, threads)
                    rows.append((cells, precision, threads, _run(config, precision, threads)))
    head = ["cells", "synapses", "precision", "threads", "set-up, s", "s per simulated s",
            "ns per compartment-step", "million events per s", "rate, Hz", "memory, MB",
            "peak, MB", "bytes per synapse at the peak"]  # fmt: skip
    smallest = {(p, t): r for c, p, t, r in rows if c == options.cells[0]}
    lines = [
        f"Five Allen perisomatic models (on average 144 compartments), {options.connections}"
        " recurrent connections of five synapses and 40 from outside of three onto each cell,"
        f" dt {options.dt:g} ms, {options.tstop:g} ms.",
        "",
        describe(),
        "",
        *table(head, [_row(*row, smallest[row[1], row[2]]) for row in rows]),
        "",
        "Memory is what the process holds after the run, peak the most it ever held, both with"
        " Python and the compiled code; bytes per synapse compare the peak with the smallest"
        " network's, all cell state included.",
    ]
    write("network", "Networks from small to large", lines, options.output)


def _row(cells: int, precision: str, threads: int, run: dict, smallest: dict) -> list[str]:
    more = run["n_synapses"] - smallest["n_synapses"]
    bytes_ = (run["peak_memory_mb"] - smallest["peak_memory_mb"]) * 2**20
    steps = run["n_compartments"] * run["n_steps"]
    seconds = run["tstop"] * 1e-3
    return [
        f"{cells:,}",
        f"{run['n_synapses']:,}",
        precision,
        str(threads),
        f"{run['setup_seconds']:.1f}",
        f"{run['run_seconds'] / seconds:.2f}",
        f"{run['run_seconds'] / steps * 1e9:.2f}",
        f"{run['n_events'] / run['run_seconds'] / 1e6:.1f}",
        f"{run['n_spikes'] / cells / seconds:.1f}",
        f"{run['memory_mb']:.0f}",
        f"{run['peak_memory_mb']:.0f}",
        f"{bytes_ / more:.0f}" if more else "",
    ]


def _run(config: Path, precision: str, threads: int) -> dict:
    command = [sys.executable, "-c", CHILD, str(config), precision, str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", required=True, help="a Python with bmtk")
    parser.add_argument("--cells", type=int, nargs="+", default=[500, 2000, 8000, 20000])
    parser.add_argument("--connections", type=int, default=200, help="recurrent, per cell")
    parser.add_argument("--tstop", type=float, default=200.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
