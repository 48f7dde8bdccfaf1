"""Studies as files of people: TOML or JSON, with what they ask, change and expect."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError, InputError, located
from isocortex.experiment import changes
from isocortex.experiment.about import About, measure_exists
from isocortex.experiment.pieces import SECTIONS, Piece
from isocortex.experiment.study import STUDY, Study
from isocortex.sonata.schema import unknown_key
from isocortex.text import read_json, read_text

#: Functions that the arms of a file may name.
MAKERS = {
    name: getattr(changes, name)
    for name in (
        "background",
        "channel",
        "clamp",
        "conductance",
        "current",
        "lesion",
        "lose",
        "other_model",
        "shot_noise",
        "synapses",
        "temperature",
    )
}
#: What a file says of the study itself.
OF_STUDY = ("scale", "seeds", "tstop", "settle", "control", "precision", "recipe")
OF_ABOUT = ("name", "title", "question", "sources", "expected", "lacks")


def read_study(path: str | Path, **other: Any) -> Study:
    """A study from a TOML or JSON file.

    ``arms`` are a list of objects with ``name`` and ``changes``; a change names a function of
    :mod:`isocortex.experiment` with its arguments, ``{lose = {node_set = "Pvalb", share = 0.5}}``,
    or is sections of a simulation's configuration. The ``study.json`` of a folder that was run is
    such a file too.

    Parameters
    ----------
    other : values in place of the file's, such as ``scale`` or ``seeds``.

    Raises
    ------
    InputError, ConfigError : with the file and field at fault.
    """
    file = Path(path)
    if file.suffix == ".json":
        told = read_json(file)
    else:
        try:
            told = tomllib.loads(read_text(file))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"not valid TOML ({error})", file=file, fix="Mend it.") from error
    if file.name == STUDY and isinstance(told.get("arms"), dict):
        return replace(Study.read(told), **other)
    return study_of(told, file, **other)


def study_of(told: Mapping[str, Any], file: Path | None = None, **other: Any) -> Study:
    """A study from plain data, see :func:`read_study`."""
    for name in told:
        if name not in (*OF_STUDY, *OF_ABOUT, "arms"):
            raise ConfigError(
                "is unknown", file=file, field=name,
                fix=f"There are arms, {', '.join((*OF_STUDY, *OF_ABOUT))}.",
            )  # fmt: skip
    with located(file):
        arms = _arms(told.get("arms"), file)
        try:
            about = About.read({"name": file.stem if file else "", **told})
            values = {name: told[name] for name in OF_STUDY if name in told}
            study = Study(arms=arms, about=about, **values)
        except (KeyError, TypeError) as error:
            raise ConfigError(f"is no study ({error})", fix="See `experiment show`.") from error
        for number, each in enumerate(about.expected):
            with located(None, f"expected[{number}]"):
                measure_exists(each)
                for word, arm in (("arm", each.arm), ("against", each.against or study.control)):
                    if not each.cannot and arm not in arms:
                        raise ConfigError(f"there is no arm {arm!r}", field=word,
                                          fix=f"There are {', '.join(arms)}.")  # fmt: skip
    return replace(study, **other) if other else study


def _arms(listed: Any, file: Path | None) -> dict[str, list[Piece]]:
    """Changes by name of an arm."""
    if not isinstance(listed, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in listed
    ):
        raise ConfigError("must be a list of tables, each with a name", field="arms",
                          fix='Write [[arms]], and name = "control" below it.')  # fmt: skip
    arms: dict[str, list[Piece]] = {}
    for number, each in enumerate(listed):
        where, name, changes = f"arms[{number}]", each["name"], each.get("changes", [])
        for key in each:
            if key not in ("name", "changes"):
                raise unknown_key(key, ("name", "changes"), None, where)
        if name in arms:
            raise ConfigError(f"there are two arms {name!r}", field=f"{where}.name",
                              fix="Give each a name of its own.")  # fmt: skip
        if not isinstance(changes, list):
            raise ConfigError("must be a list", field=f"{where}.changes", fix="Write [{...}].")
        arms[name] = [
            _piece(change, file, f"{where}.changes[{k}]") for k, change in enumerate(changes)
        ]
    return arms


def _piece(told: Any, file: Path | None, where: str) -> Piece:
    """A change that a file describes, and knows where."""
    change = change_of(told, where)
    place = where if change is told else f"{where}.{next(iter(told))}"
    with located(None, place):
        return replace(Piece.of(change), file=file, place=place)


def change_of(told: Any, where: str = "arms") -> Any:
    """A change that a file describes: by a function and its arguments, or as sections."""
    if not isinstance(told, Mapping):
        raise ConfigError(f"must be a function with its arguments, found {told!r}", field=where,
                          fix='Write {lesion = {node_set = "VISp"}}.')  # fmt: skip
    name = next(iter(told), "")
    if len(told) == 1 and name in MAKERS:
        values, make = told[name], MAKERS[name]
        takes = inspect.signature(make)
        with located(None, f"{where}.{name}"):
            if not isinstance(values, Mapping):
                mended = f"{name} = {{node_set = {json.dumps(values)}}}"
                raise ConfigError(f"must be its arguments, found {values!r}",
                                  fix=f"Write {mended}.")  # fmt: skip
            for key in values if "times" not in takes.parameters else ():
                if key not in takes.parameters:
                    raise unknown_key(key, takes.parameters, None, "")
            try:
                takes.bind(**values)
            except TypeError as error:
                raise ConfigError(
                    str(error), fix=f"It takes {', '.join(takes.parameters)}."
                ) from error
            return make(**values)
    for name in told:
        if name in MAKERS:
            raise ConfigError(f"is {', '.join(told)}: several in one", field=where,
                              fix=f"Write {{{name} = ...}} with braces of its own.")  # fmt: skip
        if name not in SECTIONS:
            raise unknown_key(name, (*MAKERS, *SECTIONS), None, where)
    return told
