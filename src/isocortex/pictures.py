"""The pictures of a finished run: raster, rates, traces with calcium, a neuron in colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from isocortex.analysis import brain, plots, plots_potentials
from isocortex.analysis.groups import CLASS_COLUMNS
from isocortex.analysis.palette import by_module
from isocortex.analysis.potentials import current_source_density, depths
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import NodePopulation, Simulation
from isocortex.cortex.atlas import load_atlas
from isocortex.errors import ConfigError, InputError, disk_errors
from isocortex.network.cells import compile_cell_of
from isocortex.report.origin import named_config, simulation_of
from isocortex.report.results import Result

if TYPE_CHECKING:
    from xarray import DataArray

#: ms at the beginning, when all cells leave the same voltage at once, that are no potential of a
#: cortex; of a shorter run a third.
SETTLING = 300.0


def _nodes_of(result: Result, simulation: Simulation) -> NodePopulation | None:
    """The nodes that spiked, if they are of one population."""
    populations = list(result.nodes)
    if len(populations) != 1:
        return None
    return simulation.circuit.nodes.get(populations[0])


def groups_of(result: Result, simulation: Simulation) -> dict[str, np.ndarray] | None:
    """Node ids by cell class, for a result of one population."""
    population = _nodes_of(result, simulation)
    if population is None:
        return None
    if {"layer", "cell_class", "ei"} <= set(population.table):
        return _layers_and_classes(population)
    for column in CLASS_COLUMNS:
        if column in population.table:
            names = population.table[column].astype(object)
            if 1 < names.nunique() <= 16:
                return {
                    str(name): population.node_ids[(names == name).to_numpy()]
                    for name in names.dropna().unique()
                }
    return None


def _layers_and_classes(population: NodePopulation) -> dict[str, np.ndarray]:
    """Of a cortex: excitatory cells by layer, from the deepest up, then inhibitory by class."""
    table = population.table
    excitatory = (table["ei"] == "e").to_numpy()
    name = np.where(excitatory, table["layer"].astype(str) + " E", table["cell_class"].astype(str))
    order = [*sorted(set(name[excitatory]), reverse=True), *sorted(set(name[~excitatory]))]
    return {group: population.node_ids[name == group] for group in order}


def raster(result: Result, simulation: Simulation | None = None) -> Figure:
    """All spikes, by cell class where the circuit is at hand."""
    groups = groups_of(result, simulation) if simulation is not None else None
    return plots.raster(result.spikes, groups, begin=result.begin, duration=result.duration)


def raster_by_area(result: Result, simulation: Simulation) -> Figure:
    """Spikes of a cortex by area, in the order and colours of the viewer."""
    population = _cortex_nodes(result, simulation)
    atlas = load_atlas()
    area = population.table["area"].astype(str).to_numpy()
    groups = {
        name: population.node_ids[area == name]
        for name in reversed(by_module(atlas)) if (area == name).any()
    }  # fmt: skip
    return brain.raster_by_area(
        result.spikes, groups, atlas, begin=result.begin, duration=result.duration
    )


def cortex_views(result: Result, simulation: Simulation) -> Figure:
    """All neurons of a cortex from three sides."""
    return brain.views(_cortex_nodes(result, simulation).table, load_atlas())


def cortex(result: Result, simulation: Simulation) -> Figure:
    """The three zooms: the cortex, one column of it and one neuron, coloured by voltage."""
    population = _cortex_nodes(result, simulation)
    name, whole, node = _whole_cell(result, _largest(result))
    if whole != population.name:
        raise InputError(f"cell {node} is of population {whole!r}", file=result.directory,
                         fix=f"Record one of {population.name!r}.")  # fmt: skip
    shown = _moment(result, simulation, name, whole, node)
    row = int(np.flatnonzero(population.node_ids == node)[0])
    examples = [brain.Neuron(row, shown.cell, shown.values)]
    for other in _neighbours(population, row):
        model = compile_cell_of(simulation, population.name, int(population.node_ids[other]))
        examples.append(brain.Neuron(other, model))
    v = result.voltage(node, whole)
    table = population.table
    title = (
        f"{len(table):,} neurons of the mouse cortex, a column of {table['area'].iloc[row]}, and "
        f"neuron {node} ({table['layer'].iloc[row]} {table['cell_class'].iloc[row]}){shown.when}"
    )
    return brain.zooms(
        table, load_atlas(), examples, title=title,
        trace=(np.asarray(v["time"].values), np.asarray(v.values, float), shown.time),
    )  # fmt: skip


def _largest(result: Result) -> int:
    """The cell recorded in most compartments, of those that fired if there are any."""
    name, population, _ = _whole_cell(result, None)
    ids, counts = np.unique(result.report(name, population)["node_id"].values, return_counts=True)
    spikes = result.spikes
    fired = np.isin(ids, spikes["node_ids"][spikes["population"] == population])
    return int(ids[np.argmax(counts * (1 + counts.max() * fired))])


def _cortex_nodes(result: Result, simulation: Simulation) -> NodePopulation:
    population = _nodes_of(result, simulation)
    missing = set(brain.COLUMNS) - set(() if population is None else population.table)
    if population is None or missing:
        raise InputError(
            f"its nodes have no {', '.join(sorted(missing)) or 'single population'}",
            file=result.directory, fix="Draw a circuit made by `isocortex build cortex`.",
        )  # fmt: skip
    return population


def _neighbours(population: NodePopulation, row: int, most: int = 12) -> list[int]:
    """Rows of neurons near one, in the same area and side, of each layer in turn."""
    table = population.table
    place = table[["x", "y", "z"]].to_numpy(float)
    same = (table["area"] == table["area"].iloc[row]) & (
        table["hemisphere"] == table["hemisphere"].iloc[row]
    )
    rows = np.flatnonzero(same & (np.arange(len(table)) != row))
    rows = rows[np.argsort(np.linalg.norm(place[rows] - place[row], axis=1))]
    layer = table["layer"].iloc[rows]
    turn = layer.groupby(layer.to_numpy()).cumcount().to_numpy()  # one of each layer, then another
    return [int(i) for i in rows[np.argsort(turn, kind="stable")][:most]]


def rates(result: Result, simulation: Simulation | None = None) -> Figure:
    """Rates per class and over time."""
    groups = groups_of(result, simulation) if simulation is not None else None
    return plots.rates(result.spikes, groups, begin=result.begin, duration=result.duration)


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
    name, population, node = _whole_cell(result, _largest(result) if node_id is None else node_id)
    shown = _moment(result, simulation, name, population, node, time)
    title = f"{population} {node} ({shown.cell.name}) at {shown.time:.1f} ms{shown.when}"
    return plots.morphology(shown.cell, shown.values, title=title)


@dataclass(frozen=True)
class _Moment:
    """A cell, the voltage of its nodes (mV) at a time (ms), and what the time is."""

    cell: CompiledCell
    values: np.ndarray
    time: float
    when: str


def _moment(
    result: Result,
    simulation: Simulation,
    report: str,
    population: str,
    node: int,
    time: float | None = None,
) -> _Moment:
    """A recorded cell at ``time``, by default where its first spike is highest."""
    data = result.report(report, population)
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
    return _Moment(cell, values, float(times[k]), when)


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


def lfp(result: Result, simulation: Simulation | None = None, report: str | None = None) -> Figure:
    """Potential along a probe, its source density and its spectrum, by depth.

    Parameters
    ----------
    report : of potentials; None takes the first whose contacts lie on a line.
    """
    names = result.potentials if report is None else [report]
    reason: Exception | None = None
    for name in names or [""]:
        data = result.potential(name)
        try:
            along = depths(np.column_stack([data[axis].values for axis in "xyz"]))
            current_source_density(data[:1].values, along)
        except (KeyError, ValueError) as error:  # no places, or on no line
            reason = error
            continue
        late = _settled(result, data)
        return plots_potentials.laminar(
            data["time"].values[late], along, data.values[late], title=str(data.name)
        )
    raise InputError(
        f"{', '.join(names)} cannot be drawn by depth ({reason})", file=result.directory,
        fix="Record at three or more evenly spaced contacts of a straight probe.",
    )  # fmt: skip


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


def eeg(result: Result, simulation: Simulation | None = None, report: str | None = None) -> Figure:
    """Potential at electrodes over time, and its spectra.

    Parameters
    ----------
    report : of potentials; None takes the first of electrodes of a head.
    """
    names = [name for name in result.potentials if "head" in result.potential(name).attrs]
    if report is None and not names:
        raise InputError(
            "has no potentials at electrodes of a head", file=result.directory,
            fix="Give a report of module extracellular a head, or name one with --report.",
        )  # fmt: skip
    data = result.potential(report or names[0])
    late = _settled(result, data)
    channels = data["name" if "name" in data.coords else "channel"].values
    return plots_potentials.electrodes(
        data["time"].values[late], data.values[late],
        [str(each).replace("_", " ") for each in channels], title=str(data.name),
    )  # fmt: skip


def _settled(result: Result, data: DataArray) -> NDArray[np.bool_]:
    """bool[samples], when cells have left the voltage that they all begin with."""
    start = result.begin + min(SETTLING, (result.duration - result.begin) / 3)
    return np.asarray(data["time"].values >= start)


#: Pictures of a run by their name; those in ``OF_CIRCUITS`` need the configuration too.
PICTURES: dict[str, Callable[..., Figure]] = {
    "raster": raster, "rates": rates, "traces": traces, "morphology": morphology,
    "areas": raster_by_area, "views": cortex_views, "cortex": cortex, "lfp": lfp,
    "eeg": eeg,
}  # fmt: skip
OF_CIRCUITS = ("morphology", "areas", "views", "cortex")


def save_all(result: Result, simulation: Simulation | None = None) -> list[Path]:
    """Every picture this result can give, in its ``pictures`` folder.

    Parameters
    ----------
    simulation : by default the one that the result names; without its configuration, only what
        needs no circuit is drawn.
    """
    if simulation is None and named_config(result) is not None:
        simulation = simulation_of(result)
    folder = result.directory / "pictures"
    paths = []
    for name, draw in PICTURES.items():
        if simulation is None and name in OF_CIRCUITS:
            continue
        try:
            paths.append(save(draw(result, simulation), folder / f"{name}.png"))
        except InputError:
            continue  # this run recorded nothing to draw it from
    return paths
