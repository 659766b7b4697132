"""Ends what takes too long on a server that has no such limit for statements that write."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pymysql

#: As if the server had ended it.
_TOO_SLOW = 3024
_OFTEN = 0.25
_SHORTEST = 0.1


class Watchdog:
    """Watches one connection. ``kill`` ends what it does now, over a connection of its own.

    That one is opened before: when writers pile up behind our locks, the server may let nobody in.
    """

    def __init__(self, kill: Callable[[], None], longest: float) -> None:
        self._kill = kill
        self._longest = max(_SHORTEST, longest)
        self._guard = threading.Lock()
        self._due: float | None = None
        self._bitten = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._patrol, name="watchdog", daemon=True)
        self._thread.start()

    def _patrol(self) -> None:
        while not self._over.wait(min(_OFTEN, self._longest / 10)):
            with self._guard:
                if self._due is not None and time.monotonic() > self._due:
                    self._bitten = True
                    # Should it fail, the driver hangs up a little later.
                    with suppress(pymysql.Error, OSError):
                        self._kill()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A statement runs inside.

        Raises:
            pymysql.OperationalError: it took too long, whether it was ended or just came to its end.
        """
        with self._guard:
            self._due, self._bitten = time.monotonic() + self._longest, False
        try:
            yield
        finally:
            with self._guard:
                self._due, bitten = None, self._bitten
            if bitten:
                raise pymysql.OperationalError(_TOO_SLOW, "")

    def leave(self) -> None:
        """Nothing is ended from now on."""
        self._over.set()
        self._thread.join()
