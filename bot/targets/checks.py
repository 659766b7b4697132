"""Whether something answers: a web page by its status, a port by taking a connection. Never raises."""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import BadInput
from bot.targets.ports import Health


class TimedCheck:
    """What every check shares: its name, and a probe that times one look and never raises."""

    _name: str

    @property
    def name(self) -> str:
        """See ``Check``."""
        return self._name

    def probe(self) -> Health:
        """See ``Check``."""
        return _timed(self._name, self._once)

    def _once(self) -> tuple[bool, str, int]:
        """Whether it is well, what to say of it, and a number for that; raises what the network raises."""
        raise NotImplementedError


class HttpCheck(TimedCheck):
    """A page that answers with the expected status; redirects are not followed.

    Args:
        name: what people call it.
        url: ``http://`` or ``https://``.
        status: what it must answer.
        seconds: for all of it.

    Raises:
        BadInput: the URL cannot be asked.
    """

    def __init__(self, name: str, url: str, status: int = 200, seconds: float = 5.0) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadInput("checks.url", name=name) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadInput("checks.url", name=name)
        self._name = name
        self._host, self._port, self._secure = parts.hostname, port, parts.scheme == "https"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._status = status
        self._seconds = seconds

    def _once(self) -> tuple[bool, str, int]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        with closing(kind(self._host, self._port, timeout=self._seconds)) as connection:
            connection.connect()
            # A timeout of a socket is for each read; this one is for all of them.
            watch = threading.Timer(self._seconds, _cut, [connection.sock])
            watch.start()
            try:
                connection.request("GET", self._path, headers={"Connection": "close"})
                status = connection.getresponse().status
            finally:
                watch.cancel()
        return status == self._status, "checks.status", status


class PortCheck(TimedCheck):
    """A TCP port that takes a connection."""

    def __init__(self, name: str, host: str, port: int, seconds: float = 5.0) -> None:
        self._name = name
        self._address = (host, port)
        self._seconds = seconds

    def _once(self) -> tuple[bool, str, int]:
        with socket.create_connection(self._address, timeout=self._seconds):
            return True, "checks.connects", self._address[1]


class PlaceCheck(TimedCheck):
    """A place of somebody else that is there: a folder that holds something, a file with bytes in it."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = Path(path)

    def _once(self) -> tuple[bool, str, int]:
        well = any(self._path.iterdir()) if self._path.is_dir() else self._path.stat().st_size > 0
        return well, "checks.there", 0


class AbsentCheck(TimedCheck):
    """Nobody who could answer: what should be asked is not known any more."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _once(self) -> tuple[bool, str, int]:
        return False, "checks.no-answer", 0


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _timed(name: str, once: Callable[[], tuple[bool, str, int]]) -> Health:
    began = time.monotonic()
    try:
        well, key, number = once()
    except TimeoutError:
        well, key, number = False, "checks.too-slow", 0
    except (OSError, http.client.HTTPException, ValueError):
        well, key, number = False, "checks.no-answer", 0
    milliseconds = int((time.monotonic() - began) * 1000)
    return Health(well, key, {"name": name, "number": number}, milliseconds)
