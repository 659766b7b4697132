"""kill -9 before the nth statement, of the worker or of somebody else."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from bot.targets.ports import Source
from bot.targets.system import Holding

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


def killed_everywhere(
    one: Holding, copied: Callable[[], Source], step: str, statement: str, whole: Callable[[], object]
) -> None:
    """A step of a holding dies before any of its statements; it is taken up again, and all of it comes back.

    ``whole``: asserts that all is in its place.
    """
    backup, nth = copied(), 1

    def again() -> None:
        if one.whereabouts("t7") == "gone":
            one.prepare("r8", backup)
            one.appear("r8")

    work: dict[str, Callable[[], object]] = {
        "rehearsed": lambda: one.rehearse("t7", backup),
        "set aside": lambda: one.set_aside("t7", backup),
        "put back": lambda: one.put_back("t7"),
        "removed": lambda: one.remove("t7", backup),
        "restored": again,
    }
    order = list(work)
    while True:
        backup = copied()
        for former in order[: order.index(step)]:
            if former != "put back":
                work[former]()
        if not is_killed(work[step], nth, statement):
            break
        assert one.whereabouts("t7") != "both"
        work[step]()
        if step == "set aside":
            one.verify("t7", backup)
        # Whatever it was: from here all of it comes back.
        if one.whereabouts("t7") == "gone":
            again()
        one.put_back("t7")
        whole()
        nth += STRIDE
    assert nth > STRIDE
