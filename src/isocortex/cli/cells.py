"""`isocortex cells`: the embedded Allen cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import Output, out
from isocortex.errors import ConfigError

app = typer.Typer(help="The embedded Allen cells.", no_args_is_help=True)

CellId = Annotated[str, typer.Argument(help="Cell id, see `isocortex cells list`.")]


@app.command("list")
def cells_list() -> None:
    """All embedded cells."""
    from rich.table import Table

    from isocortex.cells.library import library_cells

    table = library_cells()
    shown = ["ei", "cre", "layer", "n_compartments", "channels"]
    view = Table("id", *shown, box=None)
    for cell_id, row in table.iterrows():
        view.add_row(str(cell_id), *(str(row[c]) for c in shown))
    out.print(view)


@app.command("export")
def cells_export(
    cell_ids: Annotated[
        list[str], typer.Argument(help="Cell ids, see `isocortex cells list`, or `all`.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of other contents.")
    ] = False,
) -> None:
    """Write cells as SWC and fit files, which BMTK and NEURON read."""
    from isocortex.cells.library import library_cells
    from isocortex.export import write_cells

    if "all" in cell_ids:
        if len(cell_ids) > 1:
            raise ConfigError(
                "stands for every cell, and there are ids beside it", field="all",
                fix="Give either.",
            )  # fmt: skip
        cell_ids = library_cells().index.tolist()
    written = write_cells(cell_ids, output, overwrite=overwrite)
    cells = sum(file.suffix == ".swc" for file in written)
    out.print(f"Written: {cells} cell{'s' * (cells != 1)} in {output}, as {written[-1]} names them")


@app.command("run")
def cells_run(
    cell_id: CellId,
    amp: Annotated[float, typer.Option(help="Current step, nA.")] = 0.2,
    delay: Annotated[float, typer.Option(help="ms")] = 100.0,
    duration: Annotated[float, typer.Option(help="ms")] = 800.0,
    tstop: Annotated[float, typer.Option(help="ms")] = 1000.0,
    dt: Annotated[float, typer.Option(help="ms")] = 0.025,
    output: Output = None,
) -> None:
    """Simulate one cell under a current step and draw its voltage and calcium."""
    from isocortex import cell, step
    from isocortex.analysis import traces
    from isocortex.pictures import save

    response = step(cell(cell_id), amp, delay=delay, duration=duration, tstop=tstop, dt=dt)
    out.print(f"{len(response.spikes[0])} spikes, {response.rates[0]:.1f} Hz during the step.")
    figure = traces(
        response.time, response.v, response.cai, labels=[f"{cell_id}, {amp:g} nA"],
        spikes=response.spikes,
    )  # fmt: skip
    out.print(f"Picture: {save(figure, output or Path(f'{cell_id}_step.png'))}")


@app.command("fi")
def cells_fi(
    cell_id: CellId,
    amp_max: Annotated[float, typer.Option(help="Largest current, nA.")] = 0.5,
    points: Annotated[int, typer.Option(help="Number of currents from 0.")] = 16,
    dt: Annotated[float, typer.Option(help="ms")] = 0.025,
    output: Output = None,
) -> None:
    """Firing rate against injected current."""
    import numpy as np

    from isocortex import cell, step
    from isocortex.analysis import fi_curve
    from isocortex.pictures import save

    if points < 2 or amp_max <= 0:
        raise ConfigError("an f-I curve needs two points and a positive current", fix="Mend them.")
    response = step(cell(cell_id), np.linspace(0.0, amp_max, points).tolist(), dt=dt)
    for amp, rate in zip(response.amps, response.rates, strict=True):
        out.print(f"{amp:6.3f} nA  {rate:6.1f} Hz")
    figure = fi_curve(response.amps, response.rates, title=cell_id)
    out.print(f"Picture: {save(figure, output or Path(f'{cell_id}_fi.png'))}")
