"""The viewer in headless Chromium without a GPU: first picture, frames a second, bytes.

    pip install playwright        # and Chromium
    python benchmarks/viewer.py [--neurons 9000 100000 1000000 9000000] [--whole FOLDER]

Cortices of four sizes. Those of up to a million neurons have invented spikes, 3 Hz a neuron over
one second, so nothing has to be simulated; the whole is opened as it is before any run, from the
recipe. Frames are counted by the browser's own clock while the camera turns all the time, and
while time plays and the camera rests; software rendering on two cores is the worst case there is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.report.output import provenance, write_provenance
from isocortex.report.spikes import SpikeWriter
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import open_session
from machine import describe, table, write

RATE, DURATION = 3.0, 1000.0  # Hz, ms
SIZES = [9_000, 100_000, 1_000_000, 9_000_000]
MOST_RUN = 1_000_000  # neurons of a circuit that is given spikes
OPTIONS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
#: Median interval between frames over some seconds, ms, while `each` is called before each one.
FRAMES = """async ([seconds, each]) => {
  const app = isocortex.app, times = [];
  const turn = () => {
    const { camera, controls } = app.stage;
    camera.position.sub(controls.target).applyAxisAngle(camera.up, 0.02).add(controls.target);
    app.stage.moved();
  };
  if (each === "play") app.state.set({ t: 0, speed: 50, playing: true });
  const end = performance.now() + 1000 * (seconds + 1);
  await new Promise((done) => {
    const frame = (now) => {
      if (each === "turn") turn();
      times.push(now);
      if (now < end) requestAnimationFrame(frame); else done();
    };
    requestAnimationFrame(frame);
  });
  app.state.set({ playing: false });
  const kept = times.filter((t) => t > times[0] + 1000);
  const steps = kept.slice(1).map((t, k) => t - kept[k]).sort((a, b) => a - b);
  return [steps[steps.length >> 1], steps[Math.floor(0.95 * (steps.length - 1))], app.cortex.slice];
}"""


def write_run(folder: Path, neurons: int) -> Path:
    """A cortex and the output of a run that never was; a large one was not run."""
    build_cortex(folder, CortexModel.make(Recipe(scale=neurons / 9e6)), tstop=DURATION)
    if neurons > MOST_RUN:
        return folder
    random = np.random.default_rng(1)
    count = int(neurons * RATE * DURATION / 1000)
    output = folder / "output"
    output.mkdir()
    facts = {
        "tstop": DURATION, "dt": 0.1, "config_file": str(folder / "simulation_config.json"),
        "populations": {"cortex": [[0, neurons]]}, "files": ["spikes.h5"],
    }  # fmt: skip
    write_provenance(output, provenance({}, run=facts))
    with SpikeWriter(output / "spikes.h5", ["cortex"]) as writer:
        times = np.round(random.uniform(0.1, DURATION, count), 1)
        writer.append("cortex", random.integers(0, neurons, count), times)
    return output


#: Bytes of the arrays that the page keeps of every neuron.
KEPT = """() => { const { population, cloud } = isocortex.app;
  const { position, codes, nodeId, populationOf } = population;
  return [position, codes, nodeId, populationOf, cloud.shadesOf]
    .reduce((sum, { byteLength }) => sum + byteLength, 0); }"""


def measure(browser, output: Path, size: tuple[int, int]) -> list[str]:
    """One row of the table."""
    begun, worked = time.perf_counter(), time.process_time()
    session = open_session(output)
    session.get("scene")
    opened, worked = time.perf_counter() - begun, time.process_time() - worked
    server = ViewServer(session)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(server.url)
    page.wait_for_selector("body[data-ready=true]", timeout=300_000)
    first = page.evaluate("isocortex.app.firstPicture") / 1000
    everyone = "isocortex.app.cortex.drawn < isocortex.app.population.total"
    while page.evaluate(everyone):
        page.wait_for_timeout(20)
    whole = page.evaluate("performance.now()") / 1000
    page.wait_for_selector("body[data-spikes=all]", timeout=300_000)
    spikes = page.evaluate("performance.now()") / 1000
    received = page.evaluate("isocortex.received.bytes") / 1e6
    kept = page.evaluate(KEPT) / 1e6
    page.evaluate(FRAMES, [3, "turn"])  # until the number of somas a frame has settled
    turn, turn95, shown = page.evaluate(FRAMES, [5, "turn"])
    play = "not run"
    if not session.awaits:
        page.wait_for_timeout(3000)
        median, slow, _ = page.evaluate(FRAMES, [5, "play"])
        play = f"{1000 / median:.0f} ({1000 / slow:.0f})"
    page.close()
    server.shutdown()
    n = len(session.scene)
    return [
        f"{n:,}", f"{received:.1f} MB", f"{kept:.1f} MB", f"{opened:.1f} s ({worked:.1f} s)",
        f"{first:.2f} s", f"{whole:.2f} s", f"{spikes:.2f} s",
        f"{1000 / turn:.0f} ({1000 / turn95:.0f})", f"{min(shown, n):,}", play,
    ]  # fmt: skip


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, nargs="+", default=SIZES)
    parser.add_argument("--whole", type=Path, help="a built circuit of scale 1, to save the time")
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 800])
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rows, load = [], os.getloadavg()[0]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=arguments.chromium, args=OPTIONS)
        version = browser.version
        for neurons in arguments.neurons:
            with tempfile.TemporaryDirectory() as folder:
                built = arguments.whole if neurons > MOST_RUN else None
                output = built or write_run(Path(folder) / "cortex", neurons)
                rows.append(measure(browser, output, tuple(arguments.size)))
                print(rows[-1], flush=True)
        browser.close()
    head = [
        "neurons", "sent", "kept", "opening", "first picture", "all somas", "all spikes",
        "turning, frames/s", "somas a frame", "playing, frames/s",
    ]  # fmt: skip
    write(
        "viewer",
        "The viewer without a GPU",
        [
            f"Headless Chromium {version}, software rendering (SwiftShader), window "
            f"{arguments.size[0]} x {arguments.size[1]}; one second of {RATE:g} Hz a neuron.",
            "`sent`: bytes to the page until all is there, without what is read when it is asked "
            "for (columns, strata of many neurons, branches); `kept`: in arrays of every neuron. "
            "`opening`: reading the circuit and the spikes, once, and in parentheses the "
            "processor's time for it. `first picture`, `all somas`, "
            "`all spikes`: from the page's address to the first frame, to the one with every soma, "
            "and until every spike is there and plotted. Frames a second: median, and in "
            "parentheses at the slowest twentieth, while the camera turns without pause (as many "
            "somas as there is time for, drawn larger; all of them when it rests) and while time "
            "plays at 50 ms a second.",
            "",
            *table(head, rows),
            "",
            f"{describe()} Load of the machine as it began: {load:.1f}, as it ended: "
            f"{os.getloadavg()[0]:.1f}.",
            "",
            "On a GPU nothing was measured; this is an estimate. A soma is a vertex that reads a "
            "few dozen bytes of textures and writes a few pixels. Graphics of laptops draw 0.3 to "
            "2 thousand million such points a second, which makes 0.5 to 3 ms for a million and "
            "5 to 30 ms for nine million; shade and outline add some 2 ms at 1920 x 1080. So a "
            "million somas should turn at 60 frames a second with room to spare, and nine million "
            "at 30 to 60; where there is no time for all, fewer are drawn, larger.",
        ],
    )


if __name__ == "__main__":
    main()
