"""Damaged configurations and files: an IsocortexError or a circuit, never anything else."""

import contextlib
import copy

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sonata_small import configuration, write_circuit, write_config

from isocortex.errors import IsocortexError
from isocortex.sonata.config import load_simulation

bounded = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
H5 = ("nodes.h5", "drive.h5", "edges.h5", "local.h5", "spikes.h5")
TABLES = ("node_types.csv", "drive_types.csv", "edge_types.csv", "local_types.csv")

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["$BASE", "${", "$X", "all", "cells", "\0", "\ud800", "..", "/", "v", 1e300])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


def paths(tree, here=()):
    """The way to every value of a nested configuration."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*here, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*here, key))


PATHS = sorted(paths(configuration()), key=str)


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    return tmp_path


def survive(path):
    with contextlib.suppress(IsocortexError):
        load_simulation(path)


@bounded
@given(edits=st.lists(st.tuples(st.sampled_from(PATHS), values), min_size=1, max_size=2))
def test_values_of_any_type(folder, edits):
    config = copy.deepcopy(configuration())
    for path, value in edits:
        at = config
        with contextlib.suppress(KeyError, IndexError, TypeError, AttributeError):
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
    survive(write_config(folder, config))


def test_every_key_missing_or_null(folder):
    for path in PATHS:
        for change in ("delete", "null", "new"):
            config = copy.deepcopy(configuration())
            at = config
            for key in path[:-1]:
                at = at[key]
            if change == "delete":
                del at[path[-1]]
            elif change == "null":
                at[path[-1]] = None
            elif isinstance(at, dict):
                at[f"{path[-1]}_"] = at.pop(path[-1])
            survive(write_config(folder, config))


def datasets(path):
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name))
    return found


arrays = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6).map(lambda x: np.array(x, np.int64)),
    st.lists(st.integers(0, 5), min_size=2, max_size=4).map(lambda x: np.array(x, np.int64)),
    st.lists(st.integers(0, 2**64 - 1), max_size=4).map(lambda x: np.array(x, np.uint64)),
    st.lists(st.floats(), min_size=2, max_size=4).map(lambda x: np.array(x, np.float64)),
    st.lists(st.binary(max_size=4).map(lambda b: b.replace(b"\0", b"")), min_size=2, max_size=4)
    .map(lambda x: np.array(x, "S5")),
    st.just(np.zeros((2, 2))), st.just(np.float64(1.0)), st.just(np.array([True, False])),
    st.just(h5py.Empty("f8")), st.none(),
)  # fmt: skip


@bounded
@given(data=st.data(), values=arrays)
def test_datasets_of_any_type(tmp_path_factory, data, values):
    folder = tmp_path_factory.mktemp("h5")
    path = write_circuit(folder)
    file_name = data.draw(st.sampled_from(H5))
    name = data.draw(st.sampled_from(datasets(folder / file_name)))
    with h5py.File(folder / file_name, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if values is not None:
            file[name] = values
            file[name].attrs.update(attributes)
    survive(path)


def test_every_dataset_missing_or_soft_linked_to_nothing(tmp_path_factory):
    for file_name in H5:
        for name in datasets(write_circuit(tmp_path_factory.mktemp("a")).parent / file_name):
            for link in (False, True):
                path = write_circuit(tmp_path_factory.mktemp("b"))
                with h5py.File(path.parent / file_name, "r+") as file:
                    del file[name]
                    if link:
                        file[name] = h5py.SoftLink("/nowhere")
                survive(path)


@bounded
@given(name=st.sampled_from(H5 + TABLES), cut=st.integers(1, 8000), noise=st.binary(max_size=20))
@example(name="edge_types.csv", cut=1, noise=b'"')
@example(name="node_types.csv", cut=1, noise=b"\xff\xfe")
def test_truncated_and_overwritten_files(tmp_path_factory, name, cut, noise):
    path = write_circuit(tmp_path_factory.mktemp("cut"))
    content = (path.parent / name).read_bytes()
    at = len(content) - cut % len(content)
    (path.parent / name).write_bytes(content[:at] + noise)
    survive(path)
    (path.parent / name).write_bytes(content[:at] + noise + content[at + len(noise) :])
    survive(path)


@bounded
@given(name=st.sampled_from(TABLES), text=st.text(max_size=12), data=st.data())
def test_tables_with_odd_entries(tmp_path_factory, name, text, data):
    path = write_circuit(tmp_path_factory.mktemp("csv"))
    table = path.parent / name
    words = table.read_text().split(" ")
    words[data.draw(st.integers(0, len(words) - 1))] = text
    table.write_text(" ".join(words), encoding="utf-8", errors="surrogatepass")
    survive(path)
