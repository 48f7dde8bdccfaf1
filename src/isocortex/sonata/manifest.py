"""Configuration files as one dictionary: manifest variables, and one file or several."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError
from isocortex.sonata.schema import COMMENTS, unknown_key
from isocortex.text import read_json

#: Top-level key -> (value with its variables replaced, the file it is from).
Config = dict[str, tuple[Any, Path]]

#: Keys that name another configuration file, in BMTK's order: the later wins.
FILES = ("network", "circuit", "simulation")
KEYS = (
    "run", "conditions", "inputs", "output", "reports", "networks", "components", "cortex",
    "node_sets", "node_sets_file", "connection_overrides", "isocortex",
)  # fmt: skip
#: Keys that say nothing about the simulation.
INFORMATIVE = (
    "target_simulator", "version", "metadata", "name", "description", "config_path", "config_dir",
    "gid_mapping_file", *COMMENTS,
)  # fmt: skip

#: Zero, and halves of surrogate pairs.
NO_TEXT = re.compile("[\0\ud800-\udfff]")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file, which holds one JSON object."""
    if path.is_dir():
        inside = path / "simulation_config.json"
        raise ConfigError(
            "is a folder", file=path,
            fix=f"Give {inside}." if inside.exists() else "Give a configuration file.",
        )  # fmt: skip
    return read_json(path, ConfigError)


def load_config(
    path: Path,
    parents: tuple[Path, ...] = (),
    given: Mapping[str, Any] | None = None,
    *,
    lenient: bool = False,
) -> Config:
    """Read a configuration and those it names; as in BMTK, a named one wins over the one naming.

    Paths in it are relative to its folder, and ``${configdir}`` is that folder, whatever the
    working directory is: so the path is made absolute here, once.

    Parameters
    ----------
    given : variables of a script, which go before those of the manifest.
    lenient : variables that nobody has given stay as they are, for who looks at something else.
    """
    path = path.absolute()
    if path.resolve() in parents:
        raise ConfigError("names itself", file=path, field=", ".join(FILES), fix="Break the loop.")
    content = read_config(path)
    for key in content:
        if key not in (*KEYS, *FILES, *INFORMATIVE, "manifest"):
            raise unknown_key(key, (*KEYS, *FILES, "manifest"), path, "")
    variables = _variables(content.get("manifest", {}), path, given or {}, lenient=lenient)
    config: Config = {
        key: (_resolve(content[key], variables, path, key), path) for key in KEYS if key in content
    }
    for key in FILES:
        if key in content:
            name = _resolve(content[key], variables, path, key)
            if not isinstance(name, str):
                raise ConfigError("must be the path of a config", file=path, field=key)
            config |= load_config(
                path.parent / name, (*parents, path.resolve()), given, lenient=lenient
            )
    return config


class _Lenient(dict[str, Any]):
    """Variables, of which those that there are not stand for their own names."""

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


def _variables(
    manifest: Any, path: Path, given: Mapping[str, Any], *, lenient: bool
) -> dict[str, Any]:
    """Variables by bare name, with references among them replaced."""
    if not isinstance(manifest, dict) or not all(isinstance(v, str) for v in manifest.values()):
        raise ConfigError("must map names to strings", file=path, field="manifest")
    now = datetime.now()
    known: dict[str, Any] = _Lenient() if lenient else {}
    known |= {
        "workingdir": os.getcwd(), "configdir": str(path.parent), "configfname": str(path),
        "datetime": now.strftime("%Y-%m-%d_%H-%M-%S"), "date": now.strftime("%Y-%m-%d"),
        "time": now.strftime("%H-%M-%S"), **given,
    }  # fmt: skip
    pending = {key.strip("${}"): value for key, value in manifest.items() if key not in COMMENTS}
    pending = {name: value for name, value in pending.items() if name not in given}
    while pending:
        ready = [n for n, v in pending.items() if not _names(v) & pending.keys()]
        if not ready:
            name = next(iter(pending))
            raise ConfigError(
                f"variable {name!r} is defined by itself", file=path, field=f"manifest.{name}",
                fix="Break the loop.",
            )  # fmt: skip
        for name in ready:
            known[name] = _resolve(pending.pop(name), known, path, f"manifest.{name}")
    return known


def _names(text: str) -> set[str]:
    return {braced or bare for braced, bare in VARIABLE.findall(text)}


def _resolve(value: Any, variables: dict[str, Any], path: Path, field: str) -> Any:
    """``value`` with the variables in every string replaced; one alone is what it stands for."""
    if isinstance(value, list):
        return [_resolve(v, variables, path, f"{field}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            _require_text(key, path, field)
        return {k: _resolve(v, variables, path, f"{field}.{k}") for k, v in value.items()}
    if not isinstance(value, str):
        return value
    _require_text(value, path, field)
    unknown = sorted(_names(value) - variables.keys())
    if unknown and not isinstance(variables, _Lenient):
        raise ConfigError(
            f"variable {unknown[0]!r} is not defined", file=path, field=field,
            fix=f"Define it in the manifest; there are {', '.join(variables)}.",
        )  # fmt: skip
    alone = VARIABLE.fullmatch(value)
    if alone:
        return variables[alone.group(1) or alone.group(2)]
    return VARIABLE.sub(lambda match: str(variables[match.group(1) or match.group(2)]), value)


def _require_text(text: str, path: Path, field: str) -> None:
    """JSON has escapes for characters that no file and no name can have."""
    if NO_TEXT.search(text):
        raise ConfigError(
            "holds a character that is none, such as \\u0000", file=path, field=field,
            fix="Remove it.",
        )  # fmt: skip


def files_read(config: Config, path: Path) -> Iterator[Path]:
    """Every existing file that the configuration names, other than as output."""
    yield path.resolve()
    for key, (value, file) in config.items():
        yield file.resolve()
        if key not in ("output", "reports"):
            named = (file.parent / text for text in _strings(value))
            yield from (name.resolve() for name in named if os.path.isfile(name))  # of any length
        elif key == "reports" and isinstance(value, dict):
            read = (r.get("electrode_positions") for r in value.values() if isinstance(r, dict))
            yield from ((file.parent / name).resolve() for name in read if isinstance(name, str))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
