"""Deliveries by HTTP: signed as Slack signs, repeated as Slack repeats, in time or not at all."""

import hashlib
import hmac
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk.signature import SignatureVerifier

from bot.sandbox.slack.endpoint import SIGNING_SECRET
from bot.sandbox.slack.server import RETRY_DELAYS, Slack
from tests.unit.sandbox.live_app import DELETIONS, client_of, slack_server


class App:
    """An address that writes down what it gets and answers as told: a status, or a wait in seconds."""

    def __init__(self) -> None:
        self.got: list[tuple[Mapping[str, str], bytes]] = []
        self.answers: list[tuple[int, float, Mapping[str, str], bytes]] = []

    def then(
        self, status: int = 200, wait: float = 0, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.answers.append((status, wait, headers or {}, body))

    @contextmanager
    def served(self) -> Iterator[str]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                app.got.append(({name.lower(): text for name, text in self.headers.items()}, body))
                status, wait, headers, said = app.answers.pop(0) if app.answers else (200, 0, {}, b"")
                time.sleep(wait)
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/slack/events"
        finally:
            server.shutdown()
            server.server_close()


@pytest.fixture
def app() -> App:
    return App()


@contextmanager
def slack_for(app: App, **dials: Any) -> Iterator[Slack]:
    with app.served() as url, slack_server(deliver_to=url, **{"retry_delays": (0.1,) * 3, **dials}) as slack:
        yield slack


def reacted(slack: Slack) -> None:
    ts = client_of(slack).chat_postMessage(channel=DELETIONS, text="t")["ts"]
    slack.as_user("U0BOB").react(DELETIONS, ts, "x")


def test_every_kind_is_signed_over_its_very_bytes(app: App) -> None:
    with slack_for(app) as slack:
        reacted(slack)
        assert slack.as_user("U0BOB").command("/restore", "cs1.… & more", channel=DELETIONS).acked
        assert slack.as_user("U0BOB").shortcut("some").acked
        slack.wait_for(lambda: len(app.got) == 3)
    verifier = SignatureVerifier(SIGNING_SECRET)
    for headers, body in app.got:
        assert verifier.is_valid_request(body, dict(headers))
        assert not verifier.is_valid_request(body + b" ", dict(headers))
        stamp = headers["x-slack-request-timestamp"]
        mine = hmac.new(SIGNING_SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        assert headers["x-slack-signature"] == f"v0={mine.hexdigest()}"
    kinds = sorted(headers["content-type"] for headers, _ in app.got)
    assert kinds == ["application/json", *["application/x-www-form-urlencoded"] * 2]
    typed = next(parse_qs(body.decode()) for _, body in app.got if b"command" in body)
    assert typed["text"] == ["cs1.… & more"]


@pytest.mark.parametrize(
    ("status", "wait", "reason"),
    [(500, 0.0, "http_error"), (404, 0.0, "http_error"), (200, 0.6, "http_timeout")],
)
def test_an_event_comes_again_with_its_number_and_reason(
    app: App, status: int, wait: float, reason: str
) -> None:
    with slack_for(app, ack_timeout=0.3) as slack:
        for _ in range(3):
            app.then(status, wait)
        reacted(slack)
        slack.wait_for(lambda: any(one.acked for one in slack.acks))
    numbers = [headers.get("x-slack-retry-num") for headers, _ in app.got]
    reasons = [headers.get("x-slack-retry-reason") for headers, _ in app.got]
    assert numbers == [None, "1", "2", "3"]
    assert reasons == [None, reason, reason, reason]
    assert len({body for _, body in app.got}) == 1


def test_after_the_third_time_it_is_lost_and_it_never_comes_again_when_the_app_says_so(app: App) -> None:
    with slack_for(app) as slack:
        for _ in range(4):
            app.then(500)
        reacted(slack)
        slack.wait_for(lambda: len(slack.acks) == 4)
        app.then(500, headers={"X-Slack-No-Retry": "1"})
        reacted(slack)
        slack.wait_for(lambda: len(slack.acks) == 5)
        assert slack.as_user("U0BOB").command("/restore", channel=DELETIONS).acked
    assert len(app.got) == 6


def test_nobody_listens_there() -> None:
    with slack_server(deliver_to="http://127.0.0.1:1/slack/events", retry_delays=(0.05,)) as slack:
        assert not slack.reaches_app()
        reacted(slack)
        slack.wait_for(lambda: [one.reason for one in slack.acks] == ["", "connection_failed"])
        assert slack.as_user("U0BOB").command("/restore", channel=DELETIONS).error == "dispatch_failed"


def test_a_command_is_not_repeated_and_its_text_is_shown(app: App) -> None:
    with slack_for(app, ack_timeout=1.5) as slack:
        bob = slack.as_user("U0BOB")
        app.then(500)
        assert bob.command("/restore", channel=DELETIONS).error == "dispatch_failed"
        app.then(200, wait=3)
        assert bob.command("/restore", channel=DELETIONS).error == "operation_timeout"
        app.then(200, body=b"only you")
        assert bob.command("/restore", channel=DELETIONS).acked
        assert [one.text for one in bob.private()] == ["only you"]
    assert len(app.got) == 3


def test_a_lost_ack_is_a_timeout(app: App) -> None:
    with slack_for(app, ack_timeout=0.2) as slack:
        slack.faults.drop_acks()
        reacted(slack)
        slack.wait_for(lambda: [one.acked for one in slack.acks] == [False, True])
    assert slack.acks[1].reason == "http_timeout"


def test_the_schedule_is_slacks_own() -> None:
    assert RETRY_DELAYS == (0.2, 60.0, 300.0)
