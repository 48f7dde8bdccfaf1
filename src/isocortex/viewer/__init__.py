"""A run in the browser: cortex, column and neuron with time.

>>> from isocortex.viewer import view
>>> view("results/mine")  # doctest: +SKIP
"""

from __future__ import annotations

import html
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isocortex.errors import ConfigError
from isocortex.report.results import Result

if TYPE_CHECKING:  # the rest is loaded when something is shown
    from isocortex.arrays import IntArray
    from isocortex.viewer.notebook import Widget
    from isocortex.viewer.server import ViewServer
    from isocortex.viewer.session import Session


class View:
    """What ``isocortex view`` shows, as an object: notebooks display it by themselves.

    With the extra ``notebook`` a cell asks the kernel for what it shows, and Python sees what is
    chosen there; without, the cell holds an exported page.

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

    def figure(
        self, path: str | os.PathLike[str], addresses: Sequence[str] = (), *, theme: str = ""
    ) -> Path:
        """Draw a figure, see :func:`isocortex.viewer.studio.write_figure`."""
        from isocortex.viewer.studio import write_figure

        with ThreadPoolExecutor(1) as elsewhere:  # notebooks have a loop, beside which it cannot be
            drawn = elsewhere.submit(write_figure, self.session, Path(path), addresses, theme=theme)
            return drawn.result()

    def serve(self, port: int = 0) -> ViewServer:
        """Start the server in the background; ``url`` is its address, ``shutdown()`` ends it."""
        from isocortex.viewer.server import ViewServer

        server = ViewServer(self.session, port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @cached_property
    def widget(self) -> Widget:
        """The page as a Jupyter widget, for layouts of several."""
        if not _has_widgets():
            raise ConfigError("the package anywidget is not installed",
                              fix="Install it: pip install 'isocortex[notebook]'.")  # fmt: skip
        from isocortex.viewer.notebook import Widget

        return Widget(self.session, self.height)

    @property
    def address(self) -> str:
        """What the cell shows, as behind the # of the page's address; may be set."""
        return str(self.widget.address)

    @address.setter
    def address(self, address: str) -> None:
        self.widget.address = address.partition("#")[2] if "#" in address else address

    @property
    def node_set(self) -> dict[str, Any]:
        """What is shown and selected in the cell, as a file of SONATA node sets has it."""
        return dict(self.widget.node_set)

    @property
    def selected(self) -> dict[str, IntArray]:
        """Node ids of what is shown and selected in the cell, by population."""
        return self.widget.selected

    def _repr_mimebundle_(self, **wanted: Any) -> Any:
        return self.widget._repr_mimebundle_(**wanted) if _has_widgets() else None

    def _repr_html_(self) -> str | None:
        from isocortex.viewer.export import page

        if _has_widgets():
            return None

        content = html.escape(page(self.session), quote=True)
        return (
            f'<iframe srcdoc="{content}" style="width: 100%; height: {self.height}px; border: 0" '
            'sandbox="allow-scripts"></iframe>'
        )

    def __repr__(self) -> str:
        return f"View({str(self.session.result.directory)!r}: {len(self.session.scene):,} neurons)"


def _has_widgets() -> bool:
    return find_spec("anywidget") is not None


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
