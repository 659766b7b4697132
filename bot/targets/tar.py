"""GNU tar, handed an exact list of names, between an open folder and a stream.

The folder is handed over as an open descriptor and the list as NUL-separated names, so that neither a
link put in the way nor a line break in a name leads it elsewhere.
"""

import os
import subprocess
import tempfile
from typing import Self

from bot.errors import CannotProve, TargetDown
from bot.targets.entries import Entry
from bot.targets.pipes import finish, pieces, widen
from bot.targets.ports import Reader, Writer

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/local/bin"}
_COPY = 1024 * 1024
_HEADERS = 1792
_SHARED = ("--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner")


class Names:
    """The names that go into a tar, noted one by one. In memory: they must not lie on a disk in the clear.

    ``size``: about how many bytes the tar will have, with headers, and blocks that are filled up.
    """

    def __init__(self) -> None:
        self.size = 0
        self._file = os.fdopen(os.memfd_create("names"), "wb")

    def add(self, entry: Entry) -> None:
        """One more; sockets are left out."""
        self.size += _HEADERS + (entry.size if entry.type == "file" else 0)
        if entry.type != "socket":
            prefix = "." if entry.path == "." else f"./{entry.path}"
            self._file.write(os.fsencode(prefix) + b"\0")

    def from_the_first(self) -> int:
        """A descriptor to read them all."""
        self._file.flush()
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        return self._file.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def pack(folder: int, names: Names, out: Writer, path: str) -> None:
    """Write what is in an open folder under these names as a tar.

    Raises:
        CannotProve: something changed while it was read.
        TargetDown: tar is missing or failed.
    """
    command = ["--create", "--format=posix", "--sparse", "--no-recursion", *_SHARED]
    command += ["--no-unquote", "--null", "--files-from=-", "--file=-"]
    with tempfile.TemporaryFile() as complaints:
        process = _start(
            command, folder, complaints.fileno(), stdin=names.from_the_first(), stdout=subprocess.PIPE
        )
        widen(process)
        try:
            for data in pieces(process):
                out.write(data)
        finally:
            finish(process)
        _judge(process.returncode, complaints.fileno(), path)


def unpack(folder: int, source: Reader, path: str) -> None:
    """Unpack a tar into an open, empty folder.

    Raises:
        TargetDown: tar is missing or failed.
    """
    owner = ["--same-permissions", "--same-owner"]
    command = ["--extract", *_SHARED, *owner, "--delay-directory-restore", "--file=-"]
    with tempfile.TemporaryFile() as complaints:
        process = _start(
            command, folder, complaints.fileno(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        try:
            while data := source.read(_COPY):
                process.stdin.write(data)
            process.stdin.close()
            process.wait()
        except BrokenPipeError:
            process.wait()
        finally:
            finish(process)
        _judge(process.returncode, complaints.fileno(), path)


def _start(
    options: list[str], folder: int, complaints: int, stdin: int, stdout: int
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - options of ours, names come through a descriptor
            ["tar", f"--directory=/proc/self/fd/{folder}", *options],  # noqa: S607 - PATH is ours, above
            env=_ENVIRONMENT,
            stdin=stdin,
            stdout=stdout,
            stderr=complaints,
            pass_fds=(folder,),
        )
    except FileNotFoundError:
        raise TargetDown("files.no-tar") from None


def _judge(code: int, complaints: int, path: str) -> None:
    if code == 0:
        return
    os.lseek(complaints, 0, os.SEEK_SET)
    said = os.read(complaints, 64 * 1024)
    # A disk that takes only a part of a write says no more than that.
    if any(full in said for full in (b"No space left", b"Disk quota", b"Wrote only")):
        raise TargetDown("files.full", path=path)
    if code == 1:
        raise CannotProve("files.changing", path=path)
    raise TargetDown("files.tar-failed", path=path, code=code)
