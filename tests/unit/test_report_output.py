import json
import logging
from pathlib import Path

import numpy as np
import pytest

from isocortex.errors import ConfigError, InputError, SimulationError
from isocortex.report import (
    MembraneReport,
    Result,
    SpikeWriter,
    log_to,
    prepare_output,
    provenance,
    write_provenance,
)


def test_prepare_makes_the_folder_and_returns_paths(tmp_path):
    paths = prepare_output(tmp_path / "a" / "b", False, ["spikes.h5", "deep/v.h5"])
    assert paths == [tmp_path / "a/b/spikes.h5", tmp_path / "a/b/deep/v.h5"]
    assert all(path.parent.is_dir() for path in paths)


def test_results_are_not_overwritten_unless_asked(tmp_path):
    (tmp_path / "spikes.h5").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"spikes\.h5.*overwrite_output_dir"):
        prepare_output(tmp_path, False, ["spikes.h5", "v.h5"])
    assert (tmp_path / "spikes.h5").read_text() == "old"
    prepare_output(tmp_path, True, ["spikes.h5", "v.h5"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "output").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        prepare_output(tmp_path / "output", True, ["spikes.h5"])
    with pytest.raises(SimulationError, match="output folder"):
        prepare_output(tmp_path / "output" / "deeper", True, ["spikes.h5"])


@pytest.mark.parametrize("name", ["spikes.h5", "a/../spikes.h5", "provenance.json"])
def test_two_outputs_may_not_be_one_file(tmp_path, name):
    with pytest.raises(ConfigError, match="named for two outputs of the run.*of its own"):
        prepare_output(tmp_path, True, ["spikes.h5", name])
    assert not list(tmp_path.iterdir())


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(SimulationError, match="File name too long. Choose another"):
        prepare_output(tmp_path, True, ["x" * 300])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_on_a_full_disk_is_one_warning(caplog, capsys):
    with log_to("/dev/full") as logger:
        logger.info("running")
        logger.info("still running")
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "/dev/full: the log is not whole: No space left on device"
    ]
    assert "Traceback" not in capsys.readouterr().err


def test_log_file(tmp_path):
    with log_to(tmp_path / "log.txt"):
        logging.getLogger("isocortex.engine").info("running")
    logging.getLogger("isocortex").warning("afterwards")
    assert (tmp_path / "log.txt").read_text().endswith("[INFO] running\n")


def test_provenance(tmp_path):
    facts = provenance({"a": 1, "b": 2}, seed=4, threads=2, citations=["Gouwens2018"])
    assert facts["config_sha256"] == provenance({"b": 2, "a": 1})["config_sha256"]
    assert facts["config_sha256"] != provenance({"a": 1, "b": 3})["config_sha256"]
    assert facts["machine"]["threads"] == 2
    assert {"python", "numpy", "h5py"} <= set(facts["versions"])
    assert json.loads(write_provenance(tmp_path, facts).read_text()) == facts


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "output"
    prepare_output(out, False, [])
    run = {"tstop": 200.0, "dt": 0.1, "populations": {"v1": [[0, 4]]}}
    write_provenance(out, provenance({}, run=run))
    with SpikeWriter(out / "spikes.h5", ["v1", "lgn"], "by_time") as spikes:
        spikes.append("v1", [1, 1, 3], [10.0, 20.0, 15.0])
    times = {"start": 0.0, "stop": 200.0, "dt": 0.1, "n_samples": 2000}
    elements = {"element_ids": [3, 0, 0], "element_pos": [0.25, 0.5, 0.5]}
    cells = {"node_ids": [1, 3], "index_pointer": [0, 2, 3]}
    with MembraneReport(out / "v.h5", "v1", "v", "mV", **cells, **elements, **times) as report:
        report.append(np.arange(6000.0).reshape(2000, 3))
    return out


def test_result_spikes_and_rates(folder):
    result = Result(folder)
    assert result.spikes["timestamps"].tolist() == [10.0, 15.0, 20.0]
    assert result.spikes["population"].unique().tolist() == ["v1"]
    rates = result.rates()
    assert rates["spikes"].tolist() == [0, 2, 0, 1]
    assert rates["rate_hz"].tolist() == [0.0, 10.0, 0.0, 5.0]
    assert "3 spikes" in repr(result)
    assert "v1: 4 cells, 3 spikes, mean 3.75 Hz, 2 silent" in result.summary


def test_a_killed_run_lasted_as_long_as_what_it_wrote(folder):
    assert Result(folder).unfinished
    facts = json.loads((folder / "provenance.json").read_text())
    facts["run"]["tstop"] = 1000.0
    write_provenance(folder, facts)
    assert Result(folder).duration == 200.0
    assert "killed" in Result(folder).summary
    (folder / "v.h5").unlink()
    assert Result(folder).duration == 20.0


def test_a_killed_run_lasted_as_long_as_its_spikes_say(folder):
    """Rates of a run that was killed were over the time of its last spike."""
    with SpikeWriter(folder / "spikes.h5", ["v1"], "by_time") as spikes:
        spikes.append("v1", [1, 1, 3], [10.0, 20.0, 15.0])
        spikes.reach(50.0)
    result = Result(folder)
    assert result.duration == 50.0  # its report, of 200 ms, may have come further
    assert result.rates()["rate_hz"].tolist() == [0.0, 40.0, 0.0, 20.0]


def test_result_report_is_lazy_and_labelled(folder):
    data = Result(folder).report("v")
    assert data.dims == ("time", "element")
    assert data.attrs == {"variable": "v", "units": "mV", "population": "v1"}
    assert not data.variable._in_memory
    assert data["node_id"].values.tolist() == [1, 1, 3]
    assert data["time"].values[[0, -1]] == pytest.approx([0.1, 200.0])
    assert data.sel(time=0.2, method="nearest").values.tolist() == [3.0, 4.0, 5.0]
    assert data[-5::2, [2, 0]].values.tolist() == [[5987, 5985], [5993, 5991], [5999, 5997]]


def test_result_voltage_is_the_somas(folder):
    result = Result(folder)
    assert result.voltage(1).values[:3].tolist() == [1.0, 4.0, 7.0]
    assert result.voltage(3, "v1").values[:2].tolist() == [2.0, 5.0]
    with pytest.raises(InputError, match="membrane_report"):
        result.voltage(2)
    with pytest.raises(InputError, match="There are: v"):
        result.report("cai")


def test_result_from_a_configuration(folder):
    config = folder.parent / "simulation.json"
    manifest = {"$OUT": "$BASE/output", "$BASE": "."}
    config.write_text(json.dumps({"manifest": manifest, "output": {"output_dir": "$OUT"}}))
    assert len(Result(config).spikes) == 3


def test_result_of_nothing(tmp_path):
    with pytest.raises(InputError, match="no SONATA"):
        Result(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        Result(tmp_path / "absent")


def test_result_without_any_spike(tmp_path):
    with SpikeWriter(tmp_path / "spikes.h5", ["v1"]):
        pass
    result = Result(tmp_path)
    assert len(result.spikes) == 0
    assert list(result.spikes) == ["timestamps", "node_ids", "population"]
    assert len(result.rates()) == 0
