"""``python -m isocortex`` is the command line."""

import subprocess
import sys

from launch import environment

import isocortex


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "isocortex", "--version"], check=True,
                          capture_output=True, text=True, env=environment())  # fmt: skip
    assert done.stdout == f"isocortex {isocortex.__version__}\n"


def test_its_errors_are_one_line(tmp_path):
    done = subprocess.run([sys.executable, "-m", "isocortex", "run", "none.json"], cwd=tmp_path,
                          capture_output=True, text=True, env=environment())  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
