"""HTTP mode: signed deliveries to the app's address, as Slack makes them."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.slack.carrier import EVENT, Carrier
from bot.sandbox.slack.core import Core, Delivery
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.workspace import Json

SIGNING_SECRET = "5a5db0c0un7e251gn5andb0x5ecre700"  # noqa: S105 - signs nothing but on this loopback
FORM = "application/x-www-form-urlencoded"


class Endpoint(Carrier):
    """Posts what happens to one address.

    Args:
        core: as for :class:`Carrier`.
        faults: as for :class:`Carrier`.
        ack_timeout: as for :class:`Carrier`.
        retry_delays: as for :class:`Carrier`.
        url: the app's address.
    """

    def __init__(
        self, core: Core, faults: Faults, ack_timeout: float, retry_delays: Sequence[float], url: str
    ) -> None:
        super().__init__(core, faults, ack_timeout, retry_delays)
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Forget what is on its way and close the connections."""
        await super().close()
        if self._session is not None:
            await self._session.close()

    async def is_verified(self) -> bool:
        """Whether the app gives back the challenge, which is what Slack asks before it delivers."""
        challenge = self.core.fresh("challenge")
        body = json.dumps({"type": "url_verification", "token": "sandbox", "challenge": challenge}).encode()
        try:
            status, text, _ = await self._post(body, "application/json", {})
        except (aiohttp.ClientError, TimeoutError):
            return False
        return status == 200 and challenge in text

    def signed(self, body: bytes) -> dict[str, str]:
        """The two headers with which Slack signs."""
        stamp = str(int(self.core.now().timestamp()))
        signature = hmac.new(SIGNING_SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature.hexdigest()}"}

    def _dispatch(self, delivery: Delivery) -> None:
        self._run(self._deliver(delivery))

    async def _deliver(self, delivery: Delivery) -> None:
        body, kind = _written(delivery)
        headers: dict[str, str] = {}
        if delivery.attempt:
            headers = {"X-Slack-Retry-Num": str(delivery.attempt), "X-Slack-Retry-Reason": delivery.reason}
        with self.core.changed:
            delivery.sent_at = time.monotonic()
        try:
            status, text, said = await self._post(body, kind, headers)
        except TimeoutError:
            self._failed(delivery, "operation_timeout", "http_timeout")
            return
        except aiohttp.ClientError:
            self._failed(delivery, "dispatch_failed", "connection_failed")
            return
        if status // 100 != 2:
            again = said.get("X-Slack-No-Retry") != "1"
            self._failed(delivery, "dispatch_failed", "http_error", again=again)
        elif self.faults.take_lost_ack():
            self._later(self.ack_timeout, lambda: self._failed(delivery, "operation_timeout", "http_timeout"))
        else:
            self._acked(delivery, _answer(text))

    async def _post(self, body: bytes, kind: str, headers: dict[str, str]) -> tuple[int, str, Json]:
        if self._session is None:
            limit = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=limit)
        sent = {"Content-Type": kind, "User-Agent": "Slackbot 1.0", **self.signed(body), **headers}
        async with asyncio.timeout(self.ack_timeout):
            async with self._session.post(self.url, data=body, headers=sent) as answer:
                return answer.status, await answer.text(), dict(answer.headers)


def _written(delivery: Delivery) -> tuple[bytes, str]:
    """The body and its type: events are JSON, commands a form, interactions a form with JSON in it."""
    if delivery.kind == EVENT:
        return json.dumps(delivery.payload).encode(), "application/json"
    if delivery.kind == "slash_commands":
        return urlencode(delivery.payload).encode(), FORM
    return urlencode({"payload": json.dumps(delivery.payload)}).encode(), FORM


def _answer(text: str) -> Json:
    """What an ack carries: JSON, or the text of a command's answer."""
    if not text:
        return {}
    try:
        said = json.loads(text)
    except ValueError:
        return {"text": text}
    return said if isinstance(said, dict) else {"text": text}
