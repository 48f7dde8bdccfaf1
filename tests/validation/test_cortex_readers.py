"""BMTK and libsonata read a materialised cortex as what was drawn."""

import numpy as np
import pytest

from isocortex.cells.library import load_cell
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.0001))


@pytest.fixture(scope="module")
def network(cortex, tmp_path_factory):
    folder = tmp_path_factory.mktemp("materialised")
    build_cortex(folder, cortex, tstop=10.0, materialize=True)
    return folder / "network"


@pytest.fixture(scope="module")
def drawn(cortex):
    """Source, target, section, position, weight and delay of every synapse, sorted."""
    rows = []
    for made in cortex.synapses(range(len(cortex))):
        model = cortex.model[made.target]
        cells = [load_cell(cortex.models[m]) for m in model]
        section = [c.section[n] for c, n in zip(cells, made.node, strict=True)]
        place = [c.x[n] for c, n in zip(cells, made.node, strict=True)]
        weight = cortex.weight[made.rule, model] * made.strength
        rows.append(
            np.column_stack([made.source, made.target, section, place, weight, 0.1 * made.delay])
        )
    return _sorted(np.concatenate(rows))


def _sorted(rows):
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


NAMES = ("afferent_section_id", "afferent_section_pos", "syn_weight", "delay")


def test_libsonata_reads_neurons_and_synapses(cortex, network, drawn):
    libsonata = pytest.importorskip("libsonata")
    nodes = libsonata.NodeStorage(str(network / "cortex_nodes.h5")).open_population("cortex")
    assert nodes.size == len(cortex)
    every = nodes.select_all()
    for axis, name in enumerate("xyz"):
        np.testing.assert_allclose(
            nodes.get_attribute(name, every), cortex.neurons.position[:, axis], rtol=1e-6
        )
    edges = libsonata.EdgeStorage(str(network / "cortex_cortex_edges.h5"))
    edges = edges.open_population("cortex_to_cortex")
    assert edges.size == len(drawn)
    assert (edges.source, edges.target) == ("cortex", "cortex")
    all_edges = edges.select_all()
    read = np.column_stack(
        [edges.source_nodes(all_edges), edges.target_nodes(all_edges)]
        + [edges.get_attribute(name, all_edges) for name in NAMES]
    )
    np.testing.assert_allclose(_sorted(read), drawn, rtol=1e-5, atol=1e-5)
    target = int(drawn[len(drawn) // 2, 1])
    afferent = edges.afferent_edges(target)  # through the index
    assert afferent.flat_size == (drawn[:, 1] == target).sum()
    assert set(edges.target_nodes(afferent)) == {target}


def test_bmtk_reads_neurons_and_synapses(cortex, network, drawn):
    sonata = pytest.importorskip("bmtk.utils.sonata")
    file = sonata.File(
        data_files=[str(network / "cortex_nodes.h5"), str(network / "cortex_cortex_edges.h5")],
        data_type_files=[
            str(network / "cortex_node_types.csv"),
            str(network / "cortex_cortex_edge_types.csv"),
        ],
    )
    nodes = file.nodes["cortex"]
    for node in (0, 450, len(cortex) - 1):
        read = nodes.get_node_id(node)
        area = cortex.atlas.areas.index[cortex.neurons.area[node]]
        assert np.asarray(read["area"]).astype(str) == area
        assert read["model_template"] == f"isocortex:{cortex.models[cortex.model[node]]}"
    edges = file.edges["cortex_to_cortex"]
    assert len(edges) == len(drawn)
    target = int(drawn[len(drawn) // 2, 1])
    read = [
        [e.source_node_id, e.target_node_id, *(e[name] for name in NAMES)]
        for e in edges.get_target(target)
    ]
    mine = drawn[drawn[:, 1] == target]
    np.testing.assert_allclose(_sorted(np.array(read)), mine, rtol=1e-5, atol=1e-5)
