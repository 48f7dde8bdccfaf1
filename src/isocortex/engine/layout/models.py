"""What all cells of a model share: regions, parameters, coefficients, states at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.compiled import CompiledCell
from isocortex.engine import cable
from isocortex.engine.family import Family, region_parameters, region_states
from isocortex.engine.interface import (
    CAO,
    REST_CAI,
    REST_ECA,
    FloatArray,
    IntArray,
    Settings,
    nernst_factor,
)
from isocortex.engine.layout.steady import inverses
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY


@dataclass(frozen=True)
class Region:
    """Compartments of one model with the same mechanisms."""

    mechanisms: tuple[str, ...]
    nodes: IntArray


def regions_of(model: CompiledCell) -> list[Region]:
    """Partition the model's compartments by the mechanisms they carry, in a canonical order."""
    unknown = [name for name in model.mechanisms if name not in DENSITY]
    if unknown:
        raise ModelError(
            f"cell model {model.name!r} uses the unknown mechanism {unknown[0]!r}",
            fix=f"Known mechanisms: pas, {', '.join(sorted(DENSITY))}; components.mechanisms names "
            "files with your own, mechanisms_dir a folder of mod files.",
        )
    names = [name for name in DENSITY if name in model.mechanisms]
    carries = np.zeros((model.n_nodes, len(names)), bool)
    for k, name in enumerate(names):
        carries[model.mechanisms[name].nodes, k] = True
    sets = {tuple(np.flatnonzero(row)) for row in carries if row.any()}
    regions = [
        Region(
            tuple(names[k] for k in chosen),
            np.flatnonzero((carries == np.isin(np.arange(len(names)), chosen)).all(axis=1)),
        )
        for chosen in sets
    ]
    for region in regions:
        pools = [name for name in region.mechanisms if DENSITY[name].is_pool()]
        if len(pools) > 1:
            raise ModelError(
                f"cell model {model.name!r} has {' and '.join(pools)} in one place, and both are "
                "what calcium follows from",
                fix="Insert one of them.",
            )
    return sorted(regions, key=lambda region: region.mechanisms)


def _parameter_rows(model: CompiledCell, region: Region, celsius: float) -> FloatArray:
    """float64[n_nodes of the region, n_parameters], in the order of ``region_parameters``."""
    columns = []
    for name, parameter in region_parameters(region.mechanisms):
        if parameter == "q10":
            column = np.full(len(region.nodes), DENSITY[name].temperature.at(celsius))
        elif parameter == "celsius" and name == "":
            column = np.full(len(region.nodes), celsius)
        elif name == "":
            values = 1e-2 * model.area if parameter == "area" else getattr(model, parameter)
            column = values[region.nodes]
        else:
            table = model.mechanisms[name]
            default = np.full(model.n_nodes, DENSITY[name].parameters[parameter].default)
            if parameter in table.parameters:
                default[table.nodes] = table.parameters[parameter]
            column = default[region.nodes]
        columns.append(column)
    return np.array(columns).T


def _initial_states(rows: FloatArray, region: Region, settings: Settings) -> FloatArray:
    """float64[n_nodes of the region, n_states]: steady state at ``v_init``."""
    n = len(region.nodes)
    known = {
        f"{name}_{parameter}": rows[:, k]
        for k, (name, parameter) in enumerate(region_parameters(region.mechanisms))
    }
    surroundings = {
        "v": np.full(n, settings.v_init), "cai": np.full(n, REST_CAI),
        "celsius": np.full(n, settings.celsius), "dt": np.full(n, settings.dt),
        "ena": known["_ena"], "ek": known["_ek"], "eca": np.full(n, REST_ECA),
    }  # fmt: skip
    none, pool = np.zeros(n), DENSITY.pool(region.mechanisms) or ""
    values = {(pool, "ica"): none, (pool, "gca"): none}

    def set_calcium(cai: FloatArray) -> None:
        surroundings["cai"] = cai
        surroundings["eca"] = nernst_factor(settings.celsius) * np.log(CAO / cai)

    if DENSITY.makes_eca(region.mechanisms):
        set_calcium(surroundings["cai"])
    for name in region.mechanisms:
        mechanism = DENSITY[name]

        def call(function: str, name: str = name):
            arguments = DENSITY[name].arguments(function)
            with np.errstate(all="ignore"):  # of where both sides are computed
                return getattr(DENSITY[name], function)(
                    *(known.get(f"{name}_{a}", surroundings.get(a)) for a in arguments)
                )

        if mechanism.has("steady_state"):
            for state, value in zip(mechanism.states, call("steady_state"), strict=True):
                values[name, state] = np.broadcast_to(value, n)
            if name == pool:
                set_calcium(values[name, "cai"])
        else:
            for gate in mechanism.states:
                values[name, gate] = np.broadcast_to(call(f"{gate}_rates")[0], n)
    return np.array(
        [values[row] for row in region_states(region.mechanisms, settings.second_order)]
    ).T


class ModelTables(NamedTuple):
    """Numbers of all models, one after the other.

    Attributes (m models)
    ----------
    regions : of each model.
    family : of each model, see :mod:`isocortex.engine.family`.
    first_node : int64[m + 1].
    soma : int64[m].
    coefficient : of the states' type, [nodes * COEFFICIENTS], see :mod:`isocortex.engine.cable`.
    region_ptr, region_state, region_parameter : int64[m, r + 1], offset of every region's nodes in
        ``region_node``, of its first state and of its first number in ``parameter``.
    rest : of each model, its channel states at ``v_init``, in the order of a block's rows.
    """

    regions: list[list[Region]]
    family: list[Family]
    first_node: IntArray
    soma: IntArray
    coefficient: np.ndarray
    region_ptr: IntArray
    region_state: IntArray
    region_parameter: IntArray
    region_node: IntArray
    parameter: FloatArray
    rest: list[FloatArray]


def coefficients(model: CompiledCell, settings: Settings, dtype: np.dtype) -> np.ndarray:
    """dtype[n_nodes * COEFFICIENTS], uS, in the order that cable.py names."""
    theta = 2.0 if settings.second_order else 1.0
    area = 1e-2 * model.area  # uS per S/cm2
    c = theta * 1e-5 * model.cm * model.area / settings.dt  # nF/ms = uS
    a = np.where(np.arange(model.n_nodes) == 0, 0.0, model.g_axial)
    total = c + model.g_pas * area + a
    np.add.at(total, model.parent[1:], a[1:])
    leakage = model.g_pas * area
    numbers = {
        cable.DIAGONAL: total, cable.LEAK: leakage * model.e_pas, cable.LEAKAGE: leakage,
        cable.COUPLING: a,
    }  # fmt: skip
    table = np.zeros((model.n_nodes, cable.COEFFICIENTS), dtype)
    for k, values in numbers.items():
        table[:, k] = values
    word = parent_words(model) + gathering(model, [], np.zeros(0, np.int64)) * cable.GATHERS
    inverse = inverses(word, table.ravel())
    table[:, cable.INVERSE], table[:, cable.FACTOR] = inverse, inverse * table[:, cable.COUPLING]
    return table.ravel()


def parent_words(model: CompiledCell) -> IntArray:
    """int64[n_nodes], what a node's word says of its parent."""
    parent = np.maximum(model.parent, 0).astype(np.int64)
    word = parent << cable.PARENT_SHIFT
    word[1:] += (parent[1:] != np.arange(model.n_nodes - 1)) * cable.BRANCHES
    return word


def tables_of(models: list[CompiledCell], settings: Settings, dtype: np.dtype) -> ModelTables:
    """Lay out all models one after the other."""
    regions = [regions_of(m) for m in models]
    width = max((len(r) for r in regions), default=0) + 1
    ptr, state, parameter = (np.zeros((len(models), width), np.int64) for _ in range(3))
    nodes, numbers, rest = [], [], []
    n_nodes = n_numbers = 0
    for i, model in enumerate(models):
        n_states, initial = 0, [np.zeros(0)]
        ptr[i, 0] = n_nodes
        for r, region in enumerate(regions[i]):
            table = _parameter_rows(model, region, settings.celsius)
            states = _initial_states(table, region, settings)
            state[i, r], parameter[i, r] = n_states, n_numbers
            n_states, n_numbers = n_states + states.size, n_numbers + table.size
            n_nodes += len(region.nodes)
            ptr[i, r + 1] = n_nodes
            nodes.append(region.nodes)
            numbers.append(table.ravel())
            initial.append(states.ravel())
        rest.append(np.concatenate(initial))
    return ModelTables(
        regions=regions,
        family=[tuple(r.mechanisms for r in rs) for rs in regions],
        first_node=np.cumsum([0, *(m.n_nodes for m in models)]),
        soma=np.array([m.soma for m in models], np.int64),
        coefficient=np.concatenate(
            [*(coefficients(m, settings, dtype) for m in models), np.zeros(0, dtype)]
        ),
        region_ptr=ptr,
        region_state=state,
        region_parameter=parameter,
        region_node=np.concatenate([*nodes, np.zeros(0, np.int64)]).astype(np.int64),
        parameter=np.concatenate([*numbers, np.zeros(0)]),
        rest=rest,
    )


def gathering(
    model: CompiledCell, regions: list[Region], electrodes: IntArray
) -> NDArray[np.bool_]:
    """bool[n_nodes], to which channels, electrodes or a branch of the tree contribute."""
    flags = np.zeros(model.n_nodes, bool)
    branches = np.flatnonzero(model.parent[1:] != np.arange(model.n_nodes - 1)) + 1
    flags[model.parent[branches]] = True
    for region in regions:
        flags[region.nodes] = True
    flags[electrodes] = True
    return flags


class StateRows(NamedTuple):
    """Channel states of a model in the order node, mechanism, which is no engine's.

    ``node``, ``name`` ((mechanism, state)) and ``row`` (among a block's) of each.
    """

    node: IntArray
    name: list[tuple[str, str]]
    row: IntArray


def state_rows(regions: list[Region], second_order: bool) -> StateRows:
    """Where a block keeps the channel states of a model, by node, then mechanism, then state."""
    node, name, row = [np.zeros(0, np.int64)], [], [np.zeros(0, np.int64)]
    first = 0
    for region in regions:
        names = region_states(region.mechanisms, second_order)
        n = len(region.nodes) * len(names)
        node.append(np.repeat(region.nodes, len(names)))
        name += names * len(region.nodes)
        row.append(first + np.arange(n))
        first += n
    nodes = np.concatenate(node)
    order = np.argsort(nodes, kind="stable")  # a node is of one region, its states are in order
    return StateRows(nodes[order], [name[k] for k in order], np.concatenate(row)[order])
