"""Load circuits and simulations: the configuration, and every file it names."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from isocortex.circuit import (
    Circuit,
    ConnectionOverride,
    Input,
    NodePopulation,
    Projection,
    ReportSpec,
    Simulation,
)
from isocortex.circuit.changes import OURS, Change
from isocortex.circuit.force import in_force
from isocortex.circuit.gaps import apart
from isocortex.circuit.synapses import load_templates
from isocortex.errors import ConfigError
from isocortex.sonata.changes import read_changes
from isocortex.sonata.edges import WeightFunction, read_edges
from isocortex.sonata.inputs import read_inputs
from isocortex.sonata.manifest import Config, files_read, load_config, read_config
from isocortex.sonata.nodes import read_nodes
from isocortex.sonata.overrides import read_overrides
from isocortex.sonata.reports import read_reports
from isocortex.sonata.schema import COMMENTS, Finite, Positive, Section, unknown_key, validated
from isocortex.sonata.told import SpikesFunction


class Run(Section):
    """``run``: duration and step, ms; ``dL``, um; threshold of spikes, mV."""

    tstop: Positive
    dt: Positive = 0.1
    dL: Positive = 20.0
    spike_threshold: Finite = -15.0
    tstart: Annotated[float, Field(ge=0, le=0)] = 0.0
    random_seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    # how BMTK buffers, which of its importers it uses; nothing depends on them here
    nsteps_block: int | None = None
    overwrite_output_dir: bool | None = None
    use_old_import3d: Literal[False] = False
    # NEURON's default method, by both names that BMTK's examples have for it
    intregation_method: Literal["0", 0, None] = None
    integration_method: Literal["0", 0, None] = None


class Conditions(Section):
    """``conditions``: temperature (degC), initial voltage (mV), changes of channels."""

    celsius: Annotated[float, Field(gt=-50, lt=100)] | None = None
    v_init: Annotated[float, Field(ge=-300, le=300)] | None = None
    modifications: Any = None


#: Steps of a run: at a million of them per second, three centuries.
MOST_STEPS = 1e16
#: Where ``conditions`` are silent: degC, mV. BioNet's temperature; it has no initial voltage.
CELSIUS, V_INIT = 34.0, -80.0


class Output(Section):
    """``output``: where results go."""

    output_dir: str = "output"
    log_file: str | None = None
    spikes_file: str | None = None
    spikes_file_csv: str | None = None
    spikes_sort_order: (
        Literal["none", "time", "by_time", "id", "by_id", "node_id", "gid"] | None
    ) = "by_time"
    overwrite_output_dir: bool = True
    # how BMTK logs, buffers and compresses
    log_to_console: bool | None = None
    log_level: str | None = None
    log_format: str | None = None
    quiet_simulator: bool | None = None
    cache_to_disk: bool | None = None
    compression: str | None = None


class NodesEntry(Section):
    """One entry of ``networks.nodes``."""

    nodes_file: str
    node_types_file: str | None = None
    name: str | None = None
    # per-population settings: an empty one says nothing
    populations: Annotated[dict[str, Any], Field(max_length=0)] | None = None


class EdgesEntry(Section):
    """One entry of ``networks.edges``."""

    edges_file: str
    edge_types_file: str | None = None
    enabled: bool = True
    name: str | None = None
    populations: Annotated[dict[str, Any], Field(max_length=0)] | None = None


class GapJunctionsEntry(Section):
    """One entry of ``networks.gap_juncs``: BMTK's numbers for its own use, which are not read."""

    gap_juncs_file: str


#: Folders of ``components`` that are searched.
SEARCHED = (
    "morphologies_dir", "synaptic_models_dir", "biophysical_neuron_models_dir",
    "point_neuron_models_dir",
)  # fmt: skip
#: Other entries of ``components`` name folders in which nothing is sought, whatever they are called
#: (BMTK's environment builder writes one for every folder it finds): they change no result.
FOLDER = re.compile(r".*_dir$|alternate_morphologies$")
#: Files with channels of one's own, and the folder of mod files, in ``components`` too.
MECHANISMS, MOD_FOLDER = "mechanisms", "mechanisms_dir"


#: Lists of ``networks``.
NETWORKS = ("nodes", "edges", "gap_juncs")
#: Sections that a package of ours makes projections from, and the function that reads each: by
#: name, since what makes circuits stands above what reads files.
RECIPES = {"cortex": "isocortex.cortex.projection:read_projections"}


def load_circuit(path: str | os.PathLike[str]) -> Circuit:
    """Load the circuit of a circuit or simulation configuration.

    Raises
    ------
    ConfigError, InputError, ModelError : with the file and field at fault.
    """
    path = Path(path).absolute()
    return _circuit(load_config(path), path)


def load_nodes(path: str | os.PathLike[str]) -> dict[str, NodePopulation]:
    """Load the nodes alone of a circuit or simulation configuration: quick where edges are many.

    Raises
    ------
    ConfigError, InputError : with the file and field at fault.
    """
    path = Path(path).absolute()
    return _nodes(*_object(load_config(path, lenient=True), "networks", path))


def load_recipe(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Path]:
    """The recipe of the cortex that a circuit or simulation configuration holds, and its file.

    Raises
    ------
    ConfigError : if it holds none.
    """
    path = Path(path).absolute()
    recipe, file = _object(load_config(path), "cortex", path)
    if not recipe:
        raise ConfigError(
            "holds no recipe of a cortex", file=path,
            fix="Give a circuit of `isocortex build cortex` without --materialize.",
        )  # fmt: skip
    return recipe, file


def load_simulation(
    path: str | os.PathLike[str],
    *,
    dt: float | None = None,
    tstop: float | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    skip_unsupported_reports: bool = False,
    cells_only: bool = False,
    weight_functions: Mapping[str, WeightFunction] | None = None,
    spikes_functions: Mapping[str, SpikesFunction] | None = None,
) -> Simulation:
    """Load a simulation configuration, its circuit and its inputs.

    Parameters
    ----------
    dt, tstop, output_dir : override the file; ms, ms, path.
    skip_unsupported_reports : leave out reports of kinds that do not exist here (they are listed
        in ``Simulation.skipped``) instead of stopping.
    cells_only : leave out edges, changes, inputs and reports: who draws cells needs none
        of them, and of a large circuit they take long to read.
    weight_functions : Python functions by the name that ``weight_function`` of edge types may have:
        each is asked for the weight of every edge, given what is known of it, of its source and of
        its target. They go before those of the same name that there are.
    spikes_functions : Python functions by the name that ``spikes_function`` of inputs may have:
        each is asked for the spikes (ms) of every virtual node, given what is known of it.

    Raises
    ------
    ConfigError, InputError, ModelError : with the file and field at fault.
    """
    path = Path(path).absolute()
    config = load_config(path)
    values, file = _object(config, "run", path)
    if "duration" in values:
        values = {"tstop": values["duration"], **values}
        del values["duration"]
    overrides = {k: float(v) for k, v in (("dt", dt), ("tstop", tstop)) if v is not None}
    run = validated(Run, {**values, **overrides}, file, "run")
    given, conditions_file = _object(config, "conditions", path)
    conditions = validated(Conditions, given, conditions_file, "conditions")
    output, folder = _output(config, path)
    check_steps(run, file)
    circuit = _circuit(config, path, wired=not cells_only, weight_functions=weight_functions)
    inputs: list[Input] = []
    specs: list[ReportSpec] = []
    skipped: list[str] = []
    weights: list[ConnectionOverride] = []
    changes: list[Change] = []
    if not cells_only:
        specs, skipped = read_reports(
            *_object(config, "reports", path), circuit, skip_unsupported=skip_unsupported_reports
        )
        inputs, circuit = read_inputs(
            *_object(config, "inputs", path), circuit,
            run.tstop, run.random_seed, run.dt, spikes_functions or {},
        )  # fmt: skip
        weights = read_overrides(*config.get("connection_overrides", (None, path)), circuit)
        ours = config.get(OURS, (None, path))
        changes = read_changes(ours, conditions.modifications, conditions_file)
    spikes_file = _inside(output.output_dir, output.spikes_file)
    simulation = Simulation(
        circuit=circuit,
        config_file=path,
        dt=run.dt,
        tstop=run.tstop,
        dL=run.dL,
        spike_threshold=run.spike_threshold,
        celsius=CELSIUS if conditions.celsius is None else conditions.celsius,
        v_init=V_INIT if conditions.v_init is None else conditions.v_init,
        inputs=inputs,
        reports=specs,
        output_dir=Path(output_dir) if output_dir else folder,
        spikes_file=spikes_file or "spikes.h5",
        spikes_file_csv=_inside(output.output_dir, output.spikes_file_csv),
        spikes_sort_order=output.spikes_sort_order,
        log_file=_inside(output.output_dir, output.log_file),
        overwrite_output_dir=output.overwrite_output_dir,
        seed=run.random_seed,
        skipped=skipped,
        files_read=frozenset(files_read(config, path)),
        overrides=weights,
        changes=changes,
    )
    in_force(simulation)  # so that what is wrong with a change is told before anything is built
    return simulation


def check_steps(run: Run, file: Path) -> None:
    """A run must have one step at least."""
    if run.tstop < run.dt:
        raise ConfigError(
            f"tstop ({run.tstop:g} ms) is shorter than one step of dt ({run.dt:g} ms)", file=file,
            field="run.tstop", fix="Choose a longer tstop or a smaller dt.",
        )  # fmt: skip
    if run.tstop / run.dt > MOST_STEPS:
        raise ConfigError(
            f"tstop ({run.tstop:g} ms) is {run.tstop / run.dt:.1g} steps of dt ({run.dt:g} ms)",
            file=file, field="run.tstop", fix=f"Choose them so that it is at most {MOST_STEPS:g}.",
        )  # fmt: skip


def load_output_dir(path: str | os.PathLike[str]) -> Path:
    """The folder that a simulation configuration writes to, whether or not it has been run.

    Raises
    ------
    ConfigError : with the file and field at fault.
    """
    path = Path(path).absolute()
    return _output(load_config(path, lenient=True), path)[1]


def _output(config: Config, path: Path) -> tuple[Output, Path]:
    """``output`` and its folder."""
    values, file = _object(config, "output", path)
    output = validated(Output, values, file, "output")
    return output, file.parent / output.output_dir


def _object(config: Config, key: str, path: Path) -> tuple[dict[str, Any], Path]:
    """A section and its file; an absent or null section is empty."""
    value, file = config.get(key, (None, path))
    if value is None:
        return {}, file
    if not isinstance(value, dict):
        raise ConfigError("must be a JSON object", file=file, field=key, fix="Give {...}.")
    return value, file


def _inside(folder: str, name: str | None) -> str | None:
    """A file's name inside the output folder, which BMTK allows to be repeated in front of it."""
    if name is None or not name:
        return None
    try:
        return str(Path(name).relative_to(Path(folder)))
    except ValueError:
        return name


def _circuit(
    config: Config,
    path: Path,
    *,
    wired: bool = True,
    weight_functions: Mapping[str, WeightFunction] | None = None,
) -> Circuit:
    networks, file = _object(config, "networks", path)
    components = _components(config, path)
    for key in networks:
        if key not in (*NETWORKS, *COMMENTS) and networks[key]:
            raise unknown_key(key, NETWORKS, file, "networks")
    list(_entries(networks, "gap_juncs", GapJunctionsEntry, file))
    nodes = _nodes(networks, file)
    edges = []
    for i, entry in _entries(networks, "edges", EdgesEntry, file):
        if entry.enabled and wired:
            paths = _files(entry, ("edges_file", "edge_types_file"), file, f"networks.edges[{i}]")
            models = components.get("synaptic_models_dir")
            edges += read_edges(*paths, nodes, models, weight_functions)
    synapses, gaps = apart(edges)
    files, folder = _mechanisms(config, path), _mod_folder(config, path)
    load_templates((rule.model_template for e in synapses for rule in e.rules), files, folder)
    projections: list[Projection] = [*synapses, *_made(config, path, nodes)]
    return Circuit(
        nodes, projections, components, _node_sets(config, path), path, files, gaps, folder
    )


def _made(config: Config, path: Path, nodes: dict[str, NodePopulation]) -> Iterator[Projection]:
    """The projections that sections of the configuration are recipes of."""
    for key, maker in RECIPES.items():
        section, file = _object(config, key, path)
        if section:
            module, name = maker.split(":")
            yield from getattr(import_module(module), name)(section, file, nodes)


def _nodes(networks: dict[str, Any], file: Path) -> dict[str, NodePopulation]:
    """Every population of ``networks.nodes`` by name."""
    nodes: dict[str, NodePopulation] = {}
    for i, entry in _entries(networks, "nodes", NodesEntry, file):
        paths = _files(entry, ("nodes_file", "node_types_file"), file, f"networks.nodes[{i}]")
        for population in read_nodes(*paths):
            if population.name in nodes:
                raise ConfigError(
                    f"population {population.name!r} appears twice", file=file,
                    field=f"networks.nodes[{i}]", fix="Give populations distinct names.",
                )  # fmt: skip
            nodes[population.name] = population
    if not nodes:
        raise ConfigError(
            "names no nodes", file=file, field="networks.nodes",
            fix="Add `network`: a circuit config, or `networks` with nodes and edges.",
        )  # fmt: skip
    return nodes


def _files(entry: Any, keys: tuple[str, str], file: Path, field: str) -> tuple[Path, Path | None]:
    """The files that an entry names: the first, and the second if it names one."""
    paths = [file.parent / name if (name := getattr(entry, key)) else None for key in keys]
    for key, path in zip(keys, paths, strict=True):
        if path is not None and not path.is_file():
            raise ConfigError(
                f"there is no file {path}", file=file, field=f"{field}.{key}", fix="Mend the path."
            )
    assert paths[0] is not None  # the schema has seen to it
    return paths[0], paths[1]


def _entries(networks: dict[str, Any], kind: str, model: Any, file: Path) -> Iterator[Any]:
    entries = networks.get(kind) or []
    if not isinstance(entries, list):
        raise ConfigError("must be a list", file=file, field=f"networks.{kind}", fix="Give [...].")
    for i, entry in enumerate(entries):
        field = f"networks.{kind}[{i}]"
        if not isinstance(entry, dict):
            raise ConfigError("must be a JSON object", file=file, field=field, fix="Give {...}.")
        yield i, validated(model, entry, file, field)


def _components(config: Config, path: Path) -> dict[str, Path]:
    values, file = _object(config, "components", path)
    folders = {}
    for key, value in values.items():
        if key in SEARCHED and isinstance(value, str):
            folders[key] = file.parent / value
        elif key in SEARCHED and value is None:
            continue
        elif key in SEARCHED:
            raise ConfigError(
                "must be the path of a folder", file=file, field=f"components.{key}", fix="Mend it."
            )
        elif key not in (MECHANISMS, *COMMENTS) and (not FOLDER.match(key) or _misspelt(key)):
            raise unknown_key(key, (*SEARCHED, MECHANISMS), file, "components")
    return folders


def _misspelt(key: str) -> bool:
    """Whether one of the folders that are searched was meant."""
    return bool(difflib.get_close_matches(key, SEARCHED, 1, cutoff=0.85))


def _mechanisms(config: Config, path: Path) -> tuple[Path, ...]:
    """Python or mod files with channels that the package does not have."""
    values, file = _object(config, "components", path)
    given = values.get(MECHANISMS) or []
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            "must be the path of a Python or mod file, or a list of them", file=file,
            field=f"components.{MECHANISMS}", fix="Mend it.",
        )  # fmt: skip
    return tuple(file.parent / name for name in names)


def _mod_folder(config: Config, path: Path) -> Path | None:
    """Where mod files may lie, of which cells may have channels that the package does not have."""
    values, file = _object(config, "components", path)
    folder = values.get(MOD_FOLDER)
    return file.parent / folder if isinstance(folder, str) else None


def _node_sets(config: Config, path: Path) -> dict[str, Any]:
    named: dict[str, Any] = {}
    name, file = config.get("node_sets_file", (None, path))
    if name is not None:
        if not isinstance(name, str):
            raise ConfigError("must be a path", file=file, field="node_sets_file", fix="Mend it.")
        named = read_config(file.parent / name)
    named |= _object(config, "node_sets", path)[0]
    return {key: value for key, value in named.items() if key not in COMMENTS}
