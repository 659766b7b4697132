"""Runs a command and stays the parent of all it leaves behind: ``reaper.py DESCRIPTOR PROGRAM ARGUMENT…``.

A program of its own, without anything of ours in it. A daemon that leaves its session and empties its
environment loses its parent and gets this one, so that it is found and ended. The code with which the command
ended is written to the descriptor at once; this process ends when nothing of it is left.
"""

import ctypes
import os
import signal
import sys

_SET_CHILD_SUBREAPER = 36
_NO_PROGRAM = 127


def main(descriptor: int, words: list[str]) -> None:
    """Run it to its end, and wait for what it has left behind."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = os.fork()
    if command == 0:
        os.close(descriptor)
        try:
            os.execv(words[0], words)  # noqa: S606 - declared in the configuration, no shell
        finally:
            os._exit(_NO_PROGRAM)
    # Whoever reads what the command says must see its end, not ours.
    os.close(1)
    # It ends when the others have ended: they must not lose their parent first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            return
        if ended == command:
            os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(descriptor)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
