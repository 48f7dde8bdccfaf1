"""A circuit of BMTK's whose channels and synapses are all from its own mod files, beside BioNet.

They are BMTK's channels, and synapses with the formulas of others, by names that the package does
not have, and with other numbers: what runs here is what was translated. In places calcium has a
pool, in places channels that read it have none. Needs NEURON and BMTK in the same environment.
"""

import json
import re
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from bursts_case import (
    both,
    compile_mods,
    require_same_spikes,
    run_bionet,
    write_all_edges,
    write_bursts,
    write_cells,
    write_configuration,
    write_edge_types,
)
from mod_files import PLASTIC, SENDING, SYNAPSE

import isocortex as ic
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.point import SYNAPSES

pytest.importorskip("neuron.nmodl")
bmtk = pytest.importorskip("bmtk")

CELLS, DRIVE = 6, 4
#: Edge types: template, numbers other than the mod file's own, weight.
TYPES = {
    "args": ("TmArgs", {"U": 0.15, "e": 0.0}, 0.03),
    "no_facilitation": ("TmArgs", {"tau_facil": 0.0, "U": 0.4, "e": -75.0}, 0.02),
    "two": ("BbpDet", {"Dep": 250.0}, 6.0),
    "varela": ("Varela", {"f": 0.3, "d1": 0.7}, 0.004),
    "states": ("Stp5", {"tau_r0": 300.0}, 0.006),
    "static": ("NmSyn", {"ratio": 0.5}, 0.004),
    "pulses": ("Pulse", {"Cdur": 0.7, "Beta": 0.15}, 0.006),
    "late": ("Late", {"lag": 3.1}, 0.006),
    "ramps": ("Ramp", {"up": 2.5}, 0.003),
}  # fmt: skip
#: What BMTK's channels say, and what those of this circuit do.
CHANGED = {
    "SK": ("0.00043", "0.00037"), "Kv3_1": ("-9.700", "-9.1"),
    "NaTs": ("gbar*m*m*m*h", "gbar*m*m*h"),
}  # fmt: skip
#: Channels where no pool of calcium is, S/cm2: NEURON has their reversal potential from the start.
WITHOUT_POOL = {"Ca_HVA": 2e-5, "SK": 3e-5}
#: Plastic synapses whose conductances are recorded one by one.
RECORDED = ("TmArgs", "Stp5", "BbpDet", "Pulse")


def _renamed(name, text):
    """A channel of BMTK's by a name that the package does not have, with another number."""
    old, new = CHANGED.get(name, ("", ""))
    assert old in text
    return re.sub(rf"SUFFIX\s+{name}\b", f"SUFFIX {name}_f", text.replace(old, new))


def _fits(folder):
    """Parameters of both models with these channels."""
    (folder / "fits").mkdir()
    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    for name in pd.read_csv(folder / "cortex_types.csv", sep=" ")["dynamics_params"]:
        fit = json.loads((package / "biophysical_neuron_models" / name).read_text())
        fit["genome"] += [
            {"section": "dend", "name": f"gbar_{channel}", "value": g, "mechanism": channel}
            for channel, g in WITHOUT_POOL.items()
        ]
        for entry in fit["genome"]:
            if entry["mechanism"]:
                entry["mechanism"] += "_f"
                entry["name"] += "_f"
        (folder / "fits" / name).write_text(json.dumps(fit))
    return package / "mechanisms" / "modfiles"


def _write(folder):
    """Cells that act on each other and virtual ones that burst; returns the configuration."""
    random = np.random.default_rng(5)
    write_cells(folder, CELLS, DRIVE)
    n_types = write_edge_types(folder, TYPES)
    write_all_edges(folder, CELLS, DRIVE, n_types, {"cortex": 3, "drive": 3}, random)
    write_bursts(folder, DRIVE, random)
    channels = {mod.stem: mod.read_text() for mod in _fits(folder).glob("*.mod")}
    mods = {f"{name}_f": _renamed(name, text) for name, text in channels.items() if name in DENSITY}
    synapses = PLASTIC | SENDING | {"NmSyn": SYNAPSE}
    mods |= {name: dedent(text) for name, text in synapses.items()}
    compile_mods(folder / "mechanisms", mods)
    path = write_configuration(folder, 0.25, {f"g_{name}": (name, "g") for name in RECORDED})
    config = json.loads(path.read_text())
    config["components"]["biophysical_neuron_models_dir"] = str(folder / "fits")
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """BioNet's folder, and our result."""
    folder = tmp_path_factory.mktemp("foreign")
    config = _write(folder)
    names = sorted({template for template, _, _ in TYPES.values()})
    run_bionet(folder, config, names)
    return folder / "bionet", ic.run(config, output_dir=folder / "ours", threads=1)


def test_all_is_translated(results):
    names = {f"{name}_f" for name in ("CaDynamics", "SK", "Ca_HVA", "NaTs", "NaV", "Kv3_1")}
    assert all(DENSITY.is_own(name) for name in names)
    assert {template for template, _, _ in TYPES.values()} <= set(SYNAPSES)


def test_every_spike_is_at_its_step(results):
    require_same_spikes(*results, more_than=20)


def test_voltages_are_neurons(results):
    """But for the single precision of our reports."""
    expected, found = both(*results, "v")
    rounded = 0.5 * np.spacing(np.abs(expected).astype(np.float32))
    np.testing.assert_array_less(np.abs(found - expected), rounded + 1e-7)


@pytest.mark.parametrize("name", RECORDED)
def test_single_synapses_are_neurons(results, name):
    expected, found = both(*results, f"g_{name}")
    assert found.shape == expected.shape and (expected.max(axis=0) > 0).all()
    np.testing.assert_allclose(found, expected, rtol=2.0**-22, atol=1e-9 * expected.max())
