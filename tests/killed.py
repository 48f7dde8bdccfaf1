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
from pathlib import Path

import h5py
import numpy as np

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


def contents(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """Every number in the files of spikes and reports."""
    found: dict[tuple[str, str], np.ndarray] = {}
    for path in sorted(folder.glob("*.h5")):
        if path.name != "checkpoint.h5":
            with h5py.File(path) as file:
                file.visititems(
                    lambda name, item, path=path: found.update({(path.name, name): item[()]})
                    if isinstance(item, h5py.Dataset) else None
                )  # fmt: skip
    return found


def killed_until_the_end(
    config: Path, out: Path, kills: int, mean: float, dice: random.Random, more: list[str]
) -> tuple[int, list[str]]:
    """Kill a run so often, if it lasts; how often, and where it went on."""
    begin = ["run", config, "--output-dir", out, "--checkpoint-every", 10, *more]
    done, went_on = 0, []
    while True:
        threads = ["--threads", 1 + done % 2]
        goes_on = (out / "checkpoint.h5").exists()
        child = start(*(["continue", out] if goes_on else begin), *threads)
        went_on.append("checkpoint" if goes_on else "beginning")
        try:
            child.communicate(timeout=None if done == kills else 2.0 * mean * dice.random())
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            done += 1
            continue
        assert child.returncode == 0, child.returncode
        return done, went_on


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
        whole, told = contents(folder / "whole"), Result(folder / "whole").run_summary
        seconds = told.run_seconds
        print(f"{len(model)} neurons, {told.n_spikes} spikes, {seconds:.1f} s in one piece")
        done, number = 0, 0
        while done < asked.kills:
            out, number = folder / f"killed{number}", number + 1
            wanted = asked.kills - done
            kills, went_on = killed_until_the_end(config, out, wanted, seconds / wanted, dice, more)
            done += kills
            ours = contents(out)
            assert ours.keys() == whole.keys()
            for name, values in whole.items():
                np.testing.assert_array_equal(ours[name], values, err_msg=str(name))
            times = Result(out).provenance["run"].get("continued", [])
            print(f"{kills} kills, begun {went_on.count('beginning')} times, went on at "
                  f"{', '.join(f'{t:g}' for t in times)} ms: equal", flush=True)  # fmt: skip
    print(f"{done} kills: spikes and reports equal to the last bit")


if __name__ == "__main__":
    main()
