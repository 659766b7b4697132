"""/teardown of a system whose database is a whole PostgreSQL database: there and back, and away and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bot.sandbox.slack.workspace import Message
from tests.fakes.servers import postgresql_database
from tests.stories.rig import Rig
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

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
SCHEMA = """
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
QUESTIONS = (
    "SELECT * FROM customers ORDER BY id",
    "SELECT * FROM crm.deals ORDER BY id",
    "SELECT * FROM crm.won ORDER BY 1",
    "SELECT last_value FROM crm.deals_id_seq",
    "SELECT setting FROM pg_settings WHERE name = 'work_mem'",
)


def answers(url: str) -> list[object]:
    with psycopg.connect(url) as connection:
        return [connection.execute(question.encode()).fetchall() for question in QUESTIONS]


@contextmanager
def city(tmp_path: Path, grace: str) -> Iterator[tuple[Rig, Callable[[], str | None], str]]:
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
            name = url.rpartition("/")[2]
            connection.execute(f"ALTER DATABASE \"{name}\" SET work_mem TO '7MB'".encode())
        program = tmp_path / "page.py"
        program.write_text(PROGRAM.format(url=url))

        def change(text: str) -> str:
            before, _, rest = text.partition("    database: {")
            return f'{before}    database: {{url: "${{CRM_URL}}"}}\n{rest.partition(chr(10))[2]}'

        with town(tmp_path, grace, change=change, program=program, secrets={"CRM_URL": url}) as (rig, page):
            yield rig, page, url


def refuses(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


def approved(rig: Rig, number: int, ballot: Message, *who: str) -> None:
    rig.approve(ballot, *who)
    assert rig.wait_state(number, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)


def test_set_aside_with_everybody_thrown_out_and_put_back(tmp_path: Path) -> None:
    with city(tmp_path, "1h") as (rig, page, url):
        said, before = page(), answers(url)
        idle = psycopg.connect(url)
        idle.execute("SELECT 1")
        ballot = ask(rig)
        plan = thread(rig, ballot)
        for told in ("PostgreSQL cs_test_", "session is open", "2,300", "uploads"):
            assert told in plan
        rig.approve(ballot)
        assert rig.wait_state(1, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert refuses(url)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
        aside = f"{url}__countersign_t1"
        assert refuses(aside), "nobody gets into what is set aside"
        rig.command("U0ERIN", "/countersign", "put-back #1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == said
        assert answers(url) == before


def test_gone_for_good_then_back_in_its_place_and_then_beside_under_another_name(tmp_path: Path) -> None:
    with city(tmp_path, "1s") as (rig, page, url):
        said, before = page(), answers(url)
        approved(rig, 1, ask(rig))
        assert page() is None
        assert refuses(url)
        with psycopg.connect(url.rpartition("/")[0] + "/postgres") as connection:
            left = connection.execute(
                "SELECT count(*) FROM pg_database WHERE datname LIKE '%countersign\\_t1%'"
            )
            assert left.fetchone() == (0,)
        since = rig.command("U0ERIN", "/restore", "#1 -- we need it after all")
        approved(rig, 2, rig.ballot(since), "U0BOB")
        assert rig.wait(page, "the page is back") == said
        assert answers(url) == before
        again = rig.crm.parent / f"again_{url[-6:]}"
        ballot = rig.ballot(rig.command("U0ERIN", "/restore", f"#1 into {again} -- to compare"))
        assert f"PostgreSQL {again.name}" in thread(rig, ballot)
        approved(rig, 3, ballot, "U0BOB")
        beside = url.rpartition("/")[0] + f"/{again.name}"
        try:
            assert answers(beside) == before
        finally:
            with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{again.name}" WITH (FORCE)'.encode())
