"""A restore is taken back by a deletion of what it brought, and by nothing that only looks like one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.model.choices import Mode, RestoreChoice
from bot.model.requests import Operation, State
from bot.texts import say
from tests.fakes.operations import make_bench
from tests.fakes.rooms import SETTINGS, House, config
from tests.fakes.works import Works, plainly

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT, mentor INTEGER REFERENCES customers(id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id), text TEXT);
CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id) ON DELETE SET NULL);
INSERT INTO customers VALUES (1, 'a@x', 'Ada', NULL), (2, 'b@x', 'Bob', NULL), (3, 'c@x', 'Cyd', NULL),
    (4, 'd@x', 'Dee', 1);
INSERT INTO notes VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three'), (4, 3, 'four');
INSERT INTO visits VALUES (1, 1), (2, 3);
"""
ADA, THREE = ("a@x",), ("a@x", "b@x", "c@x")


def configured(works: Works, **more: Any) -> None:
    known = SETTINGS["targets"]["crm"]
    records = {"customer": {"table": "customers", "find_by": ["id", "email"], "label": "{name}"}}
    crm = {**known, "database": {"url": f"sqlite:///{works.bench.path}"}, "records": records, **more}
    works.house.configure(config(targets={**SETTINGS["targets"], "crm": crm}))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """On one of our databases; what is asked here is the target's."""
    built = House(tmp_path)
    yield built
    built.close()


@pytest.fixture
def works(house: House, tmp_path: Path) -> Works:
    folder = tmp_path / "crm"
    folder.mkdir()
    made = Works(house, make_bench(folder, SCHEMA, find_by=["id", "email"], label="{name}"))
    configured(made)
    return made


def running(works: Works, **wish: Any) -> tuple[int, str]:
    """A request with the votes that its rule asks for, and its job."""
    request_id = works.house.file(**wish)
    approve(works, request_id)
    job = works.house.enqueue(request_id)
    assert works.house.take(job) == "go"
    return request_id, job


def approve(works: Works, request_id: int) -> int:
    works.house.plan(request_id, works.crew().hands.plan(works.house.request(request_id)))
    for user in ("U0DAN", "U0CAROL"):
        if works.house.state(request_id) is State.PENDING:
            works.house.vote(request_id, user)
    works.house.wait(seconds=11)
    return request_id


def done(works: Works, **wish: Any) -> int:
    """A request from the wish to its end; returns the number that people read."""
    return works.house.request(done_id(works, **wish)).number or 0


def done_id(works: Works, **wish: Any) -> int:
    request_id, job = running(works, **wish)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    return request_id


def restored(works: Works, values: tuple[str, ...] = ADA, choice: RestoreChoice | None = None) -> int:
    """Something deleted and brought back; the number of the restore."""
    number = done(works, values=values)
    return bring_back(works, number, choice or RestoreChoice())


def bring_back(works: Works, number: int, choice: RestoreChoice = RestoreChoice()) -> int:  # noqa: B008 - frozen
    return done(works, **restoring(number, choice))


def restoring(number: int, choice: RestoreChoice) -> dict[str, Any]:
    wish = {"operation": Operation.RESTORE, "target": None, "record": None, "values": ()}
    return {**wish, "number": number, "choice": choice}


def undoing(number: int, **more: Any) -> dict[str, Any]:
    return {"target": None, "record": None, "values": (), "undoes": number, **more}


def refused(works: Works, act: Callable[[], object], key: str) -> str:
    """Refused with this key, in a sentence that says what to type; nothing has changed."""
    before, requests = works.bench.dump(), len(works.house.rows("backups"))
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, caught.value.params
    for language in ("en", "zh-CN"):
        told = say(key, language, **caught.value.params)
    assert works.bench.dump() == before
    assert len(works.house.rows("backups")) == requests
    return told


def told_in(works: Works, request_id: int) -> dict[str, Any]:
    revision = works.house.view(request_id).revision
    assert revision is not None
    return {key: params for key, params in revision.plan["warnings"] if key.startswith("told.undo")}


def test_delete_restore_undo_restore_is_the_same_to_the_byte(works: Works) -> None:
    before = works.bench.dump()
    first = done(works, values=ADA)
    after = works.bench.dump()
    second = bring_back(works, first)
    assert works.bench.dump() == before
    third = done(works, **undoing(second))
    assert works.bench.dump() == after
    bring_back(works, third)
    assert works.bench.dump() == before
    with works.house.store.read() as work:
        request = work.requests.by_number(third)
    assert request is not None
    assert (request.operation, request.target, request.record) == (
        Operation.DELETE_RECORDS,
        "crm",
        "customer",
    )


def test_an_undo_needs_the_votes_of_a_deletion(works: Works) -> None:
    number = restored(works)
    request_id = works.house.file(**undoing(number))
    works.house.plan(request_id, works.crew().hands.plan(works.house.request(request_id)))
    revision = works.house.view(request_id).revision
    assert revision is not None
    assert revision.rule.name == "small erasure"
    works.house.vote(request_id, "U0DAN")
    # That would be enough for a restore.
    assert works.house.state(request_id) is State.PENDING


def test_whoever_may_restore_and_not_delete_may_not_undo(works: Works) -> None:
    number = restored(works)
    refused(works, lambda: works.house.file("U0DAN", **undoing(number)), "filing.no-role")


def test_a_frozen_system_refuses_an_undo(works: Works) -> None:
    number = restored(works)
    with works.house.store.transact() as work:
        works.house.lifecycle.freeze(work, "crm", None, works.house.actor("U0DAN"), works.house.now)
    refused(works, lambda: works.house.file(**undoing(number)), "filing.frozen")


def test_the_plan_says_where_it_differs_from_what_came_back(works: Works) -> None:
    number = restored(works)
    works.bench.sql(
        "INSERT INTO notes VALUES (9, 1, 'new'), (10, 1, 'new'); UPDATE customers SET name = 'Ada L.' WHERE id = 1;"
        "UPDATE customers SET mentor = NULL WHERE id = 4"
    )
    request_id = works.approved(**undoing(number))
    assert told_in(works, request_id) == {
        # Ada, Dee and two notes.
        "told.undoes": {"number": number, "n": 4},
        "told.undo-more": {"table": "notes", "n": 2},
        "told.undo-changed": {"table": "customers", "n": 2},
    }
    # Dee came back with Ada, so she goes with her, whoever mentors her now.
    assert works.house.view(request_id).personal.label == "Ada L., Dee"


def test_a_plan_that_takes_the_same_says_just_that(works: Works) -> None:
    number = restored(works)
    request_id = works.approved(**undoing(number))
    assert told_in(works, request_id) == {"told.undoes": {"number": number, "n": 4}}


def test_one_of_several_that_is_gone_again_is_told(works: Works) -> None:
    number = restored(works, THREE)
    done(works, values=("b@x",))
    request_id = works.approved(**undoing(number))
    told = told_in(works, request_id)
    assert told["told.undo-gone"] == {"n": 1}
    assert told["told.undoes"] == {"number": number, "n": 8}
    assert "told.undo-more" not in told


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (RestoreChoice(only=("b@x",)), ["d@x"]),
        (RestoreChoice(only=("b@x", "c@x")), ["d@x"]),
        (RestoreChoice(table="customers"), []),
    ],
    ids=["one of three", "all but one", "a table"],
)
def test_of_a_part_exactly_that_goes_again(works: Works, choice: RestoreChoice, left: list[str]) -> None:
    works.bench.sql("UPDATE customers SET mentor = NULL")
    number = done(works, values=THREE)
    again = bring_back(works, number, choice)
    done(works, **undoing(again))
    assert [row[0] for row in works.bench.ask("SELECT email FROM customers WHERE id < 4")] == []
    assert [row[0].decode() for row in works.bench.ask("SELECT email FROM customers")] == (left or ["d@x"])


def test_two_of_four_go_again_and_come_back_and_the_others_stay(works: Works) -> None:
    works.bench.sql("UPDATE customers SET mentor = NULL")
    number = done(works, values=(*THREE, "d@x"))
    bring_back(works, number, RestoreChoice(only=("c@x",)))
    before = works.bench.dump()
    again = bring_back(works, number, RestoreChoice(only=("a@x", "b@x")))
    there = works.bench.dump()
    undone = done(works, **undoing(again))
    assert works.bench.dump() == before
    bring_back(works, undone)
    assert works.bench.dump() == there


def test_of_a_restore_that_found_some_there_only_what_it_brought_goes(works: Works) -> None:
    works.bench.sql("UPDATE customers SET mentor = NULL")
    number = done(works, values=(*THREE, "d@x"))
    bring_back(works, number, RestoreChoice(only=("a@x", "d@x")))
    before = works.bench.dump()
    again = bring_back(works, number)
    assert told_in(works, done_id(works, **undoing(again))) == {"told.undoes": {"number": again, "n": 4}}
    assert works.bench.dump() == before


def test_what_was_in_the_way_and_left_out_stays(works: Works) -> None:
    works.bench.sql("UPDATE customers SET mentor = NULL")
    number = done(works, values=(*THREE, "d@x"))
    works.bench.sql(
        "INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL), (3, 'fay@x', 'Fay', NULL);"
        "INSERT INTO notes VALUES (30, 2, 'hers')"
    )
    before = works.bench.dump()
    again = bring_back(works, number, RestoreChoice(mode=Mode.SKIP))
    done(works, **undoing(again))
    assert works.bench.dump() == before


def test_what_was_overwritten_comes_back_out_of_its_own_backup(works: Works) -> None:
    number = done(works, values=("b@x",))
    works.bench.sql(
        "INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL); INSERT INTO notes VALUES (3, 2, 'hers')"
    )
    before = works.bench.dump()
    again = bring_back(works, number, RestoreChoice(mode=Mode.OVERWRITE))
    assert works.bench.dump() != before
    # A restore, so under the rule for restores: who may restore may ask.
    back = works.house.file("U0BOB", **undoing(again))
    assert works.house.request(back).operation is Operation.RESTORE
    with works.house.store.transact() as work:
        works.house.ground.change(work, works.house.ground.lock(work, back), "refuse", works.house.now)
    done(works, **undoing(again))
    assert works.bench.dump() == before


def test_records_that_were_only_overwritten_leave_nothing_to_delete(works: Works) -> None:
    number = done(works, values=("b@x",))
    works.bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
    again = bring_back(works, number, RestoreChoice(mode=Mode.OVERWRITE))
    told = refused(works, lambda: works.house.file(**undoing(again)), "taken-back.two-steps")
    assert f"`/restore #{again} overwrite -- reason`" in told


def mixed(works: Works, stranger: str) -> tuple[int, dict[str, list[str]]]:
    """A restore that brought records and overwrote somebody's row, and what was there before it."""
    works.bench.sql("UPDATE customers SET mentor = NULL")
    number = done(works, values=THREE)
    works.bench.sql(stranger)
    before = works.bench.dump()
    return bring_back(works, number, RestoreChoice(mode=Mode.OVERWRITE)), before


def operation_of(works: Works, request_id: int) -> Operation:
    return works.house.request(request_id).operation


#: Dee has the number of a note that came back to Cyd.
HERS = "INSERT INTO notes VALUES (4, 4, 'about Dee')"


def test_old_values_come_first_and_then_goes_what_was_brought(works: Works) -> None:
    again, before = mixed(works, HERS)
    # A restore first, so whoever may restore may ask; the deletion needs more.
    first = works.house.file("U0BOB", **undoing(again))
    assert operation_of(works, first) is Operation.RESTORE
    approve(works, first)
    assert told_in(works, first) == {"told.undo-first": {"number": again}}
    refused(works, lambda: works.house.file(**undoing(again)), "taken-back.open")
    job = works.house.enqueue(first)
    assert works.house.take(job) == "go"
    works.crew().run(job, plainly)
    refused(works, lambda: works.house.file("U0DAN", **undoing(again)), "filing.no-role")
    second = done_id(works, **undoing(again))
    assert operation_of(works, second) is Operation.DELETE_RECORDS
    assert told_in(works, second) == {
        # Three people, three notes: Dee's is hers again.
        "told.undoes": {"number": again, "n": 6},
        "told.undo-changed": {"table": "notes", "n": 1},
    }
    assert works.bench.dump() == before
    refused(works, lambda: works.house.file(**undoing(again)), "taken-back.already")


def test_what_was_brought_to_somebody_who_was_there_stays_and_is_told(works: Works) -> None:
    again, before = mixed(works, "INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
    done(works, **undoing(again))
    second = done_id(works, **undoing(again))
    assert told_in(works, second)["told.undo-fewer"] == {"table": "notes", "n": 1}
    works.bench.sql("DELETE FROM notes WHERE id = 3")
    assert works.bench.dump() == before


def test_old_values_that_somebody_brought_back_by_hand_count_and_a_part_of_them_does_not(
    works: Works,
) -> None:
    again, before = mixed(works, f"{HERS}; INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
    bring_back(works, again, RestoreChoice(table="notes", mode=Mode.OVERWRITE))
    assert operation_of(works, cancelled(works, **undoing(again))) is Operation.RESTORE
    bring_back(works, again, RestoreChoice(mode=Mode.OVERWRITE))
    assert operation_of(works, cancelled(works, **undoing(again))) is Operation.DELETE_RECORDS
    done(works, **undoing(again))
    works.bench.sql("DELETE FROM notes WHERE id = 3")
    assert works.bench.dump() == before


def cancelled(works: Works, **wish: Any) -> int:
    request_id = works.house.file(**wish)
    with works.house.store.transact() as work:
        works.house.ground.change(work, works.house.ground.lock(work, request_id), "cancel", works.house.now)
    return request_id


def test_a_first_step_that_is_taken_back_comes_first_again(works: Works) -> None:
    again, before = mixed(works, HERS)
    there = works.bench.dump()
    first = done(works, **undoing(again))
    done(works, **undoing(first))
    assert works.bench.dump() == there
    done(works, **undoing(again))
    done(works, **undoing(again))
    assert works.bench.dump() == before


def test_records_that_are_gone_again_need_no_second_step(works: Works) -> None:
    again, _ = mixed(works, HERS)
    done(works, values=THREE)
    assert told_in(works, approve(works, works.house.file(**undoing(again)))) == {}


@pytest.mark.parametrize("why", ["no-backup", "others", "old-values"])
def test_nothing_is_half_taken_back_when_the_other_half_cannot_be_asked_for(works: Works, why: str) -> None:
    again, _ = mixed(works, HERS)
    if why == "no-backup":
        works.bench.vault.shred(str(works.house.rows("backups")[0]["id"]))
    elif why == "others":
        works.bench.sql("UPDATE customers SET email = 'else@x' WHERE id = 1")
    else:
        works.bench.sql("UPDATE notes SET customer = 4, text = 'about Dee' WHERE id = 4")
    refused(works, lambda: works.approved(**undoing(again)), f"taken-back.{why}")


#: What happened since the restore, and why the plan is refused.
SINCE = {
    "somebody else has the key": (
        "DELETE FROM notes WHERE customer = 2; DELETE FROM customers WHERE id = 2;"
        "INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)",
        "taken-back.others",
    ),
    "the record has another name": (
        "UPDATE customers SET email = 'bobby@x' WHERE id = 2",
        "taken-back.others",
    ),
    "it is gone again": (
        "DELETE FROM notes WHERE customer = 2; DELETE FROM customers WHERE id = 2",
        "taken-back.gone",
    ),
    "the table has changed": ("ALTER TABLE customers ADD COLUMN rank INTEGER NOT NULL DEFAULT 0", None),
}


@pytest.mark.parametrize(("script", "key"), SINCE.values(), ids=SINCE.keys())
def test_what_happened_since_is_seen(works: Works, script: str, key: str | None) -> None:
    number = restored(works, ("b@x",))
    works.bench.sql(script)
    if key is None:
        works.approved(**undoing(number))
    else:
        refused(works, lambda: works.approved(**undoing(number)), key)


def test_a_backup_that_is_destroyed_names_nobody(works: Works) -> None:
    number = restored(works)
    works.bench.vault.shred(str(works.house.rows("backups")[0]["id"]))
    told = refused(works, lambda: works.approved(**undoing(number)), "taken-back.no-backup")
    assert "/delete-records crm customer" in told


def test_a_table_without_the_records_does_not_go_alone(works: Works) -> None:
    number = restored(works, ("b@x",))
    works.bench.sql("DELETE FROM notes WHERE id = 3")
    with works.house.store.read() as work:
        first = work.requests.by_number(number - 1)
    assert first is not None
    again = bring_back(works, number - 1, RestoreChoice(table="notes"))
    refused(works, lambda: works.approved(**undoing(again)), "taken-back.no-records")


def test_only_links_are_no_rows(works: Works) -> None:
    number = done(works, values=("c@x",))
    bring_back(works, number)
    works.bench.sql("UPDATE visits SET customer = NULL WHERE id = 2")
    again = bring_back(works, number)
    refused(works, lambda: works.house.file(**undoing(again)), "taken-back.no-rows")


def in_parts(works: Works) -> int:
    """Three people deleted in three parts; the number of the deletion."""
    configured(works, segments={"above": 2})
    works.bench.sql("UPDATE customers SET mentor = NULL")
    return done(works, values=THREE)


def parts_of(works: Works, number: int) -> int:
    with works.house.store.read() as work:
        request = work.requests.by_number(number)
        revision = work.requests.revision(request.id, request.revision) if request else None
    assert revision is not None
    return len(revision.plan.get("segments") or ())


def test_what_came_back_part_by_part_goes_again_in_one_request(works: Works) -> None:
    number = in_parts(works)
    gone = works.bench.dump()
    again = bring_back(works, number)
    there = works.bench.dump()
    undone = done(works, **undoing(again))
    assert (parts_of(works, number), parts_of(works, again), parts_of(works, undone)) == (3, 3, 3)
    assert works.bench.dump() == gone
    third = bring_back(works, undone)
    assert works.bench.dump() == there
    # However large the deletion has become or not, it is the same records.
    configured(works, segments={"above": 100})
    whole = done(works, **undoing(third))
    assert (parts_of(works, whole), works.bench.dump()) == (0, gone)


def test_a_part_that_was_there_already_stays(works: Works) -> None:
    number = in_parts(works)
    first = bring_back(works, number)
    # Two of the three go again, by a deletion of their own that has nothing to do with it.
    done(works, values=("a@x", "c@x"))
    before = works.bench.dump()
    again = bring_back(works, number)
    assert parts_of(works, again) == 2
    done(works, **undoing(again))
    assert works.bench.dump() == before
    # Of the first one only one is left to take back.
    request_id = works.approved(**undoing(first))
    assert told_in(works, request_id)["told.undo-gone"] == {"n": 2}


def test_of_parts_of_which_some_was_left_out_only_the_rest_goes(works: Works) -> None:
    number = in_parts(works)
    works.bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
    before = works.bench.dump()
    again = bring_back(works, number, RestoreChoice(mode=Mode.SKIP))
    assert works.bench.dump() != before
    done(works, **undoing(again))
    assert works.bench.dump() == before


def test_one_part_whose_backup_is_destroyed_names_nobody(works: Works) -> None:
    again = bring_back(works, in_parts(works))
    works.bench.vault.shred(str(works.house.rows("backups")[0]["id"]))
    refused(works, lambda: works.approved(**undoing(again)), "taken-back.no-backup")


def test_a_deletion_a_restore_in_progress_and_nothing_at_all_are_no_restores_to_undo(works: Works) -> None:
    number = done(works, values=ADA)
    assert f"`/restore #{number} -- reason`" in refused(
        works, lambda: works.house.file(**undoing(number)), "taken-back.of.delete-records"
    )
    wish = {"operation": Operation.RESTORE, "target": None, "record": None, "values": (), "number": number}
    at_work, _ = running(works, **wish)
    refused(
        works,
        lambda: works.house.file(**undoing(works.house.request(at_work).number or 0)),
        "taken-back.not-done",
    )
    refused(works, lambda: works.house.file(**undoing(99)), "request.no-number")


def test_once_is_enough(works: Works) -> None:
    number = restored(works)
    first = works.house.file(**undoing(number))
    refused(works, lambda: works.house.file("U0ERIN", **undoing(number)), "taken-back.open")
    with works.house.store.transact() as work:
        works.house.ground.change(work, works.house.ground.lock(work, first), "cancel", works.house.now)
    # Taken back itself, it is as if nobody had asked.
    done(works, **undoing(number))
    refused(works, lambda: works.house.file(**undoing(number)), "taken-back.already")


def test_whoever_takes_the_place_after_the_vote_is_not_deleted(works: Works) -> None:
    number = restored(works, ("b@x",))
    request_id = works.house.file(**undoing(number))
    approve(works, request_id)
    # Somebody else under the same key and another name: not what was approved.
    works.bench.sql("UPDATE customers SET email = 'eve@x', name = 'Eve' WHERE id = 2")
    job = works.house.enqueue(request_id)
    works.house.take(job)
    before = works.bench.dump()
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.PLANNING
    assert works.bench.dump() == before


def test_nothing_of_a_taken_back_restore_names_anybody_outside_the_erasable_table(works: Works) -> None:
    number = restored(works)
    done(works, **undoing(number))
    for table in ("requests", "revisions", "jobs", "audit_log", "erasable"):
        for personal in ("a@x", "Ada"):
            assert personal not in str(works.house.rows(table)), table
