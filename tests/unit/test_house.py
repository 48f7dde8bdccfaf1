"""What keeps the code in pieces that one can read: the linter knows of the rest."""

import ast
from pathlib import Path

import isocortex

LONGEST = 250


def test_no_class_is_longer_than_can_be_read_at_once():
    source = Path(isocortex.__file__).parent
    found = {
        f"{path.relative_to(source)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert {name: lines for name, lines in found.items() if lines > LONGEST} == {}
    assert len(found) > 300
