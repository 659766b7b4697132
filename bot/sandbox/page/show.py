"""What the page shows and what it can do, put together from the stage."""

from collections.abc import Callable

from bot.errors import CountersignError, NotFound
from bot.sandbox import gallery
from bot.sandbox.home import Home
from bot.sandbox.page import tour
from bot.sandbox.page.desk import Act, Desk
from bot.sandbox.page.reading import Marks
from bot.sandbox.page.snapshot import people, screen
from bot.sandbox.page.trouble import Trouble
from bot.sandbox.people import slash_commands
from bot.sandbox.slack.screen import look
from bot.sandbox.slack.server import Slack
from bot.sandbox.slack.workspace import Json
from bot.texts import languages, say
from handlers.door import COMMANDS

#: Without the app's manifest at hand.
_BARE = [{"name": name, "description": "", "usage": ""} for name in (*COMMANDS, "/countersign")]


class Show:
    """Safe from any thread.

    Args:
        slack: the workspace.
        home: where the CRM lives.
        serve: the process id of ``serve``, or None while it does not run.
    """

    def __init__(self, slack: Slack, home: Home, serve: Callable[[], int | None]) -> None:
        self.slack = slack
        self._desk = Desk(slack)
        self._marks = Marks()
        self._trouble = Trouble(slack, serve)
        self._crm = tour.Crm(home)
        self._since = ""
        self._last_glance: tuple[Json, bool, Json] | None = None
        self._commands = slash_commands() or _BARE

    def screen(self, user: str) -> Json:
        """The snapshot for one person.

        Raises:
            NotFound: no such person.
        """
        self.slack.as_user(user)
        core = self.slack.core
        crm = self._crm.known
        return {
            **screen(core, user, self._marks),
            "people": people(core),
            "groups": [{"id": one.id, "handle": one.handle} for one in core.workspace.groups.values()],
            "commands": self._commands,
            "crm": crm,
            "tour": tour.as_json(tour.steps(tour.cards(core, self._since), crm)),
            "trouble": self._trouble.state(),
            "http": self.slack.endpoint is not None,
        }

    def shared(self, user: str, file: str) -> bytes:
        """The content of a file in a message that this person sees.

        Raises:
            NotFound: there is none, or none any more.
        """
        self.slack.as_user(user)
        core = self.slack.core
        with core.changed:
            sight = look(core, user)
            content = core.workspace.files.get(file, {}).get("content")
        seen = [one for room in (*sight.channels.values(), sight.direct) for one in room]
        if not isinstance(content, bytes) or not any(
            shown["id"] == file for one in seen for shown in one.files
        ):
            raise NotFound("sandbox.no_such_message")
        return content

    def exhibits(self, language: str) -> Json:
        """Everything the bot can show, in one language."""
        core = self.slack.core
        rooms = core.workspace.channels.values()
        return {
            "exhibits": gallery.as_json(language),
            "language": language,
            "languages": languages(),
            "people": people(core),
            "channels": [{"id": room.id, "name": room.name} for room in rooms],
        }

    def act(self, act: Act, language: str) -> Json:
        """Do what the page asks for; the answer is that of :meth:`Desk.carry_out`."""
        do = act.get("do")
        if do == "read":
            self._marks.read(str(act.get("as")), str(act.get("room")), str(act.get("ts")))
        elif do == "trouble":
            try:
                self._trouble.make(str(act.get("kind")))
            except CountersignError as refusal:
                return {"ok": False, "problem": say(refusal.key, language, **refusal.params)}
        elif do == "tour-again":
            self.begin_tour()
        else:
            return self._desk.carry_out(act, language)
        return {"ok": True}

    def begin_tour(self) -> None:
        """The tour begins now: what was asked for before does not count."""
        self._since = self.slack.core.stamp()

    def glance(self) -> bool:
        """Look at what no happening tells; whether it has changed."""
        seen: tuple[Json, bool, Json] = (
            self._crm.look(),
            self._trouble.worker_runs,
            dict(self.slack.faults.left()),
        )
        changed, self._last_glance = seen != self._last_glance, seen
        return changed
