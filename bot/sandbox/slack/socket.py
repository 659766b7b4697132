"""Socket Mode: links, envelopes and acks. Runs on the server's event loop.

An envelope goes to any one open link.
"""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Sequence

from aiohttp import WSMsgType, web

from bot.sandbox.slack.carrier import EVENT, Carrier
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


class Links(Carrier):
    """All open links of the app.

    Args:
        core: as for :class:`Carrier`.
        faults: as for :class:`Carrier`.
        ack_timeout: as for :class:`Carrier`.
        retry_delays: as for :class:`Carrier`.
        ping_every: seconds between pings to the app; 0 sends none.
    """

    def __init__(
        self, core: Core, faults: Faults, ack_timeout: float, retry_delays: Sequence[float], ping_every: float
    ) -> None:
        super().__init__(core, faults, ack_timeout, retry_delays)
        self.ping_every = ping_every
        self._open: list[Link] = []
        self._tickets: set[str] = set()
        self._unacked: dict[str, Delivery] = {}
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

    def disconnect(self, reason: str) -> None:
        """Ask the app to renew its links, and close the old ones; on the loop's own thread.

        A ``warning`` closes nothing yet: it comes some seconds ahead.
        """
        for link in self.open:
            link.leaving = True
            self._run(self._say_goodbye(link, reason))

    async def close(self) -> None:
        """Close every link and forget every timer."""
        await self.hang_up()
        await super().close()

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
            self._failed(delivery, "dispatch_failed", "connection_failed")
            return
        envelope: Json = {
            "envelope_id": delivery.envelope_id,
            "type": delivery.kind,
            "accepts_response_payload": delivery.kind != EVENT,
            "payload": delivery.payload,
        }
        if delivery.kind == EVENT:
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
        if not delivery.settled:
            del self._unacked[delivery.envelope_id]
        self._acked(delivery, message.get("payload") or {})

    def _overdue(self, delivery: Delivery) -> None:
        if not delivery.settled:
            self._failed(delivery, "operation_timeout", "timeout")

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
        if reason != "warning":
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
