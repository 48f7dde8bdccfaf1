"""A session in pieces is one run; observers see all of it, and finish however it ends."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from library_circuit import clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError
from isocortex.session.loop import Watching
from isocortex.session.progress import Line
from isocortex.sonata.config import load_simulation

ROOT = Path(__file__).parents[2]
EDGES = [(0, 0, 40), (1, 1, 40)]


@pytest.fixture
def driven(tmp_path):
    """Two cells that spike and drive each other, 40 ms."""
    return write_library_circuit(
        tmp_path / "c", edges=EDGES, recurrent=[(0, 1, 20), (1, 0, 20)],
        inputs={"drive": poisson(), "clamp": clamp(0.5)}, run={"tstop": 40.0, "dt": 0.1},
        reports={"whole": report("v", "all")},
    )  # fmt: skip


def test_pieces_of_any_length_are_one_run(driven):
    """Also pieces that end within a window, to the last bit."""
    result = ic.run(driven, threads=2)
    assert len(result.spikes) > 2
    whole = ic.open_session(driven, threads=2)
    trace = whole.record("v", sections="all")
    whole.advance()
    with ic.open_session(driven, threads=1) as session:
        pieces = session.record("v", sections="all")
        for duration in (0.1, 0.3, 12.7, 0.2, 6.4, 10.0):
            session.advance(duration)
        session.advance()
        pd.testing.assert_frame_equal(session.spikes, whole.spikes)
        pd.testing.assert_frame_equal(session.spikes, result.spikes)
        np.testing.assert_array_equal(pieces.data.values, trace.data.values)
        np.testing.assert_array_equal(
            pieces.data.values.astype(np.float32), result.report("whole").values
        )
        assert session.voltage(1) == pieces.data.values[-1][pieces.data["node_id"] == 1][0]
        assert session.time == 40.0


def test_a_session_writes_nothing_unless_asked(driven, tmp_path):
    with ic.open_session(driven) as session:
        session.advance(1.0)
    assert not (driven.parent / "output").exists()
    with ic.open_session(driven, output_dir=tmp_path / "mine") as session:
        session.advance(30.0)
        seen = session.spikes
    result = ic.Result(tmp_path / "mine")
    assert result.provenance["run"]["reached"] == result.duration == 30.0
    assert len(seen) <= len(result.spikes) <= len(seen) + 2


def test_recording_begins_when_it_is_asked_for(driven):
    with ic.open_session(driven) as session:
        session.advance(5.0)
        late = session.record("v", [1])
        session.advance(1.0)
        np.testing.assert_allclose(late.data["time"], 5.1 + 0.1 * np.arange(10))
        assert late.data["node_id"].values.tolist() == [1]


def test_a_session_cannot_go_where_no_inputs_are(driven):
    with ic.open_session(driven) as session, pytest.raises(ConfigError, match="ends at"):
        session.advance(1000.0)


def test_unknown_cells_are_named(driven):
    with ic.open_session(driven) as session:
        with pytest.raises(ConfigError, match="no biophysical node 7"):
            session.voltage(7)
        with pytest.raises(ConfigError, match="no cells in 'drive'"):
            session.record("v", population="drive")


class Witness(Watching):
    def __init__(self, name, said, fails=()):
        self.name, self.said, self.fails = name, said, fails

    def _say(self, what):
        self.said.append(f"{self.name} {what}")
        if what.split()[0] in self.fails:
            raise RuntimeError(self.name)

    def start(self, run):
        self._say("start")

    def after(self, run, piece):
        self._say("after")

    def finish(self, run, complete):
        self._say(f"finish {complete}")


def test_observers_start_in_order_and_finish_in_reverse(driven):
    said = []
    with ic.open_session(driven, tstop=1.0) as session:
        for name in "ab":
            session.run.observe(Witness(name, said))
        session.advance()
    assert said == ["a start", "b start", "a after", "b after", "b finish True", "a finish True"]


@pytest.mark.parametrize("moment", ["after", "finish"])
def test_all_observers_finish_whatever_one_of_them_raises(driven, moment):
    said = []
    with pytest.raises(RuntimeError), ic.open_session(driven, tstop=1.0) as session:
        session.run.observe(Witness("a", said))
        session.run.observe(Witness("b", said, (moment,)))
        session.advance()
    assert [line.split()[:2] for line in said[-2:]] == [["b", "finish"], ["a", "finish"]]
    assert said[-2].endswith("False" if moment == "after" else "True")


def test_a_line_appears_after_two_seconds_and_leaves_nothing_behind(driven):
    seconds, stream = iter([0.0, 1.0, 4.0]), io.StringIO()
    line = Line(stream, lambda: next(seconds))
    with ic.open_session(driven) as session:
        session.run.observe(line)
        session.run.advance_to(100)
        assert stream.getvalue() == ""
        session.run._piece = 100
        session.run.advance_to(200)
        assert "20 of 40 ms" in stream.getvalue() and "4 s to go" in stream.getvalue()
    assert stream.getvalue().endswith("\r")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_state_goes_on_in_another_session(driven, threads):
    """Spikes and voltages after it are those of a session that was never interrupted."""
    with ic.open_session(driven, threads=2) as first:
        first.advance(20.0)
        state, before = first.state(), len(first.spikes)
        first.advance()
        with ic.open_session(driven, threads=threads) as second:
            second.restore(state)
            assert second.time == 20.0
            second.advance()
            late = first.spikes.iloc[before:].reset_index(drop=True)
            assert len(late) > 0
            pd.testing.assert_frame_equal(second.spikes, late)
            assert second.voltage(0) == first.voltage(0)


def test_a_restored_session_forgets_what_comes_later_and_labels_what_it_records(driven):
    """Backwards what is later is cut away; forwards there is a gap; both with their own times."""
    with ic.open_session(driven) as whole:
        expected = whole.record("v")
        whole.advance()
    with ic.open_session(driven) as session:
        trace = session.record("v")
        session.advance(10.0)
        early = session.state()
        session.advance(20.0)
        late = session.state()
        session.restore(early)
        assert session.time == 10.0
        assert (session.spikes["timestamps"] <= 10.0).all()
        assert session.run.n_spikes == len(session.spikes)
        np.testing.assert_array_equal(trace.data, expected.data[:100])
        session.advance()
        pd.testing.assert_frame_equal(session.spikes, whole.spikes)
        np.testing.assert_array_equal(trace.data, expected.data)
        np.testing.assert_array_equal(trace.data["time"], expected.data["time"])
    with ic.open_session(driven) as other:
        trace = other.record("v")
        other.advance(1.0)
        other.restore(late)
        other.advance(0.2)
        times = [*(0.1 * np.arange(1, 11)), 30.1, 30.2]
        np.testing.assert_allclose(trace.data["time"], times)
        steps = np.round(10 * np.array(times)).astype(int) - 1
        np.testing.assert_array_equal(trace.data, expected.data[steps])


def test_a_progress_line_survives_going_back(driven):
    line = Line(io.StringIO(), iter(np.arange(0.0, 300.0, 3.0)).__next__)
    with ic.open_session(driven) as session:
        session.run.observe(line)
        start = session.state()
        session.advance(5.0)
        session.restore(start)
        session.advance(5.0)
    assert "5 of 40 ms" in line.stream.getvalue()


def test_files_are_written_in_order_of_time(driven, tmp_path):
    """A state of 20 ms filled the reports of a session that writes, labelled from 0.1 ms on."""
    with ic.open_session(driven) as session:
        session.advance(20.0)
        state = session.state()
    with ic.open_session(driven, output_dir=tmp_path / "mine") as session:
        with pytest.raises(ConfigError, match="in order of time"):
            session.restore(state)
        assert session.time == 0.0


@pytest.mark.parametrize(
    ("what", "options"),
    [("time step: 0.1 ms, here 0.05 ms", {"dt": 0.05}),
     ("integrator: backward-euler, here crank-nicolson", {"integrator": "crank-nicolson"})],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_state_of_other_numerics_is_refused(driven, what, options, engine):
    with ic.open_session(driven, tstop=1.0) as session:
        session.advance()
        state = session.state()
    with ic.open_session(driven, tstop=1.0, engine=engine, **options) as session:
        with pytest.raises(ConfigError, match=what):
            session.restore(state)
        assert session.time == 0.0


@pytest.mark.parametrize(
    ("what", "circuit"),
    [("other synapses: 120", {"recurrent": [(0, 1, 20), (1, 0, 21)]}),
     ("other synapses: 120", {"recurrent": [(0, 1, 21), (1, 0, 19)]}),
     ("other cells", {"cells": 3, "recurrent": [(0, 1, 20), (1, 0, 20)]})],
)  # fmt: skip
def test_a_state_of_another_circuit_is_refused(driven, tmp_path, what, circuit):
    """Other synapses were taken without a word, another size ended in NumPy."""
    with ic.open_session(driven, tstop=1.0) as session:
        session.advance()
        state = session.state()
    other = write_library_circuit(
        tmp_path / "other", edges=EDGES, inputs={"drive": poisson(), "clamp": clamp(0.5)},
        run={"tstop": 40.0, "dt": 0.1}, **circuit,
    )  # fmt: skip
    for engine in ("fast", "reference"):
        with ic.open_session(other, tstop=1.0, engine=engine) as session:
            with pytest.raises(ConfigError, match=what):
                session.restore(state)


def test_other_weights_are_another_circuit(driven):
    simulation = load_simulation(driven)
    with ic.open_session(simulation) as session:
        state = session.state()
    circuit = simulation.circuit
    heavier = [replace(p, weight=2.0 * p.weight) for p in circuit.projections]
    changed = replace(simulation, circuit=replace(circuit, projections=heavier))
    with ic.open_session(changed) as session, pytest.raises(ConfigError, match="other synapses"):
        session.restore(state)


def test_a_state_after_the_end_of_a_session_is_refused(driven):
    with ic.open_session(driven) as session:
        session.advance(20.0)
        state = session.state()
    with ic.open_session(driven, tstop=10.0) as session:
        with pytest.raises(ConfigError, match=r"state is of 20 ms, the session ends at 10 ms"):
            session.restore(state)


@pytest.mark.parametrize("duration", [0.25, 0.04, 0.0, -1.0, np.nan, np.inf])
def test_time_goes_on_by_whole_steps(driven, duration):
    """Twice 0.25 ms were 0.4 ms at a step of 0.1 ms."""
    with ic.open_session(driven) as session:
        with pytest.raises(ConfigError, match=r"no multiple of the time step, 0\.1 ms"):
            session.advance(duration)
        assert session.time == 0.0


def test_a_closed_session_can_be_looked_at_and_goes_nowhere(driven, tmp_path):
    for folder in (None, tmp_path / "mine"):
        with ic.open_session(driven, output_dir=folder) as session:
            state = session.state()
            session.advance(5.0)
        session.close()
        assert session.time == 5.0
        assert len(session.spikes) >= 0
        assert np.isfinite(session.voltage(0))
        for act, given in (
            (session.advance, ()),
            (session.record, ()),
            (session.restore, (state,)),
        ):
            with pytest.raises(ConfigError, match="was closed"):
                act(*given)


@pytest.mark.parametrize(
    ("times", "message"),
    [({"dt": 0}, r"run\.dt: input should be greater than 0, found 0"),
     ({"tstop": 0}, r"run\.tstop: .*greater than 0"), ({"dt": -0.1}, r"run\.dt"),
     ({"tstop": -5}, r"run\.tstop"), ({"dt": 1000}, "shorter than one step"),
     ({"dt": np.nan}, r"run\.dt"), ({"tstop": np.inf}, r"run\.tstop"),
     ({"tstop": 41.0}, "loaded for 40 ms")],
)  # fmt: skip
def test_times_of_a_loaded_simulation_are_checked_as_those_of_a_file(driven, times, message):
    """0 was ignored, the others led to errors of NumPy or to none."""
    with pytest.raises(ConfigError, match=message):
        ic.open_session(load_simulation(driven), **times)
    if times != {"tstop": 41.0}:  # of a file inputs are read for as long as they are asked for
        with pytest.raises(ConfigError, match=message):
            ic.open_session(driven, **times)


def snippets(file):
    """Python blocks of a document that hold sessions."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.S)
    return [block for block in blocks if "open_session" in block]


def test_what_is_documented_of_sessions_runs(driven, monkeypatch, capsys):
    driven.rename(driven.with_name("simulation_config.json"))
    monkeypatch.chdir(driven.parent)
    names = {}
    for block in snippets("docs/running.md"):
        exec(block, names)
    said = capsys.readouterr().out
    assert names["session"].time == 5.0
    assert names["another"].time == 6.0
    assert "timestamps" in said
    assert said.endswith("6.0\n")
    assert len(names["trace"].data) == 50


def test_the_session_of_the_front_page_runs(driven, monkeypatch):
    driven.rename(driven.with_name("simulation_config.json"))
    monkeypatch.chdir(driven.parent)
    (block,) = snippets("README.md")
    block = block.replace("50.0", "5.0")
    names = {"ic": ic}
    exec(block, names)
    assert names["state"].step == 50
