"""A server for one browser on this machine: loopback only, and only for who knows the token."""

from __future__ import annotations

import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from isocortex.errors import ConfigError, IsocortexError
from isocortex.viewer.bundle import PAIR, read_bundle
from isocortex.viewer.policy import policy
from isocortex.viewer.session import Session

ADDRESS = "127.0.0.1"
#: Names under which a browser on this machine may call the server.
HOSTS = (ADDRESS, "localhost")
#: Nothing is loaded from elsewhere, nobody may frame the page, and its address is told to nobody.
HEADERS = {
    "Content-Security-Policy": policy(
        script_src="'self'", style_src="'self'", connect_src="'self'", frame_ancestors="'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


#: Of two runs beside each other: the page around them holds theirs in frames.
PAIR_HEADERS = HEADERS | {
    "Content-Security-Policy": policy(
        script_src="'self'", style_src="'self'", connect_src="'self'", frame_src="'self'",
        frame_ancestors="'self'",
    ),
}  # fmt: skip


class ViewServer(ThreadingHTTPServer):
    """Hands out the page and the blocks of a session.

    Every path begins with a random token, so no other page, program or user can guess one; the
    name in ``Host`` must be this machine's, so that no foreign domain can be bent to point here;
    and a request that another origin sent is refused. Paths are names in fixed tables: none of
    them reaches the file system.

    Parameters
    ----------
    session : what is shown.
    port : 0 takes a free one.
    beside : a second run, shown beside the first.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0, beside: Session | None = None) -> None:
        self.session, self.token = session, secrets.token_urlsafe(24)
        self.page = read_bundle()
        self.pair = read_bundle(PAIR) if beside is not None else {}
        self.headers = HEADERS if beside is None else PAIR_HEADERS
        self.sessions = {"": session} if beside is None else {"a/": session, "b/": beside}
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"port {port} cannot be used ({error})", field="--port", fix="Choose another one."
            ) from error

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exc_info()[1], ConnectionError):
            return  # the browser went away
        super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "isocortex", ""

    def do_GET(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", refusal.encode())
            return
        name = urlsplit(self.path).path.removeprefix(f"/{self.server.token}/")
        if name in self.server.pair:
            self._answer(HTTPStatus.OK, *self.server.pair[name])
            return
        run = name[:2] if self.server.pair else ""
        name = name.removeprefix(run)
        session = self.server.sessions.get(run)
        if session is not None and name in self.server.page:
            self._answer(HTTPStatus.OK, *self.server.page[name])
            return
        try:
            block = None if session is None else session.get(name)
        except IsocortexError as error:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", str(error).encode())
            return
        if block is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing of that name.")
        else:
            self._answer(HTTPStatus.OK, "application/octet-stream", block)

    def _refusal(self) -> str | None:
        """Why this request is not answered, or None."""
        names = [f"{host}:{self.server.server_port}" for host in HOSTS]
        if self.headers.get("Host") not in names:
            return "This server answers only on its own address."
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{name}" for name in names]:
            return "This server answers only its own page."
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "This server answers only its own page."
        token = urlsplit(self.path).path.split("/")[1:2]
        if not token or not secrets.compare_digest(
            token[0].encode("utf-8", "replace"), self.server.token.encode()
        ):
            return "The address is not complete: open the one that isocortex view printed."
        return None

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass  # a line for every chunk of spikes tells nobody anything
