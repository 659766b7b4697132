"""The HTTP door: what Slack signed reaches Bolt, everything else is turned away before anything looks at it.

The order matters: size and form first, then the signature over the very bytes, then Bolt. Slack's two
questions about the address itself (``ssl_check``) carry no signature and get an empty yes that does nothing.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from slack_bolt import App
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk.signature import Clock, SignatureVerifier

PATH = "/slack/events"
#: Seconds that a signature is good for, by Slack's own advice.
GOOD_FOR = 300
#: Signatures that are remembered: more than Slack can send in that time.
MOST_REMEMBERED = 50_000
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)

Wsgi = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]


class SignedDoor:
    """A WSGI application for ``/slack/events``.

    Args:
        app: Bolt, with everything registered.
        secret: what Slack signs with.
        clock: the time, aware UTC.

    Raises:
        ValueError: the secret is empty, so everybody could sign.
    """

    def __init__(self, app: App, secret: str, clock: Callable[[], datetime]) -> None:
        if not secret:
            raise ValueError("secret")
        self._bolt = SlackRequestHandler(app, path=PATH)
        self._verifier = SignatureVerifier(secret, _Clock(clock))
        self._used = _Used(clock)

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        method = environ.get("REQUEST_METHOD")
        if method == "GET" and _asks_for_certificate(str(environ.get("QUERY_STRING") or "")):
            return _answer(start_response, HTTPStatus.OK)
        if method != "POST":
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "POST"))
        raw = _body(environ)
        if raw is None:
            return _answer(start_response, HTTPStatus.BAD_REQUEST)
        body = raw.decode("utf-8", "surrogateescape")
        if _is_form(environ) and _asks_for_certificate(body):
            return _answer(start_response, HTTPStatus.OK)
        signature = self._signature(environ, raw)
        if signature is None or not self._used.first(signature):
            return _answer(start_response, HTTPStatus.UNAUTHORIZED)
        return self._pass_on(environ, raw, signature, start_response)

    def _signature(self, environ: Mapping[str, Any], raw: bytes) -> str | None:
        """The signature, when it is Slack's, fresh, and over exactly these bytes."""
        timestamp = str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP") or "")
        signature = str(environ.get("HTTP_X_SLACK_SIGNATURE") or "")
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return None
        try:
            good = self._verifier.is_valid(raw.decode("utf-8"), timestamp, signature)
        except UnicodeDecodeError:
            return None
        return f"{timestamp}:{signature}" if good else None

    def _pass_on(
        self, environ: Mapping[str, Any], raw: bytes, signature: str, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        said = ""

        def listen(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            nonlocal said
            said = status
            return start_response(status, headers, *error)

        try:
            return self._bolt({**environ, "wsgi.input": _Read(raw), "CONTENT_LENGTH": str(len(raw))}, listen)
        finally:
            if not said.startswith("2"):
                self._used.forget(signature)


class _Used:
    """Signatures that were accepted while they are good: nobody hands over the same bytes twice.

    A delivery that failed is forgotten again, so that whoever stands between Slack and us may repeat it.
    What another process of ours, or one before a restart, has accepted is found by its id in the inbox.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def first(self, signature: str) -> bool:
        with self._lock:
            # A timestamp may lie as far ahead as behind.
            now = self._clock().timestamp()
            oldest = now - 2 * GOOD_FOR
            while self._seen and (
                len(self._seen) > MOST_REMEMBERED or next(iter(self._seen.values())) < oldest
            ):
                self._seen.popitem(last=False)
            if signature in self._seen:
                return False
            self._seen[signature] = now
            return True

    def forget(self, signature: str) -> None:
        with self._lock:
            self._seen.pop(signature, None)


class _Clock(Clock):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock().timestamp()


class _Read:
    """A body that was read already."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        return self._raw if size < 0 else self._raw[:size]


def _body(environ: Mapping[str, Any]) -> bytes | None:
    """All of the body; None when its length is not what was announced."""
    announced = str(environ.get("CONTENT_LENGTH") or "0")
    if not announced.isdecimal():
        return None
    raw: bytes = environ["wsgi.input"].read(int(announced))
    return raw if len(raw) == int(announced) else None


def _is_form(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("CONTENT_TYPE") or "").startswith("application/x-www-form-urlencoded")


def _asks_for_certificate(text: str) -> bool:
    """Slack looking at the certificate: ``ssl_check=1`` beside a token, and nothing to do."""
    if len(text) > 1000:
        return False
    asked = parse_qs(text)
    return asked.get("ssl_check") == ["1"] and set(asked) <= {"ssl_check", "token"}


def _answer(
    start_response: Callable[..., Any], status: HTTPStatus, *headers: tuple[str, str]
) -> Iterable[bytes]:
    start_response(
        f"{status.value} {status.phrase}", [("Content-Length", "0"), ("Cache-Control", "no-store"), *headers]
    )
    return []
