"""The server answers its own page on this machine, and nobody else."""

import http.client
import json
import socket

import pytest
from viewer_run import cortex_session, served

from isocortex.errors import ConfigError
from isocortex.viewer import server as module
from isocortex.viewer.pack import unpack
from isocortex.viewer.server import ViewServer

PAGE = {
    "": ("text/html; charset=utf-8", b"<title>Isocortex</title>"),
    "viewer.js": ("text/javascript; charset=utf-8", b"1"),
}
PAIR = {"": ("text/html; charset=utf-8", b"<title>Two</title>")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    session = cortex_session(tmp_path_factory.mktemp("cortex"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_bundle", lambda: PAGE)
        server = ViewServer(session)
    with served(server):
        yield server


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    headers = {"Host": f"127.0.0.1:{server.server_port}", **headers}
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_the_page_and_its_data_are_served(server):
    status, headers, body = ask(server, f"/{server.token}/")
    assert status == 200 and body == PAGE[""][1] and headers["Content-Type"].startswith("text/html")
    status, _, body = ask(server, f"/{server.token}/scene?whatever=1")
    assert status == 200 and unpack(body)[0]["n"] == len(server.session.scene)
    status, _, body = ask(server, f"/{server.token}/status")
    told = json.loads(body)
    status, _, body = ask(server, f"/{server.token}/spikes/{told['epoch']}/0")
    assert status == 200 and len(body) == 8 * told["chunks"][0]


def test_two_runs_are_served_beside_each_other(server, monkeypatch):
    monkeypatch.setattr(module, "read_bundle", lambda page=None: PAGE if page is None else PAIR)
    with served(ViewServer(server.session, beside=server.session)) as pair:
        _, headers, body = ask(pair, f"/{pair.token}/")
        assert body == PAIR[""][1]
        assert "frame-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        for run in ("a", "b"):
            assert ask(pair, f"/{pair.token}/{run}/")[2] == PAGE[""][1]
            assert unpack(ask(pair, f"/{pair.token}/{run}/scene")[2])[0]["n"] == 900
        for path in ("scene", "c/scene", "a/b/scene", "a/pair.js"):
            assert ask(pair, f"/{pair.token}/{path}")[0] == 404


def test_localhost_is_this_machine_too(server):
    host = f"localhost:{server.server_port}"
    origin = f"http://{host}"
    assert ask(server, f"/{server.token}/status", Host=host, Origin=origin)[0] == 200


@pytest.mark.parametrize("path", ["/", "/wrong/", "/{short}/scene", "/scene", ""])
def test_without_the_token_there_is_nothing(server, path):
    path = path.format(short=server.token[:-1], token=server.token)
    status, _, body = ask(server, path or "/?token=")
    assert status == 403 and b"address is not complete" in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::1]:80", ""]
)
def test_another_name_for_this_machine_is_refused(server, host):
    assert ask(server, f"/{server.token}/scene", Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "file://"])
def test_pages_of_another_origin_are_refused(server, origin):
    assert ask(server, f"/{server.token}/scene", Origin=origin)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_that_another_site_caused_are_refused(server, site):
    assert ask(server, f"/{server.token}/scene", Sec_Fetch_Site=site)[0] == 403
    assert ask(server, f"/{server.token}/scene", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize(
    "name",
    [
        "../provenance.json", "..%2fprovenance.json", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd",
        "spikes/../scene", "spikes/1/0/../../scene", "neuron/0%00", "viewer.js/..",
        "neuron/99999999999999999999", "spikes/1/-1", "SCENE", "viewer.css\\..\\scene",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(server, name):
    status, _, body = ask(server, f"/{server.token}/{name}")
    assert status == 404 and body == b"There is nothing of that name."


def test_only_reading_is_possible(server):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert ask(server, f"/{server.token}/scene", method)[0] == 501


def test_the_page_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(server):
    _, headers, _ = ask(server, f"/{server.token}/")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "http" not in policy and "unsafe-eval" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert ask(server, "/wrong/")[1]["Content-Security-Policy"] == policy


def test_it_listens_on_loopback_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    for *_, address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
        if not address[0].startswith("127."):
            with pytest.raises(OSError):
                socket.create_connection((address[0], server.server_port), timeout=1)


def test_every_server_has_a_token_of_its_own(server, monkeypatch):
    monkeypatch.setattr(module, "read_bundle", lambda: PAGE)
    with ViewServer(server.session) as other:
        assert other.token != server.token and len(other.token) >= 32


def test_a_port_in_use_is_an_error_to_act_on(server, monkeypatch):
    monkeypatch.setattr(module, "read_bundle", lambda: PAGE)
    with pytest.raises(ConfigError, match="--port"):
        ViewServer(server.session, server.server_port)
