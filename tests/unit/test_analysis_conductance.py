"""Mean conductance by origin: beside formulas, the engines, and networks of stored synapses."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from library_circuit import SYNAPSE, poisson, write_library_circuit

import isocortex as ic
from isocortex.analysis import conductance
from isocortex.analysis.conductance import (
    Conductance,
    Origin,
    conductance_at,
    mean_conductance,
    source_rates,
)
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError
from isocortex.mechanisms.synapses import Kinetics, exp1syn, exp2syn
from isocortex.network.build import build_network
from isocortex.session.session import open_session
from isocortex.sonata.write import write_edges, write_types

#: Edge type -> template, parameters, weight (uS).
TYPES = [
    ("exp2syn", {"tau1": 0.1, "tau2": 1.7, "erev": 0.0}, 1e-3),
    ("exp2syn", {"tau1": 2.7, "tau2": 5.0, "erev": -70.0}, 4e-4),
    ("exp1syn", {"tau": 3.0, "erev": 0.0}, 2e-4),
]
#: (source, target, nsyns, edge type), by target.
FROM_DRIVE = [(0, 0, 3, 0), (1, 0, 2, 0), (1, 0, 1, 1), (0, 1, 2, 2), (2, 1, 5, 0)]
FROM_CELLS = [(1, 0, 4, 0), (2, 0, 2, 1), (0, 2, 1, 1)]
SENT = {0: [5.0, 9.0, 30.0], 1: [7.0, 8.0], 2: [100.0]}  # ms
TSTOP = 200.0


def write(folder, **sections):
    """Three cells and three virtual nodes; returns the configuration."""
    config = write_library_circuit(folder, cells=3, drive=3, run={"tstop": TSTOP}, **sections)
    types = []
    for k, (template, parameters, weight) in enumerate(TYPES):
        (folder / f"{k}.json").write_text(json.dumps(parameters))
        types.append(SYNAPSE | {"edge_type_id": k, "model_template": template,
                                "dynamics_params": f"{k}.json", "syn_weight": weight})  # fmt: skip
    write_types(folder / "edge_types.csv", pd.DataFrame(types))
    names = ["source_node_id", "target_node_id", "nsyns", "edge_type_id"]
    for source, rows in (("drive", FROM_DRIVE), ("cells", FROM_CELLS)):
        table = pd.DataFrame(rows, columns=names)
        write_edges(folder / f"{source}_edges.h5", source, "cells", (3, 3), table)
    return config


def write_trains(folder):
    """Inputs: the trains above."""
    lines = [f"{t} {node} drive" for node, times in SENT.items() for t in times]
    (folder / "sent.csv").write_text("\n".join(["timestamps node_ids population", *lines]))
    return {"sent": {"input_type": "spikes", "module": "csv", "node_set": "drive",
                     "input_file": str(folder / "sent.csv")}}  # fmt: skip


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("circuit")
    return ic.load_simulation(write(folder, inputs=write_trains(folder)))


def spikes_of(**trains):
    """Table of spikes of the cells: node -> times."""
    rows = [(t, int(name[1:]), "cells") for name, times in trains.items() for t in times]
    return pd.DataFrame(rows, columns=["timestamps", "node_ids", "population"])


def area(kind):
    """uS ms of one event of an edge type, by summing its conductance up."""
    template, parameters, weight = TYPES[kind]
    t = np.arange(0.0, 400.0, 1e-3)
    if template == "exp1syn":
        g = np.exp(-t / parameters["tau"])
    else:
        g = np.exp(-t / parameters["tau2"]) - np.exp(-t / parameters["tau1"])
        g /= g.max()
    return weight * np.trapezoid(g, t)


def test_known_trains_leave_behind_what_formulas_say(simulation):
    spikes = spikes_of(n1=[1.0, 2.0, 3.0], n2=[50.0], n0=[10.0, 200.0])
    g = mean_conductance(simulation, spikes, 0.0, TSTOP)
    per_event = 1e3 / TSTOP * np.array([area(kind) for kind in range(3)])  # nS
    expected = np.zeros((3, 2, 2))  # cell, excites, recurrent
    for source, target, nsyns, kind in FROM_DRIVE:
        expected[target, int(kind != 1), 0] += nsyns * len(SENT[source]) * per_event[kind]
    for source, target, nsyns, kind in FROM_CELLS:
        expected[target, int(kind != 1), 1] += nsyns * [1, 3, 1][source] * per_event[kind]
    assert g.population == "cells"
    assert g.rows.tolist() == [0, 1, 2]
    for excites in (0, 1):
        for recurrent, source in enumerate(("drive", "cells")):
            wanted = expected[:, excites, recurrent]
            found = g.of(excites=bool(excites), recurrent=bool(recurrent))
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
            np.testing.assert_array_equal(found, g.of(excites=bool(excites), source=source))
    np.testing.assert_allclose(g.of(), expected.sum(axis=(1, 2)), rtol=1e-5)
    table = g.table()
    np.testing.assert_allclose(table["excitatory", "cells"], expected[:, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(table["inhibitory"].sum(axis=1), expected[:, 0].sum(1), rtol=1e-5)


def test_shares_and_balance():
    origins = (Origin("out", False, 0.0), Origin("in", True, 0.0), Origin("in", True, -80.0))
    nS = np.array([[6.0, 2.0, 9.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    g = Conductance("in", np.arange(3), origins, nS)
    np.testing.assert_allclose(g.recurrent_share(), [0.25, np.nan, 0.0])
    np.testing.assert_allclose(g.balance(), [9.0 * 20 / (8.0 * 60), np.nan, 0.0])
    np.testing.assert_allclose(g.balance(-40.0), [9.0 * 40 / (8.0 * 40), np.nan, 0.0])
    np.testing.assert_allclose(g.current(-60.0, excites=True), [-0.48, 0.0, -0.06])
    np.testing.assert_allclose(g.current(-60.0, excites=False), [0.18, 0.02, 0.0])


def test_where_reversals_differ_shares_are_of_the_charge_at_a_voltage():
    origins = (Origin("out", False, 0.0), Origin("in", True, -30.0))
    g = Conductance("in", np.arange(1), origins, np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(g.recurrent_share(-60.0), [0.5])
    np.testing.assert_allclose(g.recurrent_share(-40.0), [20.0 / 60.0])


@pytest.mark.parametrize("rows", [[0], [2, 0], [1]])
def test_some_cells_have_what_they_have_among_all(simulation, rows):
    rates = {"cells": np.array([1.0, 2.0, 3.0]), "drive": np.array([10.0, 20.0, 30.0])}
    every = conductance_at(simulation, rates)
    some = conductance_at(simulation, rates, population="cells", rows=np.array(rows))
    assert some.rows.tolist() == rows
    np.testing.assert_allclose(some.table(), every.table().loc[rows])


def test_overrides_of_weights_count(tmp_path, simulation):
    """They are no part of what a projection says its weights are."""
    config = write(tmp_path)
    content = json.loads(config.read_text())
    content["connection_overrides"] = [
        {"name": "no", "source": {"population": "drive", "node_id": [0]},
         "target": {"population": "cells"}, "weight": 0.0},
        {"name": "more", "source": {"population": "cells"},
         "target": {"population": "cells", "node_id": [2]}, "weight": 3.0},
    ]  # fmt: skip
    config.write_text(json.dumps(content))
    rates = {"cells": np.array([1.0, 2.0, 3.0]), "drive": np.array([10.0, 20.0, 30.0])}
    found = conductance_at(ic.load_simulation(config), rates)
    silenced = conductance_at(simulation, {**rates, "drive": np.array([0.0, 20.0, 30.0])})
    np.testing.assert_allclose(found.of(source="drive"), silenced.of(source="drive"))
    tripled = silenced.of(source="cells") * [1.0, 1.0, 3.0]
    np.testing.assert_allclose(found.of(source="cells"), tripled)
    assert tripled[2] > 0


def test_conductance_is_linear_in_rates_and_silent_sources_make_none(simulation):
    rates = {"cells": np.array([1.0, 2.0, 3.0])}
    one = conductance_at(simulation, rates)
    two = conductance_at(simulation, {"cells": 2.0 * rates["cells"]})
    assert one.of(recurrent=True)[0] > 0
    assert not one.of(recurrent=False).any()
    np.testing.assert_allclose(two.nS, 2.0 * one.nS)


def test_spikes_count_from_start_to_before_stop(simulation):
    spikes = spikes_of(n0=[10.0, 20.0, 30.0], n2=[9.999, 29.999])
    rates = source_rates(simulation, spikes, 10.0, 30.0)
    np.testing.assert_allclose(rates["cells"], [100.0, 0.0, 50.0])
    np.testing.assert_allclose(rates["drive"], [0.0, 0.0, 0.0])
    rates = source_rates(simulation, spikes, 5.0, 9.0)
    np.testing.assert_allclose(rates["drive"], [250.0, 500.0, 0.0])


@pytest.mark.parametrize("at_once", [2**22, 50])
def test_poisson_trains_are_those_of_the_run(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(conductance, "DRAWN_AT_ONCE", at_once)
    inputs = {"one": poisson(500.0, 1), "two": poisson(300.0, 2)}
    simulation = ic.load_simulation(write(tmp_path, inputs=inputs))
    source, time = build_network(simulation).poisson.begin().until(TSTOP)
    seen = (time >= 50.0) & (time < 150.0)
    expected = 10.0 * np.bincount(source[seen] - 3, minlength=3)
    rates = source_rates(simulation, spikes_of(), 50.0, 150.0)
    np.testing.assert_allclose(rates["drive"], expected)
    assert expected.min() > 400.0


def stepped(kinetics):
    """The integral as steps of 0.1 ms sum it up, ms per unit weight."""
    rise, decay = kinetics.factors(0.1)
    sums = 1.0 / (1.0 - decay) - (1.0 / (1.0 - rise) if kinetics.tau_rise else 0.0)
    return kinetics.scale * 0.1 * sums


def test_it_is_the_mean_of_what_an_engine_computes(tmp_path, monkeypatch):
    """Within the error of steps, and exactly with it."""
    (tmp_path / "trains").mkdir()
    inputs = write_trains(tmp_path / "trains")
    step = {"input_type": "current_clamp", "module": "IClamp", "node_set": "cells", "amp": 0.3,
            "delay": 5.0, "duration": 60.0}  # fmt: skip
    config = write(tmp_path, inputs={**inputs, "step": step})
    with open_session(config) as session:
        excitation, inhibition = (
            session.record(name, [0, 1, 2], sections="all") for name in ("g_exc", "g_inh")
        )
        session.advance()
        spikes, simulation = session.spikes, ic.load_simulation(config)
    assert set(spikes["node_ids"]) == {0, 1, 2}
    assert spikes["timestamps"].max() < 80.0  # so that all of their conductance is over
    means = [1e3 * trace.data.groupby("node_id").sum().mean("time").values
             for trace in (excitation, inhibition)]  # fmt: skip
    for error in (1e-2, 1e-9):
        g = mean_conductance(simulation, spikes, 0.0, TSTOP)
        for mean, excites in zip(means, (True, False), strict=True):
            np.testing.assert_allclose(mean, g.of(excites=excites), rtol=error, atol=1e-12)
        monkeypatch.setattr(Kinetics, "integral", property(stepped))


def test_what_is_documented_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "trains").mkdir()
    ic.run(write(tmp_path, inputs=write_trains(tmp_path / "trains")),
           output_dir=tmp_path / "results" / "mine")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    (block,) = [block for block in blocks if "mean_conductance" in block]
    names = {"ic": ic}
    exec(block.replace("500.0", "0.0"), names)
    assert names["g"].of(excites=True, source="drive").min() == 0.0  # onto the third cell
    assert "excitatory" in capsys.readouterr().out


def test_a_cortex_has_what_its_stored_synapses_make(tmp_path):
    """Asked for in pieces of a recipe, and the sum of all connections of a network beside it."""
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3))
    simulation = ic.load_simulation(build_cortex(tmp_path, cortex, tstop=10.0))
    network = build_network(simulation, store_synapses=True)
    random = np.random.default_rng(1)
    rates = {name: random.gamma(1.0, 5.0, len(nodes.node_ids))
             for name, nodes in simulation.circuit.nodes.items()}  # fmt: skip
    rate = np.concatenate([rates[name] for name in network.populations])
    assert network.n_cells == len(rates["cortex"]) and network.populations[0] == "cortex"
    wiring, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(rate)), np.diff(wiring.first))
    integral = np.array([kinetics.integral for kinetics in network.kinetics])
    excites = np.array([kinetics.excites for kinetics in network.kinetics])
    kind, cell = slots.kind[wiring.target], slots.cell[wiring.target]
    each = rate[source] * wiring.weight * integral[kind]
    g = conductance_at(simulation, rates)
    for recurrent in (True, False):
        for excitatory in (True, False):
            mine = ((source < network.n_cells) == recurrent) & (excites[kind] == excitatory)
            expected = np.bincount(cell[mine], each[mine], minlength=network.n_cells)
            found = g.of(excites=excitatory, recurrent=recurrent)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert (found.max() > 0) == (excitatory or recurrent)


@pytest.mark.parametrize("kinetics", [exp2syn(0.1, 1.7, 0.0), exp1syn(3.0, 0.0)])
def test_the_integral_is_that_of_the_conductance(kinetics):
    t = np.arange(0.0, 60.0, 1e-3)
    rise, decay = kinetics.tau_rise, kinetics.tau_decay
    g = kinetics.scale * (np.exp(-t / decay) - (np.exp(-t / rise) if rise else 0.0))
    np.testing.assert_allclose(kinetics.integral, np.trapezoid(g, t), rtol=1e-6)


def test_what_is_no_cell_of_the_circuit_is_refused(simulation):
    spikes = spikes_of(n0=[1.0])
    with pytest.raises(ConfigError, match="no biophysical cells in 'drive'.*Name one of cells"):
        mean_conductance(simulation, spikes, 0.0, 10.0, population="drive")
    with pytest.raises(ConfigError, match="row 3 of cells is no biophysical cell"):
        mean_conductance(simulation, spikes, 0.0, 10.0, rows=np.array([0, 3]))
    with pytest.raises(ConfigError, match="from 10 to 10 ms there is no time"):
        mean_conductance(simulation, spikes, 10.0, 10.0)
    with pytest.raises(InputError, match="node 7, which population 'cells' does not have"):
        mean_conductance(simulation, spikes_of(n7=[1.0]), 0.0, 10.0)
    other = spikes.assign(population="strange")
    with pytest.raises(InputError, match="spikes of population 'strange'"):
        mean_conductance(simulation, other, 0.0, 10.0)
