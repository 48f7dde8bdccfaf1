"""Experiments inside the package: plain files, each with its question, sources and expectation."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError
from isocortex.experiment.files import read_study
from isocortex.experiment.study import Study

FOLDER = files("isocortex.experiment") / "presets"


def preset_names() -> list[str]:
    """All of them."""
    return sorted(
        each.name.removesuffix(".toml") for each in FOLDER.iterdir() if each.name.endswith(".toml")
    )


def preset(name: str, **other: Any) -> Study:
    """The study of a preset.

    Parameters
    ----------
    other : values in place of its own, such as ``scale`` or ``seeds``.

    Raises
    ------
    ConfigError : there is none of this name.
    """
    if name not in preset_names():
        close = difflib.get_close_matches(name, preset_names(), 1)
        there = f"There are {', '.join(preset_names())}."
        raise ConfigError(
            f"there is no experiment {name!r}",
            fix=f"Did you mean {close[0]!r}? {there}" if close else there,
        )
    return read_study(Path(str(FOLDER / f"{name}.toml")), **other)
