"""Gap junctions beside BioNet, run now: the same files, spikes and voltages from one script.

BMTK brings no mechanism for them: half a gap is written here as users of BMTK write theirs.
Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import isocortex as ic

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

SCRIPT = '''
import json, pathlib, subprocess, sys
from {bmtk}.builder.networks import NetworkBuilder
from {bmtk}.simulator import bionet
from {bmtk}.utils.sim_setup import build_env_bionet

GAP = """
NEURON {{
    POINT_PROCESS Gap
    NONSPECIFIC_CURRENT i
    RANGE g, i, vgap
}}
PARAMETER {{ g = 0 (microsiemens) }}
ASSIGNED {{ v (millivolt) vgap (millivolt) i (nanoamp) }}
BREAKPOINT {{ i = g * (v - vgap) }}
"""
where = sys.argv[1]
net = NetworkBuilder("cells", gj_id_start=10)
net.add_nodes(
    N=2, pop_name="Scnn1a", model_type="biophysical", model_template="ctdb:Biophys1.hoc",
    model_processing="aibs_perisomatic", dynamics_params="472363762_fit.json",
    morphology="Scnn1a_473845048_m.swc", x=0.0, y=0.0, z=0.0,
)
net.add_nodes(
    N=2, pop_name="PV", model_type="biophysical", model_template="ctdb:Biophys1.hoc",
    model_processing="aibs_perisomatic", dynamics_params="472912177_fit.json",
    morphology="Pvalb_470522102_m.swc", x=50.0, y=0.0, z=0.0,
)
synapse = {{"model_template": "Exp2Syn", "dynamics_params": "GABA_InhToExc.json", "delay": 1.3,
           "syn_weight": 2e-3}}
different = lambda source, target: int(source.node_id != target.node_id)
chain = lambda source, target: int(target.node_id == source.node_id + 1)
if where == "soma":  # sections by name; a synapse on a soma has one place, too
    soma = {{"target_sections": ["somatic"], "distance_range": [0.0, 300.0]}}
    net.add_gap_junctions(
        source={{"pop_name": "PV"}}, target={{"pop_name": "PV"}}, connection_rule=different,
        resistance=400.0,
    )
    net.add_gap_junctions(
        source={{"pop_name": "Scnn1a"}}, target={{}}, connection_rule=chain, conductance=1.5e-3
    )
    net.add_edges(
        source={{"pop_name": "PV"}}, target={{"pop_name": "Scnn1a"}}, connection_rule=1,
        is_gap_junction=False, **soma, **synapse,
    )
else:  # a dendrite of both, somewhere along it; and no synapse
    dendrite = {{"afferent_section_id": 9, "afferent_section_pos": 0.5, "target_sections": None}}
    net.add_edges(
        source={{}}, target={{}}, connection_rule=chain, is_gap_junction=True, syn_weight=4e-3,
        **dendrite,
    )
    net.add_edges(
        source={{"pop_name": "PV"}}, target={{"pop_name": "PV"}}, is_gap_junction=True,
        connection_rule=lambda s, t: int(s.node_id > t.node_id), syn_weight=1e-3,
        **{{**dendrite, "afferent_section_id": 3}},
    )
net.build()
net.save(output_dir="network")
build_env_bionet(
    base_dir=".", config_file="config.json", network_dir="network", tstop=250.0, dt=0.1,
    report_vars=["v"], include_examples=True, compile_mechanisms=False,
)
if "{bmtk}" == "bmtk":
    mechanisms = pathlib.Path("components/mechanisms")
    (mechanisms / "modfiles" / "gap.mod").write_text(GAP)
    tool = pathlib.Path(sys.executable).parent / "nrnivmodl"
    subprocess.run([tool, "modfiles"], cwd=mechanisms, check=True, capture_output=True)
simulation = json.loads(pathlib.Path("simulation_config.json").read_text())
simulation["reports"] = {{
    name: {{"module": "membrane_report", "variable_name": "v", "cells": "all", "sections": sections,
           "file_name": name + ".h5"}}
    for name, sections in (("soma", "soma"), ("everywhere", "all"))
}}
simulation["reports"]["ecp"] = {{
    "module": "extracellular", "variable_name": "v", "cells": "all",
    "electrode_positions": "electrode.csv", "electrode_channels": "all", "file_name": "ecp.h5",
}}
pathlib.Path("electrode.csv").write_text(
    "channel x_pos y_pos z_pos\\n0 20.0 15.0 10.0\\n1 -10.0 120.0 25.0\\n"
)
for name, cells, amp in (("one", [0], 0.16), ("other", [2], 0.5)):
    simulation.setdefault("inputs", {{}})[name] = {{
        "input_type": "current_clamp", "module": "IClamp", "node_set": {{"node_id": cells}},
        "amp": amp, "delay": 20.0, "duration": 200.0,
    }}
pathlib.Path("simulation_config.json").write_text(json.dumps(simulation))
conf = bionet.Config.from_json("config.json")
conf.build_env()
net = bionet.BioNetwork.from_config(conf)
sim = bionet.BioSimulator.from_config(conf, network=net)
sim.run()
'''


@pytest.fixture(scope="module", params=["soma", "dendrite"])
def folders(request, tmp_path_factory):
    """What the script leaves behind, by where it imports from."""
    found = []
    for name in ("bmtk", "isocortex.bmtk"):
        folder = tmp_path_factory.mktemp(f"{request.param}_{name}")
        (folder / "script.py").write_text(SCRIPT.format(bmtk=name))
        subprocess.run([sys.executable, "script.py", request.param], cwd=folder, check=True)
        found.append(folder)
    return found


def _spikes(folder: Path) -> list[tuple[int, float]]:
    with h5py.File(folder / "output" / "spikes.h5") as file:
        group = file["spikes/cells"]
        times = np.round(group["timestamps"][:], 6)
        return sorted(zip(group["node_ids"][:].tolist(), times.tolist(), strict=True))


def _data(folder: Path, name: str) -> np.ndarray:
    with h5py.File(folder / "output" / f"{name}.h5") as file:
        return file["ecp/data" if name == "ecp" else "report/cells/data"][:]


def test_files_are_those_of_bmtk(folders):
    tables = []
    for folder in folders:
        with h5py.File(folder / "network" / "cells_gap_juncs.h5") as file:
            assert sorted(file) == ["source_ids", "src_gap_ids", "target_ids", "trg_gap_ids"]
            tables.append(np.stack([file[key][:] for key in sorted(file)]).tolist())
        circuit = json.loads((folder / "circuit_config.json").read_text())
        (entry,) = circuit["networks"]["gap_juncs"]
        assert entry["gap_juncs_file"].endswith("cells_gap_juncs.h5")
    assert tables[0] == tables[1]


def test_spikes_and_voltages_are_those_of_bionet(folders):
    theirs, ours = folders
    expected = _spikes(theirs)
    assert {node for node, _ in expected} >= {0, 2}
    assert (np.ptp(_data(theirs, "soma")[:, [1, 3]], axis=0) > 2.0).all()  # without electrodes
    assert _spikes(ours) == expected
    for name in ("soma", "everywhere"):
        difference = np.abs(_data(ours, name) - _data(theirs, name)).max()
        assert difference < 1e-5, name  # mV; theirs are rounded to 32 bits


def test_potentials_outside_are_those_of_bionet(folders):
    """What flows through a gap counts as through the membrane, as NEURON's Gap counts it."""
    theirs, ours = (_data(folder, "ecp") for folder in folders)
    assert np.ptp(theirs) > 1e-4
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.ptp(theirs))


def test_bmtks_files_run_here_too(folders, tmp_path):
    theirs, ours = folders
    result = ic.run(theirs / "config.json", output_dir=tmp_path / "out", threads=2)
    spikes = zip(result.spikes["node_ids"].tolist(), result.spikes["timestamps"].tolist(),
                 strict=True)  # fmt: skip
    assert sorted(spikes) == _spikes(ours)
