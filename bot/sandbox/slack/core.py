"""The one state that the Web API, the sockets and the people's hands share, behind one lock.

Danger: subscribers run while the lock is held, in the thread that caused the change. That keeps the order of
what they see; they must be quick and must not wait for anything of the server.
"""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from bot.sandbox.slack.workspace import ApiError, Json, Message, Workspace
from bot.schedules import clock

Result = TypeVar("Result")
#: Seconds after which a waiting predicate is asked again although nothing changed here.
GLANCE = 0.05
#: The app as the workspace knows it.
APP_ID = "A0COUNTERSIGN"
BOT_TOKEN = "xoxb-sandbox-countersign"  # noqa: S105 - opens nothing but this loopback server
APP_TOKEN = "xapp-sandbox-countersign"  # noqa: S105 - same


@dataclass(frozen=True)
class Happening:
    """Something a person could have seen happen.

    ``kind``: posted, updated, deleted, ephemeral, reacted, unreacted, view, view_closed, home, notice, file.
    ``message`` and ``view`` are the live objects: read them at once or copy them.
    """

    kind: str
    channel: str = ""
    user: str = ""
    name: str = ""
    message: Message | None = None
    view: "View | None" = None


@dataclass
class View:
    """An open form or a Home tab. ``body`` is the view as the app sent it, ids filled in."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str = ""
    state: Json = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What stands in its head."""
        return str(self.body.get("title", {}).get("text", ""))


@dataclass
class Delivery:
    """One envelope on its way, and what became of it."""

    kind: str
    name: str
    envelope_id: str
    payload: Json
    event_id: str = ""
    attempt: int = 0
    reason: str = ""
    sent_at: float | None = None
    settled: bool = False
    acked: bool = False
    latency: float | None = None
    error: str = ""
    answer: Json = field(default_factory=dict)
    link: int = 0


@dataclass(frozen=True)
class Notice:
    """What Slack itself tells a person, such as ``operation_timeout``."""

    user: str
    code: str
    about: str


class Sender(Protocol):
    """Takes an envelope to the app; safe from any thread."""

    def __call__(self, kind: str, name: str, payload: Json, *, event_id: str = "") -> Delivery:
        """Start the delivery and return at once."""
        ...


class Core:
    """State, lock, feed, triggers.

    Args:
        workspace: the seeded team.
        scopes: what the bot token may do; None is everything.
        events: the subscribed event names; None is everything.
        commands: the slash commands of the app; None is any.
        now: Slack's clock, aware UTC.
        trigger_life: seconds that a trigger id can be used.
        reaction_preview: users that a reaction lists unless ``full`` is asked for.
    """

    def __init__(  # noqa: PLR0913 - the dials of a workspace, all with defaults
        self,
        workspace: Workspace,
        *,
        scopes: frozenset[str] | None = None,
        events: frozenset[str] | None = None,
        commands: frozenset[str] | None = None,
        now: Callable[[], datetime] = clock.now,
        trigger_life: float = 3.0,
        reaction_preview: int = 25,
    ) -> None:
        self.workspace = workspace
        self.scopes, self.events, self.commands = scopes, events, commands
        self.now = now
        self.trigger_life, self.reaction_preview = trigger_life, reaction_preview
        self.changed = threading.Condition(threading.RLock())
        self.feed: list[Happening] = []
        self.subscribers: list[Callable[[Happening], None]] = []
        self.violations: list[str] = []
        self.deliveries: list[Delivery] = []
        self.notices: list[Notice] = []
        self.calls: list[tuple[str, Json]] = []
        self.views: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self.replies: dict[str, Json] = {}
        self.base_url = ""
        self.send: Sender = self._nowhere
        self._triggers: dict[str, Json] = {}
        self._numbers = itertools.count(1)
        self._last_stamp = 0

    def stamp(self) -> str:
        """A fresh message timestamp: seconds with six digits, never the same twice, never going back."""
        micros = int(self.now().timestamp() * 1_000_000)
        with self.changed:
            self._last_stamp = max(micros, self._last_stamp + 1)
            seconds, rest = divmod(self._last_stamp, 1_000_000)
        return f"{seconds}.{rest:06d}"

    def fresh(self, prefix: str) -> str:
        """A fresh id with this prefix."""
        return f"{prefix}0SANDBOX{next(self._numbers):05d}"

    def tell(self, happening: Happening) -> None:
        """Add to the feed and wake whoever waits. The caller holds the lock."""
        self.feed.append(happening)
        for subscriber in tuple(self.subscribers):
            try:
                subscriber(happening)
            except Exception as error:  # noqa: BLE001 - a broken onlooker must not break Slack; it is reported
                self.violations.append(f"subscriber: {type(error).__name__}: {error}")
        self.changed.notify_all()

    def wait_until(self, predicate: Callable[[], Result], timeout: float) -> Result:
        """Ask ``predicate`` after every change, and now and then, until it is true; its last value.

        It is asked without the lock, so it may call this server or wait for somebody who does.
        """
        deadline = time.monotonic() + timeout
        while not (value := predicate()):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with self.changed:
                self.changed.wait(min(left, GLANCE))
        return value

    def notice(self, user: str, code: str, about: str) -> None:
        """Slack itself tells ``user`` that something did not work."""
        with self.changed:
            self.notices.append(Notice(user, code, about))
            self.tell(Happening("notice", user=user, name=code))

    def event(self, event: Json, channel: str = "") -> None:
        """Send an event to the app if it subscribed to it and can see the channel."""
        name = event["type"]
        if self.events is not None and name not in self.events:
            return
        if channel and self.workspace.app_user not in self.workspace.channels[channel].members:
            return
        event_id = self.fresh("Ev")
        payload = {
            "token": "sandbox",
            "team_id": self.workspace.team_id,
            "context_team_id": self.workspace.team_id,
            "context_enterprise_id": None,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(self.now().timestamp()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self.workspace.team_id,
                    "user_id": self.workspace.app_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": bool(channel) and self.workspace.channels[channel].is_ext_shared,
            "event_context": event_id.lower(),
        }
        self.send("events_api", name, payload, event_id=event_id)

    def issue_trigger(self, user: str, view: str = "") -> str:
        """A trigger id: single use, for ``trigger_life`` seconds."""
        trigger = f"{next(self._numbers)}.{time.monotonic_ns()}.sandbox"
        with self.changed:
            self._triggers[trigger] = {"user": user, "view": view, "at": time.monotonic(), "used": False}
        return trigger

    def spend_trigger(self, trigger: str) -> tuple[str, str]:
        """Use a trigger up; gives its user and the view it came from (or an empty text)."""
        known = self._triggers.get(trigger)
        if known is None:
            raise ApiError("invalid_trigger_id")
        if known["used"]:
            raise ApiError("exchanged_trigger_id")
        if time.monotonic() - known["at"] > self.trigger_life:
            raise ApiError("expired_trigger_id")
        known["used"] = True
        return known["user"], known["view"]

    def view(self, view_id: str) -> View:
        """An open form; raises ``not_found``."""
        for stack in self.views.values():
            for view in stack:
                if view.id == view_id:
                    return view
        raise ApiError("not_found")

    @staticmethod
    def _nowhere(kind: str, name: str, payload: Json, *, event_id: str = "") -> Delivery:
        lost: Any = Delivery(kind, name, "", payload, event_id, settled=True, error="dispatch_failed")
        assert isinstance(lost, Delivery)
        return lost
