"""Studies from arms to tables: what is run, what is kept, and that branches are whole runs."""

import json
import os
import shutil
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

import isocortex as ic
from isocortex import experiment as ex
from isocortex.errors import ConfigError, InputError, IsocortexError
from isocortex.experiment import figures, jobs, results, running, workers
from isocortex.experiment.measures import MEASURES, Look
from isocortex.experiment.pieces import Piece, with_pieces
from isocortex.experiment.statistics import FewSeedsWarning
from isocortex.validation.neurons import Spikes

SCALE = 0.0001
#: 40 to 60 ms: all arms are alike before.
PULSE = {
    "inputs": {
        "pulse": {"input_type": "current_clamp", "module": "IClamp", "node_set": "VISp",
                  "amp": 0.5, "delay": 40.0, "duration": 20.0}
    }
}  # fmt: skip
BLOCK = {
    "connection_overrides": [
        {"name": "no GABA", "source": {"population": "cortex", "ei": "i"}, "target": "cortex",
         "weight": 0.0}
    ]
}  # fmt: skip


#: Its trains begin at 45 ms.
NOISE = {
    "inputs": {
        "noise": {"input_type": "spikes", "module": "poisson", "node_set": "background",
                  "firing_rate": 200.0, "t_start": 45.0}
    }
}  # fmt: skip


def study(**other):
    arms = {"control": [], "pulse": [PULSE], "block": [BLOCK]}
    return ex.Study(**{"arms": arms, "scale": SCALE, "seeds": (1, 2), "tstop": 70.0, "settle": 10.0}
                    | other)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study, its result, folder and what was said."""
    folder, said = tmp_path_factory.mktemp("study"), []
    made = study()
    return made, made.run(folder, processes=1, threads=1, announce=said.append), folder, said


def trains(table):
    return table.sort_values(["timestamps", "node_ids"])[["timestamps", "node_ids"]].to_numpy()


# --- what a study is --------------------------------------------------------------------------


def test_a_study_is_plain_data():
    made = study(arms={"control": [], "lost": [ex.lose("Pvalb", 0.5, start=20.0)]})
    told = json.loads(json.dumps(made.as_json()))
    again = ex.Study.read(told)
    assert again.as_json() == told
    assert again.pieces("lost")[0].start == 20.0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"arms": {}}, "arms"),
        ({"control": "none"}, "control"),
        ({"seeds": ()}, "seeds"),
        ({"settle": 70.0}, "settle"),
        ({"recipe": {"seed": 3}}, "recipe"),
        ({"recipe": {"sedes": 3}}, "recipe"),
        ({"arms": {"a/b": []}}, "arms"),
        ({"arms": {"circuit": []}}, "arms"),
        ({"arms": {"control": [3]}}, "arms['control'][0]"),
        ({"arms": [ex.lesion("MOs")]}, "arms"),
        ({"arms": {"control": ex.lesion("MOs")}}, "arms"),
        ({"arms": {"control": [{"input": {}}]}}, "arms['control'][0]"),  # it had been read over
        ({"arms": {"control": [{}]}}, "arms['control'][0]"),
        ({"arms": {"control": [], "x": [ex.lesion("MOs"), {"inputs": {}}]}}, "arms['x'][1]"),
        ({"arms": {"control": [{"isocortex": {"changes": []}}]}}, "arms['control'][0]"),
        (
            {"arms": {"control": [{"isocortex": {"changes": [{"type": "synapses"}]}}]}},
            "arms['control'][0].isocortex.changes[0]",
        ),
        (
            {"arms": {"control": [], "x": [ex.channel("MOs", "Ihh", gbar=0)]}},
            "arms['x'][0].mechanisms",
        ),
        (
            {"arms": {"control": [], "x": [ex.channel("MOs", "Ih", gmax=0)]}},
            "arms['x'][0].mechanisms",
        ),
        ({"settle": -1.0}, "settle"),
        ({"tstop": 0.0}, "tstop"),
        ({"tstop": -3}, "tstop"),
        ({"tstop": np.nan}, "tstop"),
        ({"seeds": (1, 2, 1)}, "seeds"),
        ({"seeds": 1}, "seeds"),
        ({"seeds": "12"}, "seeds"),
        ({"seeds": [1.5]}, "seeds"),
        ({"tstop": "60"}, "tstop"),
        ({"scale": True}, "scale"),
        ({"precision": "triple"}, "precision"),
    ],
)
def test_what_no_study_can_be_is_refused(wrong, field):
    with pytest.raises(ConfigError) as error:
        study(**wrong)
    assert error.value.field == field


def test_arms_branch_where_the_first_of_them_changes():
    early, late = ex.lesion("MOs", start=30.0), ex.lesion("VISp", start=50.0)
    made = study(arms={"control": [], "one": [late], "both": [early, late], "whole": [BLOCK]})
    assert made.branching == ("control", "one", "both")
    assert made.branch_at == 30.0
    assert made.differs_from("one", "control") == 50.0
    assert made.differs_from("both", "one") == 30.0
    assert made.differs_from("whole", "control") == made.settle
    assert study(arms={"control": [], "whole": [BLOCK]}).branch_at is None
    after_the_end = ex.lesion("VISp", start=100.0)
    assert study(arms={"control": [], "never": [after_the_end]}).branch_at is None


def test_what_is_added_begins_when_it_says():
    (override,) = BLOCK["connection_overrides"]
    late = {"connection_overrides": [{**override, "delay": 40.0}]}
    assert Piece.of(late).start == 40.0 and Piece.of(BLOCK).start == 0.0
    both = {"connection_overrides": [*late["connection_overrides"], {**override, "delay": None}]}
    assert Piece.of(both).start == 0.0
    pulses = {"inputs": {"two": {**PULSE["inputs"]["pulse"], "delay": [50.0, 45.0]}}}
    assert Piece.of(pulses).start == 45.0  # pulses may be several
    assert Piece.of(pulses).starts == (45.0, 50.0)
    several = {"inputs": {**pulses["inputs"], **PULSE["inputs"]}}
    assert Piece.of(several).starts == (40.0, 45.0, 50.0)
    assert Piece.of(ex.lesion("MOs", start=5.0)).starts == (5.0,)
    assert Piece.of(NOISE).start == 45.0
    assert Piece.of({"inputs": {**NOISE["inputs"], **PULSE["inputs"]}}).start == 40.0
    always = {key: value for key, value in NOISE["inputs"]["noise"].items() if key != "t_start"}
    assert Piece.of({"inputs": {"noise": always}}).start == 0.0
    made = study(arms={"control": [], "late": [late]})
    assert made.differs_from("late", "control") == 40.0 == made.branch_at


def test_pieces_are_added_to_a_configuration_and_do_not_hide_each_other():
    one = Piece.of(ex.lesion("MOs", start=5.0))
    made = with_pieces({"inputs": {"a": 1}}, [one, Piece.of(ex.lesion("VISp")), Piece.of(PULSE)])
    assert [each["node_set"] for each in made["isocortex"]["changes"]] == ["MOs", "VISp"]
    assert set(made["inputs"]) == {"a", "pulse"}
    with pytest.raises(ConfigError, match="different names"):
        with_pieces({"inputs": {"pulse": 1}}, [Piece.of(PULSE)])


# --- what is run ------------------------------------------------------------------------------


def test_every_run_is_a_folder_with_a_configuration_that_repeats_it(done, tmp_path):
    made, result, folder, _ = done
    for arm in ("pulse", "block"):
        config = folder / "seed_2" / arm / "simulation_config.json"
        whole = ic.run(config, precision="single", threads=1, output_dir=tmp_path / arm,
                       progress=None)  # fmt: skip
        run = result.run(arm, 2)
        np.testing.assert_array_equal(trains(run.table), trains(whole.spikes))
        assert len(whole.spikes) > 20
        for name in whole.reports:  # a branch has them from where it began
            late, every = run.result.report(name), whole.report(name)
            every = every.isel(time=slice(every.sizes["time"] - late.sizes["time"], None))
            np.testing.assert_array_equal(late.values, every.values)


def test_arms_that_are_alike_at_first_begin_with_one_state(done):
    made, result, folder, _ = done
    assert made.branch_at == 40.0
    assert 39.0 < result.run("pulse", 1).result.begin <= 40.0
    assert result.run("block", 1).stem is None
    tables = {arm: result.run(arm, 1).table for arm in made.arms}
    early = {arm: trains(table[table["timestamps"] < 40.0]) for arm, table in tables.items()}
    np.testing.assert_array_equal(early["control"], early["pulse"])
    assert len(tables["pulse"]) > len(tables["control"])


def test_electrodes_on_the_skull_see_every_run_unless_voltages_are_clamped(done):
    _, result, folder, _ = done
    found = result.run("block", 1).result.potential("eeg")
    assert list(found["name"].values)[:2] == ["MOs_left", "MOs_right"] and found.shape[1] == 6
    assert float(np.abs(found).max()) > 0
    clamp = {"inputs": {"clamp": {"input_type": "voltage_clamp", "module": "seclamp",
                                  "node_set": "VISp", "voltage": -60.0, "delay": 20.0,
                                  "duration": 10.0}}}  # fmt: skip
    by_input, by_change = (
        study(arms={"control": [], "clamped": [each]}) for each in (clamp, ex.clamp("VISp", -60.0))
    )
    own = study(recipe={"area_layer": "areas.csv"})  # not the atlas' areas
    for made, there in ((study(), True), (by_input, False), (by_change, False), (own, False)):
        assert ("eeg" in made.config_of(1, (), 70.0)["reports"]) is there


def test_what_is_done_is_not_done_again(done):
    made, _, folder, said = done
    assert len(said) == 10 and "to go" in said[1] and said[-1].startswith("block, seed 2")
    again = []
    with patch.object(jobs, "run", side_effect=AssertionError):
        made.run(folder, processes=1, announce=again.append)
    assert all("done before" in line for line in again)


def test_what_changed_is_done_again_and_nothing_else(done, tmp_path):
    made, _, folder, _ = done
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "seed_1" / "block" / "done.json").unlink()  # as if it had been stopped
    other = study(arms={"control": [], "pulse": [{"inputs": {"pulse": {
        **PULSE["inputs"]["pulse"], "amp": 0.1}}}], "block": [BLOCK]})  # fmt: skip
    said = []
    other.write(copy)
    with pytest.raises(InputError, match="no seed"):  # what is there is not of this study
        ex.open_study(copy).seeds  # noqa: B018
    other.run(copy, processes=1, threads=1, announce=said.append)
    new = [line.split(":")[0] for line in said if "done before" not in line]
    assert new == ["pulse, seed 1", "block, seed 1", "pulse, seed 2"]


def with_circuits(done, folder, *seeds):
    """A new folder for a study of the same animals: building them takes longest."""
    for seed in seeds:
        shutil.copytree(done[2] / f"seed_{seed}" / "circuit", folder / f"seed_{seed}" / "circuit")


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(done, tmp_path):
    with_circuits(done, tmp_path, 1)
    made = study(arms={"block": [BLOCK]}, seeds=(1,))

    def stop(done, total, what):
        if done > 30.0:
            raise KeyboardInterrupt

    with patch.object(jobs, "EVERY", 10.0), pytest.raises(KeyboardInterrupt):
        made.run(tmp_path, processes=1, threads=1, progress=stop)
    assert (tmp_path / "seed_1/block/output/checkpoint.h5").is_file()
    with patch.object(jobs, "run", side_effect=AssertionError):
        result = made.run(tmp_path, processes=1, threads=1)
    np.testing.assert_array_equal(
        trains(result.run("block", 1).table), trains(done[1].run("block", 1).table)
    )
    assert not (tmp_path / "seed_1/block/output/checkpoint.h5").exists()


def test_processes_side_by_side_give_the_same(done, tmp_path):
    with_circuits(done, tmp_path, 1)
    seen = []
    beside = study(seeds=(1,)).run(tmp_path, processes=2, threads=2, announce=None,
                                   progress=lambda *told: seen.append(told))  # fmt: skip
    for arm in beside.arms:
        np.testing.assert_array_equal(
            trains(beside.run(arm, 1).table), trains(done[1].run(arm, 1).table)
        )
    assert seen[-1][0] == pytest.approx(seen[-1][1])


VISP = {"area": "VISP"}


@pytest.mark.parametrize(
    ("wrong", "where", "said"),
    [
        (ex.lesion(VISP), "[1].node_set", "no node has .*Did you mean 'VISp'"),
        (ex.synapses(source={"aera": "VISp"}, weight=0.5), "[1].source",
         "no node has the attribute 'aera'. Did you mean 'area'"),
        (ex.synapses(use=0.5), "[1]", r"about no synapse that has what it changes \(use 0.5\)"),
        (ex.channel("VISp", "K_P", "apical", gbar=0), "[1]",
         "none of its cells has K_P in apical. K_P is in soma"),
        (ex.current("background", 0.1), "[1]", "about no cell or random train"),
        ({"connection_overrides": [{**BLOCK["connection_overrides"][0], "target": VISP}]},
         "[1].connection_overrides[0].target", "no node has"),
        ({"connection_overrides": [{**BLOCK["connection_overrides"][0], "delay": 20.0,
                                    "synapse_delay_override": 2.5}]},
         "[1].connection_overrides[0].synapse_delay_override", "delays cannot change on the way"),
        ({"inputs": {"pulse": {**PULSE["inputs"]["pulse"], "node_set": VISP}}},
         "[1].inputs.pulse.node_set", "no node has"),
        ({"isocortex": {"changes": [ex.lesion("MOs").as_json(), ex.lesion(VISP).as_json()]}},
         "[1].isocortex.changes[1].node_set", "no node has"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_arm_is_told_before_any_is_run(done, tmp_path, wrong, where, said):
    """Runs of the arms before it had been waited for. It is told where it was written."""
    with_circuits(done, tmp_path, 2)  # whichever seed's circuit comes first
    made = study(arms={"control": [], "wrong": [ex.lesion("MOs"), wrong]}, seeds=(2, 1))
    ended = []
    with (
        patch.object(jobs, "run", side_effect=AssertionError),
        pytest.raises(ConfigError, match=f"wrong, seed 2: .*{said}") as caught,
    ):
        made.run(tmp_path, processes=1, threads=1, announce=ended.append)
    assert caught.value.field == f"arms['wrong']{where}" and caught.value.file is None
    assert len(ended) == 1 and ended[0].startswith("circuit of seed 2")


def test_an_arm_that_begins_after_the_end_is_refused_before_any_is_run(tmp_path):
    """It had been run to its end, as the control again."""
    late = {"inputs": {"pulse": {**PULSE["inputs"]["pulse"], "delay": 80.0}}}
    said = "begins at [78]0 ms, when the runs have ended .70 ms.: arm 'late' is 'control' again"
    for place, changes in enumerate(
        ([ex.lesion("MOs", start=70.0)], [ex.lesion("MOs", start=90.0), late])
    ):
        made = study(arms={"control": [], "late": changes})
        with pytest.raises(ConfigError, match=said) as caught:
            made.run(tmp_path)
        assert caught.value.field == f"arms['late'][{place}]"
    assert not list(tmp_path.iterdir())


def test_an_error_in_another_process_is_told_as_one_here(done, tmp_path):
    """Whether there is any synapse is not known before they are made."""
    with_circuits(done, tmp_path, 1)
    made = study(arms={"wrong": [ex.synapses(removed=1e-12)]}, seeds=(1,))
    with pytest.raises(ConfigError, match="wrong, seed 1: .*about no synapse") as caught:
        made.run(tmp_path, processes=2, threads=2)
    assert caught.value.field == "arms['wrong'][0]"


def test_a_cluster_is_whatever_has_submit(done, tmp_path):
    with_circuits(done, tmp_path, 1)
    with ThreadPoolExecutor(1) as client:
        found = study(arms={"block": [BLOCK]}, seeds=(1,)).run(tmp_path, client=client)
    np.testing.assert_array_equal(
        trains(found.run("block", 1).table), trains(done[1].run("block", 1).table)
    )


def test_what_is_not_begun_is_taken_back_from_a_cluster():
    class Dask:
        """As dask.distributed.Client: the same call is answered from memory unless told not to."""

        told: list = []

        def submit(self, function, *args, pure=True):
            self.told.append(pure)
            return Future()

    job = jobs.Job("a job", "nowhere")
    cluster = workers.Cluster(Dask())
    begun, waiting, done = (cluster.submit(job) for _ in range(3))
    begun.set_running_or_notify_cancel()
    done.set_result(1.0)
    cluster.close()
    assert Dask.told == 3 * [False]
    assert waiting.cancelled() and not begun.cancelled() and done.result() == 1.0


def test_a_process_is_not_in_the_terminals_group():
    processes = workers.Processes(1, lambda job, done: None)
    process = processes._start()
    try:
        assert os.getsid(process.pid) != os.getsid(0)
    finally:
        processes.close()
    assert process.poll() is not None


@pytest.mark.parametrize(("stop", "status"), [("interrupt", 130), ("close", 0)])
def test_a_process_stops_though_a_shell_had_interrupts_ignored(stop, status, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of what runs in the background
    try:
        processes = workers.Processes(1, lambda job, done: None)
        with pytest.raises(IsocortexError):  # there is no configuration; then it waits for more
            processes.submit(jobs.Job("none", str(tmp_path / "none"))).result()
    finally:
        signal.signal(signal.SIGINT, before)
    (process,) = processes.started
    if stop == "interrupt":
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == status
    processes.close()
    assert process.wait() == status


LATE = {"connection_overrides": [{**BLOCK["connection_overrides"][0], "delay": 40.0}]}


@pytest.mark.parametrize("late", [LATE, NOISE])
def test_what_begins_later_branches_and_is_a_whole_run(done, tmp_path, late):
    with_circuits(done, tmp_path, 1)
    made = study(arms={"control": [], "late": [late]}, seeds=(1,))
    run = made.run(tmp_path, processes=1, threads=1, announce=None).run("late", 1)
    assert run.stem is not None
    whole = ic.run(run.folder / "simulation_config.json", precision="single", threads=1,
                   output_dir=tmp_path / "whole", progress=None)  # fmt: skip
    np.testing.assert_array_equal(trains(run.table), trains(whole.spikes))
    stem = run.stem.spikes
    assert len(stem) and len(run.table) > len(stem)


def test_two_do_not_work_in_one_folder(tmp_path):
    with running.alone_in(tmp_path), pytest.raises(ConfigError, match="another process"):
        study().run(tmp_path)


def test_more_processes_than_cores_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="do not go into"):
        study().run(tmp_path, processes=3, threads=2)


# --- what comes of it -------------------------------------------------------------------------


def test_arms_are_compared_within_seeds(done):
    made, result, _, _ = done
    with pytest.warns(FewSeedsWarning, match="2 seeds"):
        table = result.compare("rate", by="sign")
    assert table.index.names == ["arm", "sign"]
    assert list(table.loc["block"].index) == ["E", "I"]
    assert table.loc[("pulse", "E"), "difference"] > 0
    assert table.loc[("pulse", "E"), "seeds"] == 2
    rates = {arm: result.table("rate", "sign", arm=arm, start=10.0) for arm in made.arms}
    np.testing.assert_allclose(
        table.loc["block"][[1, 2]], (rates["block"] - rates["control"]).loc[["E", "I"]]
    )
    assert "2 seeds" in table.attrs["note"] and table.attrs["unit"] == "Hz"
    assert list(table.reset_index().columns[:4]) == ["arm", "sign", "control_mean", "arm_mean"]


def test_a_forest_tells_where_an_interval_goes_on_beyond_its_axis():
    ends = {"difference": [5.0, *19 * [1.0]], "low": [-40.0, *19 * [0.5]],
            "high": [50.0, *19 * [1.5]], "p_holm": [0.5, *19 * [0.01]]}  # fmt: skip
    index = pd.MultiIndex.from_product([["lost"], [f"A{k}" for k in range(20)]])
    table = pd.DataFrame(ends, index=index.set_names(["arm", "area"]))
    axes = figures.forest(table).axes[0]
    low, high = axes.get_xlim()
    assert -40 < low < 0 and 5 < high < 50  # zero and all means, and not the widest interval
    arrows = {line.get_marker(): line for line in axes.lines if line.get_marker() in ("<", ">")}
    assert list(arrows["<"].get_ydata()) == list(arrows[">"].get_ydata()) == [0]
    said = [text.get_text() for text in figures.forest(table).legends[0].get_texts()]
    assert said == ["lost", "p < 0.05 (Holm)", "not"]
    narrow = figures.forest(table, ["A1", "A2"]).axes[0]
    assert not [
        line for line in narrow.lines if line.get_marker() in "<>" and len(line.get_ydata())
    ]
    with pytest.raises(ConfigError, match="no group 'B1'"):
        figures.forest(table, ["A1", "B1"])


def test_arms_are_drawn_side_by_side_as_doses_are(done):
    """Each in the time in which it differs; the control in that of the first."""
    _, result, _, _ = done
    excitatory, inhibitory = figures.doses(result).axes
    assert [each.get_text() for each in excitatory.get_xticklabels()] == list(result.arms)
    for axes, sign in ((excitatory, "E"), (inhibitory, "I")):
        seeds = np.transpose([line.get_ydata() for line in axes.lines[:2]])
        block = result.compare("rate", "sign", arm="block", warn=False).loc["block", sign]
        np.testing.assert_allclose(seeds[2].mean(), block["arm_mean"])
        pulse = result.compare("rate", "sign", arm="pulse", warn=False).loc["pulse", sign]
        np.testing.assert_allclose(seeds[:2].mean(axis=1), pulse[["control_mean", "arm_mean"]])


def test_fields_are_drawn_of_whole_runs(done):
    """A branch has what it has in common with others before it."""
    _, result, _, _ = done
    *arms, spectra = figures.eeg(result, 1).axes
    assert [axes.get_title(loc="left") for axes in arms] == list(result.arms)
    for axes in arms:
        assert len(axes.lines) == 6 and axes.lines[0].get_xdata()[0] < 1.0
        assert axes.lines[0].get_xdata()[-1] > 69.0
    assert not spectra.axison  # 60 ms are too short for them


def test_rates_are_those_of_the_spikes(done):
    made, result, _, _ = done
    run, cells = result.run("pulse", 1), result.neurons(1)
    ids = cells.ids[cells.area == "VISp"]
    spikes = run.table
    late = spikes[(spikes["timestamps"] >= 40.0) & spikes["node_ids"].isin(ids)
                  & (spikes["population"] == "cortex")]  # fmt: skip
    rate = result.table("rate", "area", arm="pulse").loc["VISp", 1]
    assert rate == pytest.approx(len(late) / len(ids) / 0.030)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("by", ["all", "area side"])
def test_every_measure_is_compared(done, measure, by):
    _, result, _, _ = done
    with pytest.warns(FewSeedsWarning):
        table = result.compare(measure, by=by, arm="block")
    assert len(table) == (1 if by == "all" else len(result.neurons(1).by_area))
    assert table["seeds"].between(0, 2).all()


def test_recruitment_is_told_by_seed(done):
    _, result, _, _ = done
    found = result.recruitment("block", "VISp")
    assert set(found) == {1, 2} and "focus.VISp.ratio" in found[1].values


def test_recruitment_looks_at_what_was_before_a_first_discharge(done):
    _, result, _, _ = done
    with patch.object(results, "focus") as focus:
        result.recruitment("pulse", "VISp")
    (spikes, rest, *_), told = focus.call_args
    assert told["since"] == 40.0  # all there is before; 100 ms where there is more
    assert (spikes.duration, rest.duration) == (70.0, 30.0)


def test_pulses_are_what_begins_in_an_arm():
    """Two seconds with pulses at 600, 1000 and 1400 ms; none is looked at in other arms."""
    flashes = [ex.background("background", 5.0, start=at, stop=at + 50.0)
               for at in (600.0, 1000.0, 1400.0)]  # fmt: skip
    fast = [ex.background("background", 5.0, start=at) for at in (600.0, 700.0)]
    early = [ex.background("background", 5.0, start=at) for at in (300.0, 900.0)]
    current = {**PULSE["inputs"]["pulse"], "delay": [600.0, 1000.0, 1400.0]}
    arms = {"flashes": flashes, "fast": fast, "early": early,
            "current": [{"inputs": {"pulse": current}}]}  # fmt: skip
    made = study(arms={"control": [], **arms},
                 seeds=(1,), tstop=1900.0, settle=500.0)  # fmt: skip
    result = results.StudyResult(made, "nowhere")
    result.seeds, neurons = (1,), SimpleNamespace(by_area={"VISp right": [0]})
    spikes = SimpleNamespace(spikes=lambda start, stop: (start, stop))
    with (
        patch.object(result, "run", lambda arm, seed: spikes),
        patch.object(result, "neurons", lambda seed: neurons),
        patch.object(results, "pulse") as pulse,
    ):
        for arm in ("flashes", "current"):
            result.evoked(arm, "VISp")
            (mine, rest, _, pulses, order), told = pulse.call_args
            assert mine == rest == (500.0, 1900.0) and pulses == [100.0, 500.0, 900.0]
            assert told == {"source": "VISp", "side": "right"} and "VISp" not in order
            assert order["VISl"] < order["VISam"]
        short = results.StudyResult(replace(made, tstop=900.0), "nowhere")
        assert short.pulses("flashes") == [] == short.pulses("current")
        assert result.evoked("flashes", "VISp", "left")[1].values == {}  # there is none
        for arm in ("fast", "early", "control"):
            with pytest.raises(ConfigError, match="has no pulses"):
                result.evoked(arm, "VISp")


def test_cells_are_hyperactive_against_the_control_of_their_group():
    """Counts 0 to 99 in the control; nine of ten cells fire at most 89 times."""

    def look(counts):
        ids = np.repeat(np.arange(100), counts)
        return Spikes(np.zeros(len(ids)), ids, 1000.0)

    rest, groups = look(np.arange(100)), {"a": np.arange(100)}
    for counts, share in (
        (np.arange(100), 0.1),
        (np.arange(100) + 20, 0.3),
        (np.zeros(100, int), 0),
    ):
        found = MEASURES["hyperactive"].of(Look(look(counts), rest, groups))
        assert found["a"] == pytest.approx(share)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_time_of_one_ms_has_no_error(measure):
    spikes = Spikes(np.array([0.5, 0.7]), np.array([0, 1]), 1.0)
    groups = {"VISp left": np.arange(3), "VISp right": np.arange(3, 6)}
    assert len(MEASURES[measure].of(Look(spikes, spikes, groups))) == 2


def test_a_study_is_opened_again(done, tmp_path):
    made, result, folder, _ = done
    again = ex.open_study(folder)
    assert again.study.as_json() == made.as_json()
    assert again.table("rate").equals(result.table("rate"))
    with pytest.raises(InputError, match="holds no study"):
        ex.open_study(tmp_path)


@pytest.mark.parametrize(
    "ask",
    [
        {"measure": "rates"}, {"by": "colour"}, {"arm": "nobody"}, {"start": 70.0}, {"stop": 100.0},
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(done, ask):
    with pytest.raises(ConfigError):
        done[1].compare(**{"measure": "rate", "by": "area", "warn": False, **ask})
