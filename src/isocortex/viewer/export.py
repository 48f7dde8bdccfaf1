"""One file that holds the page and the data: it opens without a server and without a network."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from isocortex.errors import ConfigError, disk_errors
from isocortex.report.origin import files_of
from isocortex.report.sending import sendable
from isocortex.viewer.bundle import read_bundle
from isocortex.viewer.feed import CHUNK
from isocortex.viewer.pack import pack, unpack
from isocortex.viewer.policy import fingerprint, policy
from isocortex.viewer.session import Session, parts_of

#: Browsers read pages of some hundreds of megabytes; this is before compression.
MOST_BYTES = 200e6


def page(session: Session, *, synapses: bool = True) -> str:
    """The page with the data inside it, as HTML.

    It holds the neurons, all spikes, the column of every area, and branches, recordings and, if
    ``synapses``, synaptic events and targets of the recorded neurons.
    """
    blocks = "".join(
        f'<script type="application/octet-stream" id="block:{name}">{text}</script>\n'
        for name, text in _blocks(session, synapses=synapses)
    )
    return in_one(blocks)


def in_one(blocks: str = "", host: str = "") -> str:
    """The page as HTML that names no other file.

    Parameters
    ----------
    blocks : markup of the data.
    host : what hands it the data, if it is neither a server nor the page itself: ``notebook``.
    """
    bundle = read_bundle()
    html = _text(bundle, "")
    style = _text(bundle, "viewer.css")
    # neither may end or begin a script in the eyes of who reads HTML
    script = _text(bundle, "viewer.js").replace("</script", "<\\/script")
    script = script.replace("<!--", "<\\!--")
    rules = policy(script_src=fingerprint(script), style_src=fingerprint(style))
    replacements = {
        '<html lang="en">': f'<html lang="en" data-host="{host}">',
        '<link rel="stylesheet" href="viewer.css" />': f"<style>{style}</style>",
        '<script src="viewer.js"></script>': f"{blocks}<script>{script}</script>",
        '<meta charset="utf-8" />': '<meta charset="utf-8" />\n    '
        f'<meta http-equiv="Content-Security-Policy" content="{rules}" />',
    }
    for mark, content in replacements.items():
        if mark not in html:
            raise ConfigError(f"the viewer's page lacks {mark}", fix="Build it again.")
        html = html.replace(mark, content)
    licences = _text(bundle, "LICENSES.txt").replace("--", "- -")
    return re.sub(r"<body", lambda match: f"<!--\n{licences}\n-->\n{match[0]}", html, count=1)


def _text(bundle: dict[str, tuple[str, bytes]], name: str) -> str:
    """A file of the page with the ends of lines that a browser makes of them."""
    return bundle[name][1].decode().replace("\r\n", "\n")


def write_page(session: Session, path: Path) -> Path:
    """Write :func:`page` to a file."""
    text = page(session)
    with disk_errors(path, "write the page"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def _blocks(session: Session, *, synapses: bool) -> Iterator[tuple[str, str]]:
    """Name and compressed content of every block."""
    status = session.status()
    spikes = session.feed.all()
    size = 8.0 * len(spikes.time) + 20.0 * len(session.scene)
    if size > MOST_BYTES:
        raise ConfigError(
            f"{len(spikes.time):,} spikes of {len(session.scene):,} neurons make a page of "
            f"{size / 1e6:.0f} MB, which a browser does not open",
            fix="Look at it with the server: isocortex view RESULTS.",
        )
    firsts = range(0, len(spikes.time), CHUNK)
    counts = [len(spikes.time[first : first + CHUNK]) for first in firsts]
    still = {**status, "epoch": 1, "running": False, "chunks": counts}
    yield "status", _compressed(json.dumps(still).encode())
    for number, first in enumerate(firsts):
        part = slice(first, first + CHUNK)
        block = spikes.time[part].astype("<f4").tobytes()
        block += spikes.neuron[part].astype("<u4").tobytes()
        yield f"spikes/1/{number}", _compressed(block)
    names = ["scene", "space", "models"]
    names += [
        f"{kind}/{k}" for kind, count in parts_of(session.scene).items() for k in range(count)
    ]
    names.remove("somas/0")  # it is in the scene
    names += [f"neuron/{number}" for number in session.recorded]
    if synapses and session.simulation is not None:
        kinds = ("synapses", "targets")
        names += [f"{kind}/{number}" for kind in kinds for number in session.recorded]
    for name in names:
        yield name, _compressed(_sendable(session, name))


def _sendable(session: Session, name: str) -> bytes:
    """A block whose words say nothing of where files lie on this machine."""
    block = session.get(name)
    if block is None:
        return b""
    head, arrays = unpack(block)
    told = sendable(head, *files_of(session.result, session.config))
    return block if told == head else pack(told, arrays)


def _compressed(block: bytes) -> str:
    return base64.b64encode(zlib.compress(block, 6)).decode()
