"""What a system does by itself when it is asked, over HTTP or as a command; see ``bot.targets.builtin.Call``.

Everything is bounded: the time of all of it, the bytes that come back. No shell, no redirect, no proxy, no
cookie, an environment with nothing in it but what is written here. A credential goes into one header or one
variable and nowhere else; no error carries it, nor what the other side said.
"""

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from bot.errors import CannotProve
from bot.targets import processes, reaper, stopping
from bot.targets.ports import Told, Writer

#: What an uninstall may say; nobody reads it.
MOST_SAID = 64 * 1024
#: What an export may give.
MOST_GIVEN = 1024 * 1024 * 1024
#: The variable that marks what a command starts, so that it is found again when we were killed meanwhile.
MARK = "COUNTERSIGN_OPERATION"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 64 * 1024
_REAPER = reaper.__file__
_INTERPRETER = re.compile(r"(ba|da|k|z)?sh|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|php[0-9.]*|node|nodejs")
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

    def __init__(
        self, url: str, verb: str, credential: Credential | None, seconds: float, owner: str = ""
    ) -> None:
        self._url = url
        self._owner = owner
        self._verb = verb
        self._credential = credential
        self._seconds = seconds

    @property
    def place(self) -> str:
        """See ``Call``: without what follows the path, which may say more."""
        parts = urlsplit(self._url)
        return f"{self._verb} {urlunsplit((parts.scheme, parts.netloc, parts.path, '', ''))}"

    def seal(self) -> str:
        """See ``Call``. What answers is a part of the system, and comes out of the backup."""
        return ""

    def unmet(self) -> Told | None:
        """See ``Call``."""
        return _no_credential(self._credential)

    def run(self, operation: str, out: Writer | None = None) -> str:
        """See ``Call``."""
        # Late: few systems are called over HTTP, and every process would wait a tenth of a second for it.
        import aiohttp  # noqa: PLC0415 - see above

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
        import aiohttp  # noqa: PLC0415 - as in ``run``

        headers = {"Accept-Encoding": "identity", "Idempotency-Key": _named(self._owner, operation)}
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

    def __init__(
        self, words: Sequence[str], credential: Credential | None, seconds: float, owner: str = ""
    ) -> None:
        self._words = tuple(words)
        self._owner = owner
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
        lacks = no_program(self._words[0])
        if lacks is not None:
            raise CannotProve(lacks[0], **lacks[1])
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - declared in the configuration, no shell
                [sys.executable, "-I", "-S", _REAPER, str(writing), *self._words],
                cwd="/",
                env=self._environment(operation),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if out is None else subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(writing,),
            )
        except (OSError, ValueError):
            os.close(reading)
            raise CannotProve("builtin.no-program", path=self.place) from None
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as ended:
            code = self._attend(process, operation, _Into(out, self.place), ended)
        if code:
            raise CannotProve("builtin.exit", place=self.place, code=code)
        return f"exit {code}"

    def seal(self) -> str:
        """See ``Call``."""
        digest = hashlib.sha256()
        for path in self._programs():
            digest.update(f"{path}\0".encode())
            try:
                with Path(path).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError:
                digest.update(b"unreadable")
        return digest.hexdigest()

    def _programs(self) -> Sequence[str]:
        """The program, and the script that an interpreter is given; other files are data."""
        first, *rest = self._words
        if not _INTERPRETER.fullmatch(Path(first).name):
            return (first,)
        script = next((word for word in rest if word.startswith("/") and Path(word).is_file()), None)
        return (first,) if script is None else (first, script)

    def end(self, operation: str) -> None:
        """See ``Call``. Also what has left its session and forgotten its environment: it has our reaper."""
        mark = f"{MARK}={_named(self._owner, operation)}".encode()
        everybody = processes.table()
        heads = [pid for pid in everybody if _has(pid, mark)]
        found = processes.family(heads, everybody) - {os.getpid()}
        stopping.end([(pid, everybody[pid].started) for pid in found], 6)

    def _attend(
        self, process: "subprocess.Popen[bytes]", operation: str, into: _Into, ended: IO[bytes]
    ) -> int:
        """Wait for its end, within its time; if it is cut short, whatever it started has to end with it."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.end(operation)

        watch = threading.Timer(self._seconds, cut)
        watch.start()
        try:
            if process.stdout is not None:
                with process.stdout:
                    while data := os.read(process.stdout.fileno(), _CHUNK):
                        into.write(data)
            code = ended.read()
        except BaseException:
            cut()
            raise
        finally:
            watch.cancel()
            # The reaper lives as long as anything of it does.
            threading.Thread(target=process.wait, daemon=True).start()
        if late.is_set():
            watch.join()
            raise CannotProve("builtin.too-slow", place=self.place, n=int(self._seconds))
        return int(code or -signal.SIGKILL)

    def _environment(self, operation: str) -> Mapping[str, str]:
        made = {"LC_ALL": "C", "PATH": _PATH, MARK: _named(self._owner, operation)}
        if self._credential is not None:
            made[self._credential.name] = self._credential.value
        return made


def _named(owner: str, operation: str) -> str:
    """A teardown's name among those of every installation on the machine: each counts its requests from 1."""
    return f"{owner}.{operation}" if owner else operation


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
