"""What examples name and the repositories do not hold: built, found or stood in for.

All is written into copies of the repositories' examples. A file that is there stays as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.bmtk import NetworkBuilder
from isocortex.bmtk.builder.bionet import SWCReader
from isocortex.bmtk.utils.reports.spike_trains import PoissonSpikeGenerator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from allen_nwb import write_sweeps

#: Longest that a script may build a network, s.
LIMIT = 3600.0
#: Where the units of a session are said to be, and how many of each.
AREAS = {"LGd": 100, "VISp": 150, "VISl": 150}
#: The largest example.
EI = "ei_networks/bionet/config.json"
#: What of a configuration was made, by its path below ``examples``.
Notes = dict[str, str]


def script(path: Path) -> str:
    """A script with the package in its imports, and names that NumPy no longer has."""
    text = re.sub(r"\b(from|import) bmtk\b", r"\1 isocortex.bmtk", path.read_text())
    return re.sub(r"\bnp\.(float|int)\b", r"\1", text)


def functions_of(config: Path) -> Path:
    """Where the functions are that a configuration names, if it names any."""
    return config.with_suffix(".functions.py")


def complete(examples: Path, *, large: bool) -> Notes:
    """Make what is missing in a copy of ``examples``, and say of which configurations.

    Parameters
    ----------
    large : also the network of 12,500 cells, which asks 156 million pairs.
    """
    notes: Notes = {} if large else {EI: "its script builds it: with `--large`"}
    for make in (*MAKERS, *([_ei_network] if large else [])):
        for config, note in make(examples):
            notes[config] = f"{notes[config]}; {note}" if config in notes else note
    return notes


def _sweeps(examples: Path) -> Iterator[tuple[str, str]]:
    """A current of 0.2 nA from 5 ms on, as a sweep of the Allen Cell Types Database."""
    amps = np.zeros(25_000)
    amps[250:] = 2e-10
    for file, name, configs in (
        ("bio_advanced_stimuli/inputs/483111427_ephys.nwb", "Sweep_55",
         ["bio_advanced_stimuli/config.simulation_iclamp.nwb.json"]),
        ("bio_all_active_sweep/ephys_inputs/488683423_ephys.nwb", "Sweep_35",
         [f"bio_all_active_sweep/config.simulation.491766131_{axon}axon.sweep35.json"
          for axon in ("full", "stub")]),
    ):  # fmt: skip
        path = examples / file
        if path.parent.parent.is_dir() and not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_sweeps(path, {name: amps}, rate=50_000.0)
            yield from ((config, f"a stand-in for {path.name}: one step") for config in configs)


def _functions(examples: Path) -> Iterator[tuple[str, str]]:
    """The run script has the function that leaves the axon: as a script of the configuration."""
    name = "bio_all_active_sweep/config.simulation.491766131_fullaxon.sweep35.json"
    config = examples / name
    if config.exists():
        functions_of(config).write_text(script(config.parent / "run_bionet.py"))
        yield name, "with the function of its run_bionet.py"


def _waveform(examples: Path) -> Iterator[tuple[str, str]]:
    """Two phases of 1 ms each."""
    path = examples / "bio_components/stimulations/waveform.csv"
    if path.parent.is_dir() and not path.exists():
        path.write_text("time amplitude\n0 0\n5 1\n6 -1\n7 0\n50 0\n")  # as BMTK reads it
        models = examples / "bio_components/biophysical_neuron_templates"
        shutil.copy(models / "ctdb/472363762_fit.json", models)
        for name in ("1c", "2x"):
            yield (
                f"bio_comsol/config_comsol_{name}.json",
                "a stand-in for waveform.csv: one pulse; the fit file in the folder that it says",
            )


def _sessions(examples: Path) -> Iterator[tuple[str, str]]:
    """Recordings of Poisson trains of 2 Hz, with the ids of units that the examples' maps name."""
    folder = examples / "bio_neuropixels"
    if not folder.is_dir():
        return
    random = np.random.default_rng(1)
    named = pd.concat(
        pd.read_csv(path, sep=" ") for path in sorted(folder.glob("units_maps/*.csv"))
    )
    for session, first in ((715093703, 1), (754829445, 10_001), (798911424, 20_001)):
        path = folder / f"ecephys_cache_dir/session_{session}/session_{session}.nwb"
        if path.exists():
            continue
        path.parent.mkdir(parents=True)
        area = np.repeat(list(AREAS), list(AREAS.values()))
        ids = first + np.arange(len(area))
        if session == 798911424:
            ids = np.r_[ids, named["unit_ids"]]
            area = np.r_[area, named["population"]]
        trains = [np.sort(random.uniform(0.0, 1600.0, random.poisson(3200))) for _ in ids]
        _write_session(path, str(session), ids.tolist(), area.tolist(), trains)
    for name in ("sample", "multi_session", "units_map"):
        yield (
            f"bio_neuropixels/config.simulation.{name}.json",
            "stand-ins for the sessions' NWB files: Poisson trains",
        )


def _write_session(
    path: Path, name: str, ids: list[int], area: list[str], trains: list[np.ndarray]
) -> None:
    """One channel for every area, good units, and eight presentations of a grating."""
    from pynwb import NWBHDF5IO, NWBFile  # an extra, which only this needs
    from pynwb.epoch import TimeIntervals

    when = datetime(2020, 1, 1, tzinfo=UTC)
    file = NWBFile(session_description=name, identifier=name, session_start_time=when)
    probe = file.create_electrode_group(
        "probe", "of a stand-in", "brain", file.create_device("probe")
    )
    places = sorted(set(area))
    for channel, place in enumerate(places):
        file.add_electrode(id=channel, location=place, group=probe)
    for column in ("peak_channel_id", "isi_violations", "amplitude_cutoff", "presence_ratio"):
        file.add_unit_column(column, "as in the recordings of the Allen Institute")
    for unit, place, train in zip(ids, area, trains, strict=True):
        file.add_unit(
            id=unit, spike_times=train, peak_channel_id=places.index(place), isi_violations=0.1,
            amplitude_cutoff=0.05, presence_ratio=0.99,
        )  # fmt: skip
    gratings = TimeIntervals(name="drifting_gratings_presentations", description="gratings")
    for column in ("temporal_frequency", "orientation"):
        gratings.add_column(column, "of the grating")
    for begin in 60.0 + 3.0 * np.arange(8):
        gratings.add_interval(begin, begin + 2.0, temporal_frequency=4.0, orientation=90.0)
    file.add_time_intervals(gratings)
    with NWBHDF5IO(path, "w") as written:
        written.write(file)


def _archive(examples: Path) -> Iterator[tuple[str, str]]:
    """The same file is in the example's archive; checkouts without large files lack it."""
    path, archive = (
        examples / "bio_nsg" / name
        for name in ("bio_450cells/inputs/lgn_spikes.h5", "bio_450cells_nsg.zip")
    )
    if archive.exists() and not path.exists():
        with zipfile.ZipFile(archive) as opened:
            opened.extract("bio_450cells/inputs/lgn_spikes.h5", archive.parent)
        yield "bio_nsg/bio_450cells/config.json", "its spikes from bio_450cells_nsg.zip"


def _template(examples: Path) -> Iterator[tuple[str, str]]:
    """A form whose blanks are names of files."""
    config, network = (
        examples / "bio_nsg" / name for name in ("bio_template/config.json", "bio_450cells/network")
    )
    if config.exists():
        shutil.copytree(network, config.parent / "network", dirs_exist_ok=True)
        text = config.read_text()
        for blank, name in (
            ("NODES_H5", "v1_nodes.h5"), ("NODE_TYPES_CSV", "v1_node_types.csv"),
            ("EDGES_H5", "v1_v1_edges.h5"), ("EDGE_TYPES_H5", "v1_v1_edge_types.csv"),
        ):  # fmt: skip
            text = text.replace(f"<{blank}>", name)
        config.write_text(text)
        yield "bio_nsg/bio_template/config.json", "its blanks filled in with v1 of bio_450cells"


#: The rule of the example's script, asked once for every target and not for every pair.
PER_TARGET = """
_ids = {}

def per_target(sources, target, p=0.1):
    n = len(sources)
    if n not in _ids:  # of its three choices of sources each has its length
        _ids[n] = np.array([source['node_id'] for source in sources])
    return np.where(_ids[n] == target['node_id'], 0, np.random.binomial(1, p, n))

if build_recurrent_edges:"""


def _ei_network(examples: Path) -> Iterator[tuple[str, str]]:
    """12,500 cells by the example's script; folders and files have other names than it says."""
    folder = examples / "ei_networks/bionet"
    if not folder.is_dir() or (folder / "network/internal_nodes.h5").exists():
        return
    _build_ei(folder)
    yield (
        EI,
        "built by its script, with its rule by target; components of bio_components and bio_nsg "
        "under the names it has",
    )


def _build_ei(folder: Path, *changes: tuple[str, str]) -> None:
    examples = folder.parents[1]
    named = examples / "biophys_components"
    if not named.exists():
        named.symlink_to("bio_components")
    for model in (examples / "bio_nsg/bio_template/components/synaptic_models").glob("brunel*"):
        shutil.copy(model, named / "synaptic_models")
    by_target = "connection_rule=per_target, iterator='all_to_one'"
    _build(
        folder, ("connection_rule=random_connections", by_target),
        ("\nif build_recurrent_edges:", PER_TARGET), *changes,
    )  # fmt: skip
    for name in ("internal", "external"):
        built = folder / f"network/{name}_internal_edge_types.csv"
        shutil.copy(built, folder / f"network/{name}_edge_types.csv")


def smaller_ei(config: Path) -> Path:
    """The configuration beside it of 400 and 100 cells for 10,000 and 2,500, by the same script."""
    folder = config.parent.with_name("bionet.smaller")
    if not folder.exists():
        large = shutil.ignore_patterns("network", "output", "*.bmtk", "*.isocortex")
        shutil.copytree(config.parent, folder, ignore=large)
        _build_ei(folder, ("N_exc = 10000", "N_exc = 400"), ("N_inh = 2500", "N_inh = 100"))
        text = (folder / config.name).read_text()
        reported = "[0,2500,5000,7500,10000,12499]"
        (folder / config.name).write_text(text.replace(reported, "[0,100,200,300,400,499]"))
    return folder / config.name


#: SWCReader before BMTK 1.0 put the stub in the axon's place by itself.
STUBBED = """
def stubbed(path):
    reader = SWCReader(path)
    reader.fix_axon()
    return reader


build_recurrent_edges ="""


def _built_300(examples: Path) -> Iterator[tuple[str, str]]:
    folder = examples / "300_cells"
    if folder.is_dir() and not (folder / "network/internal_internal_edges.h5").exists():
        _build(folder, (": SWCReader(", ": stubbed("), ("\nbuild_recurrent_edges =", STUBBED))
        for name in ("config", "simulation_config"):
            yield f"300_cells/{name}.json", "built by its script, which fixes the axon first"


def _lgn_of_layer4(examples: Path) -> Iterator[tuple[str, str]]:
    """Twenty axons at random onto each cell: the example's own script is of Python 2."""
    folder = examples / "layer4_sample"
    network = folder / "network"
    if not folder.is_dir() or (network / "lgn_l4_edges.h5").exists():
        return
    random = np.random.default_rng(1)
    lgn, l4 = (NetworkBuilder(name) for name in ("lgn", "l4"))
    for net in (lgn, l4):
        net.import_nodes(network / f"{net.name}_nodes.h5", network / f"{net.name}_node_types.csv")
    nodes = pd.read_csv(network / "l4_node_types.csv", sep=" ").set_index("model_name")
    count = len(list(lgn.nodes()))

    def axons(sources: list, target: object) -> np.ndarray:
        synapses = np.zeros(len(sources), int)
        synapses[random.choice(count, 20, replace=False)] = 3
        return synapses

    for _, row in pd.read_csv(network / "lgn_l4_edge_types.csv", sep=" ").iterrows():
        name = row["target_query"].split("'")[1]
        branches = name[:3] != "LIF"
        edges = lgn.add_edges(
            source=lgn.nodes(), target=l4.nodes(model_name=name), connection_rule=axons,
            iterator="all_to_one", delay=row["delay"], dynamics_params=row["dynamics_params"],
            syn_weight=1e-3 if branches else 0.03,
            **({"model_template": row["model_template"]} if branches else {}),
        )  # fmt: skip
        if branches:
            swc = SWCReader(
                examples / f"shared_components/morphologies/{nodes.loc[name, 'morphology']}.swc", 1
            )
            edges.add_properties(
                ["sec_id", "sec_x"], dtypes=[int, float],
                rule=lambda *_, swc=swc: [
                    drawn[0] for drawn in swc.choose_sections(["basal"], [0.0, 150.0])
                ],
            )  # fmt: skip
    lgn.build()
    lgn.save_edges(output_dir=network)
    trains = PoissonSpikeGenerator(population="lgn", seed=1)
    trains.add(node_ids=range(count), firing_rate=10.0, times=(0.0, 1.0))
    trains.to_sonata(folder / "inputs/lgn_spike_trains.h5")
    yield (
        "layer4_sample/config.json",
        "stand-ins for lgn_l4_edges.h5 and lgn_spike_trains.h5: random axons, Poisson trains",
    )


def _build(folder: Path, *changes: tuple[str, str]) -> None:
    """Run an example's build_network.py with the package in its imports, and other changes."""
    text = script(folder / "build_network.py")
    # an import that nothing uses, of a module that BMTK has no longer
    text = re.sub(
        r"(?m)^from isocortex\.bmtk\.builder\.aux\.", "from isocortex.bmtk.builder.auxi.", text
    )
    for old, new in changes:
        text = text.replace(old, new)
    (folder / "build_here.py").write_text(text)
    subprocess.run(
        [sys.executable, "build_here.py"], cwd=folder, check=True, timeout=LIMIT,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


MAKERS: tuple[Callable[[Path], Iterator[tuple[str, str]]], ...] = (
    _sweeps, _functions, _waveform, _sessions, _archive, _template, _built_300, _lgn_of_layer4,
)  # fmt: skip
