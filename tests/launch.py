"""Start processes under MPI, and what tests compare of their results."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import isocortex

LIMIT = 1800  # s: of a machine that is very busy and has to compile; nothing is measured


def mpirun() -> Path:
    """The launcher that comes with the environment; without it, or mpi4py, a test is skipped."""
    launcher = Path(sys.executable).with_name("mpirun")
    if not launcher.is_file():
        pytest.skip("no mpirun in this environment: install isocortex[mpi]")
    pytest.importorskip("mpi4py")
    return launcher


def command(ranks, *arguments) -> list[str]:
    """``isocortex`` with these arguments, on so many ranks."""
    start = "from isocortex.cli import main; main()"
    return [str(mpirun()), "-n", str(ranks), sys.executable, "-c", start, *map(str, arguments)]


def environment(*first: Path) -> dict[str, str]:
    """This one, with the package under test, after the folders ``first``."""
    paths = [*map(str, first), str(Path(isocortex.__file__).parents[1])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def launch(ranks, *arguments, before: tuple[Path, ...] = ()) -> tuple[int, str, str]:
    """Exit status, what was printed, and what was said of errors."""
    done = subprocess.run(
        command(ranks, *arguments), capture_output=True, text=True, timeout=LIMIT,
        env=environment(*before),
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def python(ranks, code, *arguments, before: tuple[Path, ...] = ()) -> tuple[int, str, str]:
    """The same of a script."""
    script = [str(mpirun()), "-n", str(ranks), sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        script, capture_output=True, text=True, timeout=LIMIT, env=environment(*before)
    )
    return done.returncode, done.stdout, done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Every dataset of every HDF5 file in a folder, to the last bit."""
    found = {}
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as file:

            def keep(name, item, stem=path.stem):
                if isinstance(item, h5py.Dataset):
                    value = item[()]
                    text = value.dtype == object
                    found[f"{stem}/{name}"] = repr(value.tolist()).encode() if text else (
                        np.asarray(value).tobytes()
                    )  # fmt: skip

            file.visititems(keep)
    return found


def require_equal(folder: Path, other: Path) -> None:
    """Both hold the same numbers to the last bit."""
    here, there = contents(folder), contents(other)
    assert here.keys() == there.keys() and here
    assert [name for name in here if here[name] != there[name]] == []
