"""Some tables of a PostgreSQL database, attacked: nothing else may go with them, nor hang on them, nor change."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets.postgresql_part_scope import Path as TablePath
from bot.targets.postgresql_part_tables import PostgresqlTablesHolding
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import is_killed
from tests.fakes.places import PartPlace
from tests.fakes.servers import postgresql_database
from tests.fakes.systems import restored

OP = "t7"
TABLES = ("public.orders", 'Sales.Line "1" y.z', "public.part_1", "public.parted", "crm.a", "crm.b")
ASIDE = '"public__countersign_t7"'
#: What belongs to the system and what does not, odd as systems are.
SCHEMA = """
CREATE EXTENSION citext SCHEMA public;
CREATE SCHEMA crm;
CREATE SCHEMA "Sales";
CREATE TABLE public.shops (id int PRIMARY KEY, name text);
INSERT INTO public.shops VALUES (1, 'one'), (2, 'two'), (3, 'unused');
CREATE TYPE crm.stage AS ENUM ('new', 'it''s won');
CREATE DOMAIN public.amount AS numeric(10, 2) DEFAULT 0 CONSTRAINT positive CHECK (VALUE >= 0);
CREATE FUNCTION crm.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changed := crm.rate(NEW.changed); RETURN NEW; END';
CREATE FUNCTION crm.rate(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE TABLE public.orders (gone int, id int GENERATED ALWAYS AS IDENTITY (START 40 INCREMENT 3) PRIMARY KEY, mail public.citext,
    stage crm.stage DEFAULT 'new', stages crm.stage[], shop int CONSTRAINT to_shop REFERENCES public.shops ON DELETE CASCADE,
    changed int DEFAULT crm.rate(1), sum public.amount, CONSTRAINT small CHECK (changed < 900));
ALTER TABLE public.orders DROP COLUMN gone;
CREATE INDEX odd ON public.orders (lower(mail::text)) WHERE changed > 1;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION crm.touch();
CREATE STATISTICS public.both_of ON stage, shop FROM public.orders;
COMMENT ON STATISTICS public.both_of IS 'counted';
COMMENT ON TABLE public.orders IS 'the orders'' \\ own';
COMMENT ON COLUMN public.orders.mail IS 'where to';
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.orders USING (mail = current_user::text);
GRANT SELECT ON public.orders TO PUBLIC;
GRANT UPDATE (stage) ON public.orders TO PUBLIC;
CREATE TABLE "Sales"."Line ""1"" y.z" ("Col ""a"" b" serial, of int REFERENCES public.orders);
CREATE TABLE "Sales".stays AS SELECT 1 AS x;
CREATE TABLE public.parted (at date, note text) PARTITION BY RANGE (at);
CREATE TABLE public.part_1 PARTITION OF public.parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE crm.a (id int PRIMARY KEY, b int);
CREATE TABLE crm.b (id int PRIMARY KEY, a int REFERENCES crm.a);
ALTER TABLE crm.a ADD CONSTRAINT circle FOREIGN KEY (b) REFERENCES crm.b DEFERRABLE INITIALLY DEFERRED;
INSERT INTO public.orders (mail, stage, stages, shop) VALUES ('A@x', 'it''s won', '{new}', 1), (E'\\'"\\\\', 'new', NULL, 2);
INSERT INTO "Sales"."Line ""1"" y.z" (of) VALUES (40);
INSERT INTO public.parted VALUES ('2026-05-05', 'may');
"""
#: Everything in the database by name, with rights, comments and definitions.
ALL = """
SELECT s::text FROM public.shops s
UNION ALL SELECT concat_ws(' ', n.nspname, c.relname, c.relacl, c.relowner::regrole, obj_description(c.oid, 'pg_class'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_toast' AND c.oid > 16384
UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, attacl, col_description(attrelid, attnum)) FROM pg_attribute
 WHERE attrelid > 16384 AND attnum > 0 AND NOT attisdropped AND attrelid::regclass::text !~ 'pg_toast'
UNION ALL SELECT concat_ws(' ', nspname, nspacl, obj_description(oid, 'pg_namespace')) FROM pg_namespace
UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.oid > 16384
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid > 16384 AND indrelid::regclass::text !~ 'pg_toast'
UNION ALL SELECT pg_get_statisticsobjdef(oid) || obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext
UNION ALL SELECT concat_ws(' ', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE oid > 16384
ORDER BY 1
"""


class Quick(PostgresqlTablesHolding):
    """Gives up soon on somebody who holds a table."""

    patience = 0.1


class Place(PartPlace):
    def rows(self) -> list[tuple[object, ...]]:
        return [
            *self.run("SELECT o::text FROM public.orders o ORDER BY id"),
            *self.run('SELECT * FROM "Sales"."Line ""1"" y.z"'),
            *self.run("SELECT * FROM public.parted"),
            *self.run("SELECT last_value, is_called FROM public.orders_id_seq"),
        ]

    def traces(self) -> list[tuple[object, ...]]:
        return self.run("SELECT nspname FROM pg_namespace WHERE nspname ~ 'countersign'")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with postgresql_database() as url:
        made = Place(url, Quick("database", "crm", url, TABLES, [str(tmp_path)]).with_csv())
        made.run(*SCHEMA.split(";\n")[:-1])
        yield made


def removed(place: Place, backup: MemoryBackup) -> None:
    place.one.set_aside(OP, backup)
    place.one.remove(OP, backup)


def test_everything_comes_back_and_nothing_outside_has_changed(place: Place) -> None:
    before, rows = place.run(ALL), place.rows()
    survey = place.one.survey()
    assert (survey.kind, survey.items) == ("database", 4)
    assert {key for key, _ in survey.warnings} == {"told.part-links", "told.part-needed"}
    backup = place.copied()
    place.one.rehearse(OP, backup)
    place.one.set_aside(OP, backup)
    place.one.verify(OP, backup)
    # Another system goes on as before: what is pointed to stays, the rest may go.
    place.run("DELETE FROM public.shops WHERE id = 3", "INSERT INTO public.shops VALUES (3, 'unused')")
    place.one.put_back(OP)
    assert place.run(ALL) == before
    place.one.set_aside(OP, backup)
    assert place.one.remove(OP, backup).removed == len(TABLES)
    assert place.traces() == []
    assert place.run('SELECT * FROM "Sales".stays') == [(1,)]
    restored(place.one, OP, backup)
    assert (place.run(ALL), place.rows()) == (before, rows)


def test_nobody_may_look_at_what_is_set_aside(place: Place) -> None:
    role = f"cs_{secrets.token_hex(4)}"
    place.run(f"CREATE ROLE {role}", f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {role}")
    try:
        place.one.set_aside(OP, place.copied())
        with psycopg.connect(place.url) as connection:
            connection.execute(f"SET ROLE {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {ASIDE}.orders".encode())
    finally:
        place.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_role_is_told_each_right_that_it_lacks_and_has_enough_with_all_of_them(place: Place) -> None:
    one, owner = (f"cs_{secrets.token_hex(4)}" for _ in range(2))
    place.run(f"CREATE ROLE {one} LOGIN", f"CREATE ROLE {owner}")
    try:
        for name in TABLES:
            place.run(f"ALTER TABLE {TablePath.of(name).written()} OWNER TO {owner}")
        place.run(f"ALTER STATISTICS public.both_of OWNER TO {owner}")
        server = place.url.rpartition("@")[2]
        mine = replace(place, one=Quick("database", "crm", f"postgresql://{one}@{server}", TABLES))
        told: list[str] = []
        while True:
            try:
                mine.one.survey()
                break
            except CannotProve as error:
                assert error.key == "whole.no-right", error
                assert len(told) < 20, told
                told.append(str(error.params["grant"]))
                place.run(told[-1])
        assert f'GRANT CREATE, USAGE ON SCHEMA public TO "{owner}"' in "; ".join(told)
        before, rows = place.run(ALL), place.rows()
        backup = mine.copied()
        mine.one.rehearse(OP, backup)
        removed(mine, backup)
        restored(mine.one, OP, backup)
        assert (place.run(ALL), place.rows()) == (before, rows)
    finally:
        place.run(*(f"DROP OWNED BY {role} CASCADE" for role in (one, owner)), f"DROP ROLE {one}, {owner}")


OUTSIDERS = {
    "a foreign key": (
        "CREATE TABLE t (x int REFERENCES public.orders)",
        "table constraint t_x_fkey",
        "TABLE t",
    ),
    "a view": ("CREATE VIEW t AS SELECT 1 FROM public.orders", "view public.t", "VIEW t"),
    "a materialised view": (
        "CREATE MATERIALIZED VIEW t AS SELECT 1 FROM public.orders",
        "materialized view public.t",
        "MATERIALIZED VIEW t",
    ),
    "a rule": (
        "CREATE RULE r AS ON INSERT TO public.shops DO ALSO UPDATE public.part_1 SET note = '1'",
        "table public.shops",
        "RULE r ON public.shops",
    ),
    "a function": (
        "CREATE FUNCTION t(public.orders) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function public.t(",
        "FUNCTION t",
    ),
    "a default": (
        "CREATE TABLE t (x int DEFAULT nextval('public.orders_id_seq'))",
        "default value for public.t.x",
        "TABLE t",
    ),
    "a column": ("CREATE TABLE t (x public.orders[])", "table public.t", "TABLE t"),
    "a policy": (
        "CREATE POLICY p ON public.shops USING (EXISTS (SELECT FROM public.part_1))",
        "policy p on public.shops",
        "POLICY p ON public.shops",
    ),
    "a table that inherits": ("CREATE TABLE t () INHERITS (public.orders)", "", "TABLE t"),
    "a partition": (
        "CREATE TABLE t PARTITION OF public.parted DEFAULT",
        "table public.t",
        "TABLE t",
    ),
    "a publication": ("CREATE PUBLICATION p FOR TABLE public.orders", "publication", "PUBLICATION p"),
    "statistics elsewhere": (
        "CREATE STATISTICS crm.t ON stage, sum FROM public.orders",
        "statistics object crm.t",
        "STATISTICS crm.t",
    ),
}


#: What is looked for once more under the lock is one question: three of its answers are enough.
LATE = ("a foreign key", "a view", "a partition")


def test_whatever_hangs_on_them_from_outside_is_named_and_keeps_everything(place: Place) -> None:
    backup = place.copied()
    for case, (statement, name, undo) in OUTSIDERS.items():
        place.run(statement)
        both = (place.one.survey, lambda: place.one.set_aside(OP, backup))
        for attempt in both if case in LATE else both[:1]:
            with pytest.raises(CannotProve, match=r"part\.hanging") as caught:
                attempt()
            assert str(caught.value.params["name"]).startswith(name), case
            assert say(caught.value.key, **caught.value.params)
        place.run(f"DROP {undo}")
    place.one.survey()


NEEDS = {
    "a parent outside": (
        "CREATE TABLE p (x int); ALTER TABLE crm.b ADD x int; ALTER TABLE crm.b INHERIT p",
        "part.lacking",
        "public.p",
    ),
    "a number of somebody else's": (
        "CREATE SEQUENCE s; ALTER TABLE crm.b ALTER id SET DEFAULT nextval('s')",
        "part.lacking",
        "sequence public.s",
    ),
    "a type that is a table": ("ALTER TABLE crm.b ADD x public.shops", "part.lacking", "shops"),
    "a view": ("DROP TABLE crm.b CASCADE; CREATE VIEW crm.b AS SELECT 1", "part.not-a-table", "crm.b"),
    "nothing": ("DROP TABLE crm.b CASCADE", "part.no-table", "crm.b"),
}


@pytest.mark.parametrize("case", NEEDS)
def test_what_cannot_go_or_come_back_alone_is_refused_by_name(place: Place, case: str) -> None:
    statements, key, name = NEEDS[case]
    place.run(*statements.split("; "))
    with pytest.raises((CannotProve, TargetDown)) as caught:
        place.one.survey()
    assert caught.value.key == key
    assert name in str(caught.value.params.get("name", ""))
    assert say(caught.value.key, **caught.value.params)


def test_one_of_our_own_books_is_enough_to_be_refused(place: Place) -> None:
    place.run(
        *(
            f"CREATE TABLE crm.{name} (x int)"
            for name in ("audit_log", "permits", "outbox", "alembic_version")
        )
    )
    with pytest.raises(CannotProve, match=r"whole\.ours"):
        Quick("database", "crm", place.url, ["crm.permits"]).survey()


EDITS = {
    "a row": "INSERT INTO {s}.orders (mail) VALUES ('late')",
    "a trigger off": "ALTER TABLE {s}.orders DISABLE TRIGGER touch",
    "a right": "GRANT SELECT ON {s}.part_1 TO PUBLIC",
    "an index": "CREATE INDEX late ON {s}.orders (stage)",
}
DRIFTS = {
    "a column": "ALTER TABLE public.orders ADD late int",
    "a foreign key": "ALTER TABLE crm.a ADD CONSTRAINT late FOREIGN KEY (b) REFERENCES public.shops",
    "a trigger": "CREATE TRIGGER late BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION crm.touch()",
    "another table of the name": "DROP TABLE crm.a CASCADE; CREATE TABLE crm.a (id int PRIMARY KEY, b int)",
}


def test_a_change_after_the_plan_is_seen(place: Place) -> None:
    identity = place.one.survey().identity
    assert place.one.survey().identity == identity
    for case, statements in DRIFTS.items():
        place.run(*statements.split("; "))
        assert place.one.survey().identity != identity, case
        identity = place.one.survey().identity


@pytest.mark.parametrize("case", ["a row", "a right", "an index"])
def test_a_change_after_the_backup_is_noticed_and_everything_returns_as_it_is(
    place: Place, case: str
) -> None:
    backup = place.copied()
    place.run(EDITS[case].format(s="public"))
    with pytest.raises(CannotProve, match="changed-since"):
        place.one.set_aside(OP, backup)
    place.one.put_back(OP)
    assert (place.one.whereabouts(OP), place.traces()) == ("in-place", [])


def test_a_change_while_they_are_set_aside_is_noticed_and_nothing_goes(place: Place) -> None:
    for case in ("a row", "a trigger off"):
        statement = EDITS[case]
        backup = place.copied()
        place.one.set_aside(OP, backup)
        place.run(statement.format(s=ASIDE))
        with pytest.raises(CannotProve, match="touched-aside"):
            place.one.remove(OP, backup)
        assert place.one.whereabouts(OP) == "set-aside", case
        place.one.put_back(OP)


def test_what_is_in_the_way_of_putting_back_is_told_and_nothing_is_lost(place: Place) -> None:
    backup, before = place.copied(), place.run(ALL)
    place.one.set_aside(OP, backup)
    for thing, key, undo in (
        (
            "CREATE INDEX orders_pkey ON public.shops (name)",
            "files.in-the-way",
            "DROP INDEX public.orders_pkey",
        ),
        (f"CREATE VIEW {ASIDE}.mine AS SELECT 1", "part.left-inside", f"DROP VIEW {ASIDE}.mine"),
        (
            'ALTER SCHEMA "Sales" RENAME TO sold',
            "part.no-schema",
            'ALTER SCHEMA sold RENAME TO "Sales"',
        ),
    ):
        place.run(thing)
        with pytest.raises(CannotProve) as caught:
            place.one.put_back(OP)
        assert caught.value.key == key
        assert say(caught.value.key, **caught.value.params)
        place.run(undo)
    place.one.put_back(OP)
    assert place.run(ALL) == before


def test_a_writer_in_between_is_waited_for_and_named_and_never_thrown_out(place: Place) -> None:
    backup = place.copied()
    with psycopg.connect(place.url) as writer:
        writer.execute("UPDATE public.orders SET mail = 'late'")
        pid = writer.info.backend_pid
        assert [user.pid for user in place.one.users(OP).users] == [pid]
        with pytest.raises(Stale, match="in-use") as caught:
            place.one.set_aside(OP, backup)
        assert caught.value.params["pid"] == pid
        writer.rollback()
    place.one.set_aside(OP, backup)


def test_what_a_restore_needs_outside_is_missed_by_name_and_nothing_is_left(place: Place) -> None:
    backup, before = place.copied(), place.run(ALL)
    removed(place, backup)
    place.run("DROP FUNCTION crm.touch")
    with pytest.raises(CannotProve, match=r"part\.gone") as caught:
        place.one.prepare("r8", backup)
    assert caught.value.params["name"] == "function crm.touch()"
    assert say(caught.value.key, **caught.value.params)
    place.run(next(line for line in SCHEMA.split(";\n") if "FUNCTION crm.touch()" in line))
    place.run("DELETE FROM public.shops WHERE id = 1")
    with pytest.raises(CannotProve, match=r"part\.link"):
        place.one.prepare("r8", backup)
    place.one.discard("r8")
    assert place.traces() == []
    place.run("INSERT INTO public.shops VALUES (1, 'one')")
    restored(place.one, "r8", backup)
    assert place.run(ALL) == before


def test_elsewhere_they_are_a_database_of_their_own_with_what_they_need(place: Place, tmp_path: Path) -> None:
    backup, name = place.copied(), f"again_{secrets.token_hex(4)}"
    restored(place.one, "r8", backup, f"{tmp_path}/{name}{place.one.home}")
    other = Place(f"{place.url.rpartition('/')[0]}/{name}", place.one)
    try:
        assert other.rows() == place.rows()
        assert other.run("SELECT count(*) FROM pg_class WHERE relname IN ('shops', 'stays')") == [(0,)]
        with pytest.raises(psycopg.errors.CheckViolation):
            other.run("INSERT INTO public.orders (sum) VALUES (-1)")
    finally:
        place.run(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_restore_cut_short_leaves_nothing(place: Place) -> None:
    backup = place.copied()
    removed(place, backup)
    whole = backup.streams["database.pgdump"]
    backup.streams["database.pgdump"] = whole[: len(whole) // 2]
    for attempt in (place.one.prepare, place.one.rehearse):
        with pytest.raises(CountersignError):
            attempt("r8", backup)
    assert place.run("SELECT count(*) FROM pg_class WHERE relname IN ('orders', 'parted')") == [(0,)]
    backup.streams["database.pgdump"] = whole
    restored(place.one, "r8", backup)


def _goes_on(work: Callable[[], object], then: Callable[[], object], stride: int = 41) -> int:
    nth = 2
    while is_killed(work, nth):
        then()
        nth += stride
    return nth


def test_each_step_may_die_before_any_statement(place: Place) -> None:
    backup, before = place.copied(), place.run(ALL)

    def back() -> None:
        place.one.put_back(OP)
        assert place.run(ALL) == before

    def again() -> None:
        place.one.set_aside(OP, backup)
        back()

    assert _goes_on(lambda: place.one.set_aside(OP, backup), again) > 9
    assert _goes_on(lambda: place.one.remove(OP, backup), lambda: place.one.verify(OP, backup)) > 9
    assert (place.one.whereabouts(OP), place.traces()) == ("gone", [])
    assert _goes_on(lambda: place.one.prepare("r8", backup), lambda: place.one.discard("r8"), 97) > 9
    place.one.appear("r8")
    assert place.run(ALL) == before
