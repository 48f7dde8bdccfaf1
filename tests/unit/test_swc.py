import re

import numpy as np
import pytest
from swc_cases import CASES

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.swc import import_sections, path_lengths, read_swc
from isocortex.errors import InputError


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


GOOD = ["1 1 0 0 0 5 -1", "2 3 9 0 0 1 1", "3 3 19 0 0 1 2"]


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (2, "2 3 9 0 0 1", "line 2: not a point: '2 3 9 0 0 1'"),
        (3, "3 3 nineteen 0 0 1 2", "line 3: not a point"),
        (3, "3 3 nan 0 0 1 2", "line 3: not a point"),
        (3, "2 3 19 0 0 1 1", "line 3: point 2 appears twice"),
        (3, "3 3 19 0 0 1 7", "line 3: point 3 has the missing parent 7"),
        (2, "2 3 9 0 0 1 3", "line 2: point 2 does not come after its parent 3"),
        (2, "2 3 9 0 0 1 2", "a cycle cannot be imported"),
        (2, "2 9 9 0 0 1 1", "line 2: point 2 has an unknown type"),
        (2, "2 3 9 0 0 0 1", "line 2: point 2 has no radius"),
        (2, "1.5 3 9 0 0 1 1", "line 2: the id is not a whole number"),
        (3, "3 1 19 0 0 1 -1", "line 3: point 3 starts a second soma"),
        (1, "1 3 0 0 0 5 -1", "line 1: no soma"),
        (1, "1 3 0 0 0 5 -1\n4 1 0 0 0 5 1", "line 1: the root is not a soma point"),
    ],
)
def test_errors_name_the_line(tmp_path, line, text, message):
    lines = [*GOOD[: line - 1], text, *GOOD[line:]]
    path = tmp_path / "cell.swc"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_swc(path)
    assert error.value.file == path and error.value.fix


def test_comments_count_as_lines(tmp_path):
    path = tmp_path / "cell.swc"
    path.write_text("# header\n\n" + "\n".join(GOOD) + "\n# more\n4 3 29 0 0 1 17\n")
    with pytest.raises(InputError, match="line 7: point 4"):
        read_swc(path)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_empty_file(tmp_path, text):
    path = tmp_path / "cell.swc"
    path.write_text(text)
    with pytest.raises(InputError, match="no points"):
        read_swc(path)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.swc: cannot read the morphology"):
        read_swc(tmp_path / "none.swc")
