"""A whole MariaDB database, attacked: what must refuse, what must be noticed, what must come back."""

import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote as url_quote
from urllib.parse import unquote

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets import mysql_moving as moving
from bot.targets.mysql_admin import Administration, Server, beside
from bot.targets.mysql_facts import DatabaseFacts, Frame, facts
from bot.targets.mysql_sql import quote
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import STRIDE, is_killed
from tests.fakes.servers import mysql_connect, mysql_url
from tests.fakes.systems import restored

OP = "t7"
#: Signs that mean something in a statement, a pattern, a file's name and a driver's format.
STRANGE = "cs 'a`b\"%s_\\é"
SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, x text CHARACTER SET utf8mb4, f float, d double, c varchar(9) CHECK (c IN ('a', 'b')),
  b bit(9), e enum('u', 'v'), s set('p', 'q'), y binary(3), g geometry, j json, z datetime, w timestamp(6) NULL,
  u uuid, i inet6, l varchar(20) CHARACTER SET latin1, `odd ``name` int, k int AS (m * 2) STORED,
  h int INVISIBLE DEFAULT 4, m decimal(30, 10), FULLTEXT KEY words (x)) COMMENT 'it''s \\n ours'
$$
CREATE TABLE child (id int PRIMARY KEY, t int, CONSTRAINT up FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)
$$
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (year(at))
  (PARTITION old VALUES LESS THAN (2020), PARTITION late VALUES LESS THAN MAXVALUE)
$$
CREATE TABLE log (what varchar(50))
$$
CREATE SEQUENCE seq START WITH 7 INCREMENT BY 3
$$
CREATE TRIGGER second_trigger BEFORE INSERT ON t FOR EACH ROW SET NEW.x = CONCAT(NEW.x, '😀')
$$
CREATE TRIGGER first_trigger BEFORE INSERT ON t FOR EACH ROW PRECEDES second_trigger SET NEW.x = CONCAT(NEW.x, '-')
$$
CREATE TRIGGER logs AFTER INSERT ON t FOR EACH ROW BEGIN INSERT INTO log VALUES ("it's; in"); END
$$
CREATE FUNCTION one(a int) RETURNS int DETERMINISTIC RETURN a + 1
$$
CREATE PROCEDURE two(OUT r int) BEGIN SELECT count(*) INTO r FROM t; END
$$
CREATE VIEW b_view AS SELECT 1 AS n
$$
CREATE VIEW a_view AS SELECT one(n) AS n FROM b_view
$$
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO DELETE FROM log
$$
INSERT INTO t (id, x, f, d, c, b, e, s, y, g, j, z, w, u, i, l, m) VALUES
  (1, 'a', 16777217, -0e0, 'a', b'101010101', 'u', 'p,q', x'00ff00', ST_GeomFromText('POINT(1 2)', 4326),
   '{"a": [1, 2.50]}', '0000-00-00', '2026-01-01 00:00:00.000001', '123e4567-e89b-12d3-a456-426655440000', '::1', 'é', 1.5),
  (2, '\\'"\\\\ \\n 😀', 0.1, 0.1, NULL, 0, 0, '', '', NULL, NULL, '2026-00-31', NULL, NULL, NULL, '', NULL)
$$
INSERT INTO child VALUES (1, 1)
$$
INSERT INTO parted VALUES (1, '2019-05-05'), (2, '2026-05-05')
$$
SELECT nextval(seq)
$$
ALTER TABLE t AUTO_INCREMENT = 100
"""
LOOKS = (
    "SELECT id, HEX(x), HEX(CAST(f AS DOUBLE)), d, CAST(f AS DOUBLE), c, b + 0, e + 0, s + 0, HEX(y), HEX(g), j, z, w, u,"
    " i, HEX(l), k, h, m FROM t ORDER BY id",
    "SELECT * FROM parted ORDER BY id",
    "SELECT * FROM seq",
    "SELECT * FROM a_view",
    "SHOW CREATE TABLE t",
    "SHOW CREATE TABLE child",
    "SHOW CREATE TABLE parted",
    "SHOW CREATE PROCEDURE two",
    "SHOW CREATE FUNCTION one",
    "SHOW CREATE VIEW a_view",
    "SHOW CREATE EVENT nightly",
    "SELECT TRIGGER_NAME, ACTION_ORDER, EVENT_OBJECT_TABLE, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT,"
    " COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    "SELECT DEFAULT_COLLATION_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()",
)


@dataclass(frozen=True)
class Place:
    """A database, its holding, and root's hands."""

    database: str
    one: MariadbHolding

    def at(self, database: str = "", user: str = "root") -> str:
        server = mysql_url().rpartition("/")[0].rpartition("@")[2]
        return f"mysql://{url_quote(user)}@{server}/{url_quote(database or self.database)}"

    def run(self, *statements: str, at: str = "") -> list[tuple[object, ...]]:
        with closing(connect(self.at(at))) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def look(self, at: str = "") -> list[object]:
        return [self.run(one, at=at) for one in LOOKS]

    def copied(self) -> MemoryBackup:
        backup = MemoryBackup()
        self.one.copy(backup)
        return backup.sealed()


def connect(url: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    server, _, database = url.rpartition("/")
    connection = mysql_connect(f"{server}/mysql" if "root@" in server else f"{server}/")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
    connection.select_db(unquote(database))
    return connection


@contextmanager
def a_place(name: str, schema: str = SCHEMA) -> Iterator[Place]:
    url = f"{mysql_url().rpartition('/')[0]}/{url_quote(name)}"
    place = Place(name, MariadbHolding("database", "crm", url))
    try:
        place.run(f"CREATE DATABASE {quote(name)} CHARACTER SET latin1 COMMENT 'our % ''CRM'''", at="mysql")
        place.run("SET sql_mode = 'ALLOW_INVALID_DATES'", *schema.split("$$\n"))
        yield place
    finally:
        left = place.run("SHOW DATABASES", at="mysql")
        names = [str(one) for (one,) in left if str(one).startswith(name)]
        place.run("SELECT 1", *(f"DROP DATABASE {quote(one)}" for one in names), at="mysql")


@pytest.fixture
def place() -> Iterator[Place]:
    small = "CREATE TABLE t (id int PRIMARY KEY, x text)$$\nCREATE TRIGGER up BEFORE INSERT ON t FOR EACH ROW"
    more = " SET NEW.x = UPPER(NEW.x)$$\nCREATE VIEW v AS SELECT * FROM t$$\nINSERT INTO t VALUES (1, 'a')"
    with a_place(f"cs_test_{secrets.token_hex(6)}", small + more) as made:
        yield made


def test_everything_comes_back_to_the_bit_out_of_quarantine_out_of_the_backup_and_by_hand() -> None:
    with a_place(f"{STRANGE} {secrets.token_hex(3)}") as place:
        before, backup = place.look(), place.copied()
        place.one.survey()
        place.one.rehearse(OP, backup)
        assert place.look() == before
        place.one.set_aside(OP, backup)
        place.one.put_back(OP)
        assert place.look() == before
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        restored(place.one, OP, backup)
        assert place.look() == before
        place.run("INSERT INTO t (x) VALUES ('new')")
        assert place.run("SELECT id, HEX(x) FROM t WHERE id > 2") == [(100, "new-😀".encode().hex().upper())]


# what refuses


IN_THE_WAY: dict[str, tuple[str, str]] = {
    "a table that cannot undo": ("CREATE TABLE m (x int) ENGINE=MyISAM", "whole.engine"),
    "a table with a history": ("CREATE TABLE h (x int) WITH SYSTEM VERSIONING", "whole.versioned"),
    "a view over a fence": (
        "CREATE VIEW w AS SELECT t.x, u.User FROM t, mysql.global_priv u",
        "whole.unwritable",
    ),
    "a broken view": (
        "CREATE VIEW w AS SELECT 1; CREATE OR REPLACE VIEW w AS SELECT * FROM v; DROP VIEW v",
        "whole.unwritable",
    ),
    "a default that counts": (
        "CREATE SEQUENCE s; CREATE TABLE d (x int DEFAULT nextval(s))",
        "whole.unwritable",
    ),
    "a key from outside": (
        "CREATE DATABASE {other}; CREATE TABLE {other}.c (t int, FOREIGN KEY (t) REFERENCES {own}.t (id))",
        "whole.foreign-key",
    ),
    "a prepared transaction": (
        "XA START 'cs'; INSERT INTO t VALUES (8, 'x'); XA END 'cs'; XA PREPARE 'cs'",
        "whole.xa",
    ),
    "a definer who is gone": ("CREATE DEFINER='nobody'@'nowhere' VIEW w AS SELECT 1", "whole.no-account"),
    "our own books": (
        "; ".join(
            f"CREATE TABLE {name} (x int)" for name in ("audit_log", "permits", "outbox", "alembic_version")
        ),
        "whole.ours",
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_is_in_the_way_is_named_before_anything_is_touched(place: Place, case: str) -> None:
    statements, key = IN_THE_WAY[case]
    place.one.survey()
    other = place.database + "_other"
    try:
        place.run(*statements.format(other=other, own=place.database).split("; "))
        with pytest.raises(CannotProve) as caught:
            place.one.survey()
        assert caught.value.key == key
        assert say(caught.value.key, **caught.value.params)
    finally:
        if key == "whole.xa":
            place.run("XA ROLLBACK 'cs'", at="mysql")
        if key == "whole.foreign-key":
            place.run(f"DROP DATABASE {other}", at="mysql")


def test_a_database_of_another_system_or_of_the_server_does_not_go(place: Place) -> None:
    def one(others: dict[str, str], url: str = "") -> MariadbHolding:
        return MariadbHolding("database", "crm", url or place.at(), (), others)

    with pytest.raises(CannotProve, match=r"whole\.shared"):
        one({"shop": place.at().replace("127.0.0.1", "localhost")}).survey()
    with pytest.raises(CannotProve, match=r"whole\.unknown"):
        one({"shop": f"mysql://root@127.0.0.1:1/{place.database}"}).survey()
    one({"shop": place.at("mysql")}).survey()
    with pytest.raises(CannotProve, match=r"whole\.template"):
        one({}, place.at("mysql")).survey()
    silent = one({}, "mysql://root@127.0.0.1:1/crm")
    for look in (silent.survey, lambda: silent.users(OP), lambda: silent.whereabouts(OP)):
        with pytest.raises(TargetDown, match="unreachable"):
            look()


@contextmanager
def user(place: Place) -> Iterator[str]:
    name = f"cs_{secrets.token_hex(4)}"
    place.run(f"CREATE USER {name}@'%'", at="mysql")
    try:
        yield name
    finally:
        place.run(f"DROP USER IF EXISTS {name}@'%'", at="mysql")


def test_a_user_is_told_each_right_that_it_lacks_and_has_enough_with_all_of_them(place: Place) -> None:
    with user(place) as name:
        place.run(f"GRANT SELECT ON {place.database}.* TO {name}", at="mysql")
        one = MariadbHolding("database", "crm", place.at(user=name))
        with pytest.raises(RightsMissing, match=r"whole\.no-right") as caught:
            one.survey()
        assert len(caught.value.grants) == 6
        place.run(*caught.value.grants, at="mysql")
        one.survey()
        backup, before = MemoryBackup(), rows(place)
        one.copy(backup)
        backup.sealed()
        one.rehearse(OP, backup)
        one.set_aside(OP, backup)
        one.put_back(OP)
        one.set_aside(OP, backup)
        one.remove(OP, backup)
        restored(one, OP, backup)
        assert rows(place) == before


# what is noticed, and who is in the way

EDITS = {
    "a row more": "INSERT INTO t VALUES (4, 'late')",
    "a row that looks the same": "UPDATE t SET x = 'A '",
    "another default": "ALTER TABLE t ALTER x SET DEFAULT NULL, COMMENT 'x'",
    "a table more": "CREATE TABLE late (x int)",
    "a trigger less": "DROP TRIGGER up",
    "another view": "CREATE OR REPLACE VIEW v AS SELECT id FROM t",
    "a routine": "CREATE PROCEDURE p() SELECT 1",
    "a counter": "ALTER TABLE t MODIFY id int AUTO_INCREMENT, AUTO_INCREMENT = 9",
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_changed_since_the_backup_is_noticed_and_comes_back_as_it_is(
    place: Place, edit: str
) -> None:
    backup = place.copied()
    place.run(EDITS[edit])
    before = rows(place)
    with pytest.raises(CannotProve, match="changed-since"):
        place.one.set_aside(OP, backup)
    assert place.one.whereabouts(OP) == "set-aside"
    place.one.put_back(OP)
    assert rows(place) == before


def test_an_idle_reader_is_thrown_out_and_one_who_hides_keeps_everything_as_it_was(place: Place) -> None:
    backup, before = place.copied(), rows(place)
    with closing(connect(place.at())) as idle, idle.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT * FROM t")
        place.one.set_aside(OP, backup)
        with pytest.raises(pymysql.Error):
            cursor.execute("SELECT * FROM t")
    place.one.put_back(OP)
    with closing(connect(place.at("mysql"))) as elsewhere, elsewhere.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"SELECT * FROM {place.database}.t")
        with pytest.raises((Stale, TargetDown)) as caught:
            place.one.set_aside(OP, backup)
        assert say(caught.value.key, **caught.value.params)
    assert place.one.whereabouts(OP) == "in-place"
    assert rows(place) == before


@contextmanager
def written_to(place: Place) -> Iterator[list[int]]:
    """Three who write and come back at once; the numbers of what they have written."""
    over, written = threading.Event(), list[int]()

    def again(start: int) -> None:
        number = start
        while not over.is_set():
            try:
                with closing(connect(place.at())) as connection, connection.cursor() as cursor:
                    while not over.is_set():
                        cursor.execute(f"INSERT INTO t VALUES ({number}, 'low')")
                        written.append(number)
                        number += 1
            except pymysql.Error:
                number += 1

    writers = [threading.Thread(target=again, args=(1000_000 * n,)) for n in (1, 2, 3)]
    for one in writers:
        one.start()
    try:
        while len(written) < 20:
            over.wait(0.01)
        yield written
    finally:
        over.set()
        for one in writers:
            one.join()


def met_every_trigger(place: Place, written: list[int]) -> bool:
    there = {row[0] for row in place.run("SELECT id FROM t")}
    return set(written) <= there and place.run("SELECT count(*) FROM t WHERE BINARY x = 'low'") == [(0,)]


def test_writers_who_come_back_at_once_lose_nothing_and_meet_every_trigger(place: Place) -> None:
    backup = place.copied()
    with written_to(place) as written:
        with pytest.raises(CannotProve, match="changed-since"):
            place.one.set_aside(OP, backup)
        assert place.one.whereabouts(OP) == "set-aside"
    place.one.put_back(OP)
    assert met_every_trigger(place, written)


def test_a_trigger_made_at_the_last_moment_is_seen_under_the_lock(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        frame = Frame.read(server, place.database)
        place.run("CREATE TRIGGER late BEFORE INSERT ON t FOR EACH ROW SET NEW.x = 'late'")
        with pytest.raises(CannotProve, match="changed-since"):
            moving._rename_out(
                Administration("crm", place.at()), server, (place.database, "nowhere"), frame, None
            )
    place.run("INSERT INTO t VALUES (77, 'low')")
    assert place.run("SELECT x FROM t WHERE id = 77") == [("late",)]


class Late(Server):
    """What is to move the tables comes only when its connection has been ended, and then does not come at all."""

    def run(self, *statements: str | bytes) -> None:
        (number,) = self.ask("SELECT CONNECTION_ID()")[0]
        until = time.monotonic() + 30
        while str(statements[0]).startswith("RENAME") and self.place.run(
            f"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {number}"
        ):
            assert time.monotonic() < until, "nobody ended the connection"
            threading.Event().wait(0.01)
        super().run(*statements)

    place: Place


class Lagging(Administration):
    """A server on which the second connection is late."""

    def __init__(self, place: Place) -> None:
        super().__init__("crm", place.at())
        self._place = place

    @contextmanager
    def connected(self) -> Iterator[Server]:
        with super().connected() as server:
            late = Late(server.connection, server.target, server.uid, folds=server.folds)
            late.place = self._place
            yield late


def test_a_move_that_does_not_come_in_time_lets_nobody_write_past_a_trigger(place: Place) -> None:
    ours = beside(place.database, "__countersign_t7")
    with written_to(place) as written:
        count = len(written)
        with Administration("crm", place.at()).connected() as server, pytest.raises(CountersignError):
            moving.take(Lagging(place), server, place.database, ours)
        while len(written) < count + 20:
            threading.Event().wait(0.01)
    assert place.one.whereabouts(OP) == "in-place"
    assert met_every_trigger(place, written)


def test_grants_come_back_and_an_account_that_is_gone_is_named(place: Place) -> None:
    with user(place) as name:
        place.run(
            f"GRANT SELECT ON {place.database}.* TO {name}",
            f"GRANT UPDATE (x) ON t TO {name}",
            "CREATE FUNCTION one() RETURNS int RETURN 1",
            f"GRANT EXECUTE ON FUNCTION one TO {name}",
        )
        granted = f"SHOW GRANTS FOR {name}"
        backup, before = place.copied(), place.run(granted)
        place.one.set_aside(OP, backup)
        place.one.put_back(OP)
        assert place.run(granted) == before
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        place.run(f"DROP USER {name}", at="mysql")
        with pytest.raises(CannotProve, match=r"whole\.no-account") as caught:
            place.one.prepare("r8", backup)
        assert caught.value.params["name"] == f"{name}@%"
        place.run(f"CREATE USER {name}", at="mysql")
        restored(place.one, OP, backup)
        assert sorted(place.run(granted)) == sorted(before)


def test_a_person_loads_the_backup_with_the_servers_own_program(place: Place) -> None:
    backup, before = place.copied(), rows(place)
    place.run(f"DROP DATABASE {place.database}", f"CREATE DATABASE {place.database}", at="mysql")
    streams = [backup.streams[f"database.{name}.sql"] for name in ("tables", "rows", "definitions")]
    address = place.at().rpartition("@")[2]
    host, _, port = address.partition("/")[0].partition(":")
    subprocess.run(
        ["mariadb", "--no-defaults", f"--host={host}", f"--port={port}", "--user=root", place.database],
        input=b"".join(streams),
        check=True,
    )
    assert rows(place) == before


LONG = {
    "bytes": ("x", "REPEAT('a', {packet} DIV 2)"),
    "a text of two bytes a sign": ("y", "REPEAT('é', {packet} DIV 4)"),
    "a text of ASCII": ("y", "REPEAT('a', {packet} - 4)"),
    "a text that can be written but not hashed": ("y", "REPEAT('a', {packet} - 30)"),
    "a text of quotes": ("y", "REPEAT(X'27', {packet} DIV 2)"),
    "a text of line breaks": ("y", "REPEAT(X'0A', {packet} DIV 2)"),
}


@pytest.mark.parametrize("case", LONG)
def test_a_value_longer_than_a_packet_is_told_and_never_written_as_none(place: Place, case: str) -> None:
    ((packet,),) = place.run("SELECT @@max_allowed_packet")
    column, value = LONG[case]
    place.run(
        "CREATE TABLE wide (x longblob, y longtext CHARACTER SET utf8mb4)",
        f"INSERT INTO wide ({column}) VALUES ({value.format(packet=packet)})",
    )
    with pytest.raises(CannotProve, match=r"whole\.too-large") as caught:
        place.one.copy(MemoryBackup())
    assert caught.value.params["table"] == "wide"


SETS = ("utf8mb4", "utf8mb3", "latin1", "ucs2", "utf16", "cp1251", "sjis", "gbk")
SIGNS = [*map(chr, range(128)), "\\n", "\\'", "'; --", "a\r\nb", "a ", "\\\n", "%s", "é", "aé\n'", "", "\\0"]


def test_every_sign_comes_back_in_every_character_set_and_no_text_breaks_a_line(place: Place) -> None:
    columns = {f"{name}_text": f"varchar(20) CHARACTER SET {name}" for name in SETS}
    columns["other_order"] = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    columns["listed"] = r"enum('a''', '\n', '\\') CHARACTER SET utf8mb4"
    place.run(f"CREATE TABLE signs (id int, {', '.join(' '.join(one) for one in columns.items())})")
    texts = [f"CONVERT(X'{sign.encode().hex()}' USING utf8mb4)" for sign in SIGNS]
    rows = [f"({n}, {', '.join([text] * (len(SETS) + 1))}, {n % 4})" for n, text in enumerate(texts)]
    place.run(f"INSERT IGNORE INTO signs VALUES {', '.join(rows)}")
    look = f"SELECT id, {', '.join(f'HEX({name})' for name in columns)} FROM signs ORDER BY id"
    before = place.run(look)
    assert len({one[1] for one in before}) > 128
    backup = place.copied()
    lines = [one for one in backup.streams["database.rows.sql"].split(b"\n") if one]
    assert all(one.startswith(b"INSERT INTO ") and one.endswith(b";") for one in lines)
    assert rb"'\'; --'" in b"".join(lines)
    place.one.rehearse(OP, backup)
    place.one.set_aside(OP, backup)
    place.one.verify(OP, backup)
    place.one.remove(OP, backup)
    restored(place.one, OP, backup)
    assert place.run(look) == before


def test_a_backup_of_before_is_compared_as_it_was_made(place: Place) -> None:
    backup = MemoryBackup()
    place.one.copy(backup)
    known = DatabaseFacts.of(backup.streams["database.database.json"])
    with Administration("crm", place.at()).connected() as server:
        old = facts(server, place.database, "ab" * 16, known.frame)
    assert old.tables["t"][1] != known.tables["t"][1]
    backup.streams["database.database.json"] = replace(old, sha256=known.sha256).dump()
    place.one.rehearse(OP, backup)
    place.one.set_aside(OP, backup)
    place.one.verify(OP, backup)
    place.run("UPDATE t SET x = 'b'", at=f"{place.database}__countersign_{OP}")
    with pytest.raises(CannotProve, match="touched-aside"):
        place.one.verify(OP, backup)


# kill -9 before each statement


def rows(place: Place) -> list[object]:
    """What a crash could lose: rows, the trigger, the view."""
    shapes = [
        f"SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{place.database}'",
        f"SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{place.database}' ORDER BY 1",
    ]
    return [place.run(one) for one in ("SELECT * FROM t ORDER BY id", *shapes)]


def test_setting_aside_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), rows(place), 1
    while is_killed(lambda: place.one.set_aside(OP, backup), nth, "Cursor.execute"):
        if nth % 4 == 1:
            place.one.set_aside(OP, backup)
            place.one.verify(OP, backup)
        if place.one.whereabouts(OP) != "in-place":
            place.one.put_back(OP)
        assert rows(place) == before
        nth += 2 * STRIDE - 1
    assert nth > 20
    place.one.verify(OP, backup)


def test_putting_back_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), rows(place), 1
    place.one.set_aside(OP, backup)
    while is_killed(lambda: place.one.put_back(OP), nth, "Cursor.execute"):
        assert place.one.whereabouts(OP) == "set-aside"
        place.one.put_back(OP)
        assert rows(place) == before
        place.one.set_aside(OP, backup)
        nth += 2 * STRIDE - 1
    assert rows(place) == before


def test_a_removal_and_a_restore_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), rows(place), 1

    def away_and_back() -> None:
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        place.one.prepare("r8", backup)
        place.one.appear("r8")

    while is_killed(away_and_back, nth, "Cursor.execute"):
        if place.one.whereabouts(OP) == "set-aside":
            try:
                place.one.put_back(OP)
            except CannotProve as error:
                assert error.key == "files.is-gone"
                place.one.remove(OP, backup)
        if place.one.whereabouts("r8") == "gone":
            place.one.prepare("r8", backup)
        place.one.discard("r8") if place.one.whereabouts(OP) == "in-place" else place.one.appear("r8")
        assert rows(place) == before
        nth += 6 * STRIDE - 5
    assert rows(place) == before


@given(st.text(min_size=1, max_size=80), st.sampled_from(["", "_try", "_new"]))
def test_the_name_beside_fits_and_is_never_the_databases_own(name: str, end: str) -> None:
    found = beside(name, f"__countersign_t7{end}")
    assert len(found) <= 64
    assert found.endswith(f"__countersign_t7{end}")
