"""The cells of a circuit, each distinct model compiled once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.allen import compile_allen
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.library import load_cell
from isocortex.cells.neuroml import read_neuroml
from isocortex.circuit import Circuit, NodePopulation, Simulation
from isocortex.circuit.columns import coded, take, value_at
from isocortex.circuit.nodes import LIBRARY_PREFIX, MODEL_COLUMNS
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.network.network import PointNeurons
from isocortex.network.sources import BIOPHYSICAL, POINT, Sources
from isocortex.text import finite, read_json

logger = logging.getLogger(__name__)

#: Model templates that mean "an Allen cell from SWC and fit file".
ALLEN_TEMPLATES = ("ctdb:Biophys1.hoc", "ctdb:Biophys1")
#: Prefix of templates that name a NeuroML file.
NEUROML_PREFIX = "nml:"
#: Folders in which fit files of NeuroML templates are sought.
FIT_FOLDERS = ("json", "ctdb")
#: Keys up to this number are made of the codes of several columns.
LARGEST_KEY = 2**62


def compile_cells(simulation: Simulation, sources: Sources) -> tuple[list[CompiledCell], IntArray]:
    """Every distinct model, compiled, and the model of each biophysical cell (int64[n_cells])."""
    models: dict[tuple[str | None, ...], int] = {}
    compiled: list[CompiledCell] = []
    cell_model = np.zeros(sources.n_cells, np.int64)
    for population in simulation.circuit.nodes.values():
        rows = np.flatnonzero(sources.kind[population.name] == BIOPHYSICAL)
        if len(rows) == 0:
            continue
        kinds, kind = _kinds(population, rows, MODEL_COLUMNS)
        model = np.empty(len(kinds), np.int64)
        for k, values in enumerate(kinds):
            names = tuple(value or None for value in values)
            if names not in models:
                models[names] = len(compiled)
                compiled.append(_compile(simulation, population, *names))
            model[k] = models[names]
        cell_model[sources.number[population.name][rows]] = model[kind]
    return compiled, cell_model


def _kinds(
    population: NodePopulation, rows: IntArray, names: tuple[str, ...]
) -> tuple[list[tuple[Any, ...]], NDArray[np.intp]]:
    """The distinct values that some nodes have in some columns, and which of them each node has.

    They come in the order in which they appear; None where a node or the whole column has none.
    """
    columns = [population.columns.get(name) for name in names]
    key, n_keys = np.zeros(len(rows), np.int64), 1
    for column in columns:
        if column is None:
            continue
        codes, values = coded(take(column, rows))
        if n_keys * (len(values) + 1) > LARGEST_KEY:
            distinct, key = np.unique(key, return_inverse=True)
            n_keys = len(distinct)
        key, n_keys = key * (len(values) + 1) + codes + 1, n_keys * (len(values) + 1)
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    found = [
        tuple(None if column is None else value_at(column, row) for column in columns)
        for row in rows[first[order]].tolist()
    ]
    return found, place[kind]


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
        for column, value in (("dynamics_params", dynamics), ("model_processing", processing)):
            if value is not None:
                raise ConfigError(
                    f"an embedded cell has its parameters and axon with it, and {column} {value!r}",
                    fix=f"Leave {column} out (NULL), or use {ALLEN_TEMPLATES[0]} with the cell's "
                    "SWC and fit files.", **where,
                )  # fmt: skip
        with _said_of_run(simulation):
            return load_cell(template.removeprefix(LIBRARY_PREFIX), simulation.dL)
    neuroml = template is not None and template.startswith(NEUROML_PREFIX)
    if not neuroml and template not in ALLEN_TEMPLATES:
        raise ModelError(
            f"model_template {template!r} is not supported",
            fix=f"Use {ALLEN_TEMPLATES[0]}, or {LIBRARY_PREFIX}<id> for an embedded cell.",
            **where,
        )
    if neuroml and dynamics is not None:
        raise ConfigError(
            f"a NeuroML template has its parameters with it, and dynamics_params {dynamics!r}",
            fix=f"Leave dynamics_params out (NULL), or use {ALLEN_TEMPLATES[0]}.", **where,
        )  # fmt: skip
    if morphology is None or (dynamics is None and not neuroml):
        missing = "morphology" if morphology is None else "dynamics_params"
        raise InputError(
            f"a biophysical cell has no {missing}", fix=f"Set {missing} in the node types.", **where
        )
    path = (
        _neuroml_file(circuit, str(template).removeprefix(NEUROML_PREFIX))
        if neuroml else circuit.find("biophysical_neuron_models_dir", str(dynamics))
    )  # fmt: skip
    with _said_of_run(simulation, f" ({morphology})"):
        return compile_allen(
            read_neuroml(path) if path.suffix == ".nml" else path,
            circuit.find("morphologies_dir", morphology),
            # BMTK replaces the axon of a NeuroML cell in any case
            processing or ("aibs_perisomatic" if neuroml else None),
            dL=simulation.dL,
            name=_name_of_model(path),
            mechanisms=circuit.mechanisms,
            mechanisms_dir=circuit.mechanisms_dir,
        )


def _name_of_model(path: Path) -> str:
    """``472363762`` of ``472363762_fit.json`` and of ``Cell_472363762.cell.nml``."""
    name = path.stem.removesuffix(".cell")
    return name.removeprefix("Cell_").removesuffix("_fit")


@contextmanager
def _said_of_run(simulation: Simulation, of_what: str = "") -> Iterator[None]:
    """What is wrong with a cell's dL is said of ``run.dL``."""
    try:
        yield
    except ModelError as error:
        if error.field != "dL":
            raise
        raise ModelError(
            f"{error.message}{of_what}", file=simulation.config_file, field="run.dL", fix=error.fix
        ) from error


def compile_cell_of(simulation: Simulation, population: str, node_id: int) -> CompiledCell:
    """The compiled model of one biophysical node."""
    nodes = simulation.circuit.nodes[population]
    rows = np.flatnonzero(nodes.node_ids == node_id)
    if len(rows) == 0:
        raise InputError(f"there is no node {node_id}", file=nodes.file, field=population)
    (names,), _ = _kinds(nodes, rows[:1], MODEL_COLUMNS)
    return _compile(simulation, nodes, *names)


def _neuroml_file(circuit: Circuit, name: str) -> Path:
    """The file of a NeuroML template, or the Allen fit file with the same parameters.

    The Allen Institute publishes every model both ways, as ``Cell_<id>.cell.nml`` and
    ``<id>_fit.json``. Where the former is missing the latter is read, from the same folder, or from
    ``json`` or ``ctdb`` in it or beside it.
    """
    folder = circuit.components.get("biophysical_neuron_models_dir")
    match = re.search(r"Cell_(\d+)\.cell\.nml$", name)
    if folder is not None and match and not (folder / name).is_file():
        places = [folder, *(at / kind for at in (folder, folder.parent) for kind in FIT_FOLDERS)]
        for place in places:
            path = place / f"{match.group(1)}_fit.json"
            if path.is_file():
                logger.info("nml:%s: parameters from %s", name, path)
                return path.absolute()
    return circuit.find("biophysical_neuron_models_dir", name)


def point_neurons(circuit: Circuit, sources: Sources, own: range) -> PointNeurons:
    """Parameters of some point neurons, in the order of sources."""
    tau, refractory = np.zeros(sources.n_points), np.zeros(sources.n_points)
    for population in circuit.nodes.values():
        rows = np.flatnonzero(sources.kind[population.name] == POINT)
        kinds, kind = _kinds(population, rows, ("model_template", "dynamics_params"))
        numbers = sources.number[population.name][rows] - sources.n_cells
        for k, (template, file) in enumerate(kinds):
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
            mine = numbers[kind == k]
            values = _json_numbers(path, ("tau", "refrac"))
            if not (values["tau"] > 0 and values["refrac"] >= 0):
                raise ModelError(
                    f"tau must be positive and refrac not negative, found {values}", file=path,
                    fix="Both are in s.",
                )  # fmt: skip
            tau[mine], refractory[mine] = 1e3 * values["tau"], 1e3 * values["refrac"]  # s -> ms
    chosen = slice(own.start, own.stop)
    return PointNeurons(tau[chosen], refractory[chosen])


def _json_numbers(path: Path, names: tuple[str, ...]) -> dict[str, float]:
    content = read_json(path)
    numbers = {}
    for name in names:
        value = finite(content.get(name))
        if value is None:
            raise InputError(
                f"must be a number, found {content[name]!r}" if name in content else "is missing",
                file=path, field=name, fix=f"It is to hold the numbers {', '.join(names)}.",
            )  # fmt: skip
        numbers[name] = value
    return numbers
