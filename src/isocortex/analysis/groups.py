"""Rates of groups of cells, and how they compare with what a cortex at rest is to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isocortex.cortex.drive import TOLERANCE, target_of

#: Spikes that a group must be expected to fire before its rate is judged. Of ten expected ones a
#: Poisson process fires fewer than five or more than twenty in 3 % of all runs.
ENOUGH_SPIKES = 10.0
IN_RANGE, BELOW, ABOVE, UNTOLD = "in range", "below range", "above range", "too few spikes"


#: Columns of node tables that name cell classes, the most telling first.
CLASS_COLUMNS = ("pop_name", "cre_line", "model_name", "ei", "model_type")
#: What people call an attribute, without case and signs -> the columns that may be meant.
WORDS = {
    "class": ("cell_class", *CLASS_COLUMNS), "cellclass": CLASS_COLUMNS,
    "celltype": ("cell_class", *CLASS_COLUMNS), "type": ("model_type",),
    "model": ("model_name", "model_template"), "template": ("model_template",),
    "population": ("pop_name",), "area": ("location",), "region": ("area", "location"),
    "side": ("hemisphere",), "line": ("cre_line",), "nodetype": ("node_type_id",),
}  # fmt: skip


def column_named(word: str, columns: Iterable[str]) -> str | None:
    """The column of a table of nodes that a word means, or None: its name, or what it is called.

    Case and signs do not count (``E/I`` is ``ei``); of the columns that a word may stand for, such
    as ``class`` for ``cell_class``, the first that is there.
    """
    columns = list(columns)
    if word in columns:
        return word
    plain = {_plain(column): column for column in reversed(columns)}
    asked = _plain(word)
    meant = (asked, *map(_plain, WORDS.get(asked, ())))
    return next((plain[name] for name in meant if name in plain), None)


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


def reference_rates(layers: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
    """Rate that the resting cortex aims at, Hz, of cells by layer (``L2/3``) and class.

    Returns
    -------
    float[cells]; NaN for a layer or class that the cortex model does not know.
    """
    pairs = pd.MultiIndex.from_arrays([np.asarray(layers, str), np.asarray(classes, str)])
    which, distinct = pairs.factorize()
    aims = np.full(len(distinct), np.nan)
    for k, (layer, name) in enumerate(distinct):
        with suppress(KeyError):
            aims[k] = target_of(layer.removeprefix("L"), name)
    return aims[which]


def group_rates(cells: pd.DataFrame, by: Sequence[str], duration: float) -> pd.DataFrame:
    """Rates of the groups of a table of cells.

    Parameters
    ----------
    cells : a row per cell with ``rate_hz`` (Hz) and the columns ``by``, and perhaps ``reference``,
        the rate aimed at (Hz).
    by : columns that name the group.
    duration : ms over which rates are means.

    Returns
    -------
    Sorted by group: ``n`` cells; ``mean``, ``median``, ``p5`` and ``p95`` over cells, Hz;
    ``silent``, %; and where every cell of the group has a reference, ``low`` and ``high``, the
    range about the mean reference of its cells (Hz, else NaN), and the ``verdict`` (else empty).
    """
    grouped = cells.groupby(list(by), observed=True)
    rate = grouped["rate_hz"]
    table = pd.DataFrame(
        {
            "n": rate.size(),
            "mean": rate.mean(),
            "median": rate.median(),
            "p5": rate.quantile(0.05),
            "p95": rate.quantile(0.95),
            "silent": 100.0 * rate.agg(lambda r: float((r == 0).mean())),
        }
    )
    aim = np.full(len(table), np.nan)
    if "reference" in cells:
        aim = grouped["reference"].agg(lambda r: r.mean(skipna=False)).to_numpy(float)
    table["low"], table["high"] = (factor * aim for factor in TOLERANCE)
    table["verdict"] = [
        _verdict(*row, 1e-3 * duration)
        for row in zip(table["mean"], table["n"], aim, table["low"], table["high"], strict=True)
    ]
    return table.reset_index()


def rates_by(cells: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Rates of the groups of a table of cells, to be read by people.

    Parameters
    ----------
    cells, by : see :func:`group_rates`.

    Returns
    -------
    By one column: its values, with ``n``, ``mean_hz``, ``median_hz``, ``p5_hz``, ``p95_hz`` and
    ``silent_percent``. By several: mean rates (Hz) of the last one's values beside each other,
    NaN where there are no cells, with a row and a column ``all``.
    """
    if len(by) > 1:
        return cells.pivot_table("rate_hz", list(by[:-1]), by[-1], margins=True, margins_name="all")
    table = group_rates(cells, by, 1.0).set_index(by[0])
    named = {name: f"{name}_hz" for name in ("mean", "median", "p5", "p95")}
    return table[["n", *named, "silent"]].rename(columns=named | {"silent": "silent_percent"})


def _verdict(mean: float, n: int, aim: float, low: float, high: float, seconds: float) -> str:
    if np.isnan(aim):
        return ""
    if aim * n * seconds < ENOUGH_SPIKES:
        return UNTOLD
    return BELOW if mean < low else ABOVE if mean > high else IN_RANGE
