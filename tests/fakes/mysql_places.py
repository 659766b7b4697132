"""Databases of MariaDB and MySQL with everything in them, and hands that reach them behind a holding's back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import quote as url_quote
from urllib.parse import unquote

import pymysql

from bot.targets.mysql_sql import quote
from bot.targets.mysql_whole import MariadbHolding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import SERVERS, mysql_connect

#: Signs that mean something in a statement, a pattern, a file's name and a driver's format.
STRANGE = "cs 'a`b\"%s_\\é"
_SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, x text CHARACTER SET utf8mb4, f float, d double, c varchar(9) CHECK (c IN ('a', 'b')),
  b bit(9), e enum('u', 'v'), s set('p', 'q'), y binary(3), g geometry, j json, z datetime, w timestamp(6) NULL,
  {types}, l varchar(20) CHARACTER SET latin1, `odd ``name` int, k int AS (m * 2) STORED,
  h int INVISIBLE DEFAULT 4, m decimal(30, 10), FULLTEXT KEY words (x){key}) COMMENT 'it''s \\n ours'
$$
CREATE TABLE child (id int PRIMARY KEY, t int, CONSTRAINT up FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)
$$
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (year(at))
  (PARTITION old VALUES LESS THAN (2020), PARTITION late VALUES LESS THAN MAXVALUE)
$$
CREATE TABLE log (what varchar(50))
$$
{sequence}
$$
CREATE TRIGGER second_trigger BEFORE INSERT ON t FOR EACH ROW SET NEW.x = CONCAT(NEW.x, '😀')
$$
CREATE TRIGGER first_trigger BEFORE INSERT ON t FOR EACH ROW PRECEDES second_trigger SET NEW.x = CONCAT(NEW.x, '-')
$$
CREATE TRIGGER logs AFTER INSERT ON t FOR EACH ROW BEGIN INSERT INTO log VALUES ("it's; in"); END
$$
CREATE FUNCTION plus(a int) RETURNS int DETERMINISTIC RETURN a + 1
$$
CREATE PROCEDURE two(OUT r int) BEGIN SELECT count(*) INTO r FROM t; END
$$
CREATE VIEW b_view AS SELECT 1 AS n
$$
CREATE VIEW a_view AS SELECT plus(n) AS n FROM b_view
$$
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO DELETE FROM log
$$
INSERT INTO t (id, x, f, d, c, b, e, s, y, g, j, z, w, {columns}, l, m) VALUES
  (1, 'a', 16777217, -0e0, 'a', b'101010101', 'u', 'p,q', x'00ff00', ST_GeomFromText('POINT(1 2)', 4326),
   '{{"a": [1, 2.50]}}', '0000-00-00', '2026-01-01 00:00:00.000001', {values}, 'é', 1.5),
  (2, '\\'"\\\\ \\n 😀', 0.1, 0.1, NULL, 0, 0, '', '', NULL, NULL, '2026-00-31', NULL, NULL, NULL, '', NULL)
$$
INSERT INTO child VALUES (1, 1)
$$
INSERT INTO parted VALUES (1, '2019-05-05'), (2, '2026-05-05')
$$
{next}
$$
ALTER TABLE t AUTO_INCREMENT = 100
"""
_LOOKS = (
    "SELECT id, HEX(x), HEX(CAST(f AS DOUBLE)), d, CAST(f AS DOUBLE), c, b + 0, e + 0, s + 0, HEX(y), HEX(g), j, z, w,"
    " {shown}, HEX(l), k, h, m FROM t ORDER BY id",
    "SELECT * FROM parted ORDER BY id",
    "SELECT * FROM a_view",
    "SHOW CREATE TABLE t",
    "SHOW CREATE TABLE child",
    "SHOW CREATE TABLE parted",
    "SHOW CREATE PROCEDURE two",
    "SHOW CREATE FUNCTION plus",
    "SHOW CREATE VIEW a_view",
    "SHOW CREATE EVENT nightly",
    "SELECT TRIGGER_NAME, ACTION_ORDER, EVENT_OBJECT_TABLE, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT,"
    " COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()",
)


#: What a server has that the other one has not.
_OWN = {
    "mariadb": {
        "types": "u uuid, i inet6",
        "columns": "u, i",
        "values": "'123e4567-e89b-12d3-a456-426655440000', '::1'",
        "shown": "u, i",
        "key": "",
        "sequence": "CREATE SEQUENCE seq START WITH 7 INCREMENT BY 3",
        "next": "SELECT nextval(seq)",
    },
    "mysql": {
        "types": "v vector(2), n text DEFAULT (lower('A'))",
        "columns": "v, n",
        "values": "STRING_TO_VECTOR('[1, 2.5]'), DEFAULT",
        "shown": "HEX(v), n",
        "key": ", KEY formula ((abs(m)))",
        "sequence": "CREATE VIEW over_the_fence AS SELECT t.id, u.User FROM t, mysql.user u WHERE u.User = 'root'",
        "next": "SELECT 1",
    },
}
SCHEMAS = {on: _SCHEMA.format(**own) for on, own in _OWN.items()}
LOOKS = {on: tuple(one.format(**own) for one in _LOOKS) for on, own in _OWN.items()}
LOOKS["mariadb"] += (
    "SELECT * FROM seq",
    "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()",
)
LOOKS["mysql"] += ("SHOW CREATE VIEW over_the_fence", "SELECT * FROM over_the_fence ORDER BY id")


@dataclass(frozen=True)
class Place:
    """A database, its holding, and root's hands."""

    database: str
    one: MariadbHolding
    on: str

    def at(self, database: str = "", user: str = "root") -> str:
        server = SERVERS[self.on]().rpartition("/")[0].rpartition("@")[2]
        return f"mysql://{url_quote(user)}@{server}/{url_quote(database or self.database)}"

    def run(self, *statements: str, at: str = "") -> list[tuple[object, ...]]:
        with closing(connect(self.at(at))) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def look(self, at: str = "") -> list[object]:
        return [self.run(one, at=at) for one in LOOKS[self.on]]

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
def a_place(name: str, schema: str, on: str = "mariadb") -> Iterator[Place]:
    url = f"{SERVERS[on]().rpartition('/')[0]}/{url_quote(name)}"
    place = Place(name, MariadbHolding("database", "crm", url), on)
    comment = " COMMENT 'our % ''CRM'''" if on == "mariadb" else ""
    try:
        place.run(f"CREATE DATABASE {quote(name)} CHARACTER SET latin1{comment}", at="mysql")
        place.run("SET sql_mode = 'ALLOW_INVALID_DATES'", *schema.split("$$\n"))
        yield place
    finally:
        left = place.run("SHOW DATABASES", at="mysql")
        names = [str(one) for (one,) in left if str(one).startswith(name)]
        place.run("SELECT 1", *(f"DROP DATABASE {quote(one)}" for one in names), at="mysql")
