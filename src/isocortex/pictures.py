"""The pictures of a finished run: raster, rates, traces with calcium, a neuron in colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from isocortex.analysis import plots
from isocortex.cells.compiled import CompiledCell
from isocortex.errors import ConfigError, InputError, disk_errors
from isocortex.network.build import compile_cell_of
from isocortex.report.results import Result
from isocortex.sonata.circuit import Simulation
from isocortex.sonata.config import load_simulation

#: Columns of node tables that name cell classes, the most telling first.
CLASS_COLUMNS = ("pop_name", "cre_line", "model_name", "ei", "model_type")


def simulation_of(result: Result) -> Simulation:
    """The configuration a result was computed from."""
    config = result.provenance.get("run", {}).get("config_file")
    if config is None or not Path(config).exists():
        raise InputError(
            "does not say which configuration it comes from, or that file is gone",
            file=result.directory, fix="Give --config.",
        )  # fmt: skip
    return load_simulation(config, skip_unsupported_reports=True)


def groups_of(result: Result, simulation: Simulation) -> dict[str, np.ndarray] | None:
    """Node ids by cell class, for a result of one population."""
    populations = list(result.nodes)
    if len(populations) != 1 or populations[0] not in simulation.circuit.nodes:
        return None
    population = simulation.circuit.nodes[populations[0]]
    for column in CLASS_COLUMNS:
        if column in population.table:
            names = population.table[column].astype(object)
            if 1 < names.nunique() <= 16:
                return {
                    str(name): population.node_ids[(names == name).to_numpy()]
                    for name in names.dropna().unique()
                }
    return None


def raster(result: Result, simulation: Simulation | None = None) -> Figure:
    """All spikes, by cell class where the circuit is at hand."""
    groups = groups_of(result, simulation) if simulation is not None else None
    return plots.raster(result.spikes, groups, duration=result.duration)


def rates(result: Result, simulation: Simulation | None = None) -> Figure:
    """Rates per class and over time."""
    groups = groups_of(result, simulation) if simulation is not None else None
    return plots.rates(result.spikes, groups, duration=result.duration)


def _soma_report(result: Result, variable: str) -> tuple[str, str] | None:
    for name in result.reports:
        for population in result.nodes:
            try:
                data = result.report(name, population)
            except InputError:
                continue
            if data.attrs.get("variable", data.attrs.get("variable_name", data.name)) == variable:
                return name, population
    return None


def traces(
    result: Result,
    simulation: Simulation | None = None,
    node_ids: list[int] | None = None,
    most: int = 5,
) -> Figure:
    """Soma voltage of some cells, with calcium where it was recorded; spikes are ticks above."""
    found = _soma_report(result, "v")
    if found is None:
        raise InputError(
            "holds no report of v", file=result.directory, fix="Add a membrane_report of v."
        )
    name, population = found
    data = result.report(name, population)
    recorded = np.unique(data["node_id"].values)
    chosen = list(recorded[:most]) if node_ids is None else node_ids
    v = [result.voltage(int(i), population) for i in chosen]
    time = v[0]["time"].values
    calcium = None
    shells = _soma_report(result, "cai")
    if shells is not None:
        cai = result.report(shells[0], population)
        rows = [np.flatnonzero(cai["node_id"].values == i) for i in chosen]
        same_time = cai.sizes["time"] == len(time)
        if same_time and all(len(r) for r in rows):
            calcium = np.array([cai.values[:, r[0]] for r in rows])
    spikes = result.spikes
    spikes = spikes[spikes["population"] == population]
    trains = [spikes["timestamps"][spikes["node_ids"] == i].to_numpy() for i in chosen]
    classes = groups_of(result, simulation) if simulation is not None else None
    of_class = {int(i): f", {name}" for name, ids in (classes or {}).items() for i in ids}
    return plots.traces(
        time, np.array([x.values for x in v]), calcium,
        labels=[f"{population} {i}{of_class.get(int(i), '')}" for i in chosen], spikes=trains,
    )  # fmt: skip


def _whole_cell(result: Result, node_id: int | None) -> tuple[str, str, int]:
    """(report, population, node) of a cell with v at more than one compartment."""
    for name in result.reports:
        for population in result.nodes:
            try:
                data = result.report(name, population)
            except InputError:
                continue
            ids, counts = np.unique(data["node_id"].values, return_counts=True)
            whole = ids[counts > 1]
            if data.attrs.get("units") == "mV" and len(whole):
                if node_id is None or node_id in whole:
                    return name, population, int(whole[0] if node_id is None else node_id)
    raise InputError(
        "has no report of v at all compartments of a cell", file=result.directory,
        fix='Add a membrane_report of v with "sections": "all".',
    )  # fmt: skip


def morphology(
    result: Result, simulation: Simulation, node_id: int | None = None, time: float | None = None
) -> Figure:
    """A recorded cell, coloured by voltage at ``time`` (ms; by default its first spike's peak)."""
    name, population, node = _whole_cell(result, node_id)
    data = result.report(name, population)
    mine = np.flatnonzero(data["node_id"].values == node)
    times = data["time"].values
    cell = compile_cell_of(simulation, population, node)
    k, when = int(np.argmin(np.abs(times - (times.mean() if time is None else time)))), ""
    spikes = result.spikes
    fired = spikes["timestamps"][
        (spikes["node_ids"] == node) & (spikes["population"] == population)
    ]
    if time is None and len(fired):
        near = np.flatnonzero(np.abs(times - fired.iloc[0]) <= 1.5)
        if len(near):
            highest = data.values[near][:, mine].max(axis=1)
            k, when = int(near[np.argmax(highest)]), ", its first spike"
    values = _on_nodes(cell, np.asarray(data[k, mine].values, float))
    title = f"{population} {node} ({cell.name}) at {times[k]:.1f} ms{when}"
    return plots.morphology(cell, values, title=title)


def _on_nodes(cell: CompiledCell, values: np.ndarray) -> np.ndarray:
    """From compartments in SONATA order to nodes; branch points take their parent's value."""
    if len(values) != cell.n_compartments:
        raise InputError(
            f"the report has {len(values)} elements, the cell {cell.n_compartments} compartments",
            fix='Record v with "sections": "all" and the same dL.',
        )
    nodes = np.full(cell.n_nodes, np.nan)
    nodes[cell.compartments] = values
    for i in np.flatnonzero(np.isnan(nodes)):
        nodes[i] = nodes[cell.parent[i]]
    return nodes


def save(figure: Figure, path: Path) -> Path:
    """Write a picture; the suffix chooses the format."""
    formats = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in formats:
        raise ConfigError(
            f"cannot draw a picture of type {path.suffix!r}", file=path,
            fix=f"Use one of {', '.join(sorted(formats))}.",
        )  # fmt: skip
    with disk_errors(path, "write the picture"):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path


def save_all(result: Result, simulation: Simulation) -> list[Path]:
    """Every picture this result can give, in its ``pictures`` folder."""
    folder = result.directory / "pictures"
    makers = {
        "raster": lambda: raster(result, simulation),
        "rates": lambda: rates(result, simulation),
        "traces": lambda: traces(result, simulation),
        "morphology": lambda: morphology(result, simulation),
    }
    paths = []
    for name, make in makers.items():
        try:
            paths.append(save(make(), folder / f"{name}.png"))
        except InputError:
            continue  # this run recorded nothing to draw it from
    return paths
