"""`isocortex view`: a run in the browser, as one file, as a movie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isocortex.cli.plot import draw
from isocortex.cli.terminal import ConfigOption, err, out, progress_bar
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.viewer.server import ViewServer
    from isocortex.viewer.session import Session


def view(
    results: Annotated[
        Path,
        typer.Argument(help="Output folder, configuration or folder of a circuit; run or not yet."),
    ],
    beside: Annotated[
        Path | None, typer.Argument(help="A second run, beside the first and on the same clock.")
    ] = None,
    config: ConfigOption = None,
    port: Annotated[int, typer.Option(help="On this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    *,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server.")
    ] = None,
    movie: Annotated[
        Path | None, typer.Option(help="Film a flight through the run: .mp4 or .gif.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw the cortex, a column and a neuron: .png, .pdf, .jpg or .tif."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="What --figure and --movie show: an address of the page. Repeated: a panel each, "
            "or the way from one to the next."
        ),
    ] = None,
    theme: Annotated[str, typer.Option(help="Of --figure and --movie: dark or light.")] = "",
    size: Annotated[str, typer.Option(help="Of --movie: 720p, 1080p or 4k.")] = "1080p",
    seconds: Annotated[float, typer.Option(help="Of --movie: its length.")] = 14.0,
) -> None:
    """Look at a circuit, before, during and after its run: cortex, column and neuron."""
    if beside is not None:
        if (export, movie, figure) != (None, None, None):
            raise ConfigError(
                "two runs beside each other need the server", field="--export, --movie, --figure",
                fix="Give one run, or leave these options out.",
            )  # fmt: skip
        out.print(f"Reading {results} and {beside} ...")
        _serve_two(results, beside, config, port, browser)
        return
    from isocortex.viewer.export import write_page
    from isocortex.viewer.session import open_session

    written = (export, movie, figure) != (None, None, None)
    if (at or theme) and not written:
        raise ConfigError("are of pictures", field="--at, --theme",
                          fix="Give --figure or --movie too.")  # fmt: skip
    out.print(f"Reading {results} ...")  # of nine million neurons: seconds
    session = open_session(results, config)
    if not written:
        _serve(session, port, browser)
        return
    if export is not None:
        out.print("Gathering neurons, spikes and synapses ...")
        path = write_page(session, export)
        out.print(f"Page: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    at = at or []
    if figure is not None and _as_the_page_draws(at, theme):
        from isocortex.viewer.studio import write_figure

        out.print(f"Picture: {write_figure(session, figure, at, theme=theme)}")
    elif figure is not None:
        draw("cortex", results, figure, config)
    if movie is not None:
        _film(session, movie, at, theme, size, seconds)


def _as_the_page_draws(at: list[str], theme: str) -> bool:
    """Whether there is a browser to draw with; what only it can draw needs it anyway."""
    from isocortex.viewer.studio import can_draw

    if can_draw() or at or theme:
        return True
    err.print("Drawn without a browser. As the page draws it: pip install 'isocortex[movie]' && "
              "playwright install chromium")  # fmt: skip
    return False


def _serve(session: Session, port: int, browser: bool) -> None:
    """Serve until Ctrl-C."""
    from isocortex.viewer.server import ViewServer

    _tell(session)
    _until_interrupted(ViewServer(session, port), browser)


def _serve_two(first: Path, second: Path, config: Path | None, port: int, browser: bool) -> None:
    """Serve two runs beside each other until Ctrl-C."""
    from isocortex.viewer.server import ViewServer
    from isocortex.viewer.session import open_session

    sessions = [open_session(results, config) for results in (first, second)]
    for session in sessions:
        _tell(session)
    _until_interrupted(ViewServer(sessions[0], port, sessions[1]), browser)


def _tell(session: Session) -> None:
    run = f"{session.config}, not run yet" if session.awaits else str(session.result.directory)
    out.print(f"{len(session.scene):,} neurons of {run}")


def _until_interrupted(server: ViewServer, browser: bool) -> None:
    import webbrowser

    out.print(f"Open {server.url}")
    out.print("Only this machine can reach it. Ctrl-C ends it.")
    if browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        out.print("Closed.")
    finally:
        server.server_close()


def _film(
    session: Session, path: Path, at: list[str], theme: str, size: str, seconds: float
) -> None:
    """Write a film with progress on the terminal."""
    from isocortex.viewer.movie import write_movie
    from isocortex.viewer.studio import write_film

    drawn = path.suffix.lower() != ".gif" or at or theme
    with progress_bar() as bar:
        task = bar.add_task("Rendering", total=None)

        def progress(k: int, n: int) -> None:
            bar.update(task, completed=k, total=n)

        if drawn and _as_the_page_draws(at, theme):
            write_film(session, path, at, theme=theme, size=size, seconds=seconds,
                       progress=progress)  # fmt: skip
        else:
            write_movie(session, path, seconds=seconds, progress=progress)
    out.print(f"Movie: {path} ({path.stat().st_size / 1e6:.1f} MB)")
