"""Potentials outside cells beside BMTK's module ``ecp``, run now: every sample and every cell.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from neuron_cell import compile_channels
from potentials_case import EVERY, GOLDEN, write_case

import isocortex as ic

pytest.importorskip("neuron")
pytest.importorskip("bmtk")


def datasets(path):
    """Shape and type of every dataset of a file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: (item.shape, item.dtype)} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


def read(path, name="ecp/data"):
    with h5py.File(path) as file:
        return file[name][()]


@pytest.fixture(scope="module")
def config(shared, tmp_path_factory):
    """A simulation that BMTK has run."""
    folder = tmp_path_factory.mktemp("case") / "case"
    config = write_case(shared, folder)
    compile_channels(folder / "mechanisms")
    circuit = json.loads((folder / "circuit_config.json").read_text())
    circuit["components"]["mechanisms_dir"] = "$BASE/mechanisms"
    (folder / "circuit_config.json").write_text(json.dumps(circuit))
    script = Path(__file__).parents[2] / "benchmarks" / "run_bionet.py"
    subprocess.run([sys.executable, script, config, "facts.json"], check=True, cwd=folder)
    return config


def test_potentials_and_files_equal_bmtk(config, tmp_path):
    theirs = config.parent / "output"
    ic.run(config, output_dir=tmp_path, progress=None)
    names = ["ecp.h5", *(f"by_cell/{node}.h5" for node in (0, 1, 3, 6, 8, 9))]
    there = sorted(str(p.relative_to(theirs)) for p in (theirs / "by_cell").iterdir())
    assert there == sorted(names[1:])
    for name in names:
        assert datasets(tmp_path / name) == datasets(theirs / name), name
        ours, expected = read(tmp_path / name), read(theirs / name)
        largest = np.abs(expected).max(axis=0)
        np.testing.assert_allclose(ours / largest, expected / largest, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(read(tmp_path / "ecp.h5", "ecp/time"),
                               read(theirs / "ecp.h5", "ecp/time"))  # fmt: skip
    golden = np.loadtxt(GOLDEN, delimiter=",")
    np.testing.assert_allclose(
        read(theirs / "ecp.h5")[EVERY - 1 :: EVERY], golden, rtol=1e-5, atol=1e-9
    )
