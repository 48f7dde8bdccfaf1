"""What the provenance tells of a run before it begins."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import Simulation
from isocortex.circuit.changes import Change
from isocortex.hashes import sha256 as hash_of
from isocortex.mechanisms import DENSITY
from isocortex.network.network import Network
from isocortex.network.touched import Touched
from isocortex.report.output import provenance
from isocortex.text import read_text

if TYPE_CHECKING:
    from isocortex.session.outputs import Files


def facts_of(
    simulation: Simulation, network: Network, threads: int, files: Files, names: dict[str, Any]
) -> dict[str, Any]:
    """What the provenance tells before the run; ``names``: precision, engine, device, ..."""
    return provenance(
        {"file": str(simulation.config_file), "text": text_of(simulation.config_file)},
        seed=simulation.seed,
        threads=threads,
        citations=["NEURON numerics: Carnevale & Hines 2006", "cells: Gouwens et al. 2018"],
        run={
            "tstop": simulation.tstop,
            "dt": simulation.dt,
            **names,
            "config_file": str(Path(simulation.config_file).resolve()),
            "populations": {
                network.populations[p]: _ranges(network.spiking_nodes(p)) for p in spiking(network)
            },
            "nodes": {
                network.populations[p]: simulation.circuit.nodes[network.populations[p]].digests()
                for p in spiking(network)
            },
            "mechanisms": _mechanism_files(simulation, network),
            "files": [files.spikes, *files.reports.values()],
            "skipped": list(simulation.skipped),
            "connection_overrides": [
                {
                    "name": override.name, "weight": float(override.weight),
                    **({"delay": override.start} if override.start else {}),
                    "source": _about(override.source, simulation),
                    "target": _about(override.target, simulation),
                }
                for override in simulation.overrides
            ],
        },
    )  # fmt: skip


def _mechanism_files(simulation: Simulation, network: Network) -> dict[str, str]:
    """Hashes of the files that the circuit names, and of what mod files in its folder became."""
    files = {
        str(file): sha256(file.read_bytes()).hexdigest() for file in simulation.circuit.mechanisms
    }
    used = {name for model in network.models for name in model.mechanisms if DENSITY.is_own(name)}
    for name in sorted(used):
        module = sys.modules[DENSITY[name].__module__]  # its name ends as its hash begins
        digest = module.__name__.rpartition("_")[2]
        if not any(known.startswith(digest) for known in files.values()):
            files[str(module.__file__)] = digest
    return files


def told_of(changes: Sequence[Change], touched: Sequence[Touched]) -> list[dict[str, Any]]:
    """Changes as they were asked for, and how much each is about."""
    return [
        {**change.as_json(), "touched": each.facts()}
        for change, each in zip(changes, touched, strict=True)
    ]


def _about(chosen: list[tuple[str, IntArray]], simulation: Simulation) -> dict[str, Any]:
    """How many nodes of which populations, and a hash of their ids: of some there are millions."""
    nodes = simulation.circuit.nodes
    return {
        name: {"nodes": len(rows), "sha256": hash_of(np.sort(nodes[name].node_ids[rows]))}
        for name, rows in chosen
    }


def spiking(network: Network) -> NDArray[np.int64]:
    """Populations with cells that can spike."""
    return np.unique(network.source_population[: network.n_reacting])


def text_of(path: Path | None) -> str:
    """The configuration's text; empty if it was made in memory."""
    return read_text(Path(path)) if path is not None and Path(path).is_file() else ""


def _ranges(ids: NDArray[np.int64]) -> list[list[int]]:
    """Ascending ids as half-open ranges."""
    breaks = np.flatnonzero(np.diff(ids) != 1) + 1
    return [[int(part[0]), int(part[-1]) + 1] for part in np.split(ids, breaks) if len(part)]
