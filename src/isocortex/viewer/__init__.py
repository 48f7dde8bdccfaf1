"""A run in the browser: cortex, column and neuron with time.

>>> from isocortex.viewer import view
>>> view("results/mine")  # doctest: +SKIP
"""

from __future__ import annotations

import html
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from isocortex.report.results import Result

if TYPE_CHECKING:  # the rest is loaded when something is shown
    from isocortex.viewer.server import ViewServer
    from isocortex.viewer.session import Session


class View:
    """What ``isocortex view`` shows, as an object: notebooks display it by themselves.

    Parameters
    ----------
    session : the run.
    height : of the frame in a notebook, pixels.
    """

    def __init__(self, session: Session, height: int = 720) -> None:
        self.session, self.height = session, height

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write one self-contained HTML file."""
        from isocortex.viewer.export import write_page

        return write_page(self.session, Path(path))

    def serve(self, port: int = 0) -> ViewServer:
        """Start the server in the background; ``url`` is its address, ``shutdown()`` ends it."""
        from isocortex.viewer.server import ViewServer

        server = ViewServer(self.session, port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _repr_html_(self) -> str:
        from isocortex.viewer.export import page

        content = html.escape(page(self.session), quote=True)
        return (
            f'<iframe srcdoc="{content}" style="width: 100%; height: {self.height}px; border: 0" '
            'sandbox="allow-scripts"></iframe>'
        )

    def __repr__(self) -> str:
        return f"View({str(self.session.result.directory)!r}: {len(self.session.scene):,} neurons)"


def view(
    results: Result | str | os.PathLike[str],
    config: str | os.PathLike[str] | None = None,
    *,
    height: int = 720,
) -> View:
    """Look at a run; the last expression of a notebook's cell shows it.

    Parameters
    ----------
    results : a result, its folder, or the simulation configuration that names it.
    config : the simulation's configuration, where the results do not name it.
    height : of the frame in a notebook, pixels.
    """
    from isocortex.viewer.session import Session, open_session

    file = Path(config) if config is not None else None
    if isinstance(results, Result):
        return View(Session(results, file), height)
    return View(open_session(Path(results), file), height)


__all__ = ["View", "view"]
