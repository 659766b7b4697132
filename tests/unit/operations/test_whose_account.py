"""Whom in Slack the records are about: read with the plan, and looked at again under the lock."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.errors import BadInput
from bot.model.plans import Plan, Told
from bot.operations.gate import Drifted
from bot.texts import say
from tests.fakes.operations import Bench, make_bench, postgresql_bench

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, slack TEXT, boss INTEGER REFERENCES users (id));
INSERT INTO users VALUES (1, 'U0BOB', NULL), (2, 'W0GRID', NULL), (3, NULL, NULL), (4, ' u0bob ', NULL),
    (5, '<@U0BOB>', NULL), (6, 'bob@x.org', NULL), (7, '', NULL), (8, 'U0', NULL), (9, 'U0EVE', 1);
CREATE TABLE plain (id INTEGER PRIMARY KEY);
INSERT INTO plain VALUES (1);
"""
HOW = {"table": "users", "person": "slack"}


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield make_bench(tmp_path, SCHEMA, **HOW)
        else:
            yield stack.enter_context(postgresql_bench(tmp_path, SCHEMA, **HOW))


def nobody(plan: Plan) -> list[dict[str, str | int]]:
    return [dict(told.params) for told in plan.warnings if told.key == "told.nobody-in-slack"]


@pytest.mark.parametrize(
    ("sentence", "values", "people", "told"),
    [
        ("one account names its person", ["1"], ("U0BOB",), []),
        ("an id of an enterprise is one as well", ["2"], ("W0GRID",), []),
        ("several are sorted, each once", ["2", "4", "1"], ("U0BOB", "W0GRID"), []),
        ("blanks and small letters hide nobody", ["4"], ("U0BOB",), []),
        ("an empty cell names nobody", ["3"], (), [{"n": 1, "total": 1}]),
        ("neither does anything else", ["5", "6", "7", "8", "1"], ("U0BOB",), [{"n": 4, "total": 5}]),
        ("who hangs off the account was not asked for", ["1"], ("U0BOB",), []),
    ],
)
def test_the_plan_says_whom_it_is_about(
    bench: Bench, sentence: str, values: list[str], people: tuple[str, ...], told: list[dict[str, int]]
) -> None:
    plan, _ = bench.plan(*values)
    assert (plan.people, nobody(plan)) == (people, told), sentence
    assert Plan.from_data(plan.to_data()) == plan
    for params in told:
        assert say("told.nobody-in-slack", "en", **params).startswith(f"{params['n']} of {params['total']}")


def test_the_digest_is_over_the_people_too(bench: Bench) -> None:
    before, _ = bench.plan("1")
    bench.sql("UPDATE users SET slack = 'U0MALLORY' WHERE id = 1")
    after, _ = bench.plan("1")
    assert before.digest() != after.digest()


def test_where_no_column_is_named_the_plan_and_its_digest_are_what_they_were(tmp_path: Path) -> None:
    plan, _ = make_bench(tmp_path, SCHEMA, table="users").plan("1")
    assert plan.people is None
    assert "people" not in plan.to_data()
    assert nobody(plan) == []


def test_a_column_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"operations\.unknown-column") as caught:
        make_bench(tmp_path, SCHEMA, table="plain", person="slack").plan("1")
    assert caught.value.params["column"] == "slack"


@pytest.mark.parametrize("now", ["'U0MALLORY'", "NULL", "'nobody'"])
def test_an_account_that_is_somebody_elses_by_now_is_planned_and_voted_on_anew(
    bench: Bench, now: str
) -> None:
    order = bench.order("1")
    bench.sql(f"UPDATE users SET slack = {now} WHERE id = 1")
    before = bench.dump()
    with pytest.raises(Drifted) as caught:
        bench.run(order)
    assert caught.value.drift.differences == (Told("drift.people"),)
    assert bench.dump() == before


def test_a_column_that_is_named_after_the_plan_was_made_means_a_new_plan(tmp_path: Path) -> None:
    order = make_bench(tmp_path, SCHEMA, table="users").order("1")
    (tmp_path / "again").mkdir()
    named = make_bench(tmp_path / "again", SCHEMA, **HOW)
    with pytest.raises(Drifted):
        named.run(type(order)(**{**vars(order), "spec": named.spec}))


def test_an_account_that_is_still_the_same_persons_goes(bench: Bench) -> None:
    order = bench.order("1")
    bench.sql("UPDATE users SET slack = ' U0BOB' WHERE id = 1")
    bench.run(order)
    assert bench.ask("SELECT count(*) FROM users") == [(7,)]
