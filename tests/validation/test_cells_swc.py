"""Odd reconstructions become the sections that NEURON makes of them, point by point."""

import re

import numpy as np
import pytest
from swc_cases import CASES

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.swc import import_sections, path_lengths, read_swc


def sections_of(text: str) -> list[tuple[str, str, float, np.ndarray]]:
    """Read ``name parent(x): x y z diameter, ...``: name, parent, x, points."""
    found = []
    for line in text.replace(",\n    ", ", ").splitlines():
        head, points = line.split(": ")
        name, parent, _, x = re.fullmatch(r"(\S+) ([^\s(]+)(\((.*)\))?", head).groups()
        values = np.array([point.split() for point in points.split(", ")], float)
        found.append((name, parent, float(x or 0), values))
    return found


@pytest.mark.parametrize("case", CASES)
def test_sections_are_those_of_neuron(tmp_path, case):
    text, expected = CASES[case]
    (tmp_path / "cell.swc").write_text(text)
    expected = sections_of(expected)
    sections = import_sections(read_swc(tmp_path / "cell.swc"))
    assert len(sections) == len(expected)
    names = [name for name, *_ in expected]
    for section, (name, parent, x, points) in zip(sections, expected, strict=True):
        assert section.type == SECTION_TYPES[name[:4]]
        assert section.parent == (names.index(parent) if parent != "-" else -1)
        assert section.parent_x == x
        np.testing.assert_allclose(section.points, points, rtol=1e-8, err_msg=name)
        np.testing.assert_array_equal(section.arc, path_lengths(section.points))
