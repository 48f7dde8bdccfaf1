import numpy as np
import pandas as pd
import pytest

from isocortex.analysis.groups import (
    ABOVE,
    BELOW,
    IN_RANGE,
    UNTOLD,
    column_named,
    group_rates,
    reference_rates,
)
from isocortex.cortex.drive import TOLERANCE, target_of


def test_references_are_those_that_calibration_aims_at():
    found = reference_rates(["L2/3", "L5", "L1", "L6a", "L2/3"], ["IT", "ET", "Pvalb", "CT", "IT"])
    aims = [target_of(*pair) for pair in
            (("2/3", "IT"), ("5", "ET"), ("1", "Pvalb"), ("6a", "CT"), ("2/3", "IT"))]  # fmt: skip
    assert 0.1 < min(aims) and max(aims) < 20.0
    assert found.tolist() == aims
    assert np.isnan(reference_rates(["L1", "VisL4"], ["IT", "Scnn1a"])).all()


def cells(**more):
    return pd.DataFrame({"class": ["a"] * 4 + ["b"], "rate_hz": [0.0, 2.0, 4.0, 6.0, 9.0], **more})


def test_rates_of_groups_are_over_cells_silent_ones_included():
    table = group_rates(cells(), ["class"], 1000.0).set_index("class")
    assert table.loc["a", ["n", "mean", "median", "silent"]].tolist() == [4, 3.0, 3.0, 25.0]
    assert table.loc["a", "p5"] == pytest.approx(0.3)
    assert table.loc["a", "p95"] == pytest.approx(5.7)
    assert table["verdict"].tolist() == ["", ""]
    assert np.isnan(table["low"]).all()


@pytest.mark.parametrize(
    ("aim", "duration", "verdict"),
    [(3.0, 1000.0, IN_RANGE), (6.0, 1000.0, IN_RANGE), (6.1, 1000.0, BELOW), (1.4, 9000.0, ABOVE),
     (3.0, 800.0, UNTOLD)],
)  # fmt: skip
def test_a_rate_is_judged_where_ten_spikes_are_expected(aim, duration, verdict):
    table = group_rates(cells(reference=aim), ["class"], duration).set_index("class")
    assert table.loc["a", "verdict"] == verdict
    assert table.loc["a", ["low", "high"]].tolist() == [factor * aim for factor in TOLERANCE]


def test_the_reference_of_a_mixed_group_is_the_mean_of_its_cells():
    table = group_rates(cells(reference=[1.0, 1.0, 1.0, 5.0, np.nan]), ["class"], 1e4)
    assert table["low"].iloc[0] == pytest.approx(0.5 * 2.0)
    assert table["verdict"].tolist() == [IN_RANGE, ""]


@pytest.mark.parametrize(
    ("word", "columns", "column"),
    [("class", ["ei", "cell_class"], "cell_class"), ("Class", ["pop_name", "ei"], "pop_name"),
     ("E/I", ["ei", "layer"], "ei"), ("Layer", ["layer"], "layer"), ("type", ["model_type"],
     "model_type"), ("model", ["model_template"], "model_template"), ("area", ["location"],
     "location"), ("class", ["class", "cell_class"], "class"), ("wrong", ["layer"], None)],
)  # fmt: skip
def test_the_obvious_word_finds_its_column(word, columns, column):
    assert column_named(word, columns) == column
