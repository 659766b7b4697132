"""What rows of a PostgreSQL database add up to, in any order, asked of the server.

There are three forms. ``text`` hashes a row as the server prints it; the first backups have it, and it stays
for servers older than 14. ``fields`` hashes each value as it is held and then the row, in a third of the
time. ``once`` does that with one seed and not with two. Which type is taken how is fixed: another way would
be another form. A type is hashed directly only where different values have different hashes: the server's
hash of a ``bigint`` folds it to half, and that of a ``numeric`` does not tell 1.0 from 1.00, so that these go
in as the bytes that the server would send.
"""

import secrets
from collections.abc import Sequence
from typing import Literal, NamedTuple

from bot.targets.postgresql_admin import Connection
from bot.targets.reporting import Report

#: The first version that hashes rows.
_HASHES_ROWS = 14_00_00
#: By the number of a type that is built in. Every other type goes in as text, with its like, in one record.
_FIELDS = {
    **dict.fromkeys((16, 21, 23, 26, 1082, 2950), "{}"),  # bool, int2, int4, oid, date, uuid
    17: "{}",  # bytea
    **dict.fromkeys((25, 1043), '{} COLLATE pg_catalog."C"'),  # text, varchar
    20: "pg_catalog.int8send({})",
    1042: "pg_catalog.bpcharsend({})",
    1114: "pg_catalog.timestamp_send({})",
    1184: "pg_catalog.timestamptz_send({})",
    1700: "pg_catalog.numeric_send({})",
    114: 'pg_catalog.textin(pg_catalog.json_out({})) COLLATE pg_catalog."C"',
    3802: 'pg_catalog.textin(pg_catalog.jsonb_out({})) COLLATE pg_catalog."C"',
}
Form = Literal["text", "fields", "once"]
_FORMS: tuple[Form, ...] = ("text", "fields", "once")
_COLUMNS = """
SELECT 't.' || pg_catalog.quote_ident(attname), atttypid::bigint FROM pg_catalog.pg_attribute
 WHERE attrelid = $1::text::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_TEXT = "pg_catalog.hashtextextended(x.x, {seed})"
#: Hashed once more: a sum of the inner ones would not see two rows exchange a value.
_RECORD = "pg_catalog.hashtextextended(pg_catalog.hash_record_extended(x.x, {seed})::text, {seed})"


class Seeds(NamedTuple):
    """What a sum depends on. In the backup: without them nobody can make other rows that add up alike."""

    one: int
    other: int
    form: Form = "text"

    @property
    def used(self) -> Sequence[int]:
        """One sum for each."""
        return (self.one,) if self.form == "once" else (self.one, self.other)

    @classmethod
    def fresh(cls, connection: Connection) -> "Seeds":
        """New ones, with the best form that the server knows."""
        form: Form = "once" if connection.info.server_version >= _HASHES_ROWS else "text"
        return cls(secrets.randbits(62), secrets.randbits(62), form)

    @classmethod
    def of(cls, body: Sequence[object]) -> "Seeds":
        """As JSON has them.

        Raises:
            ValueError: they are something else.
        """
        one, other, *rest = body
        found = [form for form in _FORMS if (rest or ["text"]) == [form]]
        if not (isinstance(one, int) and isinstance(other, int) and found):
            raise ValueError
        return cls(one, other, found[0])


def sum_rows(connection: Connection, relation: str, seeds: Seeds) -> tuple[int, str]:
    """How many rows a table has, and what they add up to in any order."""
    if seeds.form == "text":
        return sum_of(connection, f"SELECT t::text FROM ONLY {relation} t", seeds)  # noqa: S608 - quoted by the server
    columns = connection.execute(_COLUMNS.encode(), (relation,)).fetchall()
    row = record([(name, number) for name, number in columns])
    return _summed(connection, f"SELECT {row} FROM ONLY {relation} t", _RECORD, seeds)  # noqa: S608 - quoted by the server


def record(columns: Sequence[tuple[str, int]]) -> str:
    """A row for its hash: the columns as they are written, each with the number of its type."""
    known = [_FIELDS[number].format(name) for name, number in columns if number in _FIELDS]
    others = [name for name, number in columns if number not in _FIELDS]
    if others:
        known.append(f'ROW({", ".join(others)})::text COLLATE pg_catalog."C"')
    return f"ROW({', '.join(known)})"


def sum_of(connection: Connection, query: str, seeds: Seeds) -> tuple[int, str]:
    """How many texts a query gives, and what they add up to in any order."""
    return _summed(connection, query, _TEXT, seeds)


def digest(connection: Connection, queries: Sequence[str], seeds: Seeds) -> str:
    """What the texts of several queries add up to."""
    return " ".join("{}:{}".format(*sum_of(connection, query, seeds)) for query in queries)


def told(summed: tuple[int, str], report: Report) -> tuple[int, str]:
    """The same, told to whoever listens."""
    report.add("tables")
    report.add("rows", summed[0])
    return summed


def _summed(connection: Connection, query: str, hashed: str, seeds: Seeds) -> tuple[int, str]:
    sums = ", ".join(f"coalesce(sum({hashed.format(seed=seed)}), 0)::text" for seed in seeds.used)
    # The fence: without it the server makes the text, or the record, once for each sum; of one sum it would
    # make several workers, which take more time together.
    row = connection.execute(f"SELECT count(*), {sums} FROM ({query} OFFSET 0) x(x)".encode()).fetchone()  # noqa: S608 - ours
    assert row is not None
    return int(row[0]), " ".join(row[1:])
