"""Studies as files of people: TOML or JSON, with what they ask, change and expect."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError, InputError
from isocortex.experiment import changes
from isocortex.experiment.about import About, measure_exists
from isocortex.experiment.study import STUDY, Study
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
    listed = told.get("arms")
    if not isinstance(listed, list) or not all(
        isinstance(each, dict) and "name" in each for each in listed
    ):
        raise ConfigError("must be a list of tables, each with a name", file=file, field="arms",
                          fix='Write [[arms]], and name = "control" below it.')  # fmt: skip
    try:
        arms = {
            each["name"]: [change_of(change, file) for change in each.get("changes", ())]
            for each in listed
        }
        about = About.read({"name": file.stem if file else "", **told})
        values = {name: told[name] for name in OF_STUDY if name in told}
        study = Study(arms=arms, about=about, **{**values, **other})
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"is no study ({error})", file=file, fix="See `experiment show`."
        ) from error
    for number, each in enumerate(about.expected):
        measure_exists(each)
        for word, arm in (("arm", each.arm), ("against", each.against or study.control)):
            if not each.cannot and arm not in arms:
                raise ConfigError(f"there is no arm {arm!r}", file=file,
                                  field=f"expected[{number}].{word}",
                                  fix="Name one of them.")  # fmt: skip
    return study


def change_of(told: Mapping[str, Any], file: Path | None = None) -> Any:
    """A change that a file describes: by a function and its arguments, or as sections."""
    if len(told) == 1:
        ((name, values),) = told.items()
        if name in MAKERS:
            try:
                return MAKERS[name](**values)
            except TypeError as error:
                raise ConfigError(f"{error}", file=file, field=f"arms.{name}") from error
    return told
