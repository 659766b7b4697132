"""/teardown of a system that owns one schema, or one table, of a database: the other system notices nothing."""

from pathlib import Path

import psycopg
import pytest

from tests.fakes.servers import postgresql_database
from tests.stories.engines import PROGRAM
from tests.stories.rig import Rig
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

SCHEMA = """
CREATE SCHEMA crm;
CREATE SCHEMA till;
CREATE TABLE till.shops (id int PRIMARY KEY, name text);
CREATE TABLE crm.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, shop int REFERENCES till.shops);
INSERT INTO till.shops VALUES (1, 'one'), (2, 'two');
INSERT INTO crm.customers (name, shop) VALUES ('Ann', 1), ('Bo', 1);
CREATE VIEW till.seen AS SELECT name FROM crm.customers;
"""


def asked(url: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(question.encode())
        return found.fetchall() if found.description else []


def left(url: str) -> list[object]:
    assert asked(url, "SELECT count(*) FROM till.shops") == [(3,)]
    names = asked(url, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^info' ORDER BY 1")
    return [name for (name,) in names]


def change(text: str, owned: str) -> str:
    before, _, rest = text.partition("    database: {")
    text = f'{before}    database: {{url: "${{CRM_URL}}", {owned}}}\n{rest.partition(chr(10))[2]}'
    till = '  till:\n    database: {url: "${CRM_URL}", schemas: [till]}\n'
    return text.replace("targets:\n", f"targets:\n{till}", 1)


def ends(rig: Rig, number: int) -> str:
    return rig.wait_state(number, "succeeded", "held", "failed", "stopped")


#: What the plan says, and which schemas are left when it is gone.
OWNED = {
    "schemas: [crm]": (": crm", ["public", "till"]),
    "tables: [crm.customers]": (": crm.customers", ["crm", "public", "till"]),
}


@pytest.mark.parametrize("owned", OWNED)
def test_exactly_its_part_goes_and_comes_back_while_the_other_system_works_on(
    tmp_path: Path, owned: str
) -> None:
    named, stays = OWNED[owned]
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        program = tmp_path / "page.py"
        program.write_text(PROGRAM.format(url=url).replace("FROM customers", "FROM crm.customers"))
        with town(
            tmp_path,
            "1s",
            change=lambda text: change(text, owned),
            program=program,
            secrets={"CRM_URL": url},
        ) as (rig, page):
            said = page()
            refused = rig.command("U0ALICE", "/teardown", "crm — replaced by the new CRM")
            assert "view till.seen" in rig.told("U0ALICE", refused, "view")
            asked(url, "DROP VIEW till.seen")
            # Somebody works in the other system all the while, in one transaction.
            with psycopg.connect(url) as other:
                other.execute("INSERT INTO till.shops VALUES (3, 'three')")
                ballot = ask(rig)
                plan = thread(rig, ballot)
                for told in (named, "customers_shop_fkey", "uploads"):
                    assert told in plan
                other.commit()
            rig.approve(ballot)
            assert ends(rig, 1) == "succeeded", thread(rig, ballot)
            assert (page(), left(url)) == (None, stays)
            assert asked(url, "SELECT FROM pg_class WHERE relname ~ 'customers'") == []
            again = rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- we need it after all"))
            rig.approve(again, "U0BOB")
            assert ends(rig, 2) == "succeeded", thread(rig, again)
            assert rig.wait(page, "the page is back") == said == "Ann, Bo"
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                asked(url, "DELETE FROM till.shops WHERE id = 1")
