"""States as HDF5 files: whole or not there, whenever the process that writes one is killed.

====================  ==============================================================================
attribute ``about``   JSON: what the run was asked for, how far it is, and what circuit it is of
``state/``            a :class:`isocortex.engine.state.State`, array by array
``state/cells/``      what its cells stand at, one after the other, as in ``CellStates``
``circuit/``          what the numbers in it stand for: sources, kinetics, Poisson sources
``written/``          what the files of the run held; only in a checkpoint
``connections/``      what the recorders of single synapses stand at
====================  ==============================================================================

Cells are written and read piece by piece: a file may be as large as memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.engine.state import CellStates, Extent, State
from isocortex.errors import InputError, disk_errors
from isocortex.mechanisms.release import NUMBERS, Release
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.network import Network
from isocortex.network.poisson import PoissonSources
from isocortex.network.terminals import no_terminals
from isocortex.network.terminals import numbers_of as numbers_of_releases
from isocortex.report.hdf5 import reserve
from isocortex.report.output import CHECKPOINT

FORMAT = "isocortex state 3"
#: Bytes that HDF5 takes for each array, at most.
PER_ARRAY = 4096
#: Numbers of a piece that is read, where a cell does not have more; cells looked at for that.
PIECE, CELLS = 1 << 21, 1 << 16
#: What each array of cells has one entry of.
OF = {
    "above": "cells", "nodes": "cells", "channels": "cells", "synapses": "cells",
    "voltage": "nodes", "channel": "channels",
    "node": "synapses", "kind": "synapses", "terms": "synapses",
}  # fmt: skip

#: Numbers of a kinetics.
KINETICS = 5
#: What of a state is no array.
TOLD = ("of", "step", "extent")
#: What states of this format had not from the beginning: there was nothing plastic then.
LATER = ("terminals",)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Meaning:
    """What the numbers in a state stand for.

    Attributes (n sources, k kinetics)
    ----------
    populations : their names.
    population, node_id : unsigned[n], of every source the population's index and its id there.
    kinetics : float64[k, 5], time constants of rise and decay, ms, reversal, mV, and what blocks
        them: ratio and slope of :class:`isocortex.mechanisms.synapses.Magnesium`.
    poisson : the sources whose streams the state holds.
    unchanged : float64[m, 6], the number of a kinetics, then the five of what its synapses would
        be of without changes; several where changes make different kinetics the same.
    releases : float64[r, 15], the numbers of each release.
    unchanged_releases : float64[q, 16], as ``unchanged``: the number of a release, then those of
        what it would be without changes.
    """

    populations: list[str]
    population: NDArray[np.integer[Any]]
    node_id: NDArray[np.integer[Any]]
    kinetics: FloatArray
    unchanged: FloatArray
    poisson: PoissonSources
    releases: FloatArray
    unchanged_releases: FloatArray

    @classmethod
    def of(cls, network: Network) -> Meaning:
        return cls(
            network.populations, network.source_population, network.source_node_id,
            numbers_of(network.kinetics), unchanged_of(network), network.poisson,
            numbers_of_releases(network.releases),
            unchanged_releases_of(network.unchanged_releases),
        )  # fmt: skip


def numbers_of(kinetics: Iterable[Kinetics]) -> FloatArray:
    """float64[k, 5], what kinetics are: see :class:`Meaning`."""
    numbers = [(k.tau_rise, k.tau_decay, k.reversal, *_block(k)) for k in kinetics]
    return np.array(numbers, float).reshape(-1, KINETICS)


def _block(kinetics: Kinetics) -> tuple[float, float]:
    """Ratio and slope of the block by magnesium; zeros where there is none."""
    return (0.0, 0.0) if kinetics.block is None else (kinetics.block.ratio, kinetics.block.slope)


def unchanged_of(network: Network) -> FloatArray:
    """float64[m, 6], see :class:`Meaning`."""
    number = np.array([number for number, _ in network.unchanged], float)
    pairs = np.column_stack([number, numbers_of(kinetics for _, kinetics in network.unchanged)])
    return pairs[np.lexsort(pairs.T[::-1])]


def unchanged_releases_of(pairs: Iterable[tuple[int, Release]]) -> FloatArray:
    """float64[q, 16], see :class:`Meaning`."""
    rows = sorted((float(number), *release.numbers) for number, release in pairs)
    return np.array(rows).reshape(-1, 1 + NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Kept(State):
    """The state in a file, which is read as its cells are asked for.

    Attributes
    ----------
    path : of the file.
    """

    path: Path

    def pieces(self, cells: range) -> Iterator[CellStates]:
        with _reading(self.path) as file:
            try:
                yield from _pieces(file["state/cells"], cells)
            except (KeyError, OSError) as error:
                raise _no_state(self.path, error) from error


@dataclass(frozen=True)
class Saved:
    """What a state file holds.

    Attributes
    ----------
    about : plain data: what was asked for, how far it is.
    meaning : reads what the numbers in it stand for, which is of as many sources as there are.
    more : the arrays of ``written/`` and ``connections/``, by name.
    """

    path: Path
    about: dict[str, Any]
    state: State
    meaning: Callable[[], Meaning]
    more: dict[str, NDArray[Any]]

    @property
    def time(self) -> float:
        """ms."""
        return round(self.state.step * self.about["dt"], 6)


def write_state(
    path: Path,
    state: State,
    meaning: Meaning,
    about: Mapping[str, Any],
    more: Arrays,
    pieces: Iterator[CellStates],
) -> None:
    """Write a state beside ``path``, bring it to the disk and put it in that place.

    Parameters
    ----------
    more : what else is kept, by name.
    pieces : of the state's cells, those of all ranks, in their order; one at least.

    Raises
    ------
    SimulationError : it cannot be written; what was there before has not been touched.
    """
    arrays: dict[str, NDArray[Any]] = {
        f"state/{item.name}": getattr(state, item.name)
        for item in fields(State)
        if item.name not in TOLD
    }
    arrays |= {
        "circuit/population": _narrow(meaning.population),
        "circuit/node_id": _narrow(meaning.node_id), "circuit/kinetics": meaning.kinetics,
        "circuit/unchanged": meaning.unchanged, "circuit/releases": meaning.releases,
        "circuit/unchanged_releases": meaning.unchanged_releases,
        **{f"circuit/poisson/{item.name}": getattr(meaning.poisson, item.name)
           for item in fields(PoissonSources)},
        **more,
    }  # fmt: skip
    told = {
        **about, "format": FORMAT, "of": state.of, "step": state.step,
        "populations": meaning.populations,
    }  # fmt: skip
    fresh = path.with_name(f".{path.name}.new")
    try:
        with disk_errors(path, "write the state"):
            _write(fresh, json.dumps(told, default=str), arrays, (state.extent, pieces))
            fresh.replace(path)
            _settle(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _narrow(numbers: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The same in the smallest type that holds them all; none is negative."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _write(
    path: Path, about: str, arrays: Arrays, cells: tuple[Extent, Iterator[CellStates]]
) -> None:
    path.write_bytes(b"")
    extent, pieces = cells
    first = next(pieces)
    shapes = {name: _shape(name, extent) for name in OF}
    of_cells = [np.prod(shapes[name]) * getattr(first, name).itemsize for name in OF]
    with h5py.File(path, "w") as file:
        # HDF5 does not survive a full disk: all of it is claimed now
        text = np.frombuffer(about.encode(), np.uint8)
        sizes = [text.nbytes, *(array.nbytes for array in arrays.values()), *map(int, of_cells)]
        reserve(file, sum(sizes) + PER_ARRAY * len(sizes))
        file["about"] = text
        for name, array in arrays.items():
            file[name] = array
        room = file.create_group("state/cells")
        for name, shape in shapes.items():
            room.create_dataset(name, shape, getattr(first, name).dtype)
        at = Extent(0, 0, 0, 0)
        for piece in chain([first], pieces):
            after = Extent(*map(sum, zip(at, piece.size, strict=True)))
            for name, of in OF.items():
                room[name][getattr(at, of) : getattr(after, of)] = getattr(piece, name)
            at = after
        file.flush()
        size = file.id.get_filesize()
    with path.open("r+b") as raw:
        raw.truncate(size)  # what was claimed and not used
        os.fsync(raw.fileno())


def _shape(name: str, extent: Extent) -> tuple[int, ...]:
    n = getattr(extent, OF[name])
    return (n, 2) if name == "terms" else (n,)


def _pieces(room: h5py.Group, cells: range) -> Iterator[CellStates]:
    """What a file holds of some cells, and of none besides."""
    at = dict.fromkeys(("nodes", "channels", "synapses"), 0)
    for begin in range(0, cells.stop, CELLS):
        counts = {of: room[of][begin : min(begin + CELLS, cells.stop)] for of in at}
        ends = np.cumsum(np.column_stack(list(counts.values())), axis=0, dtype=np.int64)
        numbers = ends @ np.array([1, 1, 2])
        k = max(cells.start - begin, 0)
        if k >= len(ends):
            at = {of: at[of] + int(n) for of, n in zip(at, ends[-1], strict=True)}
            continue
        ends = np.concatenate([np.zeros((1, 3), np.int64), ends]) + list(at.values())
        while k < len(numbers):
            done = numbers[k - 1] if k else 0
            after = max(int(np.searchsorted(numbers, done + PIECE, side="right")), k + 1)
            bounds = dict(zip(at, zip(ends[k], ends[after], strict=True), strict=True))
            bounds["cells"] = (begin + k, begin + after)
            arrays = {name: room[name][slice(*bounds[of])] for name, of in OF.items()}
            if any(len(arrays[name]) < np.diff(bounds[of])[0] for name, of in OF.items()):
                raise OSError("it does not hold as many numbers as it says")
            yield CellStates(first=begin + k, **arrays)
            k = after
        at = dict(zip(at, ends[-1].tolist(), strict=True))


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
    """A state with everything that was kept with it; its cells are not read yet.

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
            cells = file["state/cells"]
            sizes = [len(cells[name]) for name in ("above", "voltage", "channel", "terms")]
            state = {
                item.name: file[f"state/{item.name}"][()]
                for item in fields(State)
                if item.name not in (*TOLD, *LATER)
            }
            state["terminals"] = file.get("state/terminals", no_terminals())[()]
            kept = Kept(
                of=about["of"], step=about["step"], extent=Extent(*sizes), **state, path=path
            )
        except (KeyError, TypeError, OSError) as error:
            raise _no_state(path, error) from error
    return Saved(path, about, kept, partial(_meaning, path, about["populations"]), more)


def _meaning(path: Path, populations: list[str]) -> Meaning:
    """What the numbers in a state file stand for.

    Raises
    ------
    InputError : it is damaged.
    """
    with _reading(path) as file:
        try:
            releases = file.get("circuit/releases", np.zeros((0, NUMBERS)))[()]
            own = np.column_stack([np.arange(len(releases)), releases])
            poisson = {name: item[()] for name, item in file["circuit/poisson"].items()}
            return Meaning(
                populations, file["circuit/population"][()], file["circuit/node_id"][()],
                _wide(file["circuit/kinetics"][()], KINETICS),
                _wide(file["circuit/unchanged"][()], 1 + KINETICS),
                (PoissonSources if "sigma" in poisson else PoissonSources.steady)(**poisson),
                releases,
                file.get("circuit/unchanged_releases", own)[()],  # none was changed before
            )  # fmt: skip
        except (KeyError, TypeError, OSError) as error:
            raise _no_state(path, error) from error


def _wide(table: FloatArray, columns: int) -> FloatArray:
    """A table of a state from before there was a block, with the zeros that it says nothing of."""
    return np.pad(table, ((0, 0), (0, columns - table.shape[1])))


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
