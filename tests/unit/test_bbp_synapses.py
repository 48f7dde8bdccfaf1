"""Synapses of the Blue Brain Project: read, run on threads and ranks, saved, continued, refused."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from launch import require_same_in_parts
from library_circuit import clamp, poisson, report, write_library_circuit
from written import require_equal

import isocortex as ic
from isocortex.analysis.conductance import mean_conductance
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.network.build import build_network
from isocortex.sonata.write import write_types

EDGES = [(0, 0, 3), (1, 1, 5), (0, 2, 9), (1, 2, 1), (0, 1, 40), (1, 0, 30)]
RECURRENT = [(0, 2, 9), (2, 0, 9), (1, 2, 17), (2, 1, 12), (1, 0, 3), (0, 1, 20)]
NUMBERS = {"Use": 0.4, "Dep": 80.0, "Fac": 40.0, "Nrrp": 3, "NMDA_ratio": 1.5}
OWN = {"u_syn": 0.1, "depression_time": 50.0, "facilitation_time": 0.0, "decay_time": 2.5,
       "n_rrp_vesicles": 2, "conductance_scale_factor": 0.4}  # fmt: skip


def write(folder, template="ProbAMPANMDA_EMS", numbers=None, own=None, dynamics=None, **sections):
    """Three cells and two trains; ``own`` and ``dynamics`` are attributes of every edge."""
    defaults = {
        "run": {"tstop": 60.0},
        "inputs": {"drive": poisson(100.0), "step": clamp(0.3, (0, 1, 2))},
        "reports": {"soma": report("v"), "g": report("g_exc", "all"), "i": report("i_syn", "all")},
    }  # fmt: skip
    config = write_library_circuit(
        folder, cells=3, edges=EDGES, recurrent=RECURRENT, **(defaults | sections)
    )
    (folder / "synapse.json").write_text(json.dumps(NUMBERS if numbers is None else numbers))
    types = pd.read_csv(folder / "edge_types.csv", sep=" ")
    types = types.assign(syn_weight=0.2 if "_" in template else 3e-4, model_template=template,
                         dynamics_params="synapse.json")  # fmt: skip
    write_types(folder / "edge_types.csv", types)
    for name in ("drive", "cells"):
        with h5py.File(folder / f"{name}_edges.h5", "r+") as file:
            edges = file[f"edges/{name}_to_cells"]
            group, n = edges.require_group("0"), len(edges["edge_type_id"])
            for attribute, value in (own or {}).items():
                group[attribute] = np.full(n, value)
            for attribute, value in (dynamics or {}).items():
                group[f"dynamics_params/{attribute}"] = np.full(n, value)
    return config


@pytest.fixture(scope="module")
def circuit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bbp")
    config = write(folder, reports={
        "soma": report("v"), "g": report("g_exc", "all"), "i": report("i_syn", "all"),
        "one": {"module": "netcon_report", "variable_name": "g", "syn_type": "ProbAMPANMDA_EMS"},
    })  # fmt: skip
    result = ic.run(config, output_dir=folder / "alone", threads=1)
    assert len(result.spikes) > 3
    return config


def test_what_is_built(circuit):
    network = build_network(ic.load_simulation(circuit))
    wiring = network.connections
    assert len(network.kinetics) == 2 and len(network.releases) == 1
    assert [k.block is None for k in network.kinetics] == [True, False]
    keys, times = np.unique(wiring.key, return_counts=True)
    np.testing.assert_array_equal(keys.astype(float).astype(np.int64), keys)  # as states have them
    assert (times == 2).all() and len(keys) == sum(n for _, _, n in EDGES + RECURRENT)
    source = np.repeat(np.arange(len(wiring.first) - 1), np.diff(wiring.first))
    order = np.lexsort((wiring.key, wiring.release, wiring.delay, source))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    pairs = wiring.weight[np.argsort(wiring.key, kind="stable")].reshape(-1, 2)
    np.testing.assert_allclose(pairs, 0.2e-3 * np.array([[1.0, 1.5]] * len(keys)))


def test_sums_of_single_synapses_are_those_of_compartments(circuit):
    result = ic.Result(circuit.parent / "alone")
    single = result.report("one").to_numpy().sum(axis=1)
    places = result.report("g").to_numpy().sum(axis=1)
    assert places.max() > 1e-4
    np.testing.assert_allclose(places, single, rtol=1e-5, atol=1e-9)


def test_threads_change_nothing(circuit, tmp_path):
    ic.run(circuit, output_dir=tmp_path, threads=2)
    require_equal(tmp_path, circuit.parent / "alone")


def test_ranks_change_nothing_and_a_run_goes_on_on_them(circuit, tmp_path):
    require_same_in_parts(circuit, tmp_path)


def test_a_branch_has_what_was_left(circuit, tmp_path):
    whole = ic.run(circuit, output_dir=tmp_path / "whole", save_at=20)
    branch = ic.run(
        circuit, output_dir=tmp_path / "branch", start_from=tmp_path / "whole" / "state_20ms.h5"
    )
    v = [r.report("soma").sel(time=slice(20.05, None)).to_numpy() for r in (whole, branch)]
    np.testing.assert_array_equal(v[1][-len(v[0]) :], v[0])


def test_the_reference_and_other_precisions(circuit, tmp_path):
    """Until cells spike, which takes 9 ms."""

    def voltages(**options):
        folder = tmp_path / "_".join(options.values())
        found = ic.run(circuit, output_dir=folder, tstop=10.0, threads=1, **options)
        return found.report("soma").to_numpy()[:85]

    expected = ic.Result(circuit.parent / "alone").report("soma").to_numpy()[:85]
    for options, within in (
        ({"engine": "reference"}, 1e-7), ({"precision": "single"}, 1e-3),
        ({"precision": "mixed"}, 0.3),
    ):  # fmt: skip
        found = voltages(**options)
        np.testing.assert_allclose(found, expected, atol=within, rtol=0, err_msg=str(options))
    second = {"integrator": "crank-nicolson"}
    found, expected = voltages(**second), voltages(**second, engine="reference")
    np.testing.assert_allclose(found, expected, atol=1e-7, rtol=0)


def test_another_seed_releases_otherwise(circuit, tmp_path):
    config = json.loads(circuit.read_text())
    config["run"]["random_seed"] = 99
    other = circuit.with_name("other.json")
    other.write_text(json.dumps(config))
    networks = [build_network(ic.load_simulation(c)) for c in (circuit, other)]
    np.testing.assert_array_equal(*(n.connections.key for n in networks))
    assert len({n.connections.seed for n in networks}) == 2


def test_numbers_of_edges_stand_in_place_of_those_of_types(tmp_path):
    network = build_network(ic.load_simulation(write(tmp_path, own=OWN)))
    (release,) = network.releases
    assert (release.pbtilde, release.tau_r0, release.sites, release.a_f) == (0.1, 50.0, 2.0, 0.0)
    assert [k.tau_decay for k in network.kinetics] == [2.5, 43.0]
    np.testing.assert_allclose(np.unique(network.connections.weight), [0.8e-4, 2e-4])


def test_conductance_is_the_weight(tmp_path):
    config = write(tmp_path, own={"conductance": 0.7})
    with pytest.raises(InputError, match="edge 0 has both conductance and syn_weight"):
        ic.load_simulation(config)
    types = pd.read_csv(tmp_path / "edge_types.csv", sep=" ").drop(columns="syn_weight")
    write_types(tmp_path / "edge_types.csv", types)
    weight = build_network(ic.load_simulation(config)).connections.weight
    np.testing.assert_allclose(np.unique(weight), [0.7e-3, 1.05e-3])


def test_edges_without_a_template_have_that_of_their_kind(tmp_path):
    config = write(tmp_path, numbers={}, own={"syn_type_id": 7})
    types = pd.read_csv(tmp_path / "edge_types.csv", sep=" ")
    write_types(tmp_path / "edge_types.csv", types.drop(columns="model_template"))
    network = build_network(ic.load_simulation(config))
    assert [k.reversal for k in network.kinetics] == [-80.0, -97.0]


def test_exp2syn_with_kinetics_of_single_edges(tmp_path):
    config = write(tmp_path, "exp2syn", {"tau1": 0.5, "tau2": 3.0, "erev": 0.0},
                   dynamics={"tau2": 7.0})  # fmt: skip
    (kinetics,) = build_network(ic.load_simulation(config)).kinetics
    assert (kinetics.tau_rise, kinetics.tau_decay) == (0.5, 7.0)


def test_numbers_of_edges_stand_in_place_of_those_by_any_name(tmp_path):
    config = write(tmp_path, "exp1syn", {"tau": 3.0, "erev": 0.0}, dynamics={"tau_1": 7.0})
    (kinetics,) = build_network(ic.load_simulation(config)).kinetics
    assert kinetics.tau_decay == 7.0


@pytest.mark.parametrize(
    ("template", "decay"), [("AMPA_NMDA_STP", [2.5, 43.0]), ("GABA_A_STP", [2.5])]
)
def test_attributes_of_edges_are_read_by_the_nair_labs_synapses_too(tmp_path, template, decay):
    own = {"u_syn": 0.1, "decay_time": 2.5, "conductance": 0.7}
    config = write(tmp_path, template, {}, own)
    types = pd.read_csv(tmp_path / "edge_types.csv", sep=" ").drop(columns="syn_weight")
    write_types(tmp_path / "edge_types.csv", types)
    network = build_network(ic.load_simulation(config))
    assert [k.tau_decay for k in network.kinetics] == decay
    assert network.releases[0].pbtilde == 0.1
    assert network.connections.weight.max() == pytest.approx(0.7e-3)


@pytest.mark.parametrize(
    ("template", "own", "dynamics", "message"),
    [("exp2syn", {"u_syn": 0.5}, {}, "u_syn is read by no synapse of model_template 'exp2syn'"),
     ("exp2syn", {"conductance": 0.5}, {}, "conductance is read by no synapse"),
     ("exp2syn", {}, {"tau_d_NMDA": 1.0}, "tau_d_NMDA is read by no synapse"),
     ("ProbAMPANMDA_EMS", {"tau1": 1.0}, {}, "tau1: is not read")],
)  # fmt: skip
def test_numbers_that_nothing_reads_are_refused(tmp_path, template, own, dynamics, message):
    config = write(tmp_path, template, {"tau1": 0.5, "tau2": 3.0, "erev": 0.0}, own, dynamics)
    with pytest.raises(InputError, match=message):
        ic.load_simulation(config)


@pytest.mark.parametrize(
    ("template", "numbers", "message"),
    [("ProbAMPANMDA_EMS", {"Nrrp": 0}, "there must be one site or more"),
     ("ProbAMPANMDA_EMS", {"Nrrp": 2.5}, "the number of sites must be whole"),
     ("ProbAMPANMDA_EMS", {"tau_d_NMDA": 0.0}, "time constants must be positive"),
     ("ProbAMPANMDA_EMS", {"tau_d_AMPA": 0.2}, "must rise faster than they decay"),
     ("DetGABAAB", {"conductance_scale_factor": -1}, "conductances of DetGABAAB must be 0 or more"),
     ("ProbAMPANMDA_EMS", {"scale_mg": 0.0}, "scale_mg above 0"),
     ("DetGABAAB_x", {}, "not supported"), ("bg2pyr", {}, "its conductance saturates"),
     ("AMPA_NMDA_STP", {"initW": 2.0, "stdevW": 1.0}, "drawn with stdevW"),
     ("tmgsyn", {"tau": 5.0, "tau_rec": 5.0}, "tau_active must be positive and not be tau_r0")],
)  # fmt: skip
def test_impossible_numbers_are_refused(tmp_path, template, numbers, message):
    with pytest.raises(ModelError, match=message) as raised:
        build_network(ic.load_simulation(write(tmp_path, template, numbers)))
    assert "synapse.json" in str(raised.value)


def test_mean_conductances_are_refused(circuit):
    result = ic.Result(circuit.parent / "alone")
    with pytest.raises(ConfigError, match="are plastic or blocked"):
        mean_conductance(ic.load_simulation(circuit), result.spikes, 0.0, 60.0)
