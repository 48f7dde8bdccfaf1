"""What a report is about: a result, and which cell is what, from the circuit's nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex.analysis.groups import CLASS_COLUMNS, group_rates, reference_rates
from isocortex.circuit import NodePopulation
from isocortex.cortex.counts import CLASSES
from isocortex.errors import IsocortexError
from isocortex.report.origin import files_of, nodes_of
from isocortex.report.results import Result
from isocortex.report.sending import sendable
from isocortex.sonata.manifest import load_config
from isocortex.text import read_text

#: Classes that a table, and groups that a picture can hold.
MOST_CLASSES, MOST_GROUPS = 64, 16
#: Columns of node tables that the cortex model writes.
CORTEX_COLUMNS = ("layer", "cell_class", "area", "ei")


@dataclass
class Subject:
    """A result and its circuit's nodes.

    Attributes
    ----------
    nodes : by population; empty if no configuration is at hand.
    config : the configuration the nodes are from.
    missing : why there are no nodes, else empty.
    """

    result: Result
    nodes: dict[str, NodePopulation]
    config: Path | None
    missing: str

    @cached_property
    def run(self) -> dict[str, Any]:
        """``run`` of the provenance; empty for other simulators' results."""
        return self.sendable(self.result.provenance.get("run", {}))

    def sendable(self, value: Any) -> Any:
        """A page is sent: what it shows says nothing of where files lie on this machine."""
        return sendable(value, *files_of(self.result, self.config))

    @property
    def named_config(self) -> str:
        """What the configuration at hand is called, empty if there is none."""
        return self.sendable(str(self.config.absolute())) if self.config is not None else ""

    @property
    def begin(self) -> float:
        """When the results begin, ms."""
        return self.result.begin

    @property
    def duration(self) -> float:
        """Simulated time, ms."""
        return self.end - self.begin

    @cached_property
    def end(self) -> float:
        """When it ends, ms; of spikes alone, when the configuration asks for."""
        if "tstop" not in self.run and not self.result.reports:
            run = self.settings.get("run", {})
            asked = run.get("tstop", run.get("duration")) if isinstance(run, dict) else None
            if isinstance(asked, int | float) and asked >= self.result.duration:
                return float(asked)
        return self.result.duration

    @cached_property
    def name(self) -> str:
        """Short name of the result: its folder and the one around it."""
        return "/".join(self.result.directory.resolve().parts[-2:])

    @cached_property
    def config_text(self) -> str | None:
        """The configuration as it was run; for other results as it is now."""
        kept = self.result.provenance.get("config_text")
        if kept is None and self.config is not None:
            kept = read_text(self.config)
        return self.sendable(kept)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as a dictionary; empty where there is none."""
        try:
            found = json.loads(self.config_text or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe of a cortex whose synapses are drawn from it; else empty."""
        if self.config is None:
            return {}
        return load_config(self.config).get("cortex", ({}, self.config))[0] or {}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every cell: population, node_id, spikes, rate_hz (Hz) and its ``class``.

        With ``layer``, ``area``, ``ei`` and ``reference`` (Hz) for the cortex model's cells.
        """
        rates = self.result.rates()
        parts = []
        for name in dict.fromkeys([*rates["population"], *self.unsaid]):
            group = rates[rates["population"] == name]
            population = self.nodes.get(name)
            if population is not None and name in self.unsaid:
                group = _with_silent(group, population)
            parts.append(group if population is None else _described(group, population))
        cells = pd.concat([rates.iloc[:0], *parts], ignore_index=True)
        known = cells["class"] if "class" in cells else pd.Series(np.nan, cells.index)
        hertz = cells["spikes"].astype(float) * 1e3 / self.duration if self.duration else np.nan
        named = known.astype(object).fillna(cells["population"])
        return cells.assign(**{"rate_hz": hertz, "class": named})

    @cached_property
    def unsaid(self) -> list[str]:
        """Populations of cells of which the output names only those that fired."""
        if "populations" in self.run:
            return []
        return [name for name, population in self.nodes.items() if not population.virtual.all()]

    @cached_property
    def is_cortex(self) -> bool:
        """Whether every cell has the layer, class and area of the cortex model."""
        return "reference" in self.cells and bool(self.cells["reference"].notna().all())

    @cached_property
    def class_columns(self) -> list[str]:
        """Columns of ``cells`` that together name a class."""
        several = self.cells["population"].nunique() > 1
        first = ["layer"] if self.is_cortex else ["population"] if several else []
        return [*first, "class"]

    def rates(self, *by: str) -> pd.DataFrame:
        """Rates of the groups of cells with equal values of these columns."""
        table = group_rates(self.cells, by, self.duration)
        if "class" in by and self.is_cortex:
            order = table["class"].map(CLASSES.index)
            rest = [name for name in by if name != "class"]
            table = table.assign(order=order).sort_values([*rest, "order"], ignore_index=True)
        return table

    @cached_property
    def class_rates(self) -> pd.DataFrame:
        """Rates of all classes."""
        return self.rates(*self.class_columns)

    def label(self, row: Mapping[str, Any]) -> str:
        """Name of the class of a row of ``class_rates``."""
        return " ".join(dict.fromkeys(str(row[column]) for column in self.class_columns))

    def groups(self, population: str) -> dict[str, np.ndarray]:
        """Node ids of one population by what a raster tells apart, the lowest first."""
        mine = self.cells[self.cells["population"] == population]
        if self.is_cortex:
            names = mine["layer"].astype(str) + " " + mine["ei"].astype(str)
            order = sorted(names.unique(), key=lambda n: n, reverse=True)
        else:
            names = mine["class"].astype(str)
            order = list(dict.fromkeys(names))
            if len(order) > MOST_GROUPS:
                names, order = mine["population"].astype(str), [population]
        return {name: mine["node_id"].to_numpy()[(names == name).to_numpy()] for name in order}

    def spikes_of(self, cells: pd.DataFrame) -> np.ndarray:
        """Times of the spikes of some rows of ``cells``, ms since the begin."""
        spikes = self.result.spikes
        parts = []
        for name, group in cells.groupby("population"):
            mine = spikes[spikes["population"] == name]
            chosen = np.isin(mine["node_ids"].to_numpy(), group["node_id"].to_numpy())
            parts.append(mine["timestamps"].to_numpy()[chosen])
        return np.concatenate([np.zeros(0), *parts]) - self.begin


def subject_of(result: Result, config: str | Path | None = None) -> Subject:
    """Find out which cell is what.

    Parameters
    ----------
    config : the configuration, if the result does not name it. It must then be readable; one that
        the result names may be gone or changed beyond use, and the report does without.
    """
    named = config or result.provenance.get("run", {}).get("config_file")
    if named is None:
        return Subject(result, {}, None, "the results do not say which it was")
    try:
        return Subject(result, nodes_of(result, named), Path(named), "")
    except IsocortexError as error:
        if config is not None:
            raise
        return Subject(result, {}, None, str(error))


def _with_silent(cells: pd.DataFrame, population: NodePopulation) -> pd.DataFrame:
    """Counts of spikes with a row for every cell of the population."""
    counts = cells.set_index("node_id")["spikes"]
    every = np.union1d(population.node_ids[~population.virtual], counts.index)
    spikes = counts.reindex(every, fill_value=0).to_numpy()
    return pd.DataFrame({"population": population.name, "node_id": every, "spikes": spikes})


def _described(cells: pd.DataFrame, population: NodePopulation) -> pd.DataFrame:
    """Rates with what the node table says of each cell."""
    table = population.table
    if set(CORTEX_COLUMNS) <= set(table.columns):
        columns = {name: table[name] for name in CORTEX_COLUMNS}
        columns["class"] = columns.pop("cell_class")
        aims = reference_rates(table["layer"], table["cell_class"])
        if not np.isnan(aims).any():
            columns["reference"] = pd.Series(aims, table.index)
    else:
        counts = {c: table[c].astype(object).nunique() for c in CLASS_COLUMNS if c in table}
        telling = [name for name, n in counts.items() if 1 < n <= MOST_CLASSES]
        columns = {"class": table[telling[0]].astype(object)} if telling else {}
    described = pd.DataFrame(columns, index=table.index).assign(node_id=population.node_ids)
    return cells.merge(described, on="node_id", how="left")
