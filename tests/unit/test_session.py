"""A session in pieces is one run; observers see all of it, and finish however it ends."""

import io

import numpy as np
import pandas as pd
import pytest
from library_circuit import clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError
from isocortex.session.loop import Watching
from isocortex.session.progress import Line

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


@pytest.mark.parametrize("duration", [0.01, 1000.0])
def test_a_session_cannot_go_where_no_inputs_are(driven, duration):
    with ic.open_session(driven) as session, pytest.raises(ConfigError, match="step|ends at"):
        session.advance(duration)


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
