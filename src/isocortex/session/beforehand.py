"""Kernels that are compiled before a run, for a GPU that is elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from isocortex.session.course import Course
from isocortex.session.engines import make_engine
from isocortex.session.ranks import Ranks
from isocortex.session.setup import Options, build, load
from isocortex.targets.gpu import elsewhere


def compile_beforehand(
    config: str | os.PathLike[str],
    options: Options,
    capability: tuple[int, int],
    say: Callable[[str], None],
) -> list[Path]:
    """Compile the kernels that a GPU of this compute capability, which need not be here, will run.

    Returns their files, which are found again wherever they are in the cache folder. Where the
    network changes on the way, those of every network are among them.
    """
    with elsewhere(capability) as gpu:
        simulation, settings = load(config, replace(options, device="cuda"), say, Ranks())
        course = Course(simulation, options, settings, Ranks())
        for step in (0, *course.steps.tolist()):
            now = course.at(step)
            make_engine(build(now, options), course.settings_of(now))
        return gpu.found
