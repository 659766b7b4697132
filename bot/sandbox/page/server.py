"""The page's own server: files, one snapshot per person, a stream of changes, and acts.

It listens on the loopback alone, in a thread of its own, and refuses whoever is not the browser's page itself
(:mod:`bot.sandbox.page.guard`). It hands out no token: people of the sandbox act by name.
"""

import asyncio
import json
import mimetypes
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any, Self

from aiohttp import web

from bot.errors import CountersignError
from bot.sandbox.loop import Loop
from bot.sandbox.page import guard, words
from bot.sandbox.page.show import Show
from bot.sandbox.slack.core import Happening
from bot.sandbox.slack.server import LOOPBACK
from bot.texts import say

FILES = ("page.js", "page.css", "icon.svg")
#: Many small changes in a row are one change for the page.
BREATH = 0.04
#: Seconds between looks at what no happening tells: the CRM, the worker.
GLANCE = 1.0
#: A file in a form is the largest thing a page sends.
LARGEST = 2 * 1024 * 1024
HANDS = 24


class Page:
    """``with Page(show, port) as page:`` serves ``page.address``.

    Args:
        show: what there is to see and to do.
        port: 0 chooses a free one.
    """

    def __init__(self, show: Show, port: int = 0) -> None:
        self._show = show
        self.port = port
        # A hand may wait half a minute for an answer; the others must still see and act.
        self._hands = ThreadPoolExecutor(HANDS, thread_name_prefix="sandbox-page")
        self._loop = Loop("sandbox-page", self._hands)
        self._runner: web.AppRunner | None = None
        self._listeners: set[asyncio.Event] = set()
        self._glances: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        if not self._loop.runs:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{LOOPBACK}:{self.port}/"

    def start(self) -> None:
        """Listen; returns when connections are accepted.

        Raises:
            OSError: the port is taken.
        """
        self._loop.begin()
        try:
            self._loop.run(self._listen())
        except OSError:
            self.stop()
            raise
        self._show.slack.subscribe(self._hear)

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._loop.run(self._close())
        self._loop.end()
        self._hands.shutdown(wait=False, cancel_futures=True)

    def _hear(self, _happening: Happening) -> None:
        self._loop.soon(self._stir)

    def _stir(self) -> None:
        for listener in self._listeners:
            listener.set()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=LARGEST, middlewares=[self._guarded])
        app.router.add_get("/", self._index)
        app.router.add_get("/static/{name}", self._file)
        app.router.add_get("/gallery", self._index)
        app.router.add_get("/exhibits", self._exhibits)
        app.router.add_get("/words", self._words)
        app.router.add_get("/screen", self._screen)
        app.router.add_get("/shared/{file}", self._shared)
        app.router.add_get("/changes", self._changes)
        app.router.add_post("/act", self._act)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        self._glances = asyncio.create_task(self._look_around())

    async def _close(self) -> None:
        if self._glances is not None:
            self._glances.cancel()
        self._stir()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        why = guard.refusal(request.method, request.headers, self.port)
        if why:
            return web.Response(status=403, text=f"Refused: {why}.", headers=guard.HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as problem:
            problem.headers.update(guard.HEADERS)
            raise

    async def _index(self, _request: web.Request) -> web.Response:
        return _own("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        return _own(name)

    async def _words(self, request: web.Request) -> web.Response:
        return _json(words.spoken(request.query.get("language", "")))

    async def _exhibits(self, request: web.Request) -> web.Response:
        language = words.language_of(request.query.get("language", ""))
        return _json(await asyncio.to_thread(self._show.exhibits, language))

    async def _screen(self, request: web.Request) -> web.Response:
        try:
            shown = await asyncio.to_thread(self._show.screen, request.query.get("as", ""))
        except CountersignError:
            raise web.HTTPNotFound from None
        return _json(shown)

    async def _shared(self, request: web.Request) -> web.Response:
        """A file that was shared with this person, as text whatever it is."""
        try:
            content = self._show.shared(request.query.get("as", ""), request.match_info["file"])
        except CountersignError:
            raise web.HTTPNotFound from None
        return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=guard.HEADERS)

    async def _act(self, request: web.Request) -> web.Response:
        try:
            act = json.loads(await request.text())
        except ValueError:
            act = None
        language = words.language_of(request.query.get("language", ""))
        if not isinstance(act, dict):
            return _json({"ok": False, "problem": say("page.unknown-act", language)})
        answer = await asyncio.to_thread(self._show.act, act, language)
        self._stir()
        return _json(answer)

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: one line whenever the snapshot may have changed."""
        stream = web.StreamResponse(headers={**guard.HEADERS, "Content-Type": "text/event-stream"})
        await stream.prepare(request)
        stirred = asyncio.Event()
        self._listeners.add(stirred)
        number = 0
        try:
            while self._runner is not None:
                await stream.write(f"data: {number}\n\n".encode())
                await stirred.wait()
                await asyncio.sleep(BREATH)
                stirred.clear()
                number += 1
        except ConnectionResetError:
            pass  # the browser went away
        finally:
            self._listeners.discard(stirred)
        return stream

    async def _look_around(self) -> None:
        while True:
            changed = bool(self._listeners) and await asyncio.to_thread(self._show.glance)
            if changed:
                self._stir()
            await asyncio.sleep(GLANCE)


def _json(content: Any) -> web.Response:
    return web.json_response(content, headers=guard.HEADERS)


def _own(name: str) -> web.Response:
    body = resources.files("bot.sandbox.page").joinpath("static", name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=guard.HEADERS)
