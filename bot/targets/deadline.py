"""How long a session may go on, on the monotonic clock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import TargetDown


class Deadline:
    """No statement starts after ``deadline``; ``max_lock`` and the deadline itself are in seconds."""

    def __init__(self, target: str, max_lock: float) -> None:
        self._target = target
        self._max_lock = max_lock
        self.deadline = time.monotonic() + max_lock

    def extend(self) -> None:
        """See ``bot.targets.base.Writing``."""
        now = time.monotonic()
        if now > self.deadline:
            raise TargetDown("target.lock-too-long", target=self._target, seconds=int(self._max_lock))
        self.deadline = now + self._max_lock

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """For what happens inside, the deadline is no later than this."""
        whole, self.deadline = self.deadline, min(self.deadline, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.deadline = whole

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise TargetDown("target.too-slow", target=self._target)
