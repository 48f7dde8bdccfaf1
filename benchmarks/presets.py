"""The experiments that are ready to run, by the command of the README: what came out, and time.

    python benchmarks/presets.py [NAME ...] [--seeds 4] [--processes 2] [--keep FOLDER]

``--keep`` names a folder for them: what is done there is told and not run again.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
from pathlib import Path

from isocortex import experiment as ex
from isocortex.experiment.results import seconds_of
from isocortex.experiment.verdict import Judged
from machine import COMMAND, RESULTS, describe, table, write


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="isocortex-presets-") as name:
        home = Path(options.keep or name)
        lines, minutes = [], []
        for preset in options.names or ex.preset_names():
            folder = home / preset
            how = ["--seeds", options.seeds, "--processes", options.processes]
            how += ["--threads", options.threads]
            command = [*COMMAND, "experiment", "run", preset, "-o", folder, *how]
            subprocess.run(list(map(str, command)), check=True)
            result = ex.open_study(folder)
            minutes.append([f"`{preset}`", str(len(result.arms)), f"{result.study.tstop:g}",
                            f"{seconds_of(result) / 60.0:.1f}"])  # fmt: skip
            lines += [_row(preset, judged) for judged in ex.judge(result)]
    head = ["experiment", "expected", "arm", "range", "measured", "95 %", "verdict"]
    of = ["experiment", "arms", "ms", "minutes of all runs together"]
    say = f"9,000 neurons, {options.seeds} seeds, {options.processes} runs side by side."
    write("presets", "Experiments", [say, "", describe(), "", *table(head, lines), "",
                                     *table(of, minutes)], options.output)  # fmt: skip


def _row(preset: str, judged: Judged) -> list[str]:
    asked = judged.expected
    if asked.cannot:
        return [f"`{preset}`", asked.what, "", "", "", "", judged.verdict]
    bounded = math.isfinite(judged.low) and math.isfinite(judged.high)
    between = f"{judged.low:.3g} to {judged.high:.3g}" if bounded else "–"
    seeds = "" if judged.seeds == judged.of else f", in {judged.seeds} of {judged.of} seeds"
    known = not math.isnan(judged.mean)
    return [f"`{preset}`", asked.what, asked.compared, asked.range,
            f"{judged.mean:.3g}{seeds}" if known else "–", between, judged.verdict]  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="all unless some are named")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", help="folder")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
