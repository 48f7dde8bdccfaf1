"""Circuits with plastic synapses: read, run on threads and ranks, saved, continued, changed."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from launch import require_same_in_parts
from library_circuit import clamp, poisson, report, write_library_circuit
from written import require_equal

import isocortex as ic
from isocortex.analysis.conductance import mean_conductance
from isocortex.errors import ConfigError, ModelError
from isocortex.experiment import changes as ex
from isocortex.network.build import build_network
from isocortex.sonata.write import write_types

VALUES = {
    "stp1syn": {"tau_1": 2.0, "erev": 0.0, "tau_r": 100.0, "p0": 0.3},
    "stp2syn": {"tau_1": 2.0, "erev": 0.0, "tau_r0": 900.0, "p0": 0.4, "tau_FDR": 400.0},
    "stp3syn": {"tau_1": 2.0, "erev": 0.0, "tau_r0": 900.0, "p0": 0.4, "tau_FDR": 400.0,
                "a_FDR": 0.5, "tau_D": 50.0, "a_D": 0.3},
    "stp4syn": {"tau_1": 2.0, "erev": 0.0, "tau_r": 100.0, "p0": 0.3},
    "stp5syn": {"tau_1": 2.0, "erev": 0.0, "tau_r0": 900.0, "tau_FDR": 400.0, "a_FDR": 0.5,
                "a_D": 0.3, "a_i": 0.3, "a_f": 0.3, "pbtilde": 0.3},
    "exp2syn_tm": {"tau1": 0.5, "tau2": 3.0, "erev": 0.0, "Use": 0.3, "Dep": 90.0, "Fac": 40.0},
}  # fmt: skip
EDGES = [(0, 0, 3), (1, 1, 5), (0, 2, 9), (1, 2, 1), (0, 1, 40), (1, 0, 30)]
RECURRENT = [(0, 2, 9), (2, 0, 9), (1, 2, 17), (2, 1, 12), (1, 0, 3), (0, 1, 20)]


def write(folder, template="stp5syn", values=None, **sections):
    """Three cells and two trains, with synapses of one template in two delays, and plain ones."""
    defaults = {
        "run": {"tstop": 60.0},
        "inputs": {"drive": poisson(100.0), "step": clamp(0.3, (0, 1, 2))},
        "reports": {
            "soma": report("v"), "g": report("g_exc", "all"),
            "one": {"module": "netcon_report", "variable_name": "g", "syn_type": template},
        },
    }  # fmt: skip
    config = write_library_circuit(
        folder, cells=3, edges=EDGES, recurrent=RECURRENT, **(defaults | sections)
    )
    (folder / "plastic.json").write_text(json.dumps(VALUES.get(template, {}) | (values or {})))
    types = pd.read_csv(folder / "edge_types.csv", sep=" ")
    rows = pd.concat([types] * 3, ignore_index=True).assign(
        edge_type_id=[0, 1, 2], syn_weight=3e-4, delay=[1.0, 1.0, 2.25],
        model_template=["exp2syn", template, template],
        dynamics_params=["exc.json", "plastic.json", "plastic.json"],
    )  # fmt: skip
    write_types(folder / "edge_types.csv", rows)
    for name in ("drive", "cells"):
        with h5py.File(folder / f"{name}_edges.h5", "r+") as file:
            types = file[f"edges/{name}_to_cells/edge_type_id"]
            types[:] = [1, 2, 1, 2, 0, 2]
    return config


@pytest.fixture(scope="module")
def circuit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plastic")
    config = write(folder)
    result = ic.run(config, output_dir=folder / "alone", threads=1)
    assert len(result.spikes) > 3
    return config


def test_what_is_built(circuit):
    network = build_network(ic.load_simulation(circuit))
    assert len(network.releases) == 1 and len(network.kinetics) == 2
    wiring = network.connections
    assert set(wiring.release.tolist()) == {0, 1}
    source = np.repeat(np.arange(len(wiring.first) - 1), np.diff(wiring.first))
    order = np.lexsort((wiring.release, wiring.delay, source))
    np.testing.assert_array_equal(order, np.arange(len(order)))


def test_a_circuit_without_has_nothing_of_it(tmp_path):
    network = build_network(ic.load_simulation(write_library_circuit(tmp_path, edges=EDGES[:2])))
    assert network.connections.release is None and not network.releases


@pytest.mark.parametrize("template", VALUES)
def test_every_template_runs(tmp_path, template):
    config = write(tmp_path, template, run={"tstop": 6.0})
    result = ic.run(config)
    assert float(result.report("g").max()) > 0.0


def test_threads_change_nothing(circuit, tmp_path):
    ic.run(circuit, output_dir=tmp_path, threads=2)
    require_equal(tmp_path, circuit.parent / "alone")


def test_ranks_change_nothing_and_a_run_goes_on_on_them(circuit, tmp_path):
    require_same_in_parts(circuit, tmp_path)


def test_a_branch_has_what_was_left(circuit, tmp_path):
    """Without any difference it is the run itself, from then on."""
    whole = ic.run(circuit, output_dir=tmp_path / "whole", save_at=20)
    branch = ic.run(
        circuit, output_dir=tmp_path / "branch", start_from=tmp_path / "whole" / "state_20ms.h5"
    )
    late = whole.spikes[whole.spikes["timestamps"] > 20.0].reset_index(drop=True)
    pd.testing.assert_frame_equal(branch.spikes.reset_index(drop=True), late)
    v = [r.report("soma").sel(time=slice(20.05, None)).to_numpy() for r in (whole, branch)]
    np.testing.assert_array_equal(v[1][-len(v[0]) :], v[0])


def test_a_state_knows_of_terminals_that_no_spike_has_reached(tmp_path):
    """The spike at 5 ms acts at 6 and at 25 ms: the later synapses are as full as before it."""
    drive = {"input_type": "spikes", "module": "csv", "node_set": "drive", "input_file": "s.csv"}
    config = write(tmp_path, "stp1syn", {"p0": 0.8}, run={"tstop": 40.0}, inputs={"drive": drive},
                   reports={"soma": report("v")})  # fmt: skip
    (tmp_path / "s.csv").write_text("timestamps population node_ids\n5.0 drive 0\n")
    types = pd.read_csv(tmp_path / "edge_types.csv", sep=" ")
    types.loc[types["edge_type_id"] == 2, "delay"] = 20.0
    write_types(tmp_path / "edge_types.csv", types)
    with h5py.File(tmp_path / "drive_edges.h5", "r+") as file:
        file["edges/drive_to_cells/edge_type_id"][:] = [1, 2, 2, 2, 1, 2]
    for engine in ("fast", "reference"):
        whole = ic.run(config, output_dir=tmp_path / engine, save_at=15, engine=engine, threads=1)
        state = tmp_path / engine / "state_15ms.h5"
        branch = ic.run(config, output_dir=tmp_path / f"{engine} branch", start_from=state,
                        engine=engine, threads=1)  # fmt: skip
        late, again = (r.report("soma").sel(time=slice(15.05, None)) for r in (whole, branch))
        np.testing.assert_array_equal(again.to_numpy()[-len(late) :], late.to_numpy())
        assert float(late.max()) - float(late[0].max()) > 0.3  # they have acted


@pytest.mark.parametrize(
    ("values", "message"),
    [({"p0": 1.2}, "no stp1syn can release so: p must be between 0 and 1, found 1.2"),
     ({"tau_r": 0.0}, "tau_r0 must be positive"), ({"p0": "x"}, "needs the numbers tau_r, p0"),
     ({"tau_1": 0.0}, "time constants must be positive")],
)  # fmt: skip
def test_impossible_numbers_are_refused(tmp_path, values, message):
    with pytest.raises(ModelError, match=message) as raised:
        build_network(ic.load_simulation(write(tmp_path, "stp1syn", values)))
    assert "plastic.json" in str(raised.value)


@pytest.mark.parametrize(
    ("template", "why"), [("stp5isyn", "does not depend on the voltage"), ("bg2pyr", "saturates"),
                          ("ProbAMPANMDA", "not supported")],
)  # fmt: skip
def test_others_are_refused_by_name(tmp_path, template, why):
    config = write_library_circuit(tmp_path, edges=EDGES[:2], synapse={"model_template": template})
    with pytest.raises(ModelError, match=f"'{template}' is not supported.*{why}|{why}"):
        build_network(ic.load_simulation(config))


def test_numbers_that_bmtk_does_not_read_are_named(tmp_path, caplog):
    simulation = ic.load_simulation(write(tmp_path, "stp2syn", {"a_FDR": 0.53}))
    assert "a_FDR is read by no stp2syn, here as in BMTK" in caplog.text
    assert build_network(simulation).releases[0].a_FDR == 0.5


def test_mean_conductances_are_refused(circuit):
    result = ic.Result(circuit.parent / "alone")
    with pytest.raises(ConfigError, match="are plastic"):
        mean_conductance(ic.load_simulation(circuit), result.spikes, 0.0, 60.0)


# --- changes ------------------------------------------------------------------------------------

WEAK = {"use": 0.5, "recovery": 2.0}


def changed(config, name, *changes):
    """The same simulation with changes, which writes elsewhere."""
    content = json.loads(config.read_text()) | ex.section(changes)
    content["output"] = {"output_dir": name}
    path = config.parent / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def require_alike(ours, theirs, begin=0.0):
    """Equal spikes and reports after ``begin``, ms."""
    late = theirs.spikes[theirs.spikes.timestamps > begin].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours.spikes, late)
    for name in ("soma", "g", "one"):
        one, other = ours.report(name).values, theirs.report(name).values
        np.testing.assert_array_equal(one, other[-len(one) :])


@pytest.mark.parametrize(
    ("template", "more", "values"),
    [
        ("stp5syn", {"facilitation": 3.0}, {"pbtilde": 0.15, "tau_r0": 1800.0}),
        ("exp2syn_tm", {"facilitation": 3.0}, {"Use": 0.15, "Dep": 180.0, "Fac": 120.0}),
        ("stp2syn", {"decay": 1.5}, {"p0": 0.2, "tau_r0": 1800.0, "tau_1": 3.0}),
    ],
)  # fmt: skip
def test_release_changes_as_in_a_parameter_file_that_was_edited(tmp_path, template, more, values):
    """But for what a file does not tell (stp5syn: tau_f), or plain synapses have (decay)."""
    config = write(tmp_path / "a", template)
    change = ex.synapses(target="cells", **WEAK, **more)
    network = build_network(ic.load_simulation(changed(config, "c", change)))
    edited = build_network(ic.load_simulation(write(tmp_path / "b", template, values)))
    if template == "stp5syn":
        (ours,), (theirs,) = network.releases, edited.releases
        assert ours == replace(theirs, tau_f=30.0)
        return
    assert network.releases == edited.releases
    plain = build_network(ic.load_simulation(config))
    n_plastic = np.count_nonzero(plain.connections.release)
    assert network.touched[0].synapses == (
        len(plain.connections.weight) if "decay" in more else n_plastic
    )
    if "decay" not in more:
        ours, theirs = (ic.run(path, threads=1) for path in (
            changed(config, "c", change), tmp_path / "b" / "simulation.json"))  # fmt: skip
        require_alike(ours, theirs)


def test_release_that_changes_on_the_way_is_a_branch_from_then(circuit, tmp_path):
    """And one that ends is a branch without it; those that are not changed go on."""
    options = {"threads": 1, "progress": None}
    some = ex.synapses(source="drive", **WEAK, facilitation=2.0)
    late = changed(circuit, "late", replace(some, start=30.0))
    whole = ic.run(late, **options)
    plain = ic.run(circuit, output_dir=tmp_path / "plain", save_at=30, **options)
    state = plain.directory / "state_30ms.h5"
    require_alike(ic.run(late, output_dir=tmp_path / "x", start_from=state, **options), whole, 30.0)
    assert not whole.report("g").equals(plain.report("g"))
    all_ = ex.synapses(**WEAK)
    ended = ic.run(changed(circuit, "ended", replace(all_, stop=30.0)), **options)
    always = ic.run(changed(circuit, "always", all_), save_at=30, **options)
    state = always.directory / "state_30ms.h5"
    branch = ic.run(circuit, output_dir=tmp_path / "y", start_from=state, **options)
    require_alike(branch, ended, 30.0)
    assert not ended.report("g").equals(plain.report("g"))


def test_a_release_that_is_changed_to_what_it_was_leaves_no_seam(circuit, tmp_path):
    nothing = [ex.synapses(source="drive", use=1.0, start=20.0), ex.synapses(decay=1.0, start=25.0)]
    ours = ic.run(changed(circuit, "nothing", *nothing), threads=1)
    require_alike(ours, ic.run(circuit, output_dir=tmp_path / "plain", threads=1))


def test_what_would_release_more_than_there_is_is_refused(circuit):
    wrong = changed(circuit, "wrong", ex.synapses(use=4.0))
    with pytest.raises(ConfigError, match=r"can be so \(use 4\): pbtilde must be between 0 and 1"):
        build_network(ic.load_simulation(wrong))


def test_so_are_changes_that_would_be_so_together_later(circuit):
    """Before the run begins."""
    twice = [ex.synapses(use=2.0, start=start, stop=50.0) for start in (20.0, 30.0)]
    with pytest.raises(ConfigError, match=r"late.json: isocortex.changes\[1\]: .* \(use 4\)"):
        build_network(ic.load_simulation(changed(circuit, "late", *twice)))
    twice[0] = replace(twice[0], stop=30.0)
    build_network(ic.load_simulation(changed(circuit, "one_by_one", *twice)))


def test_releases_that_were_nothing_are_again_what_they_were(circuit):
    """No spike has come by then: as if nothing had been changed."""
    nothing = ex.synapses(use=0.0, stop=0.5)
    ours = ic.run(changed(circuit, "mended", nothing), threads=1, progress=None)
    require_alike(ours, ic.run(circuit, threads=1, progress=None))
