"""Small helpers over a program that is fed, or read, through pipes."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress

_WIDE = 1024 * 1024
#: What is read should still be near the processor when it is compressed.
_PIECE = 128 * 1024


def widen(process: "subprocess.Popen[bytes]") -> None:
    """Let more wait in its pipes: at 64 KiB the two sides wake each other ten times as often."""
    for pipe in (process.stdout, process.stdin):
        if pipe is not None:
            # A system may know no such thing, or grant no more; the pipe is as good.
            with suppress(OSError, AttributeError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _WIDE)


def pieces(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """All that a program writes, as it comes: nobody waits until a piece is full."""
    assert process.stdout is not None
    while data := os.read(process.stdout.fileno(), _PIECE):
        yield data


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Leave no process and no pipe behind, also when the other side of the stream failed."""
    for pipe in (process.stdout, process.stdin):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.wait()
