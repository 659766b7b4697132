"""The bot half: the Slack door and the health page, until a signal."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot import compose
from bot.cli.behind import database_is_there
from bot.cli.console import DONE, tell
from bot.cli.health import PartHealth, Readyz, healthz
from bot.cli.listener import Listener, Wsgi
from bot.errors import BooksDown, Broken
from bot.model.jobs import Canary
from bot.settings import Settings
from handlers.running import LISTENERS, Door
from handlers.signed import PATH

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PREPARED_WITHIN = 60.0
_LOOK_EVERY = 0.2
#: Seconds that a question about people may stay open: a permit accepts no older answer.
_ROSTER_WITHIN = 60.0
#: Waiting would not mend these.
_FOR_A_PERSON = frozenset({"store.password", "store.missing"})


def run_bot(settings: Settings) -> int:
    """Listen to Slack until SIGTERM or SIGINT; returns the exit code.

    Raises:
        BadInput: the address of COUNTERSIGN_HTTP is taken or wrong.
        Broken: no worker prepared the database in time.
    """
    stopping = threading.Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    bot = _Bot(settings)
    page = Listener(settings.http_host, settings.http_port, bot.routes(), threads=LISTENERS)
    page.start()
    try:
        if _prepared(settings, stopping):
            bot.open()
            key = "cli.serve.listening-http" if settings.is_http_mode else "cli.serve.listening"
            tell(key, host=settings.http_host, port=page.port)
            stopping.wait()
    finally:
        bot.close()
        page.stop()
    return DONE


class _Bot:
    """The door, and what the health page says about it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: compose.Services | None = None
        self._door: Door | None = None

    def open(self) -> None:
        self._services = compose.bot_services(self._settings)
        self._door = Door(self._services, self._settings)
        self._door.start()

    def close(self) -> None:
        if self._door is not None:
            self._door.stop()

    def routes(self) -> Mapping[str, Wsgi]:
        """What the one HTTP server answers; Slack's door only in HTTP mode."""
        routes: dict[str, Wsgi] = {"/healthz": healthz, "/readyz": Readyz(self.parts)}
        if self._settings.is_http_mode:
            routes[PATH] = self._deliveries
        return routes

    def parts(self) -> Mapping[str, PartHealth]:
        """What must work, and whether it does."""
        services, door = self._services, self._door
        socket_mode = not self._settings.is_http_mode
        if services is None or door is None:
            missing = {
                "database": "cli.ready.database",
                "worker": "cli.ready.worker",
                "gate": "cli.ready.gate.not-yet",
            }
            closed = {"slack": PartHealth("cli.ready.slack")} if socket_mode else {}
            return {**{name: PartHealth(why) for name, why in missing.items()}, **closed}
        parts = _behind(services.health())
        if socket_mode:
            why = None if door.sockets() else "cli.ready.slack"
            parts["slack"] = PartHealth(why, door.socket_ages())
        return parts

    def _deliveries(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Slack's deliveries; while the door is still closed Slack is asked to come again."""
        door = self._door
        if door is None or door.signed is None:
            start_response("503 Service Unavailable", [("Content-Length", "0"), ("Retry-After", "5")])
            return []
        return door.signed(environ, start_response)


def _behind(health: Mapping[str, Any]) -> dict[str, PartHealth]:
    """The parts behind the door."""
    parts = {
        name: PartHealth(None if health.get(name) else f"cli.ready.{name}") for name in ("database", "worker")
    }
    canary = health.get("canary", Canary.NOT_YET)
    parts["gate"] = PartHealth(None if canary == Canary.REFUSED else f"cli.ready.gate.{canary}")
    if health.get("database"):
        waits, age = float(health.get("roster_waits") or 0.0), health.get("roster_age")
        why = "cli.ready.roster" if waits > _ROSTER_WITHIN else None
        parts["roster"] = PartHealth(why, () if age is None else (float(age),))
    return parts


def _prepared(settings: Settings, stopping: threading.Event) -> bool:
    """Wait until a worker has prepared the database; False when a signal came first."""
    deadline = time.monotonic() + _PREPARED_WITHIN
    told = False
    while not _is_prepared(settings):
        if not told:
            tell("cli.serve.waiting")
            told = True
        if time.monotonic() > deadline:
            raise Broken("cli.serve.no-worker", seconds=int(_PREPARED_WITHIN))
        if stopping.wait(_LOOK_EVERY):
            return False
    return True


def _is_prepared(settings: Settings) -> bool:
    try:
        return database_is_there(settings) and compose.is_prepared(settings)
    except BooksDown as down:
        if down.key in _FOR_A_PERSON:
            raise
        return False
    except Broken:
        return False
