"""What is written to be sent says nothing of where a circuit lies on the machine it was made on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any


def sendable(value: Any, *files: Path) -> Any:
    """Texts, in lists and dictionaries too, without where folders are: only what is inside stays.

    Parameters
    ----------
    files : files or folders of a run. Of them and what lies near, the path begins with the folder
        that they are in. Home is ``~``. Paths that lead elsewhere stay as they are.

    >>> sendable("in /data/me/v1/nodes.h5", Path("/data/me/v1/simulation.json"))
    'in v1/nodes.h5'
    """
    given = [path for file in files for path in (file.absolute(), file.resolve())]
    around = [next((p for p in path.parents[1::-1] if p.parent != p), None) for path in given]
    short = {folder: "" for folder in around if folder}
    # folders within others of them say from the outermost on where they are
    short = {folder: "" for folder in short if short.keys().isdisjoint(folder.parents)}
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and home.parent != home:
        short[home] = "~/"
    patterns = [
        (_within(folder), begin)
        for folder, begin in sorted(short.items(), key=lambda item: -len(item[0].parts))
    ]
    return _without(value, patterns)


def _within(folder: Path) -> re.Pattern[str]:
    """How paths within a folder begin: not where it is the end of another, as in ``$BASE/data``.

    Texts of configurations have backslashes twice.
    """
    names = [re.escape(part.rstrip("/\\")) for part in folder.parts]
    return re.compile(r"(?<![\w.~$)}-])" + r"[\\/]+".join([*names, ""]))


def _without(value: Any, patterns: list[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, patterns) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(each, patterns) for each in value]
    if isinstance(value, str):
        for pattern, begin in patterns:
            value = pattern.sub(begin, value)
    return value
