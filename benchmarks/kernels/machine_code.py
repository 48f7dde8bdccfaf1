"""Kernels as machine code for compute capability 9.0, and what can be counted in it."""

from __future__ import annotations

import re
import subprocess
import time
from importlib.metadata import files
from pathlib import Path
from typing import Any

ARCHITECTURE, ENTRY = "sm_90", "advance"


def ptx(kernel, arguments: tuple, fast: bool) -> str:
    """Assembly; see :func:`isocortex.targets.cuda.ptx`."""
    from numba import cuda
    from numba.cuda.typing.typeof import Purpose, typeof

    from isocortex.targets.cuda import _as_if_there_were

    kinds = tuple(typeof(argument, Purpose.argument) for argument in arguments)
    with _as_if_there_were((9, 0)):
        return cuda.compile_ptx(kernel, kinds, cc=(9, 0), abi="numba", fastmath=fast)[0]


def tool(name: str) -> str:
    """Path of a tool of CUDA's wheels."""
    for package in ("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvdisasm", "nvidia-cuda-nvcc"):
        try:
            found = [f for f in files(package) or () if f.name == name]
        except ModuleNotFoundError:
            continue
        if found:
            return str(found[0].locate())
    return name


def assemble(text: str, base: Path, most: int | None, parameters: list) -> dict[str, Any]:
    """Write ``base``.ptx and .cubin; registers, spills, parameters, instructions of loops."""
    begun = time.perf_counter()
    text = plain(text)
    base.with_name(base.name + ".ptx").write_text(text)
    cubin = base.with_name(base.name + ".cubin")
    command = [tool("ptxas"), "-v", f"-arch={ARCHITECTURE}", f"{base}.ptx", "-o", str(cubin)]
    command += [f"--maxrregcount={most}"] if most else []
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    sizes = [int(n) // 8 for n in re.findall(r"\.param \.[a-z](\d+) \S+_param_\d+", text)]
    expected = parameter_bytes(parameters)
    if sizes != expected:
        raise ValueError(f"the kernel has other parameters than expected: {sizes} {expected}")
    return {
        "entry": ENTRY,
        "registers": int(re.search(r"Used (\d+) registers", said)[1]),
        "spilled": sum(int(n) for n in re.findall(r"(\d+) bytes spill", said)),
        "double": len(re.findall(r"\.f64\b", text)),
        "assemble_s": round(time.perf_counter() - begun, 1),
        **counted(cubin),
    }


def plain(text: str) -> str:
    """The kernel under a short name, without the environments that Numba has for printing."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*\.common .*NumbaEnv", line)]
    name = re.search(r"\.entry\s+([\w$]+)", text)
    return "\n".join(lines).replace(name[1], ENTRY) + "\n" if name else text


def parameter_bytes(parameters: list) -> list[int]:
    """Bytes of each parameter of Numba's calling convention."""
    sizes: list[int] = []
    for _, what, kind, dimensions in parameters:
        if what == "array":
            sizes += [8] * (5 + 2 * dimensions)
        else:
            sizes.append(int(re.sub(r"\D", "", kind)) // 8)
    return sizes


def counted(cubin: Path) -> dict[str, Any]:
    """Instructions in all, and of every loop (begin, end, number, special functions)."""
    said = subprocess.run([tool("nvdisasm"), "-c", str(cubin)], capture_output=True, text=True)
    code: list[tuple[str, str]] = []
    labels: dict[str, int] = {}
    for line in said.stdout.splitlines():
        label = re.match(r"\s*(\.L_\w+):", line)
        if label:
            labels[label[1]] = len(code)
            continue
        found = re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*)", line)
        if found:
            code.append((found[1], found[2]))
    loops = []
    for k, (operation, rest) in enumerate(code):
        target = re.search(r"\.L_\w+", rest) if operation.startswith("BRA") else None
        if target and labels.get(target[0], k + 1) <= k:
            begin = labels[target[0]]
            special = sum(op.startswith("MUFU") for op, _ in code[begin : k + 1])
            loops.append([begin, k, k - begin + 1, special])
    return {"instructions": len(code), "loops": loops}
