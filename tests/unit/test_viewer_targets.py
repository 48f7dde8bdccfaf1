"""Whom a neuron tells, for the viewer: what it makes synapses onto hears it."""

import numpy as np
import pytest
from viewer_run import cortex_session, driven_cells

from isocortex.network.onto import synapses_onto
from isocortex.viewer.pack import unpack
from isocortex.viewer.session import Session


def test_targets_drawn_from_the_recipe_are_those_that_hear_the_neuron(tmp_path):
    session = cortex_session(tmp_path)
    nodes = session.simulation.circuit.nodes["cortex"].node_ids
    _, arrays = unpack(session.get("targets/7"))
    assert arrays["count"].sum() > 20
    source = int(np.flatnonzero(nodes == session.scene.node_id[7])[0])
    some = arrays["target"][:5]
    heard = synapses_onto(
        session._simulation(), "cortex", [int(session.scene.node_id[i]) for i in some]
    )
    for number, count in zip(some, arrays["count"], strict=False):
        onto = heard[int(session.scene.node_id[number])]
        mine = onto.source_population == onto.population.index("cortex")
        assert np.count_nonzero(onto.source[mine] == source) == count


def test_targets_among_edges_of_files_are_counted_by_synapse(tmp_path):
    session = Session(driven_cells(tmp_path))
    for source, target, synapses in ((0, 1, 2), (1, 2, 3), (2, 0, 1)):
        (number,) = session.scene.index_of("cells", np.array([source]))
        head, arrays = unpack(session.get(f"targets/{number}"))
        assert session.scene.node_id[arrays["target"]].tolist() == [target]
        assert arrays["count"].tolist() == [synapses] and head["synapses"] == synapses


def test_a_recipe_tells_targets_in_circuits_of_any_size(tmp_path, monkeypatch):
    session = cortex_session(tmp_path)
    known = session.get("targets/7")
    again = Session(session.result)
    monkeypatch.setattr("isocortex.viewer.session.MOST_NODES", 1)
    assert again.get("targets/7") == known
    assert "Synapses are shown in circuits of up to" in unpack(again.get("synapses/7"))[0]["reason"]


def test_why_there_are_no_targets_is_told(tmp_path, monkeypatch):
    session = Session(driven_cells(tmp_path))
    monkeypatch.setattr("isocortex.viewer.session.MOST_NODES", 1)
    head, arrays = unpack(session.get("targets/0"))
    assert "Synapses are shown in circuits of up to" in head["reason"] and arrays == {}
    with pytest.raises(TypeError):
        unpack(session.get("targets/99"))
