"""The viewer in a cell: what it asks the kernel for, and what Python sees of what is chosen."""

import base64
import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import viewer_page
from viewer_page import until
from viewer_run import cortex_session

import isocortex as ic
from isocortex.errors import ConfigError
from isocortex.viewer import View
from isocortex.viewer.bundle import WIDGET, read_bundle

#: pytest finds fixtures by their names in a module.
browser = viewer_page.browser
VISP = {"VISp": {"population": "cortex", "area": "VISp"}}
CELLS = [
    "import isocortex as ic\nview = ic.view('run/output')\nview",
    "import json; print(json.dumps({name: ids.tolist() for name, ids in view.selected.items()}))",
    "view.address = 'http://somewhere/#view=column&picked=MOp'",
    "print(view.address)",
]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return cortex_session(tmp_path_factory.mktemp("lab") / "run")


def test_without_widgets_a_cell_holds_the_page_and_python_is_told_of_the_extra(
    session, monkeypatch
):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    view = View(session)
    with pytest.raises(ConfigError, match=r"isocortex\[notebook\]"):
        _ = view.selected
    assert view._repr_mimebundle_() is None


def test_a_cell_is_sent_the_blocks_it_asks_for_and_the_page_without_data(session, monkeypatch):
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    view = View(session)
    widget, sent = view.widget, []
    assert view._repr_html_() is None and view.widget is widget
    monkeypatch.setattr(widget, "send", lambda words, parts=(): sent.append((words, *parts)))
    for k, name in enumerate(["page", "scene", "nothing", "../../etc/passwd"]):
        widget._answer(widget, {"name": name, "id": k, "view": "a"}, [])
    (page, text), (scene, block), *nothing = sent
    assert (
        page["name"] == "page"
        and b'data-host="notebook"' in text
        and b'id="block:scene' not in text
    )
    assert scene == {"name": "scene", "id": 1, "view": "a"}
    assert zlib.decompress(block) == session.get("scene")
    assert all(len(answer) == 1 for answer in nothing)


def test_the_page_is_told_of_any_error_and_does_not_wait(session, monkeypatch):
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    widget, sent = View(session).widget, []
    monkeypatch.setattr(widget, "send", lambda words, parts=(): sent.append((words, *parts)))
    monkeypatch.setattr(widget, "session", None)  # which no code expects
    with pytest.raises(AttributeError):
        widget._answer(widget, {"name": "scene", "id": "1", "view": "a"}, [])
    ((answer,),) = sent
    assert answer["id"] == "1" and "get" in answer["error"]


def test_python_reads_who_is_selected(session):
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    view = View(session)
    view.widget.node_set = VISP
    mine = session.scene.column_of("area") == "VISp"
    assert set(view.selected["cortex"]) == set(session.scene.node_id[mine])
    view.widget.node_set = {  # as the page has it of several populations
        "one": {"population": "cortex", "node_id": [4, 2]}, "both": ["one"],
    }  # fmt: skip
    assert sorted(view.selected["cortex"]) == [2, 4]


#: A model without a kernel, and a page that keeps what it is told; two cells of them.
CELLS_OF_ONE = """async (code) => {
    const { default: widget } = await import(`data:text/javascript;base64,${code}`);
    const keep = "told = []; onmessage = ({ data }) => told.push(data.address)";
    const page = `<body><script>${keep}</` + "script><p>there</p>";
    const values = { height: 100, address: "" };
    const heard = { "msg:custom": [], "change:address": [] };
    window.model = {
        get: (key) => values[key], on: (name, call) => heard[name].push(call),
        off: (name, call) => heard[name].splice(heard[name].indexOf(call), 1), save_changes() {},
        set: (key, value) => {
            const differs = values[key] !== value;
            values[key] = value;
            if (differs) for (const call of heard[`change:${key}`] ?? []) call();
        },
        send: (words) => setTimeout(() => {
            for (const call of heard["msg:custom"]) call(words, [new TextEncoder().encode(page)]);
        }),
    };
    window.heard = heard;
    window.closing = [0, 1].map(() => widget.render({ model, el: document.body }));
}"""


def test_cells_are_told_where_another_went_and_not_where_they_went_themselves(browser):
    page = browser.new_page()
    page.evaluate(CELLS_OF_ONE, base64.b64encode(read_bundle(WIDGET)[""][1]).decode())
    for k in (0, 1):
        page.frame_locator("iframe").nth(k).locator("p").wait_for()
    one, two = page.frames[1:]
    one.evaluate("parent.postMessage({ address: 'view=column', nodeSet: {} }, '*')")
    until(two, "told.length")
    page.evaluate("model.set('address', 'view=neuron')")
    until(one, "told.includes('view=neuron')")
    until(two, "told.length === 2")
    assert one.evaluate("told") == ["view=neuron"]
    assert two.evaluate("told") == ["view=column", "view=neuron"]
    page.evaluate("closing[0]()")
    assert page.evaluate("Object.values(heard).map((calls) => calls.length)") == [1, 1]
    page.close()


@pytest.fixture
def lab(session, tmp_path):
    """The address of a JupyterLab whose notebook has :data:`CELLS`."""
    for package in ("anywidget", "jupyterlab"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    root = session.config.parent.parent
    cells = [
        {"cell_type": "code", "id": f"c{k}", "metadata": {}, "outputs": [], "source": source,
         "execution_count": None}
        for k, source in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (root / "look.ipynb").write_text(json.dumps(notebook))
    folders = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME")}
    source = str(Path(ic.__file__).parents[1])
    environment = {**os.environ, **folders, "PYTHONPATH": source}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0", "--allow-root",
        "--IdentityProvider.token=secret", f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=None", f"--LabApp.user_settings_dir={tmp_path}",
        f"--LabApp.workspaces_dir={tmp_path}",
    ]  # fmt: skip
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while not (told := list((tmp_path / "RUNTIME").glob("jpserver-*.json"))):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
            time.sleep(0.5)  # until it is written
            yield f"{json.loads(told[0].read_text())['url']}lab/tree/look.ipynb?token=secret"
        finally:
            process.terminate()
            process.wait()


def test_in_jupyterlab_a_cell_shows_the_viewer_and_python_sees_what_is_chosen(
    browser, session, lab
):
    page = browser.new_page(viewport={"width": 1400, "height": 1100})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def heard(message):
        mine = message.location["url"].startswith("about:srcdoc")  # and not the notebook's
        if mine and message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", heard)
    page.goto(lab)

    def start(number):
        """Run a cell; until its prompt moves: a notebook that is still opening takes no keys."""
        cell = page.locator(".jp-CodeCell").nth(number)
        before, deadline = None, time.monotonic() + 120
        while before is None or cell.locator(".jp-InputPrompt").inner_text() == before:
            cell.locator(".cm-content").click(timeout=120000)
            before = cell.locator(".jp-InputPrompt").inner_text()
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(500)
            assert time.monotonic() < deadline, "the notebook runs no cell"
        return cell

    said = start(0).locator(".jp-OutputArea-output")
    said.locator("iframe[title=Isocortex], pre").first.wait_for(timeout=120000)
    assert page.locator("iframe[title=Isocortex]").count(), said.all_inner_texts()
    frame = page.frame_locator("iframe[title=Isocortex]")
    frame.locator("body[data-ready=true][data-spikes=all]").wait_for(timeout=120000)
    frame.locator('#legend [data-pick="VISp"]').evaluate("(button) => button.click()")

    def run(number):
        output = start(number).locator(".jp-OutputArea-output pre")
        return output.inner_text(timeout=60000) if CELLS[number].find("print") >= 0 else None

    mine = session.scene.column_of("area") == "VISp"
    visp = {"cortex": sorted(session.scene.node_id[mine].tolist())}
    deadline = time.monotonic() + 60
    while json.loads(run(1)) != visp:  # the kernel may have blocks to make first
        assert time.monotonic() < deadline
        page.wait_for_timeout(500)
    run(2)
    inner = next(f for f in page.frames if f.name == "" and f.url.startswith("about:srcdoc"))
    until(inner, "isocortex.app.state.get('view') === 'column'")
    until(inner, "isocortex.app.column.branches")
    assert inner.evaluate("isocortex.app.state.get('picked')") == "MOp"
    assert run(3).strip().startswith("view=column&picked=MOp")
    image = np.frombuffer(page.screenshot(path=os.environ.get("SHOT")), np.uint8)
    assert len(image) > 10000
    page.close()
    assert complaints == []
