"""What replaces an earlier row, said by many at once: the last word stands, and nobody meets an error."""

from collections.abc import Callable
from datetime import datetime

import pytest

from bot.model.proofs import Intent
from bot.model.requests import Choice, Proof, Vote
from bot.store.proofs import TICKET
from bot.store.unit_of_work import Work
from tests.fakes.rooms import START, House, race

_Put = Callable[[Work, int, str, datetime], None]
_PLACE = ("C1", "1.0")

#: Name of what is put -> how somebody puts it, with a number of their own, and what is there afterwards.
_PUTS: dict[str, tuple[_Put, str]] = {
    "a vote": (
        lambda work, request, user, at: work.votes.put(
            Vote(request, 1, user, Choice.APPROVE, Proof.CLICK, at, ("dba",))
        ),
        "votes",
    ),
    "a reaction": (
        lambda work, _, user, at: work.votes.set_reaction(_PLACE, user, "+1", True, str(at.timestamp())),
        "reactions",
    ),
    "a wish to approve": (
        lambda work, request, user, at: work.intents.put(Intent(request, 1, user, Proof.CLICK, at, ("dba",))),
        "intents",
    ),
    "a box of somebody": (
        lambda work, _, user, at: work.boxes.put(TICKET, user, str(at), at),
        "proof_boxes",
    ),
    "a text that can be erased": (
        lambda work, _, user, at: work.erasable.put(user, "note", str(at), b"salt", at),
        "erasable",
    ),
    "the beat of a process": (
        lambda work, _, user, at: work.processes.beat("bot", user, {"at": str(at)}, at),
        "processes",
    ),
}


@pytest.mark.parametrize("name", _PUTS)
def test_many_put_the_same_thing_at_once(house: House, name: str) -> None:
    put, table = _PUTS[name]
    request = house.file()
    for user in ("U0BOB", "U0CAROL", "U0DAN"):

        def once(at: datetime, user: str = user) -> None:
            for _ in range(5):
                with house.store.transact() as work:
                    put(work, request, user, at)

        before = len(house.rows(table))
        moments = [START.replace(second=second) for second in range(8)]
        assert race(*(lambda at=at: once(at) for at in moments)) == [None] * 8
        assert len(house.rows(table)) == before + 1


@pytest.mark.parametrize("name", _PUTS)
def test_a_later_word_replaces_every_part_of_the_earlier_one(house: House, name: str) -> None:
    put, table = _PUTS[name]
    request = house.file()
    seen = []
    for second in (1, 2):
        with house.store.transact() as work:
            put(work, request, "U0BOB", START.replace(second=second))
        seen.append([row for row in house.rows(table) if "U0BOB" in row.values()])
    assert [len(rows) for rows in seen] == [1, 1]
    changed = {key for key in seen[0][0] if seen[0][0][key] != seen[1][0][key]}
    assert changed & {"at", "event_ts", "changed_at", "created_at", "seen_at"}
