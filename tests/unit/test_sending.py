"""Pages, reports and files that are sent do not say where anything lies on the author's machine."""

import base64
import json
import re
import zlib
from pathlib import Path

import pytest
from viewer_run import cortex_session, driven_cells

from isocortex.errors import InputError
from isocortex.export.contents import facts_of
from isocortex.html_report import report_page
from isocortex.report.results import Result
from isocortex.report.sending import sendable
from isocortex.viewer.export import page
from isocortex.viewer.session import Session, open_session


def held(html: str) -> str:
    """All of a page: what is compressed in it too."""
    blocks = re.findall(r'id="block:(.*?)">(.*?)<', html)
    opened = [zlib.decompress(base64.b64decode(text)).decode("latin-1") for _, text in blocks]
    return html + "".join(opened)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mine") / "own" / "circuit"


@pytest.fixture(scope="module")
def result(place):
    """A run whose configuration names a file by its whole path."""
    place.mkdir(parents=True)
    result = driven_cells(place)
    provenance = place / "output" / "provenance.json"
    told = json.loads(provenance.read_text())
    config = json.loads(told["config_text"])
    config["inputs"]["noise"]["input_file"] = str(place / "spikes.h5")
    provenance.write_text(json.dumps(told | {"config_text": json.dumps(config)}))
    return Result(result.directory)


@pytest.mark.parametrize("kind", ["a run", "of a recipe", "no configuration"])
def test_exported_pages_name_no_folder_around_the_circuit(kind, result, place, tmp_path):
    session = cortex_session(tmp_path) if kind == "of a recipe" else Session(result)
    if kind == "no configuration":
        session = Session(result)
        session.config = session.simulation = None
    try:
        text = held(page(session))
    except InputError as error:
        pytest.skip(error.message)
    assert str(place.parent) not in text and str(tmp_path) not in text
    assert str(Path.home()) + "/" not in text


def test_a_page_of_a_circuit_that_was_not_run_names_none_either(tmp_path):
    (cortex_session(tmp_path).result.directory / "provenance.json").unlink()
    for file in (tmp_path / "output").iterdir():
        file.unlink()
    try:
        assert str(tmp_path) not in held(page(open_session(tmp_path)))
    except InputError as error:
        pytest.skip(error.message)


def test_reports_name_none(result, place, tmp_path):
    text = report_page(result)
    assert str(place.parent) not in text
    assert "circuit/output" in text and "circuit/simulation.json" in text
    # nor where the circuit is gone
    config = place / "simulation.json"
    config.rename(tmp_path / "elsewhere.json")
    try:
        assert str(place.parent) not in report_page(result)
    finally:
        (tmp_path / "elsewhere.json").rename(config)


def test_what_other_tools_are_told_names_none(result, place):
    facts = facts_of(result)
    assert str(place.parent) not in facts.description + facts.provenance
    assert "circuit/simulation.json" in facts.description
    assert json.loads(facts.provenance)["seed"] == result.provenance["seed"]


def test_what_lies_beside_keeps_the_rest_of_its_path(tmp_path):
    folder = tmp_path / "own"
    value = {"a": [f"{folder}/x.h5", 1, None], "b": f"{tmp_path}/other/y.h5 and {folder}/z"}
    told = sendable(value, folder / "simulation.json")
    assert told == {"a": ["own/x.h5", 1, None], "b": "other/y.h5 and own/z"}
    assert sendable(f"{Path.home()}/models", folder) == "~/models"
    assert sendable("/one.json", Path("/one.json")) == "/one.json"


def test_only_whole_paths_are_shortened(monkeypatch):
    file = Path("/data/v1/simulation.json")
    for other in ("$BASE/data/a.h5", "./data/a.h5", "/mnt/data/a.h5", "https://a.org/data/v1"):
        assert sendable(other, file) == other
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    told = sendable("/home/me/own/v1/a /home/me/b", Path("/home/me/own/v1/simulation.json"))
    assert told == "v1/a ~/b"
    assert sendable("/home/me/a", Path("/home/me/simulation.json")) == "~/a"
    monkeypatch.setenv("HOME", "/")
    assert sendable("https://a.org", file) == "https://a.org"
