"""The words that kernels are written in, and how a text gets a machine's meaning of them.

Cable and mechanisms are plain Python in these words and those of :mod:`isocortex.mechanisms.maths`.
A *target* (:mod:`isocortex.targets.simd`, :mod:`isocortex.targets.cuda`) says what they mean on its
machine: its ``jit`` compiles a text with its own words in place of these. Here a row has one lane,
and a text runs as it stands.

A *row* is the same number of all cells of a block, one in each lane; the CPU handles a row at
once, on the GPU every thread handles its own lane of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any


def load(array, index):
    """The row of ``array`` that begins at element ``index``."""
    return array[index]


def load_wide(array, index):
    """The same row in double precision."""
    return float(array[index])


def store(array, index, value):
    """Write ``value`` to the row of ``array`` that begins at element ``index``."""
    array[index] = value


def store_due(array, index, value, due):
    """Write ``value`` to a row if that is ``due``."""
    if due:
        array[index] = value


def scaled(array, value, power):
    """What a row of the array stands for: ``value`` times ``power``."""
    return value * power


def load_pair(array, index):
    """Both numbers of a row of pairs, of which the first lane's begin at ``index``."""
    return array[index], array[index + 1]


def store_pair(array, index, a, b):
    """Write both numbers of a row of pairs."""
    array[index], array[index + 1] = a, b


def add(array, index, value, step):
    """Add to the number of an array of rows, which is its owner's to change.

    Halves are rounded up or down by a chance that follows from the sum and the ``step``.
    """
    array[index] += value


def element(array, index):
    """One number of an array, the same for all lanes; ``index`` may not be negative."""
    return array[index]


def broadcast(value, like):
    """``value`` as something like ``like``: a scalar goes to every lane."""
    return type(like)(value)


def row_length(array):
    """Number of lanes in a row of this array's type."""
    return 1


def own_list():
    """Which of a block's lists of probes the asker reads."""
    return 0


def owns(index, lanes):
    """Whether the element ``index`` of an array of rows is for the asker to change."""
    return True


def apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a text that is seldom run: it is called, lest what is always run pays for its room."""
    function.is_apart = True  # type: ignore[attr-defined]
    return function


def bound(
    function: FunctionType, meanings: Mapping[Any, Any], jit: Callable[[FunctionType], Any]
) -> FunctionType:
    """A text with its words replaced by their meanings.

    Parameters
    ----------
    function : plain Python.
    meanings : word -> what takes its place, wherever a global name of the text stands for the word.
    jit : compiles the other functions of the text's own module that it calls.
    """
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name)
        if callable(value) and value in meanings:
            names[name] = meanings[value]
        elif isinstance(value, FunctionType):
            if value.__module__ == function.__module__ and value is not function:
                names[name] = jit(value)
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__, copy.__doc__ = function.__module__, function.__doc__
    copy.__qualname__ = function.__qualname__
    return copy
