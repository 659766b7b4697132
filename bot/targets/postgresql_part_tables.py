"""Some tables of a PostgreSQL database as a holding: moved into a closed schema of our own beside theirs.

As ``postgresql_part`` has it for schemas, apart from where they lie: the schema they come from belongs to
others too. In the backup: ``<name>.pgdump`` (these tables alone) and ``<name>.tables.json``.
"""

from collections.abc import Collection, Mapping, Sequence

import psycopg

from bot.errors import CannotProve, TargetDown
from bot.targets import postgresql_part_questions as queries
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_facts import PartFacts, about
from bot.targets.postgresql_part_moves import Part, keepers, run
from bot.targets.postgresql_part_notes import Link, Note, beside_schema, noting
from bot.targets.postgresql_part_scope import (
    GIVEN,
    KINDS,
    NUMBERS,
    THERE,
    Path,
    Statistics,
    Tables,
    statistics,
)
from bot.targets.postgresql_sql import quote


class TablesPart(Part):
    """Some tables of the database of a connection; numbers are ``Tables``."""

    def numbers(self, connection: Connection, names: Collection[str]) -> Mapping[str, int]:
        """See ``Part``; whatever has one of these names."""
        return dict(connection.execute(NUMBERS, (list(names),)).fetchall())

    def close(self, connection: Connection, known: Mapping[str, int], into: Mapping[str, str]) -> None:
        """See ``Part``."""

        def work() -> None:
            self.lock(connection, known, "ACCESS EXCLUSIVE")
            if self.numbers(connection, known) != known:
                raise CannotProve("files.another-folder", path=self.place)
            self.require_alone(connection, known)
            links = connection.execute(queries.links(known).encode()).fetchall()
            keep = keepers(connection, {Link(*one).owner for one in links})
            found = [Statistics(*one) for one in connection.execute(statistics(known).encode())]
            run(connection, closing(into, found, keep, given(connection)))

        self.patiently(connection, known, work)

    def open(self, connection: Connection, known: Mapping[str, int], from_: Mapping[str, str]) -> None:
        """See ``Part``."""

        def work() -> None:
            for now in {Path.of(one).schema for one in from_.values()}:
                self.note(connection, now)
            self.lock(connection, known, "ACCESS EXCLUSIVE")
            found = [Statistics(*one) for one in connection.execute(statistics(known).encode())]
            try:
                run(connection, _moves(from_, found, back=True))
                run(connection, [f"DROP SCHEMA {quote(one)}" for one in sorted(_schemas(from_))])
            except psycopg.errors.InvalidSchemaName:
                raise CannotProve("part.no-schema", path=self.place) from None
            except psycopg.errors.DependentObjectsStillExist:
                raise CannotProve("part.left-inside", path=self.place, name=min(_schemas(from_))) from None

        self.patiently(connection, known, work)

    def away(self, connection: Connection, known: Mapping[str, int]) -> None:
        """See ``Part``; one statement: they may depend on each other in circles, and nothing else on them."""
        found = connection.execute(queries.relations(known, "rp").encode()).fetchall()
        schemas = connection.execute(_LIE_IN, (list(known.values()),)).fetchall()
        connection.execute(f"DROP TABLE {', '.join(name for _, name in found)}".encode())
        for (one,) in schemas:
            # Ours are marked; where tables are at home, their schema stays.
            if Note.of(about(connection, one)[1]) is not None:
                connection.execute(f"DROP SCHEMA {quote(one)}".encode())


def closing(
    into: Mapping[str, str], found: Sequence[Statistics], keep: Collection[str], given: Sequence[str]
) -> Sequence[str]:
    """Tables go into schemas of our own, made for them, that nobody may use but those in ``keep``. Pure.

    ``into``: where each goes; ``found``: their statistics; ``given``: who may use a schema that we make.
    """
    made = sorted(_schemas(into))
    return [
        *(f"CREATE SCHEMA {quote(one)}" for one in made),
        *(f"REVOKE ALL ON SCHEMA {quote(one)} FROM {role}" for one in made for role in given),
        *_moves(into, found),
        *(f"GRANT USAGE ON SCHEMA {quote(one)} TO {quote(role)}" for one in made for role in sorted(keep)),
        *(noting(one, Note((), None)) for one in made),
    ]


def _moves(into: Mapping[str, str], found: Sequence[Statistics], *, back: bool = False) -> Sequence[str]:
    pairs = [(Path.of(home), Path.of(away)) for home, away in into.items()]
    schemas = {home.schema: away.schema for home, away in pairs}
    tables = [(away, home.schema) if back else (home, away.schema) for home, away in pairs]
    ends = [(schemas[one.schema], one.schema)[:: 1 if back else -1] for one in found]
    return [
        *(f"ALTER TABLE {now.written()} SET SCHEMA {quote(then)}" for now, then in tables),
        *(
            f"ALTER STATISTICS {quote(now)}.{quote(one.name)} SET SCHEMA {quote(then)}"
            for one, (now, then) in zip(found, ends, strict=True)
        ),
    ]


def _schemas(called: Mapping[str, str]) -> set[str]:
    return {Path.of(one).schema for one in called.values()}


def given(connection: Connection) -> Sequence[str]:
    """Who may use a schema as soon as we make one, as SQL has them."""
    return [quote(name) if name else "PUBLIC" for (name,) in connection.execute(GIVEN).fetchall()]


class PostgresqlTablesHolding(SchemasHolding):
    """Some tables of a PostgreSQL database that belongs to others too; see ``SchemasHolding``.

    ``schemas``: their names, as ``schema.table``.
    """

    _own, _ends = "only", "tables.json"
    _acts = TablesPart

    def _options(self) -> Sequence[str]:
        return [f"--table={Path.of(one).written()}" for one in self._schemas]

    def _numbers(self, connection: Connection, now: Mapping[str, str] | None = None) -> Mapping[str, int]:
        return Tables(super()._numbers(connection, now))

    def _aside(self, operation: str) -> Mapping[str, str]:
        return {one: _beside(one, f"__countersign_{operation}") for one in self._schemas}

    def _ready(self, operation: str) -> Mapping[str, str]:
        return {one: _beside(one, f"__countersign_{operation}_new") for one in self._schemas}

    def _here(self, connection: Connection) -> Mapping[str, int]:
        known = self._numbers(connection)
        for name in self._schemas:
            if name not in known:
                raise TargetDown("part.no-table", database=self._database, name=name)
        for name, kind in connection.execute(KINDS, (list(known.values()),)).fetchall():
            if kind not in ("r", "p"):
                raise CannotProve("part.not-a-table", database=self._database, name=name)
        return known

    def _noted(self, connection: Connection, operation: str) -> tuple[str, Note]:
        called = self._aside(operation)
        there = self._numbers(connection, called)
        first = next((Path.of(called[name]).schema for name in self._schemas if name in there), None)
        if first is None:
            raise CannotProve("files.not-set-aside", path=self._place)
        return first, self._part.note(connection, first)

    def _closing(self, connection: Connection, wanted: PartFacts, ready: Mapping[str, str]) -> Sequence[str]:
        there = {name for (name,) in connection.execute(_SCHEMAS)}
        if not _schemas({one: one for one in self._schemas}) <= there:
            raise CannotProve("part.no-schema", path=self._place)
        gone = {one.name for one in wanted.needed} - {name for (name,) in connection.execute(THERE)}
        if gone:
            raise CannotProve("part.gone", path=self._place, name=min(gone), n=len(gone))
        keep = keepers(connection, {one.owner for one in wanted.links})
        made = [statement for one in wanted.statistics for statement in one.making()]
        return [*made, *closing(ready, wanted.statistics, keep, given(connection))]

    def _ground(self, connection: Connection, wanted: PartFacts) -> Sequence[str]:
        super()._ground(connection, wanted)
        connection.execute("SET check_function_bodies = off")
        roles = {name for (name,) in connection.execute(_MAY_ACT_FOR)}
        for one in wanted.needed:
            run(connection, one.making(roles))
        for schema in sorted({Path.of(one).schema for one in self._schemas}):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
        for owner, schema in wanted.owners:
            connection.execute(f"GRANT CREATE, USAGE ON SCHEMA {quote(schema)} TO {quote(owner)}".encode())
        return [statement for one in wanted.statistics for statement in one.making()]

    def _schema_of(self, link: Link, ready: Mapping[str, str]) -> str:
        return Path.of(ready[str(Path(link.schema, link.table))]).schema


def _beside(path: str, suffix: str) -> str:
    home = Path.of(path)
    return str(Path(beside_schema(home.schema, suffix), home.table))


_LIE_IN = """
SELECT DISTINCT s.nspname::text FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])
"""
_MAY_ACT_FOR = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(oid, 'USAGE')"
_SCHEMAS = "SELECT nspname::text FROM pg_catalog.pg_namespace"
