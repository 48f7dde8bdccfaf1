"""The page in a browser, for tests: fixtures, and what they look at.

Needs Chromium, playwright (``pip install 'isocortex[viewer-test]'``) and the built page.
"""

import io
import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image
from viewer_run import served

import isocortex
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.errors import InputError
from isocortex.viewer.bundle import read_bundle
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import Session

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
OPTIONS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
BACKGROUND = (11, 13, 18)
WIDTH, HEIGHT = 1280, 800


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    try:
        read_bundle()
    except InputError as error:
        pytest.skip(f"the page was not built: {error.message}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A run of 900 neurons, ten of them recorded in every compartment."""
    cortex = CortexModel.make(Recipe(scale=0.0001))
    config = build_cortex(tmp_path_factory.mktemp("cortex"), cortex, tstop=120.0)
    content = json.loads(config.read_text())
    content["reports"] = {
        "membrane_potential": {
            "module": "membrane_report", "cells": "recorded", "variable_name": "v",
            "sections": "all", "dt": 0.5,
        },
        "at_somata": {
            "module": "membrane_report", "cells": {"population": "cortex", "node_id": [0]},
            "variable_name": "v", "sections": "soma", "dt": 0.5,
        },
    }  # fmt: skip
    config.write_text(json.dumps(content))
    return Session(isocortex.run(config, precision="single"))


@pytest.fixture(scope="module")
def server(session):
    with served(ViewServer(session)) as server:
        yield server


@pytest.fixture
def look(browser, server):
    """Open the page at a state; afterwards nothing must have complained or asked elsewhere."""
    size = {"width": WIDTH, "height": HEIGHT}
    page = browser.new_page(viewport=size, reduced_motion="reduce")  # the camera is there at once
    complaints = []
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: r.url.startswith(server.url) or complaints.append(r.url))

    def open_at(state=""):
        page.goto("about:blank")
        complaints.clear()
        page.goto(f"{server.url}#{state}")
        page.wait_for_selector(
            "body[data-ready=true][data-spikes=all][data-space=there]", timeout=60000
        )
        settle(page)
        return page

    yield open_at
    page.close()
    assert complaints == []


def until(page, what):
    """Wait until an expression is true. The page forbids eval, so it cannot wait by itself."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"Boolean({what})"):
        assert time.monotonic() < deadline, f"never: {what}"
        page.wait_for_timeout(30)


def settle(page):
    """Until nothing is left to draw."""
    a = "isocortex.app"
    until(page, f"!{a}.stage.stale && {a}.stage.moving === 0 && !{a}.stage.view.wants?.()")
    page.wait_for_timeout(150)


def resize(page, width, height):
    """Give the window another size, and wait until the page has taken it."""
    page.set_viewport_size({"width": width, "height": height})
    stage = "document.getElementById('stage')"
    until(
        page,
        f"innerWidth === {width} && isocortex.app.stage.width === {stage}.clientWidth"
        f" && isocortex.app.stage.height === {stage}.clientHeight",
    )
    settle(page)


def picture(page):
    """The three-dimensional view as uint8[height, width, 3]."""
    overlays = "for (const name of ['compass', 'presets', 'cut', 'key', 'labels', 'tip'])" \
               " document.getElementById(name).style.visibility = "  # fmt: skip
    page.evaluate(overlays + "'hidden'")
    content = page.locator("#canvas").screenshot()
    page.evaluate(overlays + "''")
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def drawn(image):
    return np.abs(image - BACKGROUND).max(axis=2) > 20


def value(page, key):
    return page.evaluate(f"isocortex.app.state.get('{key}')")


def wait_for_hash(page, words):
    """The address, once it has the words: it follows the view a little later."""
    until(page, f"/{words}/.test(location.hash)")
    return page.evaluate("location.hash")
