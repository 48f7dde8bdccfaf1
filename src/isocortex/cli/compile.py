"""`isocortex compile`: the kernels of a GPU that is elsewhere."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from isocortex.cli.simulate import Integrator, Precision
from isocortex.cli.terminal import Config, out
from isocortex.errors import ConfigError

#: The first compute capability that CUDA 12.9 compiles for.
OLDEST = (5, 0)


def compile_(
    config: Config,
    *,
    capability: Annotated[
        str, typer.Option(help="Compute capability of the GPU; 9.0 is an H100 or H200.")
    ] = "9.0",
    dt: Annotated[float | None, typer.Option(help="Time step, ms.")] = None,
    threads: Annotated[int | None, typer.Option(help="Default: all cores.")] = None,
    precision: Precision = Precision.double,
    integrator: Integrator = Integrator.backward_euler,
    store_synapses: Annotated[
        bool | None,
        typer.Option("--store-synapses/--draw-synapses", help="As it will be run."),
    ] = None,
) -> None:
    """Compile what `isocortex run --device cuda` needs, for a GPU that need not be here.

    The kernels are in the cache folder ($ISOCORTEX_CACHE): take it to where the GPU is. They are
    for this version of isocortex and for the options given here.
    """
    from isocortex.compiling import cache_folder
    from isocortex.session.beforehand import compile_beforehand
    from isocortex.session.setup import Options

    found = re.fullmatch(r"(\d+)\.(\d)", capability)
    major, minor = map(int, found.groups()) if found else (0, 0)
    if (major, minor) < OLDEST:
        raise ConfigError(
            f"{capability!r} is no compute capability from 5.0 on", field="capability",
            fix="Give it as 9.0; nvidia-smi --query-gpu=compute_cap --format=csv tells it.",
        )  # fmt: skip
    options = Options(
        dt=dt, threads=threads, precision=precision.value, integrator=integrator.value,
        store_synapses=store_synapses, skip_unsupported_reports=True,
    )  # fmt: skip
    files = compile_beforehand(config, options, (major, minor), out.print)
    n = len(files)
    out.print(f"{n} kernel{'s' * (n != 1)} for compute capability {capability}: {cache_folder()}")
