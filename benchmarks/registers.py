"""Registers that the GPU's kernels of the library's channel families need; there need be no GPU.

    python benchmarks/registers.py

Needs the extra [cuda]. Compiles for compute capability 9.0 (H100, H200).
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from importlib.metadata import files
from pathlib import Path

#: Of sections of an ELF file.
EXECUTED = 4


def assembled(ptx: str, architecture: str = "sm_90") -> tuple[int, int]:
    """(registers, spilled bytes) of a thread, as NVIDIA's assembler counts them."""
    found = machine_code(ptx, architecture)
    return found["registers"], found["spilled"]


def machine_code(ptx: str, architecture: str = "sm_90", most: int | None = None) -> dict[str, int]:
    """Registers of a thread, ``most`` of them if that is given, spilled bytes, instructions."""
    tool = next(f for f in files("nvidia-cuda-nvcc-cu12") or () if f.name == "ptxas").locate()
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        command = [str(tool), "-v", f"-arch={architecture}", source.name, "-o", made.name]
        command += [] if most is None else [f"--maxrregcount={most}"]
        said = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True
        ).stderr
        instructions = _instructions(made.read_bytes())
    return {
        "registers": int(re.search(r"Used (\d+) registers", said)[1]),
        "spilled": sum(int(n) for n in re.findall(r"(\d+) bytes spill", said)),
        "instructions": instructions,
    }


def _instructions(cubin: bytes) -> int:
    """Of 16 bytes each: sections of an ELF file that are to be executed."""
    at, size, n = struct.unpack_from("<40xQ10xHH", cubin)
    sections = [struct.unpack_from("<IIQQQQ", cubin, at + k * size) for k in range(n)]
    return sum(length for _, _, flags, _, _, length in sections if flags & EXECUTED) // 16


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
