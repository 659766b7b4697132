"""Slack's door over HTTP under attack, at the real listener: raw bytes over a real socket."""

import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult

from bot.cli.listener import MOST_BYTES, Listener
from bot.sandbox.people import DELETIONS
from handlers import door
from handlers.signed import PATH, SignedDoor
from handlers.slack import connect
from tests.unit.handlers.doorway import Doorway, opened

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
#: Seconds a request may take here.
PATIENCE = 0.5


class Wire:
    """A door of a whole house behind the real listener."""

    def __init__(self, doorway: Doorway) -> None:
        self.doorway = doorway
        self.server = Listener(
            "127.0.0.1", 0, {PATH: SignedDoor(self._app(), SECRET, self._clock)}, 4, request_within=PATIENCE
        )
        self.server.start()

    def _clock(self) -> Any:
        return self.doorway.house.now

    def _app(self) -> App:
        def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_user_id="U0COUNTERSIGN")

        # The house has a clock of its own, and Bolt looks at the wall's; our own door checks the signature.
        app = App(
            logger=door.quiet_logger(),
            client=connect(None, "http://127.0.0.1:1/"),
            signing_secret=SECRET,
            request_verification_enabled=False,
            authorize=authorize,
        )
        door.register(app, self.doorway.front)
        return app

    @property
    def seconds(self) -> int:
        return int(self.doorway.house.now.timestamp())

    def signed(self, body: bytes, at: int | None = None, secret: str = SECRET) -> dict[str, str]:
        stamp = str(self.seconds if at is None else at)
        text = f"v0:{stamp}:".encode() + body
        signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}

    def post(
        self, body: bytes, headers: Mapping[str, str], path: str = PATH, method: str = "POST"
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.request(
                method, path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes, *more: bytes) -> bytes:
        """Whatever comes back for these bytes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as one:
            one.sendall(sent)
            for piece in more:
                one.sendall(piece)
            got = b""
            try:
                while piece := one.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
            return got

    def filed(self) -> int:
        """How many requests there are; every listener has finished."""
        deadline = time.monotonic() + 10
        while self.doorway.services.inbox.waiting(self.doorway.house.now):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.doorway.stored().count('INSERT INTO "requests"')


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with opened(tmp_path) as doorway:
        found = Wire(doorway)
        try:
            yield found
        finally:
            found.server.stop()


def command(text: str = "crm customer ada@example.com -- GDPR", trigger: str = "1.trigger") -> bytes:
    return urlencode(
        {
            "token": "t",
            "team_id": "T0ACME",
            "channel_id": DELETIONS,
            "user_id": "U0ALICE",
            "command": "/delete-records",
            "text": text,
            "trigger_id": trigger,
        }
    ).encode()


def test_what_slack_signed_is_handled_and_acknowledged_empty(wire: Wire) -> None:
    body = command()
    assert wire.post(body, wire.signed(body)) == (200, b"")
    assert wire.filed() == 1


#: What is wrong -> the headers of a delivery that is otherwise in order.
FORGERIES: dict[str, Callable[[Wire, bytes], Mapping[str, str]]] = {
    "unsigned": lambda _wire, _body: {},
    "signed with another secret": lambda wire, body: wire.signed(body, secret="another"),
    "signed with an empty secret": lambda wire, body: wire.signed(body, secret=""),
    "six minutes old": lambda wire, body: wire.signed(body, wire.seconds - 360),
    "six minutes ahead": lambda wire, body: wire.signed(body, wire.seconds + 360),
    "another body": lambda wire, body: wire.signed(body + b"&x=1"),
    "without the timestamp": lambda wire, body: {"X-Slack-Signature": wire.signed(body)["X-Slack-Signature"]},
    "with a moved timestamp": lambda wire, body: {
        **wire.signed(body),
        "X-Slack-Request-Timestamp": str(wire.seconds - 1),
    },
    "a timestamp that is no number": lambda wire, body: {
        **wire.signed(body),
        "X-Slack-Request-Timestamp": "now",
    },
    "a timestamp without end": lambda wire, body: {
        **wire.signed(body),
        "X-Slack-Request-Timestamp": "9" * 4000,
    },
    "an upper-case signature": lambda wire, body: {
        **wire.signed(body),
        "X-Slack-Signature": wire.signed(body)["X-Slack-Signature"].upper(),
    },
    "another version of signature": lambda wire, body: {
        **wire.signed(body),
        "X-Slack-Signature": wire.signed(body)["X-Slack-Signature"].replace("v0", "v1"),
    },
    "a retry that is not signed": lambda _wire, _body: {
        "X-Slack-Retry-Num": "1",
        "X-Slack-Retry-Reason": "http_timeout",
    },
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_slack_did_not_sign_is_refused_and_leaves_no_trace(wire: Wire, forgery: str) -> None:
    body = command()
    status, said = wire.post(body, FORGERIES[forgery](wire, body))
    assert (status, said) == (401, b"")
    assert wire.filed() == 0
    assert "1.trigger" not in wire.doorway.stored()


def test_a_header_that_comes_twice_is_refused(wire: Wire) -> None:
    body = command()
    good = wire.signed(body)
    for twice in good:
        head = "".join(f"{name}: {value}\r\n" for name, value in [*good.items(), (twice, good[twice])])
        sent = f"POST {PATH} HTTP/1.0\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
        assert wire.raw(sent).split(b"\r\n")[0].endswith(b"401 Unauthorized")
    lengths = f"POST {PATH} HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    assert b" 400 " in wire.raw(lengths.encode() + body).split(b"\r\n")[0]
    assert wire.filed() == 0


def test_the_same_bytes_twice_are_refused_the_second_time(wire: Wire) -> None:
    body = command()
    headers = wire.signed(body)
    assert [wire.post(body, headers)[0] for _ in range(3)] == [200, 401, 401]
    assert wire.filed() == 1


def test_the_same_delivery_with_a_fresh_signature_is_acknowledged_and_done_once(wire: Wire) -> None:
    """What Slack does after a lost answer; and what a replay at another process of ours comes to."""
    body = command()
    assert wire.post(body, wire.signed(body))[0] == 200
    wire.doorway.house.wait(seconds=60)
    assert wire.post(body, {**wire.signed(body), "X-Slack-Retry-Num": "1"})[0] == 200
    assert wire.filed() == 1


def test_no_acknowledgement_while_our_database_is_down_and_the_repeat_counts(wire: Wire) -> None:
    body = command()
    headers = wire.signed(body)
    with wire.doorway.house.database.writer.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("ALTER TABLE inbox RENAME TO gone")
        assert wire.post(body, headers) == (500, b"")
        raw.execute("ALTER TABLE gone RENAME TO inbox")
    assert wire.post(body, headers)[0] == 200
    assert wire.filed() == 1


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/slack/events", "GET", 405),
        ("/slack/events", "PUT", 405),
        ("/slack/events", "HEAD", 405),
        ("/slack/events/", "POST", 404),
        ("/slack/install", "GET", 404),
        ("/slack/oauth_redirect", "GET", 404),
        ("/slack/commands", "POST", 404),
        ("/", "POST", 404),
    ],
)
def test_only_one_path_and_one_method_are_a_door(wire: Wire, path: str, method: str, status: int) -> None:
    body = command()
    assert wire.post(body, wire.signed(body), path, method)[0] == status
    assert wire.filed() == 0


def test_slacks_question_about_the_certificate_is_a_yes_that_does_nothing(wire: Wire) -> None:
    assert wire.post(b"", {}, f"{PATH}?ssl_check=1&token=t", "GET") == (200, b"")
    assert wire.post(b"ssl_check=1&token=t", {}) == (200, b"")
    smuggled = command() + b"&ssl_check=1"
    assert wire.post(smuggled, {})[0] == 401
    assert wire.post(json.dumps({"ssl_check": "1"}).encode(), {"Content-Type": "application/json"})[0] == 401
    assert wire.filed() == 0


def test_the_address_is_verified_by_its_challenge_when_it_is_signed(wire: Wire) -> None:
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRN"}).encode()
    kind = {"Content-Type": "application/json"}
    status, said = wire.post(body, {**wire.signed(body), **kind})
    assert (status, json.loads(said)) == (200, {"challenge": "3eZbrw1aBm2rZgRN"})
    assert wire.post(body, kind) == (401, b"")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xfe\x00\x80" * 9, "application/json"),
        (b"command=%2Frestore&text=\xff", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
        (b"[1, 2]", "application/json"),
        (b'"text"', "application/json"),
        (b"null", "application/json"),
        (b"payload=%7B", "application/x-www-form-urlencoded"),
        (b"payload=[]", "application/x-www-form-urlencoded"),
        (b"", "application/json"),
        (b"{}", "text/plain"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_nonsense_with_a_good_signature_changes_nothing_and_the_door_stays_open(
    wire: Wire, body: bytes, kind: str
) -> None:
    status, said = wire.post(body, {**wire.signed(body), "Content-Type": kind})
    assert status >= 400 or said == b""
    assert b"Traceback" not in said
    assert wire.filed() == 0
    good = command()
    assert wire.post(good, wire.signed(good))[0] == 200


def test_a_body_that_is_too_big_is_refused_before_it_is_read(wire: Wire) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n"
    assert b" 413 " in wire.raw(head.encode()).split(b"\r\n")[0]
    endless = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 40_000}\r\n\r\n"
    assert b" 431 " in wire.raw(endless.encode()).split(b"\r\n")[0]


def test_a_body_without_an_announced_length_is_refused(wire: Wire) -> None:
    body = command()
    head = "".join(f"{name}: {value}\r\n" for name, value in wire.signed(body).items())
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    start = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode()
    assert b" 501 " in wire.raw(start, chunks).split(b"\r\n")[0]
    both = start.replace(b"Host: x", b"Host: x\r\nContent-Length: 5")
    assert b" 501 " in wire.raw(both, chunks).split(b"\r\n")[0]
    assert wire.filed() == 0


def test_a_body_that_is_shorter_than_announced_never_counts(wire: Wire) -> None:
    body = command()
    head = "".join(f"{name}: {value}\r\n" for name, value in wire.signed(body).items())
    for hang_up in (True, False):
        with socket.create_connection(("127.0.0.1", wire.server.port), timeout=10) as one:
            one.sendall(
                f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 9}\r\n{head}\r\n".encode()
            )
            one.sendall(body)
            if hang_up:
                one.shutdown(socket.SHUT_WR)
            assert one.recv(100) == b""
    assert wire.filed() == 0


def test_slow_ones_hold_nobody_up_and_are_hung_up_on(wire: Wire) -> None:
    """Many more than there are threads, each sending a byte now and then; others are served meanwhile."""
    slow = [socket.create_connection(("127.0.0.1", wire.server.port), timeout=10) for _ in range(60)]
    try:
        for one in slow[:30]:
            one.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\na".encode())
        for one in slow[30:]:
            one.sendall(b"POST /sl")
        body = command()
        assert wire.post(body, wire.signed(body))[0] == 200
        assert wire.filed() == 1
        for one in slow:
            assert one.recv(100) == b""
    finally:
        for one in slow:
            one.close()


def test_a_connection_may_be_used_again_and_each_request_has_its_own_time(wire: Wire) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", wire.server.port, timeout=10)
    try:
        for number in range(2):
            body = command(trigger=f"{number}.trigger")
            connection.request("POST", PATH, body, wire.signed(body))
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            time.sleep(PATIENCE)
    finally:
        connection.close()


def test_without_a_secret_there_is_no_door(wire: Wire) -> None:
    with pytest.raises(ValueError, match="secret"):
        SignedDoor(wire.doorway.app, "", wire._clock)


def test_a_signature_is_remembered_as_long_as_it_is_good(wire: Wire) -> None:
    body = command()
    ahead = wire.signed(body, wire.seconds + 299)
    assert wire.post(body, ahead)[0] == 200
    wire.doorway.house.now += timedelta(seconds=590)
    other = command(trigger="2.trigger")
    assert wire.post(other, wire.signed(other))[0] == 200
    assert wire.post(body, ahead)[0] == 401
