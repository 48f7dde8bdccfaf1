"""Movies are rendered without a screen, and show the spikes of the moment."""

import sys

import numpy as np
import pytest
from PIL import Image
from viewer_run import DURATION, cortex_session

from isocortex.errors import ConfigError
from isocortex.viewer import movie
from isocortex.viewer.feed import Chunk


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return cortex_session(tmp_path_factory.mktemp("cortex"))


def test_points_are_projected_as_a_camera_does():
    camera = movie.Camera(np.array([0.0, 0.0, 10.0]), np.zeros(3))
    x, y, depth, scale = camera.project(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 5]]), 200, 100)
    assert np.allclose(depth, [10, 10, 5])
    assert np.allclose(scale, 50 / np.tan(np.deg2rad(16)))
    assert np.allclose(x, [100, 100 + scale / 10, 100])  # right is right
    assert np.allclose(y, [50, 50, 50 - scale / 5])  # up is up, and nearer is larger


def test_a_frame_shows_neurons_in_their_colours_and_light_where_they_spike(session, monkeypatch):
    quiet = Chunk(np.zeros(0, np.float32), np.zeros(0, np.uint32))
    monkeypatch.setattr(session.feed, "all", lambda: quiet)
    dark = next(movie.render(session, 2, (320, 180)))
    assert dark.shape == (180, 320, 3)
    background = (255 * movie.BACKGROUND).astype(np.uint8)
    drawn = (np.abs(dark.astype(int) - background).max(axis=2) > 6).mean()
    assert 0.05 < drawn < 0.6  # something, and not everything
    everyone = np.arange(len(session.scene), dtype=np.uint32)
    monkeypatch.setattr(
        session.feed, "all", lambda: Chunk(0 * everyone.astype(np.float32), everyone)
    )
    light = next(movie.render(session, 2, (320, 180)))
    assert light.mean() > 2 * dark.mean()


@pytest.mark.parametrize("size", [(320, 180), (120, 200)])
def test_until_it_dives_the_whole_cortex_is_within_the_frame(session, monkeypatch, size):
    monkeypatch.setattr(movie, "_stamp", lambda frame, text: frame)
    background = (255 * movie.BACKGROUND).astype(np.uint8)
    for frame in list(movie.render(session, 9, size))[:6]:  # the dive begins after 0.62
        drawn = np.abs(frame.astype(int) - background).max(axis=2) > 6
        assert not (drawn[0].any() or drawn[-1].any() or drawn[:, 0].any() or drawn[:, -1].any())
        spans = [
            np.ptp(np.flatnonzero(drawn.any(axis=axis))) / n
            for axis, n in ((0, size[0]), (1, size[1]))
        ]
        assert max(spans) > 0.6


def test_time_runs_from_the_start_to_the_end_of_the_run(session, monkeypatch):
    times = []
    monkeypatch.setattr(movie, "_stamp", lambda frame, text: times.append(text) or frame)
    list(movie.render(session, 3, (64, 36)))
    assert times == ["0 ms", f"{DURATION / 2:.0f} ms", f"{DURATION:.0f} ms"]


def test_a_gif_holds_every_frame(session, tmp_path):
    counted = []
    path = movie.write_movie(
        session, tmp_path / "run.gif", seconds=0.6, progress=lambda k, n: counted.append((k, n))
    )
    with Image.open(path) as image:
        assert image.n_frames == 6 and image.size == movie.GIF_SIZE
    assert counted == [(k, 6) for k in range(7)]


def test_an_mp4_is_written_where_ffmpeg_is(session, tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="the extra movie is not installed")
    path = movie.write_movie(session, tmp_path / "run.mp4", seconds=0.2)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_without_ffmpeg_the_extra_is_named(session, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"isocortex\[movie\]"):
        movie.write_movie(session, tmp_path / "run.mp4")
    with pytest.raises(ConfigError, match=r"\.avi"):
        movie.write_movie(session, tmp_path / "run.avi")
