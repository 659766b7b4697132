"""kill -9 before the nth statement, of the worker or of somebody else."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Not before each of them but before every fourth, unless ``make kill-matrix`` asks for all.
STRIDE = 1 if os.environ.get("KILL_MATRIX") == "all" else 4


@contextmanager
def at_statement(nth: int, act: Callable[[], object], statement: str) -> Iterator[Callable[[], bool]]:
    """``act`` once, just before this thread runs its ``nth`` statement; gives whether it has come to that.

    ``statement``: the function of the driver that runs one.
    """
    left = nth

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        if event == "call" and frame.f_code.co_qualname == statement:
            left -= 1
            if not left:
                act()

    sys.setprofile(watch)
    try:
        yield lambda: left <= 0
    finally:
        sys.setprofile(None)


def is_killed(work: Callable[[], object], nth: int, statement: str = "Connection.execute") -> bool:
    """Whether a process of its own, which does the work, came to its ``nth`` statement and was killed before it.

    ``statement``: the function of the driver that runs one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            with at_statement(nth, lambda: os.kill(os.getpid(), signal.SIGKILL), statement):
                work()
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as a second pytest
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the work itself failed before its statement {nth}"
    return code == -signal.SIGKILL
