"""States as HDF5 files: whole or not there, whenever the process that writes one is killed.

====================  ==============================================================================
attribute ``about``   JSON: what the run was asked for, how far it is, and what circuit it is of
``state/``            a :class:`isocortex.engine.interface.Snapshot`, array by array
``circuit/``          what the numbers in it stand for: sources, kinetics, Poisson sources
``written/``          what the files of the run held; only in a checkpoint
``connections/``      what the recorders of single synapses stand at
====================  ==============================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.engine.interface import Snapshot
from isocortex.errors import InputError, disk_errors
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.network import Network
from isocortex.network.poisson import PoissonSources
from isocortex.report.hdf5 import reserve
from isocortex.report.output import CHECKPOINT

FORMAT = "isocortex state 1"
#: Where a synapse is that is open: cell, node and kinetics.
PLACE = ("cell", "node", "kinetics")
#: Bytes that HDF5 takes for each array, at most.
PER_ARRAY = 4096

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Meaning:
    """What the numbers in a state stand for.

    Attributes (n sources, k kinetics)
    ----------
    populations : their names.
    population, node_id : int64[n], of every source the population's index and its id there.
    kinetics : float64[k, 3], time constants of rise and decay, ms, and reversal, mV.
    poisson : the sources whose streams the state holds.
    unchanged : float64[k, 3], what the kinetics would be without changes; None where that is not
        known, as of a file.
    """

    populations: list[str]
    population: IntArray
    node_id: IntArray
    kinetics: FloatArray
    poisson: PoissonSources
    unchanged: FloatArray | None = None

    @classmethod
    def of(cls, network: Network) -> Meaning:
        return cls(
            network.populations, network.source_population, network.source_node_id,
            numbers_of(network.kinetics), network.poisson,
            numbers_of(network.unchanged) if network.unchanged else None,
        )  # fmt: skip


def numbers_of(kinetics: Iterable[Kinetics]) -> FloatArray:
    """float64[k, 3], time constants of rise and decay, ms, and reversal, mV."""
    numbers = [(k.tau_rise, k.tau_decay, k.reversal) for k in kinetics]
    return np.array(numbers, float).reshape(-1, 3)


@dataclass(frozen=True)
class Saved:
    """What a state file holds.

    Attributes
    ----------
    about : plain data: what was asked for, how far it is.
    more : the arrays of ``written/`` and ``connections/``, by name.
    """

    path: Path
    about: dict[str, Any]
    snapshot: Snapshot
    meaning: Meaning
    more: dict[str, NDArray[Any]]

    @property
    def time(self) -> float:
        """ms."""
        return round(self.snapshot.step * self.about["dt"], 6)


def write_state(
    path: Path, snapshot: Snapshot, meaning: Meaning, about: Mapping[str, Any], more: Arrays
) -> None:
    """Write a state beside ``path``, bring it to the disk and put it in that place.

    Raises
    ------
    SimulationError : it cannot be written; what was there before has not been touched.
    """
    arrays: dict[str, NDArray[Any]] = {
        f"state/{item.name}": getattr(snapshot, item.name)
        for item in fields(Snapshot)
        if item.name not in ("of", "step")
    }
    synapse = arrays.pop("state/synapse")
    for k, name in enumerate(PLACE):
        arrays[f"state/synapse/{name}"] = _narrow(synapse[:, k])
    arrays |= {
        "circuit/population": meaning.population, "circuit/node_id": meaning.node_id,
        "circuit/kinetics": meaning.kinetics,
        **{f"circuit/poisson/{item.name}": getattr(meaning.poisson, item.name)
           for item in fields(PoissonSources)},
        **more,
    }  # fmt: skip
    told = {
        **about, "format": FORMAT, "of": snapshot.of, "step": snapshot.step,
        "populations": meaning.populations,
    }  # fmt: skip
    fresh = path.with_name(f".{path.name}.new")
    try:
        with disk_errors(path, "write the state"):
            _write(fresh, json.dumps(told, default=str), arrays)
            fresh.replace(path)
            _settle(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _narrow(numbers: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The same in the smallest type that holds them all; none is negative."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _write(path: Path, about: str, arrays: Arrays) -> None:
    path.write_bytes(b"")
    with h5py.File(path, "w") as file:
        # HDF5 does not survive a full disk: all of it is claimed now
        text = np.frombuffer(about.encode(), np.uint8)
        sizes = [text.nbytes, *(array.nbytes for array in arrays.values())]
        reserve(file, sum(sizes) + PER_ARRAY * len(sizes))
        file["about"] = text
        for name, array in arrays.items():
            file[name] = array
        file.flush()
        size = file.id.get_filesize()
    with path.open("r+b") as raw:
        raw.truncate(size)  # what was claimed and not used
        os.fsync(raw.fileno())


def _settle(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def state_file(path: str | os.PathLike[str]) -> Path:
    """The state file itself, or the checkpoint of a results folder.

    Raises
    ------
    InputError : there is none.
    """
    there = Path(path)
    if there.is_dir():
        there /= CHECKPOINT
        if not there.exists():
            raise InputError(
                "there is no checkpoint: none was asked for, or the run ended before its first",
                file=there, fix="Run it again with --checkpoint-every.",
            )  # fmt: skip
    if not there.is_file():
        raise InputError(
            "does not exist", file=there, fix="Give a state file, or a folder with a checkpoint."
        )
    return there


def read_about(path: Path) -> dict[str, Any]:
    """What a state is of, without the state.

    Raises
    ------
    InputError : it is no state file, or was cut short.
    """
    with _reading(path) as file:
        return _about(file, path)


def read_state(path: Path) -> Saved:
    """A state with everything that was kept with it.

    Raises
    ------
    InputError : it is no state file, or was cut short.
    """
    with _reading(path) as file:
        about = _about(file, path)
        more: dict[str, NDArray[Any]] = {}
        for room in ("written", "connections"):
            if room in file:
                file[room].visititems(lambda _, item: _take(item, more))
        try:
            state = {name: item[()] for name, item in file["state"].items() if name != "synapse"}
            places = [file[f"state/synapse/{name}"][()].astype(np.int64) for name in PLACE]
            state["synapse"] = np.column_stack(places)
            poisson = {name: item[()] for name, item in file["circuit/poisson"].items()}
            meaning = Meaning(
                about["populations"], file["circuit/population"][()], file["circuit/node_id"][()],
                file["circuit/kinetics"][()], PoissonSources(**poisson),
            )  # fmt: skip
            snapshot = Snapshot(of=about["of"], step=about["step"], **state)
        except (KeyError, TypeError, OSError) as error:
            raise _no_state(path, error) from error
    return Saved(path, about, snapshot, meaning, more)


def _take(item: h5py.Group | h5py.Dataset, into: dict[str, NDArray[Any]]) -> None:
    if isinstance(item, h5py.Dataset):
        into[item.name.removeprefix("/")] = item[()]


def _reading(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise _no_state(path, error) from error


def _about(file: h5py.File, path: Path) -> dict[str, Any]:
    try:
        about = json.loads(file["about"][()].tobytes())
    except (KeyError, AttributeError, OSError, ValueError) as error:
        raise _no_state(path, error) from error
    if about.get("format") != FORMAT:
        raise InputError(
            f"is of the format {about.get('format')!r}, this version reads {FORMAT!r}", file=path,
            fix="Use the version of Isocortex that wrote it.",
        )  # fmt: skip
    return about


def _no_state(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0].strip("'\" ")
    return InputError(
        f"is no state, or not a whole one ({reason})", file=path,
        fix="It may have been cut short while it was copied: take another.",
    )  # fmt: skip
