"""The ten most common shapes of BMTK's scripts, with the one import changed; what is refused."""

import json
import runpy
import subprocess
import sys

import h5py
import matplotlib
import numpy as np
import pandas as pd
import pytest
from library_circuit import CELL, EXC, clamp, write_library_circuit
from matplotlib import pyplot as plt

import isocortex as ic
from isocortex.bmtk import NetworkBuilder, bionet
from isocortex.bmtk.analyzer import node_types_table, nodes_table
from isocortex.bmtk.analyzer.compartment import plot_traces
from isocortex.bmtk.analyzer.spike_trains import (
    plot_raster,
    plot_rates,
    plot_rates_boxplot,
    spike_statistics,
    to_dataframe,
)
from isocortex.bmtk.builder.auxi.edge_connectors import connect_random, distance_connector
from isocortex.bmtk.builder.auxi.node_params import positions_columinar, xiter_random
from isocortex.bmtk.builder.bionet.swc_reader import get_swc
from isocortex.bmtk.simulator.bionet.modules.sim_module import SimulatorMod
from isocortex.bmtk.simulator.bionet.pyfunction_cache import (
    add_cell_processor,
    add_synapse_model,
    add_weight_function,
    py_modules,
)
from isocortex.bmtk.utils.create_environment import create_environment
from isocortex.bmtk.utils.reports.spike_trains import PoissonSpikeGenerator
from isocortex.bmtk.utils.sim_setup import build_env_bionet
from isocortex.errors import ConfigError, ModelError

CELLS = {"model_type": "biophysical", "model_template": f"isocortex:{CELL}"}
SYNAPSE = {
    "model_template": "exp2syn", "dynamics_params": "exc.json", "delay": 2.0, "syn_weight": 2e-3,
    "target_sections": ["basal", "apical"], "distance_range": [0.0, 150.0],
}  # fmt: skip
#: Options of a run that is short.
ONE = {"threads": 1}
#: A rank that makes its configuration.
WRITES = """
from isocortex.bmtk.simulator.bionet import Config
given = {"run": {"tstop": 5.0, "dt": 0.1}, "output": {"log_file": "x" * 2**16}}
assert all(Config.from_dict(given) == given for _ in range(100))
"""


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    """A folder to work in, with synapses; nothing is registered, no figure is left."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    models = tmp_path / "components" / "synaptic_models"
    models.mkdir(parents=True)
    (models / "exc.json").write_text(json.dumps(EXC))
    (models / "lif.json").write_text(json.dumps({"sign": 1}))
    point = tmp_path / "components" / "point_neuron_models"
    point.mkdir()
    (point / "lif.json").write_text(json.dumps({"tau": 0.01, "refrac": 0.003}))
    yield
    py_modules.clear()
    plt.close("all")


def _cortex(n=2, **properties):
    cortex = NetworkBuilder("mcortex")
    cortex.add_nodes(N=n, pop_name="Scnn1a", ei="e", **CELLS, **properties)
    return cortex


def _thalamus(cortex, n=10, **edges):
    """Virtual nodes onto a cortex, saved, and their spikes."""
    thalamus = NetworkBuilder("mthalamus")
    thalamus.add_nodes(N=n, pop_name="tON", model_type="virtual")
    thalamus.add_edges(
        source={"pop_name": "tON"}, target=cortex.nodes(), **{"connection_rule": 5, **SYNAPSE,
                                                              **edges},
    )  # fmt: skip
    thalamus.build()
    thalamus.save_nodes(output_dir="network")
    thalamus.save_edges(output_dir="network")
    psg = PoissonSpikeGenerator(population="mthalamus", seed=1)
    psg.add(node_ids=range(n), firing_rate=40.0, times=(0.0, 0.05))
    psg.to_sonata("inputs/spikes.h5")
    return thalamus


INPUTS = [("mthalamus", "inputs/spikes.h5")]


def _environment(tstop=50.0, **options):
    build_env_bionet(
        base_dir=".", config_file="config.json", network_dir="network", tstop=tstop, dt=0.1,
        **{"compile_mechanisms": True, **options},
    )  # fmt: skip


def _run(config="config.json", modules=()):
    conf = bionet.Config.from_json(config, validate=True)
    conf.build_env()
    net = bionet.BioNetwork.from_config(conf)
    sim = bionet.BioSimulator.from_config(conf, network=net, **ONE)
    for module in modules:
        sim.add_mod(module)
    sim.run()
    bionet.nrn.quit_execution()
    return sim


def test_1_a_cell_with_a_current(tmp_path):
    net = _cortex(1)
    net.build()
    net.save_nodes(output_dir="sim/network")
    build_env_bionet(
        base_dir="sim", config_file="config.json", network_dir="network", tstop=60.0, dt=0.1,
        report_vars=["v", "cai"], current_clamp={"amp": 0.3, "delay": 5.0, "duration": 50.0},
    )  # fmt: skip
    _run("sim/config.json")
    table = to_dataframe(config_file="sim/config.json")
    assert len(table) > 1 and set(table["population"]) == {"mcortex"}
    step = {"step": clamp(amp=0.3, delay=5.0, duration=50.0)}
    other = write_library_circuit(tmp_path / "other", cells=1, inputs=step, run={"tstop": 60.0})
    expected = ic.run(other, threads=1).spikes["timestamps"]
    np.testing.assert_array_equal(table["timestamps"], expected)
    figure = plot_traces(config_file="sim/config.json", node_ids=[0], report_name="v_report")
    assert figure.axes[0].get_ylabel() == "v (mV)"
    assert len(figure.axes[0].lines[0].get_xdata()) == 600
    plot_traces(config_file="sim/config.json", node_ids=0, report_name="cai_report")
    with pytest.raises(ConfigError, match="reports v_report, cai_report|cai_report, v_report"):
        plot_traces(config_file="sim/config.json")
    with pytest.raises(ConfigError, match="node_ids: there is no node 7 in the report. It has 0"):
        plot_traces(config_file="sim/config.json", node_ids=[0, 7], report_name="v_report")
    with pytest.raises(TypeError, match="colour"):
        plot_traces(config_file="sim/config.json", report_name="v_report", colour="red")
    types = node_types_table("sim/network/mcortex_node_types.csv")
    assert types["model_type"].tolist() == ["biophysical"]
    assert len(nodes_table("sim/network/mcortex_nodes.h5", "mcortex")) == 1
    script = tmp_path / "sim" / "run_bionet.py"
    assert "isocortex.bmtk" in script.read_text()


def test_2_a_cell_with_synapses():
    cortex = _cortex(1)
    cortex.build()
    cortex.save_nodes(output_dir="network")
    thalamus = _thalamus(cortex)
    assert thalamus.nedges == 50
    _environment(report_vars=["v"], spikes_inputs=INPUTS)
    _run()
    table = to_dataframe(config_file="config.json")
    assert 0 < len(table) == len(ic.Result("output").spikes)
    types = pd.read_csv("network/mthalamus_mcortex_edge_types.csv", sep=" ")
    assert types["source_query"].tolist() == ["pop_name=='tON'"]


def test_3_a_population_connected_at_random():
    n = 4
    cortex = _cortex(
        n, positions=positions_columinar(N=n, center=[0, 50.0, 0], max_radius=30.0, height=100.0),
        rotation_angle_yaxis=xiter_random(N=n, min_x=0.0, max_x=2 * np.pi),
        rotation_angle_zaxis=3.646878266,
    )  # fmt: skip
    cortex.add_edges(
        source={"pop_name": "Scnn1a"}, target={"pop_name": "Scnn1a"},
        connection_rule=distance_connector,
        connection_params={"d_weight_min": 1.0, "d_weight_max": 1.0, "d_max": 500.0,
                           "nsyn_min": 1, "nsyn_max": 3},
        **SYNAPSE,
    )  # fmt: skip
    cortex.build()
    cortex.save_nodes(output_dir="network")
    cortex.save_edges(output_dir="network")
    _thalamus(cortex, connection_rule=connect_random,
              connection_params={"nsyn_min": 5, "nsyn_max": 12})  # fmt: skip
    _environment(report_vars=["v"], spikes_inputs=INPUTS)
    _run()
    assert len(cortex.edges()) == n * (n - 1)
    assert len(plot_raster(config_file="config.json", show=False).axes) == 2
    figure = plot_traces(config_file="config.json", report_name="v_report", save_as="v.png")
    mean = ic.Result("output").report("v_report").values.mean(axis=1)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), mean)
    first = next(iter(cortex.nodes()))
    assert len(first["positions"]) == 3


def test_4_several_populations_point_neurons_and_a_weight_function():
    net = _cortex(2, tuning_angle=[0.0, 90.0])
    net.add_nodes(N=3, pop_name="LIF", ei="e", model_type="point_process",
                  model_template="nrn:IntFire1", dynamics_params="lif.json",
                  tuning_angle=[0.0, 45.0, 90.0])  # fmt: skip
    plain = {**SYNAPSE, "weight_function": "tuned", "weight_sigma": 50.0}
    net.add_edges(source={"pop_name": "LIF"}, target={"pop_name": "Scnn1a"}, **plain)
    net.add_edges(
        source={"pop_name": "Scnn1a"}, target={"pop_name": "LIF"}, connection_rule=2,
        syn_weight=0.6, weight_function="wmax", dynamics_params="lif.json", delay=2.0,
    )  # fmt: skip
    net.build()
    net.save(output_dir="network")

    def some(sources, target, n):
        counts = np.zeros(len(sources))
        counts[np.random.choice(len(sources), n, replace=False)] = 6  # noqa: NPY002
        return counts

    lgn = NetworkBuilder("mthalamus")
    lgn.add_nodes(N=10, model_type="virtual")
    lgn.add_edges(source=lgn.nodes(), target=net.nodes(pop_name="Scnn1a"), iterator="all_to_one",
                  connection_rule=some, connection_params={"n": 8}, **SYNAPSE)  # fmt: skip
    lgn.add_edges(source=lgn.nodes(), target=net.nodes(pop_name="there is none"),
                  connection_rule=some, iterator="all_to_one", **SYNAPSE)  # fmt: skip
    lgn.build()
    lgn.save(output_dir="network")
    psg = PoissonSpikeGenerator(population="mthalamus", seed=1)
    psg.add(node_ids="network/mthalamus_nodes.h5", firing_rate=60.0, times=(0.0, 0.05))
    psg.to_sonata("inputs/spikes.h5")
    _environment(report_vars=["v"], spikes_inputs=INPUTS)
    asked = []

    def tuned(edge, source, target):
        asked.append((source["node_id"], target["node_id"], edge["nsyns"], edge["delay"]))
        apart = abs(source["tuning_angle"] - target["tuning_angle"])
        return edge["syn_weight"] * (1.0 - apart / 100.0) * (source["pop_name"] == "LIF")

    add_weight_function(tuned)
    sim = _run()
    assert asked == [(s, t, 1, 2.0) for t in (0, 1) for s in (2, 3, 4)]
    edges = next(e for e in sim.simulation.circuit.edges if e.name == "mcortex_to_mcortex")
    onto_cell = edges.weight[edges.target_index == 0]
    np.testing.assert_allclose(onto_cell, 2e-3 * np.array([1.0, 0.55, 0.1]))
    assert set(to_dataframe(config_file="config.json")["node_ids"]) > {0, 1}
    boxes = plot_rates_boxplot(config_file="config.json", group_by="pop_name", save_as="b.png")
    assert [t.get_text() for t in boxes.axes[0].get_xticklabels()] == ["LIF", "Scnn1a"]
    plot_raster(config_file="config.json", group_by="pop_name", group_excludes="LIF")
    plot_rates(config_file="config.json", group_by="pop_name", times=(10.0, 50.0))
    assert len(plt.get_fignums()) == 3
    statistics = spike_statistics("output/spikes.h5", simulation=sim, group_by="pop_name")
    spikes = to_dataframe(config_file="config.json")
    of_cells = (spikes["node_ids"] < 2).sum() / 2
    assert statistics.loc["Scnn1a", ("count", "mean")] == of_cells
    assert statistics.loc["Scnn1a", ("firing_rate", "mean")] == of_cells / 0.05


def test_5_synapses_where_the_script_puts_them(shared):
    """Reconstruction and fit file, and ``get_swc`` in a rule."""
    components = shared / "examples" / "bmtk" / "bio_components"
    morphologies = components / "morphologies"
    net = NetworkBuilder("mcortex")
    net.add_nodes(
        N=2, ei="e", x=[0.0, 50.0], morphology="Scnn1a_473845048_m.swc", model_type="biophysical",
        model_template="ctdb:Biophys1.hoc", dynamics_params="472363762_fit.json",
        model_processing="aibs_perisomatic",
    )  # fmt: skip
    net.build()
    net.save(output_dir="network")

    def places(source, target, sections):
        swc = get_swc(target, morphology_dir=morphologies, use_cache=True)
        section, x = swc.choose_sections(sections, [0.0, 150.0], n_sections=1)
        return section[0], x[0], *swc.get_swc_id(section[0], x[0])

    virtual = NetworkBuilder("mthalamus")
    virtual.add_nodes(N=10, model_type="virtual")
    cm = virtual.add_edges(
        target=net.nodes(), connection_rule=lambda *_: 4, dynamics_params="exc.json",
        model_template="Exp2Syn", syn_weight=2e-3, delay=2.0,
    )  # fmt: skip
    cm.add_properties(
        ["afferent_section_id", "afferent_section_pos", "afferent_swc_id", "afferent_swc_pos"],
        rule=places, rule_params={"sections": ["dend", "apic"]}, dtypes=[int, float, int, float],
    )  # fmt: skip
    virtual.build()
    virtual.save(output_dir="network")
    psg = PoissonSpikeGenerator(population="mthalamus", seed=1)
    psg.add(node_ids=range(10), firing_rate=60.0, times=(0.0, 0.03))
    psg.to_sonata("inputs/spikes.h5")
    _environment(tstop=30.0, spikes_inputs=INPUTS)
    circuit = json.loads(open("circuit_config.json").read())
    circuit["components"]["morphologies_dir"] = str(morphologies)
    fits = components / "biophysical_neuron_templates" / "ctdb"
    circuit["components"]["biophysical_neuron_models_dir"] = str(fits)
    open("circuit_config.json", "w").write(json.dumps(circuit))
    sim = _run()
    (edges,) = sim.simulation.circuit.edges
    assert len(edges.section_id) == 80 and (edges.section_id > 0).all()
    assert len(sim.result.spikes) > 0


def test_6_rules_that_look_at_lists_of_nodes():
    """As BMTK's example of 14 cells: what a target is decides which sources it has."""
    v1 = _cortex(2, tuning_angle=[0.0, 25.0])
    v1.add_nodes(N=1, pop_name="PV1", ei="i", **CELLS)
    v1.build()
    v1.save(output_dir="network")

    def select(sources, target, n):
        wanted = "tON" if "tuning_angle" in target else "tONOFF"
        return [n if source["pop_name"] == wanted else 0 for source in sources]

    lgn = NetworkBuilder("lgn")
    for name in ("tON", "tONOFF"):
        lgn.add_nodes(N=5, pop_name=name, model_type="virtual")
    for target in ("Scnn1a", "PV1"):
        lgn.add_edges(source=lgn.nodes(), target=v1.nodes(pop_name=target), iterator="all_to_one",
                      connection_rule=select, connection_params={"n": 10}, weight_function="wmax",
                      **SYNAPSE)  # fmt: skip
    lgn.build()
    lgn.save(output_dir="network")
    pairs = {(edge.source_node_id, edge.target_node_id) for edge in lgn.edges()}
    assert pairs == {(s, t) for s in range(5) for t in (0, 1)} | {(s, 2) for s in range(5, 10)}
    _environment(tstop=5.0)
    _run()


def test_7_networks_that_are_built_one_after_the_other():
    """``import_nodes``, files of one's own names, and a filter of ``create_environment``."""
    cortex = _cortex(2, firing_rate=[10, 20])
    cortex.build()
    cortex.save_nodes("network/slice_nodes.h5", "network/slice_node_types.csv")
    ext = NetworkBuilder("EXT")
    ext.add_nodes(N=2, model_type="virtual", firing_rate=[10, 20])
    ext.save_nodes("network/ext_nodes.h5", "network/ext_node_types.csv")
    again = NetworkBuilder("mcortex")
    again.import_nodes("network/slice_nodes.h5", "network/slice_node_types.csv")
    for rate in (10, 20):
        again.add_edges(source=ext.nodes(firing_rate=rate), target=again.nodes(firing_rate=rate),
                        connection_rule=8, **SYNAPSE)  # fmt: skip
    again.build()
    again.save_edges("network/ext_to_slice_edges.h5", "network/ext_to_slice_edge_types.csv")
    other = NetworkBuilder("other")
    other.add_nodes(model_type="virtual")
    other.save_nodes(output_dir="network")
    psg = PoissonSpikeGenerator(population="EXT", seed=1)
    psg.add(node_ids=[0, 1], firing_rate=100.0, times=(0.0, 0.03))
    psg.to_csv("inputs/spikes.csv")
    create_environment(
        "bionet", base_dir=".", network_dir="network", config_name="syns", tstop=30.0, dt=0.1,
        network_filter=["slice", "ext"], report_vars=["v"], overwrite=True,
        spikes_inputs=[("EXT", "inputs/spikes.csv")],
    )  # fmt: skip
    config = json.loads(open("config.syns.json").read())
    assert len(config["networks"]["nodes"]) == 2
    sim = _run("config.syns.json")
    pairs = [
        (e.source_index.tolist(), e.target_index.tolist()) for e in sim.simulation.circuit.edges
    ]
    assert pairs == [([0, 1], [0, 1])]


def test_8_a_configuration_that_the_script_changes():
    cortex = _cortex(1)
    cortex.build()
    cortex.save_nodes(output_dir="network")
    _environment(tstop=20.0, report_vars=["v"])
    conf = bionet.Config.from_json("config.json")
    assert (conf.tstop, conf.dt, conf.celsius, conf.v_init) == (20.0, 0.1, 34.0, -80.0)
    assert conf.block_step == 5000 and conf.output_dir.endswith("output")
    spikes = {}
    for amp in (0.0, 0.5):
        conf["inputs"]["step"] = {
            "input_type": "current_clamp", "module": "IClamp", "node_set": "all", "amp": amp,
            "delay": 1.0, "duration": 18.0,
        }  # fmt: skip
        conf["output"]["output_dir"] = f"output_{amp:g}"
        conf.build_env()
        sim = bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf), **ONE)
        sim.run()
        spikes[amp] = len(sim.result.spikes)
        assert sim.result.directory.name == f"output_{amp:g}"
    assert spikes[0.0] == 0 < spikes[0.5]
    assert "step" not in bionet.Config.from_json("config.json").inputs
    given = dict(bionet.Config.from_json("config.json"))
    given["run"] = {**given["run"], "tstop": 5.0}
    conf = bionet.Config.from_dict(given)
    assert conf.tstop == 5.0 and bionet.Config.load(given).tstop == 5.0


def test_ranks_write_the_same_configuration_at_once(tmp_path):
    given = {"run": {"tstop": 5.0, "dt": 0.1}, "output": {"log_file": "x" * 2**16}}
    writing = [subprocess.Popen([sys.executable, "-c", WRITES]) for _ in range(2)]
    while any(each.poll() is None for each in writing):
        assert bionet.Config.from_dict(given) == given
    assert [each.returncode for each in writing] == [0, 0]
    assert [file.name for file in tmp_path.iterdir() if "json" in file.name] == [
        "config.from_dict.json"
    ]


class _Counting(SimulatorMod):
    def __init__(self):
        self.blocks, self.steps, self.ends = [], [], []

    def initialize(self, sim):
        self.trace = sim.session.record("v", [0])
        self.ends.append("begin")

    def block(self, sim, block_interval):
        self.blocks.append(block_interval)

    def finalize(self, sim):
        self.ends.append(len(sim.session.spikes))


class _Stepping(_Counting):
    def step(self, sim, tstep):
        assert sim.session.time == pytest.approx((tstep + 1) * sim.dt)
        self.steps.append(sim.session.voltage(0))


@pytest.mark.parametrize("kind", [_Counting, _Stepping])
def test_9_modules(kind):
    cortex = _cortex(1)
    cortex.build()
    cortex.save_nodes(output_dir="network")
    step = {"amp": 0.5, "delay": 1.0, "duration": 18.0, "gids": [0]}
    _environment(tstop=20.0, report_vars=["v"], current_clamp=step, nsteps_block=80)
    alone = _run().result
    spikes, trace = alone.spikes, alone.report("v_report").values
    module = kind()
    sim = _run(modules=[module])
    assert module.blocks == [(0, 80), (80, 160), (160, 200)]
    assert module.ends == ["begin", len(spikes)]
    np.testing.assert_array_equal(sim.result.report("v_report").values, trace)
    np.testing.assert_array_equal(module.trace.data.values.astype(np.float32), trace)
    if kind is _Stepping:
        np.testing.assert_array_equal(module.steps, module.trace.data.values[:, 0])
    assert sim.n_steps == 200 and sim.simulation_time("s") == 0.02


def test_10_the_script_that_was_written_runs(monkeypatch, caplog):
    cortex = _cortex(1)
    cortex.build()
    cortex.save_nodes(output_dir="network")
    _environment(tstop=5.0, report_vars=["v"])
    monkeypatch.setattr(sys, "argv", ["run_bionet.py"])
    runpy.run_path("run_bionet.py", run_name="__main__")
    with h5py.File("output/v_report.h5") as file:
        assert file["report/mcortex/data"].shape == (50, 1)
    _environment(tstop=6.0)  # what is there is left as it is
    assert "config.json exists already" in caplog.text and "node_sets" not in caplog.text
    assert bionet.Config.from_json("config.json").tstop == 5.0
    _environment(tstop=6.0, overwrite_config=True)
    assert bionet.Config.from_json("config.json").tstop == 6.0


def test_create_environment_has_the_arguments_of_bmtk_in_its_order():
    create_environment(
        "bionet", ".", "network", "components", "sets.json", "results", False, "go.py", None,
        "cfg one", False, None, ["v"], None, None, None, [], None, None, None, 1.0, 5.0,
    )  # fmt: skip
    config = json.loads(open("cfg_one.json").read())
    assert config["node_sets_file"] == "$BASE_DIR/sets.json"
    assert config["manifest"]["$OUTPUT_DIR"] == "$BASE_DIR/results"
    run = config["run"]
    assert (run["tstart"], run["tstop"], run["dt"], list(config["reports"])) == (
        1.0, 5.0, 0.001, ["v_report"]
    )  # fmt: skip
    assert "cfg_one.json" in open("go.py").read()
    with pytest.raises(ConfigError, match="create_environment split_configs: not supported"):
        create_environment("bionet", split_configs=True)
    with pytest.raises(ConfigError, match="create_environment rates_inputs: not supported"):
        create_environment("bionet", rates_inputs=[("lgn", "rates.csv")])


# --- refused -------------------------------------------------------------------------------------


def test_functions_for_neuron_are_refused_where_a_circuit_calls_them():
    cortex = _cortex(1, model_processing="mine")
    cortex.add_edges(**{**SYNAPSE, "model_template": "my_synapse"})
    cortex.build()
    cortex.save(output_dir="network")
    _environment(tstop=5.0)
    conf = bionet.Config.from_json("config.json")
    net = bionet.BioNetwork.from_config(conf)

    def function(*_):
        raise AssertionError

    add_synapse_model(function, "my_synapse")
    with pytest.raises(ModelError, match="'my_synapse' is a Python function for objects of NEURON"):
        bionet.BioSimulator.from_config(conf, net)
    add_cell_processor(function, "mine")
    with pytest.raises(ModelError, match="model_processing: 'mine' is a Python function"):
        bionet.BioSimulator.from_config(conf, net)
    py_modules.clear()

    @bionet.cell_model(directive="isocortex", model_type="biophysical")
    def loads(*_):
        raise AssertionError

    with pytest.raises(ModelError, match="model_template: 'isocortex' is a Python function"):
        bionet.BioSimulator.from_config(conf, net)


def test_weights_that_are_no_numbers_are_refused():
    cortex = _cortex(1)
    cortex.add_edges(**{**SYNAPSE, "weight_function": "mine", "syn_weight": None})
    cortex.build()
    cortex.save(output_dir="network")
    _environment(tstop=5.0)
    conf = bionet.Config.from_json("config.json")
    with pytest.raises(ModelError, match="weight_function 'mine' is unknown"):
        bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))

    @bionet.synaptic_weight(name="mine")
    def weight(edge, source, target):
        return float("nan")

    with pytest.raises(ic.IsocortexError, match="weight nan from the function weight"):
        bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))
    py_modules.synaptic_weights["mine"] = lambda edge, source, target: 1e-4
    sim = bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))
    assert sim.simulation.circuit.edges[0].weight.tolist() == [1e-4]


def test_functions_for_weights_are_told_what_bmtk_tells_them():
    cortex = NetworkBuilder("mcortex")
    cortex.add_nodes(N=1, pop_name="Scnn1a", kind=None, **CELLS)
    cortex.add_nodes(N=1, pop_name="odd", kind="x", layer=[4], **CELLS)
    cortex.add_edges(
        source={"pop_name": "odd"}, target={"pop_name": "Scnn1a"}, connection_rule=3,
        **{**SYNAPSE, "weight_function": "mine", "note": None},
    )  # fmt: skip
    placed = cortex.add_edges(source={"pop_name": "odd"}, **{**SYNAPSE, "weight_function": "mine"})
    placed.add_properties(["sec_id", "sec_x"], rule=(1, 0.5), dtypes=[int, float])
    placed.add_properties("label", rule=7, dtypes=int)
    cortex.build()
    cortex.save(output_dir="network")
    with h5py.File("network/mcortex_mcortex_edges.h5", "a") as file:
        file["edges/mcortex_to_mcortex/1/text"] = np.array([b"one", b"two"])
    _environment(tstop=5.0)
    seen = []

    @bionet.synaptic_weight(name="mine")
    def mine(edge, source, target):
        seen.append((edge, source, target))
        return edge.syn_weight * len(range(edge["nsyns"] if "nsyns" in edge else 1))

    conf = bionet.Config.from_json("config.json")
    sim = bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))
    assert sim.simulation.circuit.edges[0].weight.tolist() == [6e-3, 2e-3, 2e-3]
    edge, source, target = seen[0]
    assert (edge.nsyns, edge.delay, edge.edge_type_id) == (3, 2.0, 100)
    assert (edge.source_node_id, edge.source_population, edge.target_node_id) == (1, "mcortex", 0)
    assert edge["target_sections"] == ["basal", "apical"] and edge["note"] is None
    assert (source.node_id, source.model_type, source.population_name) == (
        1, "biophysical", "mcortex"
    )  # fmt: skip
    assert "kind" in target and target["kind"] is None and source.kind == "x"
    assert "none" not in target and not hasattr(target, "none")
    with pytest.raises(AttributeError):
        edge.delay = 3.0
    placed, others = seen[1][0], sorted(each[0]["text"] for each in seen[1:])
    assert (placed.nsyns, placed["sec_id"], placed["label"]) == (1, 1, 7)
    assert isinstance(placed["label"], int) and "nsyns" not in placed and others == ["one", "two"]

    def wrong(edge, source, target):
        return edge["none"] + 1

    py_modules.synaptic_weights["mine"] = wrong
    message = "edge type 100: the function wrong failed at edge 0: KeyError: 'none'"
    with pytest.raises(ic.IsocortexError, match=message) as error:
        bionet.BioSimulator.from_config(conf, bionet.BioNetwork.from_config(conf))
    assert "\n" not in str(error.value)


def test_objects_of_neuron_are_refused_with_what_there_is_instead(monkeypatch):
    cortex = _cortex(1)
    cortex.build()
    cortex.save_nodes(output_dir="network")
    _environment(tstop=5.0)
    conf = bionet.Config.from_json("config.json")
    net = bionet.BioNetwork.from_config(conf)
    sim = bionet.BioSimulator.from_config(conf, net)
    with pytest.raises(ConfigError, match="BioNetwork.get_cell_gid: .*sim.session"):
        net.get_cell_gid(0)
    net.build()
    assert not hasattr(net, "get_cell_gid") and not hasattr(sim, "h")
    with pytest.raises(ConfigError, match="sim.h: there is no NEURON"):
        sim.h  # noqa: B018
    with pytest.raises(ConfigError, match="sim.session: the simulation has not begun"):
        sim.session  # noqa: B018
    with pytest.raises(ConfigError, match="modules.SpikesMod: .*`output`"):
        bionet.modules.SpikesMod  # noqa: B018
    with pytest.raises(ConfigError, match="no simulator 'pointnet' here"):
        create_environment("pointnet")
    monkeypatch.setattr("isocortex.bmtk.utils.environment.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="pip install --no-deps bmtk"):
        _environment(include_examples=True)
    with pytest.raises(ConfigError, match="no attribute 'layer'"):
        from isocortex.bmtk.analyzer.source import Source

        Source("config.json").groups("mcortex", "layer", None)
