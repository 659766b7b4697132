"""Some schemas of a PostgreSQL database, attacked: nothing else may go with them, nor hang on them, nor change."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote as quote_plus

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_notes import Note, beside_schema, opening_again
from bot.targets.postgresql_scripts import without
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import is_killed
from tests.fakes.places import PartPlace
from tests.fakes.servers import postgresql_database
from tests.fakes.systems import restored

OP = "t7"
ASIDE = "crm__countersign_t7"
LONG = "a_schema_with_quite_a_long_name_for_the_billing_of_one_company_"
SCHEMAS = ("crm", 'Order "x" .*', LONG)
#: What belongs to the system, odd as systems are.
SCHEMA = f"""
CREATE EXTENSION citext SCHEMA public;
CREATE SCHEMA crm;
CREATE SCHEMA "Order ""x"" .*";
CREATE SCHEMA {LONG};
COMMENT ON SCHEMA crm IS 'the customers'' \\ own';
CREATE TABLE public.shops (id int PRIMARY KEY, name text);
INSERT INTO public.shops VALUES (1, 'one'), (2, 'two'), (3, 'unused');
CREATE TYPE crm.stage AS ENUM ('new', 'won');
CREATE FUNCTION crm.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END';
CREATE FUNCTION crm.rate(crm.stage[], int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $2 + 1';
CREATE TABLE crm."select" (id int GENERATED ALWAYS AS IDENTITY (START 40 INCREMENT 3) PRIMARY KEY, mail public.citext,
    stage crm.stage DEFAULT 'new', stages crm.stage[], shop int REFERENCES public.shops, changed int DEFAULT 0);
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON crm."select" FOR EACH ROW EXECUTE FUNCTION crm.touch();
CREATE TABLE "Order ""x"" .*"."Line ""1"" y" ("Col ""a"" b" serial, of int REFERENCES crm."select", at date,
    n int DEFAULT crm.rate('{{new}}', 1)) PARTITION BY RANGE (at);
CREATE TABLE crm.part_1 PARTITION OF "Order ""x"" .*"."Line ""1"" y" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE {LONG}.secret (id int, who text);
ALTER TABLE {LONG}.secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON {LONG}.secret USING (who = current_user);
CREATE MATERIALIZED VIEW crm.m AS SELECT stage, count(*) FROM crm."select" GROUP BY 1;
CREATE VIEW crm.v AS SELECT * FROM crm.m;
INSERT INTO crm."select" (mail, stage, stages, shop) VALUES ('A@x', 'won', '{{new,won}}', 1), (E'\\'"\\\\', 'new', NULL, 2);
INSERT INTO "Order ""x"" .*"."Line ""1"" y" (of, at) VALUES (40, '2026-05-05');
INSERT INTO {LONG}.secret VALUES (1, 'nobody');
REFRESH MATERIALIZED VIEW crm.m;
"""
#: Everything outside, and how everything inside is named, described and allowed.
OUTSIDE = """
SELECT s::text FROM public.shops s
UNION ALL SELECT concat_ws(' ', n.nspname, c.relname, c.relacl) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_toast' AND c.oid > 16384
UNION ALL SELECT concat_ws(' ', n.nspname, obj_description(n.oid, 'pg_namespace'), a.grantor, a.grantee, a.privilege_type, a.is_grantable)
  FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.oid > 16384
UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
 WHERE connamespace > 16384
ORDER BY 1
"""


class Quick(SchemasHolding):
    """Gives up soon on somebody who holds a table."""

    patience = 0.1


class Place(PartPlace):
    def rows(self) -> list[tuple[object, ...]]:
        return [
            *self.run(
                'SELECT id, mail::text, stage::text, stages::text, shop, changed FROM crm."select" ORDER BY id'
            ),
            *self.run('SELECT * FROM "Order ""x"" .*"."Line ""1"" y"'),
            *self.run(f"SELECT * FROM {LONG}.secret"),
            *self.run("SELECT stage::text, count FROM crm.v ORDER BY 1"),
            *self.run('SELECT last_value, is_called FROM crm."select_id_seq"'),
        ]


@pytest.fixture
def place() -> Iterator[Place]:
    with postgresql_database() as url:
        made = Place(url, Quick("database", "crm", url, SCHEMAS))
        made.run(*SCHEMA.split(";\n")[:-1])
        yield made


@contextmanager
def roles(place: Place) -> Iterator[tuple[str, str]]:
    """Two, the second of whom may have something of the first."""
    both = tuple(f'"cs ""r"" {secrets.token_hex(4)}"' for _ in range(2))
    place.run(*(f"CREATE ROLE {one}" for one in both))
    try:
        yield both[0], both[1]
    finally:
        place.run(*(f"DROP OWNED BY {one} CASCADE" for one in both), f"DROP ROLE {', '.join(both)}")


def removed(place: Place, backup: MemoryBackup) -> None:
    place.one.set_aside(OP, backup)
    place.one.remove(OP, backup)


def test_everything_comes_back_and_nothing_outside_has_changed(place: Place) -> None:
    with roles(place) as (one, two):
        place.run(
            f"GRANT USAGE, CREATE ON SCHEMA crm TO {one} WITH GRANT OPTION",
            f"SET ROLE {one}",
            f"GRANT USAGE ON SCHEMA crm TO {two}",
            "RESET ROLE",
            f"GRANT USAGE ON SCHEMA {LONG} TO PUBLIC",
        )
        before, rows = place.run(OUTSIDE), place.rows()
        survey = place.one.survey()
        assert (survey.kind, survey.items) == ("database", 4)
        assert [key for key, _ in survey.warnings] == ["told.part-links"]
        backup = place.copied()
        place.one.rehearse(OP, backup)
        place.one.set_aside(OP, backup)
        with psycopg.connect(place.url) as connection:
            connection.execute(f"SET ROLE {two}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {ASIDE}.v".encode())
        # Another system goes on as before: what is pointed to stays, the rest may go.
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            place.run("DELETE FROM public.shops WHERE id = 1")
        place.run("DELETE FROM public.shops WHERE id = 3", "INSERT INTO public.shops VALUES (3, 'unused')")
        place.one.put_back(OP)
        assert place.run(OUTSIDE) == before
        place.one.set_aside(OP, backup)
        assert place.one.remove(OP, backup).removed == 3
        assert place.run("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'countersign'") == [(0,)]
        place.run("DELETE FROM public.shops WHERE id = 3", "INSERT INTO public.shops VALUES (3, 'unused')")
        restored(place.one, OP, backup)
        assert place.rows() == rows
        assert place.run(OUTSIDE) == before


def test_a_role_is_told_each_right_that_it_lacks_and_has_enough_with_all_of_them(place: Place) -> None:
    with roles(place) as (one, owner):
        place.run(f"ALTER ROLE {one} LOGIN")
        for schema in ("crm", '"Order ""x"" .*"', LONG):
            place.run(f"ALTER SCHEMA {schema} OWNER TO {owner}")
        for kind, name in place.run(OWNED):
            place.run(f"ALTER {kind} {name} OWNER TO {owner}")
        server = place.url.rpartition("@")[2]
        user = quote_plus(one.strip('"').replace('""', '"'))
        mine = replace(
            place, one=Quick("database", "crm", f"postgresql://{user}@{server}", SCHEMAS).with_csv()
        )
        with pytest.raises(RightsMissing, match=r"whole\.no-right") as caught:
            mine.one.survey()
        told = caught.value.grants
        place.run(*told)
        mine.one.survey()
        assert [grant.split(" ")[:2] for grant in told] == [
            ["GRANT", owner.split(" ")[0]],
            ["ALTER", "ROLE"],
            ["GRANT", "CREATE"],
            ["GRANT", "REFERENCES"],
        ]
        before, rows = place.run(OUTSIDE), place.rows()
        backup = mine.copied()
        mine.one.rehearse(OP, backup)
        mine.one.set_aside(OP, backup)
        mine.one.verify(OP, backup)
        mine.one.put_back(OP)
        assert place.run(OUTSIDE) == before
        removed(mine, backup)
        restored(mine.one, OP, backup)
        assert (place.run(OUTSIDE), place.rows()) == (before, rows)


OWNED = """
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_|^info|^public' AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^pg_|^info|^public'
UNION ALL SELECT 'TYPE', 'crm.stage'
"""
OUTSIDERS = {
    "a foreign key": (
        'CREATE TABLE public.t (x int REFERENCES {crm}."select")',
        "table constraint t_x_fkey on public.t",
    ),
    "a view": ("CREATE VIEW public.t AS SELECT 1 FROM {crm}.m", "view public.t"),
    "a rule": (
        "CREATE RULE r AS ON INSERT TO public.shops DO ALSO UPDATE {crm}.part_1 SET n = 1",
        "table public.shops",
    ),
    "a function": (
        "CREATE FUNCTION public.t({crm}.stage) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function public.t(",
    ),
    "a default": (
        "CREATE TABLE public.t (x int DEFAULT nextval('{crm}.select_id_seq'))",
        "default value for public.t.x",
    ),
    "a column": ("CREATE TABLE public.t (x {crm}.stage)", "table public.t"),
    "a trigger": (
        "CREATE TRIGGER t BEFORE INSERT ON public.shops FOR EACH ROW EXECUTE FUNCTION {crm}.touch()",
        "trigger t on public.shops",
    ),
    "a policy": (
        "CREATE POLICY p ON public.shops USING (EXISTS (SELECT FROM {crm}.part_1))",
        "policy p on public.shops",
    ),
    "a table that inherits": (
        'CREATE TABLE public.t () INHERITS ({crm}."select")',
        "default value for public.t.",
    ),
    "a publication": ("CREATE PUBLICATION p FOR TABLE {crm}.part_1", "publication"),
    "a cast": ("CREATE CAST ({crm}.stage AS int) WITH INOUT AS ASSIGNMENT", "cast"),
}


def test_whatever_hangs_on_them_from_outside_is_named_and_keeps_everything(place: Place) -> None:
    backup = place.copied()
    for case, (statement, name) in OUTSIDERS.items():
        with psycopg.connect(place.url) as connection:
            connection.execute(statement.format(crm="crm").encode())
            connection.commit()
            try:
                for attempt in (place.one.survey, lambda: place.one.set_aside(OP, backup)):
                    with pytest.raises(CannotProve, match=r"part\.hanging") as caught:
                        attempt()
                    assert str(caught.value.params["name"]).startswith(name), case
                    assert say(caught.value.key, **caught.value.params)
            finally:
                connection.execute(
                    b"DROP VIEW IF EXISTS public.t"
                    if case == "a view"
                    else b"DROP FUNCTION IF EXISTS public.t"
                )
                for undo in (
                    *(("DROP TABLE IF EXISTS public.t",) if case not in ("a view", "a function") else ()),
                    "DROP RULE IF EXISTS r ON public.shops",
                    "DROP TRIGGER IF EXISTS t ON public.shops",
                    "DROP POLICY IF EXISTS p ON public.shops",
                    "DROP PUBLICATION IF EXISTS p",
                    "DROP CAST IF EXISTS (crm.stage AS int)",
                ):
                    connection.execute(undo.encode())
    place.one.survey()


@pytest.mark.parametrize("case", ["a view", "a foreign key", "a function"])
def test_what_was_made_while_they_were_set_aside_keeps_them(place: Place, case: str) -> None:
    backup, rows = place.copied(), place.rows()
    place.one.set_aside(OP, backup)
    statement, name = OUTSIDERS[case]
    place.run(statement.format(crm=ASIDE))
    for attempt in (place.one.verify, place.one.remove):
        with pytest.raises(CannotProve, match=r"part\.hanging|touched-aside") as caught:
            attempt(OP, backup)
    # A foreign key leaves its mark on the table it points to as well.
    assert case == "a foreign key" or str(caught.value.params["name"]).startswith(name)
    place.one.put_back(OP)
    assert place.rows() == rows


NEEDS = {
    "a view of an outside table": (
        "CREATE VIEW crm.w AS SELECT * FROM public.shops",
        "part.lacking",
        "shops",
    ),
    "a type of the outside": (
        "CREATE TYPE public.kind AS ENUM ('a'); CREATE TABLE crm.w (x public.kind[])",
        "part.lacking",
        "kind",
    ),
    "a parent outside": (
        "CREATE TABLE public.p (x int); CREATE TABLE crm.w () INHERITS (public.p)",
        "part.lacking",
        "public.p",
    ),
    "an extension inside": ("CREATE EXTENSION pg_trgm SCHEMA crm", "part.member", "pg_trgm"),
    "a comment at a foreign key to the outside": (
        "COMMENT ON CONSTRAINT select_shop_fkey ON crm.\"select\" IS 'x'",
        "part.lacking",
        "select_shop_fkey",
    ),
    "our own books": (
        "; ".join(
            f"CREATE TABLE crm.{name} (x int)"
            for name in ("audit_log", "permits", "outbox", "alembic_version")
        ),
        "whole.ours",
        "",
    ),
}


@pytest.mark.parametrize("case", NEEDS)
def test_what_no_restore_could_bring_back_is_refused_by_name(place: Place, case: str) -> None:
    statement, key, name = NEEDS[case]
    place.run(*statement.split("; "))
    with pytest.raises(CannotProve) as caught:
        place.one.survey()
    assert caught.value.key == key
    assert name in str(caught.value.params.get("name", ""))
    assert say(caught.value.key, **caught.value.params)


EDITS = {
    "a row": "INSERT INTO {crm}.\"select\" (mail) VALUES ('late')",
    "a number taken": "SELECT nextval('{crm}.select_id_seq')",
    "a table more": "CREATE TABLE {crm}.late (x int)",
    "a column more": "ALTER TABLE {crm}.part_1 SET (fillfactor = 50)",
    "another function": "CREATE OR REPLACE FUNCTION {crm}.rate({crm}.stage[], int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 9'",
    "a right": "GRANT SELECT ON {crm}.part_1 TO PUBLIC",
    "a word more": "ALTER TYPE {crm}.stage ADD VALUE 'lost'",
}


@pytest.mark.parametrize("case", ["a row", "a table more", "another function"])
def test_a_change_after_the_backup_is_noticed_and_everything_returns_as_it_is(
    place: Place, case: str
) -> None:
    identity = place.one.survey().identity
    backup = place.copied()
    place.run(EDITS[case].format(crm="crm"))
    assert (place.one.survey().identity != identity) is (case == "a table more")
    with pytest.raises(CannotProve, match="changed-since"):
        place.one.set_aside(OP, backup)
    place.one.put_back(OP)
    assert place.one.whereabouts(OP) == "in-place"


def test_a_change_while_they_are_set_aside_is_noticed_and_nothing_goes(place: Place) -> None:
    backup = place.copied()
    place.one.set_aside(OP, backup)
    for case, statement in EDITS.items():
        with psycopg.connect(place.url) as connection:
            connection.execute(statement.format(crm=ASIDE).encode())
        with pytest.raises(CannotProve, match="touched-aside"):
            place.one.remove(OP, backup)
        assert place.one.whereabouts(OP) == "set-aside", case
        place.one.put_back(OP)
        backup = place.copied()
        place.one.set_aside(OP, backup)


def test_a_writer_in_between_is_waited_for_and_named_and_never_thrown_out(place: Place) -> None:
    backup, rows = place.copied(), place.rows()
    with psycopg.connect(place.url) as writer:
        writer.execute("INSERT INTO crm.\"select\" (mail) VALUES ('late')")
        pid = writer.info.backend_pid
        assert [user.pid for user in place.one.users(OP).users] == [pid]
        with pytest.raises(Stale, match="in-use") as caught:
            place.one.set_aside(OP, backup)
        assert caught.value.params["pid"] == pid
        assert place.one.whereabouts(OP) == "in-place"
        writer.rollback()
    assert place.rows()[:-1] == rows[:-1], "the writer's number is taken, and nothing else is"


def test_a_foreign_key_whose_outside_is_gone_refuses_the_restore_and_leaves_nothing(place: Place) -> None:
    backup = place.copied()
    removed(place, backup)
    place.run("DELETE FROM public.shops WHERE id = 1")
    with pytest.raises(CannotProve, match=r"part\.link") as caught:
        place.one.prepare("r8", backup)
    assert caught.value.params["name"] == "select_shop_fkey"
    place.one.discard("r8")
    assert place.run("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'countersign'") == [(0,)]
    place.run("INSERT INTO public.shops VALUES (1, 'one')")
    restored(place.one, "r8", backup)


def test_elsewhere_they_are_a_database_of_their_own_with_what_extensions_they_need(
    tmp_path: Path,
) -> None:
    with postgresql_database() as url:
        place = Place(url, Quick("database", "crm", url, SCHEMAS, [str(tmp_path)]))
        place.run(*SCHEMA.split(";\n")[:-1])
        backup, name = place.copied(), f"again_{secrets.token_hex(4)}"
        into = f"{tmp_path}/{name}{place.one.home}"
        assert place.one.destination(into) == f"PostgreSQL {name}"
        restored(place.one, "r8", backup, into)
        other = Place(f"{url.rpartition('/')[0]}/{name}", place.one)
        try:
            assert other.rows() == place.rows()
            assert other.run("SELECT count(*) FROM pg_class WHERE relname = 'shops'") == [(0,)]
        finally:
            place.run(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_restore_cut_short_leaves_nothing(place: Place) -> None:
    backup = place.copied()
    removed(place, backup)
    whole = backup.streams["database.pgdump"]
    for cut in (len(whole) // 2, len(whole) - 9):
        backup.streams["database.pgdump"] = whole[:cut]
        for attempt in (place.one.prepare, place.one.rehearse):
            with pytest.raises(CountersignError):
                attempt("r8", backup)
    assert place.run("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'crm'") == [(0,)]
    backup.streams["database.pgdump"] = whole
    restored(place.one, "r8", backup)


def test_a_schema_that_is_missing_or_was_made_again_is_told(place: Place) -> None:
    backup = place.copied()
    place.run(f"ALTER SCHEMA {LONG} RENAME TO other", f"CREATE SCHEMA {LONG}")
    with pytest.raises(CannotProve, match="another-folder"):
        place.one.set_aside(OP, backup)
    place.run(f"DROP SCHEMA {LONG}")
    with pytest.raises(TargetDown, match="missing") as caught:
        place.one.survey()
    assert LONG in str(caught.value.params["path"])


def test_a_database_that_another_system_owns_too_is_refused(place: Place) -> None:
    other = place.url.replace("127.0.0.1", "localhost")
    with pytest.raises(CannotProve, match=r"whole\.shared"):
        Quick("database", "crm", place.url, SCHEMAS, (), {"shop": other}).survey()


def test_functions_that_only_mention_them_and_large_objects_are_told(place: Place) -> None:
    place.run(
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT 1 FROM crm . v); END'",
        "SELECT lo_from_bytea(0, 'x')",
    )
    told = dict(place.one.survey().warnings)
    assert told["told.part-mentions"]["name"] == "public.f()"
    assert "told.part-large" in told


# kill -9 before each statement

STRIDE = 1 if os.environ.get("KILL_MATRIX") == "all" else 9


def _goes_on(work: Callable[[], object], then: Callable[[], object], stride: int = STRIDE) -> int:
    nth = 2
    while is_killed(work, nth):
        then()
        nth += stride
    return nth


def test_setting_aside_and_putting_back_may_die_before_any_statement(place: Place) -> None:
    backup, before = place.copied(), place.run(OUTSIDE)

    def back() -> None:
        place.one.put_back(OP)
        assert place.run(OUTSIDE) == before

    def again() -> None:
        place.one.set_aside(OP, backup)
        back()

    assert _goes_on(lambda: place.one.set_aside(OP, backup), again) > 9
    back()
    place.one.set_aside(OP, backup)

    def back_and_aside() -> None:
        back()
        place.one.set_aside(OP, backup)

    assert _goes_on(lambda: place.one.put_back(OP), back_and_aside) > 9


def test_a_removal_and_a_restore_may_die_before_any_statement(place: Place) -> None:
    backup, before = place.copied(), place.run(OUTSIDE)
    place.one.set_aside(OP, backup)
    assert _goes_on(lambda: place.one.remove(OP, backup), lambda: place.one.verify(OP, backup)) > 9
    assert place.one.whereabouts(OP) == "gone"

    def bring() -> None:
        restored(place.one, "r8", backup)

    def discard() -> None:
        place.one.discard("r8")
        assert place.one.whereabouts("r8") in ("gone", "in-place")

    assert _goes_on(lambda: place.one.prepare("r8", backup), discard, 3 * STRIDE - 2) > 9
    discard()
    bring()
    assert place.run(OUTSIDE) == before


# pure

GRANTS = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["", "a", "b", "c"]),
    st.sampled_from(["USAGE", "CREATE"]),
    st.booleans(),
)


@given(st.lists(GRANTS, max_size=6), st.none() | st.text(), st.text())
def test_a_note_reads_as_it_was_written_and_nothing_else_is_one(
    grants: list[tuple[str, str, str, bool]], comment: str | None, other: str
) -> None:
    note = Note(tuple(grants), comment, {"x": 7})
    assert Note.of(note.written()) == note
    assert Note.of("countersign " + other) is None or other.startswith("{")
    given_back = [
        one for one in opening_again("a", "b", note, (), {"a", "b", "c"}) if one.startswith("GRANT")
    ]
    assert len(given_back) == len(grants)


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40), st.sampled_from(["", "_new"]))
def test_names_beside_fit_and_keep_schemas_apart(one: str, other: str, end: str) -> None:
    try:
        names = {name: beside_schema(name, f"__countersign_t42{end}") for name in (one, other)}
    except UnicodeEncodeError:
        return
    assert all(len(name.encode()) <= 63 for name in names.values())
    assert len(set(names.values())) == len(names)


def test_of_a_table_of_contents_only_those_foreign_keys_go() -> None:
    lines = [
        "; Archive created",
        "3; 2606 7 FK CONSTRAINT crm a b owner",
        "4; 2606 8 FK CONSTRAINT crm a b owner",
        "5; 2606 7 CONSTRAINT crm FK 7",
    ]
    assert without(lines, {7}) == [lines[0], *lines[2:]]
