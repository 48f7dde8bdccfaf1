"""A script as users of BMTK write it; ``{bmtk}`` is where it imports from."""

SCRIPT = '''
import json
import random

import numpy as np
from {bmtk}.analyzer.spike_trains import to_dataframe
from {bmtk}.builder.auxi.edge_connectors import connect_random, distance_connector
from {bmtk}.builder.auxi.node_params import positions_columinar, xiter_random
from {bmtk}.builder.networks import NetworkBuilder
from {bmtk}.simulator import bionet
from {bmtk}.simulator.bionet.pyfunction_cache import add_weight_function
from {bmtk}.utils.reports.spike_trains import PoissonSpikeGenerator
from {bmtk}.utils.sim_setup import build_env_bionet

np.random.seed(5)
random.seed(5)

cortex = NetworkBuilder("cortex")
for name, ei, n, fit, swc in (
    ("Scnn1a", "e", 6, "472363762_fit.json", "Scnn1a_473845048_m.swc"),
    ("PV", "i", 3, "472912177_fit.json", "Pvalb_470522102_m.swc"),
):
    own = {{"tuning_angle": np.linspace(0.0, 150.0, n)}} if ei == "e" else {{}}
    cortex.add_nodes(
        N=n, pop_name=name, ei=ei,
        positions=positions_columinar(N=n, center=[0, 50.0, 0], max_radius=30.0, height=100.0),
        rotation_angle_yaxis=xiter_random(N=n, min_x=0.0, max_x=2 * np.pi),
        rotation_angle_zaxis=3.646878266,
        model_type="biophysical", model_template="ctdb:Biophys1.hoc",
        model_processing="aibs_perisomatic", dynamics_params=fit, morphology=swc, **own,
    )
cortex.add_nodes(
    N=4, pop_name="LIF", ei="e", model_type="point_neuron", model_template="nrn:IntFire1",
    dynamics_params="IntFire1_exc_1.json", tuning_angle=[0.0, 40.0, 80.0, 120.0],
)


def places(source, target, first):
    return first + (source.node_id + target.node_id) % 20, 0.5


synapse = {{"model_template": "Exp2Syn", "delay": 2.0}}
placed = ["afferent_section_id", "afferent_section_pos"]
biophysical = {{"model_type": "biophysical"}}

# all at random, and each synapse its own place
cm = cortex.add_edges(
    source={{"pop_name": "Scnn1a"}}, target={{"pop_name": "Scnn1a"}},
    connection_rule=distance_connector,
    connection_params={{"d_weight_min": 0.0, "d_weight_max": 0.9, "d_max": 200.0, "nsyn_min": 1,
                       "nsyn_max": 4}},
    syn_weight=3e-4, weight_function="tuned", weight_sigma=50.0,
    dynamics_params="AMPA_ExcToExc.json", **synapse,
)
cm.add_properties(placed, rule=places, rule_params={{"first": 2}}, dtypes=[int, float])
cm = cortex.add_edges(
    source={{"ei": "i"}}, target=cortex.nodes(**biophysical), connection_rule=[2, 0, 1],
    iterator="all_to_one", dynamics_params="GABA_InhToExc.json", **synapse,
)
cm.add_properties("syn_weight", rule=lambda s, t: 1e-4 * np.random.uniform(1, 3), dtypes=float)
cm.add_properties(placed, rule=places, rule_params={{"first": 1}}, dtypes=[int, float])
# a number for all pairs, kept as nsyns; point neurons need no places
cortex.add_edges(
    source={{"pop_name": "Scnn1a"}}, target={{"pop_name": "LIF"}}, connection_rule=3,
    syn_weight=0.01, dynamics_params="instantaneousExc.json", delay=1.5,
)
cortex.add_edges(
    source={{"pop_name": "LIF"}}, target={{"pop_name": "LIF"}}, connection_rule=connect_random,
    connection_params={{"nsyn_min": 0, "nsyn_max": 3}},
    syn_weight=0.01, dynamics_params="instantaneousExc.json", delay=1.0,
)
cortex.build()
cortex.save(output_dir="network")

thalamus = NetworkBuilder("thalamus")
thalamus.add_nodes(N=20, model_type="virtual", rate=np.linspace(10.0, 40.0, 20))


def some_targets(source, targets, n):
    counts = np.zeros(len(targets))
    counts[np.random.choice(len(targets), n, replace=False)] = np.random.randint(2, 5, size=n)
    return counts


cm = thalamus.add_edges(
    source=thalamus.nodes(), target=cortex.nodes(**biophysical), iterator="one_to_all",
    connection_rule=some_targets, connection_params={{"n": 5}}, syn_weight=6e-4,
    dynamics_params="AMPA_ExcToExc.json", **synapse,
)
cm.add_properties(placed, rule=places, rule_params={{"first": 0}}, dtypes=[int, float])
thalamus.build()
thalamus.save_nodes(output_dir="network")
thalamus.save_edges(output_dir="network")

trains = PoissonSpikeGenerator(population="thalamus", seed=9)
trains.add(node_ids=[0, 1], firing_rate=0.0, times=(0.0, 0.3))
trains.add(node_ids=range(10), firing_rate=40.0, times=(0.0, 0.3))
trains.add(node_ids=range(10, 20), firing_rate=[5.0, 60.0], times=[0.0, 0.3])
trains.to_sonata("inputs/thalamus.h5")

build_env_bionet(
    base_dir=".", config_file="config.json", network_dir="network", tstop=300.0, dt=0.1,
    report_vars=["v"], spikes_inputs=[("thalamus", "inputs/thalamus.h5")],
    include_examples=True, compile_mechanisms=True,
)
with open("simulation_config.json") as file:
    simulation = json.load(file)
simulation["inputs"]["clamp"] = {{
    "input_type": "current_clamp", "module": "IClamp", "node_set": {{"node_id": [0, 7]}},
    "amp": 0.15, "delay": 100.0, "duration": 150.0,
}}
with open("simulation_config.json", "w") as file:
    json.dump(simulation, file)


def tuned(edge, source, target):
    told.append([
        source.node_id, target.node_id, source.model_type, edge.nsyns, edge.delay,
        edge.edge_type_id, edge.source_node_id, edge.target_node_id,
        len(range(edge["afferent_section_id"])), "tuning_angle" in target, "rate" in target,
    ])
    apart = abs(float(target["tuning_angle"]) - float(source["tuning_angle"]))
    return edge["syn_weight"] * np.exp(-((apart / edge["weight_sigma"]) ** 2))


told = []
add_weight_function(tuned)


class Steps(bionet.modules.sim_module.SimulatorMod):
    """Counts what it is called for."""

    calls = {{"initialize": 0, "step": 0, "block": 0, "finalize": 0}}

    def initialize(self, sim):
        self.calls["initialize"] += 1

    def step(self, sim, tstep):
        assert tstep == self.calls["step"]
        self.calls["step"] += 1

    def block(self, sim, interval):
        self.calls["block"] += 1

    def finalize(self, sim):
        self.calls["finalize"] += 1


conf = bionet.Config.from_json("config.json")
conf.build_env()
net = bionet.BioNetwork.from_config(conf)
sim = bionet.BioSimulator.from_config(conf, network=net)
sim.add_mod(Steps())
sim.run()
table = to_dataframe(config_file="config.json").sort_values(["timestamps", "node_ids"])
with open("facts.json", "w") as file:
    json.dump({{"spikes": table[["node_ids", "timestamps"]].values.tolist(),
               "calls": Steps.calls, "nedges": [cortex.nedges, thalamus.nedges],
               "told": told}}, file, default=lambda number: number.item())
'''


#: What scripts of other repositories do besides: functions for axons and spikes, spikes of a
#: population of another name, variables, a report whose file is called otherwise.
FIELD = """
import json

import numpy as np
from {bmtk}.analyzer.spike_trains import to_dataframe
from {bmtk}.builder import NetworkBuilder
from {bmtk}.simulator import bionet
from {bmtk}.simulator.bionet.default_setters.cell_models import set_params_peri
from {bmtk}.utils.reports import CompartmentReport
from {bmtk}.utils.reports.spike_trains import SpikeTrains
from {bmtk}.utils.sim_setup import build_env_bionet

cortex = NetworkBuilder("cortex")
cortex.add_nodes(
    N=2, pop_name="Scnn1a", model_type="biophysical", model_template="ctdb:Biophys1.hoc",
    model_processing="aibs_axon", dynamics_params="472363762_fit.json",
    morphology="Scnn1a_473845048_m.swc",
)
cortex.build()
cortex.save(output_dir="network")
for name in ("told", "given"):
    virtual = NetworkBuilder(name)
    virtual.add_nodes(N=3, model_type="virtual", first=[5.0, 20.0, 40.0])
    cm = virtual.add_edges(
        target=cortex.nodes(), connection_rule=lambda s, t: 6, dynamics_params="AMPA_ExcToExc.json",
        model_template="Exp2Syn", delay=2.0, syn_weight=2e-3,
    )
    cm.add_properties(
        ["afferent_section_id", "afferent_section_pos"], dtypes=[int, float],
        rule=lambda s, t: (1 + 7 * s.node_id + t.node_id, 0.5),
    )
    virtual.build()
    virtual.save(output_dir="network")
trains = SpikeTrains(population="OTHER")
for node in range(3):
    trains.add_spikes([node] * 2, [10.0 + 15 * node, 70.0 + node], population="OTHER")
trains.to_sonata("other.h5")
build_env_bionet(
    base_dir=".", config_file="config.json", network_dir="network", tstop=10.0, dt=0.1,
    include_examples=True, compile_mechanisms=True,
)
with open("simulation_config.json") as file:
    simulation = json.load(file)
simulation["run"]["tstop"] = "${{long}}"
simulation["inputs"] = {{
    "told": {{"input_type": "spikes", "module": "sonata", "input_file": "other.h5",
             "node_set": "told"}},
    "given": {{"input_type": "spikes", "module": "function", "node_set": "given",
              "spikes_function": "every_ten"}},
}}
simulation["reports"] = {{"membrane": {{"module": "membrane_report", "variable_name": "v",
                                      "cells": "all", "sections": "soma", "file_name": "v.h5"}}}}
simulation["node_sets_file"] = "node_sets.json"
with open("simulation_config.json", "w") as file:
    json.dump(simulation, file)


@bionet.model_processing
def aibs_axon(hobj, cell, dynamics_params):
    set_params_peri(hobj, dynamics_params)
    return hobj


@bionet.spikes_generator
def every_ten(node, sim):
    return np.arange(node["first"], sim.tstop, 20.0)


conf = bionet.Config.from_json("config.json", long=100.0)
conf.build_env()
sim = bionet.BioSimulator.from_config(conf, network=bionet.BioNetwork.from_config(conf))
sim.run()
report = CompartmentReport("output/v.h5")
table = to_dataframe(config_file="config.json").sort_values(["timestamps", "node_ids"])
with open("facts.json", "w") as file:
    json.dump({{"spikes": table[["node_ids", "timestamps"]].values.tolist(),
               "v": [report.data(node_id=node).tolist() for node in (0, 1)]}}, file)
"""
