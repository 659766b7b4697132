"""The bot half: the Slack door and the health page, until a signal."""

import signal
import threading
import time
from collections.abc import Mapping

from bot import compose
from bot.cli.behind import database_is_there
from bot.cli.console import DONE, tell
from bot.cli.health import HealthServer
from bot.errors import Broken
from bot.settings import Settings
from handlers.running import Door

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PREPARED_WITHIN = 60.0
_LOOK_EVERY = 0.2


def run_bot(settings: Settings) -> int:
    """Listen to Slack until SIGTERM or SIGINT; returns the exit code.

    Raises:
        BadInput: the health page's address is taken or wrong.
        Broken: no worker prepared the database in time.
    """
    stopping = threading.Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    bot = _Bot(settings)
    page = HealthServer(settings.http_host, settings.http_port, bot.parts)
    page.start()
    try:
        if _prepared(settings, stopping):
            bot.open()
            tell("cli.serve.listening", host=settings.http_host, port=page.port)
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

    def parts(self) -> Mapping[str, bool]:
        services, door = self._services, self._door
        if services is None or door is None:
            return {"database": False, "worker": False, "slack": False}
        health = services.health()
        parts = {"database": bool(health.get("database")), "worker": bool(health.get("worker"))}
        if self._settings.slack_app_token is not None:
            parts["slack"] = door.sockets() > 0
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
    except Broken:
        return False
