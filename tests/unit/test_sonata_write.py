"""Circuits on disks that are full."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from isocortex.errors import SimulationError
from isocortex.sonata.write import write_edges, write_nodes, write_types


@pytest.mark.parametrize("kind", ["nodes", "edges"])
def test_a_full_disk_is_told_before_hdf5_meets_it(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    file = tmp_path / "x.h5"
    with pytest.raises(SimulationError, match=r"x\.h5: cannot write the circuit: No space left"):
        if kind == "nodes":
            write_nodes(file, "cells", np.zeros(3, int))
        else:
            ids = {"source_node_id": [0], "target_node_id": [0], "edge_type_id": [0]}
            write_edges(file, "cells", "cells", (1, 1), pd.DataFrame(ids))
    assert not file.exists()


def test_a_file_that_is_replaced_makes_room(tmp_path, monkeypatch):
    file = tmp_path / "x.h5"
    write_nodes(file, "cells", np.zeros(1000, int))
    left = SimpleNamespace(free=2**20 + 28 * 1000 - file.stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: left)
    write_nodes(file, "cells", np.zeros(1000, int))
    with pytest.raises(SimulationError, match="No space left"):
        write_nodes(tmp_path / "y.h5", "cells", np.zeros(1000, int))


def test_types_that_cannot_be_written(tmp_path):
    (tmp_path / "types.csv").mkdir()
    with pytest.raises(SimulationError, match=r"types\.csv: cannot write the types: Is a dir"):
        write_types(tmp_path / "types.csv", pd.DataFrame({"node_type_id": [1]}))
