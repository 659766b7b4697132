"""Time passes, stands still and leaps: sweeps do what is due once, and no clock turns a no into a yes."""

import json
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.approvals import voting
from bot.errors import Refused, Stale
from bot.jobs.dispatch import Dispatcher
from bot.jobs.permit import Gate
from bot.model.requests import Choice, State
from bot.schedules import reminding, sweeps
from bot.store.ports import RosterPort
from bot.store.tables import metadata
from tests.fakes.rooms import SETTINGS, SIGNING, House, config, planned, rules_with

Sweep = Callable[[House], None]
SWEEPS: dict[str, Sweep] = {
    "expire": lambda h: sweeps.expire(h.store, h.ground, h.now),
    "reject": lambda h: sweeps.reject(h.store, h.ground, h.now),
    "remind": lambda h: reminding.remind(h.store, h.ground, h.now),
    "grace": lambda h: sweeps.grace(h.store, h.ground, h.now),
    "prune": lambda h: sweeps.prune(h.store, h.now),
    "sign": lambda h: sweeps.sign(h.store, SIGNING, h.now),
}


def sweep(house: House) -> None:
    for body in SWEEPS.values():
        body(house)


def notes(house: House, request_id: int) -> list[str]:
    with house.store.read() as work:
        places = sorted(str(row["subject"]) for row in house.rows("outbox") if row["kind"] == "note")
        return [
            str(work.erasable.get(place, "answer")["key"])
            for place in places
            if place.startswith(f"note:{request_id}:")
        ]


# One reminder


def test_a_reminder_comes_once_when_a_quarter_of_the_time_is_left(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    house.wait(hours=2, minutes=59, seconds=59)
    sweep(house)
    assert notes(house, request_id) == []
    house.wait(seconds=1)
    for _ in range(3):
        sweep(house)
        house.wait(minutes=10)
    assert notes(house, request_id) == ["note.reminder-people"]


def told(house: House) -> dict[str, Any]:
    with house.store.read() as work:
        (place,) = (str(row["subject"]) for row in house.rows("outbox") if row["kind"] == "note")
        found: dict[str, Any] = work.erasable.get(place, "answer")
    return found


#: case -> the roles, who has approved, what the reminder says is missing, whom it calls
REMINDED: dict[str, tuple[dict[str, Any], tuple[str, ...], str, str | None]] = {
    "few, all named": ({}, ("U0DAN",), "1 × data-owner", "U0BOB,U0CAROL"),
    "only Slack knows who is in the group": ({}, ("U0CAROL",), "1 × dba", None),
    "too many to call": (
        {"data-owner": {"users": ["U0CAROL", "U0BOB", "U0ZOE", "U0FRED"], "owner": "U0CAROL"}},
        ("U0DAN",),
        "1 × data-owner",
        None,
    ),
    "the requester is not called": (
        {"data-owner": {"users": ["U0CAROL", "U0ALICE"], "owner": "U0CAROL"}},
        ("U0DAN",),
        "1 × data-owner",
        "U0CAROL",
    ),
}


@pytest.mark.parametrize("case", REMINDED)
def test_a_reminder_says_what_is_missing_and_calls_few(house: House, case: str) -> None:
    roles, voters, missing, people = REMINDED[case]
    house.configure(config(roles={**SETTINGS["roles"], **roles}))
    request_id = house.pending()
    for user in voters:
        house.vote(request_id, user)
    house.wait(hours=3, minutes=30)
    sweep(house)
    found = told(house)
    assert found["params"]["missing"] == missing
    assert found["params"].get("users") == people
    assert found["key"] == ("note.reminder-people" if people else "note.reminder")


@pytest.mark.parametrize("how", ["approved", "denied", "too short", "over", "withdrawn and reminded before"])
def test_no_reminder_where_none_helps(house: House, how: str) -> None:
    if how == "too short":
        house.configure(config(rules=rules_with(expires="5m")))
    request_id = house.pending()
    if how == "approved":
        house.vote(request_id, "U0DAN")
        house.vote(request_id, "U0CAROL")
    elif how == "denied":
        house.deny(request_id, "U0DAN")
    elif how.startswith("withdrawn"):
        house.wait(hours=3)
        sweep(house)
        house.vote(request_id, "U0DAN")
        house.withdraw(request_id, "U0DAN")
    house.wait(
        **(
            {"minutes": 4, "seconds": 59}
            if how == "too short"
            else {"hours": 5}
            if how == "over"
            else {"minutes": 1}
        )
    )
    reminding.remind(house.store, house.ground, house.now)
    assert len(
        [key for key in notes(house, request_id) if key.startswith("note.reminder")]
    ) == how.startswith("withdrawn")


def test_many_workers_remind_once(house: House) -> None:
    request_id = house.pending()
    house.wait(hours=3, minutes=30)
    together = threading.Barrier(4)

    def worker() -> None:
        together.wait(30)
        reminding.remind(house.store, house.ground, house.now)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(worker) for _ in range(4)]:
            done.result(60)
    assert len(notes(house, request_id)) == 1


# Sweeps change nothing the second time


def everything(house: House) -> dict[str, list[dict[str, Any]]]:
    return {name: sorted((dict(row) for row in house.rows(name)), key=repr) for name in metadata.tables}


def act(house: House, what: str, user: str) -> None:
    """One thing that somebody does to the newest request, if it may be done."""
    with house.store.read() as work:
        found = work.requests.in_states(list(State))
    request_id = found[-1].id if found else house.file()
    try:
        if what == "file":
            house.file()
        elif what == "plan":
            house.plan(request_id, planned())
        elif what == "approve":
            house.vote(request_id, user)
        elif what == "deny":
            house.vote(request_id, user, Choice.DENY)
        elif what == "withdraw":
            house.withdraw(request_id, user)
        elif what == "set aside":
            with house.store.transact() as work:
                until = house.now + timedelta(days=2)
                work.requests.save(request_id, State.APPROVED, state=State.SET_ASIDE, grace_until=until)
                work.permits.void(request_id)
        elif what == "freeze":
            with house.store.transact() as work:
                house.lifecycle.freeze(work, "crm", None, house.actor(user), house.now)
    except (Refused, AssertionError):
        pass


deeds = st.tuples(
    st.sampled_from(["file", "plan", "approve", "approve", "deny", "withdraw", "set aside", "freeze"]),
    st.sampled_from(["U0DAN", "U0CAROL", "U0BOB"]),
    st.sampled_from([0, 1, 9, 60, 3600, 3 * 3600, 24 * 3600, -3600]),
)
STORY = [("file", 0), ("plan", 0), ("approve", 0)]


@settings(max_examples=25, deadline=None)
@given(st.lists(deeds, min_size=3, max_size=12), st.booleans())
def test_a_sweep_that_runs_twice_changes_nothing_the_second_time(
    story: list[tuple[str, str, int]], bound: bool
) -> None:
    night = {"from": "22:00", "to": "05:00", "zone": "Europe/Berlin"}
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), config(rules=rules_with(window=night)) if bound else config())
        try:
            house.plan(house.file())
            for what, user, seconds in story:
                act(house, what, user)
                house.wait(seconds=seconds)
                for name, body in SWEEPS.items():
                    body(house)
                    first = everything(house)
                    body(house)
                    assert everything(house) == first, name
        finally:
            house.close()


# Clocks that leap


def start_due(house: House) -> list[str]:
    queued: list[str] = []
    dispatcher = Dispatcher(
        house.store, house.ground, lambda _: planned(), lambda _, job, __: queued.append(job), None, _Alone()
    )
    for _ in range(2):
        dispatcher.start_due(house.clock)
        for question in RosterPort(house.store).questions():
            RosterPort(house.store).answer(question.nonce, house.roster(), house.now)
    dispatcher.close()
    return queued


class _Alone:
    def claim(self, _: int, /) -> bool:
        return True

    def done(self, _: int, /) -> None:
        pass


def test_what_expired_or_was_rejected_stays_so_when_the_clock_goes_back(house: House) -> None:
    expired, rejected = house.pending(), house.pending()
    house.deny(rejected, "U0DAN")
    house.wait(hours=5)
    sweep(house)
    house.wait(hours=-5)
    assert (house.state(expired), house.state(rejected)) == (State.EXPIRED, State.REJECTED)
    for request_id in (expired, rejected):
        with pytest.raises(Stale):
            house.vote(request_id, "U0CAROL")
        with pytest.raises(Stale):
            house.withdraw(request_id, "U0DAN")
    sweep(house)
    assert (house.state(expired), house.state(rejected)) == (State.EXPIRED, State.REJECTED)


def test_a_leap_ahead_lets_time_run_out(house: House) -> None:
    pending, approved = house.pending(), house.pending()
    for user in ("U0DAN", "U0CAROL"):
        house.vote(approved, user)
    house.wait(days=400)
    with pytest.raises(Stale):
        house.vote(pending, "U0CAROL")
    assert start_due(house) == []
    sweep(house)
    assert (house.state(pending), house.state(approved)) == (State.EXPIRED, State.EXPIRED)


def test_what_was_approved_in_the_future_does_not_start_before_it(house: House) -> None:
    house.wait(hours=1)
    request_id = house.pending()
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)
    with house.store.transact() as work:
        work.requests.save(request_id, State.APPROVED, starts_at=house.now - timedelta(days=1))
    house.wait(minutes=-30)
    for _ in range(3):
        assert start_due(house) == []
    job = house.enqueue(request_id)
    assert house.take(job) is Gate.NO
    house.wait(minutes=30)
    (job,) = start_due(house)
    assert house.take(job) is Gate.GO


def test_a_vote_that_is_written_down_late_stays_late(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    with house.store.transact() as work:
        (vote,) = work.votes.of(request_id, 1)
        late = house.request(request_id).expires_at
        work.connection.execute(metadata.tables["votes"].update().values(at=late))
        assert vote.user == "U0DAN"
    house.wait(hours=-1)
    house.vote(request_id, "U0CAROL")
    assert house.state(request_id) is State.PENDING
    with house.store.read() as work:
        revision = work.requests.revision(request_id, 1)
        assert revision is not None
        assert not voting.is_reached(work, voting.Ballot(house.request(request_id), revision))


def test_a_reminder_is_not_said_again_when_the_clock_goes_back(house: House) -> None:
    request_id = house.pending()
    for step in (3, -1, 1, -3, 3):
        house.wait(hours=step)
        sweep(house)
    assert notes(house, request_id) == ["note.reminder"]


def aside(house: House) -> int:
    request_id = house.approved()
    with house.store.transact() as work:
        until = house.now + timedelta(days=7)
        work.requests.save(request_id, State.APPROVED, state=State.SET_ASIDE, grace_until=until)
        work.permits.void(request_id)
    return request_id


def purge_is_permitted(house: House, request_id: int) -> bool:
    SWEEPS["grace"](house)
    SWEEPS["grace"](house)
    return "ready" in house.permits(request_id)


def test_a_leap_ahead_takes_nobody_the_notice_of_a_removal(house: House) -> None:
    request_id = aside(house)
    house.wait(days=30)
    assert not purge_is_permitted(house, request_id)
    assert notes(house, request_id) == ["note.purge-soon"]
    house.wait(days=-30)
    assert not purge_is_permitted(house, request_id)
    house.wait(days=30, hours=23)
    assert not purge_is_permitted(house, request_id)
    house.wait(hours=1)
    assert purge_is_permitted(house, request_id)
    assert notes(house, request_id) == ["note.purge-soon"]


def test_the_end_of_a_grace_period_waits_for_its_window(house: House) -> None:
    night = {"from": "22:00", "to": "05:00", "zone": "Europe/Berlin"}
    house.configure(config(rules=rules_with(window=night, expires="20h")))
    request_id = house.pending()
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)
    with house.store.transact() as work:
        work.requests.save(
            request_id, State.APPROVED, state=State.SET_ASIDE, grace_until=house.now + timedelta(days=7)
        )
        work.permits.void(request_id)
    house.wait(days=6)
    assert not purge_is_permitted(house, request_id)
    house.wait(days=1)
    assert not purge_is_permitted(house, request_id)
    opens = house.now.replace(hour=21)
    assert house.request(request_id).grace_until == opens
    assert notes(house, request_id) == ["note.purge-soon", "note.purge-waits"]
    house.now = opens - timedelta(seconds=1)
    assert not purge_is_permitted(house, request_id)
    house.now = opens
    assert purge_is_permitted(house, request_id)
    house.now = opens + timedelta(hours=7)
    assert not purge_is_permitted(house, request_id)
    assert json.loads(house.log()[-1].entry)["kind"] != "permit-taken"
