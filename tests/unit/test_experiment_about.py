"""What a study expects and what it finds, its presets, its page, its commands."""

import json
import math
import re
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line

from isocortex import experiment as ex
from isocortex.errors import ConfigError, InputError
from isocortex.experiment import page, results
from isocortex.experiment import verdict as verdicts
from isocortex.experiment.about import MEAN, Expected, measure_exists
from isocortex.experiment.changes import Change
from isocortex.experiment.files import change_of, study_of
from isocortex.experiment.pair import compare_results
from isocortex.experiment.pieces import Piece
from isocortex.experiment.results import StudyResult
from isocortex.experiment.statistics import FewSeedsWarning
from isocortex.experiment.verdict import AGREES, CANNOT, DIFFERS, UNTOLD, judge
from isocortex.validation.measured import Measured

FOLDER = files("isocortex.experiment") / "presets"
PULSE = {"input_type": "current_clamp", "module": "IClamp", "node_set": "VISp", "amp": 0.5,
         "delay": 30.0, "duration": 20.0}  # fmt: skip
PULSES = {"inputs": {"pulse": PULSE}}
TOLD = {
    "title": "A <pulse> into VISp", "question": "Does it & its neighbours fire?", "scale": 0.0001,
    "seeds": [1, 2], "tstop": 60.0, "settle": 10.0, "lacks": ["Thalamus."],
    "sources": [{"text": "Somebody 2001", "doi": "10.1000/1", "says": "it does"}],
    "arms": [{"name": "control"}, {"name": "pulse", "changes": [PULSES]}],
    "expected": [
        {"what": "VISp fires", "arm": "pulse", "measure": "rate", "group": "VISp", "by": "area",
         "as": "difference", "low": 0.0, "high": 1000.0},
        {"what": "VISp is silent", "arm": "pulse", "measure": "rate", "group": "VISp",
         "by": "area", "as": "difference", "high": -1.0},
        {"what": "a dream", "cannot": "nobody sleeps"},
        {"what": "speed", "arm": "pulse", "measure": "recruitment", "by": "VISp right",
         "group": "speed", "low": 0.1},
    ],
}  # fmt: skip

FIRES, *_, SPEED = TOLD["expected"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("about")
    file = folder / "pulse.json"
    file.write_text(json.dumps(TOLD))
    return ex.read_study(file).run(folder / "study", processes=1, threads=1, announce=None)


# --- presets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ex.preset_names())
def test_every_preset_asks_changes_and_expects(name):
    study = ex.preset(name, seeds=(1,), scale=0.0001)
    said = study.about
    assert said.name == name and said.title and said.question.endswith("?") and said.lacks
    assert said.sources and all(each.text and each.says for each in said.sources)
    assert any(not each.cannot for each in said.expected)
    for each in said.expected:
        assert each.cannot or (each.arm in study.arms and each.range != "–" and each.source)
        measure_exists(each)
    told = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    for arm in told["arms"]:
        for change in arm.get("changes", ()):
            assert isinstance(change_of(change), Change)
    assert len(study.arms) == 1 or study.branch_at, "arms of presets begin with one state"


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="gaba_block"):
        ex.preset("gaba")


# --- files ------------------------------------------------------------------------------------


def test_a_file_may_name_functions_or_sections_of_a_configuration(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        "tstop = 50.0\nsettle = 10.0\n[[arms]]\nname = 'a'\n[[arms]]\nname = 'b'\n"
        "changes = [{ lose = { node_set = 'Pvalb', share = 0.5, start = 20.0 } }]\n"
    )
    study = ex.read_study(file, seeds=(3,))
    assert study.control == "a" and study.seeds == (3,) and study.about.name == "mine"
    assert study.pieces("b")[0].sections["isocortex"]["changes"][0]["share"] == 0.5


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"arms": None}, ConfigError),
        ({"question": 3, "colour": "red"}, ConfigError),
        ({"arms": [{"name": "a", "changes": [{"lose": {"share": "all"}}]}]}, ConfigError),
        ({"expected": [{"what": "x", "arm": "nobody"}]}, ConfigError),
        ({"expected": [{"what": "x", "arm": "pulse", "as": "share"}]}, ConfigError),
        ({"expected": [{"wat": "x"}]}, ConfigError),
        *(
            ({"expected": [{**FIRES, **wrong}]}, ConfigError)
            for wrong in ({"against": "nobody"}, {"start": 50.0, "stop": 50.0}, {"by": "colour"})
        ),
        *(
            ({"expected": [{**SPEED, **wrong}]}, ConfigError)
            for wrong in (
                {"by": "VISp"},
                {"by": "VISp up"},
                {"by": "area side VISp"},
                {"group": "sped"},
                {"group": ["speed", "order"]},
                {"as": "ratio"},
                {"against": "pulse"},
                {"measure": "evoked"},
                {"measure": "evoked", "group": "order", "by": "VISam right"},
            )
        ),
    ],
)
def test_a_wrong_file_is_refused(change, kind):
    with pytest.raises(kind):
        study_of({**TOLD, **change})


ARM = {"name": "a", "changes": [{"lose": {"node_set": "Pvalb", "share": 0.5}}]}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({**ARM, "change": []}, r"arms\[0\].change: unknown key. Did you mean 'changes'"),
        ({"changes": [{"loose": {}}]}, r"arms\[0\].changes\[0\].loose: unknown key. .* 'lose'"),
        ({"changes": [{"lose": {"node_set": "x", "shore": 1}}]}, r"lose.shore: .* mean 'share'"),
        ({"changes": [{"lose": {"node_set": "x"}}]}, "lose: missing .*'share'. It takes node_set"),
        ({"changes": [{"lesion": "VISp"}]}, 'Write lesion = {node_set = "VISp"}'),
        ({"changes": ["lesion"]}, r"changes\[0\]: must be a function with its arguments"),
        ({"changes": [{"lose": {}, "lesion": {}}]}, r"changes\[0\]: is lose, lesion: several in"),
        ({"changes": [{"inputs": {"a": 3}}]}, "is not as in a configuration"),
        ({"changes": [{"other_model": {"node_set": "x", "model": 4}}]}, "model: must be a text"),
        ({"changes": [{"channel": {"node_set": "x", "mechanisms": 3, "gbar": 1}}]}, "more names"),
        ({"changes": [{"other_model": {"node_set": "x", "node_type": 1.5}}]}, "type: must be a wh"),
        ({"changes": [{"channel": {"node_set": "x", "mechanisms": "x", "to": 3}}]}, "to: must be"),
        ({"changes": {"lesion": {}}}, r"arms\[0\].changes: must be a list"),
        (
            {"changes": [{"lose": {"node_set": "x", "share": 1.5}}]},
            "lose.share: must be a sh",
        ),
        (
            {"changes": [{"lose": {"node_set": "x", "share": "1"}}]},
            "share: must be a number",
        ),
        ({"changes": [{"lesion": {"node_set": "x", "start": 9, "stop": 5}}]}, "lesion.stop: must"),
        ({"changes": [{}]}, r"arms\[0\].changes\[0\]: {} changes nothing"),
        ({"changes": [{"inputs": {}}]}, r"arms\[0\].changes\[0\]: .* changes nothing"),
        ({"changes": [{"synapses": {"source": "x"}}]}, r"\[0\].synapses: changes nothing of the"),
        (
            {"changes": [{"isocortex": {"changes": [{"type": "rate"}]}}]},
            r"changes\[0\].isocortex.changes\[0\].factor: is missing",
        ),
        (
            {"changes": [{"channel": {"node_set": "x", "mechanisms": "Ihh", "gbar": 0}}]},
            r"\[0\].channel.mechanisms: unknown mechanism 'Ihh'. Use pas, .* Ih",
        ),
        (
            {"changes": [{"channel": {"node_set": "x", "mechanisms": "Ih", "gmax": 0}}]},
            "channel.mechanisms: Ih has no parameter 'gmax'. It has gbar",
        ),
        (
            {"changes": [{"channel": {"node_set": "x", "mechanisms": "Ih", "gbar": -1}}]},
            "channel.times.gbar: a factor of gbar of Ih must be 0 or more, found -1",
        ),
        (
            {
                "changes": [
                    {"channel": {"node_set": "x", "mechanisms": "Ih", "section": "dend", "gbar": 0}}
                ]
            },
            "channel.section: unknown section 'dend'. Use soma, axon, basal or apical",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(tmp_path, wrong, said):
    """Misspelt words had been read over, and an arm was the control again."""
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({**TOLD, "arms": [{"name": "pulse", **wrong}]}))
    with pytest.raises(ConfigError, match=said) as caught:
        ex.read_study(file)
    assert caught.value.file == file


def test_what_a_circuit_has_not_is_told_of_the_file_and_so_is_what_comes_too_late(done, tmp_path):
    """Misspelt areas had been told of a file that nobody had written."""
    shutil.copytree(done.folder / "seed_1" / "circuit", tmp_path / "out" / "seed_1" / "circuit")
    file = tmp_path / "bad.toml"
    for area, start, said in (
        ("MOS", 20, "source: bad, seed 1: no node has .*'MOS'.*Did you mean 'MOs'"),
        ("MOs", 60, "begins at 60 ms, when the runs have ended .60 ms.: arm 'bad' is 'control'"),
    ):
        file.write_text(
            "scale = 0.0001\nseeds = [1]\ntstop = 60.0\nsettle = 10.0\n"
            "[[arms]]\nname = 'control'\n[[arms]]\nname = 'bad'\nchanges = [{ synapses = "
            f"{{ source = {{ area = '{area}' }}, weight = 0.5, start = {start} }} }}]\n"
        )
        status, _, errors = isocortex("experiment", "run", file, "-o", tmp_path / "out")
        assert status == 1
        assert re.search(
            rf"{file}: arms\[1\].changes\[0\].synapses(\.|: ){said}", " ".join(errors.split())
        )


def test_two_arms_of_one_name_are_refused(tmp_path):
    """The last had been run in place of both."""
    with pytest.raises(ConfigError, match=r"arms\[1\].name: there are two arms 'a'"):
        study_of({**TOLD, "arms": [ARM, ARM]})


def test_what_a_command_asks_for_is_not_said_of_the_file():
    with pytest.raises(ConfigError, match="^scale: 2.0 is not in") as caught:
        ex.preset("pvalb_loss", scale=2.0)
    assert caught.value.file is None
    with pytest.raises(ConfigError, match="Did you mean 'pvalb_loss'"):
        ex.preset("pvalb_los")


def test_arms_that_begin_to_differ_after_the_end_are_told(tmp_path):
    file = tmp_path / "late.json"
    late = {"name": "late", "changes": [{"lesion": {"node_set": "VISp", "start": 500}}]}
    file.write_text(json.dumps({"tstop": 100, "settle": 5, "arms": [{"name": "control"}, late]}))
    assert ex.read_study(file).late == ("late",)
    status, _, errors = isocortex("experiment", "show", file)
    assert status == 0 and "Arm late begins to differ when the runs have ended" in errors


def test_late_is_what_differs_late_from_the_control():
    """Whatever the two have in common, and however early."""
    early, late = ex.lesion("VISp"), ex.lesion("MOs", start=100.0)
    arms = {"control": [early], "both": [early, late], "other": [late]}
    assert ex.Study(arms=arms, tstop=100.0, settle=5.0).late == ("both",)


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("arms = [")
    with pytest.raises(InputError, match="not valid TOML"):
        ex.read_study(tmp_path / "a.toml")


@pytest.mark.parametrize("arms", ["arms = {control = []}", "[[arms]]\nchanges = []", ""])
def test_arms_that_are_no_list_are_named(tmp_path, arms):
    (tmp_path / "a.toml").write_text(f'title = "x"\n{arms}')
    with pytest.raises(ConfigError, match=r"a.toml: arms: must be a list of tables, each with"):
        ex.read_study(tmp_path / "a.toml")


# --- verdicts ---------------------------------------------------------------------------------


INF = math.inf


@pytest.mark.parametrize(
    ("low", "high", "values", "verdict"),
    [
        (0.5, 2.0, [0.9, 1.0, 1.1], AGREES),
        (0.5, 2.0, [0.1, 1.0, 3.0], UNTOLD),  # its mean alone lies in the range
        (0.5, 2.0, [1.0], UNTOLD),  # one seed has no interval
        (0.5, 2.0, [3.0, 3.1, 3.2], DIFFERS),
        (0.5, 2.0, [1.0, 2.0, 4.0], UNTOLD),
        (1.0, INF, [1.4, 1.5, 1.6], AGREES),
        (1.0, INF, [0.9, 1.5, 1.8], UNTOLD),  # a direction must be certain
        (1.0, INF, [0.4, 0.5, 0.6], DIFFERS),
        (1.0, INF, [np.nan, np.nan], UNTOLD),
        (1.0, INF, [2.0], UNTOLD),
        (1.0, INF, 6 * [1.0], DIFFERS),  # no effect at all is no direction
        (-INF, 1.0, 6 * [1.0], DIFFERS),
        (1.0, INF, 4 * [1.0], UNTOLD),  # too few for signs to tell
        (1.0, INF, 6 * [1.5], AGREES),
        (1.0, INF, 4 * [1.5], UNTOLD),
        (1.0, INF, [1.4, 1.5, 1.6, np.nan], UNTOLD),
        (1.0, INF, [1.4, 1.5, 1.6, INF], UNTOLD),  # the control is silent there
        (0.0, 200.0, [100.0, *5 * [INF]], UNTOLD),  # one of six joins
        (0.0, 200.0, [100.0, 101.0, 102.0, 103.0, 104.0, INF], UNTOLD),
        (0.0, 200.0, [300.0, 301.0, 302.0, INF], DIFFERS),
        (0.0, 200.0, 6 * [INF], DIFFERS),
        (0.0, 200.0, 5 * [INF], UNTOLD),
        (0.0, 200.0, [], UNTOLD),
    ],
)
def test_verdicts_follow_their_rule(low, high, values, verdict, monkeypatch):
    monkeypatch.setattr(verdicts, "values_of", lambda result, expected: np.array(values, float))
    expected = Expected(what="x", arm="a", measure="rate", as_="ratio", low=low, high=high)
    found = verdicts.judged(None, expected)
    assert found.verdict == verdict
    assert (found.seeds, found.of) == (np.isfinite(values).sum(), len(values))


@pytest.mark.parametrize(
    ("as_", "low", "verdict"), [("difference", 0.0, DIFFERS), ("value", 0.0, AGREES)]
)
def test_only_no_effect_is_no_part_of_a_range_that_ends_there(as_, low, verdict, monkeypatch):
    monkeypatch.setattr(verdicts, "values_of", lambda result, expected: np.zeros(6))
    expected = Expected(what="x", as_=as_, low=low)
    assert verdicts.judged(None, expected).verdict == verdict
    assert expected.range == ("more than 0" if as_ == "difference" else "0 or more")


class Tables:
    """A result that has nothing but tables: arm -> float[groups, seeds], and recruitment."""

    study = SimpleNamespace(control="control", differs_from=lambda arm, control: 5.0, tstop=100.0)
    seeds = (1, 2)

    def __init__(self, found=(), **tables):
        self.tables, self.found, self.asked = tables, found, set()

    def table(self, measure, by, *, arm, start, stop):
        self.asked.add((start, stop))
        return pd.DataFrame(self.tables[arm], ["x", "y"])

    def recruitment(self, arm, area, side):
        return dict(enumerate(self.found))

    evoked = recruitment

    def differ(self, arm):
        return self.study.differs_from(arm, "control") < self.study.tstop


def test_a_mean_over_groups_is_of_those_that_both_arms_have():
    result = Tables(lost=[[2.0, 5.0], [3.0, 9.0]], control=[[1.0, np.nan], [2.0, 7.0]])
    for group in (MEAN, ("x", "y")):
        expected = Expected(what="", arm="lost", measure="cv", group=group, as_="difference")
        assert verdicts.values_of(result, expected).tolist() == [1.0, 2.0]


def test_what_is_expected_of_a_time_is_looked_at_there():
    result = Tables(lost=[[2.0, 5.0], [3.0, 9.0]], control=np.ones((2, 2)))
    for given, looked in (({}, (5.0, 100.0)), ({"start": 20.0}, (20.0, 100.0)),
                          ({"start": 20.0, "stop": 30.0}, (20.0, 30.0))):  # fmt: skip
        result.asked.clear()
        expected = Expected(what="", arm="lost", measure="rate", group="x", **given)
        assert verdicts.values_of(result, expected).tolist() == [2.0, 5.0]
        assert result.asked == {looked}
    for late in ({"start": 90.0, "stop": 110.0}, {"start": 100.0}):  # runs end before
        later = Expected(what="", arm="lost", measure="rate", group="x", **late)
        assert np.isnan(verdicts.values_of(result, later)).all()
    spread = {"what": "x", "arm": "pulse", "measure": "evoked", "by": "VISp right", "low": 0.0}
    with pytest.raises(ConfigError, match="whole time"):
        study_of({**TOLD, "expected": [{**spread, "start": 5.0}]})


def test_an_arm_may_be_held_against_another_than_the_control():
    result = Tables(both=[[3.0, 5.0], [0.0, 0.0]], lost=[[2.0, 1.0], [0.0, 0.0]],
                    control=np.zeros((2, 2)))  # fmt: skip
    expected = Expected(what="", arm="both", against="lost", measure="rate", group="x",
                        as_="difference")  # fmt: skip
    assert verdicts.values_of(result, expected).tolist() == [1.0, 4.0]
    assert expected.compared == "both, against lost"


def test_a_group_that_there_is_not_is_refused():
    result = Tables(lost=np.ones((2, 2)), control=np.ones((2, 2)))
    expected = Expected(what="", arm="lost", measure="rate", group=("x", "z"), by="area")
    with pytest.raises(ConfigError, match="no group 'z'"):
        verdicts.values_of(result, expected)
    asked = Expected(what="", measure="recruitment", by="Nowhere right", group="speed")
    with pytest.raises(ConfigError, match="no area 'Nowhere right'"):
        verdicts.values_of(Tables(2 * [Measured()]), asked)


def test_a_silent_control_and_an_area_that_never_joins_do_not_vanish():
    result = Tables(lost=[[1.0, 0.0], [0.0, 0.0]], control=np.zeros((2, 2)))
    expected = Expected(what="", arm="lost", measure="rate", group="x", as_="ratio", low=1.0)
    np.testing.assert_array_equal(verdicts.values_of(result, expected), [INF, np.nan])
    found = [Measured({"focus.MOs.ratio": 2.0, "focus.MOs.partner_ms": 50.0}),
             Measured({"focus.MOs.ratio": 2.0})]  # fmt: skip
    for quantity, values in (("partner_ms", [50.0, INF]), ("speed", [np.nan, np.nan])):
        asked = Expected(what="", measure="recruitment", by="MOs right", group=quantity)
        np.testing.assert_array_equal(verdicts.values_of(Tables(found), asked), values)
    asked = Expected(what="", measure="evoked", by="VISp right", group="order")
    pulses = Tables([Measured({"pulse.order": 0.7}), Measured({"pulse.source": 3.0})])
    np.testing.assert_array_equal(verdicts.values_of(pulses, asked), [0.7, np.nan])


def test_a_study_is_judged_by_what_it_expected(done):
    yes, no, cannot, speed = judge(done)
    assert (yes.verdict, no.verdict, cannot.verdict) == (AGREES, DIFFERS, CANNOT)
    differences = done.compare("rate", "area", arm="pulse", warn=False).loc[("pulse", "VISp")]
    assert yes.mean == pytest.approx(differences["difference"]) and yes.seeds == 2
    assert speed.verdict in (UNTOLD, AGREES, DIFFERS)


# --- the page and the commands ----------------------------------------------------------------


def test_the_page_tells_all_of_it_and_loads_nothing(done):
    page = done.report().read_text(encoding="utf-8")
    for text in (
        "A &lt;pulse&gt; into VISp", "its neighbours", "Somebody 2001", "agrees",
        "cannot be asked", "nobody sleeps", "current_clamp", "Thalamus.", "2 seeds are few",
        "isocortex experiment run study.json",
        "--from ../until_30ms/output/state_30ms.h5", "smallest visible", "Field potentials",
    ):  # fmt: skip
        assert text in page, text
    assert page.count("<figure>") >= 3 and "<pulse>" not in page
    assert 'src="http' not in page and "<script" not in page


def test_a_sentence_in_a_table_is_broken_and_does_not_push_the_verdict_out_of_sight():
    long = "Higher visual areas of its side fire less than untreated"
    rows = [["VISp fires", "agrees"], [long, "differs"]]
    made = str(page.table("Expected.", ["what", "verdict"], rows))
    assert '<th scope="row">VISp fires</th>' in made
    assert '<th scope="row" class="sentence">Higher' in made


def test_counts_are_those_of_the_change_that_they_stand_beside():
    lesion = Piece.of(ex.lesion("MOs"))
    two = {"conditions": {"modifications": [{"type": "TTX", "node_set": "V1"}] * 2}}
    both = Piece.of({**two, **ex.section([ex.lesion("VISp")])})
    changes = [{"touched": name} for name in ("every run's", "a", "b", "MOs", "VISp")]
    told = page._told(changes, [lesion, both])
    assert [[each["touched"] for each in several] for several in told] == [
        ["MOs"], ["a", "b", "VISp"],
    ]  # fmt: skip
    assert page._told(changes[:2], [Piece.of(PULSES)]) == [[]]


def test_runs_that_end_before_a_response_have_a_page_and_no_verdict(done):
    """Spikes of 60 ms, as those of arms whose pulses begin just before the end, or after it."""
    arms = [
        {"name": name, "changes": [{"inputs": {"pulse": {**PULSE, "delay": at}}}]}
        for name, at in (("late", 59.0), ("never", 99.0))
    ]
    expected = [
        {"what": "x", "by": "VISp right", "low": 0.5, **of, "arm": arm["name"]}
        for arm in arms
        for of in ({"measure": "evoked", "group": "order"}, SPEED)
    ]
    told = {**TOLD, "arms": [*TOLD["arms"], *arms], "expected": [FIRES, *expected]}
    result = StudyResult(study_of(told), done.folder)
    result.seeds = done.seeds
    result.run = lambda arm, seed: done.run("control" if arm == "control" else "pulse", seed)
    with patch.object(results, "BEFORE", 20.0):
        fires, late, _, *never = judge(result)
        made = page.study_page(result)
    assert fires.verdict == AGREES
    assert [(each.verdict, each.of) for each in (late, *never)] == 3 * [(UNTOLD, 2)]
    assert made.count("The runs end before the first response does.") == 1
    assert made.count("The runs end before the arm differs.") == 2
    found = result.compare("rate", "area", warn=False)
    assert set(found.index.unique("arm")) == {"pulse", "late"}
    with pytest.raises(ConfigError, match="no time of runs"):
        result.compare("rate", "area", arm="never", warn=False)


def test_the_cost_of_a_study_has_what_arms_have_in_common(done):
    runs = [done.run(arm, seed) for arm in ("control", "pulse") for seed in (1, 2)]
    parts = [run.result for run in runs] + [run.stem for run in runs[:2]]  # a stem of each seed
    each = [sum(part.run_summary.stages.values()) for part in parts]
    assert len(each) == 6 and results.seconds_of(done) == pytest.approx(sum(each))


def test_the_commands_of_the_page_repeat_a_run(done, tmp_path):
    jobs = {each.name: each for each in done.study.jobs(done.folder)}
    assert jobs["pulse, seed 1"].command == (
        "isocortex run simulation_config.json --precision single --from "
        "../until_30ms/output/state_30ms.h5"
    )
    build = jobs["circuit of seed 1"].command
    assert build == (
        "isocortex build cortex -o . --scale 0.0001 --eeg MOs --eeg SSp-bfd --eeg VISp"
    )


def test_experiments_are_listed_shown_and_reported(done, tmp_path):
    _, listed, _ = isocortex("experiment", "list")
    assert all(name in listed for name in ex.preset_names())
    _, shown, _ = isocortex("experiment", "show", "pvalb_loss")
    assert all(word in shown for word in ("MOs", "expected", "lacks", "doi.org"))
    page = tmp_path / "page.html"
    status, told, warned = isocortex("experiment", "report", done.folder, "-o", page)
    assert status == 0 and "agrees: VISp fires" in told and page.is_file()
    assert "seeds are few" in warned


def test_experiment_run_takes_a_file_and_skips_what_is_done(done, tmp_path):
    file = tmp_path / "pulse.json"
    file.write_text(json.dumps(TOLD))
    asked = ("experiment", "run", file, "--seeds", 2, "-o", done.folder, "--threads", 1)
    status, told, error = isocortex(*asked)
    assert status == 0, error
    assert told.count("done before") == 8 and "Page:" in told
    assert ex.read_study(done.folder / "study.json").as_json() == done.study.as_json()
    assert ex.read_study(done.folder / "study.json", seeds=(5,)).seeds == (5,)
    one_line(isocortex("experiment", "run", "nothing", "-o", tmp_path / "x"), "no experiment")
    view = ("experiment", "view", done.folder)
    assert isocortex(*view, "--export", tmp_path / "run.html")[0] == 0
    assert (tmp_path / "run.html").stat().st_size > 100_000
    one_line(isocortex(*view, "nobody"), "there is no arm 'nobody'")


def test_two_results_are_compared_and_where_they_part(done, tmp_path):
    first, second = (done.run(arm, 1).result for arm in ("control", "pulse"))
    found = compare_results(first, second, by="area")
    assert found.start == first.begin and found.stop == 60.0
    assert 30.0 <= found.same_until <= 50.0
    assert found.table.loc["VISp", "difference"] > 0
    assert np.isinf(compare_results(first, first).same_until)
    csv = tmp_path / "rates.csv"
    asked = ("compare", first.directory, second.directory, "--by", "sign", "-o", csv)
    status, told, _ = isocortex(*asked)
    assert status == 0 and "The same spikes until" in told
    assert list(pd.read_csv(csv)["sign"]) == ["E", "I"]
    with pytest.raises(ConfigError, match="is in both"):
        compare_results(first, second, start=60.0)


def test_bursts_are_not_told_against_the_rest_of_other_neurons(done):
    first, same, other = (done.run(*of).result for of in (("control", 1), ("pulse", 1),
                                                          ("control", 2)))  # fmt: skip
    for measure in ("bursts", "bursting"):
        assert "VISp" in compare_results(first, same, measure).table.index
        with pytest.raises(ConfigError, match="other neurons"):
            compare_results(first, other, measure)
    assert "VISp" in compare_results(first, other, "rate").table.index


def test_the_tutorial_runs_as_it_stands(tmp_path, monkeypatch):
    """Its ten lines, with a smaller cortex and shorter runs."""
    file = Path(__file__).parents[2] / "docs" / "tutorials" / "experiment.md"
    lines = file.read_text(encoding="utf-8").split("{code-cell} python\n")[1].split("```")[0]
    for large, small in (
        ("scale=0.0005", "scale=0.0001"), ("seeds=range(1, 3)", "seeds=(1,)"),
        ("start=200", "start=20"), ("tstop=400, settle=100", "tstop=50, settle=10"),
    ):  # fmt: skip
        assert large in lines
        lines = lines.replace(large, small)
    assert len([line for line in lines.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    with pytest.warns(FewSeedsWarning):
        exec(compile(lines, file.name, "exec"), {})
    assert (tmp_path / "pvalb.png").is_file() and (tmp_path / "pvalb/report.html").is_file()
