"""What is written to be sent says nothing of where files lie on the machine it was made on."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def sendable(value: Any, *files: Path) -> Any:
    """Texts, in lists and dictionaries too, without where folders are: only what is inside stays.

    Parameters
    ----------
    files : files or folders of a run. Of them and what lies near, the path begins with the folder
        that they are in. Home is ``~``.

    >>> sendable("in /data/me/v1/nodes.h5", Path("/data/me/v1/simulation.json"))
    'in v1/nodes.h5'
    """
    given = [path for file in files for path in (file.absolute(), file.resolve())]
    around = [next((p for p in path.parents[1::-1] if p.parent != p), None) for path in given]
    prefixes = {f"{folder}{sep}": "" for folder in around if folder for sep in "/\\"}
    prefixes |= {f"{Path.home()}{sep}": f"~{sep}" for sep in "/\\"}
    return _without(value, dict(sorted(prefixes.items(), key=lambda item: len(item[0]))))


def _without(value: Any, prefixes: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, prefixes) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(each, prefixes) for each in value]
    if isinstance(value, str):
        for prefix, short in prefixes.items():
            value = value.replace(prefix, short)
    return value
