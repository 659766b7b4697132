"""Windows, closed periods, caps and expected counts: decided when planned, when approved, and at the gate."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.approvals import execution
from bot.errors import Refused
from bot.jobs.dispatch import Dispatcher
from bot.jobs.permit import Gate
from bot.model.bounds import Bounds, Limit
from bot.model.calendar import Closed, Window
from bot.model.jobs import JobState
from bot.model.requests import Operation, State
from bot.store.ports import RosterPort
from bot.store.requests import rule_from
from tests.fakes.rooms import (
    SETTINGS,
    START,
    House,
    config,
    empty_postgresql,
    plan_of,
    planned,
    rules_with,
)

#: START is a Sunday, 13:00 in Berlin.
NIGHT = {"days": ["sun", "mon", "tue", "wed", "thu"], "from": "22:00", "to": "05:00", "zone": "Europe/Berlin"}
LATE = {**NIGHT, "from": "23:00"}
NOON = {"from": "12:00", "to": "14:00", "zone": "Europe/Berlin"}
OPENS = datetime(2026, 3, 1, 21, tzinfo=UTC)
CLOSES = datetime(2026, 3, 2, 4, tzinfo=UTC)


def period(begins: str, ends: str, **more: Any) -> dict[str, Any]:
    return {"zone": "Europe/Berlin", "closed": [{"from": begins, "to": ends, "why": "year end", **more}]}


def bounded(house: House, calendar: dict[str, Any] | None = None, **rule: Any) -> None:
    sections = {} if calendar is None else {"calendar": calendar}
    house.configure(config(rules=rules_with(**rule), **sections))


def approve(house: House, request_id: int) -> None:
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)


def keys(house: House, request_id: int) -> list[str]:
    """The notes in the thread of a request."""
    with house.store.read() as work:
        places = [str(row["subject"]) for row in house.rows("outbox") if row["kind"] == "note"]
        mine = [place for place in sorted(places) if place.startswith(f"note:{request_id}:")]
        return [str(work.erasable.get(place, "answer")["key"]) for place in mine]


def start_due(house: House) -> list[str]:
    """What the worker enqueues now, once everybody is known."""
    queued: list[str] = []
    sweep = Dispatcher(
        house.store, house.ground, lambda _: planned(), lambda _, job, __: queued.append(job), None, Alone()
    )
    port = RosterPort(house.store)
    for _ in range(2):
        sweep.start_due(house.clock)
        for question in port.questions():
            port.answer(question.nonce, house.roster(), house.now)
    sweep.close()
    return queued


class Alone:
    def claim(self, _: int, /) -> bool:
        return True

    def done(self, _: int, /) -> None:
        pass


# Windows and closed periods


def test_what_is_approved_outside_its_window_starts_when_it_opens_and_lives_until_it_closes(
    house: House,
) -> None:
    bounded(house, window=NIGHT)
    request_id = house.pending()
    approve(house, request_id)
    assert house.request(request_id).starts_at == OPENS
    assert house.permit(request_id).expires_at == CLOSES
    assert start_due(house) == []
    house.now = OPENS
    (job,) = start_due(house)
    assert house.take(job) is Gate.GO


def test_inside_the_window_only_the_cooling_off_counts(house: House) -> None:
    bounded(house, window=[NOON, NIGHT])
    request_id = house.pending()
    approve(house, request_id)
    assert house.request(request_id).starts_at == START + timedelta(seconds=10)
    assert house.permit(request_id).expires_at == START + timedelta(hours=1)


def test_a_cooling_off_that_ends_outside_waits_for_the_next_window(house: House) -> None:
    bounded(house, window=NOON)
    request_id = house.pending()
    house.now = START + timedelta(minutes=59, seconds=55)
    approve(house, request_id)
    assert house.request(request_id).starts_at == START.replace(hour=11) + timedelta(days=1)


def test_a_closed_period_postpones_and_without_a_window_a_day_is_the_life_of_the_approval(
    house: House,
) -> None:
    bounded(house, period("2026-02-20", "2026-03-04"))
    request_id = house.pending()
    approve(house, request_id)
    opens = datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert house.request(request_id).starts_at == opens
    assert house.permit(request_id).expires_at == opens + timedelta(hours=24)


def test_a_closed_period_of_another_system_closes_nothing(house: House) -> None:
    bounded(house, period("2026-02-20", "2026-03-04", targets="shop"))
    request_id = house.pending()
    approve(house, request_id)
    assert house.request(request_id).starts_at == START + timedelta(seconds=10)


def test_an_approval_ends_where_a_closed_period_begins(house: House) -> None:
    bounded(house, period("2026-03-01 18:00", "2026-03-04 08:00"))
    request_id = house.pending()
    approve(house, request_id)
    assert house.permit(request_id).expires_at == datetime(2026, 3, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize("calendar", [period("2026-02-01", "2026-12-31"), None])
def test_what_can_never_start_is_refused_when_it_is_planned(
    house: House, calendar: dict[str, Any] | None
) -> None:
    never = {"days": "sat", "from": "10:00", "to": "11:00", "zone": "Europe/Berlin"}
    closed = (
        period("2026-02-01", "2026-12-31")
        if calendar
        else {
            "zone": "Europe/Berlin",
            "closed": [
                {"from": f"2026-{month:02}-{day:02}", "to": f"2026-{month:02}-{day:02}"}
                for month, day in ((3, 7), (3, 14), (3, 21), (3, 28), (4, 4), (4, 11), (4, 18), (4, 25))
            ],
        }
    )
    bounded(house, closed, window=never)
    request_id = house.file()
    with pytest.raises(Refused) as refused:
        house.plan(request_id)
    assert (refused.value.key, refused.value.params["days"]) == ("filing.never-opens", 60)


def test_restores_and_unfreezing_know_no_closed_period(house: House) -> None:
    bounded(house, period("2026-02-20", "2026-03-04"))
    with house.store.transact() as work:
        house.lifecycle.freeze(work, "crm", None, house.actor("U0ALICE"), house.now)
    request_id = house.file(operation=Operation.UNFREEZE, record=None, values=())
    made = replace(plan_of(record=None), operation=Operation.UNFREEZE)
    house.plan(request_id, replace(planned(), record=None, data=made.to_data()))
    house.vote(request_id, "U0CAROL")
    assert house.request(request_id).starts_at == START + timedelta(seconds=10)
    house.wait(seconds=11)
    (job,) = start_due(house)
    assert house.take(job) is Gate.GO


#: case -> the rule and the calendar when filed, those of today, whether the gate lets it through at the time
STRICTER: dict[
    str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], dict[str, Any] | None, Gate]
] = {
    "nothing was changed": ({"window": NIGHT}, None, {"window": NIGHT}, None, Gate.GO),
    "the window was made smaller": ({"window": NIGHT}, None, {"window": LATE}, None, Gate.NO),
    "the window was made larger, and the old one counts": (
        {"window": LATE},
        None,
        {"window": NIGHT},
        None,
        Gate.NO,
    ),
    "the window was taken out, and the old one counts": ({"window": LATE}, None, {}, None, Gate.NO),
    "a window was put in": ({}, None, {"window": LATE}, None, Gate.NO),
    "a period was closed": ({}, None, {}, period("2026-03-01", "2026-03-01"), Gate.NO),
    "a closed period was taken out, and it still counts": (
        {},
        period("2026-03-01", "2026-03-01"),
        {},
        None,
        Gate.NO,
    ),
    "a period was closed for another system": (
        {},
        None,
        {},
        period("2026-03-01", "2026-03-01", targets="shop"),
        Gate.GO,
    ),
}


@pytest.mark.parametrize("case", STRICTER)
def test_the_gate_asks_both_the_rule_of_then_and_the_configuration_of_today(house: House, case: str) -> None:
    filed_rule, filed_calendar, rule, calendar, gate = STRICTER[case]
    bounded(house, filed_calendar, **filed_rule, expires="20h")
    request_id = house.pending()
    approve(house, request_id)
    house.now = OPENS + timedelta(minutes=1)
    _forge_start(house, request_id)
    job = house.enqueue(request_id)
    bounded(house, calendar, **rule, expires="20h")
    assert house.take(job) is gate
    assert house.state(request_id) is (State.RUNNING if gate is Gate.GO else State.APPROVED)
    if gate is Gate.NO:
        assert '"why":"outside-window"' in house.log()[-1].entry
        assert house.permits(request_id)[-1] == "ready"


def _forge_start(house: House, request_id: int) -> None:
    """As if a clock that was wrong, or a forger, had set the start to now."""
    with house.store.transact() as work:
        revision = work.requests.revision(request_id, 1)
        assert revision is not None
        work.requests.save(request_id, State.APPROVED, starts_at=house.now)
        work.permits.issue(request_id, 1, revision.digest, house.now + timedelta(hours=1), house.now)


def test_what_may_not_start_any_more_is_postponed_once_and_the_thread_says_so(house: House) -> None:
    request_id = house.pending()
    approve(house, request_id)
    house.wait(seconds=11)
    bounded(house, window=NIGHT)
    for _ in range(3):
        assert start_due(house) == []
    assert house.request(request_id).starts_at == OPENS
    assert house.permit(request_id).expires_at == CLOSES
    assert keys(house, request_id) == ["note.postponed"]
    house.now = OPENS
    (job,) = start_due(house)
    assert house.take(job) is Gate.GO


def test_what_may_never_start_any_more_is_over(house: House) -> None:
    request_id = house.pending()
    approve(house, request_id)
    house.wait(seconds=11)
    bounded(house, period("2026-02-20", "2026-12-31"))
    assert start_due(house) == []
    assert (house.state(request_id), house.request(request_id).outcome) == (
        State.CANCELLED,
        "outcome.never-opens",
    )


def test_the_last_approval_of_what_may_never_start_any_more_ends_it(house: House) -> None:
    request_id = house.pending()
    bounded(house, period("2026-02-20", "2026-12-31"))
    approve(house, request_id)
    assert (house.state(request_id), house.permits(request_id)) == (State.CANCELLED, [])


# Counts and caps


def rows(n: int) -> execution.Planned:
    return planned(rows=n)


def refusal(act: Callable[[], object]) -> tuple[str, dict[str, str | int]]:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.key, dict(refused.value.params)


def test_another_count_than_expected_is_refused_with_both_numbers(house: House) -> None:
    request_id = house.file(expected=14)
    key, told = refusal(lambda: house.plan(request_id, rows(15)))
    assert (key, told) == ("filing.expected", {"expected": 14, "rows": 15})
    house.plan(request_id, rows(14))
    assert house.state(request_id) is State.PENDING


def test_a_rule_may_demand_the_number(house: House) -> None:
    request_id = house.file()
    bounded(house, expected="required")
    assert refusal(lambda: house.plan(request_id))[0] == "filing.expected-needed"
    assert refusal(house.file)[0] == "filing.expected-needed"
    house.plan(house.file(expected=7))
    house.plan(house.file(preview=True))


def test_size_alone_is_refused_with_the_numbers_and_whom_to_ask(house: House) -> None:
    request_id = house.file()
    assert refusal(lambda: house.plan(request_id, rows(101))) == (
        "filing.too-many-rows",
        {"rows": 101, "limit": 100, "users": "U0CAROL"},
    )


def test_what_no_rule_is_about_is_no_matter_of_size(house: House) -> None:
    bounded(
        house,
        when={"operation": "delete-records", "target": "crm", "record": "other", "rows": {"at_most": 5}},
    )
    house.configure(
        config(
            targets={
                **SETTINGS["targets"],
                "crm": {
                    **SETTINGS["targets"]["crm"],
                    "records": {
                        "customer": {"table": "c", "find_by": ["id"]},
                        "other": {"table": "o", "find_by": ["id"]},
                    },
                },
            },
            rules=[*rules_with(when={"operation": "delete-records", "target": "crm", "record": "other"})],
        )
    )
    request_id = house.file(record="other", values=("1",))
    with house.store.transact() as work:
        work.requests.save(request_id, State.PLANNING, record="customer")
    made = rows(7)
    assert refusal(lambda: house.plan(request_id, made))[0] == "filing.no-rule"


@pytest.mark.parametrize(
    ("limit", "sizes", "told"),
    [
        ({"rows": 20}, (7, 13, 1), ("filing.limit-rows", {"rows": 1, "limit": 20, "used": 20})),
        ({"rows": 20}, (21,), ("filing.limit-rows", {"rows": 21, "limit": 20, "used": 0})),
        ({"requests": 2}, (1, 1, 1), ("filing.limit-requests", {"limit": 2, "used": 2})),
        ({"rows": 9, "requests": 2}, (5, 5), ("filing.limit-rows", {"rows": 5, "limit": 9, "used": 5})),
    ],
)
def test_a_cap_counts_what_waits_and_refuses_with_the_numbers(
    house: House, limit: dict[str, int], sizes: tuple[int, ...], told: tuple[str, dict[str, int]]
) -> None:
    bounded(house, limit=limit)
    for size in sizes[:-1]:
        house.plan(house.file(), rows(size))
    request_id = house.file()
    key, params = refusal(lambda: house.plan(request_id, rows(sizes[-1])))
    assert (key, params) == (told[0], {**told[1], "rule": "small erasure", "target": "crm", "span": "24h"})


def test_what_is_over_without_a_change_takes_nothing_of_a_cap(house: House) -> None:
    bounded(house, limit={"requests": 1})
    first = house.pending()
    with house.store.transact() as work:
        house.lifecycle.cancel(work, house.request(first).number or 0, house.actor("U0ALICE"), house.now)
    assert house.state(house.pending()) is State.PENDING


#: How the first one ended -> whether it still counts at the gate a moment later
ENDED: dict[JobState, bool] = {
    JobState.RUNNING: True,
    JobState.COMMITTING: True,
    JobState.COMMITTED: True,
    JobState.DONE: True,
    JobState.HELD: True,
    JobState.FAILED: False,
    JobState.STOPPED: False,
    JobState.DRIFTED: False,
}


@pytest.mark.parametrize("state", ENDED)
def test_at_the_gate_what_may_have_changed_something_counts(house: House, state: JobState) -> None:
    first, second = _two_approved(house)
    job = house.enqueue(first)
    assert house.take(job) is Gate.GO
    _job_is(house, job, state)
    other = house.enqueue(second)
    if state in (JobState.RUNNING, JobState.COMMITTING, JobState.COMMITTED):
        assert house.take(other) is Gate.ASK_AGAIN  # the system is busy, so nobody counts yet
        return
    assert house.take(other) is (Gate.NO if ENDED[state] else Gate.GO)
    if ENDED[state]:
        assert (house.state(second), house.request(second).outcome) == (
            State.CANCELLED,
            "filing.limit-requests",
        )


def _two_approved(house: House) -> tuple[int, int]:
    """Planned at the same moment by two workers that did not see each other."""
    bounded(house, expires="20h")
    first, second = house.many_pending(2)
    for one in (first, second):
        approve(house, one)
    house.wait(seconds=11)
    bounded(house, limit={"requests": 1}, expires="20h")
    return first, second


def _job_is(house: House, job: str, state: JobState) -> None:
    with house.store.transact() as work:
        work.jobs.save(job, JobState.RUNNING, state=state)


def test_a_cap_is_free_again_when_its_time_has_gone_by_and_not_a_moment_before(house: House) -> None:
    bounded(house, limit={"requests": 1, "per": "2h"})
    _, job = house.running()
    _job_is(house, job, JobState.DONE)
    with house.store.transact() as work:
        work.requests.save(house.job(job).request_id, State.RUNNING, state=State.SUCCEEDED)
    began = house.now
    house.now = began + timedelta(hours=2, microseconds=-1)
    assert refusal(lambda: house.plan(house.file()))[0] == "filing.limit-requests"
    house.now = began - timedelta(days=3)
    assert refusal(lambda: house.plan(house.file()))[0] == "filing.limit-requests"
    house.now = began + timedelta(hours=2)
    house.plan(house.file())


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_of_two_approved_at_once_near_a_cap_one_runs(tmp_path: Path, server: bool) -> None:
    house = House(tmp_path, url=empty_postgresql() if server else "")
    try:
        first, second = _two_approved(house)
        jobs = [house.enqueue(first), house.enqueue(second)]
        assert [house.take(job) for job in jobs] == [Gate.GO, Gate.ASK_AGAIN]
        _job_is(house, jobs[0], JobState.DONE)
        with house.store.transact() as work:
            work.requests.save(first, State.RUNNING, state=State.SUCCEEDED)
        assert house.take(house.enqueue(second)) is Gate.NO
        assert house.state(second) is State.CANCELLED
    finally:
        house.close()


def test_bounds_survive_being_stored_and_what_an_earlier_release_stored_has_none() -> None:
    bounds = Bounds(
        (Window(("mon",), 60, 1500, "Europe/Berlin"),),
        (Closed(START, OPENS, "year end"), Closed(START, OPENS)),
        Limit(5, None, 3600),
        expected=True,
    )
    assert Bounds.from_data(bounds.to_data()) == bounds
    earlier = {
        "name": "x",
        "request": ["a"],
        "approve": [{"count": 1, "role": "b"}],
        "expires": 1,
        "cooling_off": 1,
        "drift_rows": 0,
    }
    assert rule_from(earlier).bounds == Bounds()
