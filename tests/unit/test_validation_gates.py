"""Verdicts of gates on made-up measurements, and what the table, JSON and page say of them."""

import json

import numpy as np
import pandas as pd
import pytest

from isocortex.html_report.gates import gates_page, write_gates
from isocortex.validation.gates import (
    FAILS,
    GATES,
    HOLDS,
    NAMES,
    PART,
    UNMEASURED,
    Criterion,
)
from isocortex.validation.measured import Measured
from isocortex.validation.outcome import SCHEMA, Validation, judged, over_seeds

#: Of every quantity that is judged, a value that is allowed.
GOOD = {
    criterion.quantity: float(np.clip(0.0 if criterion.low <= 0 else criterion.low + 1e-3,
                                      criterion.low, criterion.high))
    for gate in GATES for criterion in gate.criteria
    if criterion.judged and not criterion.quantity.startswith(("lesion.", "robust."))
}  # fmt: skip


def _measured(**changed):
    """A seed that passes all gates, with some values changed."""
    found = Measured()
    for name, value in {**GOOD, "lesion.VISl": -0.1, "lesion.VISam": -0.2, **changed}.items():
        found.put(name, value)
    return found


def _seeds(*measured):
    """As many seeds; the lesion has effects that differ a little."""
    for k, each in enumerate(measured):
        for j, area in enumerate(("VISl", "VISal", "VISpm", "VISrl", "VISam")):
            each.put(f"lesion.{area}", -0.1 - 0.02 * j + 0.001 * k)
    return list(measured)


def _verdicts(measured, wanted=NAMES):
    return {g.gate.name: g.verdict for g in judged(measured, wanted, range(len(measured)))}


def test_all_that_is_good_holds():
    found = _verdicts(_seeds(*(_measured() for _ in range(3))))
    assert set(found) == set(NAMES)
    assert set(found.values()) == {HOLDS}


@pytest.mark.parametrize("quantity", GOOD)
def test_every_criterion_can_fail_its_gate(quantity):
    criterion = next(c for g in GATES for c in g.criteria if c.quantity == quantity)
    wrong = criterion.low - 1.0 if np.isfinite(criterion.low) else criterion.high + 1.0
    found = _verdicts(_seeds(*(_measured(**{quantity: wrong}) for _ in range(3))))
    failing = {name for name, verdict in found.items() if verdict == FAILS}
    gate = next(g.name for g in GATES if criterion in g.criteria)
    assert failing == {gate, "robust"}


def test_ends_of_a_range_belong_to_it():
    criterion = Criterion("x", "x", 0.7, 1.3)
    assert [criterion.verdict([v]) for v in (0.69, 0.7, 1.3, 1.31)] == [FAILS, HOLDS, HOLDS, FAILS]
    assert criterion.verdict([0.6, 0.9]) == HOLDS  # the mean over seeds
    assert criterion.verdict([np.nan]) == UNMEASURED
    assert criterion.verdict([]) == UNMEASURED
    assert Criterion("x", "x").verdict([1.0]) == ""  # told only


def test_targets_in_words():
    assert Criterion("x", "x", 0.7, 1.3).target == "0.7 to 1.3"
    assert Criterion("x", "x", low=0.5, unit="%").target == "at least 50 %"
    assert Criterion("x", "x", high=2.0, unit="nS").target == "at most 2 nS"
    assert Criterion("x", "x").target == ""


def test_what_was_not_measured_does_not_hold():
    partly = _measured()
    del partly.values["irregular.silent"], partly.values["balance.ratio"]
    found = _verdicts([partly])
    assert found["irregular"] == PART
    assert found["balance"] == UNMEASURED
    assert found["lesion"] == UNMEASURED  # one seed has no spread
    assert found["robust"] == UNMEASURED
    partly.put("irregular.cv", 0.1)
    assert _verdicts([partly])["irregular"] == FAILS


def test_gates_that_were_not_asked_for_are_not_measured():
    found = _verdicts([_measured()], ["rates"])
    assert found.pop("rates") == HOLDS
    assert set(found.values()) == {UNMEASURED}


def test_a_gate_that_fails_at_one_seed_is_not_robust():
    measured = _seeds(_measured(), _measured(), _measured(**{"rates.out": 1}))
    for each in measured:  # on average it holds, with another criterion in mind
        each.put("irregular.cv", 1.0)
    measured[0].put("irregular.cv", 0.65)
    found = judged(measured, NAMES, range(3))
    by_name = {g.gate.name: g for g in found}
    assert by_name["irregular"].verdict == HOLDS
    robust = by_name["robust"]
    assert robust.verdict == FAILS
    assert "irregular" in robust.lines[1].note and "rates" in robust.lines[1].note


def test_a_lesion_counts_against_its_spread_over_seeds():
    """Effects -10, -11, -12 %: standard error 0.577 %; an effect of 0 ± 0.577 % is none."""
    measured = [Measured() for _ in range(3)]
    for k, each in enumerate(measured):
        each.put("lesion.VISl", -0.10 - 0.01 * k)
        each.put("lesion.VISal", 0.01 * (k - 1))
    found = over_seeds(measured)
    assert found.values["lesion.beyond"] == 1
    assert found.tables["lesion"].at["VISl", "standard_error"] == pytest.approx(0.01 / np.sqrt(3))
    assert found.tables["lesion"].at["VISl", "standard_errors"] == pytest.approx(-11 * np.sqrt(3))
    assert found.values["lesion.error"] == pytest.approx(0.01 / np.sqrt(3))
    assert np.isnan(over_seeds(measured[:2]).values["lesion.beyond"])
    assert np.isnan(over_seeds(measured[:1]).values["lesion.error"])


def _validation(n):
    measured = _seeds(*(_measured(**{"rates.out": 2.0, "rates.E": 1.0 + k}) for k in range(n)))
    measured[0].notes["rates.out"] = "of 9 classes: <b>5 ET</b>"
    table = pd.DataFrame({"Hz": [1.0, np.nan]}, index=pd.Index(["5 IT", "5 ET"], name="class"))
    return Validation("made <up>", {"scale": 0.001, "plan": {"rest": 1.0}}, tuple(range(n)),
                      judged(measured, NAMES, range(n)), {"rates": table})  # fmt: skip


def test_one_seed_has_no_spread():
    text = {n: _validation(n).table.set_index("what")["measured"] for n in (1, 3)}
    assert text[1]["rate of excitatory cells"] == "1 Hz"
    assert text[3]["rate of excitatory cells"] == "2 ± 1 Hz"
    assert text[1]["classes out of range"] == "2"


def test_json_has_every_gate_and_no_nan(tmp_path):
    found = _validation(1)
    read = json.loads(found.write_json(tmp_path / "new" / "gates.json").read_text())
    assert read["schema"] == SCHEMA
    assert [gate["name"] for gate in read["gates"]] == list(NAMES)
    keys = {"quantity", "what", "unit", "low", "high", "value", "spread", "values", "verdict",
            "note"}  # fmt: skip
    for gate in read["gates"]:
        assert {"name", "title", "what", "verdict", "needs", "sources", "criteria"} == set(gate)
        for criterion in gate["criteria"]:
            assert set(criterion) == keys
    rates = read["gates"][0]
    assert (rates["verdict"], rates["criteria"][0]["value"]) == ("fails", 2.0)
    assert rates["criteria"][0]["spread"] is None
    assert read["gates"][9]["criteria"][0]["value"] is None  # a lesion needs three seeds
    assert read["tables"]["rates"] == [{"class": "5 IT", "Hz": 1.0}, {"class": "5 ET", "Hz": None}]


def test_the_page_stands_alone_and_escapes(tmp_path):
    found = _validation(3)
    page = write_gates(found, tmp_path / "gates.html").read_text(encoding="utf-8")
    assert page == gates_page(found)
    for gate in GATES:
        assert f'id="{gate.name}"' in page
    assert "&lt;b&gt;5 ET&lt;/b&gt;" in page and "<b>5 ET" not in page
    assert "What it would need" in page
    for loading in ("<script", "src=", "@import", "url("):
        assert loading not in page


def test_names_and_quantities_are_distinct():
    quantities = [c.quantity for g in GATES for c in g.criteria]
    assert len(set(NAMES)) == len(NAMES) == 13
    assert len(set(quantities)) == len(quantities)
