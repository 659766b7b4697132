"""The Slack half of the bot process: its connections, and the threads that keep things moving.

Nothing here fails because Slack is down: connections are tried again, and messages wait in the outbox.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult

from bot.errors import CannotProve, Refused
from bot.settings import Settings
from handlers.channels import Channels
from handlers.door import quiet_logger, register, replay
from handlers.front import Front
from handlers.identity import People, answer_roster
from handlers.outbox import Drain
from handlers.pace import Pace
from handlers.ports import Services
from handlers.signed import SignedDoor
from handlers.slack import Slack, connect
from handlers.votes import repair_ballots

CONNECTIONS = 2
LISTENERS = 32
PING_EVERY = 5.0
PONG_WITHIN = 20.0
REFRESH_EVERY = timedelta(seconds=5)
_log = structlog.get_logger(__name__)


class Door:
    """Opens the Slack door and keeps it open."""

    def __init__(self, services: Services, settings: Settings, pace: Pace | None = None) -> None:
        self._services = services
        self._settings = settings
        slack = Slack(connect(settings.slack_bot_token, settings.slack_api_url))
        people = People(slack, services.config, services.clock)
        channels = Channels(slack, services.config, services.clock)
        self.front = Front(services, slack, people, channels)
        self._drain = Drain(self.front, pace)
        self._refreshed = services.clock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._executor = ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener")
        self._threads: list[threading.Thread] = []
        self._handlers: list[SocketModeHandler] = []
        self.app = self._build()
        #: HTTP mode: the application for Slack's deliveries.
        self.signed: SignedDoor | None = None
        if not settings.slack_app_token and settings.slack_signing_secret:
            self.signed = SignedDoor(self.app, settings.slack_signing_secret, services.clock)

    def start(self) -> None:
        """Connect and start working; returns at once, whether Slack is there or not."""
        if self._settings.slack_app_token:
            self._handlers = [self._socket() for _ in range(CONNECTIONS)]
            for number, handler in enumerate(self._handlers):
                self._every(2.0, partial(_keep_connected, handler), f"socket-{number}")
        now = self._services.clock
        self._every(0.3, self._send, "drain", self._wake)
        self._every(0.05, self._answer_roster, "roster")
        self._every(5.0, lambda: replay(self.front, now()), "replay")
        self._every(30.0, lambda: repair_ballots(self.front, now()), "ballots")
        self._every(2.0, lambda: self._services.beat({"sockets": self.sockets()}), "heartbeat")
        self._every(600.0, self.front.channels.check_all, "channels")

    def stop(self) -> None:
        """Stop listening, let what runs finish, close the connections."""
        self._ended.set()
        self._wake.set()
        closing = [threading.Thread(target=_quietly, args=(one.close,)) for one in self._handlers]
        for thread in closing:
            thread.start()
        for thread in [*closing, *self._threads]:
            thread.join(timeout=15)
        self._executor.shutdown(wait=True, cancel_futures=True)

    def sockets(self) -> int:
        """How many connections to Slack are open and were answered lately."""
        return sum(age < PONG_WITHIN for age in self.socket_ages())

    def socket_ages(self) -> tuple[float, ...]:
        """Seconds since the last ping or pong of each open connection; ``is_connected`` lies."""
        now = self._services.clock().timestamp()
        return tuple(age for handler in self._handlers if (age := _age(handler, now)) is not None)

    def channel_problem(self, channel: str) -> Refused | None:
        """Why nothing may be filed into a channel right now, or None."""
        return self.front.channels.problem(channel)

    def _send(self) -> None:
        now = self._services.clock()
        self._drain.run(now)
        if now - self._refreshed >= REFRESH_EVERY:
            self._refreshed = now
            self._drain.refresh(now)

    def _answer_roster(self) -> None:
        try:
            answer_roster(self._services, self.front.people, self._services.clock())
        except CannotProve:
            self._ended.wait(2.0)

    def _build(self) -> App:
        # Bolt reads the names of a plain function's arguments; a bound method confuses it.
        def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return self._authorize(enterprise_id, team_id)

        app = App(
            logger=quiet_logger(),
            name="countersign",
            client=connect(None, self._settings.slack_api_url),
            signing_secret=self._settings.slack_signing_secret or "",
            request_verification_enabled=self._settings.slack_app_token is None,
            token_verification_enabled=False,
            authorize=authorize,
            listener_executor=self._executor,
        )
        register(app, self.front, self._wake.set)
        return app

    def _authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        """Who we are, as far as it is known: asking Slack here would lose deliveries while it is down."""
        user, bot = self.front.slack.known_self()
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=user or None,
            bot_id=bot or None,
            bot_token=self._settings.slack_bot_token,
        )

    def _socket(self) -> SocketModeHandler:
        return SocketModeHandler(
            self.app,
            self._settings.slack_app_token,
            logger=quiet_logger(),
            web_client=connect(None, self._settings.slack_api_url),
            ping_interval=PING_EVERY,
            concurrency=LISTENERS,
        )

    def _every(
        self, seconds: float, do: Callable[[], object], name: str, wake: threading.Event | None = None
    ) -> None:
        """Do something again and again; a failure is logged and forgotten."""
        bell = wake or self._ended

        def loop() -> None:
            while not self._ended.is_set():
                try:
                    do()
                except Exception as error:  # noqa: BLE001 - the next round may work
                    _log.error("slack.round-failed", thread=name, error=type(error).__name__)
                bell.wait(seconds)
                if wake is not None:
                    wake.clear()

        thread = threading.Thread(target=loop, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def _keep_connected(handler: SocketModeHandler) -> None:
    if handler.client.is_connected() or handler.client.closed:
        return
    try:
        handler.client.connect_to_new_endpoint()
    except Exception as error:  # noqa: BLE001 - Slack is down or says no: tried again in two seconds
        _log.warning("slack.not-connected", error=type(error).__name__)


def _age(handler: SocketModeHandler, now: float) -> float | None:
    session = handler.client.current_session
    if session is None or not session.is_active() or session.last_ping_pong_time is None:
        return None
    return max(0.0, now - float(session.last_ping_pong_time))


def _quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except Exception as error:  # noqa: BLE001 - it is being closed anyway
        _log.info("slack.close-failed", error=type(error).__name__)
