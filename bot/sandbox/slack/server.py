"""A Slack on loopback: HTTP and WebSocket on 127.0.0.1, in a thread of its own.

``with Slack(seeded()) as slack:`` starts it; an app talks to ``slack.api_url`` with ``slack.bot_token`` and
``slack.app_token``; ``slack.as_user("U0ALICE")`` is a person's hand.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from aiohttp import web

from bot.sandbox.loop import Loop
from bot.sandbox.slack import methods, responses
from bot.sandbox.slack.admin import Admin
from bot.sandbox.slack.carrier import Carrier
from bot.sandbox.slack.core import APP_TOKEN, BOT_TOKEN, Core, Delivery, Happening
from bot.sandbox.slack.endpoint import SIGNING_SECRET, Endpoint
from bot.sandbox.slack.faults import Faults, Trouble
from bot.sandbox.slack.hand import Person
from bot.sandbox.slack.socket import Links
from bot.sandbox.slack.workspace import Json, Message

Result = TypeVar("Result")
LOOPBACK = "127.0.0.1"
#: As many as the app opens.
SOCKETS = 2
#: Near at once, a minute, five minutes: as Slack does.
RETRY_DELAYS = (0.2, 60.0, 300.0)


class Slack:
    """The server, its faults, its people.

    Args:
        core: the seeded state, see :func:`bot.sandbox.people.seeded`.
        port: 0 chooses a free one.
        ack_timeout: seconds for an ack.
        retry_delays: seconds before each redelivery of an event.
        deliver_to: HTTP mode: the address of the app; without it the app opens sockets.
        ping_every: seconds between pings; also how fast a client of slack_sdk notices that it should close.
    """

    def __init__(
        self,
        core: Core,
        *,
        port: int = 0,
        ack_timeout: float = 3.0,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        deliver_to: str = "",
        ping_every: float = 0.5,
    ) -> None:
        self.core = core
        self.port = port
        self.bot_token, self.app_token = BOT_TOKEN, APP_TOKEN
        self.faults = Faults(self._disconnect, self._down, self._up, self._deliver)
        self.links = Links(core, self.faults, ack_timeout, retry_delays, ping_every)
        self.endpoint: Endpoint | None = None
        if deliver_to:
            self.endpoint = Endpoint(core, self.faults, ack_timeout, retry_delays, deliver_to)
        self.admin = Admin(core)
        self._loop = Loop("sandbox-slack")
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._answering_503 = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """What ``SLACK_API_URL`` must be."""
        return f"{self.core.base_url}/api/"

    @property
    def violations(self) -> list[str]:
        """Calls that the real Slack would not understand, in words."""
        return self.core.violations

    @property
    def acks(self) -> list[Delivery]:
        """Every delivery that came to an end: acked or not, and how fast (``latency``, seconds)."""
        with self.core.changed:
            return [delivery for delivery in self.core.deliveries if delivery.settled]

    @property
    def carrier(self) -> Carrier:
        """What takes deliveries to the app: its sockets, or its address."""
        return self.endpoint or self.links

    def environment(self) -> dict[str, str]:
        """The variables with which an app finds this server."""
        way = {"SLACK_APP_TOKEN": self.app_token}
        if self.endpoint is not None:
            way = {"SLACK_SIGNING_SECRET": SIGNING_SECRET}
        return {"SLACK_API_URL": self.api_url, "SLACK_BOT_TOKEN": self.bot_token, **way}

    def start(self) -> None:
        """Listen; returns when connections are accepted.

        Raises:
            OSError: the port is taken.
        """
        self._loop.begin()
        self.carrier.loop = self.links.loop = self._loop.asyncio
        try:
            self._loop.run(self._listen())
        except OSError:
            self.stop()
            raise
        self.core.send = self.carrier.send

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._loop.run(self._close())
        self._loop.end()

    def as_user(self, user: str) -> Person:
        """The hand of this person."""
        return Person(self.core, user)

    def subscribe(self, callback: Callable[[Happening], None]) -> None:
        """Call ``callback`` for everything that happens, in order; it must be quick."""
        with self.core.changed:
            self.core.subscribers.append(callback)

    def wait_for(self, predicate: Callable[[], Result], timeout: float = 5.0) -> Result:
        """Wait until ``predicate()`` is true and give its value; it is asked after every change, unlocked.

        Raises:
            TimeoutError: it stayed false for ``timeout`` seconds; says what happened last.
        """
        value = self.core.wait_until(predicate, timeout)
        if not value:
            raise TimeoutError(self._lately())
        return value

    def wait_for_links(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until the app has opened this many sockets."""
        self.wait_for(lambda: self.links.count >= count, timeout)

    def reaches_app(self) -> bool:
        """Whether deliveries arrive: both sockets are open, or the app's address answers the challenge."""
        if self.endpoint is None:
            return self.links.count >= SOCKETS
        return self._loop.run(self.endpoint.is_verified())

    def wait_for_message(self, text: str, *, channel: str = "", timeout: float = 5.0) -> Message:
        """The newest message that shows ``text``, as soon as there is one."""
        found = self.wait_for(lambda: self.find(text, channel), timeout)
        assert found is not None
        return found

    def find(self, text: str, channel: str = "") -> Message | None:
        """The newest message (not an ephemeral) that shows ``text``."""
        rooms = [channel] if channel else list(self.core.workspace.messages)
        with self.core.changed:
            found = [
                message
                for room in rooms
                for message in self.core.workspace.messages.get(room, {}).values()
                if text in responses.shown_text(message)
            ]
        return max(found, key=lambda message: message.ts, default=None)

    def _deliver(self, delivery: Delivery) -> None:
        self.carrier.deliver(delivery)

    def _lately(self) -> str:
        happened = [f"{one.kind} {one.channel} {one.user} {one.name}".strip() for one in self.core.feed[-8:]]
        return "; ".join(["nothing in time, lately:", *happened, *self.core.violations[-3:]])

    async def _listen(self) -> None:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link/", self._link)
        app.router.add_post("/response/{key}", self._response)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_get("/files-pri/{file}/{name:.+}", self._download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await self._open_door()

    async def _open_door(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, LOOPBACK, self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]
        self.core.base_url = f"http://{LOOPBACK}:{self.port}"

    async def _close(self) -> None:
        await self.links.close()
        if self.endpoint is not None:
            await self.endpoint.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        if self._answering_503:
            return web.Response(status=503, text="upstream connect error")
        token, arguments = await _arguments(request)
        trouble, late = self.faults.take_trouble(name)
        if trouble.retry_after:
            return web.json_response(
                {"ok": False, "error": "ratelimited"},
                status=429,
                headers={"Retry-After": str(trouble.retry_after)},
            )
        if trouble.status and not trouble.done:
            return web.Response(status=trouble.status, text="upstream connect error")
        answer = self._answer(name, token, arguments, trouble)
        if late:
            await asyncio.sleep(late)
        if trouble.status:
            return web.Response(status=trouble.status, text="upstream connect error")
        if trouble.lose_answer and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer, headers={"x-oauth-scopes": ",".join(sorted(self.core.scopes or ()))})

    def _answer(self, name: str, token: str, arguments: Json, trouble: Trouble) -> Json:
        if trouble.error:
            return {"ok": False, "error": trouble.error}
        answer = methods.call(self.core, name, token, arguments)
        if name == "apps.connections.open" and answer["ok"]:
            address = self.core.base_url.replace("http", "ws", 1)
            answer["url"] = f"{address}/link/?ticket={self.links.ticket()}&app_id=A0COUNTERSIGN"
        return answer

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if self._answering_503:
            return web.Response(status=503)
        return await self.links.attach(request)

    async def _response(self, request: web.Request) -> web.Response:
        body = await request.json()
        with self.core.changed:
            error = responses.respond(self.core, request.match_info["key"], body)
        return web.json_response({"ok": False, "error": error} if error else {"ok": True}, status=200)

    async def _upload(self, request: web.Request) -> web.Response:
        content = await request.read()
        with self.core.changed:
            file = self.core.workspace.files.get(request.match_info["file"])
            if file is None:
                return web.Response(status=404)
            file["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    async def _download(self, request: web.Request) -> web.Response:
        """A file's content for the bot; for anybody else the page for signing in, as at Slack."""
        _, _, file = request.match_info["file"].partition("-")
        with self.core.changed:
            known = self.core.workspace.files.get(file)
            is_ours = request.headers.get("Authorization") == f"Bearer {BOT_TOKEN}"
            if not is_ours or not (self.core.scopes is None or "files:read" in self.core.scopes):
                return web.Response(text="<!DOCTYPE html><title>Slack</title>", content_type="text/html")
            if known is None or "content" not in known:
                return web.Response(status=404)
            return web.Response(body=known["content"], content_type="text/csv")

    def _disconnect(self, reason: str) -> None:
        self._loop.run(_as_coroutine(lambda: self.links.disconnect(reason)))

    def _down(self, refuse: bool) -> None:
        self._answering_503 = not refuse
        self._loop.run(self._shut_door(refuse=refuse))

    async def _shut_door(self, *, refuse: bool) -> None:
        if refuse and self._site is not None:
            await self._site.stop()
            self._site = None
        await self.links.hang_up()

    def _up(self) -> None:
        self._answering_503 = False
        if self._site is None:
            self._loop.run(self._open_door())


async def _as_coroutine(function: Callable[[], None]) -> None:
    function()


async def _arguments(request: web.Request) -> tuple[str, Json]:
    """The token and the arguments, from a JSON body, a form or the query."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text() or "{}")
        except ValueError:
            body = {}
        arguments |= body if isinstance(body, dict) else {}
    elif request.method == "POST":
        arguments |= dict(await request.post())
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return bearer or str(arguments.get("token", "")), arguments
