"""The page in a cell of a notebook, as a Jupyter widget; needs the extra ``notebook``.

What the page asks for, and what one chooses in it, goes over the channel between notebook and
kernel. There is no server and no port, so a kernel behind a hub or on another machine will do.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import anywidget
import traitlets

from isocortex.arrays import IntArray
from isocortex.errors import ConfigError, IsocortexError
from isocortex.viewer.bundle import WIDGET, read_bundle
from isocortex.viewer.export import in_one
from isocortex.viewer.session import Session


class Widget(anywidget.AnyWidget):
    """A session in cells of a notebook.

    Attributes
    ----------
    address : what is seen, as behind the # of the page's address; may be set.
    node_set : what is shown and selected, as a file of SONATA node sets.
    """

    address = traitlets.Unicode("").tag(sync=True)
    node_set = traitlets.Dict().tag(sync=True)
    height = traitlets.Int().tag(sync=True)

    def __init__(self, session: Session, height: int) -> None:
        super().__init__(_esm=read_bundle(WIDGET)[""][1].decode(), height=height)
        self.session = session
        self.on_msg(self._answer)

    def _answer(self, _: Any, asked: dict[str, Any], buffers: list[bytes]) -> None:
        """Send the block of a name, or the page itself: a saved notebook holds neither."""
        try:
            if asked["name"] == "page":
                parts = [in_one(host="notebook").encode()]
            else:
                block = self.session.get(asked["name"])
                parts = [] if block is None else [zlib.compress(block, 1)]
            self.send(asked, parts)
        except Exception as error:  # whatever it is: the page would wait for ever
            self.send({**asked, "error": str(error)})
            if not isinstance(error, IsocortexError):
                raise

    @property
    def selected(self) -> dict[str, IntArray]:
        """Node ids of what is shown and selected, by population."""
        if self.session.simulation is None:
            raise ConfigError("the configuration is gone", fix="Give view its config=.")
        circuit = replace(self.session.simulation.circuit, node_sets=self.node_set)
        chosen = circuit.select(list(self.node_set), "node_set")
        return {name: circuit.nodes[name].node_ids[rows] for name, rows in chosen}
