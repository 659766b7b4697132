"""A whole database of MariaDB or MySQL, attacked: what must refuse, what must be noticed, what must come back."""

import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets import mysql_moving as moving
from bot.targets.mysql_admin import Administration, Server, beside
from bot.targets.mysql_facts import DatabaseFacts, Frame, facts
from bot.targets.mysql_rows import Sums
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import STRIDE, is_killed
from tests.fakes.mysql_places import SCHEMAS, STRANGE, Place, a_place, connect
from tests.fakes.servers import SERVERS
from tests.fakes.systems import restored

OP = "t7"
BOTH = pytest.mark.parametrize("place", SERVERS, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    small = "CREATE TABLE t (id int PRIMARY KEY, x text)$$\nCREATE TRIGGER up BEFORE INSERT ON t FOR EACH ROW"
    more = " SET NEW.x = UPPER(NEW.x)$$\nCREATE VIEW v AS SELECT * FROM t$$\nINSERT INTO t VALUES (1, 'a')"
    name = f"cs_test_{secrets.token_hex(6)}"
    with a_place(name, small + more, getattr(request, "param", "mariadb")) as made:
        yield made


@pytest.mark.parametrize("on", SERVERS)
def test_everything_comes_back_to_the_bit_out_of_quarantine_out_of_the_backup_and_by_hand(on: str) -> None:
    with a_place(f"{STRANGE} {secrets.token_hex(3)}", SCHEMAS[on], on) as place:
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
    "a key from what is set aside": (
        "CREATE DATABASE {other}__countersign_t1; CREATE TABLE {other}__countersign_t1.c (t int, FOREIGN KEY (t) REFERENCES {own}.t (id))",
        "whole.foreign-key-aside",
    ),
    "a definer who is gone": ("CREATE DEFINER='nobody'@'nowhere' VIEW w AS SELECT 1", "whole.no-account"),
    "our own books": (
        "; ".join(
            f"CREATE TABLE {name} (x int)" for name in ("audit_log", "permits", "outbox", "alembic_version")
        ),
        "whole.ours",
    ),
}


#: Of these, what MySQL does not have, or takes as it is; and what is in the way there alone.
NOT_ON_MYSQL = {"a table with a history", "a view over a fence", "a default that counts"}
ONLY_ON_MYSQL: dict[str, tuple[str, str]] = {
    "a function in another language": (
        "CREATE FUNCTION j() RETURNS int LANGUAGE javascript AS 'return 1'",
        "whole.unwritable",
    ),
    "a library": ("CREATE LIBRARY l LANGUAGE javascript AS 'export function j() {{}}'", "whole.unwritable"),
    "somebody who protected it": ("ALTER DATABASE {own} READ ONLY = 1", "whole.options"),
}
CASES = [
    *(("mariadb", case) for case in IN_THE_WAY),
    *(("mysql", case) for case in IN_THE_WAY.keys() - NOT_ON_MYSQL | ONLY_ON_MYSQL.keys()),
]


@pytest.mark.parametrize(("place", "case"), sorted(CASES), indirect=["place"])
def test_what_is_in_the_way_is_named_before_anything_is_touched(place: Place, case: str) -> None:
    statements, key = (IN_THE_WAY | ONLY_ON_MYSQL)[case]
    place.one.survey()
    other = place.database + "_other"
    try:
        place.run(*statements.format(other=other, own=place.database).split("; "))
        with pytest.raises(CannotProve) as caught:
            place.one.survey()
        assert caught.value.key == key
        assert say(caught.value.key, **caught.value.params)
        # As the driver gave it, bytes would be a fault of ours when the answer is written down.
        assert "b'" not in json.dumps(dict(caught.value.params))
    finally:
        if key == "whole.xa":
            place.run("XA ROLLBACK 'cs'", at="mysql")
        if key == "whole.options":
            place.run(f"ALTER DATABASE {place.database} READ ONLY = 0", at="mysql")
        if key == "whole.foreign-key":
            place.run(f"DROP DATABASE {other}", at="mysql")
        if key == "whole.foreign-key-aside":
            place.run(f"DROP DATABASE {other}__countersign_t1", at="mysql")


@BOTH
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


@BOTH
def test_a_user_is_told_each_right_that_it_lacks_and_has_enough_with_all_of_them(place: Place) -> None:
    with user(place) as name:
        place.run(f"GRANT SELECT ON {place.database}.* TO {name}", at="mysql")
        one = MariadbHolding("database", "crm", place.at(user=name))
        with pytest.raises(RightsMissing, match=r"whole\.no-right") as caught:
            one.survey()
        assert len(caught.value.grants) == {"mariadb": 6, "mysql": 9}[place.on]
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


@pytest.mark.parametrize("place", ["mysql"], indirect=True)
def test_where_a_grant_knows_no_patterns_a_right_on_everything_is_asked_for(place: Place) -> None:
    place.run("SET GLOBAL partial_revokes = ON", at="mysql")
    try:
        with user(place) as name:
            place.run(
                f"GRANT ALL PRIVILEGES ON `{place.database}`.* TO {name} WITH GRANT OPTION",
                f"GRANT ALL PRIVILEGES ON `{place.database}\\_\\_countersign\\_%`.* TO {name}",
                at="mysql",
            )
            one = MariadbHolding("database", "crm", place.at(user=name))
            with pytest.raises(RightsMissing) as caught:
                one.survey()
            assert f"GRANT ALL PRIVILEGES ON *.* TO `{name}`@`%`" in caught.value.grants
            place.run(*caught.value.grants, at="mysql")
            one.survey()
            backup = MemoryBackup()
            one.copy(backup)
            one.rehearse(OP, backup.sealed())
    finally:
        place.run("SET GLOBAL partial_revokes = OFF", at="mysql")


# what is noticed, and who is in the way

EDITS = {
    "a row more": "INSERT INTO t VALUES (4, 'late')",
    "a row that looks the same": "UPDATE t SET x = 'A '",
    "another comment": "ALTER TABLE t COMMENT 'x'",
    "a table more": "CREATE TABLE late (x int)",
    "a trigger less": "DROP TRIGGER up",
    "another view": "CREATE OR REPLACE VIEW v AS SELECT id FROM t",
    "a routine": "CREATE PROCEDURE p() SELECT 1",
    "a counter": "ALTER TABLE t MODIFY id int AUTO_INCREMENT, AUTO_INCREMENT = 9",
}


@pytest.mark.parametrize(
    ("place", "edit"),
    [*(("mariadb", edit) for edit in EDITS), ("mysql", "a trigger less"), ("mysql", "a counter")],
    indirect=["place"],
)
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


@BOTH
def test_who_is_connected_is_told_whatever_anybodys_statement_says(place: Place) -> None:
    def runs() -> None:
        with closing(connect(place.at())) as busy, busy.cursor() as cursor, suppress(pymysql.Error):
            cursor.execute("SELECT '😀', SLEEP(30)")

    thread = threading.Thread(target=runs)
    thread.start()
    until = time.monotonic() + 20
    try:
        while not any("SLEEP" in str(row) for row in place.run("SHOW FULL PROCESSLIST")):
            assert time.monotonic() < until
        (who,) = place.one.users(OP).users
        assert (who.name, who.how) == ("root", "session")
    finally:
        with Administration("crm", place.at()).connected() as server:
            server.end_sessions(place.database)
        thread.join()


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


@BOTH
def test_writers_who_come_back_at_once_lose_nothing_and_meet_every_trigger(place: Place) -> None:
    backup = place.copied()
    with written_to(place) as written:
        with pytest.raises(CannotProve, match="changed-since"):
            place.one.set_aside(OP, backup)
        assert place.one.whereabouts(OP) == "set-aside"
    place.one.put_back(OP)
    assert met_every_trigger(place, written)


@BOTH
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
            late = Late(server.connection, server.target, server.uid, server.kind, folds=server.folds)
            late.place = self._place
            yield late


@BOTH
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


@BOTH
def test_grants_come_back_and_an_account_that_is_gone_is_named(place: Place) -> None:
    with user(place) as name:
        place.run(
            f"GRANT SELECT ON {place.database}.* TO {name}",
            f"GRANT UPDATE (x) ON t TO {name}",
            "CREATE FUNCTION one() RETURNS int DETERMINISTIC RETURN 1",
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


@BOTH
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


@pytest.mark.parametrize(
    ("place", "case"),
    [*(("mariadb", case) for case in LONG), ("mysql", "bytes"), ("mysql", "a text of quotes")],
    indirect=["place"],
)
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


@BOTH
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


@pytest.mark.parametrize("seed", ["ab" * 16, "2:" + "ab" * 16])
def test_a_backup_of_before_is_compared_as_it_was_made(place: Place, seed: str) -> None:
    backup = MemoryBackup()
    place.one.copy(backup)
    known = DatabaseFacts.of(backup.streams["database.database.json"])
    with Administration("crm", place.at()).connected() as server:
        old = facts(server, place.database, Sums(seed), known.frame)
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


@BOTH
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
        nth += (6 if place.on == "mariadb" else 12) * STRIDE - 5
    assert rows(place) == before


@given(st.text(min_size=1, max_size=80), st.sampled_from(["", "_try", "_new"]))
def test_the_name_beside_fits_and_is_never_the_databases_own(name: str, end: str) -> None:
    found = beside(name, f"__countersign_t7{end}")
    assert len(found) <= 64
    assert found.endswith(f"__countersign_t7{end}")
