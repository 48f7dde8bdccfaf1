"""A circuit as a folder of Neulite's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.allen import resistances
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.cells.fit import read_fit
from isocortex.cells.library import description_of
from isocortex.cells.originals import reconstruction_of, resistances_of
from isocortex.cells.swc import Reconstruction, read_swc
from isocortex.circuit import EdgePopulation, NodePopulation, Projection, Simulation
from isocortex.circuit.columns import Row, coded, take
from isocortex.circuit.synapses import conductances_of
from isocortex.errors import ConfigError, InputError, ModelError, disk_errors
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.cells import ALLEN_TEMPLATES, LIBRARY_PREFIX, compile_cells
from isocortex.network.connect import cells_of
from isocortex.network.sources import BIOPHYSICAL, Sources, number_sources
from isocortex.neulite.morphology import PERISOMATIC, Places, places_of, processed, swc_text
from isocortex.neulite.reading import CELSIUS, EK, ENA
from isocortex.neulite.tables import (
    CHANNELS,
    CONNECTION_COLUMNS,
    Ions,
    ions_text,
    write_connections,
    write_population,
)
from isocortex.sonata.config import load_simulation

logger = logging.getLogger(__name__)

#: Of CaDynamics and of every channel, what an ion file has a column for.
COLUMNS = {"CaDynamics": ("gamma", "decay"), **dict.fromkeys(CHANNELS, ("gbar",))}
#: Reversal potentials of the cell that a channel's current goes to.
REVERSALS = {"na": ("ena", ENA), "k": ("ek", EK)}
#: Synapses are written as text, from tables in memory: 100 bytes of each.
MOST_SYNAPSES = 100_000_000
#: Nearer to a whole number than this, ms, a delay is that number.
WHOLE = 1e-9


@dataclass(frozen=True)
class _Line:
    """Cells that a line of the population file stands for.

    Attributes
    ----------
    name, stem : of the model, and of its SWC file.
    places : of the rows of the circuit's reconstruction.
    row : int64[n], the row of Neulite's file that each of those is.
    stub : the first row of the stub there.
    swc, ions : what Neulite's files hold.
    """

    name: str
    stem: str
    cell: CompiledCell
    places: Places
    row: IntArray
    stub: int
    swc: Reconstruction
    ions: Ions


def write_neulite(
    config: str | os.PathLike[str] | Simulation, folder: str | os.PathLike[str]
) -> Path:
    """Write a circuit of perisomatic Allen cells in Neulite's formats.

    Parameters
    ----------
    config : a simulation configuration, whose seed places the synapses that have no place of their
        own, or the simulation.
    folder : earlier files of the same populations are replaced.

    Returns
    -------
    The folder. Of each population with biophysical cells it holds ``<population>_population.csv``,
    of each pair of them ``<source>_<target>_connection.csv``, and in ``data`` the SWC and ion
    files. Point neurons, virtual nodes and inputs, which Neulite does not have, are left out, which
    is said. Where cells of a model have no consecutive ids they are numbered anew, and
    ``<population>_nodes.csv`` tells how.

    Raises
    ------
    ModelError, ConfigError, InputError : what Neulite's files cannot say.
    """
    simulation = config if isinstance(config, Simulation) else load_simulation(config)
    folder = Path(folder)
    if simulation.overrides or simulation.changes:
        raise ConfigError(
            "changes synapses or cells, which Neulite's files do not say",
            file=simulation.config_file, fix="Leave out connection_overrides and changes.",
        )  # fmt: skip
    for gaps in simulation.circuit.gaps:
        raise InputError(
            "there are gap junctions, which Neulite does not have", file=simulation.config_file,
            field=gaps.name, fix="Leave these edges out of networks.edges.",
        )  # fmt: skip
    if simulation.celsius != CELSIUS:
        logger.warning("Neulite's files tell no temperature: %g degC is not %g degC",
                       simulation.celsius, CELSIUS)  # fmt: skip
    sources = number_sources(simulation.circuit)
    nodes = simulation.circuit.nodes
    written = [name for name in nodes if (sources.kind[name] == BIOPHYSICAL).any()]
    _require_own(folder, written)
    _require_few(simulation, written)
    models, cell_model = compile_cells(simulation, sources)
    populations = {
        name: _Population.of(
            simulation, simulation.circuit.nodes[name], sources, models, cell_model
        )
        for name in written
    }
    _tell_left_out(simulation, sources)
    tables = {
        (a, b): _connections(simulation, (a, b), populations, sources, models, cell_model)
        for a in populations for b in populations
    }  # fmt: skip
    data: dict[str, str] = {}
    with disk_errors(folder, "write the files"):
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for name, population in populations.items():
            population.write(name, folder, data)
        for file, text in data.items():
            (folder / file).write_text(text, encoding="utf-8")
        for (a, b), table in tables.items():
            write_connections(folder / f"{a}_{b}_connection.csv", table)
    return folder


def _require_own(folder: Path, populations: list[str]) -> None:
    """Refuse a folder of another circuit: Neulite would take its populations for ours."""
    ours = {f"{name}_population.csv" for name in populations}
    other = sorted(path.name for path in folder.glob("*population.csv") if path.name not in ours)
    if other:
        raise ConfigError(
            f"holds another circuit ({', '.join(other)})", file=folder,
            fix="Choose another folder.",
        )  # fmt: skip


def _require_few(simulation: Simulation, populations: list[str]) -> None:
    """Refuse what does not fit into memory, before it is drawn."""
    synapses = sum(
        projection.expected for projection in simulation.circuit.projections
        if projection.source in populations and projection.target in populations
    )  # fmt: skip
    if synapses > MOST_SYNAPSES:
        raise ConfigError(
            f"has {synapses:,.0f} synapses, of which each would be a line of text",
            file=simulation.config_file,
            fix=f"Write circuits of up to {MOST_SYNAPSES:,}.",
        )  # fmt: skip


def _tell_left_out(simulation: Simulation, sources: Sources) -> None:
    left = sources.n_points + sources.n_virtual
    if left or simulation.inputs:
        logger.warning(
            "Neulite's files hold no virtual nodes, point neurons or inputs: %d nodes and %d inputs"
            " are left out, and the edges of these nodes", left, len(simulation.inputs),
        )  # fmt: skip


@dataclass(frozen=True)
class _Population:
    """The biophysical cells of a population, in the order of Neulite's ids.

    Attributes
    ----------
    line : int64[nodes], index into ``lines``, -1 of other nodes.
    number : int64[nodes], Neulite's id, -1 of other nodes.
    excites : float64[nodes], 1 or 0 by the attribute ``ei``, NaN where there is none.
    """

    nodes: NodePopulation
    lines: list[_Line]
    line: IntArray
    number: IntArray
    excites: FloatArray

    @classmethod
    def of(
        cls,
        simulation: Simulation,
        nodes: NodePopulation,
        sources: Sources,
        models: list[CompiledCell],
        cell_model: IntArray,
    ) -> _Population:
        rows = np.flatnonzero(sources.kind[nodes.name] == BIOPHYSICAL)
        types, _ = coded(take(nodes.columns["node_type_id"], rows))
        model = cell_model[sources.number[nodes.name][rows]]
        pairs, first, of_pair = np.unique(
            np.column_stack([types, model]), axis=0, return_index=True, return_inverse=True
        )
        order = np.argsort(first)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        line = np.full(len(nodes.node_ids), -1)
        line[rows] = place[of_pair.reshape(-1)]
        number = np.full(len(nodes.node_ids), -1)
        number[rows[np.lexsort((nodes.node_ids[rows], line[rows]))]] = np.arange(len(rows))
        lines = [_line(simulation, nodes, int(rows[first[k]]), models[pairs[k, 1]]) for k in order]
        excites = np.full(len(nodes.node_ids), np.nan)
        if "ei" in nodes.columns:
            codes, signs = coded(nodes.columns["ei"])
            known = np.array([{"e": 1.0, "i": 0.0}.get(str(s), np.nan) for s in signs] + [np.nan])
            excites = known[codes]
        return cls(nodes, lines, line, number, excites)

    def write(self, name: str, folder: Path, data: dict[str, str]) -> None:
        """Write the population file, and add the texts of the files that it names to ``data``."""
        counts = np.bincount(self.line[self.line >= 0], minlength=len(self.lines))
        written = []
        for line, n in zip(self.lines, counts.tolist(), strict=True):
            # a fit with two morphologies may be two files: its kinds of section are those they have
            fit, stem = line.cell.name, line.stem
            swc = _filed(data, (stem,), ".swc", swc_text(line.swc, 0))
            ions = _filed(data, (fit, f"{fit}_{stem}"), ".csv", ions_text(line.ions))
            written.append((n, len(line.swc.type), line.name, swc, ions))
        write_population(folder / f"{name}_population.csv", written)
        mine = np.argsort(self.number)[np.count_nonzero(self.number < 0) :]
        (folder / f"{name}_nodes.csv").unlink(missing_ok=True)
        if not np.array_equal(self.nodes.node_ids[mine], np.arange(len(mine))):
            table = pd.DataFrame(
                {"nid": np.arange(len(mine)), "node_id": self.nodes.node_ids[mine]}
            )
            table.to_csv(folder / f"{name}_nodes.csv", index=False)


def _filed(data: dict[str, str], names: tuple[str, ...], suffix: str, text: str) -> str:
    """The first of some names, then numbered, that no file of another text has; now of this."""
    for name in chain(names, (f"{names[-1]}_{k}" for k in count(2))):
        file = f"data/{name}{suffix}"
        if data.setdefault(file, text) == text:
            return file
    raise AssertionError  # numbers do not end


def _line(simulation: Simulation, nodes: NodePopulation, row: int, cell: CompiledCell) -> _Line:
    """What a model's files will hold, from a node of it."""
    told, circuit = Row(nodes.columns, row), simulation.circuit
    template = str(told.get("model_template"))
    where: dict[str, Any] = {"file": nodes.file, "field": f"nodes/{nodes.name}"}
    if template.startswith(LIBRARY_PREFIX):
        cell_id = template.removeprefix(LIBRARY_PREFIX)
        perisomatic = PERISOMATIC in description_of(cell_id)["processing"]
        stem, swc, ra = cell_id, reconstruction_of(cell_id), resistances_of(cell_id)
    else:
        perisomatic = PERISOMATIC in str(told.get("model_processing"))
        if template not in ALLEN_TEMPLATES:
            raise ModelError(f"{template} is no model that Neulite has", fix="Use "
                             f"{ALLEN_TEMPLATES[0]}.", **where)  # fmt: skip
        path = circuit.find("morphologies_dir", str(told["morphology"]))
        stem, swc = path.stem, read_swc(path)
        fit = circuit.find("biophysical_neuron_models_dir", str(told["dynamics_params"]))
        ra = resistances(read_fit(fit))
    if not perisomatic:
        raise ModelError(
            f"{cell.name} is no perisomatic model, as Neulite's are",
            fix=f"Use cells with model_processing {PERISOMATIC}.", **where,
        )  # fmt: skip
    places, _ = places_of(swc)
    made, order = processed(swc)
    rows = np.full(len(swc.type), -1)
    rows[order[order >= 0]] = np.flatnonzero(order >= 0)
    name = f"{told.get('pop_name', nodes.name)}_{told['node_type_id']}"
    stub = int(np.flatnonzero(order == -1)[0])
    return _Line(
        name.replace(",", " "), stem, cell, places, rows, stub, made, _ions(cell, ra, where)
    )


def _ions(cell: CompiledCell, ra: dict[int, float], where: dict[str, Any]) -> Ions:
    """Parameters by kind of section; a kind that the cell lacks is as its dendrites, passive."""
    real = cell.area > 0
    _require_told(cell, where)
    found: dict[int, dict[str, float]] = {}
    for kind in SECTION_TYPES.values():
        nodes = np.flatnonzero(real & (cell.section_type == kind))
        if len(nodes) == 0:
            continue
        passive = {"Cm": cell.cm, "leak": cell.g_pas, "e_pas": cell.e_pas}
        values = {name: float(array[nodes[0]]) for name, array in passive.items()}
        found[kind] = {
            "Ra": ra[kind],
            **values,
            **dict.fromkeys(("gamma", "decay", *CHANNELS), 0.0),
        }
        for mechanism, table in cell.mechanisms.items():
            at = np.flatnonzero(np.isin(table.nodes, nodes))
            if len(at) == 0:
                continue
            for parameter in COLUMNS[mechanism]:
                default = DENSITY[mechanism].parameters[parameter].default
                value = table.parameters.get(parameter, np.full(len(table.nodes), default))[at[0]]
                found[kind][mechanism if parameter == "gbar" else parameter] = float(value)
    alike = found.get(SECTION_TYPES["dend"]) or found[SECTION_TYPES["soma"]]
    bare = {**alike, **dict.fromkeys(("gamma", "decay", *CHANNELS), 0.0)}
    return {kind: found.get(kind, bare) for kind in SECTION_TYPES.values()}


def _require_told(cell: CompiledCell, where: dict[str, Any]) -> None:
    """Refuse what an ion file has no place for."""
    for name, table in cell.mechanisms.items():
        if name not in COLUMNS:
            raise ModelError(f"{cell.name} has the channel {name}, which Neulite has not",
                             fix="Take it out of the fit.", **where)  # fmt: skip
        for parameter, values in table.parameters.items():
            usual = DENSITY[name].parameters[parameter].default
            if parameter not in COLUMNS[name] and (values != usual).any():
                raise ModelError(
                    f"{cell.name} has {parameter}_{name} of {values[0]:g}, which Neulite's files "
                    "do not say", fix="Take it out of the fit.", **where,
                )  # fmt: skip
        attribute, usual = REVERSALS.get(DENSITY[name].ion or "", ("", 0.0))
        if attribute and (getattr(cell, attribute)[table.nodes] != usual).any():
            raise ModelError(
                f"{cell.name} has {attribute} other than {usual:g} mV, which Neulite's files do "
                "not say", fix="Leave this cell out.", **where,
            )  # fmt: skip


# --- synapses -----------------------------------------------------------------------------------


def _connections(
    simulation: Simulation,
    ends: tuple[str, str],
    populations: dict[str, _Population],
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
) -> pd.DataFrame:
    """Every synapse from one population to another."""
    source, target = (populations[name] for name in ends)
    cells = cells_of(ends[1], sources, models, cell_model)
    parts = []
    for projection in simulation.circuit.projections:
        if (projection.source, projection.target) != ends:
            continue
        for made in _placed(projection, target, cells, simulation.seed):
            kept = made[(source.line[made["pre"]] >= 0) & (target.line[made["post"]] >= 0)].copy()
            sign = source.excites[kept["pre"]]
            excites = np.where(np.isnan(sign), kept["excites"], sign > 0)
            kept["ei"] = np.where(excites, "e", "i")
            whole = np.floor(kept["delay"].to_numpy() + 0.5 + WHOLE)
            if (whole < 1).any():
                raise InputError(
                    f"a delay of {kept['delay'].min():g} ms would be 0: Neulite counts whole ms",
                    file=simulation.config_file, field=projection.name,
                    fix="Use delays of 0.5 ms or more.",
                )  # fmt: skip
            if (np.abs(whole - kept["delay"]) > WHOLE).any():
                logger.warning("%s: delays are rounded to whole ms", projection.name)
            kept["delay"] = whole.astype(np.int64)
            kept["pre"], kept["post"] = source.number[kept["pre"]], target.number[kept["post"]]
            parts.append(kept[list(CONNECTION_COLUMNS)])
    if not parts:
        return pd.DataFrame({name: [] for name in CONNECTION_COLUMNS})
    return pd.concat(parts, ignore_index=True).sort_values(["pre", "post"], kind="stable")


def _placed(
    projection: Projection, target: _Population, cells: Any, seed: int
) -> Iterator[pd.DataFrame]:
    """Synapses with their row of Neulite's SWC file: rows of both populations' tables, uS, ms."""
    if isinstance(projection, EdgePopulation):
        explicit = np.flatnonzero(
            (projection.section_id >= 0) & (target.line[projection.target_index] >= 0)
        )
        kinds, kind = _plain_kinetics(projection, explicit)
        yield _table(
            target, projection.source_index[explicit], projection.target_index[explicit],
            (projection.section_id[explicit], projection.section_pos[explicit]),
            kinds, kind, projection.weight[explicit], projection.delay[explicit],
        )  # fmt: skip
        projection = projection.some(np.flatnonzero(projection.section_id < 0))
    kinds, delays = list(projection.kinds(cells)), projection.delays()
    for made in projection.onto(None, cells, seed):
        at = np.flatnonzero(target.line[made.target] >= 0)
        post, node = made.target[at], made.node[at]
        place = np.zeros(len(at), np.int64), np.zeros(len(at))
        for k, line in enumerate(target.lines):
            mine = target.line[post] == k
            place[0][mine] = line.cell.section[node[mine]]
            place[1][mine] = line.cell.x[node[mine]]
        yield _table(
            target, made.source[at], post, place, kinds, made.kind[at], made.weight[at],
            delays[made.delay[at]],
        )  # fmt: skip


def _plain_kinetics(edges: EdgePopulation, at: IntArray) -> tuple[list[Kinetics], IntArray]:
    """Those of some edges, and which each has: Neulite's synapses have one conductance."""
    kinds: list[Kinetics] = []
    kind = np.zeros(len(at), np.int64)
    for r in np.unique(edges.rule[at]):
        mine = np.flatnonzero(edges.rule[at] == r)
        made, which = conductances_of(edges.rules[r], edges, at[mine])
        if len(made[0]) > 1:
            raise ModelError(
                f"{edges.rules[r].model_template} synapses have several conductances, Neulite's "
                "one", field="model_template", fix="Use exp2syn.",
            )  # fmt: skip
        kind[mine] = len(kinds) + which
        kinds += [parts[0].kinetics for parts in made]
    return kinds, kind


def _table(
    target: _Population,
    pre: NDArray[np.integer],
    post: NDArray[np.integer],
    place: tuple[NDArray[np.integer], FloatArray],
    kinds: list[Kinetics],
    kind: NDArray[np.integer],
    weight: NDArray[np.floating],
    delay: FloatArray,
) -> pd.DataFrame:
    """Synapses at places of their cells."""
    for each in kinds:
        if each.release is not None or each.block is not None or each.tau_rise == 0.0:
            raise ModelError(
                "Neulite's synapses are exp2syn: none of one exponential, and none is plastic",
                field="model_template", fix="Use exp2syn.",
            )  # fmt: skip
    row = np.zeros(len(post), np.int64)
    for k, line in enumerate(target.lines):
        mine = np.flatnonzero(target.line[post] == k)
        section, x = place[0][mine].astype(np.int64), place[1][mine]
        at = line.places.nearest(section, x)
        row[mine] = np.where(at >= 0, line.row[at], -1)
        stub = section - (line.cell.section.max() - 1)  # the last two sections
        row[mine] = np.where(stub >= 0, line.stub + stub, row[mine])
        if (row[mine] < 0).any():
            raise InputError(
                f"a synapse is on section {section[np.argmin(row[mine])]}, in which the "
                "reconstruction has no point", field=line.name, fix="Place it elsewhere.",
            )  # fmt: skip
    numbers = np.array([(k.tau_decay, k.tau_rise, k.reversal, k.excites) for k in kinds])
    columns = numbers.reshape(-1, 4)[kind].T if len(kinds) else np.zeros((4, 0))
    return pd.DataFrame(
        {"pre": pre, "post": post, "row": row, "weight": weight.astype(np.float64),
         "tau_decay": columns[0], "tau_rise": columns[1], "erev": columns[2], "delay": delay,
         "excites": columns[3] > 0}
    )  # fmt: skip
