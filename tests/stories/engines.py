"""The servers that stories about whole databases run on: one application, its database, a person's hands."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pymysql

from tests.fakes.servers import mysql_connect, mysql_database, postgresql_database

#: A web application of a few lines: its page is what the database says.
PROGRAM = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg

URL = {url!r}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with psycopg.connect(URL) as connection:
                rows = connection.execute("SELECT name FROM customers ORDER BY id").fetchall()
        except psycopg.Error:
            self.send_error(503)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(", ".join(name for (name,) in rows).encode())

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
"""
_SCHEMA = """
CREATE SCHEMA crm;
CREATE TYPE crm.stage AS ENUM ('new', 'won');
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    kind varchar(10) CHECK (kind IN ('person', 'company')), since timestamptz DEFAULT now(), picture bytea);
CREATE TABLE crm.deals (id serial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, stage crm.stage,
    amount numeric(12, 2), changed int NOT NULL DEFAULT 0);
CREATE FUNCTION crm.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm.touch();
CREATE VIEW crm.won AS SELECT c.name, sum(d.amount) FROM customers c JOIN crm.deals d ON d.customer_id = c.id
    WHERE d.stage = 'won' GROUP BY 1;
INSERT INTO customers (name, kind, picture) SELECT 'Customer ' || n, 'person', decode('00ff', 'hex') FROM generate_series(1, 300) n;
INSERT INTO crm.deals (customer_id, stage, amount) SELECT 1 + n % 300, 'won', n / 7.0 FROM generate_series(1, 2000) n;
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
"""
_QUESTIONS = (
    "SELECT * FROM customers ORDER BY id",
    "SELECT * FROM crm.deals ORDER BY id",
    "SELECT * FROM crm.won ORDER BY 1",
    "SELECT last_value FROM crm.deals_id_seq",
    "SELECT setting FROM pg_settings WHERE name = 'work_mem'",
)
_MARIADB_PROGRAM = (
    PROGRAM.replace("psycopg.connect(URL) as connection", "closing(connect()) as connection")
    .replace("connection.execute(", "ask(connection, ")
    .replace(").fetchall()", ")")
    .replace("psycopg.Error", "pymysql.Error")
    .replace(
        "import psycopg\n",
        "import pymysql\nfrom contextlib import closing\nfrom urllib.parse import urlsplit\n",
    )
    .replace(
        "class Page",
        """def connect():
    parts = urlsplit(URL)
    return pymysql.connect(host=parts.hostname, port=parts.port, user=parts.username, database=parts.path[1:])


def ask(connection, query):
    cursor = connection.cursor()
    cursor.execute(query)
    return cursor.fetchall()


class Page""",
    )
)
_MARIADB_SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY AUTO_INCREMENT, name varchar(90) NOT NULL,
    kind varchar(10) CHECK (kind IN ('person', 'company')), since timestamp DEFAULT now(), picture blob);
CREATE TABLE deals (id int PRIMARY KEY AUTO_INCREMENT, customer_id bigint NOT NULL REFERENCES customers (id),
    stage enum('new', 'won'), amount decimal(12, 2), half float AS (amount / 2) STORED, changed int NOT NULL DEFAULT 0);
CREATE SEQUENCE numbers START WITH 7;
CREATE TRIGGER touch BEFORE INSERT ON deals FOR EACH ROW SET NEW.changed = NEW.changed + 1;
CREATE VIEW won AS SELECT c.name, sum(d.amount) FROM customers c JOIN deals d ON d.customer_id = c.id
    WHERE d.stage = 'won' GROUP BY 1;
CREATE PROCEDURE touched(OUT n int) SELECT count(*) INTO n FROM deals;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01' DO DELETE FROM deals WHERE stage = 'new';
INSERT INTO customers (name, kind, picture) SELECT concat('Customer ', seq), 'person', x'00ff' FROM seq_1_to_300;
INSERT INTO deals (customer_id, stage, amount) SELECT 1 + seq % 300, 'won', seq / 7 FROM seq_1_to_2000;
SELECT nextval(numbers)
"""
_MARIADB_QUESTIONS = (
    "SELECT * FROM customers ORDER BY id",
    "SELECT * FROM deals ORDER BY id",
    "SELECT * FROM won ORDER BY 1",
    "SELECT * FROM numbers",
    "SHOW CREATE TABLE deals",
    "SHOW CREATE PROCEDURE touched",
    "SHOW CREATE EVENT nightly",
    "SELECT TRIGGER_NAME, ACTION_STATEMENT, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
)


@dataclass(frozen=True)
class Engine:
    """``run`` runs statements and gives the rows of the last, in a database of its own connection.

    ``furnish``: what the application finds. ``listed``: asks for the names of all databases. ``guarded``: nobody
    gets into what is set aside, whatever rights he has.
    """

    name: str
    database: Callable[[], AbstractContextManager[str]]
    program: str
    furnish: Callable[[str], object]
    questions: Sequence[str]
    connect: Callable[[str], Any]
    run: Callable[..., list[Any]]
    maintenance: str
    listed: str
    drop: str
    guarded: bool

    def answers(self, url: str) -> list[object]:
        """What the database says."""
        return [self.run(url, question) for question in self.questions]

    def refuses(self, url: str) -> bool:
        """Nobody gets in."""
        try:
            self.connect(url).close()
        except (psycopg.OperationalError, pymysql.Error):
            return True
        return False

    def beside(self, url: str, *statements: str) -> list[Any]:
        """At the server, whatever became of the database."""
        return self.run(f"{url.rpartition('/')[0]}/{self.maintenance}", *statements)


def _postgresql(url: str, *statements: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def _mariadb(url: str, *statements: str) -> list[Any]:
    with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def _postgresql_furnished(url: str) -> None:
    _postgresql(url, _SCHEMA)
    _postgresql(url, f"ALTER DATABASE \"{url.rpartition('/')[2]}\" SET work_mem TO '7MB'")


ENGINES = (
    Engine(
        "PostgreSQL",
        postgresql_database,
        PROGRAM,
        _postgresql_furnished,
        _QUESTIONS,
        psycopg.connect,
        _postgresql,
        "postgres",
        "SELECT datname FROM pg_database",
        'DROP DATABASE "{}" WITH (FORCE)',
        guarded=True,
    ),
    Engine(
        "MariaDB",
        mysql_database,
        _MARIADB_PROGRAM,
        lambda url: _mariadb(url, *_MARIADB_SCHEMA.split(";\n")),
        _MARIADB_QUESTIONS,
        mysql_connect,
        _mariadb,
        "mysql",
        "SHOW DATABASES",
        "DROP DATABASE `{}`",
        guarded=False,
    ),
)
