"""Circuit and compiled cells to Network: number the sources, place the synapses, sort them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.cells.allen import compile_allen
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.cells.library import load_cell
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.circuit import (
    Circuit,
    CurrentInput,
    EdgePopulation,
    Input,
    NodePopulation,
    PoissonInput,
    Simulation,
    SpikeInput,
    SynapseRule,
)
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError, ModelError, located
from isocortex.mechanisms.synapses import Kinetics, exp1syn, exp2syn
from isocortex.network.drawn.draw import DELAY_STEP
from isocortex.network.network import (
    Connections,
    CurrentSource,
    DrawnSynapses,
    Network,
    PointNeurons,
    Pulses,
    Slots,
    SpikeTrains,
    Waveform,
)
from isocortex.network.poisson import PoissonSources, no_sources
from isocortex.random import uniform

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
logger = logging.getLogger(__name__)

#: Model templates that mean "an Allen cell from SWC and fit file".
ALLEN_TEMPLATES = ("ctdb:Biophys1.hoc", "ctdb:Biophys1")
#: Prefix of templates that name a cell of the embedded library.
LIBRARY_PREFIX = "isocortex:"
LIBRARY_DL = 20.0  # um
#: Synapses of a recipe that are stored unless asked otherwise. Built, they need some 60 bytes each.
STORED_UP_TO = 1e8
#: Node attributes that together name a cell model.
MODEL_COLUMNS = ("model_template", "morphology", "dynamics_params", "model_processing")


@dataclass
class _Sources:
    """Numbering of all spike sources: first_of[population][row] -> source."""

    number: dict[str, IntArray]
    kind: dict[str, NDArray[np.int8]]  # 0 biophysical, 1 point, 2 virtual


MODEL_KINDS = {"biophysical": 0, "point_neuron": 1, "point_process": 1, "virtual": 2}


def build_network(simulation: Simulation, store_synapses: bool | None = None) -> Network:
    """Compile the cells of a circuit and wire them.

    Parameters
    ----------
    store_synapses : of a circuit that holds the recipe of a cortex: whether its synapses are drawn
        now and stored, or drawn again at every spike. By default up to ``STORED_UP_TO`` are stored.

    Raises
    ------
    ModelError, InputError, ConfigError : with the population and file at fault.
    """
    circuit = simulation.circuit
    populations = list(circuit.nodes.values())
    kinds = {p.name: _kinds_of(p) for p in populations}
    all_kinds = np.concatenate([kinds[p.name] for p in populations] or [np.zeros(0, np.int8)])
    order = np.argsort(all_kinds, kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    ends = np.cumsum([len(p.node_ids) for p in populations])
    split = dict(zip((p.name for p in populations), np.split(number, ends[:-1]), strict=True))
    sources = _Sources(split, kinds)
    n_cells, n_points = (int(np.count_nonzero(all_kinds == k)) for k in (0, 1))
    n_virtual = len(all_kinds) - n_cells - n_points

    models, cell_model = _compile_cells(simulation, sources, n_cells)
    points = _point_neurons(circuit, sources, n_cells, n_points)
    cortex = None
    if circuit.recipe is not None:
        cortex = cortex_of(circuit, len(sources.number.get("cortex", ())))
    if store_synapses is None:
        store_synapses = cortex is None or cortex.expected_synapses <= STORED_UP_TO
    kinetics, slots, connections, drawn = _connect(
        circuit, sources, models, cell_model, len(all_kinds), simulation.seed, cortex,
        store_synapses,
    )  # fmt: skip
    labels = np.concatenate([np.full(len(p.node_ids), i) for i, p in enumerate(populations)])
    node_ids = np.concatenate([p.node_ids for p in populations])
    return Network(
        models=models,
        cell_model=cell_model,
        kinetics=kinetics,
        slots=slots,
        connections=connections,
        points=points,
        n_virtual=n_virtual,
        trains=_spike_trains(simulation.inputs, sources),
        poisson=_all_poisson(simulation.inputs, sources),
        currents=_currents(simulation, sources, models, cell_model),
        populations=[p.name for p in populations],
        source_population=labels[order],
        source_node_id=node_ids[order],
        drawn=drawn,
    )


def _kinds_of(population: NodePopulation) -> NDArray[np.int8]:
    if "model_type" not in population.table:
        raise InputError(
            "no node has a model_type", file=population.file, field=population.name,
            fix=f"Add the column model_type ({', '.join(MODEL_KINDS)}) to the node types.",
        )  # fmt: skip
    kinds = population.table["model_type"].astype(object).map(MODEL_KINDS)
    unknown = kinds.isna().to_numpy()
    if unknown.any():
        value = population.table["model_type"].astype(object)[unknown].iloc[0]
        raise ModelError(
            f"model_type {value!r} is not supported", file=population.file,
            field=f"nodes/{population.name}", fix=f"Use one of {', '.join(MODEL_KINDS)}.",
        )  # fmt: skip
    return kinds.to_numpy().astype(np.int8)


# --- cells ------------------------------------------------------------------------------------


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as objects, None where the column or the value is missing."""
    if name not in table:
        return pd.Series([None] * len(table), index=table.index, dtype=object)
    column = table[name].astype(object)
    return column.where(column.notna(), None)


def _compile_cells(
    simulation: Simulation, sources: _Sources, n_cells: int
) -> tuple[list[CompiledCell], IntArray]:
    models: dict[tuple[str | None, ...], int] = {}
    compiled: list[CompiledCell] = []
    cell_model = np.zeros(n_cells, np.int64)
    for population in simulation.circuit.nodes.values():
        rows = np.flatnonzero(sources.kind[population.name] == 0)
        if len(rows) == 0:
            continue
        keys = pd.DataFrame({c: _column(population.table, c).iloc[rows] for c in MODEL_COLUMNS})
        for key, group in keys.fillna("").groupby(list(MODEL_COLUMNS), sort=False):
            names = tuple(k or None for k in key)
            if names not in models:
                models[names] = len(compiled)
                compiled.append(_compile(simulation, population, *names))
            members = rows[keys.index.get_indexer(group.index)]
            cell_model[sources.number[population.name][members]] = models[names]
    return compiled, cell_model


def _compile(
    simulation: Simulation,
    population: NodePopulation,
    template: str | None,
    morphology: str | None,
    dynamics: str | None,
    processing: str | None,
) -> CompiledCell:
    """One distinct cell model."""
    circuit = simulation.circuit
    where: dict[str, Any] = {"file": population.file, "field": f"nodes/{population.name}"}
    if template is not None and template.startswith(LIBRARY_PREFIX):
        if simulation.dL != LIBRARY_DL:
            raise ConfigError(
                f"embedded cells are divided for dL {LIBRARY_DL:g} um, not {simulation.dL:g}",
                file=simulation.config_file, field="run.dL",
                fix=f"Leave dL at {LIBRARY_DL:g}, or give the cells' SWC and fit files.",
            )  # fmt: skip
        return load_cell(template.removeprefix(LIBRARY_PREFIX))
    if template is not None and template.startswith("nml:"):
        dynamics = _fit_of_neuroml(circuit, template, where)
        processing = processing or "aibs_perisomatic"  # BMTK replaces the axon in any case
    elif template not in ALLEN_TEMPLATES:
        raise ModelError(
            f"model_template {template!r} is not supported",
            fix=f"Use {ALLEN_TEMPLATES[0]}, or {LIBRARY_PREFIX}<id> for an embedded cell.",
            **where,
        )
    if morphology is None or dynamics is None:
        missing = "morphology" if morphology is None else "dynamics_params"
        raise InputError(
            f"a biophysical cell has no {missing}", fix=f"Set {missing} in the node types.", **where
        )
    return compile_allen(
        circuit.find("biophysical_neuron_models_dir", dynamics),
        circuit.find("morphologies_dir", morphology),
        processing,
        dL=simulation.dL,
        name=Path(dynamics).stem.removesuffix("_fit"),
    )


def compile_cell_of(simulation: Simulation, population: str, node_id: int) -> CompiledCell:
    """The compiled model of one biophysical node."""
    nodes = simulation.circuit.nodes[population]
    rows = np.flatnonzero(nodes.node_ids == node_id)
    if len(rows) == 0:
        raise InputError(f"there is no node {node_id}", file=nodes.file, field=population)
    row = nodes.table.iloc[rows[:1]]
    names = [_column(row, c).iloc[0] for c in MODEL_COLUMNS]
    return _compile(simulation, nodes, *names)


def _fit_of_neuroml(circuit: Circuit, template: str, where: dict) -> str:
    """The Allen fit file with the same parameters as a NeuroML template.

    The Allen Institute publishes every model both ways, as ``Cell_<id>.cell.nml`` and
    ``<id>_fit.json``; the latter is read, from the same folder, ``json`` in it or beside it.
    """
    match = re.search(r"Cell_(\d+)\.cell\.nml$", template)
    folder = circuit.components.get("biophysical_neuron_models_dir")
    if match and folder is not None:
        name = f"{match.group(1)}_fit.json"
        for place in (folder / name, folder / "json" / name, folder.parent / "json" / name):
            if place.is_file():
                logger.info("%s: parameters from %s", template, place)
                return str(place.absolute())
    raise ModelError(
        f"NeuroML template {template!r} is not supported",
        fix="Put the model's Allen fit file (<id>_fit.json) beside it.", **where,
    )  # fmt: skip


def _point_neurons(
    circuit: Circuit, sources: _Sources, n_cells: int, n_points: int
) -> PointNeurons:
    tau, refractory = np.zeros(n_points), np.zeros(n_points)
    for population in circuit.nodes.values():
        rows = np.flatnonzero(sources.kind[population.name] == 1)
        files = _column(population.table, "dynamics_params").iloc[rows].to_numpy()
        templates = _column(population.table, "model_template").iloc[rows].to_numpy()
        numbers = sources.number[population.name][rows] - n_cells
        for template, file in {*zip(templates, files, strict=True)}:
            if template != "nrn:IntFire1":
                raise ModelError(
                    f"point neuron template {template!r} is not supported",
                    file=population.file, field=f"nodes/{population.name}/model_template",
                    fix="Only nrn:IntFire1 is.",
                )  # fmt: skip
            if file is None:
                raise InputError(
                    "an IntFire1 cell has no dynamics_params", file=population.file,
                    field=f"nodes/{population.name}", fix="Name its JSON file (tau, refrac in s).",
                )  # fmt: skip
            path = circuit.find("point_neuron_models_dir", file)
            mine = numbers[(files == file) & (templates == template)]
            values = _json_numbers(path, ("tau", "refrac"))
            if not (values["tau"] > 0 and values["refrac"] >= 0):
                raise ModelError(
                    f"tau must be positive and refrac not negative, found {values}", file=path,
                    fix="Both are in s.",
                )  # fmt: skip
            tau[mine], refractory[mine] = 1e3 * values["tau"], 1e3 * values["refrac"]  # s -> ms
    return PointNeurons(tau, refractory)


def _json_numbers(path: Path, names: tuple[str, ...]) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
        return {name: float(content[name]) for name in names}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"not a JSON object with the numbers {', '.join(names)} ({error})", file=path,
            fix="Mend the file.",
        ) from error  # fmt: skip


# --- synapses ---------------------------------------------------------------------------------


def kinetics_of(rule: SynapseRule, edges: EdgePopulation) -> Kinetics:
    """Time constants and reversal of the synapses of an edge type."""
    template = (rule.model_template or "").lower()
    makers: dict[str, tuple[Callable[..., Kinetics], tuple[str, ...]]] = {
        "exp2syn": (exp2syn, ("tau1", "tau2", "erev")),
        "exp1syn": (exp1syn, ("tau", "erev")),
    }
    makers["expsyn"] = makers["exp1syn"]
    values = dict(rule.dynamics)
    for name in ("tau1", "tau_1"):  # what BMTK's ExpSyn and Exp1Syn call it
        if template in ("exp1syn", "expsyn"):
            values.setdefault("tau", values.get(name))
    where = {"file": rule.dynamics_file, "field": f"edges/{edges.name}"}
    if template not in makers:
        later = " (short-term plasticity is not supported yet)" if "stp" in template else ""
        raise ModelError(
            f"synapse model_template {rule.model_template!r} is not supported{later}",
            fix=f"Use one of {', '.join(sorted(makers))}.", **where,
        )  # fmt: skip
    make, names = makers[template]
    try:
        numbers = [float(values[name]) for name in names]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{rule.model_template} needs the numbers {', '.join(names)} in its dynamics_params",
            fix="Add them (ms, ms, mV).", **where,
        ) from error  # fmt: skip
    if not all(np.isfinite(numbers)) or min(numbers[:-1]) <= 0:
        raise ModelError(
            f"time constants must be positive, found {numbers[:-1]}", fix="Mend them.", **where
        )
    return make(*numbers)


def _connect(
    circuit: Circuit,
    sources: _Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    n_sources: int,
    seed: int,
    cortex: CortexModel | None,
    store_synapses: bool,
) -> tuple[list[Kinetics], Slots, Connections, DrawnSynapses | None]:
    """All synapses of all edge populations and of a recipe, sorted by source, then delay."""
    n_cells = len(cell_model)
    kinetics: list[Kinetics] = []
    most_nodes = max((m.n_nodes for m in models), default=1)
    none = np.zeros(0)
    grid = none if cortex is None else np.arange(256) * DELAY_STEP
    delays = np.unique(np.concatenate([grid, *(edges.delay for edges in circuit.edges)]))
    index = np.min_scalar_type(max(len(delays) - 1, 0))
    parts: list[tuple] = []  # (source, key of the slot or -1 - point, weight, index of the delay)
    for edges in circuit.edges:
        source = sources.number[edges.source][edges.source_index].astype(np.int32)
        target = sources.number[edges.target][edges.target_index]
        target_kind = sources.kind[edges.target][edges.target_index]
        delay = np.searchsorted(delays, edges.delay).astype(index)
        if (target_kind == 2).any():
            raise InputError(
                "an edge ends on a virtual node", field=f"edges/{edges.name}",
                fix=f"Population {edges.target!r} must be biophysical or point neurons.",
            )  # fmt: skip
        for r, rule in enumerate(edges.rules):
            mine = edges.rule == r
            at = np.flatnonzero(mine & (target_kind == 1))
            if len(at):
                weight = _compact(edges.weight[at] * _sign_and_count(edges, rule, at))
                parts.append((source[at], n_cells - 1 - target[at], weight, delay[at]))
            at = np.flatnonzero(mine & (target_kind == 0))
            if len(at) == 0:
                continue
            made = kinetics_of(rule, edges)
            if made not in kinetics:
                kinetics.append(made)
            with located(edges.name, "target_sections"):
                edge, node = place_synapses(edges, rule, at, target, models, cell_model, seed)
            key = (kinetics.index(made) * n_cells + target[edge]) * most_nodes + node
            parts.append((source[edge], key, _compact(edges.weight)[edge], delay[edge]))
    drawn = None
    if cortex is not None:
        number, step = sources.number["cortex"], np.searchsorted(delays, grid).astype(index)
        of_rules = [rule.kinetics for rule in cortex.rules]
        kinetics += [k for k in dict.fromkeys(of_rules) if k not in kinetics]
        kind = np.array([kinetics.index(k) for k in of_rules])
        drawn = _drawn_synapses(
            cortex, number, kind, len(kinetics), most_nodes, step, store_synapses
        )
        if store_synapses:
            parts += _stored_synapses(cortex, number, kind, n_cells, most_nodes, step)
    parts.append((none.astype(np.int32), none.astype(np.int64), _compact(none), none.astype(index)))
    source, key, weight, delay = (np.concatenate(x) for x in zip(*parts, strict=True))
    del parts
    slots, goal = _slots(key, n_cells, most_nodes, len(kinetics))
    del key
    order = np.lexsort((delay, source)) if len(delays) > 1 else np.argsort(source, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n_sources))])
    connections = Connections(first, goal[order], weight[order], delay[order], delays)
    return kinetics, slots, connections, drawn


def cortex_of(circuit: Circuit, n_nodes: int) -> CortexModel:
    """The model whose recipe the circuit holds; its neurons are the nodes of ``cortex``."""
    recipe = Recipe.read(circuit.recipe or {}, circuit.recipe_file)
    cortex = CortexModel.make(recipe)
    if n_nodes != len(cortex):
        raise InputError(
            f"the recipe makes {len(cortex):,} neurons, the nodes of population 'cortex' are"
            f" {n_nodes:,}", file=circuit.config_file, field="cortex",
            fix="Build the circuit again with `isocortex build cortex`.",
        )  # fmt: skip
    return cortex


def _stored_synapses(
    cortex: CortexModel,
    number: IntArray,
    kind: IntArray,
    n_cells: int,
    most_nodes: int,
    step: NDArray[np.unsignedinteger],
) -> list[tuple[NDArray[np.int32], IntArray, NDArray[np.float32], NDArray[np.unsignedinteger]]]:
    """Source, key of the slot, weight and index of the delay of every synapse of a recipe.

    Parameters
    ----------
    number : int64[n], source of every neuron of the model.
    kind : int64[rules], index of the kinetics.
    step : index of each multiple of ``DELAY_STEP``.
    """
    return [
        (
            number[made.source].astype(np.int32),
            (kind[made.rule] * n_cells + number[made.target]) * most_nodes + made.node,
            cortex.weight[made.rule, cortex.model[made.target]],
            step[made.delay],
        )
        for made in cortex.synapses(range(len(cortex)))
    ]


def _drawn_synapses(
    cortex: CortexModel,
    number: IntArray,
    kind: IntArray,
    n_kinds: int,
    most_nodes: int,
    step: NDArray[np.unsignedinteger],
    stored: bool,
) -> DrawnSynapses:
    """What they follow from; arguments as for :func:`_stored_synapses`."""
    axons, n_models = cortex.axons, len(cortex.models)
    allowed = [np.zeros((n_kinds, most_nodes), bool) for _ in cortex.models]
    for table, (begin, end) in enumerate(pairwise(axons.sites.first)):
        rule, model = divmod(table, n_models)
        allowed[model][kind[rule], axons.sites.node[begin:end]] = True
    shortest = min(axons.rules.delay.min(), axons.projections.delay)
    return DrawnSynapses(
        axons=axons,
        cell=number,
        kind=kind,
        weight=cortex.weight,
        delay=step,
        allowed=allowed,
        shortest=max(np.rint(shortest / DELAY_STEP), 1.0) * DELAY_STEP,
        expected=cortex.expected_synapses,
        stored=stored,
    )


def _compact(weight: FloatArray) -> NDArray[np.floating]:
    """In single precision if that loses nothing, as for the weights of most files."""
    single = weight.astype(np.float32)
    return single if (single == weight).all() else weight


def _slots(
    key: IntArray, n_cells: int, most_nodes: int, n_kinds: int
) -> tuple[Slots, NDArray[np.int32]]:
    """Distinct (kind, cell, node) of the synapses, and every synapse's target."""
    on_cell = key >= 0
    used = np.zeros(n_kinds * n_cells * most_nodes, bool)
    used[key[on_cell]] = True
    number = np.cumsum(used, dtype=np.int32) - 1
    distinct = np.flatnonzero(used)
    kind, rest = np.divmod(distinct, max(n_cells * most_nodes, 1))
    cell, node = np.divmod(rest, most_nodes)
    slots = Slots(cell.astype(np.int32), node.astype(np.int32), kind.astype(np.int32))
    target = np.where(on_cell, number[np.maximum(key, 0)] if len(number) else 0, 0)
    target[~on_cell] = len(slots) - 1 - key[~on_cell]
    return slots, target.astype(np.int32)


def _sign_and_count(edges: EdgePopulation, rule: SynapseRule, at: IntArray) -> NDArray[np.float64]:
    """BMTK's factor on the weight of an edge to a point neuron: sign times nsyns.

    Edges with an explicit location carry their weight as it is.
    """
    plain = ~edges.weight_is_final[at]
    if not plain.any():
        return np.ones(len(at))
    if "sign" not in rule.dynamics:
        raise ModelError(
            "an edge to a point neuron needs `sign` in its dynamics_params",
            file=rule.dynamics_file, field=f"edges/{edges.name}", fix="Add 1 or -1.",
        )  # fmt: skip
    sign = rule.dynamics["sign"]
    if isinstance(sign, bool) or not isinstance(sign, int | float):
        raise ModelError(
            f"`sign` must be a number, found {sign!r}", file=rule.dynamics_file,
            field=f"edges/{edges.name}", fix="Use 1 or -1.",
        )  # fmt: skip
    return np.where(plain, sign * edges.nsyns[at], 1.0)


def place_synapses(
    edges: EdgePopulation,
    rule: SynapseRule,
    at: IntArray,
    target: IntArray,
    models: list[CompiledCell],
    cell_model: IntArray,
    seed: int,
) -> tuple[IntArray, IntArray]:
    """(edge, node) of every synapse of these edges, in order of edges."""
    chosen_edges, chosen_nodes = [], []
    explicit = edges.section_id[at] >= 0
    model_of_edge = cell_model[target[at]]
    for m in np.unique(model_of_edge):
        model = models[m]
        here = at[explicit & (model_of_edge == m)]
        if len(here):
            section, x = edges.section_id[here].astype(np.int64), edges.section_pos[here]
            node = NodeFinder(model).at(section, x)
            check_found(node, section, x, edges.name, model.name)
            ends = ((x == 0.0) | (x == 1.0)) & (model.section_type[node] != SECTION_TYPES["soma"])
            if ends.any():
                logger.warning(
                    "%s: %d synapses at the very end of a section (afferent_section_pos 0 or 1) are"
                    " put into its outermost compartment; NEURON has a node of its own there",
                    edges.name, np.count_nonzero(ends),
                )  # fmt: skip
            chosen_edges.append(here)
            chosen_nodes.append(node)
        here = at[~explicit & (model_of_edge == m)]
        if len(here):
            if not rule.target_sections:
                raise ConfigError(
                    "edges have neither a location nor target_sections",
                    field=f"edges/{edges.name}",
                    fix="Add target_sections and distance_range to the edge type.",
                )
            nodes, cumulative = candidates(model, rule.target_sections, rule.distance_range)
            if len(nodes) == 0:
                logger.warning(
                    "%s: model %s has no %s within %s um of its soma; %d edges make no synapse",
                    edges.name, model.name, "/".join(rule.target_sections),
                    rule.distance_range, len(here),
                )  # fmt: skip
                continue
            edge = np.repeat(here, edges.nsyns[here])
            copy = np.arange(len(edge)) - np.repeat(
                np.cumsum(edges.nsyns[here]) - edges.nsyns[here], edges.nsyns[here]
            )
            u = uniform(seed, f"place {edges.name}", edge, copy)
            chosen_edges.append(edge)
            chosen_nodes.append(nodes[np.searchsorted(cumulative, u, side="right")])
    edge = np.concatenate([*chosen_edges, np.zeros(0, np.int64)]).astype(np.int64)
    node = np.concatenate([*chosen_nodes, np.zeros(0, np.int64)]).astype(np.int64)
    order = np.argsort(edge, kind="stable")
    return edge[order], node[order]


# --- inputs -----------------------------------------------------------------------------------


def _spike_trains(inputs: Iterable[Input], sources: _Sources) -> SpikeTrains:
    number, time = [np.zeros(0, np.int64)], [np.zeros(0)]
    for spikes in inputs:
        if isinstance(spikes, SpikeInput):
            number.append(sources.number[spikes.population][spikes.rows])
            time.append(spikes.times)
    all_numbers, all_times = np.concatenate(number), np.concatenate(time)
    order = np.lexsort((all_numbers, all_times))
    return SpikeTrains(all_numbers[order], all_times[order])


def poisson_sources(made: PoissonInput, source: IntArray) -> PoissonSources:
    """The sources of an input, under these numbers (int64[n])."""
    n = len(made.rows)
    with np.errstate(divide="ignore"):
        mean = 1e3 / made.rate
    return PoissonSources(source, mean, np.full(n, made.start), np.full(n, made.stop), made.key)


def _all_poisson(inputs: Iterable[Input], sources: _Sources) -> PoissonSources:
    found = [no_sources()] + [
        poisson_sources(made, sources.number[made.population][made.rows])
        for made in inputs
        if isinstance(made, PoissonInput)
    ]
    return PoissonSources(
        *(np.concatenate([getattr(f, item.name) for f in found]) for item in fields(PoissonSources))
    )


def _currents(
    simulation: Simulation,
    sources: _Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
) -> list[CurrentSource]:
    electrodes = []
    for clamp in simulation.inputs:
        if not isinstance(clamp, CurrentInput):
            continue
        amplitude = (
            Waveform(*clamp.waveform)
            if clamp.waveform is not None
            else Pulses(clamp.amp, clamp.delay, clamp.duration)
        )
        for row in clamp.rows:
            if sources.kind[clamp.population][row] != 0:
                raise ConfigError(
                    "a current clamp needs a biophysical cell", field=clamp.population,
                    fix="Restrict its node_set to biophysical cells.",
                )  # fmt: skip
            cell = int(sources.number[clamp.population][row])
            with located(simulation.config_file, f"inputs.{clamp.name}"):
                node = _electrode_node(models[cell_model[cell]], clamp)
            electrodes.append(CurrentSource(cell, node, amplitude))
    return electrodes


def _electrode_node(model: CompiledCell, clamp: CurrentInput) -> int:
    """Node under the electrode: section ``section_name``[``section_index``] at ``section_pos``."""
    code = SECTION_TYPES.get(clamp.section_name)
    sections = np.unique(model.section[model.section_type == (code or -1)])
    if clamp.section_index >= len(sections):
        raise ConfigError(
            f"cell model {model.name!r} has no section {clamp.section_name}[{clamp.section_index}]",
            fix="Choose soma, dend, apic or axon and an index the morphology has.",
        )
    if clamp.section_pos in (0.0, 1.0) and clamp.section_name != "soma":
        raise ConfigError(
            "an electrode at the very end of a section is not supported yet: NEURON has a node of"
            " its own there",
            fix="Choose section_dist between 0 and 1.",
        )
    return model.node_at(int(sections[clamp.section_index]), clamp.section_pos)
