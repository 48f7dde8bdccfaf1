"""What must be kept of an HDF5 file that grows, so that it can be put back to where it was.

HDF5 adds rows at the end of a file and changes its tables in place: a process killed in between
leaves tables that nobody can read. Rows themselves are never moved. So the bytes that are no rows,
the *skeleton*, are kept with a state. Written back, they make the file what it was then, whatever
happened to it since, and as often as one likes.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.errors import InputError, disk_errors


class Skeleton(NamedTuple):
    """All of a file but the rows of its datasets that grow.

    Attributes (p pieces)
    ----------
    size : int64[1], bytes of the file.
    begin, end : int64[p], where the pieces lie in it.
    content : uint8[sum of their lengths], the pieces one after the other.
    """

    size: IntArray
    begin: IntArray
    end: IntArray
    content: NDArray[np.uint8]


def skeleton_of(path: Path) -> Skeleton:
    """The skeleton of a file that was flushed, and may be open for writing in this process.

    What is in the file is on the disk when this returns.
    """
    with disk_errors(path, "read what was written"):
        with h5py.File(path, "r+") as file:
            rows, size = _rows(file), file.id.get_filesize()
        begin, end = _between(rows, size)
        with path.open("r+b") as raw:
            os.fsync(raw.fileno())
            content = [_read(raw, *piece) for piece in zip(begin, end, strict=True)]
    whole = np.frombuffer(b"".join(content), np.uint8)
    return Skeleton(np.array([size]), begin, end, whole)


def put_back(path: Path, skeleton: Skeleton) -> None:
    """Make a file what it was when its skeleton was taken.

    Raises
    ------
    InputError : the file is gone or has lost rows.
    SimulationError : it cannot be written.
    """
    size = int(skeleton.size[0])
    there = path.stat().st_size if path.is_file() else -1
    end_of_rows = int(skeleton.begin[-1]) if skeleton.end[-1] == size else size
    if there < end_of_rows:
        what = "is gone" if there < 0 else f"has {there:,} bytes, it had {size:,}"
        raise InputError(
            f"{what}: what was written before cannot be added to", file=path,
            fix="Bring it back, or run the simulation again.",
        )  # fmt: skip
    at = np.cumsum(skeleton.end - skeleton.begin)
    with disk_errors(path, "put the file back"), path.open("r+b") as raw:
        for begin, piece in zip(skeleton.begin, np.split(skeleton.content, at[:-1]), strict=True):
            raw.seek(int(begin))
            raw.write(piece.tobytes())
        raw.truncate(size)


def rows_in(skeleton: Skeleton) -> list[int]:
    """How many rows each dataset named ``data`` had when the skeleton was taken."""
    found: list[int] = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and name.endswith("/data"):
            found.append(len(item))

    with TemporaryDirectory() as folder:
        path = Path(folder) / "without_rows.h5"  # sparse: it takes no room where rows would be
        path.touch()
        os.truncate(path, int(skeleton.size[0]))
        put_back(path, skeleton)
        with h5py.File(path) as file:
            file.visititems(visit)
    return found


def _rows(file: h5py.File) -> IntArray:
    """int64[chunks, 2], where the rows of all datasets that grow begin and end, by place."""
    places: list[tuple[int, int]] = []

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        places.append((chunk.byte_offset, chunk.byte_offset + chunk.size))

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.chunks is not None:
            item.id.chunk_iter(note)

    file.visititems(visit)
    return np.array(sorted(places), np.int64).reshape(-1, 2)


def _between(rows: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Begins and ends of what lies between rows, up to ``size``."""
    begin = np.concatenate([[0], rows[:, 1]])
    end = np.concatenate([rows[:, 0], [size]])
    there = begin < end
    return begin[there], end[there]


def _read(raw: BinaryIO, begin: int, end: int) -> bytes:
    raw.seek(begin)
    return raw.read(end - begin).ljust(end - begin, b"\0")
