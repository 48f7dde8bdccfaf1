"""Write the configurations, folders and run script of a simulation of BioNet."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError

logger = logging.getLogger(__name__)
StrPath = str | os.PathLike[str]

#: Folders of components, as BMTK's examples call them.
COMPONENTS = (
    "biophysical_neuron_models", "mechanisms", "morphologies", "point_neuron_models",
    "synaptic_models", "templates",
)  # fmt: skip
#: What a folder of SONATA files may be called.
NETWORK = ("network", "networks", "circuit", "circuits", "network_dir", "circuit_dir")
#: In names of files -> section and key of the configuration.
FILES = {
    "_nodes": ("nodes", "nodes_file"), "_node_types": ("nodes", "node_types_file"),
    "_edges": ("edges", "edges_file"), "_edge_types": ("edges", "edge_types_file"),
    "_gap_juncs": ("gap_juncs", "gap_juncs_file"),
}  # fmt: skip
SCRIPT = '''"""Runs a simulation: python {name} [configuration]."""

import sys

from isocortex.bmtk.simulator import bionet


def run(config_file):
    conf = bionet.Config.from_json(config_file, validate=True)
    conf.build_env()
    net = bionet.BioNetwork.from_config(conf)
    sim = bionet.BioSimulator.from_config(conf, network=net)
    sim.run()


if __name__ == "__main__":
    run(sys.argv[1] if len(sys.argv) > 1 else {config!r})
'''


@dataclass
class Environment:
    """The folders of a simulation.

    Parameters
    ----------
    base_dir : where configurations go; made if it is not there.
    network_dir : of the SONATA files; relative to the working folder if it is there, else to the
        base.
    components_dir, output_dir : default ``components`` and ``output`` in the base.
    """

    base_dir: StrPath = "."
    network_dir: StrPath | None = None
    components_dir: StrPath | None = None
    output_dir: StrPath | None = None
    base: Path = field(init=False)

    def __post_init__(self) -> None:
        self.base = Path(self.base_dir).absolute()
        self.base.mkdir(parents=True, exist_ok=True)
        there = sorted(p.name for p in self.base.iterdir() if p.is_dir() and p.name in NETWORK)
        self.network = self._folder(self.network_dir, there[0] if there else NETWORK[0])
        self.components = self._folder(self.components_dir, "components")
        self.output = self._folder(self.output_dir, "output")
        self.network.mkdir(parents=True, exist_ok=True)

    def _folder(self, given: StrPath | None, default: str) -> Path:
        if given is not None and Path(given).is_dir():
            return Path(given).absolute()
        return self.base / (default if given is None else given)

    def networks(self, only: str | Sequence[str] | None = None) -> dict[str, list[dict[str, str]]]:
        """Files of the network folder whose names hold one of ``only``, by what they are of."""
        only = [only] if isinstance(only, str) else only
        found: dict[str, dict[str, dict[str, str]]] = {"nodes": {}, "edges": {}, "gap_juncs": {}}
        for path in sorted(p for p in self.network.iterdir() if p.is_file()):
            mark = next((mark for mark in FILES if mark in path.name), None)
            hidden = path.name.startswith(".")
            if mark is None or hidden or (only and not any(name in path.name for name in only)):
                continue
            section, key = FILES[mark]
            entry = found[section].setdefault(path.name[: path.name.index(mark)], {})
            entry[key] = f"$NETWORK_DIR/{path.name}"
        # rules that made no edge leave types behind, and no file of edges
        return {
            section: [entry for entry in entries.values() if f"{section}_file" in entry]
            for section, entries in found.items()
            if entries or section != "gap_juncs"
        }

    def make_components(self, with_examples: bool) -> dict[str, str]:
        """Make the folders of components, with the files of BMTK's examples if asked for."""
        source = _examples() if with_examples else None
        for name in COMPONENTS:
            folder = self.components / name
            folder.mkdir(parents=True, exist_ok=True)
            if source is not None:
                shutil.copytree(source / name, folder, dirs_exist_ok=True)
        return {f"{name}_dir": f"$COMPONENTS_DIR/{name}" for name in COMPONENTS}

    def manifest(self) -> dict[str, str]:
        return {
            "$BASE_DIR": "${configdir}",
            "$NETWORK_DIR": self.relative(self.network),
            "$COMPONENTS_DIR": self.relative(self.components),
            "$OUTPUT_DIR": self.relative(self.output),
        }

    def relative(self, path: Path) -> str:
        """A path, by the base where it lies inside."""
        return (
            f"$BASE_DIR/{path.relative_to(self.base)}"
            if path.is_relative_to(self.base)
            else str(path)
        )

    def write(self, name: str, content: Mapping[str, Any], overwrite: bool) -> None:
        """Write a JSON file into the base, unless there is one."""
        path = self.base / name
        if path.exists() and not overwrite:
            logger.warning("%s exists already and is left as it is: give another name, delete it "
                           "or ask for it to be overwritten", path)  # fmt: skip
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2))

    def write_script(self, name: str, config: str) -> None:
        (self.base / name).write_text(SCRIPT.format(name=name, config=config))


def _examples() -> Path:
    """The components of BMTK's examples, which are a part of BMTK."""
    spec = find_spec("bmtk")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the example components are files of BMTK, which is not installed",
            field="include_examples",
            fix="pip install --no-deps bmtk (it is not run), or leave this out and put your own "
            "files into the components folder.",
        )  # fmt: skip
    return Path(spec.submodule_search_locations[0]) / "utils" / "scripts" / "bionet"


def simulation_sections(
    environment: Environment,
    *,
    report_vars: Iterable[Any],
    report_nodes: str | list[int] | None,
    clamp_reports: Iterable[str],
    current_clamp: Mapping[str, Any] | None,
    file_current_clamp: Mapping[str, Any] | None,
    se_voltage_clamp: Mapping[str, Any] | None,
    spikes_inputs: Iterable[tuple[str | None, StrPath]] | None,
    run: Mapping[str, Any],
    conditions: Mapping[str, Any],
) -> dict[str, Any]:
    """The sections of a simulation configuration; arguments are those of ``build_env_bionet``."""
    inputs: dict[str, Any] = {}
    if current_clamp is not None:
        clamp = {key: current_clamp[key] for key in ("amp", "delay", "duration")}
        inputs["current_clamp"] = {
            "input_type": "current_clamp", "module": "IClamp", **_chosen(current_clamp), **clamp
        }  # fmt: skip
    if file_current_clamp is not None:
        inputs["file_current_clamp"] = {
            "input_type": "file", "module": "IClamp", "node_set": "all",
            "input_file": _path(environment, file_current_clamp["input_file"]),
        }  # fmt: skip
    if se_voltage_clamp is not None:
        inputs[se_voltage_clamp.get("name", "se_voltage_clamp")] = {
            "input_type": "voltage_clamp", "module": "SEClamp", **_chosen(se_voltage_clamp),
            **{key: value for key, value in se_voltage_clamp.items()
               if key not in ("name", "node_set", "gids")},
        }  # fmt: skip
    for population, file in spikes_inputs or ():
        kind = Path(file).suffix[1:]
        inputs[f"{population or 'input'}_spikes"] = {
            "input_type": "spikes", "module": "sonata" if kind in ("h5", "hdf5") else kind,
            "input_file": _path(environment, file), "node_set": population or "all",
        }  # fmt: skip
    cells: Any = "all" if report_nodes is None else {"node_id": report_nodes}
    if isinstance(report_nodes, str):
        cells = {"population": report_nodes}
    reports: dict[str, Any] = {
        f"{kind}_clamp_report": {"variable_name": kind, "module": "clamp_report"}
        for kind in ([clamp_reports] if isinstance(clamp_reports, str) else clamp_reports)
    }
    for variable in [report_vars] if isinstance(report_vars, str) else report_vars:
        of, name = variable if isinstance(variable, list | tuple) else (None, variable)
        reports[f"{name}_report"] = {
            "variable_name": name, "cells": cells if of is None else {"population": of},
            "module": "membrane_report", "sections": "soma",
        }  # fmt: skip
    return {
        "target_simulator": "NEURON", "run": dict(run), "conditions": dict(conditions),
        "inputs": inputs, "reports": reports,
        "output": {"log_file": "log.txt", "output_dir": "$OUTPUT_DIR", "spikes_file": "spikes.h5"},
    }  # fmt: skip


def _chosen(clamp: Mapping[str, Any]) -> dict[str, Any]:
    """Which nodes a clamp is for."""
    nodes = clamp.get("gids", clamp.get("node_set", "all"))
    return {"node_set": [nodes] if isinstance(nodes, int) else nodes}


def _path(environment: Environment, file: StrPath) -> str:
    return environment.relative(Path(file).absolute())
