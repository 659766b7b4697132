"""A file comes from Slack's own host or not at all, bounded, and our token goes nowhere else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from handlers.slack import Slack, SlackIsSilent, connect

LIMIT = 1000
TOKEN = "xoxb-secret"


class Peer(HTTPServer):
    seen: list[tuple[str, str | None]]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        _, _, kind, status, size = self.path.split("/")
        self.send_response(int(status))
        if status in ("301", "302", "307", "308"):
            self.send_header("Location", f"{self.server.base}/file/text/200/5")
        self.send_header("Content-Type", "text/html" if kind == "html" else "text/csv")
        if kind == "cut":
            self.send_header("Content-Length", str(int(size) + 1))
        self.end_headers()
        self.wfile.write(b"x" * int(size))

    def log_message(self, *_: object) -> None:
        """Not on the screen."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer(("127.0.0.1", 0), Answer)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_content_comes_with_our_token(peer: Peer) -> None:
    slack = Slack(connect(TOKEN, f"{peer.base}/api/"))
    assert slack.download(f"{peer.base}/file/text/200/5", LIMIT) == b"xxxxx"
    assert peer.seen == [("/file/text/200/5", f"Bearer {TOKEN}")]


def test_no_more_than_asked_for_is_read(peer: Peer) -> None:
    slack = Slack(connect(TOKEN, f"{peer.base}/api/"))
    assert len(slack.download(f"{peer.base}/file/text/200/5000000", LIMIT)) == LIMIT


@pytest.mark.parametrize(
    "path",
    [
        "text/301/0",
        "text/302/0",
        "text/307/0",
        "text/308/0",
        "text/404/0",
        "text/500/0",
        "html/200/9",
        "cut/200/9",
    ],
)
def test_a_detour_a_page_for_signing_in_and_half_a_file_are_a_silence(peer: Peer, path: str) -> None:
    slack = Slack(connect(TOKEN, f"{peer.base}/api/"))
    with pytest.raises(SlackIsSilent):
        slack.download(f"{peer.base}/file/{path}", LIMIT)
    assert [seen for seen, _ in peer.seen] == [f"/file/{path}"]


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("https://slack.com/api/", "https://files.slack.com.evil.example/x"),
        ("https://slack.com/api/", "https://files.slack.com@evil.example/x"),
        ("https://slack.com/api/", "https://evil.example/files.slack.com"),
        ("https://slack.com/api/", "http://files.slack.com/x"),
        ("https://slack.com/api/", "https://files.slack.com:8443/x"),
        ("https://slack.com/api/", "https://files.slack-gov.com/x"),
        ("https://slack.com/api/", "https://drive.example/x"),
        ("https://slack.com/api/", "file:///etc/passwd"),
        ("https://slack.com/api/", "https://[/x"),
        ("https://slack.com/api/", ""),
        ("http://127.0.0.1:1/api/", "http://127.0.0.1:2/x"),
        ("http://127.0.0.1:1/api/", "http://localhost:1/x"),
    ],
)
def test_nothing_is_asked_of_another_host(base: str, address: str) -> None:
    with pytest.raises(SlackIsSilent, match="download-address"):
        Slack(connect(TOKEN, base)).download(address, LIMIT)
