"""Child processes that live and die with this one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Bad usage, bad configuration, a second worker: starting again would give the same answer.
FINAL_CODES = (1, 2)
INTERNAL = 70

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_WATCHED = _STOP_SIGNALS | {signal.SIGCHLD}


@dataclass(frozen=True)
class Part:
    """One child: what to run and the whole environment it may see."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Patience:
    """In seconds: the first pause before a restart (it doubles), and how long a stop may take."""

    pause: float = 1.0
    stop: float = 10.0
    restarts: int = 5
    window: float = 60.0


class Child:
    """One running part, and when it was restarted lately."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts: list[float] = []
        self.due: float | None = None

    def start(self) -> int:
        """Start it; returns its process id."""
        self.due = None
        self.process = _spawn(self.part)
        return self.process.pid

    def schedule(self, now: float, patience: Patience) -> float | None:
        """Plan a restart; returns the pause in seconds, or None when there were too many."""
        self.restarts = [at for at in self.restarts if now - at < patience.window]
        if len(self.restarts) >= patience.restarts:
            return None
        pause = patience.pause * float(2 ** len(self.restarts))
        self.restarts.append(now)
        self.due = now + pause
        return pause


class Supervisor:
    """Keeps the parts running until a signal, or until one of them says that there is no point.

    ``tell(event, part, params)`` hears what happens: started, ended, again, too-often, final, stopping,
    killed.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        tell: Callable[[str, str, Mapping[str, str | int]], None],
        patience: Patience,
    ) -> None:
        self._children = [Child(part) for part in parts]
        self._tell = tell
        self._patience = patience
        # Under nohup SIGHUP is ignored, and stays so.
        ignored = {number for number in _STOP_SIGNALS if signal.getsignal(number) == signal.SIG_IGN}
        self._watched = _WATCHED - ignored

    def run(self) -> int:
        """Start everything in order and watch it; returns the exit code of this process."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        try:
            for child in self._children:
                self._start(child)
            code = self._watch()
            self._stop()
            return code
        finally:
            for child in self._children:
                if child.process is not None and child.process.poll() is None:
                    child.process.kill()
                    child.process.wait()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start(self, child: Child) -> None:
        self._tell("started", child.part.name, {"pid": child.start()})

    def _watch(self) -> int:
        while True:
            caught = signal.sigtimedwait(self._watched, self._until_next())
            if caught is not None and caught.si_signo in _STOP_SIGNALS:
                return 0
            for child in self._children:
                code = self._look_at(child)
                if code is not None:
                    return code

    def _until_next(self) -> float:
        dues = [child.due for child in self._children if child.due is not None]
        return max(0.0, min([*dues, time.monotonic() + 1.0]) - time.monotonic())

    def _look_at(self, child: Child) -> int | None:
        now = time.monotonic()
        if child.due is not None:
            if now >= child.due:
                self._start(child)
            return None
        assert child.process is not None
        code = child.process.poll()
        if code is None:
            return None
        name = child.part.name
        if code in FINAL_CODES:
            self._tell("final", name, {"code": code})
            return code
        self._tell("ended", name, {"how": _how(code)})
        pause = child.schedule(now, self._patience)
        if pause is None:
            self._tell("too-often", name, {"n": self._patience.restarts})
            return INTERNAL
        self._tell("again", name, {"seconds": f"{pause:g}"})
        return None

    def _stop(self) -> None:
        running = [child for child in self._children if child.process and child.process.poll() is None]
        for child in running:
            assert child.process is not None
            self._tell("stopping", child.part.name, {})
            child.process.terminate()
        deadline = time.monotonic() + self._patience.stop
        while any(child.process and child.process.poll() is None for child in running):
            left = deadline - time.monotonic()
            caught = signal.sigtimedwait(self._watched, max(0.0, left))
            if left <= 0 or (caught is not None and caught.si_signo in _STOP_SIGNALS):
                self._kill(running)
                return

    def _kill(self, running: Sequence[Child]) -> None:
        for child in running:
            if child.process and child.process.poll() is None:
                self._tell("killed", child.part.name, {})
                child.process.kill()
                child.process.wait()


def _how(code: int) -> str:
    if code >= 0:
        return str(code)
    try:
        return signal.Signals(-code).name
    except ValueError:
        return str(code)


def _spawn(part: Part) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def bind() -> None:
        # The parent may be gone before the child has asked to die with it.
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(INTERNAL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    # Its own session: Ctrl-C in a terminal reaches this process alone, which stops the children in order.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module, nothing from outside
        part.command,
        env=dict(part.environment),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=bind,  # noqa: PLW1509 - this process has a single thread
    )
