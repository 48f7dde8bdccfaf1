"""A flight through a run, rendered without a screen: somas as spheres, spikes as light."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from isocortex.compiling import compiled
from isocortex.errors import ConfigError, disk_errors
from isocortex.viewer.session import Session

FloatArray = NDArray[np.float32]
Progress = Callable[[int, int], None]

WIDTH, HEIGHT, RATE = 1280, 720, 30  # pixels, frames a second
SECONDS = 12.0
#: Frames of a GIF: every one is stored whole, so it is smaller and slower.
GIF_SIZE, GIF_RATE = (480, 270), 10
BACKGROUND = np.array([11, 13, 18], np.float32) / 255.0
FIELD = np.deg2rad(32.0)
#: As many somas as look like a surface; more cost time and change no pixel.
MOST_SOMAS = 400_000
#: Of the frame to what is in it; neurons that tell where that is; part of the flight that goes
#: around, before the dive.
MARGIN, OUTLINE, DIVE = 1.06, 20_000, 0.62
#: Flashes fade to the eye within a fifth of a second.
FADE = 0.07  # s of the movie


@dataclass(frozen=True)
class Camera:
    """Where the viewer stands.

    Attributes
    ----------
    eye, target : float[3], mm.
    """

    eye: NDArray[np.float64]
    target: NDArray[np.float64]

    def project(
        self, points: FloatArray, width: int, height: int
    ) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """x, y (pixels) and distance (mm) of points, and pixels of a mm at distance 1."""
        forward = self.target - self.eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        axes = np.stack([right, up, forward]).astype(np.float32)
        seen = (points - self.eye.astype(np.float32)) @ axes.T
        scale = 0.5 * height / np.tan(FIELD / 2)
        depth = np.maximum(seen[:, 2], np.float32(1e-3))
        x = 0.5 * width + scale * seen[:, 0] / depth
        y = 0.5 * height - scale * seen[:, 1] / depth
        return x.astype(np.float32), y.astype(np.float32), seen[:, 2], float(scale)


def write_movie(
    session: Session,
    path: Path,
    *,
    seconds: float = SECONDS,
    progress: Progress = lambda k, n: None,
) -> Path:
    """Render a movie of the whole run.

    The camera flies around the cortex, then towards its most active area. The format follows the
    suffix: ``.mp4`` (needs the extra ``movie``) or ``.gif``.

    Parameters
    ----------
    seconds : length of the movie.
    progress : called with the number of frames done and to do.
    """
    suffix = path.suffix.lower()
    if suffix not in (".mp4", ".gif"):
        raise ConfigError(f"cannot write a movie of type {suffix!r}", file=path,
                          fix="Use .mp4 or .gif.")  # fmt: skip
    gif = suffix == ".gif"
    size, rate = (GIF_SIZE, GIF_RATE) if gif else ((WIDTH, HEIGHT), RATE)
    program = "" if gif else encoder()
    count = max(int(round(seconds * rate)), 2)
    frames = _counted(render(session, count, size, seconds), count, progress)
    with disk_errors(path, "write the movie"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if gif:
            _write_gif(path, frames, rate)
        else:
            raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
            write_mp4(path, (frame.tobytes() for frame in frames), raw, rate, program)
    return path


def render(
    session: Session, count: int, size: tuple[int, int] = (WIDTH, HEIGHT), seconds: float = SECONDS
) -> Iterator[NDArray[np.uint8]]:
    """Frames of a movie, uint8[height, width, 3]; time runs from the start to the run's end."""
    width, height = size
    points = _world(session)
    facet = session.scene.facets[0]
    shades = np.array([_rgb(value["colour"]) for value in facet.values], np.float32)
    colour = shades[facet.code]
    spikes = session.feed.all()
    centre, reach = _middle(points)
    radius = np.float32(min(0.36 * np.cbrt(123.3 * (reach / 5.9) ** 3 / len(points)), 0.06 * reach))
    goal = _goal(session, points, centre)
    outline = points[:OUTLINE] - centre
    away = max(
        _fitting(outline, direction, width / height, float(radius)) for direction in _around(8)
    )  # of the whole flight, so that the camera does not pump
    shown = slice(0, MOST_SOMAS)
    end = session.duration
    fade = FADE * end / seconds  # ms
    for k in range(count):
        part = k / max(count - 1, 1)
        camera = _flight(part, centre, reach, goal, away)
        image = np.empty((height, width, 3), np.float32)
        image[:] = BACKGROUND
        x, y, depth, scale = camera.project(points[shown], width, height)
        distance = float(np.linalg.norm(camera.eye - centre))
        near, far = max(distance - reach, 0.0), distance + reach
        order = np.argsort(-depth).astype(np.int64)
        _splat(image, x, y, depth, colour[shown], order, radius * scale, (near, far))
        now = part * end
        first, last = np.searchsorted(spikes.time, [now - 4 * fade, now + 1e-4])
        who = spikes.neuron[first:last]
        if len(who):
            glow = np.exp((spikes.time[first:last] - now) / fade).astype(np.float32)
            fx, fy, fdepth, _ = camera.project(points[who], width, height)
            _shine(image, fx, fy, fdepth, colour[who], glow, radius * scale)
        yield _stamp((255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8), f"{now:.0f} ms")


def _world(session: Session) -> FloatArray:
    """Places as they are shown, mm: right, up and back."""
    scene = session.scene
    place = scene.position * 1e-3
    if scene.frame == "ccf":
        place = np.stack([place[:, 2], -place[:, 1], place[:, 0]], axis=1)
    return (place - (place.min(axis=0) + place.max(axis=0)) / 2).astype(np.float32)


def _middle(points: FloatArray) -> tuple[NDArray[np.float64], float]:
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.linalg.norm(np.ptp(points, axis=0))) / 2
    return centre.astype(np.float64), max(reach, 0.02)


def _goal(session: Session, points: FloatArray, centre: NDArray[Any]) -> NDArray[np.float64]:
    """Where the flight ends: the middle of the most active value of the first facet, one side."""
    scene = session.scene
    code = scene.facets[0].code
    n = np.bincount(code)
    spikes = np.bincount(code[session.feed.all().neuron], minlength=len(n))
    enough = n >= max(20, 0.005 * len(code))
    rate = np.where(enough, spikes / np.maximum(n, 1), -1.0)
    left = points[:, 0] < centre[0]
    mine = (code == int(np.argmax(rate))) & (left if scene.frame == "ccf" else True)
    return points[mine].mean(axis=0).astype(np.float64) if mine.any() else centre


def _direction(part: float) -> NDArray[np.float64]:
    """Where the camera stands on its way around, from the middle."""
    turn = np.deg2rad(-125.0 + 150.0 * part)
    direction = np.array([np.sin(turn), 0.75 - 0.15 * part, np.cos(turn)])
    return np.asarray(direction / np.linalg.norm(direction))


def _around(count: int) -> list[NDArray[np.float64]]:
    """Directions before the dive."""
    return [_direction(part) for part in np.linspace(0.0, DIVE, count)]


def _fitting(
    points: NDArray[np.floating], direction: NDArray[np.float64], aspect: float, radius: float
) -> float:
    """From how far (mm) points around the middle, and spheres at them, are within the frame."""
    right = np.cross((0.0, 1.0, 0.0), direction)
    right /= np.linalg.norm(right)
    x, y, near = (points @ axis for axis in (right, np.cross(direction, right), direction))
    high = np.tan(FIELD / 2) / MARGIN
    wide = high * aspect
    return float(max(((np.abs(x) + radius) / wide + near).max(),
                     ((np.abs(y) + radius) / high + near).max()))  # fmt: skip


def _flight(
    part: float, centre: NDArray[Any], reach: float, goal: NDArray[Any], away: float
) -> Camera:
    """Around the whole for two thirds of the time, from ``away`` mm, then towards the goal."""
    dive = float(np.clip((part - DIVE) / (1.0 - DIVE), 0.0, 1.0))
    dive = dive * dive * (3.0 - 2.0 * dive)
    direction = _direction(part)
    outward = goal - centre
    if np.linalg.norm(outward) > 0.05 * reach:
        outward = outward / np.linalg.norm(outward)
        direction = (1 - dive) * direction + dive * outward
        direction /= np.linalg.norm(direction)
    distance = away * (0.3**dive)
    target = centre + dive * (goal - centre)
    return Camera(target + distance * direction, target)


@compiled
def _splat(image, x, y, depth, colour, order, size, reach):
    """Spheres, the farthest first; those further away fade into the background."""
    near, far = reach
    height, width = image.shape[0], image.shape[1]
    for i in order:
        d = depth[i]
        if d <= 0.01:
            continue
        r = min(max(size / d, 0.8), 60.0)
        fade = 0.76 * (1.0 - 0.62 * min(max((d - near) / (far - near), 0.0), 1.0))
        a, b = max(int(x[i] - r), 0), min(int(x[i] + r) + 1, width - 1)
        c, e = max(int(y[i] - r), 0), min(int(y[i] + r) + 1, height - 1)
        for v in range(c, e + 1):
            for u in range(a, b + 1):
                p, q = (u + 0.5 - x[i]) / r, (v + 0.5 - y[i]) / r
                s = p * p + q * q
                cover = min(max((1.0 - np.sqrt(s)) * r, 0.0), 1.0)
                if cover <= 0.0:
                    continue
                z = np.sqrt(max(1.0 - s, 0.0))
                light = 0.66 + 0.34 * (-0.35 * p - 0.5 * q + 0.79 * z)
                for k in range(3):
                    paint = colour[i, k] * light * fade + BACKGROUND[k] * (1.0 - fade)
                    image[v, u, k] += cover * (paint - image[v, u, k])


@compiled
def _shine(image, x, y, depth, colour, glow, size):
    """Lights that add up."""
    height, width = image.shape[0], image.shape[1]
    for i in range(len(x)):
        d = depth[i]
        if d <= 0.01:
            continue
        r = min(max(size / d * (1.5 + 1.5 * glow[i]), 2.5), 90.0)
        a, b = max(int(x[i] - r), 0), min(int(x[i] + r) + 1, width - 1)
        c, e = max(int(y[i] - r), 0), min(int(y[i] + r) + 1, height - 1)
        for v in range(c, e + 1):
            for u in range(a, b + 1):
                p, q = (u + 0.5 - x[i]) / r, (v + 0.5 - y[i]) / r
                s = np.sqrt(p * p + q * q)
                if s >= 1.0:
                    continue
                core = min(max((0.46 - s) / 0.2, 0.0), 1.0)
                halo = 0.8 * (1.0 - s) ** 2.2
                for k in range(3):
                    hot = 0.45 * colour[i, k] + 0.55
                    image[v, u, k] += glow[i] * (hot * core + colour[i, k] * halo)


def _stamp(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The time, in the lower left corner."""
    image = Image.fromarray(frame)
    height = frame.shape[0]
    font = ImageFont.load_default(max(height // 32, 10))
    place = (height // 24, height - height // 24)
    ImageDraw.Draw(image).text(place, text, (170, 178, 192), font, anchor="ls")
    return np.asarray(image)


def _rgb(colour: str) -> list[float]:
    return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def _counted(frames: Iterator[Any], count: int, progress: Progress) -> Iterator[Any]:
    progress(0, count)
    for number, frame in enumerate(frames, 1):
        yield frame
        progress(number, count)


def _write_gif(path: Path, frames: Iterator[NDArray[np.uint8]], rate: int) -> None:
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(1000 / rate), loop=0,
        optimize=True,
    )  # fmt: skip


def encoder() -> str:
    """The program ffmpeg of the extra ``movie``."""
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ConfigError(
            "movies of type .mp4 need the package imageio-ffmpeg",
            fix="Install it: pip install 'isocortex[movie]'; or write a .gif.",
        ) from error
    return imageio_ffmpeg.get_ffmpeg_exe()


def write_mp4(
    path: Path,
    frames: Iterator[bytes],
    form: list[str],
    rate: int,
    ffmpeg: str,
    *,
    comment: str = "",
) -> None:
    """H.264, which every browser and presentation program plays.

    Parameters
    ----------
    form : of the frames, as ffmpeg's options.
    rate : frames a second.
    comment : what the file says of itself.
    """
    command = [
        ffmpeg, "-y", "-loglevel", "error", *form, "-r", str(rate), "-i", "-", "-c:v", "libx264",
        "-preset", "medium", "-crf", "18", "-movflags", "+faststart",
        "-vf", "scale=out_color_matrix=bt709:out_range=limited,format=yuv420p",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
        "-metadata", f"comment={comment}", str(path),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        try:
            for frame in frames:
                process.stdin.write(frame)
            process.stdin.close()
        except BrokenPipeError:
            pass  # its words follow
        words = process.stderr.read().decode("utf-8", "replace")
    if process.returncode != 0:
        raise OSError(words.strip().splitlines()[-1] if words.strip() else "ffmpeg failed")
