"""The circuit that a result is of: found again, and compared before its labels are believed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from isocortex.arrays import IntArray
from isocortex.circuit import NodePopulation, Simulation
from isocortex.circuit.changes import CHANGES, entries_told
from isocortex.errors import InputError
from isocortex.report.results import Result
from isocortex.sonata.changes import read_changes
from isocortex.sonata.config import load_nodes, load_simulation

FIX = "Give the --config of the circuit it is of, or run this one."


def named_config(result: Result) -> Path | None:
    """The configuration file that a result says it was computed from, if it is still there."""
    config = result.provenance.get("run", {}).get("config_file")
    return Path(config) if config is not None and Path(config).exists() else None


def files_of(result: Result, config: Path | None = None) -> list[Path]:
    """What tells where a result lies on this machine: its folder, and its configuration."""
    told = result.provenance.get("run", {}).get("config_file")
    named = [Path(told)] if isinstance(told, str) and told else []
    return [result.directory, *named, *([config] if config is not None else [])]


def config_of(result: Result) -> Path:
    """The configuration file a result was computed from.

    Raises
    ------
    InputError : if the result does not name one, or that is gone.
    """
    config = named_config(result)
    if config is None:
        raise InputError(
            "does not say which configuration it comes from, or that file is gone",
            file=result.directory, fix="Give --config.",
        )  # fmt: skip
    return config


def nodes_of(
    result: Result, config: str | os.PathLike[str] | None = None
) -> dict[str, NodePopulation]:
    """The nodes of a result's circuit, by population.

    Parameters
    ----------
    config : the configuration; by default the one that the result names.

    Raises
    ------
    InputError : if they are not those that were run, as :func:`check_same_nodes` tells.
    """
    nodes = load_nodes(config or config_of(result))
    check_same_nodes(result, nodes)
    return nodes


def simulation_of(
    result: Result, config: str | os.PathLike[str] | None = None, *, cells_only: bool = False
) -> Simulation:
    """The simulation of a result, with its changes, and inputs for as long as it was run.

    The changes are those that the run had, wherever they were made: in the configuration or in
    Python.

    Parameters
    ----------
    config : the configuration; by default the one that the result names.
    cells_only : leave out edges, changes, inputs and reports.

    Raises
    ------
    InputError : if its nodes are not those that were run, as :func:`check_same_nodes` tells.
    """
    run = result.provenance.get("run", {})
    simulation = load_simulation(
        config or config_of(result), tstop=run.get("tstop"),
        skip_unsupported_reports=True, cells_only=cells_only,
    )  # fmt: skip
    check_same_nodes(result, simulation.circuit.nodes)
    if cells_only or "changes" not in run:
        return simulation
    told, file = {CHANGES: entries_told(run["changes"])}, simulation.config_file
    return replace(simulation, changes=read_changes((told, file), None, file))


def check_same_nodes(result: Result, nodes: Mapping[str, NodePopulation]) -> None:
    """Refuse nodes that are not those of a result: its labels would be another circuit's.

    Results tell ids and a hash of every attribute; those of other simulators or of earlier versions
    less, and then that is compared. What was added to a circuit since does no harm.

    Raises
    ------
    InputError : with what differs.
    """
    for name, then in result.nodes_told.items():
        now = _able_to_spike(nodes[name]) if name in nodes else np.zeros(0)
        if not np.array_equal(then, now):
            raise InputError(
                f"is of {len(then):,} nodes of {name} that can spike, its circuit has {len(now):,} "
                "now: another was built in its place", file=result.directory, fix=FIX,
            )  # fmt: skip
    there: dict[str, dict[str, str]] = {}
    for file, told in _told(result):
        for name in told.keys() & nodes.keys():
            there[name] = there.get(name) or nodes[name].digests()
            changed = [key for key, digest in told[name].items() if there[name].get(key) != digest]
            if changed:
                raise InputError(
                    f"was computed from nodes of {name} with another {', '.join(changed)} than the "
                    "circuit has now: another was built in its place", file=file, fix=FIX,
                )  # fmt: skip
    if result.unfinished:  # its spikes are being written: they cannot be another circuit's
        return
    for name, ids in result.nodes.items():
        _check_known(result.directory, name, ids, nodes)


def _able_to_spike(nodes: NodePopulation) -> IntArray:
    """Ids of the nodes that a result tells of, ascending: virtual ones spike as they are told."""
    return np.sort(nodes.node_ids[~nodes.virtual])


def _told(result: Result) -> Iterator[tuple[Path, dict[str, dict[str, str]]]]:
    """What the provenance and every file say of the nodes they are of: population -> hashes."""
    yield result.directory, result.provenance.get("run", {}).get("nodes", {})
    for file in result.files:
        with h5py.File(file, "r", locking=False) as hdf5:
            run = hdf5.attrs.get("run")
        try:
            facts = json.loads(run) if isinstance(run, str) else {}
        except ValueError:
            facts = {}  # of another simulator's making
        told = facts.get("nodes") if isinstance(facts, dict) else None
        yield file, told or {}


def _check_known(file: Path, name: str, ids: IntArray, nodes: Mapping[str, NodePopulation]) -> None:
    if name not in nodes:
        raise InputError(
            f"has spikes of population {name!r}, which the configuration lacks: there are "
            f"{', '.join(nodes)}", file=file, fix=FIX,
        )  # fmt: skip
    if np.array_equal(ids, nodes[name].node_ids):
        return
    strange = np.setdiff1d(ids, nodes[name].node_ids, assume_unique=True)
    if len(strange):
        raise InputError(
            f"has node {strange[0]} of {name}, which the circuit of {len(nodes[name].node_ids):,} "
            "lacks: it is of another circuit", file=file, fix=FIX,
        )  # fmt: skip
