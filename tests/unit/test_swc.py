"""SWC import: odd files against NEURON's sections, errors, random trees and garbage."""

import re
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocortex.cells.discretise import discretise
from isocortex.cells.swc import _as_stored, import_sections, read_swc
from isocortex.errors import InputError

#: name -> (file, NEURON 9.0.2's sections as (type, parent, parent_x, points, length, first
#: diameter, area)), with BMTK's Biophys1 template.
NEURON = {
    "single-point soma": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 15 0 0 0.5 2
4 3 0 6 0 1 1
5 3 0 20 0 0.5 4
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 10.0, 2.0, 47.182758),
            (3, 0, 0.5, 2, 14.0, 2.0, 66.015507),
        ],
    ),
    "NeuroMorpho three-point soma": (
        """1 1 0 0 0 5 -1
2 1 0 -5 0 5 1
3 1 0 5 0 5 1
4 3 6 0 0 1 1
5 3 20 0 0 0.5 4
6 4 0 7 0 1 1
7 4 0 30 0 0.5 6
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 14.0, 2.0, 66.015507),
            (4, 0, 0.5, 2, 23.0, 2.0, 108.410554),
        ],
    ),
    "three soma points, longer than wide": (
        """1 1 0 0 0 5 -1
2 1 0 -9 0 5 1
3 1 0 9 0 5 1
4 3 6 0 0 1 1
5 3 20 0 0 0.5 4
""",
        [
            (1, -1, 0, 2, 9.0, 10.0, 282.743339),
            (1, 0, 0, 2, 9.0, 10.0, 282.743339),
            (3, 0, 0, 2, 14.0, 2.0, 66.015507),
        ],
    ),
    "soma of several points": (
        """1 1 0 0 0 3 -1
2 1 0 4 0 5 1
3 1 0 8 0 4 2
4 3 6 4 0 1 2
5 3 20 4 0 0.5 4
6 4 0 12 0 1 3
7 4 0 30 0 0.5 6
8 3 0 -6 0 1 1
9 3 0 -20 0 0.6 8
""",
        [
            (1, -1, 0, 3, 8.0, 6.0, 228.975101),
            (3, 0, 0.5, 2, 14.0, 2.0, 66.015507),
            (3, 0, 0, 3, 20.0, 2.0, 108.099506),
            (4, 0, 1, 3, 22.0, 2.0, 109.988461),
        ],
    ),
    "comments and blank lines": (
        """# a cell

# id type x y z r parent
1 1 0 0 0 5 -1   # soma
2 3 5 0 0 1 1

3 3 15 0 0 0.5 2
# the end
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 10.0, 2.0, 47.182758),
        ],
    ),
    "ids with gaps": (
        """10 1 0 0 0 5 -1
20 3 5 0 0 1 10
35 3 15 0 0 0.5 20
36 3 20 0 0 0.5 35
70 4 25 5 0 0.5 36
71 4 30 9 0 0.4 70
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 3, 15.0, 2.0, 62.890721),
            (4, 1, 1, 3, 13.474192, 1.0, 40.32103),
        ],
    ),
    "branch at the soma": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 15 0 0 0.5 2
4 2 -5 0 0 1 1
5 2 -25 0 0 0.5 4
6 4 0 5 0 2 1
7 4 0 40 0 1 6
8 4 5 60 0 0.6 7
9 4 -5 60 0 0.6 7
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (2, 0, 0.5, 2, 20.0, 2.0, 94.277227),
            (3, 0, 0.5, 2, 10.0, 2.0, 47.182758),
            (4, 0, 0.5, 2, 35.0, 4.0, 330.001841),
            (4, 3, 1, 2, 20.615528, 2.0, 103.644452),
            (4, 3, 1, 2, 20.615528, 2.0, 103.644452),
        ],
    ),
    "type change midway": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 15 0 0 0.8 2
4 4 25 0 0 0.6 3
5 4 35 0 0 0.5 4
6 3 45 0 0 0.5 5
7 3 60 0 0 0.5 6
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 10.0, 2.0, 56.559977),
            (3, 3, 1, 3, 25.0, 1.0, 78.539816),
            (4, 1, 1, 3, 20.0, 1.6, 78.550342),
        ],
    ),
    "one-point dendrite": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 4 0 6 0 1 1
4 4 0 20 0 0.5 3
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 5.0, 2.0, 31.415927),
            (4, 0, 0.5, 2, 14.0, 2.0, 66.015507),
        ],
    ),
    "one-point dendrite that branches": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 15 3 0 0.5 2
4 3 25 4 0 0.5 3
5 3 15 -3 0 0.5 2
6 3 25 -4 0 0.5 5
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 2, 5.0, 2.0, 31.415927),
            (3, 1, 1, 3, 20.490182, 2.0, 80.827789),
            (3, 1, 1, 3, 20.490182, 2.0, 80.827789),
        ],
    ),
    "dendrite branching at its first point, multi-point soma": (
        """1 1 0 0 0 4 -1
2 1 0 5 0 5 1
3 1 0 9 0 4 2
4 3 6 5 0 1 2
5 3 15 8 0 0.5 4
6 3 25 9 0 0.5 5
7 3 15 2 0 0.5 4
8 3 25 1 0 0.5 7
""",
        [
            (1, -1, 0, 3, 9.0, 8.0, 260.749445),
            (3, 0, 0.5, 3, 19.536709, 2.0, 76.340311),
            (3, 1, 0, 3, 19.536709, 2.0, 76.340311),
        ],
    ),
    "soma alone": (
        """1 1 0 0 0 5 -1
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
        ],
    ),
    "a point repeated": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 5 0 0 1 2
4 3 15 0 0 0.5 3
5 3 25 4 0 0.5 4
6 3 25 4 0 0.5 5
7 3 25 -4 0 0.5 4
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (3, 0, 0.5, 3, 10.0, 2.0, 47.182758),
            (3, 1, 1, 3, 10.77033, 1.0, 33.835988),
            (3, 1, 1, 2, 10.77033, 1.0, 33.835988),
        ],
    ),
    "loose piece": (
        """1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 15 0 0 0.5 2
4 2 40 40 0 0.5 -1
5 2 60 40 0 0.4 4
""",
        [
            (1, -1, 0, 3, 10.0, 10.0, 314.159265),
            (2, 0, 0.5, 2, 20.0, 1.0, 56.549375),
            (3, 0, 0.5, 2, 10.0, 2.0, 47.182758),
        ],
    ),
}
BALL_AND_STICK = NEURON["single-point soma"][0]


@pytest.fixture
def imported(tmp_path):
    def run(text):
        path = tmp_path / "cell.swc"
        path.write_text(text)
        return import_sections(read_swc(path))

    return run


@pytest.mark.parametrize("name", NEURON)
def test_sections_are_neurons(imported, name):
    text, expected = NEURON[name]
    sections = imported(text)
    whole = discretise(sections, dL=1e6)
    found = [
        (s.type, s.parent, s.parent_x, len(s.points), s.length, s.points[0, 3], area)
        for s, area in zip(sections, whole.area, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_lines_in_any_order(imported):
    """NEURON wants them sorted; the tree is the same."""
    text = NEURON["branch at the soma"][0]
    shuffled = "\n".join(sorted(text.splitlines(), key=lambda line: line[::-1]))
    assert shuffled != text.strip()
    for a, b in zip(imported(text), imported(shuffled), strict=True):
        assert (a.type, a.parent, a.parent_x) == (b.type, b.parent, b.parent_x)
        np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_ends_columns_and_encodings(tmp_path, imported, ending):
    expected = imported(BALL_AND_STICK)
    path = tmp_path / "odd.swc"
    lines = [f"\t{line}  0.25 extra" for line in BALL_AND_STICK.splitlines()]
    path.write_bytes(b"# caf\xe9" + ending.encode() + ending.join(lines).encode())
    for a, b in zip(import_sections(read_swc(path)), expected, strict=True):
        np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, "1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 9 0 0 1 7\n", "point 3 has the missing parent 7"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 1 3\n3 3 9 0 0 1 2\n", "does not come after its parent 3"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 1 2\n", "point 2 does not come after its parent 2"),
        (4, "# two\n1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 1 9 0 0 5 -1\n", "starts a second soma"),
        (1, "1 3 0 0 0 5 -1\n2 3 5 0 0 1 1\n", "no soma"),
        (1, "1 3 0 0 0 5 -1\n2 1 5 0 0 1 1\n", "the root is not a soma point"),
        (3, "1 1 0 0 0 5 -1\n\n2 3 five 0 0 1 1\n", "not a point: '2 3 five 0 0 1 1'"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 1\n", "not a point"),
        (2, "1 1 0 0 0 5 -1\n2 3 nan 0 0 1 1\n", "not a point"),
        (2, "1 1 0 0 0 5 -1\n1e30 3 5 0 0 1 1\n", "not a point"),
        (2, "1 1 0 0 0 5 -1\n2 3 2e6 0 0 1 1\n", "point 2 lies further away than a metre"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 -1 1\n", "point 2 has no radius"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 0 1\n", "point 2 has no radius"),
        (2, "1 1 0 0 0 5 -1\n2 7 5 0 0 1 1\n", "point 2 has an unknown type"),
        (3, "1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n2 3 9 0 0 1 1\n", "point 2 appears twice"),
        (2, "1 1 0 0 0 5 -1\n2 3 5 0 0 1 1.5\n", "the parent of point 2 is not a whole number"),
        (2, "1 1 0 0 0 5 -1\n2.5 3 5 0 0 1 1\n", "the id is not a whole number"),
    ],
)
def test_errors_name_file_and_line(tmp_path, line, text, message):
    path = tmp_path / "bad.swc"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_swc(path)
    assert str(caught.value).startswith(f"{path}: line {line}: ")
    assert caught.value.fix


def test_section_without_length(tmp_path):
    path = tmp_path / "bad.swc"
    path.write_text("1 1 2 3 4 5 -1\n2 1 2 3 4 5 1\n")
    with pytest.raises(InputError, match=r"bad\.swc: all points of section 0 lie at 2, 3, 4"):
        import_sections(read_swc(path))


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_empty_file(tmp_path, text):
    path = tmp_path / "empty.swc"
    path.write_text(text)
    with pytest.raises(InputError, match="no points") as caught:
        read_swc(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.swc: cannot read the morphology"):
        read_swc(tmp_path / "none.swc")


@st.composite
def trees(draw):
    """Rows of a valid file: a single-point soma, then points that grow from earlier ones."""
    n = draw(st.integers(1, 40))
    coordinate = st.integers(-2000, 2000).map(lambda k: k / 8)
    rows = [(1, 1, 0.0, 0.0, 0.0, 4.0, -1)]
    for i in range(2, n + 1):
        parent = draw(st.integers(1, i - 1))
        kind = rows[parent - 1][1]
        if kind == 1 or draw(st.integers(0, 9)) == 0:
            kind = draw(st.sampled_from([2, 3, 4]))
        x, y, z = draw(coordinate), draw(coordinate), draw(coordinate)
        rows.append(
            (i, kind, x, y, z + i * 1000.0, draw(st.sampled_from([0.25, 0.5, 2.0])), parent)
        )
    return rows


@settings(max_examples=50, deadline=None)
@given(trees())
def test_random_trees_keep_every_point(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("random") / "tree.swc"
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows))
    sections = import_sections(read_swc(path))
    points = np.vstack([s.points[:, :3] for s in sections])
    for _, _, x, y, z, _, _ in rows:  # z is unique
        assert (np.abs(points - (x, y, z)).max(axis=1) < 1e-2).any()
    assert sections[0].type == 1 and sections[0].parent == -1
    assert all(0 <= s.parent < len(sections) and s.parent != i
               for i, s in enumerate(sections) if i)  # fmt: skip
    assert all(np.isfinite(s.points).all() and s.length > 0 for s in sections)
    whole = discretise(sections, dL=20.0)
    for values in (whole.area, whole.left, whole.right, whole.distance):
        assert np.isfinite(values).all() and (values > 0).all()


#: Mostly words that belong in such files, so that some lines get far.
WORDS = st.one_of(
    st.sampled_from(
        ["-1", "0", "1", "2", "3", "4", "1e400", "nan", "#", "1e30", "99999999999999999999"]
    ),
    st.text(max_size=4),
)
LINES = st.one_of(
    st.lists(WORDS, max_size=8).map(" ".join),
    st.sampled_from(BALL_AND_STICK.splitlines()),
    st.text(max_size=20),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(LINES, max_size=8).map("\n".join))
def test_garbage_gives_only_input_errors(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("garbage") / "bad.swc"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        sections = import_sections(read_swc(path))
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert all(np.isfinite(s.points).all() for s in sections)


def test_coordinates_are_rounded_to_eight_digits_without_functions_of_the_machine():
    powers = [float(f"1e{k}") for k in range(-6, 7)]
    values = [*powers, *np.nextafter(powers, 0), *(123.456789123 * np.array(powers)), 0.0, -99.5]
    eight = Context(prec=8)
    expected = [np.float32(float(eight.create_decimal(Decimal(v)))) for v in values]
    np.testing.assert_array_equal(_as_stored(np.array(values)), np.array(expected, float))
