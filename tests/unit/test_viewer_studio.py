"""Figures and films as the page draws them: of the size, the addresses and the run they say."""

import io
import sys

import numpy as np
import pytest
import viewer_page
from command_line import isocortex, one_line
from PIL import Image
from viewer_run import cortex_session

from isocortex.errors import ConfigError
from isocortex.viewer import studio
from isocortex.viewer.studio import can_draw, write_figure, write_film

#: pytest finds fixtures by their names in a module.
session = viewer_page.session
DARK, LIGHT = (11, 13, 18), (251, 251, 250)


@pytest.fixture(autouse=True)
def _browser():
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not can_draw():
        pytest.skip("there is no Chromium")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def differs(image, ground):
    return np.abs(image - ground).max(axis=2) > 30


def panels(image, ground):
    """Shares of pixels that are drawn in the cortex, the column and the neuron."""
    drawn = differs(image, ground)[80:700]
    edges = [0, int(0.415 * drawn.shape[1]), int(0.74 * drawn.shape[1]), drawn.shape[1]]
    return [drawn[:, a:b].mean() for a, b in zip(edges[:-1], edges[1:], strict=True)]


@pytest.mark.parametrize(("theme", "ground"), [("dark", DARK), ("light", LIGHT)])
def test_the_figure_has_three_panels_at_300_dpi(session, tmp_path, theme, ground):
    path = write_figure(session, tmp_path / "figure.png", theme=theme)
    with Image.open(path) as image:
        assert image.width == 2126 and image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        titles, view, made = image.info["Description"].split("\n")
    counts = np.bincount(session.feed.all().neuron, minlength=len(session.scene))
    neuron = max(session.whole, key=lambda i: counts[i])
    assert titles.startswith("Cortex; ") and f"; cortex {session.scene.node_id[neuron]} " in titles
    spikes = session.feed.all()
    first = spikes.time[spikes.neuron == neuron].min()
    assert view == f"t = {first:.1f} ms of 120 ms"  # when the neuron spikes
    for words in ("900 neurons", "scale 0.0001", "seed 1", "dt 0.1 ms", "Isocortex "):
        assert words in made
    image = pixels(path)
    assert (image[3, 3] == ground).all()
    assert not differs(image, ground)[:, :4].any() and not differs(image, ground)[:, -4:].any()
    cortex, column, cell = panels(image, ground)
    assert cortex > 0.1 and column > 0.02 and cell > 0.001


def test_a_figure_shows_what_addresses_show(session, tmp_path):
    link = "http://127.0.0.1:1/abc/#view=column&picked=MOp&t=20&theme=light"
    one = write_figure(session, tmp_path / "one.pdf", [link])
    assert one.read_bytes().startswith(b"%PDF")
    other = "slice=coronal&t=20&theme=light"
    path = write_figure(session, tmp_path / "two.png", [other, link.replace("&t=20", "")])
    with Image.open(path) as image:
        titles, view, _ = image.info["Description"].split("\n")
    assert titles.split("; ")[0] == "Cortex" and titles.split("; ")[1].startswith("MOp, right")
    assert view.startswith("t = 20.0 ms of 120 ms · a: coronal slice from ")
    image = pixels(path)
    assert (image[3, 3] == LIGHT).all()


def test_a_caption_says_of_every_panel_what_is_so_in_it(session, tmp_path):
    ways = ["t=20&picked=nowhere&hide.layer=L1", "t=60&picked=VISp"]
    with Image.open(write_figure(session, tmp_path / "two.png", ways)) as image:
        titles, view, made = image.info["Description"].split("\n")
    assert titles == "Cortex; VISp"
    assert view == "a: t = 20.0 ms of 120 ms · b: t = 60.0 ms of 120 ms"
    left = (session.scene.column_of("layer") != "L1").sum()
    assert made.endswith(f" · a: {left} of 900 neurons · b: 900 neurons")
    for kind in (".jpg", ".tif"):
        with Image.open(write_figure(session, tmp_path / f"one{kind}", ways)) as image:
            assert image.size[0] == 2126 and image.info["dpi"] == pytest.approx((300, 300))


def frames_of(path, monkeypatch):
    """The frames of a film as they went into it."""
    taken = []

    def write(path, frames, *_, **words):
        taken.extend(np.asarray(Image.open(io.BytesIO(f))).astype(int) for f in frames)
        path.write_text(words["comment"])

    monkeypatch.setattr(studio, "write_mp4", write)
    monkeypatch.setattr(studio, "encoder", lambda: "ffmpeg")
    return taken


def test_a_film_goes_from_the_whole_to_a_neuron_and_fits_the_frame(session, tmp_path, monkeypatch):
    frames = frames_of(tmp_path, monkeypatch)
    counted = []
    path = write_film(session, tmp_path / "film.mp4", size="720p", seconds=6.0, rate=2,
                      progress=lambda k, n: counted.append((k, n)))  # fmt: skip
    assert counted == [(k, 12) for k in range(13)]
    assert {f.shape for f in frames} == {(720, 1280, 3)}
    for frame in frames[:4]:  # the dive begins after a third
        stage = differs(frame, DARK)[60:500]
        assert stage.mean() > 0.1 and not stage[:, :8].any() and not stage[:, -8:].any()
        assert not stage[:4].any()
    strip = [f[592:660, 100:1250] for f in frames]
    bright = [(s - DARK).clip(0).sum() for s in strip]
    assert bright[-1] > 1.5 * bright[0]  # what is to come is paler
    assert path.read_text().startswith("Cortex; ") and "scale 0.0001" in path.read_text()


def test_a_film_follows_its_addresses_and_their_times(session, tmp_path, monkeypatch):
    frames = frames_of(tmp_path, monkeypatch)
    way = ["t=20&slice=coronal&at=10&names=false", "t=60&slice=coronal&at=70&names=false"]
    write_film(session, tmp_path / "film.mp4", way, size="720p", seconds=2.0, rate=2, theme="light")
    assert len(frames) == 4 and (frames[0][300, 5] > 240).all()
    assert all(np.abs(a - b)[60:580].mean() > 0.5 for a, b in zip(frames, frames[1:], strict=False))


def test_a_film_s_clock_stands_goes_and_takes_the_raster_of_every_address(
    session, tmp_path, monkeypatch
):
    def times(way, at):
        with studio._opened(session) as page:
            return page.evaluate(
                """async ([addresses, at]) => {
                const told = { addresses, seconds: 1, ratio: 0.1 };
                const film = new isocortex.Film(isocortex.app, told);
                await film.begin(); return at.map((part) => film.timeAt(part)); }""",
                [way, at],
            )

    assert times(["t=20", "picked=VISp", "t=100"], [0, 0.5, 0.75, 1]) == [20, 60, 80, 100]
    assert times(["t=50", "t=50&picked=VISp"], [0, 0.4, 1]) == [50, 50, 50]
    assert times(["from=10", "view=column"], [0, 1]) == [10, 120]
    frames = frames_of(tmp_path, monkeypatch)
    way = ["t=20&names=false", "t=20&theme=light&from=10&to=30&names=false"]
    write_film(session, tmp_path / "film.mp4", way, size="720p", seconds=2.0, rate=1)
    assert np.median(frames[0][600:670, 200:1200]) < 30  # its raster too
    assert np.median(frames[1][600:670, 200:1200]) > 230


def test_4k_is_4k_and_a_film_can_be_played(session, tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="the extra movie is not installed")
    path = write_film(session, tmp_path / "film.mp4", ["t=3"], size="4k", seconds=0.2, rate=10)
    content = path.read_bytes()
    assert content[4:8] == b"ftyp"
    track = content.index(b"avc1", 32)  # after the name of the format
    width, height = (int.from_bytes(content[track + k : track + k + 2], "big") for k in (28, 30))
    assert (width, height) == (3840, 2160)


def test_what_cannot_be_drawn_is_said(session, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"\.svg.*\.png"):
        write_figure(session, tmp_path / "figure.svg")
    with pytest.raises(ConfigError, match=r"\.mp4"):
        write_film(session, tmp_path / "film.avi")
    with pytest.raises(ConfigError, match="1080p"):
        write_film(session, tmp_path / "film.mp4", size="huge")
    with pytest.raises(ConfigError, match="above 0"):
        write_film(session, tmp_path / "film.mp4", seconds=0.0)
    with pytest.raises(ConfigError, match="dark or light"):
        write_figure(session, tmp_path / "figure.png", theme="pink")
    nobody = str(tmp_path / "chromium")
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "chromium").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(studio, "_program", lambda: nobody)
        with pytest.raises(ConfigError, match="started to draw with: .*playwright install"):
            write_figure(session, tmp_path / "figure.png")
    with (
        pytest.raises(ConfigError, match="could not draw: .*a mistake"),
        studio._opened(session) as page,
    ):
        page.evaluate("() => { throw new Error('a mistake'); }")
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    assert not can_draw()
    with pytest.raises(ConfigError, match=r"isocortex\[movie\]"):
        write_figure(session, tmp_path / "figure.png")


def test_from_the_command_line(tmp_path):
    cortex_session(tmp_path)
    output = tmp_path / "output"
    status, printed, error = isocortex(
        "view", output, "--figure", tmp_path / "a.png", "--at", "view=column", "--theme", "light"
    )
    assert status == 0 and "a.png" in printed, error
    assert (pixels(tmp_path / "a.png")[3, 3] == LIGHT).all()
    one_line(isocortex("view", output, "--at", "t=3"), "--figure")
    one_line(isocortex("view", output, "--figure", "a.png", "--theme", "pink"), "dark or light")
