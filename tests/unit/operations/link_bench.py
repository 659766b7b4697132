"""A small CRM of users and what points at them, on each engine, with a policy for each link."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.model.plans import Plan
from bot.texts import say
from tests.fakes.operations import (
    Bench,
    MysqlBench,
    bench_on,
    make_bench,
    postgresql_bench,
)

SCHEMA = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY, email VARCHAR(80) UNIQUE, name VARCHAR(80), login VARCHAR(20) UNIQUE,
    manager_id INTEGER REFERENCES users (id)
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES users (id), total INTEGER);
CREATE TABLE seats (
    id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE, project INTEGER,
    UNIQUE (user_id, project)
);
CREATE TABLE audit (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), text VARCHAR(80));
CREATE TABLE drafts (id INTEGER PRIMARY KEY, author VARCHAR(20) REFERENCES users (login) ON DELETE SET NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind VARCHAR(20), subject VARCHAR(20), body VARCHAR(80));
CREATE TABLE log (id INTEGER PRIMARY KEY, text VARCHAR(80));
INSERT INTO users VALUES (1, 'ann@x', 'Ann', 'ann', NULL), (2, 'bob@x', 'Bob', 'bob', 1);
INSERT INTO users VALUES (3, 'cy@x', 'Cy', 'cy', 2), (4, 'dee@x', 'Dee', 'dee', 2);
INSERT INTO orders VALUES (10, 2, 5), (11, 2, 6), (12, 3, 7);
INSERT INTO seats VALUES (20, 2, 100), (21, 3, 100), (22, 1, 101);
INSERT INTO audit VALUES (30, 1, 'x');
INSERT INTO drafts VALUES (40, 'bob'), (41, 'cy'), (42, NULL);
INSERT INTO sessions VALUES (50, 2), (51, 3);
INSERT INTO notes VALUES (60, 'user', '2', 'a'), (61, 'order', '2', 'b'), (62, 'user', '1', 'c');
INSERT INTO log VALUES (1, 'old');
"""
ORDERS, SEATS = "orders.owner_id -> users.id", "seats.user_id -> users.id"
AUDIT, DRAFTS = "audit.user_id -> users.id", "drafts.author -> users.login"
BOSS, NOTES, SESSIONS = (
    "users.manager_id -> users.id",
    "notes.subject -> users.id",
    "sessions.user_id -> users.id",
)
POLICIES = {
    ORDERS: "reassign",
    SEATS: "reassign",
    AUDIT: "block",
    DRAFTS: "reassign",
    BOSS: "reassign",
    NOTES: "reassign",
}
SOFT = [("notes.subject", "users.id", "kind = 'user'")]
HOW: dict[str, Any] = {"table": "users", "find_by": ["id", "email"], "label": "{name}", "soft": SOFT}


def sqlite(folder: Path, schema: str = SCHEMA, **how: Any) -> AbstractContextManager[Bench]:
    @contextmanager
    def made() -> Iterator[Bench]:
        yield make_bench(folder, schema, **{**HOW, "policies": POLICIES, **how})

    return made()


def postgresql(folder: Path, schema: str = SCHEMA, **how: Any) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, schema, **{**HOW, "policies": POLICIES, **how})


class OneLiners(MysqlBench):
    """Takes several statements on one line, as the others do."""

    def sql(self, script: str) -> None:
        super().sql(script.replace("; ", ";\n"))


@contextmanager
def _on(server: str, folder: Path, schema: str = SCHEMA, **how: Any) -> Iterator[Bench]:
    how = {**HOW, "policies": POLICIES, **how}
    with bench_on(server, folder, schema.replace("; ", ";\n"), **how) as made:
        yield OneLiners(made.path, made.spec, made.target, made.vault, made.storage)


ENGINES: Mapping[str, Callable[..., AbstractContextManager[Bench]]] = {
    "sqlite": sqlite,
    "postgresql": postgresql,
    "mariadb": partial(_on, "mariadb"),
    "mysql": partial(_on, "mysql"),
}
Make = Callable[..., Bench]


def backups(bench: Bench) -> list[str]:
    return [name for name in bench.storage.list() if not name.endswith(".shredded.txt")]


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    """The act is refused with this key, in a sentence; nothing changed, and no backup stays behind."""
    before, kept = bench.dump(), backups(bench)
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, (caught.value.key, caught.value.params)
    for language in ("en", "zh-CN"):
        assert say(key, language, **caught.value.params)
    assert bench.dump() == before
    assert backups(bench) == kept
    return caught.value


def parts(plan: Plan) -> dict[str, int]:
    return {part.name: part.rows for part in plan.reassigned}
