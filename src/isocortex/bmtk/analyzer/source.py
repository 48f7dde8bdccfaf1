"""Where analyzers find spikes, reports and nodes, and what becomes of their figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from isocortex.arrays import IntArray
from isocortex.bmtk.utils.populations import only
from isocortex.bmtk.utils.reports.spike_trains import SpikeTrains
from isocortex.circuit import NodePopulation
from isocortex.circuit.columns import coded
from isocortex.errors import ConfigError
from isocortex.report.results import Result
from isocortex.sonata.config import load_nodes
from isocortex.sonata.manifest import load_config
from isocortex.sonata.nodes import read_nodes

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Source:
    """What to look at: a configuration that was run, or files.

    Attributes
    ----------
    config_file : of a simulation.
    nodes_file, node_types_file : in place of those of the configuration.
    """

    config_file: StrPath | None = None
    nodes_file: StrPath | None = None
    node_types_file: StrPath | None = None

    @cached_property
    def result(self) -> Result:
        if self.config_file is None:
            raise ConfigError(
                "nothing to look at", field="config_file", fix="Name a configuration or a file."
            )
        return Result(self.config_file)

    def report(self, name: str) -> str:
        """The name that a report of the configuration has in the results: its file says it."""
        if name in self.result.reports or name in self.result.potentials:
            return name
        asked, _ = load_config(Path(str(self.config_file)), lenient=True).get("reports", ({}, None))
        given = asked.get(name) if isinstance(asked, dict) else None
        file = given.get("file_name") if isinstance(given, dict) else None
        return Path(str(file)).stem if file else name

    def spikes(
        self, spikes_file: StrPath | None, population: str | None
    ) -> tuple[str, pd.DataFrame]:
        """A population, the only one if none is named, and its spikes."""
        if spikes_file is None:
            table = self.result.spikes
            there = self.result.spike_populations
        else:
            trains = SpikeTrains.load(spikes_file)
            table, there = trains.to_dataframe(), trains.populations
        name = only(population, there)
        return name, table[table["population"] == name]

    def nodes(self, population: str) -> NodePopulation:
        """A population with all attributes of its nodes."""
        if self.nodes_file is not None:
            types = None if self.node_types_file is None else Path(self.node_types_file)
            found = {each.name: each for each in read_nodes(Path(self.nodes_file), types)}
        elif self.config_file is not None:
            found = load_nodes(self.config_file)
        else:
            raise ConfigError(
                "no file says which groups there are", field="group_by",
                fix="Name config_file or nodes_file.",
            )  # fmt: skip
        return found[only(population, list(found))]

    def groups(
        self, population: str, by: str, excludes: str | Sequence[str] | None
    ) -> dict[str, IntArray]:
        """Node ids by the values of an attribute."""
        nodes = self.nodes(population)
        if by not in nodes.columns:
            raise ConfigError(
                f"nodes of {population} have no attribute {by!r}", field="group_by",
                fix=f"They have {', '.join(nodes.columns)}.",
            )  # fmt: skip
        without = [excludes] if isinstance(excludes, str) else excludes or ()
        codes, values = coded(nodes.columns[by])
        return {
            str(value): nodes.node_ids[codes == code]
            for value, code in sorted(zip(values, range(len(values)), strict=True), key=str)
            if value not in without
        }


def within(times: np.ndarray, span: tuple[float, float] | None) -> np.ndarray:
    """bool[n], which times (ms) are of a span."""
    low, high = span or (-np.inf, np.inf)
    return (times >= low) & (times <= high)


def shown(figure: Figure, show: bool, save_as: StrPath | None) -> Figure:
    """Save a figure, and hand it to pyplot, whose ``show`` shows all that it was given."""
    from matplotlib import pyplot as plt

    if save_as:
        figure.savefig(save_as)
    plt.figure(FigureClass=lambda *_, **__: figure)  # type: ignore[arg-type]
    if show and matplotlib.get_backend().lower() != "agg":
        plt.show()
    return figure
