"""Some tables of a MariaDB database, attacked: what ties them to the rest, who works beside them, what must come back."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.mysql_part import TablesHolding
from bot.targets.mysql_part_ties import mentions
from bot.targets.mysql_sql import quote
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import STRIDE, is_killed
from tests.fakes.mysql_places import Place, a_place
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database

OP = "t7"
OURS = ["orders", "odd `name`"]
SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, note text)
$$
CREATE TABLE `odd ``name``` (id int PRIMARY KEY, parent int REFERENCES orders (id) ON DELETE CASCADE)
$$
CREATE TABLE shops (id int PRIMARY KEY, name text)
$$
CREATE TRIGGER shout BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = UPPER(NEW.note)
$$
CREATE TRIGGER counts AFTER INSERT ON orders FOR EACH ROW UPDATE shops SET name = CONCAT(name, '+')
$$
CREATE PROCEDURE reorders() SELECT 'my_orders', orders_of FROM (SELECT 1 AS orders_of) x
$$
INSERT INTO shops VALUES (1, 's')
$$
INSERT INTO orders VALUES (1, 'a')
$$
INSERT INTO `odd ``name``` VALUES (7, 1)
"""
SHAPES = (
    "SELECT * FROM orders ORDER BY id",
    "SELECT * FROM `odd ``name```",
    "SELECT * FROM shops",
    "SHOW CREATE TABLE orders",
    "SHOW CREATE TABLE `odd ``name```",
    "SELECT TRIGGER_NAME, ACTION_STATEMENT, ACTION_ORDER, DEFINER FROM information_schema.TRIGGERS"
    " WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    "SHOW TABLES",
)


TITLES = {"mariadb": "MariaDB", "mysql": "MySQL"}
BOTH = pytest.mark.parametrize("place", SERVERS, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    name, on = f"cs_test_{secrets.token_hex(6)}", getattr(request, "param", "mariadb")
    with a_place(name, SCHEMA, on) as made:
        yield Place(name, TablesHolding("database", "crm", made.at(), OURS), on)


def mysql_run(url: str, *statements: str) -> list[tuple[object, ...]]:
    with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def shapes(place: Place) -> list[object]:
    return [place.run(one) for one in SHAPES]


def refused(place: Place) -> CountersignError:
    with pytest.raises(CountersignError) as caught:
        place.one.survey()
    assert say(caught.value.key, **caught.value.params)
    return caught.value


@BOTH
def test_exactly_these_tables_go_and_come_back(place: Place) -> None:
    before, backup = shapes(place), MemoryBackup()
    place.one.with_csv()
    told = place.one.copy(backup)
    assert (told["tables"], told["rows"]) == (2, 2)
    assert {one for one in backup.streams if one.endswith(".csv")} == {f"database.{one}.csv" for one in OURS}
    sealed = backup.sealed()
    place.one.rehearse(OP, sealed)
    assert shapes(place) == before
    about = place.one.survey()
    assert not about.warnings or about.warnings[0][0] == "told.still-let-in"
    assert (about.items, about.place) == (2, f"{TITLES[place.on]} {place.database}: odd `name`, orders")
    place.one.set_aside(OP, sealed)
    assert place.run("SHOW TABLES") == [("shops",)]
    place.one.put_back(OP)
    assert shapes(place) == before
    place.one.set_aside(OP, sealed)
    place.one.verify(OP, sealed)
    place.one.remove(OP, sealed)
    assert place.one.whereabouts(OP) == "gone"
    assert place.run("SHOW TABLES") == [("shops",)]
    place.run("INSERT INTO shops VALUES (2, 'new')")
    place.one.prepare("r8", sealed)
    assert place.run("SHOW TABLES") == [("shops",)]
    place.one.appear("r8")
    place.run("DELETE FROM shops WHERE id = 2")
    assert shapes(place) == before
    assert place.run(f"SHOW DATABASES LIKE '{place.database}%'", at="mysql") == [(place.database,)]


@BOTH
def test_they_come_back_as_those_of_another_system_in_another_database(place: Place) -> None:
    sealed = place.copied()
    with mysql_database(place.at()) as url:
        other = TablesHolding("database", "crm-copy", url, OURS)
        mysql_run(url, "CREATE TABLE shops (id int, name text)", "INSERT INTO shops VALUES (9, 'other')")
        other.prepare("r9", sealed)
        other.appear("r9")
        mysql_run(url, "INSERT INTO orders VALUES (3, 'met its triggers')")
        assert mysql_run(url, "SELECT note FROM orders ORDER BY id") == [("A",), ("MET ITS TRIGGERS",)]
        assert mysql_run(url, "SELECT * FROM shops") == [(9, "other+")]
        with pytest.raises(CannotProve, match="in-the-way"):
            other.require_room()


ONLY_MARIADB = {"a parameter"}
#: What ties the tables to something else, and what is named then.
TIES = {
    "a foreign key": ("CREATE TABLE more (o int REFERENCES orders (id))", "table {here}.more"),
    "a foreign key elsewhere": (
        "CREATE TABLE {other}.more (o int, FOREIGN KEY (o) REFERENCES {here}.orders (id))",
        "table {other}.more",
    ),
    "a view": ("CREATE VIEW seen AS SELECT o.id FROM shops JOIN orders o USING (id)", "view {here}.seen"),
    "a view elsewhere": (
        "CREATE VIEW {other}.seen AS SELECT * FROM {here}.`odd ``name```",
        "view {other}.seen",
    ),
    "a procedure": ("CREATE PROCEDURE p() DELETE FROM Orders", "procedure {here}.p"),
    "a parameter": ("CREATE PROCEDURE p(x TYPE OF orders.id) SELECT 1", "procedure {here}.p"),
    "a function elsewhere": (
        "CREATE FUNCTION {other}.f() RETURNS int RETURN (SELECT max(id) FROM `{here}` . orders)",
        "function {other}.f",
    ),
    "a trigger": (
        "CREATE TRIGGER more AFTER INSERT ON shops FOR EACH ROW INSERT INTO orders VALUES (NEW.id, '')",
        "trigger {here}.more",
    ),
    "an event": ("CREATE EVENT e ON SCHEDULE EVERY 9 YEAR DO DELETE FROM `odd ``name```", "event {here}.e"),
    "their own need of the outside": (
        "ALTER TABLE orders ADD shop int, ADD FOREIGN KEY (shop) REFERENCES shops (id)",
        "table {here}.shops",
    ),
}


@BOTH
def test_whatever_ties_them_to_the_rest_is_named_before_anything_is_touched(place: Place) -> None:
    other = f"{place.database}_other"
    place.run(f"CREATE DATABASE {other}")
    try:
        place.one.survey()
        harmless = f"CREATE PROCEDURE {other}.p() SELECT 1 AS orders"
        place.run(harmless)
        backup = place.copied()
        for tie, (statement, named) in TIES.items():
            if tie in ONLY_MARIADB and place.on == "mysql":
                continue
            filled = {"here": place.database, "other": other}
            place.run(statement.format(**filled))
            error = refused(place)
            assert error.key == ("part.lacking" if "their own" in tie else "part.hanging"), tie
            assert str(error.params["name"]).lower() == named.format(**filled).lower(), tie
            if "their own" in tie:
                continue
            with pytest.raises(CannotProve, match="hanging"):
                place.one.set_aside(OP, backup)
            assert place.one.whereabouts(OP) == "in-place"
            kind, _, name = str(error.params["name"]).partition(" ")
            place.run(f"DROP {kind} {name}")
    finally:
        place.run(f"DROP DATABASE {other}")


def test_a_tie_that_comes_at_the_last_moment_is_noticed(place: Place) -> None:
    backup, before = place.copied(), shapes(place)
    place.one.set_aside(OP, backup)
    aside = f"{place.database}__countersign_{OP}"
    place.run(f"CREATE TABLE late (o int, FOREIGN KEY (o) REFERENCES {aside}.orders (id))")
    for attempt in (place.one.verify, place.one.remove):
        with pytest.raises(CannotProve, match="hanging"):
            attempt(OP, backup)
    place.run("DROP TABLE late")
    place.one.put_back(OP)
    assert shapes(place) == before


@BOTH
def test_what_is_no_table_or_is_not_there_is_refused(place: Place) -> None:
    url = place.at()
    made = {"v": "CREATE VIEW v AS SELECT 1 AS n"}
    if place.on == "mariadb":
        made["s"] = "CREATE SEQUENCE s"
    place.run(*made.values())
    for name, key in (*((one, "whole.unwritable") for one in made), ("none", "files.missing")):
        one = TablesHolding("database", "crm", url, ["shops", name])
        with pytest.raises(CountersignError) as caught:
            one.survey()
        assert caught.value.key == key
        with pytest.raises(CountersignError):
            one.copy(MemoryBackup())


def test_nobody_who_works_beside_them_is_thrown_out_and_one_who_holds_them_is_waited_for(
    place: Place,
) -> None:
    backup, before = place.copied(), shapes(place)
    with closing(mysql_connect(place.at())) as beside, beside.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO shops VALUES (5, 'five')")
        with closing(mysql_connect(place.at())) as holding, holding.cursor() as reader:
            reader.execute("START TRANSACTION")
            reader.execute("SELECT * FROM orders")
            with pytest.raises(TargetDown, match=r"target\.locked"):
                place.one.set_aside(OP, backup)
            reader.execute("SELECT count(*) FROM orders")
        assert place.one.whereabouts(OP) == "in-place"
        place.one.set_aside(OP, backup)
        cursor.execute("SELECT count(*) FROM shops")
        assert cursor.fetchone() == (2,)
        assert place.one.users(OP).users == ()
        beside.rollback()
    place.one.put_back(OP)
    assert shapes(place) == before


def test_a_name_that_somebody_took_meanwhile_keeps_them_aside_until_it_is_free(place: Place) -> None:
    backup, before = place.copied(), shapes(place)
    place.one.set_aside(OP, backup)
    place.run("CREATE TRIGGER shout AFTER DELETE ON shops FOR EACH ROW SET @a = 1")
    with pytest.raises(CannotProve, match="in-the-way"):
        place.one.put_back(OP)
    assert place.one.whereabouts(OP) == "set-aside"
    place.run("DROP TRIGGER shout")
    place.one.put_back(OP)
    assert shapes(place) == before
    place.one.set_aside(OP, backup)
    place.run("CREATE TABLE orders (id int)")
    with pytest.raises(CannotProve, match="both"):
        place.one.put_back(OP)
    place.run("DROP TABLE orders")
    place.one.put_back(OP)
    assert shapes(place) == before


@BOTH
def test_a_copy_that_is_another_table_by_now_is_not_taken_away(place: Place) -> None:
    backup, before = place.copied(), shapes(place)
    place.one.set_aside(OP, backup)
    place.one.bring_out(OP, backup)
    assert shapes(place) == before
    place.run("SET foreign_key_checks = 0", "DROP TABLE orders", "CREATE TABLE orders (id int PRIMARY KEY)")
    with pytest.raises(CannotProve, match="in-the-way"):
        place.one.withdraw(OP)
    place.run("SET foreign_key_checks = 0", "DROP TABLE orders")
    place.one.withdraw(OP)
    assert place.run("SHOW TABLES") == [("shops",)]
    place.one.put_back(OP)
    assert shapes(place) == before


def test_a_move_may_die_before_any_statement(place: Place) -> None:
    backup, before, nth = place.copied(), shapes(place), 1

    def there_and_back() -> None:
        place.one.set_aside(OP, backup)
        place.one.put_back(OP)

    while is_killed(there_and_back, nth, "Cursor.execute"):
        if place.one.whereabouts(OP) != "in-place":
            place.one.put_back(OP)
        assert shapes(place) == before
        nth += 6 * STRIDE - 5
    assert nth > 20
    assert shapes(place) == before


#: A text, whether it runs in the tables' own database, and whether it may mean ``t`` of ``d``.
TEXTS = (
    ("SELECT * FROM t", True, True),
    ("SELECT * FROM t", False, False),
    ("SELECT * FROM T;", True, True),
    ("SELECT x.t FROM x", True, True),
    ("SELECT tt, t$, _t, t1, at FROM x", True, False),
    ("SELECT `t`", True, True),
    ("SELECT `tt` + `a t`", True, True),
    ("SELECT * FROM d.t", False, True),
    ("SELECT * FROM `d` . `t`", False, True),
    ("SELECT * FROM dd.t", False, False),
    ("SELECT * FROM d.tt", False, False),
    ("/* t */ SELECT 1", True, True),
)


@pytest.mark.parametrize(("text", "inside", "means"), TEXTS)
def test_a_text_that_may_mean_a_table_counts(text: str, inside: bool, means: bool) -> None:
    assert mentions(text, "d", "t", inside=inside) is means
    assert mentions(f"SELECT {quote('a`b')}", "d", "a`b", inside=True)
