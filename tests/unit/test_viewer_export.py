"""The exported page holds all it shows: no server, no network."""

import base64
import json
import re
import sys
import zlib

import numpy as np
import pytest
from command_line import isocortex, one_line
from viewer_run import SPIKES, cortex_session, driven_cells

import isocortex as ic
from isocortex.errors import ConfigError, InputError
from isocortex.viewer import bundle, export
from isocortex.viewer.pack import unpack
from isocortex.viewer.session import Session


@pytest.fixture(scope="module")
def built():
    try:
        return bundle.read_bundle()
    except InputError as error:
        pytest.skip(f"the page was not built: {error.message}")


def blocks(html: str) -> dict[str, bytes]:
    found = re.findall(r'<script type="application/octet-stream" id="block:(.*?)">(.*?)<', html)
    return {name: zlib.decompress(base64.b64decode(text)) for name, text in found}


def test_the_page_holds_every_neuron_and_spike(built, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 1000)
    session = cortex_session(tmp_path)
    held = blocks(export.page(session))
    (head, arrays), (served, there) = unpack(held["scene"]), unpack(session.get("scene"))
    assert all(np.array_equal(arrays[name], there[name]) for name in there)
    away = {"folder", "config"}  # where files lie is told to nobody
    assert {k: v for k, v in head.items() if k not in away} == {
        k: v for k, v in served.items() if k not in away
    }
    assert all(held[f"slab/{k}"] == session.get(f"slab/{k}") for k in range(43))
    assert held["strata/0"] == session.get("strata/0") and "somas/0" not in held
    status = json.loads(held["status"])
    assert status["running"] is False and sum(status["chunks"]) == SPIKES
    times = np.concatenate(
        [np.frombuffer(held[f"spikes/1/{k}"], "<f4", n) for k, n in enumerate(status["chunks"])]
    )
    assert len(times) == SPIKES and (np.diff(times) >= 0).all()


def test_recorded_neurons_come_with_synapses(built, tmp_path):
    session = Session(driven_cells(tmp_path))
    held = blocks(export.page(session))
    number = session.recorded[0]
    head, arrays = unpack(held[f"synapses/{number}"])
    assert head["synapses"] == 6 and len(arrays["time"])
    assert unpack(held[f"neuron/{number}"])[0]["model"] == "485836906"


def test_the_page_names_no_other_place(built, tmp_path):
    html = export.page(cortex_session(tmp_path))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', html)[1]
    assert policy.startswith("default-src 'none'") and "connect-src" not in policy
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "MIT" in html and "three.js authors" in html  # licences travel with the code


def test_a_page_too_large_for_a_browser_is_refused(tmp_path, monkeypatch, built):
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    with pytest.raises(ConfigError, match="isocortex view RESULTS"):
        export.page(cortex_session(tmp_path))


def test_without_widgets_a_notebook_shows_the_page_in_a_frame(built, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    result = driven_cells(tmp_path)
    shown = ic.view(result)._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and 'sandbox="allow-scripts"' in shown
    assert shown.count("<") == 2  # everything else is escaped


def test_from_the_command_line(built, tmp_path):
    cortex_session(tmp_path)
    status, printed, error = isocortex(
        "view", tmp_path / "output", "--export", tmp_path / "out" / "page.html"
    )
    assert status == 0, error
    assert (tmp_path / "out" / "page.html").stat().st_size > 500_000 and "page.html" in printed


def test_without_the_page_one_line_says_what_to_do(tmp_path, monkeypatch):
    cortex_session(tmp_path)
    monkeypatch.setattr(bundle, "PAGE", {"": ("text/html", "not-there.html")})
    one_line(isocortex("view", tmp_path / "output", "--no-browser"), "was not built", "npm")


def test_results_without_a_circuit_and_wrong_ones(tmp_path):
    one_line(isocortex("view", tmp_path), "no SONATA spikes")
    one_line(isocortex("view", tmp_path / "nowhere"), "does not exist")
