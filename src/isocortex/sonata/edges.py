"""Read SONATA edge files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Column, Columns, EdgePopulation, NodePopulation, Text
from isocortex.circuit.columns import numbers, present, take, value_at
from isocortex.circuit.synapses import OF_EDGES
from isocortex.elementary import exp
from isocortex.errors import ConfigError, InputError, ModelError, located
from isocortex.sonata.edge_numbers import dynamics_of, numbers_of_edges, with_templates
from isocortex.sonata.gaps import require_possible
from isocortex.sonata.hdf5 import array, attributes, group, has_entries, open_h5, text_attribute
from isocortex.sonata.rules import SYNAPTIC, Rules
from isocortex.sonata.told import Ends, Own, WeightFunction, weights_said
from isocortex.sonata.types import Types, read_types

#: Attributes that edges may have of their own; the group's override the type's.
NUMBERS = (
    "syn_weight", "delay", "nsyns", "weight_sigma",
    "afferent_section_id", "afferent_section_pos", "sec_id", "sec_x", "conductance", "syn_type_id",
    *OF_EDGES,
)  # fmt: skip
#: Attributes that only types may have.
OF_TYPES = (
    "model_template", "dynamics_params", "target_sections", "distance_range", "weight_function",
    "is_gap_junction",
)  # fmt: skip
#: Names of parameters: as attributes of edges or edge types they would say something that is read
#: from dynamics_params alone.
PARAMETER = re.compile(
    rf"{SYNAPTIC}|u|rise_time|weight|syn_delay|stp\w*|a_(fdr|d|i|f)|pbtilde",
    re.IGNORECASE,
)
#: weight_function -> whether it depends on the tuning of both cells.
WEIGHT_FUNCTIONS = {
    "default_weight_fnc": False, "set_syn_weight": False, "wmax": False, "gaussianLL": True,
}  # fmt: skip
#: The one for types that name none, where others name one.
DEFAULT_WEIGHT = "default_weight_fnc"
INT32_MAX = 2**31 - 1
#: No weight is as large as this, in uS or in thresholds.
HEAVIEST = 1e15


def read_edges(
    edges_file: Path,
    types_file: Path | None,
    nodes: dict[str, NodePopulation],
    synaptic_models: Path | None,
    weight_functions: Mapping[str, WeightFunction] | None = None,
) -> list[EdgePopulation]:
    """All populations of an edge file.

    Parameters
    ----------
    synaptic_models : the folder of dynamics_params.
    weight_functions : Python functions that edge types may name.
    """
    types = read_types(types_file, "edge_type_id")
    with open_h5(edges_file) as file:
        root = group(file, "edges", edges_file)
        reader = _Reader(edges_file, types, nodes, synaptic_models, weight_functions or {})
        return [reader.population(group(root, name, edges_file), name) for name in root]


class _Reader:
    def __init__(
        self,
        path: Path,
        types: Types,
        nodes: dict[str, NodePopulation],
        synaptic_models: Path | None,
        functions: Mapping[str, WeightFunction],
    ) -> None:
        self.path, self.types, self.types_path = path, types, types.file
        self.nodes, self.rules = nodes, Rules(types, synaptic_models)
        self.functions = functions

    def population(self, h5: h5py.Group, name: str) -> EdgePopulation:
        type_ids = array(h5, "edge_type_id", self.path, "int")
        m = len(type_ids)
        self.types.rows_in(type_ids, self.path, f"{h5.name}/edge_type_id")
        source, source_rows = self._ends(h5, "source_node_id", name, m)
        target, target_rows = self._ends(h5, "target_node_id", name, m)
        columns = self._attributes(h5, type_ids)
        section = columns.get("afferent_section_id", np.full(m, np.nan))
        position = columns.get("afferent_section_pos", np.full(m, np.nan))
        if (np.isnan(section) != np.isnan(position)).any():
            row = int(np.flatnonzero(np.isnan(section) != np.isnan(position))[0])
            raise InputError(
                f"edge {row} has only one of afferent_section_id and afferent_section_pos",
                file=self.path, field=h5.name, fix="Give both or none.",
            )  # fmt: skip
        rules, rule = with_templates(*self.rules.of(type_ids), columns)
        with located(self.path, h5.name):
            own = numbers_of_edges(columns, rules, rule)
        is_gap = np.array([each.is_gap_junction for each in rules], bool)[rule]
        nsyns = columns.get("nsyns", np.full(m, np.nan))
        explicit, counted = ~np.isnan(section), ~np.isnan(nsyns)
        final = explicit | ~counted
        counted &= ~explicit | is_gap
        nsyns = np.where(counted, nsyns, 1.0)
        for values, given, attribute in (
            (nsyns, counted, "nsyns"), (section, explicit, "afferent_section_id"),
        ):  # fmt: skip
            good = ~given | ((values >= 0) & (values <= INT32_MAX) & (values == np.floor(values)))
            self._check(good, h5, attribute, values, "Use a whole number, 0 or more.")
        good = ~explicit | ((position >= 0) & (position <= 1))
        self._check(good, h5, "afferent_section_pos", position, "Use 0 to 1.")
        if is_gap.any():  # they know no time: whatever they may have for a delay is not read
            columns["delay"] = np.where(is_gap, 0.0, columns.get("delay", np.full(m, np.nan)))
        delay = self._needed(columns, "delay", h5, m)
        self._check(delay >= 0, h5, "delay", delay, "Delays are 0 ms or more.")
        weight = self._weights(columns, h5, type_ids, (source, source_rows), (target, target_rows))
        self._check(
            np.abs(weight) < HEAVIEST, h5, "syn_weight", weight, f"Weights are below {HEAVIEST:g}."
        )
        if is_gap.any():
            ends = (self.nodes[source], source_rows), (self.nodes[target], target_rows)
            with located(self.path, h5.name):
                require_possible(np.flatnonzero(is_gap & (nsyns > 0)), ends, weight, nsyns)
        return EdgePopulation(
            name=name, source=source, target=target, source_index=source_rows,
            target_index=target_rows, rule=rule, rules=rules, weight=weight, delay=delay,
            nsyns=nsyns.astype(np.int32),
            section_id=np.where(explicit, section, -1).astype(np.int32),
            section_pos=np.where(explicit, position, np.nan), weight_is_final=final, own=own,
        )  # fmt: skip

    def _check(
        self, good: NDArray[np.bool_], h5: h5py.Group, name: str, values: FloatArray, fix: str
    ) -> None:
        bad = np.flatnonzero(~good)
        if len(bad):
            raise InputError(
                f"edge {bad[0]} has {name} {values[bad[0]]:g}", file=self.path,
                field=f"{h5.name}/{name}", fix=fix,
            )  # fmt: skip

    def _ends(self, h5: h5py.Group, dataset: str, name: str, m: int) -> tuple[str, IntArray]:
        ids = array(h5, dataset, self.path, "int", m)
        field = f"{h5.name}/{dataset}"
        population = text_attribute(h5[dataset], "node_population")
        if population is None and "_to_" in name:
            left, right = name.split("_to_", 1)
            population = left if dataset.startswith("source") else right
        if population is None or population not in self.nodes:
            raise InputError(
                f"its node_population {population!r} is not in the circuit", file=self.path,
                field=field, fix=f"The circuit has {', '.join(self.nodes) or 'no nodes'}.",
            )  # fmt: skip
        return population, self.nodes[population].index_of(ids, file=self.path, field=field)

    def _attributes(self, h5: h5py.Group, type_ids: IntArray) -> dict[str, FloatArray]:
        """Numeric attributes of every edge: the type's, overridden by the group's."""
        m = len(type_ids)
        rows, types = self.types.rows_of(type_ids), self.types.columns
        used = np.unique(rows)
        said = [name for name, column in types.items() if present(take(column, used)).any()]
        groups = [g for g in h5 if h5.get(g, getclass=True) is h5py.Group]
        own = {name for g in groups for name in h5[g]}
        _unread(said, self.types_path, "edge types", own)
        columns = {name: self.types.numbers(name)[rows] for name in NUMBERS if name in types}
        for members, mine, index in self._groups(h5, m):
            for name in OF_TYPES:
                if has_entries(members, name) and not isinstance(members[name], h5py.Group):
                    raise ConfigError(
                        "not supported yet for single edges", file=self.path,
                        field=f"{members.name}/{name}", fix="Put it in the edge types.",
                    )  # fmt: skip
            count = int(index.max(initial=-1)) + 1
            found = attributes(members, self.path, count)
            _unread(found, self.path, members.name, said)
            of_synapses = dynamics_of(members, self.path, count)
            for name in NUMBERS:
                if name in members and name not in found:
                    raise InputError(
                        "is a single value", file=self.path, field=f"{members.name}/{name}",
                        fix="Write one number per edge, or put it in the edge types.",
                    )  # fmt: skip
            for name, values in (found | of_synapses).items():
                if name not in NUMBERS and name not in of_synapses:
                    continue
                if not _plain_numbers(values):
                    several = "texts" if isinstance(values, Text) else f"an array {values.shape}"
                    raise InputError(
                        f"must be one number per edge, found {several}", file=self.path,
                        field=f"{members.name}/{name}", fix="Write it again so.",
                    )  # fmt: skip
                self._require_inside(h5, index, name, values)
                chosen = values[index].astype(np.float64)
                if not np.isfinite(chosen).all():
                    row = int(mine[np.flatnonzero(~np.isfinite(chosen))[0]])
                    raise InputError(
                        f"edge {row} is not finite", file=self.path, field=f"{members.name}/{name}"
                    )
                columns.setdefault(name, np.full(m, np.nan))[mine] = chosen
        for old, new in (("sec_id", "afferent_section_id"), ("sec_x", "afferent_section_pos")):
            if old in columns:
                values = columns.pop(old)
                columns[new] = np.where(np.isnan(values), columns.get(new, np.nan), values)
        return columns

    def _groups(self, h5: h5py.Group, m: int) -> Iterator[tuple[h5py.Group, IntArray, IntArray]]:
        """Every group that is there, which edges are of it, and their places in it."""
        group_id = (
            array(h5, "edge_group_id", self.path, "int", m)
            if "edge_group_id" in h5 else np.zeros(m, np.int64)
        )  # fmt: skip
        for g in np.unique(group_id):
            mine = np.flatnonzero(group_id == g)
            if str(g) not in h5:
                if "edge_group_id" in h5 and m:
                    raise InputError(
                        f"edge group {g} is missing", file=self.path, field=f"{h5.name}/{g}",
                        fix="Add the group (it may be empty) or mend edge_group_id.",
                    )  # fmt: skip
                continue
            members = group(h5, str(g), self.path)
            yield members, mine, (
                array(h5, "edge_group_index", self.path, "int", m)[mine]
                if "edge_group_index" in h5 else np.arange(len(mine))
            )  # fmt: skip

    def _require_inside(self, h5: h5py.Group, index: IntArray, name: str, values: Column) -> None:
        if len(index) and (index.min() < 0 or index.max() >= len(values)):
            raise InputError(
                f"edge_group_index {index.max()} is outside the {len(values)} entries of "
                f"{name!r}", file=self.path, field=f"{h5.name}/edge_group_index",
            )  # fmt: skip

    def _needed(
        self, columns: dict[str, FloatArray], name: str, h5: h5py.Group, m: int
    ) -> FloatArray:
        values = columns.get(name, np.full(m, np.nan))
        missing = np.flatnonzero(np.isnan(values))
        if len(missing):
            raise InputError(
                f"edge {missing[0]} has no {name}", file=self.path, field=h5.name,
                fix=f"Add {name} to the edge type or group.",
            )  # fmt: skip
        return values

    # --- weights --------------------------------------------------------------------------

    def _weights(
        self,
        columns: dict[str, FloatArray],
        h5: h5py.Group,
        type_ids: IntArray,
        source: tuple[str, IntArray],
        target: tuple[str, IntArray],
    ) -> FloatArray:
        names = self.types.columns.get("weight_function")
        if names is None:
            return self._needed(columns, "syn_weight", h5, len(type_ids))
        weight = columns.get("syn_weight", np.full(len(type_ids), np.nan)).copy()
        own = None
        for row in np.sort(self.types.rows_of(np.unique(type_ids))).tolist():
            type_id, name = int(self.types.ids[row]), value_at(names, row)
            # BMTK asks its default, which scripts may replace, where a type names none
            called = self.functions.get(name or DEFAULT_WEIGHT)
            if called is not None:
                mine = np.flatnonzero(type_ids == type_id)
                own = self._own(h5, len(type_ids)) if own is None else own
                ends = (
                    Ends(self.nodes[source[0]], source[1]),
                    Ends(self.nodes[target[0]], target[1]),
                )
                weight[mine] = weights_said(
                    called, mine, own, self.types, type_id, *ends, self.path
                )
                continue
            if name is None:
                continue
            if name not in WEIGHT_FUNCTIONS:
                raise ModelError(
                    f"weight_function {name!r} is unknown", file=self.types_path,
                    field=f"edge type {type_id}",
                    fix=f"There are {', '.join(WEIGHT_FUNCTIONS)}; or give syn_weight alone.",
                )  # fmt: skip
            if not WEIGHT_FUNCTIONS[name]:
                continue
            mine = np.flatnonzero(type_ids == type_id)
            tuning_a, tuning_b = (
                _tuning(self.nodes[name], rows[mine], self.types_path, type_id)
                for name, rows in (source, target)
            )
            sigma = columns.get("weight_sigma", np.full(len(type_ids), np.nan))[mine]
            if np.isnan(sigma).any() or (sigma == 0).any():
                raise InputError(
                    "gaussianLL needs weight_sigma", file=self.types_path,
                    field=f"edge type {type_id}", fix="Add it, in degrees.",
                )  # fmt: skip
            apart = np.abs(180.0 - np.abs(tuning_b - tuning_a) % 360.0)
            apart = np.abs(np.abs(apart - 90.0) - 90.0)  # difference of orientations, degrees
            weight[mine] *= exp(-((apart / sigma) ** 2))
        return self._needed({"syn_weight": weight}, "syn_weight", h5, len(type_ids))

    def _own(self, h5: h5py.Group, m: int) -> Own:
        """What groups say of their members."""
        groups: list[Columns] = [{}]
        which, place = np.zeros(m, np.int64), np.zeros(m, np.int64)
        for members, mine, index in self._groups(h5, m):
            found = attributes(members, self.path, int(index.max(initial=-1)) + 1)
            for name, values in found.items():
                self._require_inside(h5, index, name, values)
            which[mine], place[mine] = len(groups), index
            groups.append({name: values for name, values in found.items() if _is_flat(values)})
        return Own(groups, which, place)


def _tuning(
    nodes: NodePopulation, rows: IntArray, types_path: Path | None, type_id: int
) -> FloatArray:
    """The tuning of every node at the ends of some edges, degrees."""
    column = nodes.columns.get("tuning_angle")
    values = np.full(len(rows), np.nan) if column is None else numbers(take(column, rows))
    if np.isnan(values).any():
        raise InputError(
            f"gaussianLL needs the tuning_angle of every node of {nodes.name!r}",
            file=types_path, field=f"edge type {type_id}",
            fix="Add tuning_angle (degrees) to the nodes, or use wmax.",
        )  # fmt: skip
    return values


def _unread(names: Iterable[str], file: Path | None, field: str, elsewhere: Iterable[str]) -> None:
    """Stop at attributes that say something about synapses and that nothing here obeys.

    ``elsewhere`` are those that the same edges have from their types or groups.
    """
    names = list(names)
    plain = {_plain(name): name for name in (*NUMBERS, *OF_TYPES)}
    for name in names:
        if name in plain.values():
            continue
        meant = plain.get(_plain(name))
        beside = meant in (*names, *elsewhere)
        if meant is not None and (not beside or name.lower() == meant):
            raise InputError(
                "is not read, here as in BMTK", file=file, field=f"{field}/{name}",
                fix=f"{meant}, which is there too, is: remove one of them." if beside
                else f"Did you mean {meant}? If not, give it another name.",
            )  # fmt: skip
        if PARAMETER.fullmatch(name):
            close = difflib.get_close_matches(name, NUMBERS, 1, 0.7)
            raise InputError(
                "is not read: neither here nor in BMTK does it change a synapse", file=file,
                field=f"{field}/{name}",
                fix=f"Did you mean {close[0]}?" if close
                else "Put it into dynamics_params, or remove it.",
            )  # fmt: skip
    if "afferent_swc_id" in names and not {"afferent_section_id", "sec_id"} & {*names}:
        raise InputError(
            "gives places by points of the SWC file alone, which are not read", file=file,
            field=f"{field}/afferent_swc_id",
            fix="Add afferent_section_id and afferent_section_pos, or remove it to have places "
            "drawn by target_sections.",
        )  # fmt: skip


def _plain_numbers(values: Column) -> TypeGuard[NDArray[Any]]:
    return not isinstance(values, Text) and values.ndim == 1 and values.dtype.kind in "iuf"


def _is_flat(values: Column) -> bool:
    """Whether it is one value for every member, not several."""
    return (values.codes if isinstance(values, Text) else values).ndim == 1


def _plain(name: str) -> str:
    """A name without what people forget of it: capitals, underscores, the plural."""
    return name.lower().replace("_", "").replace(" ", "").rstrip("s")
