"""A small cortex killed at random moments, continued, and compared with a run in one piece.

    python tests/killed.py [--kills 20] [--scale 0.0005] [--tstop 300] [--draw]

Runs and continues through the command line, on one thread and on two in turn, and sends SIGKILL at
random moments of each. Spikes and reports must be equal to the last bit.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from written import require_equal

LAUNCH = "from isocortex.cli import main; main()"


def start(*arguments: object) -> subprocess.Popen[str]:
    """A command, when it is about to take its first step."""
    child = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("Ready"):
            break
    return child


def newest(out: Path) -> int:
    """When the checkpoint was written, 0 if there is none."""
    path = out / "checkpoint.h5"
    return path.stat().st_mtime_ns if path.exists() else 0


def killed_until_the_end(
    config: Path, out: Path, kills: int, seconds: float, dice: random.Random, more: list[str]
) -> int:
    """Kill a run so often, if it lasts that long, mostly after a checkpoint of its own."""
    done = 0
    while True:
        threads, before = ["--threads", 1 + done % 2], newest(out)
        child = start(
            *(["continue", out] if before else ["run", config, "--output-dir", out, *more]),
            *threads,
        )
        patient = done == 0 or dice.random() < 0.7
        while done < kills and patient and newest(out) == before and child.poll() is None:
            time.sleep(0.002)
        try:
            child.communicate(timeout=None if done == kills else seconds * dice.random())
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            done += 1
            continue
        assert child.returncode == 0, child.returncode
        return done


def main() -> None:
    """Kill, continue, compare; say what was found."""
    sys.stdout.reconfigure(line_buffering=True)
    from isocortex import CortexModel, Recipe, Result, build_cortex

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--scale", type=float, default=0.0005)
    parser.add_argument("--tstop", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draw", action="store_true", help="synapses drawn at each spike")
    asked = parser.parse_args()
    dice, more = random.Random(asked.seed), ["--draw-synapses"] if asked.draw else []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = CortexModel.make(Recipe(scale=asked.scale))
        config = build_cortex(folder, model, tstop=asked.tstop, materialize=False)
        start("run", config, "--output-dir", folder / "whole", *more).communicate()
        told = Result(folder / "whole").run_summary
        seconds = told.run_seconds
        print(f"{len(model)} neurons, {told.n_spikes} spikes, {seconds:.1f} s in one piece")
        done, number = 0, 0
        while done < asked.kills:
            out, number = folder / f"killed{number}", number + 1
            often = ["--checkpoint-every", asked.tstop / 40, *more]
            kills = killed_until_the_end(config, out, asked.kills - done, seconds / 40, dice, often)
            done += kills
            require_equal(out, folder / "whole")
            times = Result(out).provenance["run"].get("continued", [])
            print(f"{kills} kills, went on at {', '.join(f'{t:g}' for t in times)} ms: equal")
    print(f"{done} kills: spikes and reports equal to the last bit")


if __name__ == "__main__":
    main()
