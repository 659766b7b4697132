"""What every way to the app has in common: deliveries and redelivery. Runs on the server's event loop.

Events that are not acked in time come again with the same event id; commands and interactions do not: the
person is told that it did not work.
"""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bot.sandbox.slack.core import Core, Delivery
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.workspace import Json

EVENT = "events_api"


class Carrier(ABC):
    """Takes deliveries to the app.

    Args:
        core: the shared state; deliveries are written down there.
        faults: lost acks, duplicates, held events.
        ack_timeout: seconds that the app has for an ack.
        retry_delays: seconds before the first, second … redelivery of an event.
    """

    def __init__(self, core: Core, faults: Faults, ack_timeout: float, retry_delays: Sequence[float]) -> None:
        self.core, self.faults = core, faults
        self.ack_timeout, self.retry_delays = ack_timeout, tuple(retry_delays)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, kind: str, name: str, payload: Json, *, event_id: str = "") -> Delivery:
        """Start a delivery; safe from any thread."""
        delivery = Delivery(kind, name, str(uuid.uuid4()), payload, event_id)
        with self.core.changed:
            self.core.deliveries.append(delivery)
        if not self.faults.take_hold(delivery):
            self.deliver(delivery)
        return delivery

    def deliver(self, delivery: Delivery) -> None:
        """Put a delivery on its way; safe from any thread."""
        self._soon(self._dispatch, delivery)
        if delivery.kind == EVENT and self.faults.take_duplicate():
            self._soon(self._again, delivery, "")

    async def close(self) -> None:
        """Forget every timer and what is on its way."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @abstractmethod
    def _dispatch(self, delivery: Delivery) -> None:
        """Take one delivery to the app, now."""

    def _acked(self, delivery: Delivery, answer: Json) -> None:
        with self.core.changed:
            assert delivery.sent_at is not None
            delivery.latency = time.monotonic() - delivery.sent_at
            if not delivery.settled:
                delivery.acked = delivery.settled = True
                delivery.answer = answer
            self.core.changed.notify_all()

    def _failed(self, delivery: Delivery, error: str, reason: str, *, again: bool = True) -> None:
        with self.core.changed:
            delivery.settled = True
            delivery.error = error
            self.core.changed.notify_all()
        if delivery.kind == EVENT and again:
            self._again(delivery, reason)

    def _again(self, before: Delivery, reason: str) -> None:
        """The same event in another delivery; without a reason it is a duplicate, not a retry."""
        attempt = before.attempt + 1 if reason else before.attempt
        if attempt > len(self.retry_delays):
            return
        after = Delivery(
            before.kind, before.name, str(uuid.uuid4()), before.payload, before.event_id, attempt, reason
        )

        def start() -> None:
            with self.core.changed:
                self.core.deliveries.append(after)
            self._dispatch(after)

        self._later(self.retry_delays[attempt - 1] if reason else 0.0, start)

    def _soon(self, function: Callable[..., None], *args: object) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        assert self.loop is not None

        def ring() -> None:
            self._timers.discard(timer)
            function()

        timer = self.loop.call_later(seconds, ring)
        self._timers.add(timer)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self.loop is not None
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
