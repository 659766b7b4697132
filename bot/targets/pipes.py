"""Small helpers over a program that is fed, or read, through pipes."""

import subprocess
from contextlib import suppress


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Leave no process and no pipe behind, also when the other side of the stream failed."""
    for pipe in (process.stdout, process.stdin):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.wait()
