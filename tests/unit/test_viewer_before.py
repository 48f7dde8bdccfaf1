"""A circuit is looked at before it was run; when the run begins, it is taken up."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner
from viewer_run import driven_cells, write_run

from isocortex.cli.commands import app
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.errors import InputError
from isocortex.report.results import Result
from isocortex.viewer.pack import unpack
from isocortex.viewer.session import Session, open_session


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The configuration of a cortex of 900 neurons."""
    return build_cortex(
        tmp_path_factory.mktemp("cortex"), CortexModel.make(Recipe(scale=0.0001)), tstop=300.0
    )


@pytest.mark.parametrize("how", ["folder", "configuration"])
def test_a_built_circuit_shows_places_columns_branches_and_synapses(built, how):
    session = open_session(built.parent if how == "folder" else built)
    assert session.awaits and len(session.scene) == 900 and session.duration == 300.0
    status = session.status()
    assert status["awaits"] and not status["running"] and status["chunks"] == []
    assert status["reached"] == 0.0
    head, _ = unpack(session.get("scene"))
    assert head["recorded"] == [] and head["branched"]
    assert head["simulator"].startswith("Isocortex ") and head["seed"] == 1
    _, arrays = unpack(session.get("neuron/3"))
    assert len(arrays["start"]) > 10
    if how == "folder":
        head, arrays = unpack(session.get("synapses/3"))
        assert head["synapses"] > 10 and len(arrays["compartment"]) == head["synapses"]
        assert set(unpack(session.get("slab/0"))[0]["borders"]) >= {"L1", "L5"}


def test_program_and_seed_are_ours_only_of_runs_yet_to_be_made(tmp_path):
    result = driven_cells(tmp_path)
    head, _ = unpack(Session(result).get("scene"))
    assert head["simulator"].startswith("Isocortex") and head["seed"] == result.provenance["seed"]
    (result.directory / "provenance.json").unlink()
    head, _ = unpack(Session(Result(result.directory), tmp_path / "simulation.json").get("scene"))
    assert (head["simulator"], head["seed"]) == ("", None)


def test_when_the_run_begins_its_spikes_and_recordings_are_taken_up(tmp_path):
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.0001)), tstop=300.0)
    session = open_session(tmp_path)
    assert session.status()["awaits"]
    write_run(tmp_path / "output", config, [3, 4], [1.0, 2.0], 900, duration=300.0)
    status = session.status()
    assert not status["awaits"] and sum(status["chunks"]) == 2
    assert session.feed.all().time.tolist() == [1.0, 2.0]
    # and whoever opens the folder now sees the run
    assert not open_session(tmp_path).awaits


def test_files_of_a_run_that_are_just_being_made_are_looked_at_again(tmp_path):
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.0001)), tstop=300.0)
    session = open_session(tmp_path)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "spikes.h5").write_bytes(b"")
    assert session.status()["awaits"]
    (tmp_path / "output" / "spikes.h5").unlink()
    (tmp_path / "output" / "provenance.json").write_text('{"run": {"tst')
    assert session.status()["awaits"]
    write_run(tmp_path / "output", config, [3], [1.0], 900, duration=300.0)
    assert sum(session.status()["chunks"]) == 1


def test_a_folder_with_neither_run_nor_circuit_is_still_refused(tmp_path):
    with pytest.raises(InputError, match="holds no SONATA"):
        open_session(tmp_path)


def test_the_page_of_a_circuit_that_was_not_run_is_written(built, tmp_path):
    said = CliRunner().invoke(
        app, ["view", str(built.parent), "--export", str(tmp_path / "page.html")]
    )
    assert said.exit_code == 0, said.output
    assert (tmp_path / "page.html").stat().st_size > 100_000


def test_facets_tell_whether_a_query_can_name_their_values(built):
    head, _ = unpack(open_session(built).get("scene"))
    assert all(facet["exact"] for facet in head["facets"])
    titles = {v["name"]: v["title"] for f in head["facets"] for v in f["values"]}
    assert "neither Pvalb nor Sst nor Vip" in titles["Inh"]
    assert json.dumps(head) and np.isfinite(head["places"]["step"])
