"""Synapses that act at given times."""

import numpy as np
import pytest
from sonata_small import configuration, write_circuit, write_config

from isocortex.errors import IsocortexError
from isocortex.sonata.config import load_simulation


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    return tmp_path


def read(folder, *more, **entry):
    """The simulation with synapses that act at 5 and 2 ms, and perhaps other inputs."""
    activity = {"input_type": "syn_activity", "module": "syn_activity", "timestamps": [5.0, 2.0],
                "precell_filter": {"population": "cells"}} | entry  # fmt: skip
    inputs = {"quiet": {k: v for k, v in activity.items() if v is not ...}}
    inputs |= {f"more{k}": activity for k in range(len(more))}
    config = configuration() | {"inputs": inputs, "reports": {}}
    return load_simulation(write_config(folder, config))


def ends(simulation, edges):
    """(source, target) node ids."""
    nodes = simulation.circuit.nodes
    return list(
        zip(
            nodes[edges.source].node_ids[edges.source_index].tolist(),
            nodes[edges.target].node_ids[edges.target_index].tolist(), strict=True,
        )
    )  # fmt: skip


def test_synapses_between_cells_act_at_the_times(folder):
    simulation = read(folder)
    driven, silent, acting = simulation.circuit.edges
    assert len(driven.weight) == 4 and len(silent.weight) == 0  # virtual nodes act as ever
    assert acting.source == "cells:quiet" and ends(simulation, acting) == [(3, 1), (1, 0)]
    (spikes,) = simulation.inputs
    assert spikes.population == "cells:quiet" and (np.diff(spikes.times) >= 0).all()
    for row in range(4):
        assert spikes.times[spikes.rows == row].tolist() == [2.0, 5.0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"precell_filter": {"ei": "e"}}, [(3, 1)]),
        ({"precell_filter": {"ei": ["e", "i"], "population": "cells"}}, [(3, 1), (1, 0)]),
        ({"postcell_filter": {"node_id": [0], "population": "cells"}}, [(1, 0)]),
        ({"precell_filter": ..., "timestamps": 3}, [(3, 1), (1, 0)]),
    ],
)
def test_filters_choose_whose_synapses_act(folder, entry, expected):
    simulation = read(folder, **entry)
    assert ends(simulation, simulation.circuit.edges[-1]) == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"timestamps": ...}, "inputs.quiet.timestamps: must be a finite number or a list"),
        ({"timestamps": [-1.0]}, "inputs.quiet.timestamps: must not be negative"),
        ({"precell_filter": "cells"}, "precell_filter: must be an object of attributes"),
        ({"precell_filter": {"colour": 1}}, "no node has the attribute 'colour'"),
        ({"precell_filter": {"population": "drive"}}, "no edge leads from such cells onto such"),
        ({"precell": {}}, "Did you mean 'precell_filter'"),
        ({"input_type": "spikes"}, "input_type: must be syn_activity: BMTK reads over"),
    ],
)
def test_mistakes(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        read(folder, **entry)


def test_there_is_one_such_input(folder):
    with pytest.raises(IsocortexError, match="inputs.more0: there may be one.* inputs.quiet is"):
        read(folder, 1)


def weighted(folder, source, section="connection_overrides"):
    """The simulation with synapses that act, and other weights of those from some nodes."""
    activity = {"input_type": "syn_activity", "module": "syn_activity", "timestamps": [5.0]}
    change = {"source": source, "target": "cells", "weight": 0.5}
    more = {"connection_overrides": [{"name": "x", **change}]}
    if section != "connection_overrides":
        more = {section: {"changes": [{"type": "synapses", **change}]}}
    config = configuration() | {"inputs": {"quiet": activity}, "reports": {}} | more
    config["node_sets"] |= {"cells": {"population": "cells"}, "drive": {"population": "drive"},
                            "quiet": {"population": "cells:quiet"}}  # fmt: skip
    return load_simulation(write_config(folder, config))


@pytest.mark.parametrize("section", ["connection_overrides", "isocortex"])
def test_other_weights_of_edges_that_have_gone_are_refused(folder, section):
    with pytest.raises(IsocortexError, match="no edges lead from cells to cells.*cells:quiet to c"):
        weighted(folder, "cells", section)
    for source in ("drive", "quiet", "all"):
        simulation = weighted(folder, source, section)
        assert len(simulation.overrides) + len(simulation.changes) == 1
