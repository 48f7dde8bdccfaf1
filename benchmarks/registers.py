"""Registers that the GPU's kernels of the library's channel families need; there need be no GPU.

    python benchmarks/registers.py

Needs the extra [cuda]. Compiles for compute capability 9.0 (H100, H200).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from importlib.metadata import files
from pathlib import Path


def assembled(ptx: str, architecture: str = "sm_90") -> tuple[int, int]:
    """(registers, spilled bytes) of a thread, as NVIDIA's assembler counts them."""
    tool = next(f for f in files("nvidia-cuda-nvcc-cu12") or () if f.name == "ptxas").locate()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        said = subprocess.run(
            [str(tool), "-v", f"-arch={architecture}", source.name, "-o", "kernel.cubin"],
            cwd=folder, capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
    registers = int(re.search(r"Used (\d+) registers", said)[1])
    spilled = [int(n) for n in re.findall(r"(\d+) bytes spill", said)]
    return registers, sum(spilled)


def main() -> None:
    """One line a family, integrator and precision."""
    from device import compiled_elsewhere
    from isocortex.cells.library import library_cells, load_cell
    from isocortex.engine.interface import Settings
    from isocortex.network.network import bare_network

    for channels, cells in library_cells().groupby("channels"):
        network = bare_network([load_cell(cells.index[0])], [0], [])
        for precision in ("single", "double"):
            for second_order in (False, True):
                settings = Settings(
                    dt=0.1, precision=precision, second_order=second_order, device="cuda"
                )
                (file,) = compiled_elsewhere(network, settings)
                registers, spilled = assembled(file.read_text())
                order = "Crank-Nicolson" if second_order else "backward Euler"
                print(
                    f"{channels}, {precision}, {order}: {registers} registers, {spilled} bytes "
                    "spilled", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
