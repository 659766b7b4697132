"""What a person gets to see: the answer to what one did, and everything on the screen."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.sandbox.slack import responses
from bot.sandbox.slack.core import Core, Notice, View
from bot.sandbox.slack.workspace import Json, Message


@dataclass(frozen=True)
class Answer:
    """How the app answered: acked in time or not, what it said, and the complaints of a form by block id."""

    acked: bool
    error: str = ""
    latency: float | None = None
    payload: Json = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sight:
    """What one person sees: copies, oldest first."""

    channels: dict[str, list[Message]]
    direct: list[Message]
    ephemerals: list[Message]
    views: list[View]
    home: View | None
    notices: list[Notice]

    @property
    def text(self) -> str:
        """Everything readable in one text, for a quick look."""
        rooms = [message for room in self.channels.values() for message in room]
        shown = [responses.shown_text(message) for message in (*rooms, *self.direct, *self.ephemerals)]
        shown += [text for view in self.views for text in responses.texts_of(view.body)]
        shown += responses.texts_of(self.home.body if self.home else {})
        return "\n".join(shown)


def look(core: Core, user: str) -> Sight:
    """The screen of ``user`` right now. The caller holds the lock."""
    workspace = core.workspace
    rooms = list(workspace.shared_channels(user))
    shown = {room.id: ordered(workspace.messages.get(room.id, {}).values()) for room in rooms}
    direct = [message for room in rooms if room.is_im for message in shown.pop(room.id)]
    return Sight(
        channels=shown,
        direct=direct,
        ephemerals=ordered(one for one in workspace.ephemerals if one.only_for == user),
        views=copy.deepcopy(core.views.get(user, [])),
        home=copy.deepcopy(core.homes.get(user)),
        notices=[notice for notice in core.notices if notice.user == user],
    )


def ordered(messages: Iterable[Message]) -> list[Message]:
    """Copies, oldest first."""
    return sorted(copy.deepcopy(list(messages)), key=lambda message: message.ts)
