"""/teardown of a system that owns some tables of a database: whoever works in the others notices nothing."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.servers import mysql_connect
from tests.stories.engines import ENGINES
from tests.stories.rig import Rig
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

MARIADB = next(one for one in ENGINES if one.name == "MariaDB")
SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, name text);
CREATE TABLE visits (id int PRIMARY KEY, customer int REFERENCES customers (id));
CREATE TABLE shops (id int PRIMARY KEY, name text);
CREATE TRIGGER polite BEFORE INSERT ON customers FOR EACH ROW SET NEW.name = CONCAT(UPPER(LEFT(NEW.name, 1)), SUBSTR(NEW.name, 2));
INSERT INTO customers (name) VALUES ('ann'), ('bo');
INSERT INTO visits VALUES (1, 1);
INSERT INTO shops VALUES (1, 'one');
CREATE VIEW seen AS SELECT name FROM customers
"""


def asked(url: str, *statements: str) -> list[tuple[object, ...]]:
    with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def change(text: str) -> str:
    before, _, rest = text.partition("    database: {")
    text = f'{before}    database: {{url: "${{CRM_URL}}", tables: [customers, visits], csv: true}}\n{rest.partition(chr(10))[2]}'
    till = '  till:\n    database: {url: "${CRM_URL}", tables: [shops]}\n'
    return text.replace("targets:\n", f"targets:\n{till}", 1)


def ends(rig: Rig, number: int) -> str:
    return rig.wait_state(number, "succeeded", "held", "failed", "stopped")


def test_exactly_its_tables_go_and_come_back_while_the_other_system_works_on(tmp_path: Path) -> None:
    with MARIADB.database() as url:
        asked(url, *SCHEMA.split(";\n"))
        program = tmp_path / "page.py"
        program.write_text(MARIADB.program.format(url=url))
        with town(tmp_path, "1s", change=change, program=program, secrets={"CRM_URL": url}) as (rig, page):
            said = page()
            refused = rig.command("U0ALICE", "/teardown", "crm — replaced by the new CRM")
            assert "seen depends on what would go" in rig.told("U0ALICE", refused, "view")
            asked(url, "DROP VIEW seen")
            # Somebody works in the other system all the while, in one transaction.
            with closing(mysql_connect(url)) as other, other.cursor() as cursor:
                cursor.execute("START TRANSACTION")
                cursor.execute("INSERT INTO shops VALUES (2, 'two')")
                ballot = ask(rig)
                plan = thread(rig, ballot)
                for told in (": customers, visits", "uploads"):
                    assert told in plan
                rig.approve(ballot)
                assert ends(rig, 1) == "succeeded", thread(rig, ballot)
                other.commit()
            assert (page(), asked(url, "SHOW TABLES")) == (None, [("shops",)])
            again = rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- we need it after all"))
            rig.approve(again, "U0BOB")
            assert ends(rig, 2) == "succeeded", thread(rig, again)
            assert rig.wait(page, "the page is back") == said == "Ann, Bo"
            asked(url, "INSERT INTO customers (name) VALUES ('cy')")
            assert page() == "Ann, Bo, Cy"
            assert asked(url, "SELECT count(*) FROM shops") == [(2,)]
