"""A mod file as nmodl's parser reads it, and the lines of the file that its parts are on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from isocortex.errors import InputError, ModelError

#: A node of the parser's tree.
Node = Any

COMMENTS = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*|^\s*TITLE[^\n]*", re.S | re.M)
TOKENS = re.compile(r"[A-Za-z_]\w*|\.?\d[\d.]*(?:[eE][+-]?\d+)?|\S")


class Source:
    """A mod file.

    Attributes
    ----------
    path : of the file.
    text : its content.
    program : the parser's tree.

    Raises
    ------
    InputError : the file cannot be read.
    ModelError : the parser is not installed, or finds a mistake.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the mod file ({error})", file=path) from error
        self.text = content.decode("utf-8", errors="replace")
        self._parser = parser(path)
        try:
            self.program = self._parser.NmodlDriver().parse_file(str(path))
        except RuntimeError as error:
            found = re.search(r"NMODL Parser Error : (.*?) \[Location : (\d+)", str(error))
            raise ModelError(
                found[1] if found else str(error).splitlines()[0], file=path,
                field=f"line {found[2]}" if found else None, fix="Mend the file.",
            ) from error  # fmt: skip
        bare = COMMENTS.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), self.text)
        found_at = [(each[0], each.start()) for each in TOKENS.finditer(bare)]
        self._tokens = [token.upper() for token, _ in found_at]
        self._lines = [bare.count("\n", 0, at) + 1 for _, at in found_at]

    def written(self, node: Node) -> str:
        """The text of a node, as the parser writes it."""
        return str(self._parser.to_nmodl(node))

    def line(self, node: Node, within: Node | None = None) -> int | None:
        """The line that a node begins on, or the first of those that read the same.

        The parser keeps no places for Python: what a node reads is found in the file again.

        Parameters
        ----------
        within : a statement that the node is in.
        """
        begin = 0 if within is None else self._find(within, 0) or 0
        found = self._find(node, begin)
        return None if found is None else self._lines[found]

    def _find(self, node: Node, begin: int) -> int | None:
        """The first of the file's tokens, from one on, from which on they are those of a node."""
        wanted = TOKENS.findall(self.written(node).upper())
        for k in range(begin, len(self._tokens) - len(wanted) + 1):
            if self._tokens[k : k + len(wanted)] == wanted:
                return k
        return None

    def refuse(
        self, node: Node | None, what: str, fix: str = "", *, within: Node | None = None
    ) -> NoReturn:
        """Say that a part of the file, or all of it, cannot be translated.

        Raises
        ------
        ModelError : with the line.
        """
        line = None if node is None else self.line(node, within)
        raise ModelError(
            what, file=self.path, field=f"line {line}" if line else None,
            fix=fix or "Write the mechanism in Python (docs/cells.md).",
        )  # fmt: skip

    def blocks(self, kind: str = "") -> Iterator[Node]:
        """The blocks of a kind, as ``NeuronBlock``, or all, those of files that it includes too."""
        pending = list(self.program.blocks)
        while pending:
            block = pending.pop(0)
            if kind_of(block) == "Include":
                pending[:0] = block.blocks
            elif kind in ("", kind_of(block)):
                yield block


def kind_of(node: Node) -> str:
    """The parser's name for what a node is."""
    return str(node.get_node_type_name())


def name_of(node: Node) -> str:
    """The name that a node has, as in the mod file."""
    return str(node.get_node_name())


def parser(path: Path) -> Any:
    """nmodl's module: a package of its own, or in NEURON from version 9.

    Raises
    ------
    ModelError : there is neither.
    """
    for module in ("nmodl", "neuron.nmodl"):
        try:
            return import_module(module)
        except ImportError:
            continue
    raise ModelError(
        "mod files are read by nmodl's parser, which is not installed", file=path,
        fix="pip install 'isocortex[nmodl]'",
    )  # fmt: skip
