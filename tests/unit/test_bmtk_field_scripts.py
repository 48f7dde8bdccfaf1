"""What scripts of public repositories ask for besides the shapes of BMTK's own examples."""

import json
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pytest
from library_circuit import ORIGIN, clamp, write_library_circuit
from matplotlib import pyplot as plt

import isocortex as ic
from isocortex.bmtk import NetworkBuilder, __version__, bionet
from isocortex.bmtk.analyzer.cell_vars import plot_report
from isocortex.bmtk.analyzer.compartment import plot_traces
from isocortex.bmtk.analyzer.ecp import plot_ecp
from isocortex.bmtk.builder.auxi.node_params import positions_columinar
from isocortex.bmtk.builder.bionet import SWCReader, get_swc, rand_syn_locations
from isocortex.bmtk.neuron import h
from isocortex.bmtk.simulator.bionet import modules
from isocortex.bmtk.simulator.bionet.default_setters import cell_models
from isocortex.bmtk.simulator.bionet.pyfunction_cache import py_modules
from isocortex.bmtk.simulator.core.simulation_config import SimulationConfig
from isocortex.bmtk.utils.io.spike_trains import PoissonSpikesGenerator
from isocortex.bmtk.utils.reports import CompartmentReport
from isocortex.bmtk.utils.reports.spike_trains import SpikeTrains
from isocortex.bmtk.utils.sonata.config import SonataConfig
from isocortex.bmtk.utils.sonata.utils import add_hdf5_magic, add_hdf5_version
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.network.cells import compile_cell_of
from isocortex.sonata.config import load_output_dir

RUN = {"tstop": 20.0, "dt": 0.1}


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    """A folder to work in; nothing is registered, no figure is left."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    yield
    py_modules.clear()
    plt.close("all")


@pytest.fixture
def components(shared):
    return shared / "examples" / "bmtk" / "bio_components"


def _cell(components, n=1, **properties):
    """A network of reconstructed cells, saved, and its configuration."""
    net = NetworkBuilder("v1")
    net.add_nodes(
        **{"N": n, "pop_name": "Scnn1a", "model_type": "biophysical",
           "model_template": "ctdb:Biophys1.hoc", "morphology": "Scnn1a_473845048_m.swc",
           "dynamics_params": "472363762_fit.json", **properties}
    )  # fmt: skip
    net.build()
    net.save(output_dir="network")
    config = {
        "run": RUN,
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "output": {"output_dir": "output"},
        "components": {
            "morphologies_dir": str(components / "morphologies"),
            "biophysical_neuron_models_dir": str(
                components / "biophysical_neuron_templates" / "ctdb"
            ),
        },
        "networks": {"nodes": [{"nodes_file": "network/v1_nodes.h5",
                                "node_types_file": "network/v1_node_types.csv"}]},
    }  # fmt: skip
    with open("config.json", "w") as file:
        json.dump(config, file)
    return net


def _simulation():
    conf = bionet.Config.from_json("config.json", validate=True)
    return bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf)).simulation


# --- functions that make cells ready --------------------------------------------------------------


def test_a_function_that_leaves_the_axon(components):
    """As ``aibs_axon`` of bionet-VISp-biocells-iclamp and BMTK's example of a full axon."""
    _cell(components, model_processing="aibs_axon")
    told = []

    @bionet.model_processing
    def aibs_axon(hobj, cell, dynamics_params):
        told.append((cell["pop_name"], cell.node_id))
        cell_models.set_params_peri(hobj, dynamics_params)
        return hobj

    own = compile_cell_of(_simulation(), "v1", 0)
    assert told == [("Scnn1a", 0)]
    _cell(components)
    plain = compile_cell_of(_simulation(), "v1", 0)
    _cell(components, model_processing="aibs_perisomatic")
    stub = compile_cell_of(_simulation(), "v1", 0)
    assert len(own.parent) == len(plain.parent) > len(stub.parent)


@pytest.mark.parametrize(
    ("chain", "meant"),
    [
        ("mine", "aibs_allactive"),
        ("aibs_perisomatic", "aibs_allactive"),  # a function of that name goes before
        ("extracellular,mine", "aibs_allactive"),
        ("whole,aibs_perisomatic_directed", "aibs_perisomatic_directed"),
    ],
)
def test_functions_of_functions(components, chain, meant):
    _cell(components, model_processing=chain)

    def mine(hobj, cell, dynamics_params):
        cell_models.fix_axon_allactive(hobj)
        cell_models.set_params_allactive(hobj, dynamics_params)
        return hobj

    @bionet.model_processing
    def whole(hobj, cell, dynamics_params):
        cell_models.set_params_peri(hobj, dynamics_params)

    bionet.nrn.add_cell_processor(mine, chain if "," not in chain else "mine")
    (nodes,) = _simulation().circuit.nodes.values()
    assert nodes.table["model_processing"].tolist() == [meant]


def _takes_apart(hobj, cell, dynamics_params):
    hobj.soma[0].insert("hh")


def _sets_nothing(hobj, cell, dynamics_params):
    cell_models.fix_axon_peri(hobj)


def _sets_other_numbers(hobj, cell, dynamics_params):
    dynamics_params["genome"][0]["value"] = 1.0
    cell_models.set_params_peri(hobj, dynamics_params)


def _replaces_afterwards(hobj, cell, dynamics_params):
    cell_models.set_params_peri(hobj, dynamics_params)
    cell_models.fix_axon_peri(hobj)


def _replaces_twice(hobj, cell, dynamics_params):
    cell_models.fix_axon_peri(hobj)
    cell_models.aibs_allactive(hobj, cell, dynamics_params)


def _hides(hobj, cell, dynamics_params):
    cell_models.set_params_peri(hobj, dynamics_params)
    if hasattr(hobj, "axon"):
        hobj.axon[0].diam = 2.0


def _fails(hobj, cell, dynamics_params):
    raise KeyError(cell["nothing"])


@pytest.mark.parametrize(
    ("function", "properties", "message"),
    [
        (_takes_apart, {}, "'mine' is a Python function for objects of NEURON.*soma: is of a cell"),
        (_hides, {}, "axon: is of a cell of NEURON"),
        (_sets_nothing, {}, "it does not set the parameters of the file, or not after .* Use aibs"),
        (_replaces_afterwards, {}, "or not after it replaces the axon"),
        (_replaces_twice, {}, "it replaces the axon twice"),
        (_sets_other_numbers, {}, "it does not set the parameters of the file"),
        (_fails, {}, "there are none: KeyError"),
        (_sets_nothing, {"model_template": "nml:Cell_1.cell.nml"}, "only ctdb:Biophys1.hoc has"),
        (_sets_nothing, {"model_processing": "mine,other"}, "there is no 'other'"),
    ],
)  # fmt: skip
def test_functions_that_want_more_are_refused(components, function, properties, message):
    _cell(components, **{"model_processing": "mine", **properties})
    bionet.nrn.add_cell_processor(function, "mine")
    with pytest.raises(ModelError, match=message):
        _simulation()


# --- spikes, variables ----------------------------------------------------------------------------


def _spiking(tmp_path, **more):
    """A configuration of two cells and three virtual nodes whose spikes a function gives."""
    inputs = {"given": {"input_type": "spikes", "module": "function", "node_set": "drive",
                        "spikes_function": "mine", **more}}  # fmt: skip
    return write_library_circuit(tmp_path, inputs=inputs, run={"tstop": 20.0})


def _loaded(path):
    conf = bionet.Config.from_json(path)
    return bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf)).simulation


def test_spikes_of_a_function(tmp_path):
    path = _spiking(tmp_path)
    told = []

    @bionet.spikes_generator
    def mine(node, sim):
        told.append((node.node_id, node.population_name, sim.tstop, sim.dt))
        return None if node["node_id"] == 0 else np.arange(sim.tstop, 5.0, -10.0) - node["node_id"]

    (made,) = _loaded(path).inputs
    count = len(told)
    assert told == [(node, "drive", 20.0, 0.1) for node in range(count)] and count > 1
    assert made.times.tolist() == sorted(made.times.tolist())
    assert {(int(r), t) for r, t in zip(made.rows, made.times, strict=True)} == {
        (node, time - node) for node in range(1, count) for time in (20.0, 10.0)
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda node, sim: [-1.0], "<lambda> gives node 0 of drive a spike at -1 ms"),
        (lambda node, sim: [1.0, np.nan], "a spike at nan ms"),
        (lambda node, sim: ["soon"], "failed at node 0 of drive: ValueError"),
        (lambda node, sim: node["nothing"], "failed at node 0 of drive: KeyError: 'nothing'"),
    ],
)  # fmt: skip
def test_spikes_that_are_none(tmp_path, given, message):
    path = _spiking(tmp_path)
    bionet.spikes_generator(name="mine")(given)
    with pytest.raises(InputError, match=message):
        _loaded(path)


def test_spikes_of_a_function_need_the_script(tmp_path):
    path = _spiking(tmp_path)
    with pytest.raises(
        ConfigError, match="spikes_function: no script has a function 'mine'. Run t"
    ):
        ic.load_simulation(path)
    bionet.spikes_generator(name="other")(lambda node, sim: [])
    with pytest.raises(ConfigError, match="It has other"):
        _loaded(path)


def test_variables_of_a_script(tmp_path):
    """As the scripts of the V1 models: ``Config.from_json(file, output_name=..., ...)``."""
    path = write_library_circuit(tmp_path, inputs={"step": clamp(amp=0.1)})
    config = json.loads(path.read_text())
    config["manifest"] = {"$WHERE": "out_${name}", "$name": "nobody"}
    config["run"]["tstop"], config["output"]["output_dir"] = "${long}", "$WHERE"
    config["inputs"]["step"]["amp"] = "$amp"
    path.write_text(json.dumps(config))
    conf = bionet.Config.from_json(
        path, validate=True, name=Path("mine"), long=np.int64(7), amp=0.25, unused=[]
    )
    assert conf.tstop == 7.0 and conf.output_dir.endswith("out_mine")
    sim = bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))
    (step,) = sim.simulation.inputs
    assert sim.tstop == 7.0 and sim.simulation.output_dir.name == "out_mine"
    assert conf.file().name == f"{path.stem}.changed.json"
    with pytest.raises(ConfigError, match="variable 'long' is not defined"):
        bionet.Config.from_json(path, validate=True)
    config["manifest"] = {"$WHERE": "out_${name}"}
    path.write_text(json.dumps(config))
    assert load_output_dir(path).name == "out_${name}"


def test_configurations_have_other_names(tmp_path):
    path = write_library_circuit(tmp_path, inputs={})
    for kind in (SonataConfig, SimulationConfig):
        assert kind.from_json(str(path))["run"]["dt"] == 0.1
    with pytest.raises(ConfigError, match="sonata.File: is BMTK's reader of files"):
        from isocortex.bmtk.utils.sonata import File  # noqa: F401
    assert __version__.startswith("1.")
    with pytest.raises(ConfigError, match="modules.SaveSynapses.*by a function for weights"):
        modules.SaveSynapses  # noqa: B018


# --- places ---------------------------------------------------------------------------------------


def test_random_places(components):
    net = _cell(components, 2, x=[0.0, 100.0], model_processing="aibs_perisomatic")
    (cell, other), folder = net.nodes(), components / "morphologies"
    place = rand_syn_locations(None, cell, ["basal"], [30.0, 150.0], folder, return_coords=True)
    swc = get_swc(cell, folder, use_cache=True)
    assert len(place) == 7 and swc.seg_props.type[place[0]] == 3
    np.testing.assert_allclose(place[4:], swc.get_coords(place[0], place[1]))
    assert len(rand_syn_locations(None, other, morphology_dir=folder)) == 4
    # the folder is not looked at for a cell that is known, as in BMTK
    assert get_swc(cell, folder / "elsewhere", use_cache=True) is swc
    with pytest.raises(InputError, match="cannot read the morphology"):
        get_swc(cell, folder / "elsewhere")
    for changed in ({"x": 7.0}, {"model_processing": "aibs_allactive"}):  # of another network
        with pytest.raises(InputError, match="cannot read the morphology"):
            get_swc({**cell, **changed}, folder / "elsewhere", use_cache=True)
        assert get_swc({**cell, **changed}, folder, use_cache=True) is not swc


def test_places_by_names_of_old_scripts(components):
    assert positions_columinar(N=3, plot=True).shape == (3, 3)
    swc = SWCReader(components / "morphologies" / "Scnn1a_473845048_m.swc", 1)
    sections, xs = swc.choose_sections(["apical"], [0.0, 1e9], n_sections=2)
    there = swc.get_coord(sections, xs, soma_center=[1.0, 2.0, 3.0])
    moved = swc.move_and_rotate([1.0, 2.0, 3.0])
    np.testing.assert_allclose(there[1], moved.get_coords(sections[1], xs[1]))
    np.testing.assert_allclose(moved.get_coord(sections, xs, [1.0, 2.0, 3.0])[0], there[0])
    assert swc.get_type(sections) == [4, 4] and min(swc.get_dist(sections)) > 0


def test_a_rule_that_gives_fewer_values_than_there_are_names(caplog):
    net = NetworkBuilder("a")
    net.add_nodes(N=2, model_type="virtual")
    edges = net.add_edges(connection_rule=1, delay=1.0)
    edges.add_properties(["p", "q", "r"], rule=lambda *_: [1, 2.5], dtypes=[int, float, int])
    net.build()
    net.save_edges(output_dir=".")
    with h5py.File("a_a_edges.h5") as file:
        group = file["edges/a_to_a/0"]
        assert group["p"][:].tolist() == [1] * 4 and group["r"][:].tolist() == [0] * 4
    assert "the rule gives 2 values; r is 0, as in BMTK" in caplog.text


# --- what was recorded ----------------------------------------------------------------------------


@pytest.fixture
def ran(tmp_path):
    """A run with a report whose file has another name than the report, and potentials."""
    path = write_library_circuit(
        tmp_path, cells=2, place=ORIGIN, inputs={"step": clamp(amp=0.3, delay=2.0, duration=15.0)},
        run={"tstop": 20.0},
        reports={
            "membrane_potential": {"cells": "all", "variable_name": "v", "sections": "soma",
                                   "module": "membrane_report", "file_name": "v_report.h5"},
            "calcium": {"cells": [1], "variable_name": "cai", "sections": "all",
                        "module": "membrane_report"},
            "probe": {"cells": "all", "module": "extracellular", "variable_name": "v",
                      "electrode_positions": "probe.csv", "file_name": "ecp.h5"}},
    )  # fmt: skip
    (path.parent / "probe.csv").write_text("channel x_pos y_pos z_pos\n0 50 0 0\n1 60 50 0\n")
    return path, ic.run(path, threads=1)


def test_reports_by_the_name_that_the_configuration_gives_them(ran):
    path, result = ran
    lines = plot_traces(config_file=path, report_name="membrane_potential", node_ids=[0]).axes[0]
    voltage = result.report("v_report").values[:, 0]
    np.testing.assert_allclose(lines.lines[0].get_ydata(), voltage)
    figures = plot_report(config_file=path)
    assert sorted(len(figure.axes[0].lines) for figure in figures) == [1, 2]
    for only in ({"variables": "cai"}, {"report_name": "membrane_potential", "node_ids": [1]}):
        (figure,) = plot_report(config_file=path, **only)
        assert [line.get_label() for line in figure.axes[0].lines] == ["node 1"]
    (figure,) = plot_report(config_file=path, variables=["cai"])
    assert figure.axes[0].get_ylabel().startswith("cai")
    (alone,) = plot_report(report_file=result.directory / "v_report.h5")
    assert len(alone.axes[0].lines) == 2
    for named in ({"config_file": path, "report_name": "probe"}, {"config_file": path},
                  {"ecp_path": result.directory / "ecp.h5"}):  # fmt: skip
        assert len(plot_ecp(**named, show=False).axes[0].lines) == 2


def test_reports_are_read(ran):
    _, result = ran
    report = CompartmentReport(result.directory / "calcium.h5", mode="r", population="Exc")
    (name,) = report.populations
    assert report.variable() == "cai" and report.units(name) == "mM"
    assert (report.tstart(), report.tstop(), report.dt()) == (0.0, 20.0, 0.1)
    assert report.node_ids().tolist() == [1] and report.n_elements(1) > 10
    whole = result.report("calcium").values
    np.testing.assert_array_equal(report.data(), whole)
    np.testing.assert_array_equal(report.data(node_id=1, sections="origin"), whole[:, :1])
    inside = report.data(1, name, time_window=(5.0, 6.0), sections=[0])
    np.testing.assert_array_equal(inside, whole[50:60, report.element_ids(1) == 0])
    assert inside.size
    np.testing.assert_allclose(report.time_trace(), np.linspace(0.0, 20.0, len(whole)))
    assert report.n_steps() == len(whole)
    assert ((report.element_pos() > 0) & (report.element_pos() < 1)).all()
    with pytest.raises(ConfigError, match="there is no node 7 in the report. It has 1"):
        report.data(node_id=7)
    with pytest.raises(ConfigError, match="there are no sections 'dend'. Use all, origin or ids"):
        report.data(sections="dend")
    assert CompartmentReport.load(report) is report
    with pytest.raises(ConfigError, match="reports are written by a run"):
        CompartmentReport("new.h5", mode="w")
    soma = CompartmentReport(result.directory / "v_report.h5")
    assert soma.data(node_id=0).shape == (soma.n_steps(), 1)


# --- spikes of old scripts, NEURON ----------------------------------------------------------------


def test_poisson_trains_of_old_scripts():
    np.random.seed(3)  # noqa: NPY002
    PoissonSpikesGenerator(range(3), 100.0, tstop=500.0).to_hdf5("old.h5")
    np.random.seed(3)  # noqa: NPY002
    uniform = np.random.uniform(size=300)  # noqa: NPY002
    drawn = np.cumsum(-np.log(1.0 - uniform) / 0.1)
    trains = SpikeTrains.load("old.h5")
    first, count = trains.get_times(0), np.searchsorted(drawn, 500.0) + 1
    assert first[0] == -np.log(1.0 - uniform[0]) / 0.1
    np.testing.assert_allclose(first, drawn[:count])
    second = np.cumsum(np.diff(drawn)[count - 1 :])  # of what is drawn next
    np.testing.assert_allclose(trains.get_times(1), second[: np.searchsorted(second, 500.0) + 1])
    assert trains.node_ids().tolist() == [0, 1, 2] and 100 < len(trains) < 200
    with pytest.raises(ConfigError, match="must not be negative"):
        PoissonSpikesGenerator(range(3), -1.0)
    with pytest.raises(ConfigError, match="no order 'time'"):
        PoissonSpikesGenerator(range(3), 100.0).to_hdf5("old.h5", sort_order="time")
    with h5py.File("old.h5", "r+") as file:
        add_hdf5_magic(file)
        add_hdf5_version(file)
        assert file.attrs["magic"] == 0x0A7A and file.attrs["version"].tolist() == [0, 1]


def test_what_scripts_ask_of_neuron():
    pc = h.ParallelContext()
    assert (int(pc.id()), int(pc.nhost())) == (0, 1)
    pc.barrier()
    pc.gid_clear()
    pc.done()
    assert h.load_file("stdrun.hoc") and h.nrn_load_dll("nrnmech.dll")
    h.secondorder = 0
    with pytest.raises(ConfigError, match="h.secondorder: there is no NEURON.*option integrator"):
        h.secondorder = 2
    with pytest.raises(AttributeError, match="h.Vector: there is no NEURON"):
        h.Vector()
