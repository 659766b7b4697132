"""Socket Mode: links, envelopes, acks and redelivery. Runs on the server's event loop.

An envelope goes to any one open link. Events that are not acked in time come again with the same event id;
commands and interactions do not: the person is told that it did not work.
"""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Sequence

from aiohttp import WSMsgType, web

from bot.sandbox.slack.core import APP_ID, Core, Delivery
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.workspace import Json

MOST_LINKS = 10
#: Seconds that a closing link has to say goodbye.
CLOSE_WITHIN = 0.5


class Link:
    """One open WebSocket."""

    def __init__(self, number: int, socket: web.WebSocketResponse) -> None:
        self.number = number
        self.socket = socket
        self.leaving = False


class Links:
    """All open links of the app.

    Args:
        core: the shared state; deliveries are written down there.
        faults: lost acks and duplicates.
        ack_timeout: seconds that the app has for an ack.
        retry_delays: seconds before the first, second … redelivery of an event.
        ping_every: seconds between pings to the app; 0 sends none.
    """

    def __init__(
        self, core: Core, faults: Faults, ack_timeout: float, retry_delays: Sequence[float], ping_every: float
    ) -> None:
        self.core, self.faults = core, faults
        self.ack_timeout, self.retry_delays, self.ping_every = ack_timeout, tuple(retry_delays), ping_every
        self.loop: asyncio.AbstractEventLoop | None = None
        self._open: list[Link] = []
        self._tickets: set[str] = set()
        self._unacked: dict[str, Delivery] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._turn = itertools.count()

    def ticket(self) -> str:
        """What a link URL carries; good for one connection."""
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return ticket

    @property
    def open(self) -> tuple[Link, ...]:
        """The open links."""
        return tuple(self._open)

    @property
    def count(self) -> int:
        """How many links are open."""
        return len(self._open)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Serve one link until it closes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or len(self._open) >= MOST_LINKS:
            return web.Response(status=408 if ticket not in self._tickets else 429)
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse(timeout=CLOSE_WITHIN)
        await socket.prepare(request)
        link = Link(next(self._numbers), socket)
        self._join(link)
        self._run(self._ping(link))
        try:
            await socket.send_json(self._hello())
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._heard(json.loads(frame.data))
        except ConnectionError:
            pass
        finally:
            self._leave(link)
        return socket

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
        if delivery.kind == "events_api" and self.faults.take_duplicate():
            self._soon(self._again, delivery, "")

    def disconnect(self, reason: str) -> None:
        """Ask the app to renew its links and close the old ones; on the loop's own thread."""
        for link in self.open:
            link.leaving = True
            self._run(self._say_goodbye(link, reason))

    async def close(self) -> None:
        """Close every link and forget every timer."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self.hang_up()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hang_up(self) -> None:
        """Close every link; what was not acked comes again when its time is up."""
        for link in self.open:
            with contextlib.suppress(ConnectionError):
                await link.socket.close(code=1001)
            self._leave(link)

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "connection_info": {"app_id": APP_ID},
            "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060},
        }

    def _dispatch(self, delivery: Delivery) -> None:
        link = self._pick()
        with self.core.changed:
            delivery.sent_at = time.monotonic()
            delivery.link = link.number if link else 0
        if link is None:
            self._failed(delivery, "dispatch_failed")
            return
        envelope: Json = {
            "envelope_id": delivery.envelope_id,
            "type": delivery.kind,
            "accepts_response_payload": delivery.kind != "events_api",
            "payload": delivery.payload,
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": delivery.attempt, "retry_reason": delivery.reason}
        self._unacked[delivery.envelope_id] = delivery
        self._later(self.ack_timeout, lambda: self._overdue(delivery))
        self._run(self._write(link, json.dumps(envelope)))

    def _pick(self) -> Link | None:
        ready = [link for link in self._open if not link.leaving] or self._open
        return ready[next(self._turn) % len(ready)] if ready else None

    def _heard(self, message: Json) -> None:
        delivery = self._unacked.get(message.get("envelope_id", ""))
        if delivery is None or delivery.sent_at is None or self.faults.take_lost_ack():
            return
        with self.core.changed:
            delivery.latency = time.monotonic() - delivery.sent_at
            if not delivery.settled:
                del self._unacked[delivery.envelope_id]
                delivery.acked = delivery.settled = True
                delivery.answer = message.get("payload") or {}
            self.core.changed.notify_all()

    def _overdue(self, delivery: Delivery) -> None:
        if not delivery.settled:
            self._failed(delivery, "operation_timeout")

    def _failed(self, delivery: Delivery, error: str) -> None:
        with self.core.changed:
            delivery.settled = True
            delivery.error = error
            self.core.changed.notify_all()
        if delivery.kind == "events_api":
            self._again(delivery, "timeout" if error == "operation_timeout" else "connection_failed")

    def _again(self, before: Delivery, reason: str) -> None:
        """The same event in another envelope; without a reason it is a duplicate, not a retry."""
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

    def _join(self, link: Link) -> None:
        with self.core.changed:
            self._open.append(link)
            self.core.changed.notify_all()

    def _leave(self, link: Link) -> None:
        with self.core.changed:
            if link in self._open:
                self._open.remove(link)
            self.core.changed.notify_all()

    async def _say_goodbye(self, link: Link, reason: str) -> None:
        await self._write(link, json.dumps({"type": "disconnect", "reason": reason, "debug_info": {}}))
        await asyncio.sleep(0.2)
        await link.socket.close()

    async def _write(self, link: Link, text: str) -> None:
        with contextlib.suppress(ConnectionError):
            await link.socket.send_str(text)

    async def _ping(self, link: Link) -> None:
        while self.ping_every and not link.socket.closed:
            await asyncio.sleep(self.ping_every)
            with contextlib.suppress(ConnectionError):
                await link.socket.ping(b"sandbox")

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

    def _run(self, work: "asyncio._CoroutineLike[None]") -> None:
        assert self.loop is not None
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
