"""Links inside texts and inside JSON: what hangs off a row by them goes, stays or blocks, and comes back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.config.record_types import SoftReference
from bot.errors import CountersignError
from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench

PREFIX = 'it\'s a \\ "party",'
SCHEMA = """
CREATE TABLE party (id INTEGER PRIMARY KEY, name VARCHAR(40));
CREATE TABLE files (id INTEGER PRIMARY KEY, resource VARCHAR(60));
CREATE TABLE events (id INTEGER PRIMARY KEY, payload JSON);
CREATE TABLE replies (id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL REFERENCES events (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind VARCHAR(20), subject VARCHAR(20), ground VARCHAR(60));
INSERT INTO party VALUES (1, 'One'), (2, 'Two'), (12, 'Twelve'), (3, 'Three');
INSERT INTO files VALUES (1, 'PREFIX1'), (2, 'PREFIX12'), (3, 'PREFIX1 '), (4, 'sale,1'), (5, NULL), (6, '1');
INSERT INTO events VALUES (1, '{"customer": {"id": 1}}'), (2, '{"customer": {"id": "1"}}'),
    (3, '{"customer": {"id": 12}}'), (4, '{"customer": 1, "id": 1}'), (5, NULL), (6, '[1]'),
    (7, '{"customer": {"id": [1]}}'), (8, '{"customer": {"id": true}}'), (9, '{"customer": {"id": null}}'),
    (10, '{"customer": {"id": {"id": 1}}}'), (11, '"x"');
INSERT INTO replies VALUES (1, 1), (2, 3);
INSERT INTO notes VALUES (1, 'party', '1', NULL), (2, 'other', '1', NULL), (3, 'party', '404', NULL);
""".replace("PREFIX", PREFIX.replace("'", "''"))
FILES: dict[str, Any] = {"from": "files.resource", "to": "party.id", "prefix": PREFIX}
EVENTS: dict[str, Any] = {"from": "events.payload", "to": "party.id", "path": "customer.id"}
NOTES: dict[str, Any] = {"from": "notes.subject", "to": "party.id", "where": "kind = 'party' -- why"}
HOW: dict[str, Any] = {"table": "party", "label": "{name}"}


@contextmanager
def _sqlite(folder: Path, **how: Any) -> Iterator[Bench]:
    yield make_bench(folder, SCHEMA, **{**HOW, **how})


def _postgresql(folder: Path, **how: Any) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, SCHEMA, **{**HOW, **how})


def _mysql(server: str, folder: Path, **how: Any) -> AbstractContextManager[Bench]:
    return bench_on(server, folder, SCHEMA, **{**HOW, **how})


ENGINES: Mapping[str, Callable[..., AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": partial(_mysql, "mariadb"),
    "mysql": partial(_mysql, "mysql"),
}
Make = Callable[..., Bench]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    opened: list[AbstractContextManager[Bench]] = []

    def one(*links: dict[str, Any], **how: Any) -> Bench:
        soft = [SoftReference.model_validate(link) for link in links]
        opened.append(ENGINES[request.param](tmp_path, declared=soft, **how))
        return opened[-1].__enter__()

    yield one
    for made in reversed(opened):
        made.__exit__(None, None, None)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_exactly_the_rows_that_name_the_record_go_with_it_and_come_back(make: Make) -> None:
    """Neither 12 for 1, nor another word in front, nor another place in the JSON, nor a list or true."""
    bench = make(FILES, EVENTS, NOTES)
    before = bench.dump()
    done = bench.delete("1")
    assert done.rows == {"party": 1, "files": 1, "events": 2, "replies": 1, "notes": 1}
    assert bench.ask("SELECT id FROM files ORDER BY id") == [(2,), (3,), (4,), (5,), (6,)]
    assert bench.ask("SELECT id FROM events ORDER BY id") == [(n,) for n in range(3, 12)]
    bench.restore(done)
    assert bench.dump() == before


def test_a_text_link_is_emptied_and_gets_its_whole_text_back(make: Make) -> None:
    bench = make(FILES, policies={"files.resource -> party.id": "nullify"})
    before = bench.dump()
    done = bench.delete("1")
    assert bench.ask("SELECT id FROM files WHERE resource IS NULL ORDER BY id") == [(1,), (5,)]
    bench.restore(done)
    assert bench.dump() == before


def test_a_text_link_is_handed_over_with_the_words_in_front(make: Make) -> None:
    bench = make(FILES, policies={"files.resource -> party.id": "reassign"})
    before = bench.dump()
    done = bench.delete("12", heir="2")
    assert done.problem is None
    assert [_text(row[0]) for row in bench.ask("SELECT resource FROM files WHERE id = 2")] == [f"{PREFIX}2"]
    bench.restore(done)
    assert bench.dump() == before


BLOCKED = {"a text": (FILES, "files.resource -> party.id"), "JSON": (EVENTS, "events.payload -> party.id")}


@pytest.mark.parametrize(("link", "label"), BLOCKED.values(), ids=BLOCKED)
def test_such_a_link_blocks(make: Make, link: dict[str, Any], label: str) -> None:
    bench = make(link, policies={label: "block"})
    before = bench.dump()
    with pytest.raises(CountersignError) as refused:
        bench.plan("1")
    assert refused.value.key == "operations.blocked"
    bench.plan("2")
    assert bench.dump() == before


WRONG = {
    "a place in JSON cannot be emptied": (
        EVENTS,
        "events.payload -> party.id",
        "nullify",
        "operations.link-json",
    ),
    "a place in JSON cannot be handed over": (
        EVENTS,
        "events.payload -> party.id",
        "reassign",
        "operations.link-json",
    ),
}


@pytest.mark.parametrize(("link", "label", "policy", "key"), WRONG.values(), ids=WRONG)
def test_what_would_not_be_exact_is_refused(
    make: Make, link: dict[str, Any], label: str, policy: str, key: str
) -> None:
    bench = make(link, policies={label: policy})
    with pytest.raises(CountersignError) as refused:
        bench.plan("1")
    assert refused.value.key == key


ORPHANS = {
    "a condition": (NOTES, "DELETE FROM party WHERE id = 1", "notes", "notes", "1"),
    "a text": (FILES, "DELETE FROM party WHERE id = 1", "files", "files", "1"),
    "JSON": (EVENTS, "DELETE FROM party WHERE id = 1", "events", "events", "2"),
}


@pytest.mark.parametrize(("link", "meanwhile", "table", "told", "value"), ORPHANS.values(), ids=ORPHANS)
def test_a_row_does_not_come_back_to_a_parent_that_has_gone_meanwhile(
    make: Make, link: dict[str, Any], meanwhile: str, table: str, told: str, value: str
) -> None:
    """A link that only the configuration knows is asked about like a foreign key."""
    bench = make(link, table=table, label=None)
    done = bench.delete(value)
    assert bench.ask(f"SELECT id FROM {table} WHERE id = {value}") == []
    bench.sql(meanwhile)
    with pytest.raises(CountersignError) as refused:
        bench.plan_restore(done)
    assert (refused.value.key, refused.value.params["table"]) == ("restore.parentless", told)


def test_what_named_nobody_before_may_name_nobody_again(make: Make) -> None:
    bench = make(NOTES, table="notes", label=None)
    before = bench.dump()
    bench.restore(bench.delete("3"))
    bench.restore(bench.delete("2"))
    assert bench.dump() == before
