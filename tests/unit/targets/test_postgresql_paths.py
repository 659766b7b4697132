"""Functions and event triggers that only a restore stumbles over, found before the services stop."""

import tempfile
from collections.abc import Iterator

import psycopg
import pytest

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.postgresql_bodies import named
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_tables import PostgresqlTablesHolding
from bot.targets.postgresql_programs import judge
from bot.targets.postgresql_scripts import events_last
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.system import Holding
from bot.texts import languages, say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import postgresql_database

OP = "t7"
SCHEMA = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.lookup (n int)",
    "INSERT INTO app.lookup VALUES (3)",
    "CREATE TABLE app.t (id int PRIMARY KEY, x text)",
    "INSERT INTO app.t VALUES (1, 'a')",
    "CREATE FUNCTION app.f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.upper($1)'",
    "CREATE FUNCTION app.sql(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT f($1)'",
    """CREATE FUNCTION app.pl(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
       'BEGIN RETURN $1 || (SELECT max(n) FROM lookup); END'""",
    "CREATE FUNCTION app.fine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN app.f($1); END'",
    "CREATE INDEX fine ON app.t (app.fine(x))",
)
NEEDS = {
    "an index": ("CREATE INDEX bad ON app.t (app.sql(x))", "app.bad", "f"),
    "a part of an index": ("CREATE INDEX bad ON app.t (id) WHERE app.pl(x) <> ''", "app.bad", "lookup"),
    "a check": ("ALTER TABLE app.t ADD CONSTRAINT bad CHECK (app.pl(x) <> 'q')", "bad", "lookup"),
    "a column": ("ALTER TABLE app.t ADD bad text GENERATED ALWAYS AS (app.pl(x)) STORED", "bad", "lookup"),
    "a view below": (
        "CREATE VIEW app.v AS SELECT app.pl(x) FROM app.t; CREATE MATERIALIZED VIEW app.bad AS SELECT * FROM app.v",
        "app.bad",
        "lookup",
    ),
}
FORBIDS = """CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS
'BEGIN IF tg_tag NOT LIKE ''%EVENT TRIGGER'' THEN RAISE EXCEPTION ''secret''; END IF; END'"""
TRIGGER = "CREATE EVENT TRIGGER cs_no ON ddl_command_start EXECUTE FUNCTION public.no()"


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c search_path=app,public") as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql_database() as made:
        run(made, *SCHEMA)
        yield made
        run(made, "DROP EVENT TRIGGER IF EXISTS cs_no")


def copied(one: Holding) -> MemoryBackup:
    backup = MemoryBackup()
    one.copy(backup)
    return backup.sealed()


def holdings(url: str, *, view: bool) -> list[Holding]:
    tables = [] if view else [PostgresqlTablesHolding("database", "crm", url, ["app.t"])]
    return [
        PostgresqlHolding("database", "crm", url),
        SchemasHolding("database", "crm", url, ["app"]),
        *tables,
    ]


@pytest.mark.parametrize("case", NEEDS)
def test_a_function_without_its_path_is_refused_while_planning_and_the_statement_helps(
    url: str, case: str
) -> None:
    statement, name, names = NEEDS[case]
    run(url, *statement.split("; "))
    for one in holdings(url, view=case == "a view below"):
        with pytest.raises(CannotProve) as caught:
            one.survey()
        told = caught.value.params
        assert (told["name"], told["names"]) == (name, names)
        assert all(str(told["statement"]) in say(caught.value.key, one, **told) for one in languages())
    run(url, str(told["statement"]))
    whole = PostgresqlHolding("database", "crm", url)
    whole.survey()
    whole.rehearse(OP, copied(whole))


def test_what_others_keep_forbids_nothing_of_ours(url: str) -> None:
    run(url, "CREATE SCHEMA other", "CREATE TABLE other.t (x text)", "CREATE INDEX ON other.t (app.sql(x))")
    with pytest.raises(CannotProve, match=r"whole\.path-index"):
        PostgresqlHolding("database", "crm", url).survey()
    # The function hangs on the schema, which is told; its path is no matter of this table.
    PostgresqlTablesHolding("database", "crm", url, ["app.t"]).survey()


BODIES = {
    "SELECT f($1)": [("f", "f")],
    "SELECT app.f($1)": [],
    'SELECT "F x" ($1), F(1)': [("f", "F x"), ("f", "f")],
    "SELECT 1 -- FROM lookup\n /* JOIN lookup */ || 'FROM lookup'": [],
    "WITH lookup AS (SELECT 1) SELECT * FROM lookup": [],
    "UPDATE ONLY Lookup SET n = 1": [("r", "lookup")],
    "INSERT INTO lookup VALUES (f(1))": [("f", "f"), ("r", "lookup")],
    "SET LOCAL search_path = app; SELECT f($1)": [],
    "SELECT x.f FROM app.lookup x": [],
    'SELECT * FROM "app"."lookup" JOIN app.t ON f = 1': [],
}


@pytest.mark.parametrize("text", BODIES)
def test_what_a_text_names_without_a_schema(text: str) -> None:
    assert [one for one in named(text) if one[1] in ("f", "F x", "lookup")] == BODIES[text]


def test_an_event_trigger_that_forbids_everything_comes_back_after_the_views(url: str) -> None:
    run(url, "CREATE MATERIALIZED VIEW app.m AS SELECT * FROM app.t", FORBIDS, TRIGGER)
    run(url, "COMMENT ON EVENT TRIGGER cs_no IS 'nobody'")
    one = PostgresqlHolding("database", "crm", url)
    one.survey()
    backup = copied(one)
    one.rehearse(OP, backup)
    one.set_aside(OP, backup)
    one.remove(OP, backup)
    one.prepare("t8", backup)
    one.appear("t8")
    with pytest.raises(psycopg.errors.RaiseException):
        run(url, "CREATE TABLE app.more (x int)")


def test_only_event_triggers_change_their_place() -> None:
    lines = [
        "; a head",
        "3206; 3466 16404 EVENT TRIGGER - cs_no me",
        "3354; 0 1 MATERIALIZED VIEW DATA app m me",
    ]
    assert list(events_last(lines)) == [lines[0], lines[2], lines[1]]
    assert not events_last(lines[:2])
    assert not events_last(["3354; 0 1 TABLE app EVENT TRIGGER me"])


def test_an_event_trigger_beside_schemas_is_told_and_its_no_is_named(url: str) -> None:
    run(url, FORBIDS, TRIGGER)
    one = SchemasHolding("database", "crm", url, ["app"])
    assert [key for key, params in one.survey().warnings if params["name"] == "cs_no"] == [
        "told.event-triggers"
    ]
    backup = copied(one)
    one.rehearse(OP, backup)
    with pytest.raises(CountersignError) as caught:
        one.set_aside(OP, backup)
    said = say(caught.value.key, **caught.value.params)
    assert "public.no" in said
    assert "secret" not in said
    one.put_back(OP)
    run(url, "ALTER EVENT TRIGGER cs_no DISABLE")
    assert not one.survey().warnings


def test_a_role_that_could_not_make_event_triggers_again_is_told_while_planning(url: str) -> None:
    run(url, FORBIDS, TRIGGER, "ALTER EVENT TRIGGER cs_no DISABLE", "DROP ROLE IF EXISTS cs_no_super")
    run(url, "CREATE ROLE cs_no_super LOGIN CREATEDB", "GRANT pg_signal_backend TO cs_no_super")
    database = url.rpartition("/")[2]
    try:
        run(url, f'ALTER DATABASE "{database}" OWNER TO cs_no_super')
        mine = f"postgresql://cs_no_super@{url.rpartition('@')[2]}"
        with pytest.raises(CannotProve) as caught:
            PostgresqlHolding("database", "crm", mine).survey()
        assert caught.value.key == "whole.event-trigger"
        assert "cs_no_super" in say(caught.value.key, **caught.value.params)
    finally:
        run(url, f'ALTER DATABASE "{database}" OWNER TO postgres', "DROP ROLE cs_no_super")


SAID = {
    "pg_restore: error: could not execute query: ERROR:  no\nCONTEXT:  PL/pgSQL function app.no() line 1 at RAISE\n"
    "Command was: REFRESH MATERIALIZED VIEW app.m;\n": ("REFRESH MATERIALIZED VIEW app.m", 1, "app.no"),
    'pg_restore: error: COPY failed for table "t t": ERROR:  no\nCONTEXT:  COPY t, line 1: "1 secret"': (
        'COPY "t t"',
        1,
        None,
    ),
    "psql:<stdin>:5: ERROR:  42883: no secret(text)\nSTATEMENT:  CREATE INDEX gx ON app.t (app.g('secret'));": (
        "CREATE INDEX gx",
        "42883",
        None,
    ),
    "ERROR:  23514: row secret\nDETAIL:  Failing row (STATEMENT: secret)\nSTATEMENT:  COPY app.t (id, x) FROM stdin;": (
        "COPY app.t",
        "23514",
        None,
    ),
    "psql: secret": ("-", 1, None),
}


@pytest.mark.parametrize("said", SAID)
def test_what_a_program_says_is_told_without_a_value(said: str) -> None:
    kind, code, function = SAID[said]
    with tempfile.TemporaryFile() as complaints:
        complaints.write(said.encode())
        complaints.flush()
        with pytest.raises(TargetDown) as caught:
            judge("psql", 1, complaints.fileno(), "crm")
    told = caught.value.params
    assert (told["kind"], told["code"], told.get("function")) == (kind, code, function)
    assert "secret" not in say(caught.value.key, **told)
