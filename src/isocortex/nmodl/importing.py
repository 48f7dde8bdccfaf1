"""Mod files of circuits: which of them cells need, and the Python files that they become."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from isocortex.compiling import cache_folder
from isocortex.errors import ConfigError, InputError
from isocortex.mechanisms import DENSITY
from isocortex.nmodl.declarations import declarations
from isocortex.nmodl.source import COMMENTS, TOKENS, Source
from isocortex.nmodl.synapse import PointProcess, synapse
from isocortex.nmodl.translate import Mechanism, density
from isocortex.nmodl.writing import python_file

#: Where mod files lie below ``components.mechanisms_dir``, in BMTK's layout.
MODFILES = "modfiles"
NAME = re.compile(r"\b(?:SUFFIX|POINT_PROCESS)\s+(\w+)")
INCLUDE = re.compile(r'^\s*INCLUDE\s+"([^"]+)"', re.M)
#: Hashes of the Allen Institute's mod files, without comments and blanks: what the package's
#: mechanisms are. The second Kv2like differs below -122 mV, where the first has a negative time
#: constant.
PACKAGE = {
    "8087820f56ca", "984afc8cabe9", "dccf2cd19253", "9afc29f43499", "3c17f2899bd4", "69df46a788a4",
    "59fec7ade27f", "daa5dbfc7105", "34bc631bc8cb", "84fae5620937", "0687891f5b7c", "9b6a602f87f0",
    "cb26e7632874", "3481bb43fb04", "5445f3a6ce65", "a6459a34ede8", "d3aedec51f3e",
}  # fmt: skip


def translated(path: Path) -> Mechanism | PointProcess:
    """Translate a mod file.

    Raises
    ------
    InputError, ModelError : with the line of what cannot be translated.
    """
    source = Source(path)
    declared = declarations(source)
    if declared.kind == "SUFFIX":
        return density(declared)
    if declared.kind == "POINT_PROCESS":
        return synapse(declared)
    what = declared.kind or "a mechanism without a SUFFIX"
    source.refuse(next(source.blocks("NeuronBlock"), None), f"{what} cannot be translated")


def import_mod(
    mod: str | os.PathLike[str], folder: str | os.PathLike[str]
) -> tuple[Path, Mechanism | PointProcess]:
    """Translate a mod file into a Python file of the mechanism's name.

    Returns
    -------
    The file, and what is in it.

    Raises
    ------
    InputError, ModelError : the mod file cannot be read or translated, with its line.
    ConfigError : there is such a file of other content.
    """
    made = translated(Path(mod))
    path, text = Path(folder) / f"{made.declared.name}.py", python_file(made)
    if path.exists() and path.read_text("utf-8") != text:
        raise ConfigError(
            "is there with other content", file=path, fix="Move it away, or choose another folder."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path, made


def python_of(mod: Path) -> Path:
    """The Python file that a mod file becomes, in the cache; translated if it is not there.

    Raises
    ------
    InputError, ModelError : the mod file cannot be read or translated, with its line.
    """
    try:
        content = mod.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the mechanisms ({error})", file=mod) from error
    digest = hashlib.sha256(mod.name.encode() + content)
    for included in _included(mod, content):
        digest.update(included)
    digest.update(_translator())
    path = cache_folder() / "mechanisms" / f"{mod.stem}_{digest.hexdigest()[:16]}.py"
    if not path.exists():
        text = python_file(translated(mod))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(text, "utf-8")
        draft.replace(path)
    return path


@cache
def _translator() -> bytes:
    """The text of this package: what mod files become follows from it too."""
    return b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))


def _included(mod: Path, content: bytes, depth: int = 8) -> Iterator[bytes]:
    """What the files say that a mod file includes, and those that they include."""
    for name in INCLUDE.findall(content.decode(errors="replace")):
        path = mod.parent / name
        if path.is_file() and depth:
            inner = path.read_bytes()
            yield inner
            yield from _included(mod, inner, depth - 1)


def mods_of(folder: Path, names: Iterable[str]) -> list[Path]:
    """The mod files of a folder that define some mechanisms, but for those that the package has.

    A file of a name that the package has is one of them unless it says what the Allen Institute's
    does.
    """
    wanted, found = set(names), []
    for path in sorted([*folder.glob("*.mod"), *(folder / MODFILES).glob("*.mod")]):
        name, is_package = _looked_into(path, path.stat().st_mtime_ns)
        if name in wanted and not (is_package and name in DENSITY):
            wanted.remove(name)
            found.append(path)
    return found


@cache
def _looked_into(path: Path, changed: int) -> tuple[str, bool]:
    """The name of a file's mechanism, and whether it says what the Allen Institute's does."""
    text = COMMENTS.sub(" ", path.read_text(errors="replace"))
    name = NAME.search(text)
    tokens = " ".join(TOKENS.findall(text))
    return name[1] if name else "", hashlib.sha256(tokens.encode()).hexdigest()[:12] in PACKAGE
