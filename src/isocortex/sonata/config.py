"""Load configurations: manifest variables, one file or two, and every key accounted for."""

from __future__ import annotations

import difflib
import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isocortex.errors import ConfigError
from isocortex.sonata.circuit import Circuit, NodePopulation, Simulation
from isocortex.sonata.edges import read_edges
from isocortex.sonata.inputs import read_inputs
from isocortex.sonata.nodes import read_nodes
from isocortex.sonata.reports import read_reports

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, coerce_numbers_to_str=False)


class Run(_Strict):
    """``run``: duration and steps, ms; ``dL``, um."""

    tstop: Positive
    dt: Positive = 0.1
    dL: Positive = 20.0
    spike_threshold: Finite = -15.0
    tstart: Literal[0] = 0
    duration: Positive | None = None
    random_seed: int = 0
    # how BMTK buffers and reports progress; nothing depends on them here
    nsteps_block: int | None = None
    overwrite_output_dir: bool | None = None
    use_old_import3d: Literal[False] = False
    intregation_method: Literal["0", 0, None] = None
    integration_method: Literal["0", 0, None] = None


class Conditions(_Strict):
    """``conditions``: temperature (degC) and initial voltage (mV)."""

    celsius: Annotated[float, Field(gt=-50, lt=100)] = 34.0
    v_init: Annotated[float, Field(ge=-300, le=300)] = -80.0


class Output(_Strict):
    """``output``: where results go."""

    output_dir: str = "output"
    log_file: str | None = None
    spikes_file: str = "spikes.h5"
    spikes_file_csv: str | None = None
    spikes_sort_order: (
        Literal["none", "time", "by_time", "id", "by_id", "node_id", "gid"] | None
    ) = "by_time"
    overwrite_output_dir: bool = True
    # how BMTK logs
    log_to_console: bool | None = None
    log_level: str | None = None
    log_format: str | None = None
    quiet_simulator: bool | None = None


#: Keys at the top of a configuration that say nothing about the simulation.
INFORMATIVE = {
    "target_simulator", "version", "metadata", "_comment", "comment", "name", "description",
    "config_path", "config_dir", "gid_mapping_file",
}  # fmt: skip
KNOWN = {
    "manifest", "run", "conditions", "inputs", "output", "reports", "network", "networks",
    "components", "node_sets", "node_sets_file", "simulation", "circuit",
}  # fmt: skip
COMPONENTS = (
    "morphologies_dir", "synaptic_models_dir", "biophysical_neuron_models_dir",
    "point_neuron_models_dir",
    # not needed here: mechanisms are built in, templates and mesh files have no use
    "mechanisms_dir", "templates_dir", "alternate_morphologies", "recXelectrodes_dir",
)  # fmt: skip


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("file does not exist", file=path, fix="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", file=path) from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"not valid JSON ({error})", file=path, fix="Mend the syntax.") from error
    if not isinstance(content, dict):
        raise ConfigError("not a JSON object", file=path, fix="Give {...}.")
    return content


def _variables(content: dict[str, Any], path: Path) -> dict[str, str]:
    """Manifest variables by bare name, with references among them resolved."""
    manifest = content.get("manifest", {})
    if not isinstance(manifest, dict) or not all(isinstance(v, str) for v in manifest.values()):
        raise ConfigError("must map names to strings", file=path, field="manifest")
    now = datetime.now()
    values = {
        "workingdir": os.getcwd(), "configdir": str(path.parent), "configfname": str(path),
        "datetime": now.strftime("%Y-%m-%d_%H-%M-%S"), "date": now.strftime("%Y-%m-%d"),
        "time": now.strftime("%H-%M-%S"),
    }  # fmt: skip
    raw = {key.strip("${}"): value for key, value in manifest.items()}
    for _ in range(len(raw) + 1):
        for name, value in raw.items():
            values[name] = _substitute(value, {**values, **{name: values.get(name, "")}}, path, raw)
    for name, value in values.items():
        left = re.findall(r"\$\{?(\w+)\}?", value)
        if left and name in raw:
            raise ConfigError(
                f"variable {left[0]!r} is not defined, or defined by itself", file=path,
                field=f"manifest: {name}", fix="Define it in the manifest.",
            )  # fmt: skip
    return values


def _substitute(text: str, values: dict[str, str], path: Path, pending: dict[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in pending and "$" in pending[name] and "$" in values.get(name, "$"):
            return match.group(0)
        if name not in values:
            if name in pending:
                return match.group(0)
            raise ConfigError(
                f"variable {name!r} is not defined", file=path, field=text,
                fix=f"The manifest has {', '.join(pending) or 'nothing'}.",
            )  # fmt: skip
        return values[name]

    return re.sub(r"\$\{?(\w+)\}?", replace, text)


def _resolve(value: Any, values: dict[str, str], path: Path) -> Any:
    if isinstance(value, str):
        return _substitute(value, values, path, {}) if "$" in value else value
    if isinstance(value, list):
        return [_resolve(v, values, path) for v in value]
    if isinstance(value, dict):
        return {k: _resolve(v, values, path) for k, v in value.items()}
    return value


def _load(path: Path) -> dict[str, tuple[Any, Path]]:
    """Top-level key -> (value, file it is from); ``network`` and the like are followed."""
    content = _read_json(path)
    unknown = [k for k in content if k not in KNOWN | INFORMATIVE]
    if unknown:
        close = difflib.get_close_matches(unknown[0], sorted(KNOWN), 1)
        raise ConfigError(
            f"unknown key {unknown[0]!r}", file=path,
            fix=f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(KNOWN))}.",
        )  # fmt: skip
    values = _variables(content, path)
    merged: dict[str, tuple[Any, Path]] = {}
    for key in ("network", "circuit", "simulation"):
        if key in content:
            name = _resolve(content[key], values, path)
            if not isinstance(name, str):
                raise ConfigError("must be the path of a config", file=path, field=key)
            merged |= _load(path.parent / name)
    for key, value in content.items():
        if key in KNOWN and key not in ("manifest", "network", "circuit", "simulation"):
            merged[key] = (_resolve(value, values, path), path)
    return merged


def _section(config: dict[str, tuple[Any, Path]], key: str, kind: type, default: Any) -> Any:
    value, path = config.get(key, (default, Path()))
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ConfigError(
            f"must be a {'JSON object' if kind is dict else kind.__name__}", file=path, field=key
        )
    return value


def _validated(model: type[_Strict], config, key: str, defaults: dict[str, Any]) -> Any:
    value = _section(config, key, dict, {})
    path = config[key][1] if key in config else None
    try:
        return model(**{**value, **defaults})
    except (ValidationError, TypeError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(str(error), file=path, field=key) from error
        first = error.errors()[0]
        name = ".".join([key, *(str(x) for x in first["loc"][:1])])
        if first["type"] == "extra_forbidden":
            known = list(model.model_fields)
            close = difflib.get_close_matches(str(first["loc"][0]), known, 1)
            fix = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
            raise ConfigError("not supported", file=path, field=name, fix=fix) from error
        raise ConfigError(
            first["msg"][0].lower() + first["msg"][1:], file=path, field=name, fix="Mend the value."
        ) from error


def load_circuit(path: str | os.PathLike[str]) -> Circuit:
    """Load the circuit of a circuit or simulation configuration."""
    path = Path(path)
    return _circuit(_load(path), path)


def _circuit(config: dict[str, tuple[Any, Path]], path: Path) -> Circuit:
    if "networks" not in config:
        raise ConfigError(
            "names no circuit", file=path, field="networks",
            fix="Add `network`: a circuit config, or `networks` with nodes and edges.",
        )  # fmt: skip
    networks, networks_file = _section(config, "networks", dict, {}), config["networks"][1]
    components_in = _section(config, "components", dict, {})
    components_file = config.get("components", ({}, path))[1]
    components = {}
    for key, value in components_in.items():
        if key not in COMPONENTS:
            close = difflib.get_close_matches(key, COMPONENTS, 1)
            raise ConfigError(
                "unknown component", file=components_file, field=f"components.{key}",
                fix=f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(COMPONENTS)}.",
            )  # fmt: skip
        if isinstance(value, str):
            components[key] = components_file.parent / value
    nodes: dict[str, NodePopulation] = {}
    for entry, files in _files(networks, "nodes", networks_file):
        for population in read_nodes(*files):
            if population.name in nodes:
                raise ConfigError(
                    f"population {population.name!r} appears twice", file=networks_file,
                    field=f"networks.nodes[{entry}]", fix="Give populations distinct names.",
                )  # fmt: skip
            nodes[population.name] = population
    if not nodes:
        raise ConfigError("no nodes", file=networks_file, field="networks.nodes", fix="Add some.")
    edges = []
    for _, (edges_file, types_file) in _files(networks, "edges", networks_file):
        models = components.get("synaptic_models_dir")
        edges += read_edges(edges_file, types_file, nodes, models)
    node_sets = dict(_section(config, "node_sets", dict, {}))
    if "node_sets_file" in config:
        name = _section(config, "node_sets_file", str, "")
        node_sets = {**_read_json(config["node_sets_file"][1].parent / name), **node_sets}
    return Circuit(nodes, edges, components, node_sets, path)


def _files(networks: dict[str, Any], kind: str, path: Path):
    """(entry, (data file, types file)) of ``networks.nodes`` or ``networks.edges``."""
    entries = networks.get(kind, [])
    unknown = [k for k in networks if k not in ("nodes", "edges")]
    if unknown:
        raise ConfigError("not supported", file=path, field=f"networks.{unknown[0]}")
    if not isinstance(entries, list):
        raise ConfigError("must be a list", file=path, field=f"networks.{kind}")
    data, types = f"{kind}_file", f"{kind[:-1]}_types_file"
    for i, entry in enumerate(entries):
        field = f"networks.{kind}[{i}]"
        if not isinstance(entry, dict):
            raise ConfigError("must be a JSON object", file=path, field=field)
        extra = [k for k in entry if k not in (data, types, "populations", "name")]
        if extra:
            raise ConfigError("not supported", file=path, field=f"{field}.{extra[0]}",
                              fix=f"Known: {data}, {types}.")  # fmt: skip
        if entry.get("populations"):
            raise ConfigError(
                "per-population settings are not supported yet", file=path,
                field=f"{field}.populations", fix="Use node types.",
            )  # fmt: skip
        if not isinstance(entry.get(data), str):
            raise ConfigError("must be a path", file=path, field=f"{field}.{data}")
        name = entry.get(types)
        if name is not None and not isinstance(name, str):
            raise ConfigError("must be a path", file=path, field=f"{field}.{types}")
        yield i, (path.parent / entry[data], path.parent / name if name else None)


def load_simulation(
    path: str | os.PathLike[str],
    *,
    dt: float | None = None,
    tstop: float | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    skip_unsupported_reports: bool = False,
) -> Simulation:
    """Load a simulation configuration, its circuit and its inputs.

    Parameters
    ----------
    dt, tstop, output_dir : override the file.
    skip_unsupported_reports : leave out reports of kinds that do not exist here (they are listed
        in ``Simulation.skipped``) instead of stopping.
    """
    path = Path(path)
    config = _load(path)
    overrides = {k: v for k, v in (("dt", dt), ("tstop", tstop)) if v is not None}
    run_section = config.get("run", ({}, path))[0]
    if isinstance(run_section, dict) and "tstop" not in run_section and "duration" in run_section:
        overrides.setdefault("tstop", run_section["duration"])
    run = _validated(Run, config, "run", overrides)
    conditions = _validated(Conditions, config, "conditions", {})
    output = _validated(Output, config, "output", {})
    output_file = config.get("output", ({}, path))[1]
    circuit = _circuit(config, path)
    inputs = _section(config, "inputs", dict, {})
    inputs_file = config.get("inputs", ({}, path))[1]
    reports = _section(config, "reports", dict, {})
    reports_file = config.get("reports", ({}, path))[1]
    specs, skipped = read_reports(
        reports, reports_file, circuit, skip_unsupported=skip_unsupported_reports
    )
    return Simulation(
        circuit=circuit,
        config_file=path,
        dt=run.dt,
        tstop=run.tstop,
        dL=run.dL,
        spike_threshold=run.spike_threshold,
        celsius=conditions.celsius,
        v_init=conditions.v_init,
        inputs=read_inputs(inputs, inputs_file, circuit, run.tstop, run.random_seed),
        reports=specs,
        output_dir=Path(output_dir) if output_dir else output_file.parent / output.output_dir,
        spikes_file=output.spikes_file,
        spikes_file_csv=output.spikes_file_csv,
        spikes_sort_order=output.spikes_sort_order,
        log_file=output.log_file,
        overwrite_output_dir=output.overwrite_output_dir,
        seed=run.random_seed,
        skipped=skipped,
    )
