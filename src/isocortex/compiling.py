"""Compiled functions and what their machine code in the cache is good for.

Numba keeps machine code beside the file of a function and takes it back while that file is the
same. What the function calls, and in which order the fields of the named tuples come that it is
given, is written in other files: after a change there, old code would read garbage. Here code is
taken back only while all that compiled code may follow from is the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

#: Rooms and files of the package that compiled code follows from: its text, what it calls and the
#: named tuples it is given.
ROOMS = ("engine", "mechanisms", "network", "targets")
FILES = ("arrays.py", "compiling.py", "elementary.py", "streams.py")
#: How Numba is to compile a :func:`leaf`.
LEAF: dict[str, Any] = {"error_model": "numpy", "forceinline": True, "_nrt": False}


@cache
def sources() -> tuple[Path, ...]:
    """Files that any compiled code may follow from, sorted."""
    here = Path(__file__).parent
    rooms = [here / room for room in ROOMS]
    found = [file for room in rooms for kind in ("*.py", "*.py.txt") for file in room.rglob(kind)]
    return tuple(sorted([*found, *(here / name for name in FILES)]))


@cache
def fingerprint() -> str:
    """Hash of all these, and of who compiles them."""
    who = f"{numba.__version__}{sys.version_info}{texts()}"
    return hashlib.sha256(who.encode()).hexdigest()


@cache
def texts() -> str:
    """Hash of all these alone."""
    digest, here = hashlib.sha256(), Path(__file__).parent
    for source in sources():
        digest.update(source.relative_to(here).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where generated kernels are kept: $ISOCORTEX_CACHE, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("ISOCORTEX_CACHE") or Path(base) / "isocortex")


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """A function compiled when it is first called, or taken from the cache if that is of today."""
    made = numba.njit(error_model="numpy", nogil=True, cache=True, **options)(function)
    if hasattr(made, "_cache"):  # not where NUMBA_DISABLE_JIT is set
        index = made._cache._cache_file
        index._version += fingerprint()  # read before what names classes that may be gone
    return made


def inlined(function: Callable[..., Any]) -> Any:
    """The same, its text put in the place of every call."""
    return compiled(function, inline="always")


def leaf(function: Callable[..., Any], **options: Any) -> Any:
    """A function that is compiled into whatever calls it; allocates nothing and returns no array.

    References to arrays are not counted. A call with the tables of a network passes on hundreds of
    numbers, and counting the uses of an array is an atomic operation: where one is made for every
    connection or event, these two take longer than the work itself. ``options`` are Numba's own.
    """
    return numba.njit(**(LEAF | options))(function)
