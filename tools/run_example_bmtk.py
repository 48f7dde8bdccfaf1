"""Run one example with BMTK and NEURON, and keep what was drawn at random on the way.

    python run_example_bmtk.py CONFIG MS FOLDER [SCRIPT]

For the Python that has BMTK and NEURON. FOLDER gets spikes.h5, one file for each report,
about.json and draws.npz: the place of every synapse whose edge gives none, and the unit of every
node that plays a random one. SCRIPT has functions that the example's cells name.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bmtk.simulator import bionet
from bmtk.simulator.bionet import biocell
from bmtk.simulator.bionet.modules import BioECEphysUnitsModule, comsol
from bmtk.utils.sonata.population import EdgePopulation
from neuron import h
from scipy.interpolate import NearestNDInterpolator

# modules for fields need libraries of their time: mended there
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import run_bionet_fields  # noqa: E402, F401

#: Number in its file, section and place of every synapse, by population of edges.
PLACES: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
UNITS: dict[str, dict[int, int]] = {}


def keep_draws() -> None:
    """Let edges know who they are, and remember what is drawn for them."""
    get_row = EdgePopulation.get_row

    def numbered(self: EdgePopulation, index: int) -> Any:
        edge = get_row(self, index)
        edge.population, edge.number = self.name, index
        return edge

    EdgePopulation.get_row = numbered
    for cell in (biocell.BioCell, biocell.BioCellSpontSyn):
        cell._set_connections = placing(cell._set_connections)
    initialize = BioECEphysUnitsModule.initialize

    def sampling(self: Any, sim: Any) -> None:
        initialize(self, sim)
        UNITS[self._name] = self._mapping_strategy._units2nodes_map

    BioECEphysUnitsModule.initialize = sampling


def placing(set_connections: Callable[..., int]) -> Callable[..., int]:
    """BMTK's way to make the synapses of an edge, remembering where."""

    def placed(self: Any, edge: Any, *more: Any) -> int:
        made = set_connections(self, edge, *more)
        numbers = self.__dict__.setdefault(
            "numbers", {section.name(): k for k, section in enumerate(self.get_sections_id())}
        )
        for synapse in self._synapses[len(self._synapses) - made :]:
            segment = synapse.get_segment()
            place = edge._edge.number, numbers[segment.sec.name()], segment.x
            PLACES[edge._edge.population].append(place)
        return made

    return placed


def tell_anew(entries: dict[str, Any]) -> None:
    """Say so that BMTK 1.2 reads it what examples say otherwise.

    Earlier versions of ``comsol`` had other words, and took nearest places. The table of intervals
    has another name than ``ecephys_probe`` asks for; and of several recordings it takes an interval
    that is said once for the first alone, and plays the others from their very beginning.
    """
    for entry in entries.values():
        interval, files = entry.get("interval"), entry.get("input_file")
        if isinstance(interval, dict):
            for word in ("name", "index"):
                if f"stimulus_{word}" in interval:
                    interval[f"interval_{word}"] = interval.pop(f"stimulus_{word}")
            if isinstance(files, list):
                entry["interval"] = [dict(interval) for _ in files]
        if "comsol_file" in entry:
            comsol.Lip = NearestNDInterpolator
            for word in ("comsol_file", "waveform", "amplitude"):
                if word in entry:
                    entry[f"{word}s"] = entry.pop(word)


def main(path: str, ms: str, output: str, script: str | None = None) -> None:
    """Run it."""
    keep_draws()
    np.random.seed(1)  # noqa: NPY002, the generator that BMTK draws from
    if script:
        runpy.run_path(script)
    folder = Path(output).resolve()
    parsed = bionet.Config.from_json(path, validate=True)
    parsed["run"]["tstop"] = min(float(ms), parsed["run"]["tstop"])
    parsed["output"] = {
        "output_dir": str(folder), "log_file": "log.txt", "spikes_file": "spikes.h5",
        "overwrite_output_dir": True,
    }  # fmt: skip
    tell_anew(parsed.get("inputs", {}))
    reports = parsed.get("reports", {})
    # BMTK 1.2 asks these of the list of the soma's sections, and stops
    without = [name for name, report in reports.items() if report.get("transform")]
    parsed["reports"] = {
        name: report | {"file_name": f"{name}.h5"}
        for name, report in reports.items()
        if name not in without
    }
    config = bionet.Config(parsed)
    config.build_env()
    network = bionet.BioNetwork.from_config(config)
    bionet.BioSimulator.from_config(config, network=network).run()
    draws = {
        f"places {name}": np.array(sorted(places, key=lambda place: place[0])).T
        for name, places in PLACES.items()
    }
    draws |= {f"units {name}": np.array(list(units.items())) for name, units in UNITS.items()}
    np.savez(folder / "draws.npz", **draws)
    about = {
        "ms": config.tstop, "dt": config.dt,
        "cells": len(network.get_local_cells()), "without": without,
        "compartments": sum(section.nseg for section in h.allsec()),
    }  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about))
    bionet.nrn.quit_execution()


if __name__ == "__main__":
    main(*sys.argv[1:])
