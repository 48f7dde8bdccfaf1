"""Assembly of generated kernels for a GPU, kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isocortex.compiling import cache_folder, texts
from isocortex.engine.family import module_of
from isocortex.errors import ConfigError
from isocortex.mechanisms import DENSITY
from isocortex.targets.gpu import Array

#: What compiles kernels.
INSTALL = "pip install 'isocortex[cuda]'"


class Kernel(NamedTuple):
    """A kernel: source, warps of a block, bytes of its shared memory, most registers, and name.

    ``combined`` and ``exact`` are as :func:`isocortex.targets.cuda.ptx` has them.
    """

    source: str
    warps: int = 1
    shared: int = 0
    registers: int | None = None
    name: str = "advance_blocks"
    combined: bool = True
    exact: bool = True

    @property
    def function(self) -> Any:
        """As it is written."""
        return getattr(module_of(self.source), self.name)


class Job(NamedTuple):
    """A kernel to compile, and for what arguments, into which file.

    ``mechanisms`` are the files of those of a user's own that it imports.
    """

    kernel: Kernel
    examples: tuple[Any, ...]
    capability: tuple[int, int]
    path: Path
    mechanisms: tuple[str, ...]


def assemblies(
    kernels: Sequence[Kernel],
    arguments: tuple[Any, ...],
    capability: tuple[int, int],
    processes: int,
) -> list[Path]:
    """The file of each kernel for a GPU of this compute capability, written if need be.

    It follows from the texts alone, whatever wrote it: so it may be brought along from elsewhere.

    Parameters
    ----------
    arguments : of all of them, after the first two.
    processes : that compile side by side.

    Raises
    ------
    ConfigError : one was not written yet, and the extra is not installed that does so.
    """
    kinds, paths = _kinds(arguments), []
    missing = []
    for kernel in kernels:
        told = f"{texts()}{kernel.source}{kinds}{capability}{kernel[3:]}"
        name = hashlib.sha256(told.encode()).hexdigest()[:16]
        paths.append(cache_folder() / f"kernel_{name}.ptx")
        if not paths[-1].exists():
            examples, own = _examples(arguments), _own_mechanisms(kernel.source)
            missing.append(Job(kernel, examples, capability, paths[-1], own))
    if missing and find_spec("numba_cuda") is None:
        raise ConfigError(
            "the GPU's kernels are not compiled yet, and what compiles them is not installed",
            field="device",
            fix=f"Install it: {INSTALL}. Or compile elsewhere: isocortex compile.",
        )
    if len(missing) > 1 and processes > 1:
        _write_side_by_side(missing, processes)
    else:
        for job in missing:
            write(job)
    return paths


def write(job: Job) -> None:
    """Compile a kernel, and where NVIDIA's assembler is installed, translate it too."""
    from isocortex.targets import cuda

    kernel, path = job.kernel, job.path
    examples = (0, 0, *job.examples)
    text = cuda.ptx(
        kernel.function, examples, job.capability, combined=kernel.combined, exact=kernel.exact
    )  # fmt: skip
    text = re.sub(r"(?m)^\s*\.common .*NumbaEnv.*\n", "", text)  # of printing, which none does
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8")
    tool = cuda.assembler()
    if tool is not None:
        made = path.with_suffix(f".{os.getpid()}.cubin.tmp")
        command = [tool, f"-arch=sm_{job.capability[0]}{job.capability[1]}", str(draft)]
        command += ["-o", str(made)]
        if kernel.registers is not None:  # even one of all there are makes it take more
            command.append(f"--maxrregcount={kernel.registers}")
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            made.replace(path.with_suffix(".cubin"))
    draft.replace(path)


def _write_side_by_side(jobs: list[Job], processes: int) -> None:
    """So many processes, each with its share of the jobs: what is common to these is done once."""
    program = "import sys; from isocortex.engine.assembly import write_all; write_all(sys.argv[1])"
    path = os.pathsep.join(part for part in sys.path if part)
    jobs = sorted(jobs, key=lambda job: len(job.kernel.source))
    running = list[subprocess.Popen[bytes]]()
    try:
        for k in range(min(processes, len(jobs))):
            file = jobs[k].path.with_suffix(f".{os.getpid()}.job")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(jobs[k::processes]))
            command = [sys.executable, "-c", program, str(file)]
            running.append(subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}))
        if any([process.wait() for process in running]):
            raise RuntimeError("a kernel could not be compiled: see above")
    finally:
        for process in running:
            process.kill()


def write_all(file: str) -> None:
    """Do the jobs in a file, which is removed, in a process that knows of nothing else."""
    from isocortex.cells.channels import load_mechanisms

    path = Path(file)
    jobs = pickle.loads(path.read_bytes())
    path.unlink()
    for mechanisms in sorted({file for job in jobs for file in job.mechanisms}):
        load_mechanisms(mechanisms)
    for job in jobs:
        write(job)


def _own_mechanisms(source: str) -> tuple[str, ...]:
    """Files of a user's own mechanisms in a kernel's text."""
    modules = {DENSITY[name].__module__ for name in DENSITY if DENSITY.is_own(name)}
    return tuple(str(sys.modules[name].__file__) for name in sorted(modules) if name in source)


def _kinds(value: Any) -> str:
    """What a kernel's arguments are, without what they hold."""
    if isinstance(value, (Array, np.ndarray)):
        return f"{value.dtype}{len(value.shape)}"
    if isinstance(value, tuple):
        return f"({','.join(map(_kinds, value))})"
    return type(value).__name__


def _examples(value: Any) -> Any:
    """The arguments of a kernel as the compiler takes them."""
    if isinstance(value, Array):
        return np.empty((1,) * len(value.shape), value.dtype)
    if isinstance(value, tuple):
        parts = map(_examples, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
