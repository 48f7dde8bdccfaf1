"""No spike is lost or doubled on its way to the browser, whether the run is over or not."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from library_circuit import clamp, write_library_circuit
from viewer_run import cortex_session

from isocortex.circuit import NodePopulation
from isocortex.report.results import Result
from isocortex.report.spikes import SpikeWriter
from isocortex.viewer import feed
from isocortex.viewer.feed import SpikeFeed
from isocortex.viewer.scene import make_scene
from isocortex.viewer.session import open_session

N = 50


@pytest.fixture
def scene(tmp_path):
    table = {"x": np.arange(N), "y": np.zeros(N), "z": np.zeros(N)}
    return make_scene({"cells": NodePopulation("cells", np.arange(N), table, tmp_path)})


def pairs(spikes: SpikeFeed, scene) -> list[tuple[int, float]]:
    """(node, time) of all chunks, as sent."""
    found = []
    for chunk in spikes.chunks:
        block = chunk.bytes()
        times = np.frombuffer(block, "<f4", len(block) // 8)
        neurons = np.frombuffer(block, "<u4", len(block) // 8, 4 * len(times))
        assert (np.diff(times) >= 0).all()
        found += zip(scene.node_id[neurons].tolist(), np.round(times, 3).tolist(), strict=True)
    return sorted(found)


def invented(count, first=0.0, seed=1):
    random = np.random.default_rng(seed)
    return random.integers(0, N, count), np.round(
        first + np.sort(random.uniform(0.1, 99, count)), 1
    )


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 100])
def test_chunks_lose_and_double_nothing(tmp_path, scene, monkeypatch, count):
    monkeypatch.setattr(feed, "CHUNK", 7)
    ids, times = invented(count)
    with SpikeWriter(tmp_path / "spikes.h5", ["cells"]) as writer:
        writer.append("cells", ids, times)
    spikes = SpikeFeed([tmp_path / "spikes.h5"], scene)
    spikes.update()
    assert [len(c.time) for c in spikes.chunks] == [7] * (count // 7) + [count % 7] * (
        count % 7 > 0
    )
    expected = sorted(zip(ids.tolist(), np.float32(times).round(3).tolist(), strict=True))
    assert pairs(spikes, scene) == expected
    assert spikes.status()["running"] is False


def test_spikes_of_neurons_that_are_not_shown_are_counted(tmp_path, scene):
    with SpikeWriter(tmp_path / "spikes.h5", ["cells", "other"]) as writer:
        writer.append("cells", [1, 2], [1.0, 2.0])
        writer.append("other", [0], [3.0])
    spikes = SpikeFeed([tmp_path / "spikes.h5"], scene)
    spikes.update()
    assert len(pairs(spikes, scene)) == 2 and spikes.strangers == 1


WRITER = """
import sys, time
import numpy as np
from isocortex.report.spikes import SpikeWriter
writer = SpikeWriter(sys.argv[1], ["cells"], flush_interval=0.0)
for k in range(5):
    writer.append("cells", np.arange(k, k + 10), np.linspace(10 * k + 1, 10 * k + 9, 10)[::-1])
    writer.reach(10.0 * k + 10)
    print("flushed", flush=True)
    sys.stdin.readline()
writer.close()
print("closed", flush=True)
"""


def test_a_file_that_another_process_writes_is_read_as_it_grows(tmp_path, scene):
    file = tmp_path / "spikes.h5"
    command = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "flushed\n"
        spikes = SpikeFeed([file], scene)
        spikes.update()
        epoch, counts = spikes.epoch, [len(pairs(spikes, scene))]
        assert spikes.running
        for _ in range(4):
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "flushed\n"
            spikes.update()
            counts.append(len(pairs(spikes, scene)))
        assert counts == [10, 20, 30, 40, 50] and spikes.epoch == epoch
        as_they_came = pairs(spikes, scene)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "closed\n"
    spikes.update()
    assert not spikes.running and spikes.epoch > epoch  # the reader starts afresh
    assert pairs(spikes, scene) == as_they_came
    chunks = spikes.chunks
    spikes.update()
    assert spikes.chunks is chunks


def test_mistakes_of_the_code_are_not_blamed_on_the_file(tmp_path, scene, monkeypatch):
    with SpikeWriter(tmp_path / "spikes.h5", ["cells"]) as writer:
        writer.append("cells", *invented(3))

    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(type(scene), "index_of", broken)
    with pytest.raises(KeyError, match="a bug"):
        SpikeFeed([tmp_path / "spikes.h5"], scene).update()


def test_numbers_that_are_not_on_disk_yet_are_left_for_the_next_look(tmp_path):
    with h5py.File(tmp_path / "torn.h5", "w") as file:
        file["times"], file["ids"] = [1.0, 2.0, 0.0, 0.0], [3, 4, 0, 0]
        group = {"timestamps": file["times"], "node_ids": file["ids"]}
        times, ids = feed._new_spikes(group, 1, tolerant=True)
        assert times.tolist() == [2.0] and ids.tolist() == [4]
        assert len(feed._new_spikes(group, 0, tolerant=False)[0]) == 4


#: A run that waits after each stretch until it has been looked at. A second passes whenever the
#: writer looks at its clock, so that all spikes are on disk by then.
RUN = """
import itertools, sys, types, isocortex
from isocortex.report import spikes
spikes.time = types.SimpleNamespace(monotonic=itertools.count().__next__)

def wait(*_):
    print("look", flush=True)
    sys.stdin.readline()

isocortex.run(sys.argv[1], threads=1, progress=wait)
"""


def test_a_simulation_is_watched_while_it_runs(tmp_path):
    step = clamp(0.2, range(4), duration=1e6)
    config = write_library_circuit(
        tmp_path, cells=4, inputs={"step": step}, run={"tstop": 1000.0, "dt": 0.025}
    )
    command = [sys.executable, "-c", RUN, str(config)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        seen, running, watched = [], [], None
        for _ in process.stdout:
            watched = watched or open_session(config)
            status = watched.status()
            seen.append(sum(status["chunks"]))
            running.append(status["running"])
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.wait() == 0
    # it grew before our eyes: stretches are 4 times as long as the one before at most
    assert len(set(seen)) > 2 and seen == sorted(seen) and all(running)
    status = watched.status()
    truth = Result(tmp_path / "output").spikes
    assert not status["running"] and sum(status["chunks"]) == len(truth)
    everything = watched.feed.all()
    assert np.allclose(np.sort(everything.time), np.sort(truth["timestamps"]), atol=2e-3)


def test_a_finished_run_tells_its_length(tmp_path):
    session = cortex_session(tmp_path, spikes=20)
    status = session.status()
    assert status["reached"] == status["duration"] == 500.0 and status["chunks"] == [20]
