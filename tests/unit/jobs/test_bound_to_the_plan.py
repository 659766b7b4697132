"""One digest over plan, rule and fingerprint: whatever is changed in our books, the permit is worth nothing."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from bot.approvals import revisions
from bot.jobs import permit
from bot.jobs.permit import Gate
from bot.model import binding
from bot.model.jobs import JobState
from bot.model.requests import State
from bot.store import tables as t
from bot.store.requests import rule_data, rule_from
from tests.fakes.rooms import House, plan_of, planned

Path = tuple[Any, ...]


def paths(data: Any, here: Path = ()) -> Iterator[Path]:
    """Every place in a piece of JSON, the branches too."""
    if here:
        yield here
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield from paths(value, (*here, key))


def others(value: Any) -> list[Any]:
    """What might be written instead, to the eye the same or not."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value - 1, str(value)]
        case str():
            return [f"{value} ", value.upper() + "\u200b", f"\u202e{value}", f"{value}\u0301", None]
        case None:
            return ["", 0, "crm"]
        case list():
            return [[*value, "x"], value[1:] if value else ["y"]]
    return [None, {**value, "more": 1}]


def changed(data: Any, path: Path, value: Any) -> Any:
    made = copy.deepcopy(data)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def stored(house: House, request_id: int) -> dict[str, Any]:
    row = next(one for one in house.rows("revisions") if one["request_id"] == request_id)
    return {
        name: json.loads(row[name]) if isinstance(row[name], str) else row[name] for name in ("plan", "rule")
    }


def waiting(house: House) -> tuple[int, str]:
    request_id = house.file()
    house.plan(request_id, planned(people=("U0ZOE",)))
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=11)
    return request_id, house.enqueue(request_id)


@pytest.mark.parametrize("column", ["plan", "rule"])
def test_every_single_place_that_is_changed_in_our_books_keeps_the_job_from_running(
    house: House, column: str
) -> None:
    request_id, job = waiting(house)
    whole = stored(house, request_id)[column]
    tried, spared = 0, 0
    for path in paths(whole):
        for value in others(at(whole, path)):
            with house.store.rehearse() as work:
                forged = changed(whole, path, value)
                work.connection.execute(
                    update(t.revisions)
                    .where(t.revisions.c.request_id == request_id)
                    .values(**{column: forged})
                )
                gate = take(house, work, job)
                found = work.jobs.get(job)
                if column == "rule" and _means_the_same(forged, whole):
                    spared += 1
                    continue
                assert gate is Gate.NO, (path, value)
                assert found is not None
                assert found.state is JobState.TURNED_AWAY
                assert work.permits.of_job(job) is None
            tried += 1
    assert tried > 30
    assert spared <= 8
    # Untouched, the same job runs.
    assert house.take(job) is Gate.GO


def take(house: House, work: Any, job: str) -> Gate:
    return permit.take(house.ground, work, job, house.now)


@pytest.mark.parametrize("column", ["plan", "rule"])
def test_every_single_place_that_is_left_out_does_too(house: House, column: str) -> None:
    """Unless leaving it out says the same: what a rule of an earlier release lacks has its safe default."""
    request_id, job = waiting(house)
    whole = stored(house, request_id)[column]
    for path in paths(whole):
        with house.store.rehearse() as work:
            forged = copy.deepcopy(whole)
            del at(forged, path[:-1])[path[-1]]
            work.connection.execute(
                update(t.revisions).where(t.revisions.c.request_id == request_id).values(**{column: forged})
            )
            same = column == "rule" and _means_the_same(forged, whole)
            assert take(house, work, job) is (Gate.GO if same else Gate.NO), path
    assert house.take(job) is Gate.GO


def _means_the_same(rule: Any, other: Any) -> bool:
    """Whether it reads as the very same rule: a key that nobody reads, or a default that is not spelled out."""
    try:
        return rule_data(rule_from(rule)) == rule_data(rule_from(other))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def test_a_digest_of_the_plan_alone_is_none(house: House) -> None:
    """What an earlier release wrote: people voted on the plan, and nothing bound them to the rule."""
    request_id, job = waiting(house)
    plan = plan_of(people=("U0ZOE",))
    with house.store.transact() as work:
        for table in (t.revisions, t.permits):
            work.connection.execute(
                update(table).where(table.c.request_id == request_id).values(digest=plan.digest())
            )
    assert house.take(job) is Gate.NO
    assert house.state(request_id) is State.CANCELLED
    assert "note.policy-says-no" in house.notes(request_id)


def test_plan_and_rule_swapped_together_with_their_digest_are_not_what_the_permit_is_for(
    house: House,
) -> None:
    request_id, job = waiting(house)
    mine = stored(house, request_id)
    laxer = {**mine["rule"], "drift_rows": 1000}
    with house.store.transact() as work:
        work.connection.execute(
            update(t.revisions)
            .where(t.revisions.c.request_id == request_id)
            .values(rule=laxer, digest=binding.digest(mine["plan"], laxer))
        )
    assert house.take(job) is Gate.NO
    assert house.state(request_id) is State.CANCELLED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=4)


@given(OBJECT, OBJECT, OBJECT, OBJECT)
def test_equal_digests_mean_equal_plans_and_rules(plan: Any, rule: Any, plan2: Any, rule2: Any) -> None:
    same = json.dumps([plan, rule], sort_keys=True) == json.dumps([plan2, rule2], sort_keys=True)
    assert (binding.digest(plan, rule) == binding.digest(plan2, rule2)) is same
    assert binding.digest(plan, rule) == binding.digest(json.loads(json.dumps(plan)), rule)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("é", "e\u0301"),
        ("ﬁ", "fi"),
        ("A", "a"),
        ("a", "a "),
        ("а", "a"),
        ("\u200ba", "a"),
        ("1", 1),
        (True, 1),
    ],
)
def test_what_only_looks_the_same_is_not(one: Any, other: Any) -> None:
    assert binding.digest({"table": one}, {}) != binding.digest({"table": other}, {})
    assert binding.digest({}, {"role": one}) != binding.digest({}, {"role": other})


def test_a_plan_in_place_of_a_rule_is_another_digest() -> None:
    assert binding.digest({"a": 1}, {}) != binding.digest({}, {"a": 1})


def test_a_revision_is_bound_by_what_is_in_our_books(house: House) -> None:
    request_id, _ = waiting(house)
    with house.store.read() as work:
        revision = work.requests.revision(request_id, 1)
    assert revision is not None
    assert revisions.is_bound(revision)
    assert not revisions.is_of_old(revision)
