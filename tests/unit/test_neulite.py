"""Neulite's formats: what its documentation shows is read, and what is written is read again."""

import json
from unittest.mock import patch

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line
from library_circuit import CELL, clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.cells.library import library_cells
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.network.build import build_network
from isocortex.neulite import read_neulite, write_neulite
from isocortex.neulite.morphology import places_of, processed
from isocortex.neulite.tables import (
    PARAMETERS,
    read_connections,
    read_ions,
    read_population,
)
from isocortex.sonata.config import load_circuit, load_simulation

#: Of the cells whose axon leaves a dendrite, and cuts it in two sections, those looked at here.
CUT = ("478110866",)
OTHER = "471085676"  # another family of channels than CELL's


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    """Three cells, of which the first and the last are alike, and virtual nodes."""
    folder = tmp_path_factory.mktemp("c")
    config = write_library_circuit(
        folder, cells=3, edges=[(0, 0, 40)], recurrent=[(0, 1, 30), (2, 0, 20), (1, 2, 10)],
        synapse={"delay": 2.5, "syn_weight": 2e-3}, place={"ei": ["e"], "pop_name": ["Exc"]},
        inputs={"drive": poisson(), "clamp": clamp(0.4, (0, 1, 2))}, run={"tstop": 40.0},
        reports={"v": report("v")},
    )  # fmt: skip
    return load_simulation(config)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The same with two models that alternate."""
    folder = tmp_path_factory.mktemp("m")
    config = write_library_circuit(folder, cells=4, recurrent=[(0, 1, 30), (2, 3, 20), (1, 2, 10)])
    table = pd.read_csv(folder / "cells_types.csv", sep=" ")
    second = table.assign(node_type_id=7, model_template=f"isocortex:{OTHER}", pop_name="Inh")
    pd.concat([table.assign(pop_name="Exc"), second]).to_csv(
        folder / "cells_types.csv", sep=" ", index=False
    )
    from isocortex.sonata.write import write_nodes

    write_nodes(folder / "cells.h5", "cells", np.array([1, 7, 1, 7]))
    return config


@pytest.fixture(scope="module")
def written(simulation, tmp_path_factory):
    return write_neulite(simulation, tmp_path_factory.mktemp("neulite"))


@pytest.fixture(scope="module")
def read(written, tmp_path_factory):
    return read_neulite(written, tmp_path_factory.mktemp("sonata"), tstop=40.0)


# --- what is written ----------------------------------------------------------------------------


def test_the_files_are_those_of_the_documentation(written):
    assert sorted(str(p.relative_to(written)) for p in written.rglob("*") if p.is_file()) == [
        "cells_cells_connection.csv", "cells_population.csv",
        f"data/{CELL}.csv", f"data/{CELL}.swc",
    ]  # fmt: skip
    lines = (written / "cells_population.csv").read_text().splitlines()
    swc = (written / "data" / f"{CELL}.swc").read_text().splitlines()
    assert lines[0] == "#n_cell,n_comp,name,swc_file,ion_file"
    assert lines[1] == f"3,{len(swc) - 1},Exc_1,data/{CELL}.swc,data/{CELL}.csv"
    ions = (written / "data" / f"{CELL}.csv").read_text().splitlines()
    assert ions[0] == ("Cm,Ra,leak,e_pas,gamma,decay,NaV,NaTs,NaTa,Nap,Kv2like,Kv3_1,K_P,K_T,Kd,Im,"
                       "Im_v2,Ih,SK,Ca_HVA,Ca_LVA")  # fmt: skip
    assert [line[0] for line in ions[1:]] == list("1234")
    connections = (written / "cells_cells_connection.csv").read_text().splitlines()
    assert connections[0] == ("#pre nid,post nid,post cid,weight,tau_decay,tau_rise,erev,delay,e/i")
    assert len(connections) == 1 + 60
    fields = connections[1].split(",")
    assert fields[:2] == ["0", "1"] and fields[3:] == ["0.002", "1.7", "0.1", "0.0", "3", "e"]


def test_rows_are_depth_first_from_zero_with_a_stub_of_two(written):
    rows = np.loadtxt(written / "data" / f"{CELL}.swc")
    ids, kinds, parents = rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 6].astype(int)
    assert ids.tolist() == list(range(len(rows))) and parents[0] == -1
    assert (parents[1:] < ids[1:]).all()
    stack = [0]
    for i in range(1, len(rows)):
        while stack[-1] != parents[i]:
            stack.pop()  # depth first: the parent is among those that this row hangs on
        stack.append(i)
    stub = np.flatnonzero(kinds == 2)
    assert len(stub) == 2 and kinds[parents[stub[0]]] == 1 and parents[stub[1]] == stub[0]
    assert np.linalg.norm(rows[stub[0], 2:5] - rows[parents[stub[0]], 2:5]) == pytest.approx(30.0)
    assert rows[stub, 5].tolist() == [0.5, 0.5]


def test_cells_of_a_model_are_numbered_one_after_the_other(mixed, tmp_path):
    write_neulite(mixed, tmp_path)
    models = read_population(tmp_path / "cells_population.csv")
    assert [(model.n_cells, model.name) for model in models] == [(2, "Exc_1"), (2, "Inh_7")]
    numbers = pd.read_csv(tmp_path / "cells_nodes.csv")
    assert numbers["node_id"].tolist() == [0, 2, 1, 3]
    table = read_connections(tmp_path / "cells_cells_connection.csv")
    pairs = table.groupby(["pre", "post"]).size().to_dict()
    assert pairs == {(0, 2): 30, (1, 3): 20, (2, 1): 10}


def test_what_is_left_out_and_rounded_is_said(simulation, tmp_path, caplog):
    write_neulite(simulation, tmp_path)
    assert "2 nodes and 2 inputs are left out" in caplog.text
    assert "delays are rounded to whole ms" in caplog.text


def two_morphologies(folder, order=(1, 2)):
    """Two cells with one fit, of which the second has an apical dendrite; also as `b/cell.swc`."""
    config = write_library_circuit(folder, cells=2)
    points = {"a": "1 1 0 0 0 6 -1\n2 1 0 0 5 6 1\n3 3 50 0 5 0.5 2\n4 3 90 0 5 0.5 3\n"}
    points["b"] = points["a"] + "5 4 0 60 5 0.7 2\n6 4 0 150 5 0.7 5\n"
    for name, text in points.items():
        (folder / name).mkdir()
        (folder / name / "cell.swc").write_text(text)
    kinds = ("soma", "axon", "dend", "apic")
    cm = {"soma": 1.0, "axon": 1.0, "dend": 2.0, "apic": 3.0}
    genome = [{"section": k, "name": "g_pas", "mechanism": "", "value": "5e-05"} for k in kinds]
    passive = {"ra": 100.0, "e_pas": -80.0, "cm": [{"section": k, "cm": cm[k]} for k in kinds]}
    conditions = {"celsius": 34.0, "v_init": -80.0,
                  "erev": [{"section": "soma", "ena": 53.0, "ek": -107.0}]}  # fmt: skip
    (folder / "shared.json").write_text(
        json.dumps({"passive": [passive], "conditions": [conditions], "genome": genome})
    )
    pd.DataFrame(
        {"node_type_id": order, "model_type": "biophysical", "pop_name": "Exc",
         "model_template": "ctdb:Biophys1.hoc", "model_processing": "aibs_perisomatic",
         "morphology": ["a/cell.swc", "b/cell.swc"], "dynamics_params": "shared.json"}
    ).to_csv(folder / "cells_types.csv", sep=" ", index=False)  # fmt: skip
    from isocortex.sonata.write import write_nodes

    write_nodes(folder / "cells.h5", "cells", np.array([1, 2]))
    return config


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_morphologies_that_share_a_fit_or_a_name_have_files_of_their_own(tmp_path, order):
    folder = write_neulite(two_morphologies(tmp_path / "c", order), tmp_path / "n")
    models = read_population(folder / "cells_population.csv")
    assert len({model.swc for model in models}) == len({model.ions for model in models}) == 2
    apical = [read_ions(model.ions)[4]["Cm"] for model in models]
    # what the first of them lacks is as its dendrites
    assert apical == [2.0, 3.0] if order == (1, 2) else [3.0, 2.0]
    assert sorted(model.n_rows for model in models) == [6, 8]


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_id", library_cells().query("channels != 'all-active'").index[::6])
def test_a_cell_comes_back_as_it_was(tmp_path, cell_id):
    """Its sections are in another order, since rows are depth first; all else is the same."""
    config = write_library_circuit(
        tmp_path / "c", cells=1, place={"model_template": [f"isocortex:{cell_id}"]}
    )
    write_neulite(config, tmp_path / "n")
    read_neulite(tmp_path / "n", tmp_path / "s")
    components = tmp_path / "s" / "components"
    made = ic.compile_allen(
        components / "models" / f"{cell_id}.json",
        components / "morphologies" / f"{cell_id}.swc", "aibs_perisomatic",
    )  # fmt: skip
    embedded = ic.cell(cell_id)
    for name in ("cm", "g_pas", "e_pas"):
        assert set(getattr(made, name)) == set(getattr(embedded, name))
    assert made.area.sum() == pytest.approx(embedded.area.sum(), rel=1e-9)
    assert set(made.mechanisms) == set(embedded.mechanisms)
    for name, table in embedded.mechanisms.items():
        assert {k: v.tolist() for k, v in table.parameters.items()} == {
            k: made.mechanisms[name].parameters[k].tolist() for k in table.parameters
        }
    assert (made.n_nodes == embedded.n_nodes) == (cell_id not in CUT)
    if cell_id not in CUT:
        for name in ("area", "length", "distance_end", "g_axial"):
            np.testing.assert_allclose(
                np.sort(getattr(made, name)), np.sort(getattr(embedded, name)), rtol=1e-12
            )


def test_a_circuit_read_again_has_its_synapses_where_they_were(written, read, tmp_path):
    again = write_neulite(read, tmp_path)
    for name in ("cells_cells_connection.csv", "cells_population.csv"):
        assert (again / name).read_text().replace("data/", "") == (
            written / name
        ).read_text().replace("data/", "")
    for name in (f"{CELL}.csv", f"{CELL}.swc"):
        assert (again / "data" / name).read_text() == (written / "data" / name).read_text()


def test_kinetics_of_single_edges_are_written(tmp_path):
    config = write_library_circuit(tmp_path / "c", recurrent=[(0, 1, 1), (1, 0, 1)])
    with h5py.File(tmp_path / "c/cells_edges.h5", "r+") as file:
        own = file["edges/cells_to_cells"].require_group("0")
        own["afferent_section_id"], own["afferent_section_pos"] = [0, 0], [0.5, 0.5]
        own["dynamics_params/tau2"] = [5.0, 7.0]
    write_neulite(config, tmp_path / "n")
    network = build_network(load_simulation(read_neulite(tmp_path / "n", tmp_path / "s")))
    assert {k.tau_decay for k in network.kinetics} == {5.0, 7.0}


def test_a_circuit_read_runs_and_is_informed_about(read):
    circuit = load_circuit(read.parent / "circuit_config.json")
    assert circuit.nodes["cells"].table["pop_name"].tolist() == ["Exc"] * 3
    assert circuit.nodes["cells"].table["ei"].tolist() == ["e"] * 3
    (edges,) = circuit.edges
    assert len(edges.weight) == 60 and set(edges.weight) == {2e-3} and set(edges.delay) == {3.0}
    assert (edges.section_id > 0).all()
    status, printed, error = isocortex("info", read)
    assert status == 0 and "60" in printed, error
    assert len(ic.run(read, progress=None).spikes) == 0


def test_the_cell_of_a_file_spikes_as_the_embedded_one(read, simulation):
    """The same cell in another order of sections: to within rounding."""
    values = json.loads(read.read_text())
    values["inputs"] = {"clamp": clamp(0.4, (0, 1, 2))}
    values["reports"] = {"v": report("v")}
    read.with_name("clamped.json").write_text(json.dumps(values))
    ours = ic.run(read.with_name("clamped.json"), progress=None)
    del values["network"]
    source = json.loads(simulation.config_file.read_text())
    source["inputs"] = values["inputs"]
    (simulation.config_file.parent / "clamped.json").write_text(json.dumps(source))
    theirs = ic.run(simulation.config_file.parent / "clamped.json", progress=None)
    first = theirs.spikes["timestamps"].iloc[0]
    assert ours.spikes["timestamps"].iloc[0] == first
    before = theirs.report("v")["time"].values < first
    difference = ours.report("v").values[before] - theirs.report("v").values[before]
    assert np.abs(difference).max() < 1e-3


DOCUMENTED = """#n_cell,n_comp,name,swc_file,ion_file
2,5,Scnn1a_100,data/cell.swc,data/fit.csv
1,5,PV_101,data/cell.swc,data/fit.csv
"""
#: The example of the documentation, with the dendrite at the soma's other end.
SWC = """#id type x y z r parent
0 1 0.0 0.0 0.0 12.5 -1
1 1 0.0 0.0 5.0 12.5 0
2 2 0.0 0.0 35.0 0.5 1
3 2 0.0 0.0 65.0 0.5 2
4 3 -50.0 0.0 5.0 0.8 1
"""
#: Those of tutorial 4, whose tau_decay is the shorter.
SYNAPSES = """#pre nid,post nid,post cid,weight,tau_decay,tau_rise,erev,delay,e/i
0,1,4,5e-05,1.0,3.0,0.0,2,e
0,1,2,5e-05,1.0,3.0,0.0,2,e
2,0,3,0.002,8.3,0.5,-70.0,1,i
"""


@pytest.fixture
def documented(tmp_path):
    folder = tmp_path / "V1_nl"
    (folder / "data").mkdir(parents=True)
    (folder / "V1_population.csv").write_text(DOCUMENTED)
    (folder / "V1_V1_connection.csv").write_text(SYNAPSES)
    (folder / "data" / "cell.swc").write_text(SWC)
    values = dict.fromkeys(PARAMETERS, 0.0) | {"Cm": 1.0, "Ra": 100.0, "leak": 5e-5, "e_pas": -80.0}
    soma = values | {"NaV": 0.05, "Kv3_1": 0.1, "Ca_LVA": 1e-3, "gamma": 5e-3, "decay": 200.0}
    lines = [",".join(PARAMETERS)]
    for kind, each in (("1", soma), ("2", values), ("3", values | {"Cm": 2.0}), ("4", values)):
        lines.append(",".join([kind, *map(str, each.values())]))
    (folder / "data" / "fit.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_documentations_examples_are_read(documented, tmp_path, caplog):
    read_neulite(documented, tmp_path / "s")
    circuit = load_circuit(tmp_path / "s" / "circuit_config.json")
    nodes = circuit.nodes["V1"].table
    assert nodes["pop_name"].tolist() == ["Scnn1a", "Scnn1a", "PV"]
    assert nodes["node_type_id"].tolist() == [100, 100, 101]
    assert nodes["ei"].tolist() == ["e", "e", "i"]
    (edges,) = circuit.edges
    # sections: soma, dendrite, then the stub; each row is the end of its piece, or of the stub
    assert edges.target_index.tolist() == [0, 1, 1]
    assert edges.section_id.tolist() == [3, 1, 2]
    assert edges.section_pos.tolist() == [0.5, 0.999, 0.5]
    assert edges.delay.tolist() == [1.0, 2.0, 2.0]
    assert [edges.rules[r].dynamics["tau1"] for r in edges.rule] == [0.5, 1.0, 1.0]
    assert [edges.rules[r].dynamics["tau2"] for r in edges.rule] == [8.3, 3.0, 3.0]
    assert "the shorter is taken as that of the rise" in caplog.text
    fit = json.loads((tmp_path / "s" / "components" / "models" / "fit.json").read_text())
    assert fit["conditions"][0]["erev"] == [{"section": "soma", "ena": 53.0, "ek": -107.0}]
    assert fit["passive"][0]["cm"] == [
        {"section": "soma", "cm": 1.0}, {"section": "axon", "cm": 1.0},
        {"section": "dend", "cm": 2.0},
    ]  # fmt: skip
    assert {e["mechanism"] for e in fit["genome"]} == {"", "NaV", "Kv3_1", "Ca_LVA", "CaDynamics"}


def test_cells_that_share_an_ion_file_share_a_fit_of_all_their_kinds(documented, tmp_path):
    """The last of them has the fewest kinds of section, and is of another network."""
    (documented / "data" / "apical.swc").write_text(SWC + "5 4 0.0 60.0 5.0 0.7 1\n")
    (documented / "V1_population.csv").write_text(
        DOCUMENTED.replace("2,5,Scnn1a_100,data/cell.swc", "2,6,Scnn1a_100,data/apical.swc")
    )
    (documented / "W_population.csv").write_text(DOCUMENTED)
    config = read_neulite(documented, tmp_path / "s")
    fit = json.loads((tmp_path / "s" / "components" / "models" / "fit.json").read_text())
    assert [e["section"] for e in fit["passive"][0]["cm"]] == ["soma", "axon", "dend", "apic"]
    assert len(ic.run(config, tstop=1.0, progress=None).spikes) == 0


def test_files_of_one_name_are_refused(documented, tmp_path):
    (documented / "more").mkdir()
    (documented / "more" / "fit.csv").write_text((documented / "data" / "fit.csv").read_text())
    (documented / "V1_population.csv").write_text(
        DOCUMENTED.replace("1,5,PV_101,data/cell.swc,data", "1,5,PV_101,data/cell.swc,more")
    )
    with pytest.raises(InputError, match="has the name of .*Give files of other contents"):
        read_neulite(documented, tmp_path / "s")


def test_files_without_a_networks_name_are_one(documented, tmp_path):
    (documented / "V1_population.csv").rename(documented / "population.csv")
    (documented / "V1_V1_connection.csv").rename(documented / "connection.csv")
    read_neulite(documented, tmp_path / "s")
    assert set(load_circuit(tmp_path / "s" / "circuit_config.json").nodes) == {"neulite"}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [("V1_population.csv", "#n_cell", "cells", "population.csv: line 1: .*Neulite's is #n_cell"),
     ("V1_population.csv", "2,5", "2,6", "has 6 rows for a model and 5 for PV_101"),
     ("data/cell.swc", "4 3 -50.0 0.0 5.0 0.8 1", "", "cell.swc: has 4 rows, and n_comp says 5"),
     ("V1_population.csv", "2,5", "x,5", "line 2: n_cell 'x' and n_comp '5' must be whole"),
     ("V1_population.csv", "data/fit.csv", "data/fit.csv,1", "line 2: has 6 entries"),
     ("V1_population.csv", "data/fit", "data/other", "other.csv: file does not exist"),
     ("data/cell.swc", "3 2 0.0 0.0 65.0 0.5 2", "3 3 0.0 0.0 65.0 0.5 1", "1 rows of axon"),
     ("data/cell.swc", "5.0 0.8 1", "5.0 0.8 3", "a dendrite grows from the axon's stub"),
     ("data/fit.csv", "\n3,", "\n5,", "line 4: '5' is no section"),
     ("data/fit.csv", "0.05", "much", "line 2: '1' is no section .* or a value is no number"),
     ("V1_V1_connection.csv", "0,1,4", "0,3,4", "connection 1 has post nid 3, and there are 3"),
     ("V1_V1_connection.csv", "0,1,4", "0,1,5", "connection 1 has post cid 5, and there are 5"),
     ("V1_V1_connection.csv", "8.3", "-8.3", "line 4: a number is missing"),
     ("V1_V1_connection.csv", "1,i", "1,x", "line 4: .* or e/i is neither"),
     ("V1_population.csv", "2,5", "²,5", "line 2: n_cell '²' and n_comp '5' must be whole"),
     ("V1_V1_connection.csv", "0,1,4", "0,1,x", "connection.csv: is no table of numbers"),
     ("V1_V1_connection.csv", "post cid", "cid", "line 1: .*Neulite's is #pre nid")],
)  # fmt: skip
def test_mistakes_name_file_and_line(documented, tmp_path, file, old, new, message):
    path = documented / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_neulite(documented, tmp_path / "s")


def test_a_circuit_that_is_there_is_replaced_only_when_asked(documented, tmp_path):
    config = read_neulite(documented, tmp_path / "s")
    config.write_text("mine")
    with pytest.raises(ConfigError, match="already holds a circuit .*simulation_config.json"):
        read_neulite(documented, tmp_path / "s", overwrite=False)
    assert config.read_text() == "mine"
    command = ("build", "neulite", documented, "-o", tmp_path / "s")
    one_line(isocortex(*command), "--overwrite")
    assert isocortex(*command, "--overwrite")[0] == 0 and config.read_text() != "mine"
    with pytest.raises(ConfigError, match="is the folder that is read"):
        read_neulite(documented, documented, overwrite=True)


def test_names_end_in_ids_of_digits_only(documented, tmp_path):
    (documented / "V1_population.csv").write_text(DOCUMENTED.replace("PV_101", "PV_²"))
    read_neulite(documented, tmp_path / "s")
    nodes = load_circuit(tmp_path / "s" / "circuit_config.json").nodes["V1"].table
    assert nodes["pop_name"].tolist()[-1] == "PV_²"


def test_connections_of_networks_that_are_not_there(documented, tmp_path):
    (documented / "V1_V1_connection.csv").rename(documented / "LGN_V1_connection.csv")
    with pytest.raises(InputError, match="LGN_V1_connection.csv: is of networks without"):
        read_neulite(documented, tmp_path / "s")
    with pytest.raises(InputError, match="has no population.csv"):
        read_neulite(tmp_path, tmp_path / "s")


# --- what cannot be said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [({"place": {"model_template": ["isocortex:491766131"]}}, ModelError, "no perisomatic model"),
     ({"synapse": {"delay": 0.3}}, InputError, "a delay of 0.3 ms would be 0"),
     ({"synapse": {"model_template": "exp1syn", "dynamics_params": "one.json"}}, ModelError,
      "Neulite's synapses are exp2syn")],
)  # fmt: skip
def test_what_neulite_does_not_have_is_refused(tmp_path, more, error, message):
    config = write_library_circuit(tmp_path, recurrent=[(0, 1, 3)], **more)
    (tmp_path / "one.json").write_text('{"tau": 2.0, "erev": 0.0}')
    with pytest.raises(error, match=message):
        write_neulite(config, tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_a_folder_of_another_circuit_is_refused(simulation, tmp_path):
    (tmp_path / "V1_population.csv").write_text(DOCUMENTED)
    with pytest.raises(ConfigError, match=r"holds another circuit \(V1_population.csv\)"):
        write_neulite(simulation, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["V1_population.csv"]


def test_too_many_synapses_are_refused(simulation, tmp_path):
    with patch("isocortex.neulite.writing.MOST_SYNAPSES", 59):
        with pytest.raises(ConfigError, match="has 60 synapses.*Write circuits of up to 59"):
            write_neulite(simulation, tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_changed_synapses_are_refused(tmp_path):
    config = write_library_circuit(tmp_path, recurrent=[(0, 1, 3)])
    values = json.loads(config.read_text())
    values["connection_overrides"] = [
        {"name": "half", "source": "cells", "target": "cells", "weight": 0.5}
    ]
    config.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="changes synapses or cells"):
        write_neulite(config, tmp_path / "n")


def test_gap_junctions_are_refused(tmp_path):
    """Before any cell is looked at."""
    config = write_library_circuit(
        tmp_path, place={"model_template": ["isocortex:491766131"]}, recurrent=[(0, 1, 1)],
        synapse={"is_gap_junction": True},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"cells_to_cells: there are gap junctions"):
        write_neulite(config, tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_the_commands(simulation, tmp_path):
    config = simulation.config_file
    status, printed, _ = isocortex("export", config, "--neulite", tmp_path / "n")
    assert (status, printed) == (0, f"Written: {tmp_path / 'n'}\n")
    status, printed, error = isocortex("build", "neulite", tmp_path / "n", "-o", tmp_path / "s")
    assert status == 0 and "simulation_config.json" in printed, error
    one_line(isocortex("export", config), "--nwb FILE or --neulite FOLDER")
    one_line(isocortex("export", config, "--neulite", tmp_path / "n", "--config", config),
             "is for results")  # fmt: skip


def test_every_point_of_every_cell_has_its_place():
    """Places are found by coordinates: all but what NEURON leaves out must be."""
    from isocortex.cells.originals import reconstruction_of

    for cell_id in library_cells().query("channels != 'all-active'").index[::9]:
        swc = reconstruction_of(cell_id)
        places, sections = places_of(swc)
        own = swc.type != 2
        kinds = np.array([section.type for section in sections])
        found = kinds[places.section[own]] == swc.type[own]
        assert found.mean() > 0.999
        made, order = processed(swc)
        assert np.count_nonzero(own) + 2 == len(made.type) == len(order)
