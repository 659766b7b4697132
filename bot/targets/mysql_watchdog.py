"""Ends what takes too long on a server that has no such limit for statements that write."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pymysql

#: As if the server had ended it, and as if it had gone.
_TOO_SLOW, _GONE = 3024, 2006
_OFTEN = 0.25
_SHORTEST = 0.1


class Watchdog:
    """Watches one connection. ``kill`` ends what it does now, over a connection of its own.

    That one is opened before: when writers pile up behind our locks, the server may let nobody in. It is kept
    alive by ``ping`` as long as there are statements; a worker that stands still loses it too.
    """

    def __init__(self, kill: Callable[[], object], ping: Callable[[], object], longest: float) -> None:
        self._kill = kill
        self._ping = ping
        self._longest = max(_SHORTEST, longest)
        self._guard = threading.Lock()
        self._due: float | None = None
        self._bitten = False
        self._heard = time.monotonic()
        self._active = self._deaf = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._patrol, name="watchdog", daemon=True)
        self._thread.start()

    def _patrol(self) -> None:
        while not self._over.wait(min(_OFTEN, self._longest / 10)):
            with self._guard:
                now = time.monotonic()
                try:
                    if self._due is not None and now > self._due:
                        self._bitten = True
                        self._kill()
                    elif self._active and now - self._heard > self._longest / 4:
                        self._active, self._heard = False, now
                        self._ping()
                except (pymysql.Error, OSError):
                    # What runs now is ended by the driver, a little later.
                    self._deaf = True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A statement runs inside.

        Raises:
            pymysql.OperationalError: it took too long, whether it was ended or just came to its end; or
                nobody could end it.
        """
        with self._guard:
            if self._deaf:
                raise pymysql.OperationalError(_GONE, "")
            self._due, self._bitten, self._active = time.monotonic() + self._longest, False, True
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
