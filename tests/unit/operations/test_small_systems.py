"""Two small systems as one meets them, configured by ``--suggest`` alone: each kind of record goes and comes back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench
from tests.real.loop import content, looked, try_all

# Everything cascades; a unique key that may hold NULL; composite keys; keys with names of their own.
WEBMAIL = """
CREATE TABLE accounts (account_id INTEGER PRIMARY KEY, username VARCHAR(60) NOT NULL, mail_host VARCHAR(60) NOT NULL, prefs TEXT,
    UNIQUE (username, mail_host));
CREATE TABLE identities (identity_id INTEGER PRIMARY KEY, email VARCHAR(60),
    account_id INTEGER NOT NULL REFERENCES accounts (account_id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE contacts (contact_id INTEGER PRIMARY KEY, email VARCHAR(60), name VARCHAR(60), vcard TEXT,
    account_id INTEGER NOT NULL REFERENCES accounts (account_id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE contact_groups (group_id INTEGER PRIMARY KEY, name VARCHAR(60),
    account_id INTEGER NOT NULL REFERENCES accounts (account_id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE group_members (group_id INTEGER NOT NULL REFERENCES contact_groups (group_id) ON DELETE CASCADE,
    contact_id INTEGER NOT NULL REFERENCES contacts (contact_id) ON DELETE CASCADE, PRIMARY KEY (group_id, contact_id));
CREATE TABLE dictionary (account_id INTEGER REFERENCES accounts (account_id) ON DELETE CASCADE, language VARCHAR(16) NOT NULL, data TEXT);
CREATE UNIQUE INDEX dictionary_account_language ON dictionary (account_id, language);
CREATE TABLE cache (account_id INTEGER NOT NULL REFERENCES accounts (account_id) ON DELETE CASCADE, cache_key VARCHAR(60) NOT NULL,
    data TEXT, PRIMARY KEY (account_id, cache_key));
INSERT INTO accounts VALUES (1, 'ada', 'mx', NULL), (2, 'bob', 'mx', 'x'), (3, 'cy', 'mx', '');
INSERT INTO identities VALUES (1, 'ada@x', 1), (2, 'a@x', 1), (3, 'bob@x', 2);
INSERT INTO contacts VALUES (1, 'bob@x', 'Bob', NULL, 1), (2, 'ada@x', 'Ada', NULL, 2), (3, 'cy@x', 'Cy', NULL, 1);
INSERT INTO contact_groups VALUES (1, 'friends', 1), (2, 'work', 2);
INSERT INTO group_members VALUES (1, 1), (1, 3), (2, 2);
INSERT INTO dictionary VALUES (1, 'en', 'x'), (1, 'de', 'y'), (2, 'en', 'z'), (NULL, 'en', 'w'), (NULL, 'en', 'w');
INSERT INTO cache VALUES (1, 'k', 'v'), (2, 'k', 'v');
"""
# No foreign key at all: pairs, links by address, a shared list of who did what, a tree.
HELPDESK = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(60) UNIQUE NOT NULL, password VARCHAR(60), creator INTEGER, lastupdatedby INTEGER);
CREATE TABLE queues (id INTEGER PRIMARY KEY, name VARCHAR(60) UNIQUE NOT NULL, creator INTEGER);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject VARCHAR(60), queue INTEGER, owner INTEGER, creator INTEGER);
CREATE TABLE transactions (id INTEGER PRIMARY KEY, objecttype VARCHAR(60), objectid INTEGER, creator INTEGER, data VARCHAR(60));
CREATE TABLE attachments (id INTEGER PRIMARY KEY, transactionid INTEGER, parent INTEGER, content TEXT);
CREATE TABLE links (id INTEGER PRIMARY KEY, base VARCHAR(80), target VARCHAR(80), creator INTEGER);
CREATE TABLE attributes (id INTEGER PRIMARY KEY, objecttype VARCHAR(60), objectid INTEGER, name VARCHAR(60));
INSERT INTO people VALUES (1, 'root', 'x', 1, 1), (2, 'ann', 'x', 1, 2), (3, 'bob', 'x', 1, 1);
INSERT INTO queues VALUES (1, 'sales', 1), (2, 'support', 2);
INSERT INTO tickets VALUES (1, 'printer', 1, 2, 1), (2, 'mouse', 1, 3, 3), (3, 'screen', 2, 3, 1);
INSERT INTO transactions VALUES (1, 'HD::Ticket', 1, 2, 'a'), (2, 'HD::Ticket', 2, 3, 'b'), (3, 'HD::Person', 3, 1, 'c'), (4, 'HD::Ticket', 1, 1, 'd');
INSERT INTO attachments VALUES (1, 1, 0, 'x'), (2, 1, 1, 'y'), (3, 2, 0, 'z'), (4, 4, NULL, '');
INSERT INTO links VALUES (1, 'desk://x/ticket/1', 'desk://x/ticket/2', 1), (2, 'desk://x/ticket/3', 'https://elsewhere/1', 2);
INSERT INTO attributes VALUES (1, 'HD::Person', 2, 'theme'), (2, 'HD::Queue', 1, 'colour'), (3, 'HD::Ticket', 3, 'mark');
"""


@contextmanager
def _sqlite(folder: Path, schema: str) -> Iterator[Bench]:
    yield make_bench(folder, schema)


def _postgresql(folder: Path, schema: str) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, schema)


def _mysql(server: str, folder: Path, schema: str) -> AbstractContextManager[Bench]:
    return bench_on(server, folder, schema)


ENGINES: dict[str, Callable[[Path, str], AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": partial(_mysql, "mariadb"),
    "mysql": partial(_mysql, "mysql"),
}
#: By kind of record, the rows that go with the largest of them.
SYSTEMS: dict[str, tuple[str, dict[str, int]]] = {
    "a webmail": (WEBMAIL, {"account": 11}),
    "a help desk": (HELPDESK, {"ticket": 7, "person": 2, "queue": 12}),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("schema", "largest"), SYSTEMS.values(), ids=SYSTEMS)
def test_every_kind_of_record_goes_and_comes_back_to_the_byte(
    tmp_path: Path, engine: str, schema: str, largest: dict[str, int]
) -> None:
    with ENGINES[engine](tmp_path, schema) as bench:
        url = bench.spec.address
        before = content(url)
        _, spec, target, _ = looked(url, tmp_path)
        found = [*try_all(spec, target, url, 9)]
        for one in found:
            assert (one.wrong, dict(one.refused), one.same) == ([], {}, one.tried)
            assert one.tried
        assert {one.record: one.rows for one in found} == largest
        assert content(url) == before
