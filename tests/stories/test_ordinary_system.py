"""An ordinary system, described in under thirty lines: taken away, put back, taken away for good, back elsewhere."""

import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bot.sandbox.slack.workspace import Message
from tests.fakes.ports import free_port
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database
from tests.fakes.supervisor import supervisor
from tests.stories.rig import Rig
from tests.stories.town import thread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

#: Its page is what its database says, below a line out of a file of its own.
PROGRAM = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql

_, port, home, url = sys.argv


def names():
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        connection = psycopg.connect(url)
    else:
        connection = pymysql.connect(
            host=parts.hostname, port=parts.port or 3306, user=parts.username, database=parts.path[1:]
        )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM customers ORDER BY id")
        return [name for (name,) in cursor.fetchall()]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            title, rows = Path(home, "app", "title").read_text(), names()
        except (OSError, psycopg.Error, pymysql.Error):
            self.send_error(503)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write((title + ": " + ", ".join(rows)).encode())

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(port)), Page).serve_forever()
"""
SYSTEM = """
  site:
    environment: production
    host: HERE
    roots: ["HOME"]
    grace: 3s
    database: {url: "${SITE_URL}"}
    services: [{name: web, supervisor: "SUPERVISOR", program: site, ports: [PORT]}]
    files:
      - {name: app, path: "HOME/app"}
      - {name: uploads, path: "HOME/uploads"}
    checks:
      - {name: page, http: "http://127.0.0.1:PORT/"}
      - {name: port, port: "127.0.0.1:PORT"}
      - {name: customers, sql: "SELECT count(*) > 0 FROM customers"}
    residue: {names: [site], look_in: ["ETC"]}
    checklist: [{name: DNS entry}]
"""
ELSEWHERE = (
    SYSTEM.replace("  site:", "  site-new:")
    .replace("SITE_URL", "MOVED_URL")
    .replace("program: site", "program: site-new")
)
ELSEWHERE = (
    ELSEWHERE.replace("HOME", "NEW").replace("PORT", "OTHER").replace("names: [site]", "names: [site-new]")
)
AROUND = """
workspace: T0ACME
channel: C0DELETIONS
roles:
  support:    {users: [U0ALICE], owner: U0CAROL}
  dba:        {usergroup: S0DBA, owner: U0CAROL}
  data-owner: {users: [U0CAROL], owner: U0CAROL}
  responder:  {usergroup: S0ONCALL, owner: U0CAROL}
targets:SYSTEMS
rules:
  - {name: teardown, when: {operation: teardown}, request: [support], approve: [1 of dba, 1 of data-owner], cooling_off: 0s}
  - {name: restore, when: {operation: restore}, request: [responder], approve: [1 of dba], cooling_off: 0s}
"""
POSTGRESQL = """
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, amount numeric(12, 2));
CREATE VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY 1;
INSERT INTO customers (name) SELECT 'Customer ' || n FROM generate_series(1, 20) n;
INSERT INTO orders (customer, amount) SELECT 1 + n % 20, n / 7.0 FROM generate_series(1, 2000) n;
"""


@contextmanager
def on_postgresql() -> Iterator[tuple[str, str]]:
    """The address of a database with something in it, and that of one that is not there yet."""
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(POSTGRESQL.encode())
        new = f"{url}_new"
        yield url, new
        with psycopg.connect(f"{url.rpartition('/')[0]}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{new.rpartition("/")[2]}" WITH (FORCE)'.encode())


MYSQL = """
CREATE TABLE customers (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(80) NOT NULL)
$$
CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, customer bigint NOT NULL, amount decimal(12, 2),
    FOREIGN KEY (customer) REFERENCES customers (id))
$$
CREATE VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY 1
$$
CREATE TRIGGER rounded BEFORE INSERT ON orders FOR EACH ROW SET NEW.amount = round(NEW.amount, 1)
$$
INSERT INTO customers (name) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
    SELECT concat('Customer ', i) FROM n
$$
INSERT INTO orders (customer, amount) SELECT a.id, (100 * b.id + c.id) / 7 FROM customers a, customers b, customers c
    WHERE c.id < 6
"""


@contextmanager
def on_mysql(kind: str) -> Iterator[tuple[str, str]]:
    """The same on MariaDB or MySQL."""
    with mysql_database(SERVERS[kind]()) as url:
        new = f"{url}_new"
        with mysql_connect(url) as connection, connection.cursor() as cursor:
            for statement in MYSQL.split("$$"):
                cursor.execute(statement)
            connection.commit()
        yield url, new
        with mysql_connect(url.rpartition("/")[0] + "/mysql") as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{new.rpartition('/')[2]}`")


Databases = Callable[[], AbstractContextManager[tuple[str, str]]]
ENGINES: Mapping[str, Databases] = {
    "PostgreSQL": on_postgresql,
    "MariaDB": partial(on_mysql, "mariadb"),
    "MySQL": partial(on_mysql, "mysql"),
}


@dataclass(frozen=True)
class Site:
    """The two pages, and the folders around them."""

    page: Callable[[], str | None]
    other: Callable[[], str | None]
    home: Path
    new: Path
    etc: Path


def _page(port: int) -> Callable[[], str | None]:
    def page() -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    return page


def _furnish(folder: Path) -> Site:
    """Folders with something in them, and what an administrator has left in /etc."""
    for name in ("home/app", "home/uploads/2026", "new", "etc/cron.d", "etc/nginx/sites-enabled"):
        (folder / name).mkdir(parents=True, mode=0o755)
    for name in ("home", "new"):
        (folder / name).chmod(0o700)
    (folder / "home/app/title").write_text("The site")
    (folder / "home/uploads/2026/offer.pdf").write_bytes(bytes(range(256)))
    (folder / "etc/cron.d/site").write_text("0 4 * * * root /srv/site/bin/report\n")
    (folder / "etc/nginx/sites-enabled/site.conf").write_text("server { server_name site.example.com; }\n")
    return Site(_page(0), _page(0), folder / "home", folder / "new", folder / "etc")


@contextmanager
def site(
    tmp_path: Path, databases: Databases, more: str = "", secrets: Mapping[str, str] | None = None
) -> Iterator[tuple[Rig, Site]]:
    """``more``: lines of the configuration; ``secrets``: what its variables hold."""
    ports, furnished = (free_port(), free_port()), _furnish(tmp_path)
    program, programs = tmp_path / "site.py", tmp_path / "programs"
    program.write_text(PROGRAM)
    programs.mkdir()
    with databases() as (url, new_url):
        run = f"command={sys.executable} {program}"
        lines = {
            "site": f"{run} {ports[0]} {furnished.home} {url}\nautorestart=true",
            "site-new": f"{run} {ports[1]} {furnished.new} {new_url}\nautostart=false\nautorestart=true",
        }
        with supervisor(programs, lines) as address:
            words = {
                "HERE": socket.gethostname(),
                "SUPERVISOR": address,
                "HOME": str(furnished.home),
                "NEW": str(furnished.new),
                "ETC": str(furnished.etc),
                "PORT": str(ports[0]),
                "OTHER": str(ports[1]),
            }
            described = SYSTEM + ELSEWHERE
            for word, value in words.items():
                described = described.replace(word, value)
            rig = Rig(tmp_path, lambda _: AROUND.replace("SYSTEMS", described.rstrip()) + more)
            rig.secrets |= {"SITE_URL": url, "MOVED_URL": new_url, **(secrets or {})}
            with rig:
                page = _page(ports[0])
                rig.wait(page, "the page")
                yield rig, Site(page, _page(ports[1]), furnished.home, furnished.new, furnished.etc)


def asked(rig: Rig) -> Message:
    return rig.ballot(rig.command("U0ALICE", "/teardown", "site -- replaced"))


def ends(rig: Rig, number: int, ballot: Message, *states: str) -> None:
    try:
        found = rig.wait_state(number, *states, "failed", "held", "refused", patience=90)
    except TimeoutError as error:
        raise AssertionError(thread(rig, ballot)) from error
    assert found in states, thread(rig, ballot)


def test_it_is_described_in_under_thirty_lines() -> None:
    assert len(SYSTEM.strip().splitlines()) < 30


@pytest.mark.parametrize("engine", ENGINES)
def test_taken_away_put_back_taken_away_for_good_and_back_elsewhere(tmp_path: Path, engine: str) -> None:
    with site(tmp_path, ENGINES[engine]) as (rig, around):
        said = around.page()
        assert said is not None
        assert said.startswith("The site: Customer 1")

        ballot = asked(rig)
        plan = thread(rig, ballot)
        for told in (engine, "uploads", "app", "page", "customers", "cron.d/site", "DNS entry"):
            assert told in plan, told
        rig.approve(ballot)
        ends(rig, 1, ballot, "set-aside")
        assert around.page() is None
        assert list(around.home.glob("[a-z]*")) == []
        rig.command("U0ERIN", "/countersign", "put-back #1")
        ends(rig, 1, ballot, "stopped")
        assert rig.wait(around.page, "the page is back") == said

        ballot = asked(rig)
        rig.approve(ballot)
        ends(rig, 2, ballot, "succeeded")
        assert around.page() is None
        assert not [one for one in around.home.rglob("*") if one.is_file()]
        rig.wait(lambda: "sites-enabled/site.conf" in thread(rig, ballot), "what is left over is told")

        ballot = rig.ballot(rig.command("U0ERIN", "/restore", "#2 into site-new -- the new server"))
        rig.approve(ballot, "U0BOB")
        ends(rig, 3, ballot, "succeeded")
        assert rig.wait(around.other, "the new page") == said
        assert (around.new / "uploads/2026/offer.pdf").read_bytes() == bytes(range(256))
        assert around.page() is None
