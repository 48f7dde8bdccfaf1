"""Columns: numbers as they are, texts as codes, and what pandas makes of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isocortex.circuit import NodePopulation, Text
from isocortex.circuit.columns import (
    among,
    coded,
    distinct,
    numbers,
    overridden,
    present,
    take,
    value_at,
)
from isocortex.sonata.tables import NULLS, read_table

TEXTS = ["b", None, "a", "b", np.nan]
MISSING = [False, True, False, False, True]


def values(column):
    return [value_at(column, row) for row in range(len(column))]


@pytest.mark.parametrize(
    "column",
    [Text.of(np.array(TEXTS, object)), Text.named(np.array([1, 2, 0, 1, -1]), [b"a", b"b", None]),
     Text.named(np.array([3, 2, 0, 1, 2]), ["a", "b", None, "b"])],
)  # fmt: skip
def test_texts_however_they_come(column):
    assert values(column) == ["b", None, "a", "b", None]
    assert column.codes.dtype == np.int32 and set(column.values) == {"a", "b"}
    assert present(column).tolist() == [not gone for gone in MISSING]
    assert among(column, ["b", 3]).tolist() == [True, False, False, True, False]
    assert values(take(column, np.array([2, 1]))) == ["a", None]
    codes, names = coded(take(column, np.array([1, 2, 2])))
    assert (codes.tolist(), names) == ([-1, 0, 0], ["a"])  # only what is there


def test_numbers():
    column = np.array([2.5, np.nan, 2.5])
    assert values(column) == [2.5, None, 2.5]
    assert among(column, [2.5, "2.5"]).tolist() == [True, False, True]
    codes, found = coded(column)
    assert (codes.tolist(), found) == ([0, -1, 0], [2.5])
    given = numbers(Text.of(["1.5", "1_0", "x", None]))
    np.testing.assert_array_equal(given, [1.5, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, np.array([1, 2]), [None, 1.0, 2.0]),
        (np.array([7, 8, 9]), np.array([1, 2]), [7.0, 1.0, 2.0]),
        (None, Text.of(["a", "b"]), [None, "a", "b"]),
        (Text.of(["a", "c", None]), Text.of(["b", None]), ["a", "b", None]),
        (Text.of(["a", "c", None]), np.array([1, 2]), ["a", 1, 2]),
        (np.array([7, 8, 9]), Text.of(["a", "b"]), [7, "a", "b"]),
    ],
)  # fmt: skip
def test_what_overrides_some_rows(old, new, expected):
    column = overridden(old, np.array([1, 2]), new, 3)
    assert values(column) == expected


def test_a_table_of_a_population():
    column, depth = Text.of(np.array(TEXTS, object)), np.arange(5.0)
    table = NodePopulation("p", np.arange(5), {"x": column, "depth": depth}, Path("p.h5")).table
    assert isinstance(table["x"].dtype, pd.CategoricalDtype)
    assert table["x"].isna().tolist() == MISSING
    assert table["x"].dropna().tolist() == ["b", "a", "b"]
    assert table["depth"].tolist() == depth.tolist()
    assert len(NodePopulation("p", np.arange(5), {}, Path("p.h5")).table) == 5


@pytest.mark.parametrize(
    "entries",
    [
        ["1", "2", "-3"], ["1", "NULL"], ["1", "2.5", "nan"], ["NULL", "NULL"], ["inf", "1"],
        ["1e-5", ".5", "3."], ["true", "False", "TRUE"], ["True", "NULL"], ["True", "1"],
        ["abc", "NULL", "1"], ["['basal', 'apical']", "NULL"], ["007", "+4"], ["1_000", "1"],
        ["0x10", "1"], ["NAN", "1"], ["99999999999999999999999", "NULL"],
    ],
)  # fmt: skip
def test_entries_mean_what_pandas_takes_them_for(tmp_path, entries):
    """BMTK reads tables with pandas."""
    file = tmp_path / "types.csv"
    file.write_text("\n".join(["a,b", *(f'"{entry}",x' for entry in entries)]))
    column = read_table(file).typed("a")
    theirs = pd.read_csv(file, na_values=NULLS, keep_default_na=False)["a"]
    wanted = [None if pd.isna(value) else value for value in theirs.astype(object)]
    found = values(column)
    assert [(type(value), value) for value in found] == [(type(v), v) for v in wanted]
    if not isinstance(column, Text):
        assert column.dtype == theirs.dtype


def test_texts_of_a_fixed_width_are_those_that_objects_are():
    random = np.random.default_rng(1)
    words = np.array(["", "a", "VISp", "VISpor", "a long name of one", "a long name of two", "é"])
    for some in (words, words[:4], words[:1]):  # of three words of eight bytes, of one, of none
        chosen = some[random.integers(0, len(some), (60, 2))]
        encoded = np.char.encode(chosen, "utf-8")
        of_bytes, of_objects = Text.of(encoded), Text.of(chosen.astype(object))
        assert of_bytes.values == of_objects.values
        assert np.array_equal(of_bytes.codes, of_objects.codes)


def test_distinct_values_are_each_there_once():
    random = np.random.default_rng(1)
    for n in (0, 1, 2, 500):
        numbers = random.integers(0, 100, n)
        assert np.array_equal(distinct(numbers), np.unique(numbers))
