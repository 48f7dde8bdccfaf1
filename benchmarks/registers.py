"""Registers that the GPU's kernels of the library's channel families need; there need be no GPU.

    python benchmarks/registers.py

Needs the extra [cuda]. Compiles for compute capability 9.0 (H100, H200).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.metadata import files
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


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
    """One line a family."""
    from on_gpu import kernel_arguments, small_network

    from isocortex.cells.library import library_cells, load_cell
    from isocortex.engine.family import family_module
    from isocortex.engine.layout.models import regions_of
    from isocortex.targets.cuda import ptx

    arguments = kernel_arguments(small_network())  # their types are the same for all families
    for channels, cells in library_cells().groupby("channels"):
        family = tuple(r.mechanisms for r in regions_of(load_cell(cells.index[0])))
        for second_order in (False, True):
            kernel = family_module(family, second_order, "cuda").advance_blocks
            code = ptx(kernel, arguments)
            registers, spilled = assembled(code)
            order = "second" if second_order else "first"
            doubles = len(re.findall(r"[.]f64", code))
            print(
                f"{channels}, {order} order: {registers} registers, {spilled} bytes spilled, "
                f"{doubles} operations on doubles",
                flush=True,
            )


if __name__ == "__main__":
    main()
