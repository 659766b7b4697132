"""Rows of one system into another one: of another kind, with a choice, in parts, with files; what is read, what is changed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.model.choices import Mode, RestoreChoice
from bot.model.requests import Operation, State
from bot.texts import say
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint
from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench
from tests.fakes.rooms import SETTINGS, House, config
from tests.fakes.works import Killed, Works, plainly

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40), name VARCHAR(40));
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id), path VARCHAR(40));
INSERT INTO customers VALUES (1, 'a@example.com', 'Ada'), (2, 'b@example.com', 'Bob'), (3, 'c@example.com', 'Cyd');
INSERT INTO customers VALUES (4, 'd@example.com', 'Dan');
INSERT INTO notes VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three'), (4, 3, 'four'), (5, 3, 'five'), (6, 4, 'six');
"""
THREE = ("a@example.com", "b@example.com", "c@example.com")
GONE = "DELETE FROM notes WHERE id < 6; DELETE FROM customers WHERE id < 4"
#: What our own books lie in makes no difference here.
pytestmark = pytest.mark.parametrize("house", ["sqlite"], indirect=True)
KINDS = ("sqlite", "postgresql", "mariadb")
#: The last: one address may lead to either, so that only the server itself tells.
PAIRS = (*product(KINDS, KINDS), ("mysql", "mysql"), ("mysql", "mariadb"), ("mariadb", "mysql"))


@dataclass
class Both:
    """The system where rows went, and another one of some kind that lacks them as well."""

    works: Works
    there: Bench

    def asked(self, number: int = 1, **more: Any) -> int:
        house = self.works.house
        back = house.file(
            operation=Operation.RESTORE, target="shop", record=None, values=(), number=number, **more
        )
        house.plan(back, self.works.crew().hands.plan(house.request(back)))
        return back

    def approved(self, **more: Any) -> tuple[int, str]:
        back, house = self.asked(**more), self.works.house
        house.vote(back, "U0DAN")
        house.wait(seconds=11)
        job = house.enqueue(back)
        assert house.take(job) == "go"
        return back, job

    def refused(self, key: str, **more: Any) -> CountersignError:
        before, here = self.there.dump(), self.works.bench.dump()
        with pytest.raises(CountersignError) as caught:
            self.asked(**more)
        assert caught.value.key == key, caught.value.params
        for language in ("en", "zh-CN"):
            assert not say(key, language, **caught.value.params).startswith("restore.")
        assert (self.there.dump(), self.works.bench.dump()) == (before, here)
        return caught.value


def opened(stack: ExitStack, kind: str, folder: Path, schema: str = SCHEMA) -> Bench:
    folder.mkdir()
    if kind == "sqlite":
        return make_bench(folder, schema, label="{name}")
    if kind == "postgresql":
        return stack.enter_context(postgresql_bench(folder, schema, label="{name}"))
    return stack.enter_context(bench_on(kind, folder, schema, label="{name}"))


def both_of(house: House, here: Bench, there: Bench, above: int, place: dict[str, Any] | None = None) -> Both:
    targets = dict(SETTINGS["targets"])
    named = {"attachments": [{"column": "notes.path", **place}]} if place else {}
    for name, bench in (("crm", here), ("shop", there)):
        targets[name] = {
            **targets[name],
            "database": {"url": bench.spec.address},
            **named,
        }
    targets["crm"] = {**targets["crm"], "segments": {"above": above}}
    targets["crm"]["records"] = {
        "customer": {"table": "customers", "find_by": ["id", "email"], "label": "{name}"}
    }
    works = Works(house, here)
    house.configure(config(targets=targets))
    return Both(works, there)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def lost(both: Both, *values: str) -> dict[str, Any]:
    """These records are gone here, and were never there."""
    whole = both.there.dump()
    _, job = both.works.running(values=values)
    both.works.crew().run(job, plainly)
    for statement in GONE.split("; "):
        both.there.sql(statement)
    return whole


@pytest.mark.parametrize(("origin", "into"), PAIRS)
def test_rows_go_into_the_same_kind_of_database_alone(
    house: House, stack: ExitStack, tmp_path: Path, origin: str, into: str
) -> None:
    both = both_of(
        house, opened(stack, origin, tmp_path / "here"), opened(stack, into, tmp_path / "there"), 1000
    )
    whole = lost(both, "a@example.com")
    if origin != into:
        error = both.refused("restore.other-kind")
        assert (error.params["kind"], error.params["other"]) == (origin, into)
        both.refused("restore.other-kind", choice=RestoreChoice(mode=Mode.SKIP))
        both.refused("restore.other-kind", choice=RestoreChoice(only=("1",)))
        return
    for row in ("(2, 'b@example.com', 'Bob')", "(3, 'c@example.com', 'Cyd')"):
        both.there.sql(f"INSERT INTO customers VALUES {row}")
    for row in ("(3, 2, 'three')", "(4, 3, 'four')", "(5, 3, 'five')"):
        both.there.sql(f"INSERT INTO notes VALUES {row}")
    _, job = both.approved()
    both.works.crew().run(job, plainly)
    assert both.there.dump() == whole


@pytest.fixture
def both(house: House, stack: ExitStack, tmp_path: Path) -> Both:
    return both_of(
        house, opened(stack, "sqlite", tmp_path / "here"), opened(stack, "sqlite", tmp_path / "there"), 1000
    )


def names(both: Both) -> list[str]:
    return [row[0].decode() for row in both.there.ask("SELECT name FROM customers ORDER BY id")]


def test_some_records_alone(both: Both) -> None:
    lost(both, *THREE)
    _, job = both.approved(choice=RestoreChoice(only=("b@example.com",)))
    both.works.crew().run(job, plainly)
    assert names(both) == ["Bob", "Dan"]
    assert both.there.ask("SELECT id FROM notes ORDER BY id") == [(3,), (6,)]
    both.refused("restore.only-none", choice=RestoreChoice(only=("d@example.com",)))


def test_one_table_alone(both: Both) -> None:
    lost(both, *THREE)
    both.refused("restore.parentless", choice=RestoreChoice(table="notes"))
    _, job = both.approved(choice=RestoreChoice(table="customers"))
    both.works.crew().run(job, plainly)
    assert names(both) == ["Ada", "Bob", "Cyd", "Dan"]
    assert both.there.ask("SELECT id FROM notes ORDER BY id") == [(6,)]
    both.refused("restore.no-table", choice=RestoreChoice(table="orders"))


def test_what_is_in_the_way_is_left_out_or_overwritten_there(both: Both) -> None:
    whole = lost(both, *THREE)
    both.there.sql("INSERT INTO customers VALUES (1, 'eve@example.com', 'Eve')")
    stood = both.there.dump()
    both.refused("restore.different")
    back, job = both.approved(choice=RestoreChoice(mode=Mode.OVERWRITE))
    both.works.crew().run(job, plainly)
    assert both.there.dump() == whole
    # What stood there goes back by the backup of what was overwritten, which is of the destination.
    (fresh,) = [row for row in both.works.house.rows("backups") if row["request_id"] == back]
    assert both.works.bench.vault.verify(str(fresh["id"])).rows == 1
    both.there.sql(GONE)
    both.there.sql("INSERT INTO customers VALUES (1, 'eve@example.com', 'Eve')")
    assert both.there.dump() == stood
    _, job = both.approved(choice=RestoreChoice(mode=Mode.SKIP))
    both.works.crew().run(job, plainly)
    assert names(both) == ["Eve", "Bob", "Cyd", "Dan"]
    assert both.there.ask("SELECT id FROM notes ORDER BY id") == [(3,), (4,), (5,), (6,)]


FILES = ("one", "two", "three", "four", "five", "six")
There = Callable[[], dict[str, bytes]]


def folder_of(tmp_path: Path) -> tuple[dict[str, Any], There]:
    files = tmp_path / "files"
    files.mkdir()
    for name in FILES:
        (files / name).write_text(name)
    return {"file": str(files)}, lambda: {
        one.name: one.read_bytes() for one in files.iterdir() if one.is_file()
    }


def bucket_of(_: Path) -> tuple[dict[str, Any], There]:
    pail = Pail("crm/")
    for name in FILES:
        pail.put(name, name.encode())
    place = {
        "bucket": pail.name,
        "prefix": pail.prefix,
        "endpoint": endpoint(),
        "key_id": KEY_ID,
        "secret": SECRET,
    }
    return {"object": place}, lambda: {
        name.removeprefix("crm/"): about[0]
        for name, about in pail.contents().items()
        if not name.startswith(".") and "quarantine" not in name
    }


STORES = {"folder": folder_of, "bucket": bucket_of}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], There]:
    return STORES[request.param](tmp_path)


@pytest.fixture
def parts(house: House, stack: ExitStack, tmp_path: Path, store: tuple[dict[str, Any], There]) -> Both:
    """Three records went in three parts, with a file or an object that each row names."""
    here, there = (opened(stack, "sqlite", tmp_path / name) for name in ("here", "there"))
    return both_of(house, here, there, 4, store[0])


def test_parts_and_their_files_go_into_the_other_system(
    parts: Both, store: tuple[dict[str, Any], There]
) -> None:
    whole = lost(parts, *THREE)
    here = parts.works.bench.dump()
    assert list(store[1]()) == ["six"]
    back, job = parts.approved()
    revision = parts.works.house.view(back).revision
    assert revision is not None
    assert len(revision.plan["segments"]) == 3
    parts.works.crew().run(job, plainly)
    assert parts.works.house.state(back) is State.SUCCEEDED
    assert (parts.there.dump(), parts.works.bench.dump()) == (whole, here)
    assert store[1]() == {name: name.encode() for name in FILES}


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_of_parts_nothing_is_chosen(parts: Both) -> None:
    lost(parts, *THREE)
    for choice in (
        RestoreChoice(only=("1",)),
        RestoreChoice(table="notes"),
        RestoreChoice(mode=Mode.OVERWRITE),
    ):
        parts.refused("restore.choice-parts", choice=choice)


def test_a_part_in_whose_way_something_stands_is_left_out_there(
    parts: Both, store: tuple[dict[str, Any], There]
) -> None:
    lost(parts, *THREE)
    parts.there.sql("INSERT INTO customers VALUES (2, 'eve@example.com', 'Eve')")
    parts.refused("restore.different")
    back, job = parts.approved(choice=RestoreChoice(mode=Mode.SKIP))
    parts.works.crew().run(job, plainly)
    assert parts.works.house.state(back) is State.SUCCEEDED
    assert names(parts) == ["Ada", "Eve", "Cyd", "Dan"]
    assert sorted(store[1]()) == sorted({*FILES} - {"three"})


@pytest.mark.parametrize("step", ["step.insert", "step.verify"])
def test_a_crash_between_parts_goes_on_there(parts: Both, step: str) -> None:
    whole, count = lost(parts, *THREE), 0
    back, job = parts.approved()

    def die(name: str) -> None:
        nonlocal count
        count += name == step
        if count == 2 and name == step:
            raise Killed

    with pytest.raises(Killed):
        parts.works.crew(act=die).run(job, plainly)
    parts.works.crew().run(job, plainly)
    assert parts.works.house.state(back) is State.SUCCEEDED
    assert parts.there.dump() == whole


def test_what_went_into_the_other_system_in_parts_goes_from_there_again(
    parts: Both, store: tuple[dict[str, Any], There]
) -> None:
    lost(parts, *THREE)
    gone, here = parts.there.dump(), parts.works.bench.dump()
    back, job = parts.approved(choice=RestoreChoice())
    parts.works.crew().run(job, plainly)
    house = parts.works.house
    number = house.request(back).number
    # Here the same may ask and agree as there.
    known = house.ground.config
    shop = known.targets["shop"].model_copy(update={"records": known.targets["crm"].records})
    erasure = known.rules[0]
    for_shop = erasure.model_copy(update={"when": erasure.when.model_copy(update={"target": "shop"})})
    changed = {"targets": {**known.targets, "shop": shop}, "rules": (for_shop, *known.rules)}
    house.configure(known.model_copy(update=changed))
    _, job = parts.works.running(target=None, record=None, values=(), undoes=number)
    parts.works.crew().run(job, plainly)
    assert (parts.there.dump(), parts.works.bench.dump()) == (gone, here)
    assert list(store[1]()) == ["six"]
