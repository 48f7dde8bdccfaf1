"""Figures and films as the page draws them, in a browser without a window.

They show what addresses of the page show: whatever one sees can be printed and filmed. Needs the
extra ``movie`` and a Chromium.
"""

from __future__ import annotations

import base64
import io
import math
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError, disk_errors
from isocortex.viewer.movie import Progress, encoder, write_mp4
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import Session

#: Programs that will do, before the one that playwright fetches.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where there is no graphics card the processor draws, as slowly as that is.
OPTIONS = ("--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--hide-scrollbars")
#: Size of the window: that of a film, in pixels of the page.
WINDOW = (1280, 720)
#: Name -> height of a film, pixels.
HEIGHTS = {"720p": 720, "1080p": 1080, "4k": 2160}
SECONDS, RATE = 14.0, 30  # of a film; frames a second
FORMATS = (".png", ".pdf", ".jpg", ".tif")


def can_draw() -> bool:
    """Whether playwright and a browser are there."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return False
    if _program() is not None:
        return True
    with sync_playwright() as driver:
        return Path(driver.chromium.executable_path).exists()


def write_figure(
    session: Session, path: Path, addresses: Sequence[str] = (), *, theme: str = ""
) -> Path:
    """Draw a figure of 180 mm at 300 dpi.

    Parameters
    ----------
    path : ``.png``, ``.pdf``, ``.jpg`` or ``.tif``.
    addresses : of the page, or what stands behind their #: a panel each. Of one or none: the
        cortex, a column and a neuron, as far as there are any.
    theme : ``dark`` or ``light``; by default as the addresses say, else dark.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"cannot draw a figure of type {path.suffix!r}", file=path,
                          fix=f"Use {', '.join(FORMATS)}.")  # fmt: skip
    told = _told(addresses, theme)
    with _opened(session) as page:
        drawn = page.evaluate(
            """async (what) => { const blob = await isocortex.figure(isocortex.app, what);
            const text = await new Promise((done) => { const reader = new FileReader();
              reader.onload = () => done(reader.result); reader.readAsDataURL(blob); });
            return text.split(",")[1]; }""",
            told,
        )
    png = base64.b64decode(drawn)
    with disk_errors(path, "write the figure"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            path.write_bytes(png)
        else:
            from PIL import Image

            image = Image.open(io.BytesIO(png)).convert("RGB")
            image.save(path, dpi=(300, 300), resolution=300.0, quality=95)
    return path


def write_film(
    session: Session,
    path: Path,
    addresses: Sequence[str] = (),
    *,
    theme: str = "",
    size: str = "1080p",
    seconds: float = SECONDS,
    rate: int = RATE,
    progress: Progress = lambda k, n: None,
) -> Path:
    """Render a film, ``.mp4``.

    Parameters
    ----------
    addresses : of the page: the film goes from one to the next, at equal times. By default around
        the cortex, to the area of a recorded neuron, its column, and that neuron.
    theme : ``dark`` or ``light``; by default as the addresses say, else dark.
    size : one of :data:`HEIGHTS`.
    seconds : length of the film.
    rate : frames a second.
    progress : called with the number of frames done and to do.
    """
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"cannot write a film of type {path.suffix!r}", file=path,
                          fix="Use .mp4.")  # fmt: skip
    if size not in HEIGHTS:
        raise ConfigError(f"there is no size {size!r}", field="--size",
                          fix=f"Use {', '.join(HEIGHTS)}.")  # fmt: skip
    if not 0.0 < seconds < math.inf:
        raise ConfigError(f"a film cannot be {seconds:g} s long", field="--seconds",
                          fix="Give a number above 0.")  # fmt: skip
    told = _told(addresses, theme) | {"seconds": seconds, "ratio": HEIGHTS[size] / WINDOW[1]}
    program = encoder()
    count = max(round(seconds * rate), 2)

    def frames(page: Any) -> Iterator[bytes]:
        progress(0, count)
        for k in range(count):
            yield base64.b64decode(
                page.evaluate("(part) => isocortex.film.frame(part)", k / (count - 1))
            )
            progress(k + 1, count)

    with _opened(session) as page, disk_errors(path, "write the film"):
        comment = page.evaluate(
            """async (what) => { isocortex.film = new isocortex.Film(isocortex.app, what);
            await isocortex.film.begin(); return isocortex.film.words(); }""",
            told,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mp4(path, frames(page), ["-f", "image2pipe", "-c:v", "mjpeg"], rate, program,
                  comment=comment)  # fmt: skip
    return path


def _told(addresses: Sequence[str], theme: str) -> dict[str, Any]:
    """What the page is told to draw: of addresses what they show, without where the page was."""
    if theme not in ("", "dark", "light"):
        raise ConfigError(f"there is no theme {theme!r}", field="--theme", fix="Use dark or light.")
    return {"addresses": [a.partition("#")[2] if "#" in a else a for a in addresses], "page": theme}


def _program() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def _opened(session: Session) -> Iterator[Any]:
    """The page of a session, all spikes read, in a browser that nobody sees."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise ConfigError(
            "figures and films as the page draws them need the package playwright",
            fix="Install it: pip install 'isocortex[movie]' && playwright install chromium.",
        ) from error
    options = list(OPTIONS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # which Chromium refuses to be for root
    server = ViewServer(session)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as driver:
            try:
                browser = driver.chromium.launch(executable_path=_program(), args=options)
            except Error as error:
                reason = error.message.strip().splitlines()[0]
                raise ConfigError(
                    f"no Chromium can be started to draw with: {reason}",
                    fix="playwright install --with-deps chromium",
                ) from error
            try:
                width, height = WINDOW
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(server.url, timeout=0)
                page.wait_for_selector("body[data-ready]", timeout=0)
                if page.locator("body").get_attribute("data-ready") == "failed":
                    raise Error(page.locator("#notice").inner_text())
                yield page
            except Error as error:
                raise ConfigError(
                    f"the page could not draw: {error.message.strip().splitlines()[0]}",
                    fix="Draw with isocortex plot.",
                ) from error
            finally:
                browser.close()
    finally:
        server.shutdown()
        server.server_close()
