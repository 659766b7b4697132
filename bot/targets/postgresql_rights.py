"""What our user may not do, as the statements that would allow it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bot.targets import postgresql_sequences as sequences
from bot.targets.base import Need
from bot.targets.postgresql_sql import Relation, quote

#: Runs a query; the database's answers come as texts.
Execute = Callable[[str, Sequence[str | int]], Any]


def missing_rights(execute: Execute, needs: Iterable[tuple[Need, Relation]]) -> tuple[str, ...]:
    """Each statement once, in the order in which they must be run."""
    user, database, temporary = _row(
        execute,
        "SELECT current_user, pg_catalog.current_database(),"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP')",
    )
    found: list[str] = []
    if temporary != "t":
        found.append(f"GRANT TEMPORARY ON DATABASE {quote(database)} TO {quote(user)}")
    for need, relation in needs:
        found += _of_table(execute, user, need, relation)
    return tuple(dict.fromkeys(found))


def _of_table(execute: Execute, user: str, need: Need, relation: Relation) -> Iterator[str]:
    usage, hidden = _row(
        execute,
        "SELECT pg_catalog.has_schema_privilege($1, 'USAGE'), pg_catalog.row_security_active($2::oid)",
        relation.schema,
        relation.oid,
    )
    if usage != "t":
        yield f"GRANT USAGE ON SCHEMA {quote(relation.schema)} TO {quote(user)}"
    missing = [right for right in _wanted(need) if not _may(execute, relation, right)]
    if need.deletes and not _may_lock(execute, relation):
        missing.append("UPDATE")
    missing += [f"UPDATE ({quote(name)})" for name in need.columns if not _may_write(execute, relation, name)]
    if missing:
        yield f"GRANT {', '.join(missing)} ON {relation.path} TO {quote(user)}"
    if need.inserts:
        yield from _of_sequences(execute, user, relation)
    if hidden == "t":
        yield f"ALTER ROLE {quote(user)} BYPASSRLS"


def _of_sequences(execute: Execute, user: str, relation: Relation) -> Iterator[str]:
    """What numbers the rows must be able to go on past those that come back."""
    for one in sequences.of(execute, relation):
        if not one.plain:
            continue
        if _row(execute, "SELECT pg_catalog.has_schema_privilege($1, 'USAGE')", one.schema)[0] != "t":
            yield f"GRANT USAGE ON SCHEMA {quote(one.schema)} TO {quote(user)}"
        missing = [
            right
            for right in ("SELECT", "UPDATE")
            if _row(execute, "SELECT pg_catalog.has_sequence_privilege($1::oid, $2)", one.oid, right)[0]
            != "t"
        ]
        if missing:
            yield f"GRANT {', '.join(missing)} ON SEQUENCE {one.path} TO {quote(user)}"


def _wanted(need: Need) -> Iterator[str]:
    yield "SELECT"
    if need.inserts:
        yield "INSERT"
    if need.deletes:
        yield "DELETE"
    if need.holds:
        # Of the rights that LOCK TABLE asks for, the one that does least harm.
        yield "UPDATE"


def _may(execute: Execute, relation: Relation, right: str) -> bool:
    query = "SELECT pg_catalog.has_table_privilege($1::oid, $2)"
    return _row(execute, query, relation.oid, right)[0] == "t"


def _may_lock(execute: Execute, relation: Relation) -> bool:
    """A row lock needs the right to write some column."""
    query = "SELECT pg_catalog.has_any_column_privilege($1::oid, 'UPDATE')"
    return _row(execute, query, relation.oid)[0] == "t"


def _may_write(execute: Execute, relation: Relation, column: str) -> bool:
    query = "SELECT pg_catalog.has_column_privilege($1::oid, $2::text, 'UPDATE')"
    return _row(execute, query, relation.oid, column)[0] == "t"


def _row(execute: Execute, query: str, *values: str | int) -> tuple[str, ...]:
    row = execute(query, values).fetchone()
    return tuple(map(str, row))
