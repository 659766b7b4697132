"""An event loop in a thread of its own, for servers that plain code starts and stops."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
WITHIN = 15.0
STOP_WITHIN = 10.0


class Loop:
    """``begin``, then ``run`` and ``soon`` from any thread, then ``end``."""

    def __init__(self, name: str) -> None:
        self.asyncio = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.asyncio.run_forever, name=name, daemon=True)

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self._thread.is_alive()

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do this in the loop; returns, or raises, what it does within ``WITHIN`` seconds."""
        return asyncio.run_coroutine_threadsafe(work, self.asyncio).result(timeout=WITHIN)

    def soon(self, act: Callable[[], object]) -> None:
        """Have this called in the loop; nothing when it has ended."""
        if not self.asyncio.is_closed():
            self.asyncio.call_soon_threadsafe(act)

    def end(self) -> None:
        """Stop the loop and its thread."""
        self.asyncio.call_soon_threadsafe(self.asyncio.stop)
        self._thread.join(timeout=STOP_WITHIN)
        self.asyncio.close()
