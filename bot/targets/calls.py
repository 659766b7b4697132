"""What a system does by itself when it is asked, over HTTP or as a command; see ``bot.targets.builtin.Call``.

Everything is bounded: the time of all of it, the bytes that come back. No shell, no redirect, no proxy, no
cookie, an environment with nothing in it but what is written here. A credential goes into one header or one
variable and nowhere else; no error carries it, nor what the other side said.
"""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bot.errors import CannotProve
from bot.targets import processes, stopping
from bot.targets.ports import Told, Writer

#: What an uninstall may say; nobody reads it.
MOST_SAID = 64 * 1024
#: What an export may give.
MOST_GIVEN = 1024 * 1024 * 1024
#: The variable that marks what a command starts, so that it is found again when we were killed meanwhile.
MARK = "COUNTERSIGN_OPERATION"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 64 * 1024
_DONE = (200, 201, 202, 204)


@dataclass(frozen=True)
class Credential:
    """A secret by the name of its variable. ``value`` is empty when the worker was not given it."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Credential({self.name!r})"


class _Into:
    """Where the answer goes, up to a bound."""

    def __init__(self, out: Writer | None, place: str) -> None:
        self._out = out
        self._left = MOST_SAID if out is None else MOST_GIVEN
        self._place = place

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise CannotProve("builtin.too-much", place=self._place)
        if self._out is not None:
            self._out.write(data)


class HttpCall:
    """One request; done means 200, 201, 202 or 204."""

    def __init__(self, url: str, verb: str, credential: Credential | None, seconds: float) -> None:
        self._url = url
        self._verb = verb
        self._credential = credential
        self._seconds = seconds

    @property
    def place(self) -> str:
        """See ``Call``."""
        return f"{self._verb} {self._url}"

    def unmet(self) -> Told | None:
        """See ``Call``."""
        return _no_credential(self._credential)

    def run(self, operation: str, out: Writer | None = None) -> str:
        """See ``Call``."""
        try:
            status = asyncio.run(self._ask(operation, _Into(out, self.place), exact=out is not None))
        except aiohttp.ClientConnectorError:
            raise CannotProve("builtin.not-reached", place=self.place) from None
        except TimeoutError:
            raise CannotProve("builtin.too-slow", place=self.place, n=int(self._seconds)) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise CannotProve("builtin.broke-off", place=self.place) from None
        if status not in _DONE:
            raise CannotProve("builtin.status", place=self.place, code=status)
        return f"status {status}"

    def end(self, operation: str) -> None:
        """See ``Call``. What answers runs as a service, and is stopped as one."""

    async def _ask(self, operation: str, into: _Into, *, exact: bool) -> int:
        headers = {"Accept-Encoding": "identity", "Idempotency-Key": operation}
        if self._credential is not None:
            headers["Authorization"] = f"Bearer {self._credential.value}"
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, auto_decompress=False) as session,
            session.request(self._verb, self._url, headers=headers, allow_redirects=False) as answer,
        ):
            whole = answer.content_length is not None or "Transfer-Encoding" in answer.headers
            if exact and answer.status in _DONE and not whole:
                # The end of it would be wherever the connection broke.
                raise CannotProve("builtin.no-length", place=self.place)
            async for data in answer.content.iter_chunked(_CHUNK):
                into.write(data)
            return answer.status


class CommandCall:
    """One command: a program by its whole path, and its arguments; done means that it ends with 0."""

    def __init__(self, words: Sequence[str], credential: Credential | None, seconds: float) -> None:
        self._words = tuple(words)
        self._credential = credential
        self._seconds = seconds

    @property
    def place(self) -> str:
        """See ``Call``: the program alone, as its arguments may say more."""
        return self._words[0]

    def unmet(self) -> Told | None:
        """See ``Call``."""
        return no_program(self._words[0]) or _no_credential(self._credential)

    def run(self, operation: str, out: Writer | None = None) -> str:
        """See ``Call``."""
        try:
            process = subprocess.Popen(  # noqa: S603 - declared in the configuration, no shell
                self._words,
                cwd="/",
                env=self._environment(operation),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if out is None else subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError):
            raise CannotProve("builtin.no-program", path=self.place) from None
        code = self._attend(process, operation, _Into(out, self.place))
        if code:
            raise CannotProve("builtin.exit", place=self.place, code=code)
        return f"exit {code}"

    def end(self, operation: str) -> None:
        """See ``Call``."""
        mark = f"{MARK}={operation}".encode()
        stopping.end([(one.pid, one.started) for one in processes.table().values() if _has(one.pid, mark)], 6)

    def _attend(self, process: "subprocess.Popen[bytes]", operation: str, into: _Into) -> int:
        """Wait for its end, within its time; if it is cut short, whatever it started has to end with it."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)

        watch = threading.Timer(self._seconds, cut)
        watch.start()
        try:
            with process:
                while process.stdout is not None and (data := os.read(process.stdout.fileno(), _CHUNK)):
                    into.write(data)
                code = process.wait()
        except BaseException:
            cut()
            self.end(operation)
            raise
        finally:
            watch.cancel()
        if late.is_set():
            self.end(operation)
            raise CannotProve("builtin.too-slow", place=self.place, n=int(self._seconds))
        return code

    def _environment(self, operation: str) -> Mapping[str, str]:
        made = {"LC_ALL": "C", "PATH": _PATH, MARK: operation}
        if self._credential is not None:
            made[self._credential.name] = self._credential.value
        return made


def no_program(path: str) -> Told | None:
    """What is wrong with a program that has to be there."""
    if Path(path).is_file() and os.access(path, os.X_OK):
        return None
    return "builtin.no-program", {"path": path}


def _no_credential(credential: Credential | None) -> Told | None:
    if credential is None or credential.value:
        return None
    return "builtin.no-credential", {"name": credential.name}


def _has(pid: int, mark: bytes) -> bool:
    """Whether a process was started with this in its environment; one that may not be read was not by us."""
    try:
        return pid != os.getpid() and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
