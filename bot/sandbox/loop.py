"""An event loop in a thread of its own, for servers that plain code starts and stops."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
WITHIN = 15.0
STOP_WITHIN = 10.0


class Loop:
    """``begin``, then ``run`` and ``soon`` from any thread, then ``end``."""

    def __init__(self, name: str, executor: ThreadPoolExecutor | None = None) -> None:
        self._name = name
        self._executor = executor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def asyncio(self) -> asyncio.AbstractEventLoop:
        """The loop itself, once it has begun: what never begins holds nothing that must be closed."""
        assert self._loop is not None, "begin comes first"
        return self._loop

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start the thread."""
        self._loop = loop = asyncio.new_event_loop()
        if self._executor is not None:
            loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=loop.run_forever, name=self._name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do this in the loop; returns, or raises, what it does within ``WITHIN`` seconds."""
        return asyncio.run_coroutine_threadsafe(work, self.asyncio).result(timeout=WITHIN)

    def soon(self, act: Callable[[], object]) -> None:
        """Have this called in the loop; nothing when it has ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def end(self) -> None:
        """Stop the loop and its thread."""
        self.asyncio.call_soon_threadsafe(self.asyncio.stop)
        assert self._thread is not None, "begin comes first"
        self._thread.join(timeout=STOP_WITHIN)
        self.asyncio.close()
