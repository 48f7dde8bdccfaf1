"""Start processes under MPI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from written import require_equal

import isocortex

MAIN = "from isocortex.cli import main; main()"
LIMIT = 1800  # s: of a machine that is very busy and has to compile; nothing is measured


def mpirun() -> Path:
    """The launcher that comes with the environment; without it, or mpi4py, a test is skipped."""
    launcher = Path(sys.executable).with_name("mpirun")
    if not launcher.is_file():
        pytest.skip("no mpirun in this environment: install isocortex[mpi]")
    pytest.importorskip("mpi4py")
    return launcher


def command(ranks, *arguments, code: str = MAIN) -> list[str]:
    """``isocortex``, or a script, with these arguments on so many ranks."""
    return [str(mpirun()), "-n", str(ranks), sys.executable, "-c", code, *map(str, arguments)]


def environment(*first: Path) -> dict[str, str]:
    """This one, with the package under test, after the folders ``first``."""
    paths = [*map(str, first), str(Path(isocortex.__file__).parents[1])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def launch(ranks, *arguments, before: tuple[Path, ...] = ()) -> tuple[int, str, str]:
    """Exit status, what was printed, and what was said of errors."""
    return python(ranks, MAIN, *arguments, before=before)


def require_same_in_parts(config: Path, folder: Path, ranks=(2, 3), tstop=60) -> None:
    """Some ranks run the first 20 ms, others the rest: it is what is in ``alone`` beside it."""
    before, after = ranks
    run = ("run", config, "--output-dir", folder, "--threads", 1, "--checkpoint-every", 8)
    assert launch(before, *run, "--tstop", 20)[::2] == (0, "")
    assert launch(after, "continue", folder, "--tstop", tstop)[::2] == (0, "")
    require_equal(folder, config.parent / "alone")


def python(ranks, code, *arguments, before: tuple[Path, ...] = ()) -> tuple[int, str, str]:
    """The same of a script."""
    done = subprocess.run(
        command(ranks, *arguments, code=code), capture_output=True, text=True, timeout=LIMIT,
        env=environment(*before),
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
