"""Names are text wherever they are shown: in the viewer, its export, the report, pictures."""

import base64
import hashlib
import logging
import re
import shutil
import sys
from html.parser import HTMLParser

import pytest
from command_line import isocortex, one_line
from hostile_names import EMOJI, IMAGE, NAMES, hostile_run

import isocortex as ic
from isocortex import pictures
from isocortex.errors import InputError
from isocortex.html_report import report_page
from isocortex.messages import OneLine
from isocortex.printable import printable
from isocortex.report.output import log_to
from isocortex.viewer import bundle
from isocortex.viewer.export import page as viewer_page
from isocortex.viewer.server import HEADERS
from isocortex.viewer.session import Session

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return hostile_run(tmp_path_factory.mktemp("names"))


@pytest.fixture(scope="module")
def exported(result):
    try:
        bundle.read_bundle()
    except InputError as error:
        pytest.skip(f"the page was not built: {error.message}")
    return viewer_page(Session(result))


class Tags(HTMLParser):
    """Every tag with its attributes, what scripts and styles hold, and all text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.inside, self.held, self.text = [], None, [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name in ("script", "style"):
            self.inside = (name, dict(attributes))

    def handle_endtag(self, name):
        if name in ("script", "style"):
            self.inside = None

    def handle_data(self, data):
        if self.inside is None:
            self.text += data
        else:
            self.held.append((*self.inside, data))


def sources(policy):
    return dict(rule.split(" ", 1) for rule in policy.split("; "))


def allowed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy_of(tags):
    metas = [values for name, values in tags.tags if name == "meta"]
    return sources(next(m["content"] for m in metas if "http-equiv" in m))


def without_handlers(tags):
    return not [a for _, values in tags.tags for a in values if a.startswith("on") or a == "style"]


def test_the_exported_page_allows_its_one_script_and_style(exported):
    tags = Tags(exported)
    policy = policy_of(tags)
    assert "unsafe" not in str(policy)
    (script,) = [text for name, a, text in tags.held if name == "script" and "type" not in a]
    (style,) = [text for name, _, text in tags.held if name == "style"]
    assert policy["script-src"] == allowed(script) and policy["style-src"] == allowed(style)
    assert policy["require-trusted-types-for"] == "'script'"
    assert without_handlers(tags)
    assert all("<" not in text for _, a, text in tags.held if "type" in a)


def test_the_server_allows_nothing_inside_its_page():
    policy = sources(HEADERS["Content-Security-Policy"])
    assert policy["script-src"] == policy["style-src"] == "'self'"


def test_the_sources_of_the_page_write_markup_in_one_place(request):
    folder = request.config.rootpath / "viewer" / "src"
    writers = [
        file.name for file in folder.glob("*.js")
        if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", file.read_text())
    ]  # fmt: skip
    assert writers == ["markup.js"]


def test_the_report_shows_names_as_they_are(result):
    tags = Tags(report_page(result))
    assert all(name in tags.text for name in NAMES)
    assert [name for name, _ in tags.tags if name in ("script", "i")] == []
    assert without_handlers(tags)
    (style,) = [text for name, _, text in tags.held if name == "style"]
    assert policy_of(tags)["style-src"] == allowed(style)
    assert policy_of(tags)["default-src"] == "'none'"


def test_pictures_of_names_with_dollars_and_braces_are_drawn(result):
    names = {path.stem for path in pictures.save_all(result)}
    assert names == {"raster", "rates", "traces", "morphology"}
    figure = pictures.raster(result, pictures.simulation_of(result))
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == [f"{printable(name)} (1)" for name in NAMES]


def test_the_terminal_prints_names_as_they_are(result):
    status, printed, error = isocortex("rates", result.directory, "--by", "population")
    assert status == 0, error
    assert "<img src=x" in printed  # a long one is wrapped


def test_the_terminal_prints_no_name_that_it_would_obey(result):
    status, printed, error = isocortex("rates", result.directory, "--by", "pop_name")
    assert status == 0, error
    assert EMOJI in printed
    assert r"\x1b[31mred" in printed  # a long one is wrapped
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []


def test_errors_warnings_and_logs_hold_no_name_that_a_terminal_would_obey(tmp_path, monkeypatch):
    name = "a\x1b[2Jb\udcff\nError: :v:"
    told = r"a\x1b[2Jb\udcff\nError: :v:"
    outcome = isocortex("run", tmp_path / f"{name}.json")
    one_line(outcome, told)
    assert told in outcome[1]
    assert told in str(InputError("is wrong", file=tmp_path / name, field=name, fix=name))
    for text in (printable(name), OneLine().format(logging.makeLogRecord({"msg": name}))):
        assert text == told
    assert isinstance(logging.lastResort.formatter, OneLine)
    with log_to(tmp_path / "log.txt") as log:
        monkeypatch.setattr(log, "propagate", False)  # half a character in what pytest captures
        log.warning("%s is odd", name)
    assert (tmp_path / "log.txt").read_text().endswith(f"{told} is odd\n")


def test_a_browser_shows_names_and_runs_none(result, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)  # a cell holds the page
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    pages = {
        "viewer": exported,
        "notebook": f"<!DOCTYPE html><title>notebook</title>{ic.view(result)._repr_html_()}",
        "report": report_page(result),
    }
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    complaints = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(text)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda d: (complaints.append(d.message), d.dismiss()))
            page.goto((tmp_path / f"{name}.html").as_uri())
            if name == "viewer":
                look_everywhere(page)
            if name == "notebook":
                frame = page.frames[-1]
                frame.wait_for_selector("body[data-ready=true]", timeout=60000)
            assert "pwned" not in page.title() and page.title() != "1"
            page.close()
        browser.close()
    assert complaints == []


def look_everywhere(page):
    """Every view, a neuron's card and the tooltips of rasters and rates."""
    page.wait_for_selector("body[data-ready=true][data-spikes=all]", timeout=60000)
    for key, view in (("2", "column"), ("3", "neuron"), ("1", "cortex")):
        page.keyboard.press(key)
        page.wait_for_selector(f"body[data-view={view}]")
        page.wait_for_timeout(300)
    page.locator(f'#legend button[data-pick="{IMAGE}"]').click()
    page.locator("#many h2", has_text=IMAGE).wait_for()
    page.locator("#find input").fill("0")
    page.keyboard.press("Enter")
    page.locator("#one .actions button", has_text=f"Select {NAMES[0]}").wait_for()
    for name in ("raster", "heat"):
        box = page.locator(f"#{name} .plot").bounding_box()
        for x in (10, 0.6 * box["width"]):
            page.mouse.move(box["x"] + x, box["y"] + box["height"] / 2)
            page.wait_for_selector("#tip:not([hidden])")
            assert page.locator("#tip img, #tip script").count() == 0
    page.locator(".counts summary").click()
    page.wait_for_selector(".counts td")
    page.get_by_role("button", name="As a node set").click()
    page.get_by_role("tab", name="Experiment").click()
    assert page.evaluate("document.querySelectorAll('img, [onerror], [onfocus]').length") == 0
