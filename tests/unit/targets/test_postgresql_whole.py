"""A whole PostgreSQL database, attacked: what must refuse, what must be noticed, what must come back."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets.postgresql_admin import beside
from bot.targets.postgresql_sql import constant, quote
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import STRIDE, is_killed
from tests.fakes.servers import postgresql_database
from tests.fakes.systems import restored

OP = "t7"
SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, x text, f float8 DEFAULT '-0', c varchar(9) CHECK (c IN ('a', 'b')));
CREATE INDEX by_x ON t (x);
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;
INSERT INTO t VALUES (1, 'a'), (2, E'\\'"\\\\'), (3, NULL);
INSERT INTO parted VALUES (1, '2026-05-05');
"""


@dataclass(frozen=True)
class Place:
    """A database, its holding, and a superuser's hands."""

    url: str
    one: PostgresqlHolding

    @property
    def database(self) -> str:
        return self.url.rpartition("/")[2]

    def at(self, database: str, user: str = "") -> str:
        server = self.url.rpartition("/")[0]
        if user:
            server = f"postgresql://{user}@{server.rpartition('@')[2]}"
        return f"{server}/{database}"

    def run(self, *statements: str, at: str = "") -> list[tuple[object, ...]]:
        with psycopg.connect(self.at(at) if at else self.url, autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def copied(self) -> MemoryBackup:
        backup = MemoryBackup()
        self.one.copy(backup)
        return backup.sealed()


@pytest.fixture
def place() -> Iterator[Place]:
    with postgresql_database() as url:
        made = Place(url, PostgresqlHolding("database", "crm", url))
        made.run(*SCHEMA.split(";\n")[:-1])
        yield made


@contextmanager
def role(place: Place, *options: str) -> Iterator[str]:
    name = f"cs_role_{secrets.token_hex(4)}"
    place.run(f"CREATE ROLE {name} LOGIN {' '.join(options)}", at="postgres")
    try:
        yield name
    finally:
        for database in (place.database, "postgres"):
            try:
                place.run(f"REASSIGN OWNED BY {name} TO postgres", f"DROP OWNED BY {name}", at=database)
            except psycopg.OperationalError:
                continue
        place.run(f"DROP ROLE {name}", at="postgres")


# what refuses


def prepared(place: Place) -> None:
    with closing(psycopg.connect(place.url)) as connection:
        connection.tpc_begin(connection.xid(1, "a transfer", ""))
        connection.execute("INSERT INTO t VALUES (9)")
        connection.tpc_prepare()


def slot(place: Place) -> None:
    place.run("SELECT pg_create_logical_replication_slot('cs_test_slot', 'pgoutput')")


IN_THE_WAY: dict[str, tuple[Callable[[Place], object], str, str]] = {
    "a subscription": (
        lambda place: place.run(
            "CREATE SUBSCRIPTION cs_sub CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)"
        ),
        "whole.subscription",
        "DROP SUBSCRIPTION cs_sub",
    ),
    "a template": (
        lambda place: place.run(f'ALTER DATABASE "{place.database}" IS_TEMPLATE true'),
        "whole.template",
        'ALTER DATABASE "{database}" IS_TEMPLATE false',
    ),
    "our own books": (
        lambda place: place.run(
            *(
                f"CREATE TABLE {name} (x int)"
                for name in ("audit_log", "permits", "outbox", "alembic_version")
            )
        ),
        "whole.ours",
        "DROP TABLE permits",
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_is_in_the_way_is_told_before_anything_is_touched(place: Place, case: str) -> None:
    arrange, key, mend = IN_THE_WAY[case]
    place.one.survey()
    arrange(place)
    try:
        with pytest.raises(CannotProve) as caught:
            place.one.survey()
        assert caught.value.key == key
        assert place.database in say(caught.value.key, **caught.value.params)
    finally:
        if case == "a subscription":
            place.run("ALTER SUBSCRIPTION cs_sub SET (slot_name = NONE)")
        place.run(mend.format(database=place.database))
    place.one.survey()


@pytest.mark.parametrize(("arrange", "key"), [(prepared, "whole.prepared"), (slot, "whole.slot")])
def test_what_only_some_servers_have_is_in_the_way_there(
    place: Place, arrange: Callable[[Place], None], key: str
) -> None:
    place.one.survey()
    arrange(place)
    try:
        with pytest.raises(CannotProve, match=key):
            place.one.survey()
    finally:
        place.run(
            f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{place.database}'"
        )
        for (name,) in place.run(f"SELECT gid FROM pg_prepared_xacts WHERE database = '{place.database}'"):
            place.run(f"ROLLBACK PREPARED '{name}'")
    place.one.survey()


def test_a_role_is_told_each_right_that_it_lacks_and_has_enough_with_all_of_them(place: Place) -> None:
    with role(place) as name:
        one = PostgresqlHolding("database", "crm", place.at(place.database, name))
        place.run(*(f"ALTER TABLE {table} OWNER TO {name}" for table in ("t", "parted", "part_1")))
        place.run(f"ALTER MATERIALIZED VIEW m OWNER TO {name}", f"ALTER FUNCTION one() OWNER TO {name}")
        with pytest.raises(RightsMissing, match=r"whole\.no-right") as caught:
            one.survey()
        owner, *others = caught.value.grants
        assert owner == f'GRANT "postgres" TO "{name}"'
        place.run(*others, f"ALTER DATABASE {place.database} OWNER TO {name}", at="postgres")
        one.survey()
        backup = MemoryBackup()
        one.copy(backup)
        backup.sealed()
        one.rehearse(OP, backup)
        one.set_aside(OP, backup)
        one.verify(OP, backup)
        one.remove(OP, backup)
        restored(one, OP, backup)
        assert place.run("SELECT count(*) FROM t") == [(3,)]


def test_a_database_that_another_system_uses_too_does_not_go(place: Place) -> None:
    other = place.url.replace("127.0.0.1", "localhost")
    one = PostgresqlHolding("database", "crm", place.url, (), {"shop": other})
    with pytest.raises(CannotProve, match=r"whole\.shared"):
        one.survey()
    silent = f"postgresql://postgres@127.0.0.1:1/{place.database}"
    with pytest.raises(CannotProve, match=r"whole\.unknown"):
        PostgresqlHolding("database", "crm", place.url, (), {"shop": silent}).survey()
    PostgresqlHolding("database", "crm", place.url, (), {"shop": place.at("postgres")}).survey()


def test_a_database_made_again_under_the_same_name_is_another_one(place: Place) -> None:
    known, backup = place.one.survey(), place.copied()
    place.run(f'DROP DATABASE "{place.database}"', f'CREATE DATABASE "{place.database}"', at="postgres")
    assert place.one.survey().identity != known.identity
    with pytest.raises(CannotProve, match="another-folder"):
        place.one.set_aside(OP, backup)
    assert place.one.whereabouts(OP) == "in-place"


def test_a_server_that_does_not_answer_is_told_and_nothing_is_called_gone() -> None:
    one = PostgresqlHolding("database", "crm", "postgresql://postgres@127.0.0.1:1/crm")
    for look in (one.survey, lambda: one.users(OP), lambda: one.whereabouts(OP)):
        with pytest.raises(TargetDown, match="unreachable"):
            look()


# what is noticed

EDITS = {
    "a row more": "INSERT INTO t VALUES (4, 'late')",
    "a row less": "DELETE FROM t WHERE id = 1",
    "a row that looks almost the same": "UPDATE t SET f = '0' WHERE id = 1",
    "a row of a partition": "UPDATE part_1 SET id = 2",
    "a table more": "CREATE TABLE late ()",
    "an index less": "DROP INDEX by_x",
    "another function body": "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "another default": "ALTER TABLE t ALTER x SET DEFAULT 'x'",
    "another check": "ALTER TABLE t ADD CHECK (id > 0) NOT VALID",
    "a large object": "SELECT lo_from_bytea(0, 'late')",
    "a view": "CREATE VIEW v AS SELECT 1 AS one",
    "a right": "GRANT SELECT ON t TO PUBLIC",
    "a comment": "COMMENT ON TABLE t IS 'late'",
    "a policy": "CREATE POLICY p ON t",
    "a row put in place of an equal one of another table": "UPDATE t SET x = NULL WHERE id = 2",
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_changed_since_the_backup_is_noticed(place: Place, edit: str) -> None:
    backup = place.copied()
    place.run(EDITS[edit])
    with pytest.raises(CannotProve, match="changed-since"):
        place.one.set_aside(OP, backup)
    assert place.one.whereabouts(OP) == "set-aside"
    place.one.put_back(OP)
    place.one.survey()


def test_what_keeps_a_database_healthy_is_no_change(place: Place) -> None:
    backup = place.copied()
    place.run("VACUUM (FULL, ANALYZE)", "REINDEX TABLE t", "CHECKPOINT")
    place.one.set_aside(OP, backup)
    place.one.verify(OP, backup)


def test_two_tables_whose_names_read_alike_are_both_added_up(place: Place) -> None:
    place.run(
        'CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE a."b.c" (x int); CREATE TABLE "a.b".c (x int)'
    )
    for table in ('a."b.c"', '"a.b".c'):
        backup = place.copied()
        place.run(f"INSERT INTO {table} VALUES (1)")
        with pytest.raises(CannotProve, match="changed-since"):
            place.one.set_aside(OP, backup)
        place.one.put_back(OP)
    place.one.rehearse(OP, place.copied())


def test_somebody_who_comes_back_at_once_keeps_nothing_from_being_set_aside(place: Place) -> None:
    backup, over = place.copied(), threading.Event()
    came = []

    def again() -> None:
        while not over.is_set():
            try:
                with psycopg.connect(place.url) as connection:
                    connection.execute("SELECT 1")
                    came.append(1)
                    time.sleep(0.01)
            except psycopg.OperationalError:
                continue

    stubborn = [threading.Thread(target=again) for _ in range(3)]
    for one in stubborn:
        one.start()
    try:
        until = time.monotonic() + 60
        while len(came) < len(stubborn):
            assert time.monotonic() < until
            time.sleep(0.01)
        place.one.set_aside(OP, backup)
    except Stale as error:
        assert error.key == "files.in-use"
        assert place.one.whereabouts(OP) == "in-place"
    else:
        assert place.one.whereabouts(OP) == "set-aside"
    finally:
        over.set()
        for one in stubborn:
            one.join()


def test_a_session_that_our_role_may_not_end_is_told_by_its_number_and_nothing_moves(place: Place) -> None:
    with role(place, "CREATEDB") as name:
        place.run(
            *(f"ALTER TABLE {table} OWNER TO {name}" for table in ("t", "parted", "part_1")),
            f"ALTER MATERIALIZED VIEW m OWNER TO {name}",
            f"GRANT pg_signal_backend TO {name}",
            f'ALTER DATABASE "{place.database}" OWNER TO {name}',
        )
        one = PostgresqlHolding("database", "crm", place.at(place.database, name))
        one.survey()
        backup = MemoryBackup()
        one.copy(backup)
        with psycopg.connect(place.url) as superuser:
            superuser.execute("SELECT 1")
            with pytest.raises(Stale, match="in-use") as caught:
                one.set_aside(OP, backup.sealed())
            assert caught.value.params["pid"] == superuser.info.backend_pid
            assert one.whereabouts(OP) == "in-place"


# what comes back


def test_owner_settings_grants_and_comment_come_back(place: Place) -> None:
    with role(place) as name, role(place) as reader:
        place.run(
            f'ALTER DATABASE "{place.database}" OWNER TO {name}',
            f'ALTER DATABASE "{place.database}" CONNECTION LIMIT 17',
            f'ALTER DATABASE "{place.database}" SET search_path TO "a b", public',
            f"ALTER DATABASE \"{place.database}\" SET \"crm.tenant\" TO 'it''s \\ x'",
            f"ALTER ROLE {reader} IN DATABASE \"{place.database}\" SET work_mem TO '7MB'",
            f'REVOKE CONNECT ON DATABASE "{place.database}" FROM PUBLIC',
            f'GRANT CONNECT ON DATABASE "{place.database}" TO {reader} WITH GRANT OPTION',
            f"COMMENT ON DATABASE \"{place.database}\" IS 'it''s \\ ours'",
            f"GRANT SELECT ON t TO {reader}",
        )
        look = (
            "SELECT datdba, encoding, datcollate, datctype, datconnlimit,"
            " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),"
            " shobj_description(oid, 'pg_database'), (SELECT array_agg((setrole, one)::text ORDER BY setrole, one)"
            " FROM pg_db_role_setting, unnest(setconfig) one WHERE setdatabase = d.oid)"
            f" FROM pg_database d WHERE datname = '{place.database}'"
        )
        before = place.run(look)
        backup = place.copied()
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        restored(place.one, OP, backup)
        assert place.run(look) == before
        assert place.one.survey().items == 4


def test_a_role_that_is_gone_refuses_the_restore_and_names_it(place: Place) -> None:
    with role(place) as name:
        place.run(f"GRANT SELECT ON t TO {name}")
        backup = place.copied()
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
    with pytest.raises(CannotProve, match=r"whole\.no-role") as caught:
        place.one.prepare("r8", backup)
    assert caught.value.params["statements"] == f'CREATE ROLE "{name}" LOGIN;'


def test_a_restore_cut_short_leaves_nothing_and_the_next_goes_through(place: Place) -> None:
    backup = place.copied()
    whole = backup.streams["database.pgdump"]
    backup.streams["database.pgdump"] = whole[: len(whole) // 2]
    with pytest.raises(CountersignError):
        place.one.rehearse(OP, backup)
    left = f"SELECT datname FROM pg_database WHERE datname LIKE '{place.database}\\_%'"
    assert place.run(left) == []
    backup.streams["database.pgdump"] = whole
    place.one.rehearse(OP, backup)
    assert place.run(left) == []


# kill -9 before each statement


def rows(place: Place) -> list[tuple[object, ...]]:
    return place.run("SELECT * FROM t ORDER BY id")


@pytest.mark.parametrize("repeated", [True, False], ids=["and done again", "and put back"])
def test_setting_aside_may_die_before_any_statement(place: Place, repeated: bool) -> None:
    backup, before, nth = place.copied(), rows(place), 1
    while is_killed(lambda: place.one.set_aside(OP, backup), nth):
        if repeated:
            place.one.set_aside(OP, backup)
            place.one.verify(OP, backup)
        if place.one.whereabouts(OP) != "in-place":
            place.one.put_back(OP)
        assert rows(place) == before
        nth += STRIDE
    assert nth > 10
    place.one.verify(OP, backup)


def test_putting_back_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), rows(place), 1
    place.one.set_aside(OP, backup)
    while is_killed(lambda: place.one.put_back(OP), nth):
        place.one.put_back(OP)
        assert rows(place) == before
        place.one.set_aside(OP, backup)
        nth += STRIDE
    assert rows(place) == before


def test_a_restore_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), rows(place), 1

    def restore() -> None:
        place.one.prepare("r8", backup)
        place.one.appear("r8")

    def remove() -> None:
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)

    remove()
    while is_killed(restore, nth):
        if place.one.whereabouts("r8") == "gone":
            restore()
        assert rows(place) == before
        place.one.discard("r8")
        fresh = place.copied()
        place.one.set_aside("t9", fresh)
        place.one.remove("t9", fresh)
        nth += 2 * STRIDE - 1
    assert rows(place) == before


def test_a_removal_may_die_before_any_statement(place: Place) -> None:
    backup, nth = place.copied(), 1
    place.one.set_aside(OP, backup)
    while is_killed(lambda: place.one.remove(OP, backup), nth):
        assert place.one.whereabouts(OP) == "set-aside"
        place.one.verify(OP, backup)
        nth += STRIDE
    assert place.one.whereabouts(OP) == "gone"
    assert place.one.remove(OP, backup).removed == 0


# names


@given(st.text(min_size=1, max_size=80), st.sampled_from(["", "_try", "_new"]))
def test_the_name_beside_fits_and_is_never_the_databases_own(name: str, end: str) -> None:
    try:
        found = beside(name, f"__countersign_t7{end}")
    except UnicodeEncodeError:
        return
    assert len(found.encode()) <= 63
    assert found.endswith(f"__countersign_t7{end}")
    assert found != name or name.endswith(f"__countersign_t7{end}")


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_names_and_texts_arrive_as_they_are(text: str) -> None:
    assert quote(text)[1:-1].replace('""', "") == text.replace('"', "")
    assert constant(text).count("'") % 2 == 0
