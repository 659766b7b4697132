"""What else holds copies is ticked off by whoever may, once, on record; never by whoever may not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.approvals import copies
from bot.approvals.execution import Planned
from bot.errors import NotAllowed, Refused, Stale
from bot.model.doors import Answer
from bot.model.leftovers import CopyPart, copies_in
from bot.model.requests import Operation, State
from bot.sandbox import samples
from bot.schedules import reminding
from tests.fakes.rooms import SETTINGS, House, config, plan_of

DECLARED = (CopyPart("Search index", "dba"), CopyPart("Warehouse", ""), CopyPart("CRM cache", "vanished"))


def done(house: House, declared: tuple[CopyPart, ...] = DECLARED) -> int:
    """A request whose operation has done its part."""
    plan = replace(plan_of(), copies=declared)
    request_id = house.file()
    house.plan(request_id, Planned("crm", "customer", plan.to_data(), plan.rows, "", '{"who": 1}'))
    with house.store.transact() as work:
        request = house.ground.lock(work, request_id)
        work.outbox.want(f"receipt:{request_id}", "receipt", "C0X", house.now, request_id=request_id)
        copies.begin(work, request, house.now)
    house.posted(request_id)
    return request_id


def tick(house: House, request_id: int, place: int, user: str, *, yes: bool = True, **flags: Any) -> Answer:
    with house.store.transact() as work:
        return house.lifecycle.tick(work, request_id, place, house.actor(user, **flags), house.now, done=yes)


def who(house: House, request_id: int) -> list[str | None]:
    return [one.done_by for one in house.view(request_id).ticks]


def bodies(house: House, kind: str) -> list[Mapping[str, Any]]:
    entries = [json.loads(one.entry) for one in house.log()]
    return [entry["body"] for entry in entries if entry["kind"] == kind]


def test_whoever_holds_the_role_ticks_off_and_it_is_on_record(house: House) -> None:
    request_id = done(house)
    answer = tick(house, request_id, 0, "U0DAN")
    assert (answer.key, answer.params["n"]) == ("copies.done", 2)
    assert who(house, request_id) == ["U0DAN", None, None]
    assert house.view(request_id).ticks[0].done_at == house.now
    assert bodies(house, "copy-done") == [{"copy": "Search index", "place": 0, "by": "U0DAN"}]
    shown = {row["subject"] for row in house.rows("outbox") if row["wanted"] > row["shown"]}
    assert {f"card:{request_id}", f"receipt:{request_id}"} <= shown


#: who -> which copy, flags, why not
REFUSED: dict[str, tuple[int, str, dict[str, Any], str]] = {
    "without that role": (0, "U0ALICE", {}, "copies.no-role"),
    "without any role": (1, "U0ZOE", {}, "brake.no-role"),
    "without any role, where a role is asked for": (0, "U0ZOE", {}, "copies.no-role"),
    "a role that the configuration does not know any more": (2, "U0BOB", {}, "copies.no-role"),
    "an app": (1, "U0DAN", {"is_bot": True}, "person.bot"),
    "a guest": (1, "U0DAN", {"is_guest": True}, "person.guest"),
    "somebody who left": (1, "U0DAN", {"is_deactivated": True}, "person.deactivated"),
    "a place that is not there": (3, "U0BOB", {}, "slack.stale-button"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nobody_else_does(house: House, case: str) -> None:
    place, user, flags, why = REFUSED[case]
    request_id = done(house)
    with pytest.raises(Refused) as refusal:
        tick(house, request_id, place, user, **flags)
    assert refusal.value.key == why
    assert who(house, request_id) == [None, None, None]
    assert not bodies(house, "copy-done")


def test_no_role_is_ever_anybody_once_a_plan_names_it(house: House) -> None:
    """The role leaves the configuration: nobody can tick, although the name is still there."""
    request_id = done(house)
    house.configure(config(roles={**SETTINGS["roles"], "dba": {"users": ["U0GINA"]}}))
    with pytest.raises(NotAllowed):
        tick(house, request_id, 0, "U0DAN")
    assert tick(house, request_id, 0, "U0GINA").key == "copies.done"


def test_the_second_click_hears_who_was_first(house: House) -> None:
    request_id = done(house)
    tick(house, request_id, 1, "U0DAN")
    with pytest.raises(Stale) as refusal:
        tick(house, request_id, 1, "U0BOB")
    assert (refusal.value.key, refusal.value.params["user"]) == ("copies.done-already", "U0DAN")
    assert who(house, request_id) == [None, "U0DAN", None]
    assert len(bodies(house, "copy-done")) == 1


def test_it_can_be_taken_back_and_the_log_has_both(house: House) -> None:
    request_id = done(house)
    tick(house, request_id, 1, "U0DAN")
    assert tick(house, request_id, 1, "U0ALICE", yes=False).key == "copies.reopened"
    with pytest.raises(Stale) as refusal:
        tick(house, request_id, 1, "U0ALICE", yes=False)
    assert refusal.value.key == "copies.open-already"
    assert who(house, request_id) == [None, None, None]
    assert len(bodies(house, "copy-reopened")) == 1


def test_the_last_one_is_told_apart_in_the_log(house: House) -> None:
    request_id = done(house, DECLARED[:2])
    tick(house, request_id, 0, "U0DAN")
    assert not bodies(house, "copies-done")
    assert tick(house, request_id, 1, "U0DAN").params["n"] == 0
    assert bodies(house, "copies-done") == [{"copies": 2}]


def test_before_the_operation_is_done_there_is_nothing_to_tick(house: House) -> None:
    request_id = house.pending()
    with pytest.raises(Stale):
        tick(house, request_id, 0, "U0BOB")


def test_beginning_again_changes_nothing(house: House) -> None:
    """A step of a job may run twice."""
    request_id = done(house)
    tick(house, request_id, 0, "U0DAN")
    with house.store.transact() as work:
        copies.begin(work, house.ground.lock(work, request_id), house.now + timedelta(days=1))
    assert who(house, request_id) == ["U0DAN", None, None]
    assert {one.since for one in house.view(request_id).ticks} == {house.now}


def test_what_is_open_is_called_to_mind_once_after_three_days(house: House) -> None:
    request_id = done(house)
    tick(house, request_id, 0, "U0DAN")
    house.wait(days=3, seconds=-1)
    reminding.remind_of_copies(house.store, house.ground, house.now)
    assert "note.copies-open" not in house.notes(request_id)
    house.wait(seconds=1)
    for _ in range(3):
        reminding.remind_of_copies(house.store, house.ground, house.now)
        house.wait(days=3)
    assert house.notes(request_id).count("note.copies-open") == 1


def test_what_only_people_can_do_is_told_apart_from_copies(house: House) -> None:
    request_id = done(house, (*DECLARED[:1], CopyPart("DNS entry", "dba", "task")))
    view = house.view(request_id)
    assert view.revision is not None
    assert copies_in(view.revision.plan) == (
        CopyPart("Search index", "dba"),
        CopyPart("DNS entry", "dba", "task"),
    )
    with pytest.raises(NotAllowed):
        tick(house, request_id, 1, "U0CAROL")
    tick(house, request_id, 0, "U0DAN")
    house.wait(days=4)
    reminding.remind_of_copies(house.store, house.ground, house.now)
    assert [note for note in house.notes(request_id) if note.endswith("-open")] == ["note.tasks-open"]
    assert tick(house, request_id, 1, "U0DAN").params["n"] == 0
    assert bodies(house, "copies-done") == [{"copies": 2}]


def test_nobody_is_reminded_of_what_is_done_or_back(house: House) -> None:
    finished, back = done(house, DECLARED[1:2]), done(house)
    tick(house, finished, 0, "U0DAN")
    with house.store.transact() as work:
        work.backups.add(replace(samples.backup(), request_id=back))
        restore = work.requests.add(
            operation=Operation.RESTORE, target="crm", record="customer", backup_id="b1",
            requester="U0DAN", origin_channel="C0X", channel="C0X", created_at=house.now,
            preview=False, expected=None,
        )  # fmt: skip
        assert work.requests.save(restore, State.PLANNING, state=State.SUCCEEDED)
    house.wait(days=4)
    reminding.remind_of_copies(house.store, house.ground, house.now)
    for request_id in (finished, back):
        assert "note.copies-open" not in house.notes(request_id)
