"""Two results beside each other: no replicates, no statistics."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd

from isocortex.circuit import NodePopulation
from isocortex.cortex.projection import POPULATION
from isocortex.errors import ConfigError, InputError
from isocortex.experiment.measures import Look, groups_of, measure_named
from isocortex.report.origin import nodes_of
from isocortex.report.results import Result
from isocortex.validation.neurons import Neurons, Spikes


@dataclass(frozen=True)
class Pair:
    """What two results have in common, and in what they differ.

    Attributes
    ----------
    same_until : ms, of the first spike that only one of them has; infinite for none.
    start, stop : ms, of the time that both have and that is compared.
    what, unit : of the measure.
    table : by group ``first``, ``second``, ``difference`` and that in ``percent`` of the first.
    """

    same_until: float
    start: float
    stop: float
    what: str
    unit: str
    table: pd.DataFrame


def compare_results(
    first: Result,
    second: Result,
    measure: str = "rate",
    by: str = "area",
    *,
    start: float | None = None,
    config: str | os.PathLike[str] | None = None,
) -> Pair:
    """Compare two results of a cortex in the time that both have.

    Parameters
    ----------
    measure, by : see :meth:`isocortex.experiment.results.StudyResult.table`; bursts of the second
        are those above the first's baseline.
    start : ms, default when the later of both begins.
    config : the configuration of both, if they do not name theirs.

    Raises
    ------
    InputError : one of them is of no cortex. ConfigError : they have no time in common, or are of
        other neurons and the measure is told against the first's rest.
    """
    judged = measure_named(measure)
    begin = max(first.begin, second.begin, start or 0.0)
    end = min(first.duration, second.duration)
    if begin >= end:
        raise ConfigError(f"nothing from {begin:g} ms on is in both", field="start",
                          fix="Begin earlier, or choose others.")  # fmt: skip
    nodes = [_nodes(each, config) for each in (first, second)]
    if judged.against_rest and nodes[0].digest() != nodes[1].digest():
        raise ConfigError(
            f"{measure} are told against the first's rest, and the second is of other neurons",
            field="measure", fix="Compare another measure, or results of one circuit.",
        )  # fmt: skip
    neurons = [Neurons.of(each) for each in nodes]
    rest, spikes = (Spikes.of(each.spikes, begin, end) for each in (first, second))
    values = [
        judged.of(Look(each, rest, groups_of(of, by)))
        for each, of in zip((rest, spikes), neurons, strict=True)
    ]
    table = pd.DataFrame({"first": values[0], "second": values[1]}).rename_axis(by)
    table["difference"] = table["second"] - table["first"]
    table["percent"] = 100.0 * table["difference"] / table["first"].where(table["first"] != 0)
    apart = _first_apart(first, second)
    return Pair(apart, begin, end, judged.what, judged.unit, table)


def _nodes(result: Result, config: str | os.PathLike[str] | None) -> NodePopulation:
    nodes = nodes_of(result, config)
    if POPULATION not in nodes:
        raise InputError(f"has no population {POPULATION!r}", file=result.directory,
                         fix="Give results of a circuit of `isocortex build cortex`.")  # fmt: skip
    return nodes[POPULATION]


def _first_apart(first: Result, second: Result) -> float:
    """When the first spike comes that only one has, of the time that both have, ms."""
    begin, end = max(first.begin, second.begin), min(first.duration, second.duration)
    keys = ["timestamps", "population", "node_ids"]
    tables = []
    for each in (first, second):
        spikes = each.spikes[keys].astype({"population": str})
        tables.append(spikes[(spikes["timestamps"] >= begin) & (spikes["timestamps"] <= end)])
    both = tables[0].merge(tables[1], on=keys, how="outer", indicator=True)
    alone = both.loc[both["_merge"] != "both", "timestamps"]
    return float(alone.min()) if len(alone) else float(np.inf)
