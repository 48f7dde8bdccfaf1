"""The changes that a configuration asks for: ours, and the modifications of SONATA's extension."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from isocortex.circuit.changes import (
    CHANGES,
    OURS,
    TYPES,
    Change,
    ChannelChange,
    SectionChange,
    is_whole,
)
from isocortex.errors import ConfigError, located
from isocortex.sonata.schema import COMMENTS, Section, unknown_key, validated

#: The extension's list in ``conditions``.
MODIFICATIONS = "conditions.modifications"


class Ours(Section):
    """The section that is ours alone."""

    changes: list[Any] | None = None


class Modification(Section):
    """One of the extension's modifications."""

    name: str = ""
    type: str
    node_set: Any
    section_configure: str | None = None


def read_changes(
    ours: tuple[Any, Path | None], modifications: Any, conditions: Path | None
) -> list[Change]:
    """The modifications, which hold throughout, then our changes, each in their order.

    Parameters
    ----------
    ours : the section, and the file it is from.
    modifications : the list or, as earlier versions of the extension had it, entries by name.
    conditions : the file these are from.

    Raises
    ------
    ConfigError : an entry is wrong.
    """
    return [*_modifications(modifications, conditions), *_ours(*ours)]


def _ours(section: Any, file: Path | None) -> list[Change]:
    if section is None:
        return []
    if not isinstance(section, dict):
        raise ConfigError("must be a JSON object", file=file, field=OURS, fix="Give {...}.")
    entries = validated(Ours, section, file, OURS).changes or []
    return [_change(e, file, f"{OURS}.{CHANGES}[{i}]") for i, e in enumerate(entries)]


def _change(values: Any, file: Path | None, where: str) -> Change:
    if not isinstance(values, dict):
        raise ConfigError("must be a JSON object", file=file, field=where, fix="Give {...}.")
    kind = values.get("type")
    if kind not in TYPES:
        raise ConfigError(
            f"unknown type {kind!r}" if kind else "is missing", file=file, field=f"{where}.type",
            fix=f"Use one of {', '.join(TYPES)}.",
        )  # fmt: skip
    made = TYPES[kind]
    known = {item.name: item for item in fields(made)}
    given: dict[str, Any] = {"place": where}
    for key, value in values.items():
        if key in ("type", *COMMENTS):
            continue
        if key not in known or key == "place":
            raise unknown_key(key, known, file, where)
        given[key] = _as_kept(known[key], value)
    for item in known.values():
        if item.default is item.default_factory is MISSING and item.name not in given:
            raise ConfigError("is missing", file=file, field=f"{where}.{item.name}", fix="Add it.")
    with located(file, where):
        return made(**given)


def _as_kept(item: Field[Any], value: Any) -> Any:
    """A value of JSON as a change has it: names are a tuple, whole numbers floats."""
    kind = str(item.type)
    if kind.startswith("tuple") and isinstance(value, str | list):
        return tuple(value.split() if isinstance(value, str) else value)
    return float(value) if kind.startswith("float") and is_whole(value) else value


def _modifications(entries: Any, file: Path | None) -> list[Change]:
    if entries is None:
        return []
    if isinstance(entries, dict):
        entries = [{"name": name, **(e if isinstance(e, dict) else {"type": e})}
                   for name, e in entries.items()]  # fmt: skip
    if not isinstance(entries, list):
        raise ConfigError("must be a list", file=file, field=MODIFICATIONS, fix="Give [{...}].")
    found: list[Change] = []
    for i, values in enumerate(entries):
        where = f"{MODIFICATIONS}[{i}]"
        if not isinstance(values, dict):
            raise ConfigError("must be a JSON object", file=file, field=where, fix="Give {...}.")
        entry = validated(Modification, values, file, where)
        kind = entry.type.lower()
        if kind == "ttx":
            found.append(
                ChannelChange(
                    node_set=entry.node_set, mechanisms=("na",), to={"gbar": 0.0},
                    name=entry.name or "TTX", place=where,
                )
            )  # fmt: skip
        elif kind == SectionChange.TYPE:
            if entry.section_configure is None:
                raise ConfigError(
                    "is missing", file=file, field=f"{where}.section_configure",
                    fix='Add it, as "%s.gbar_NaTs = 0".',
                )  # fmt: skip
            with located(file, where):
                found.append(
                    SectionChange(
                        node_set=entry.node_set, section_configure=entry.section_configure,
                        name=entry.name, place=where,
                    )
                )  # fmt: skip
        else:
            raise ConfigError(
                f"modification {entry.type!r} is not supported", file=file, field=f"{where}.type",
                fix=f"There are TTX and {SectionChange.TYPE}.",
            )  # fmt: skip
    return found
