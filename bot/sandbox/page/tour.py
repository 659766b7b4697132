"""The guided tour: which step is done follows from the cards in the channel and from the CRM itself.

Nothing is remembered: a step that happened by another hand, or in the terminal, counts as well.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.sandbox import crm
from bot.sandbox.home import Home
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.core import Core
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Json, Message
from bot.texts import say

_VOTE = re.compile(r"✓ <@(\w+)>")
_CUSTOMERS = re.compile(r"<p>(\d+) customers")
_NUMBER = re.compile(r"#\d+")
_ASK = f"/delete-records crm customer {crm.ADA_EMAIL} -- GDPR request 4711"
_TEAR_DOWN = "/teardown crm -- moving to the new CRM"
#: After every stamp.
_NEVER = "~"
_STATES = ("succeeded", "set-aside", "stopped", "running", "approved", "pending")


@dataclass(frozen=True)
class Card:
    """A request as its card shows it; ``state`` is empty for one that the tour does not care about."""

    ts: str
    number: str
    operation: str
    state: str
    approved_by: frozenset[str]


@dataclass(frozen=True)
class Step:
    """What to do next, as whom: in which thread, or with which command to type."""

    name: str
    who: str
    done: bool
    thread: str = ""
    type: str = ""


class Crm:
    """The CRM looked at from outside, by its page alone. Safe from any thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._known: Json = {"address": home.address, "up": False, "customers": None}

    def look(self) -> Json:
        """Look again; this asks the program, so it may take a moment."""
        page = self._home.page()
        counted = _CUSTOMERS.search(page or "")
        found: Json = {
            "address": self._home.address,
            "up": page is not None,
            "customers": int(counted.group(1)) if counted else None,
        }
        with self._lock:
            self._known = found
        return found

    @property
    def known(self) -> Json:
        """What the last look found."""
        with self._lock:
            return self._known


def cards(core: Core, since: str) -> list[Card]:
    """The requests of the channel that were filed after this stamp, oldest first."""
    with core.changed:
        room = list(core.workspace.messages.get(DELETIONS, {}).values())
        fresh = sorted((one for one in room if one.ts > since), key=lambda one: one.ts)
        return [_card(one) for one in fresh if _is_card(one)]


def steps(found: Sequence[Card], now: Json) -> list[Step]:
    """The whole tour.

    Args:
        found: the requests, oldest first.
        now: what a look at the CRM found.
    """
    deletion = _last(found, "delete-records", "", ("succeeded",))
    gone = _is(deletion, "succeeded")
    restore = _last(found, "restore", deletion.ts if gone and deletion else _NEVER, ("succeeded",))
    teardown = _last(found, "teardown", "", ("stopped", "succeeded", "set-aside"))
    voters = deletion.approved_by if deletion else frozenset()
    down = _is(teardown, "set-aside", "stopped", "succeeded")
    bring_back = f"/restore {deletion.number} -- deleted the wrong account" if deletion else ""
    return [
        Step("ask", "U0ALICE", deletion is not None, type=_ASK),
        Step("first", "U0BOB", gone or bool(voters & {"U0BOB", "U0DAN"}), _thread(deletion)),
        Step("second", "U0CAROL", gone or "U0CAROL" in voters, _thread(deletion)),
        Step("gone", "", gone, _thread(deletion)),
        Step("restore", "U0ERIN", restore is not None, type=bring_back),
        Step("back", "U0DAN", _is(restore, "succeeded"), _thread(restore)),
        Step("teardown", "U0ALICE", teardown is not None, type=_TEAR_DOWN),
        Step("silent", _next_voter(teardown), down, _thread(teardown)),
        Step("put-back", "U0ERIN", _is(teardown, "stopped") and bool(now["up"]), _thread(teardown)),
    ]


def as_json(tour: Sequence[Step]) -> list[Json]:
    """For the page."""
    return [asdict(one) for one in tour]


def _last(found: Sequence[Card], operation: str, after: str, best: Sequence[str]) -> Card | None:
    """The newest request of this kind; one that went well before one that did not."""
    fitting = [one for one in found if one.operation == operation and one.ts > after and one.state]
    good = [one for one in fitting if one.state in best]
    best_first = good or fitting
    return best_first[-1] if best_first else None


def _is(card: Card | None, *states: str) -> bool:
    return card is not None and card.state in states


def _thread(card: Card | None) -> str:
    return card.ts if card else ""


def _next_voter(card: Card | None) -> str:
    """A teardown needs the same two people."""
    return "U0CAROL" if card and card.approved_by & {"U0BOB", "U0DAN"} else "U0BOB"


def _is_card(message: Message) -> bool:
    subject = ((message.metadata or {}).get("event_payload") or {}).get("subject", "")
    return not message.is_reply and str(subject).startswith("card:")


def _card(message: Message) -> Card:
    text = shown_text(message)
    kinds = ("delete-records", "restore", "teardown", "unfreeze")
    operation = next((one for one in kinds if text.startswith(say(f"card.operation.{one}"))), "")
    state = next((one for one in _STATES if f"*{say(f'card.state.{one}')}*" in text), "")
    number = _NUMBER.search(text)
    voters = frozenset(_VOTE.findall(text))
    return Card(message.ts, number.group() if number else "", operation, state, voters)
