"""Where the content of a file goes: to the address that Slack gave, and nowhere else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from handlers.slack import Slack, SlackIsSilent, connect

PLAN = "the whole plan, 客户 included".encode()


class Peer(HTTPServer):
    """Answers as its path says, and keeps what it was sent."""

    received: list[tuple[str, bytes]]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Peer

    def do_POST(self) -> None:
        self.server.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        status = int(self.path.rpartition("/")[2])
        self.send_response(status)
        if status in (302, 307):
            self.send_header("Location", f"{self.server.base}/elsewhere/200")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.received.append((self.path, b""))

    def log_message(self, *_: object) -> None:
        """Not on the screen."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer(("127.0.0.1", 0), Answer)
    server.received = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_content_arrives_as_it_is(peer: Peer) -> None:
    Slack(connect("xoxb-x", f"{peer.base}/api/")).upload(f"{peer.base}/upload/200", PLAN)
    assert peer.received == [("/upload/200", PLAN)]


@pytest.mark.parametrize("status", [204, 302, 307, 400, 403, 404, 429, 500, 503])
def test_anything_but_ok_is_a_silence_and_no_detour_is_taken(peer: Peer, status: int) -> None:
    slack = Slack(connect("xoxb-x", f"{peer.base}/api/"))
    with pytest.raises(SlackIsSilent):
        slack.upload(f"{peer.base}/upload/{status}", PLAN)
    assert [path for path, _ in peer.received] == [f"/upload/{status}"]


@pytest.mark.parametrize(
    "address", ["", "upload", "file:///etc/passwd", "ftp://x/y", "gopher://x", "http://"]
)
def test_an_address_that_is_none_is_a_silence(peer: Peer, address: str) -> None:
    slack = Slack(connect("xoxb-x", f"{peer.base}/api/"))
    with pytest.raises(SlackIsSilent):
        slack.upload(address, PLAN)


def test_a_slack_that_speaks_https_is_never_answered_in_the_clear(peer: Peer) -> None:
    slack = Slack(connect("xoxb-x", "https://slack.com/api/"))
    with pytest.raises(SlackIsSilent):
        slack.upload(f"{peer.base}/upload/200", PLAN)
    assert peer.received == []
