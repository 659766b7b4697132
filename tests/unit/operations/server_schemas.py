"""Random schemas for database servers, each in its own words, with rows; the closure is that of the files' suite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from tests.unit.operations.random_schemas import EMPTIED, FOLLOWED, Link, Schema


@dataclass(frozen=True)
class Dialect:
    """What differs between servers.

    ``names``: what a plan calls a table -> how SQL writes it. ``cells``: column types and values in SQL.
    ``actions``: ON DELETE. ``later``: what may stand behind a foreign key. ``begin``: before everything else.
    """

    names: dict[str, str]
    quote: str
    text: str
    whole: str
    cells: Sequence[tuple[str, tuple[str, ...]]]
    actions: Sequence[str]
    generated: str
    later: Sequence[str] = ("",)
    begin: tuple[str, ...] = ()
    tail: str = ""

    def quoted(self, name: str) -> str:
        return self.quote + name.replace(self.quote, 2 * self.quote) + self.quote


POSTGRESQL = Dialect(
    names={
        "order": '"order"',
        'a "quoted" one': '"a ""quoted"" one"',
        "客户": '"客户"',
        "Sales.Customer": '"Sales"."Customer"',
        "Sales.order": '"Sales"."order"',
        "countersign_k0": '"countersign_k0"',
        "select": '"select"',
    },
    quote='"',
    text="text",
    whole="bigint",
    actions=(*FOLLOWED, *EMPTIED),
    later=("", "DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"),
    generated='text GENERATED ALWAYS AS (upper("u")) STORED',
    begin=(
        'CREATE SCHEMA "Sales"',
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok')",
        "CREATE DOMAIN short AS varchar(9) CHECK (length(VALUE) < 9)",
        "CREATE TYPE pair AS (a int, b text)",
    ),
    cells=(
        ("text", ("''", "E'it''s \"q\"\\n\\\\N — 中文'", "'\\N'")),
        ("varchar(5)", ("'ab   '", "'x'")),
        ("char(5)", ("'ab'", "''")),
        ("bytea", ("'\\x'", "'\\x00ff5c'")),
        ("double precision", ("'-0'", "'NaN'", "'-Infinity'", "0.1::float8 + 0.2::float8", "5e-324")),
        ("real", ("'1.1'", "'NaN'")),
        ("numeric", ("1.10", "'NaN'", "1e100", "0.000")),
        ("numeric(8,3)", ("1.5", "-99999.999")),
        ("boolean", ("true", "false")),
        ("timestamptz", ("'infinity'", "'2026-03-29 02:30:00.123456+02'", "'0044-03-15 12:00:00 BC'")),
        ("date", ("'-infinity'", "'2026-02-28'")),
        ("interval", ("'1 mon -3 days 04:05:06.7'", "'-00:00:01'")),
        ("uuid", ("'7d444840-9dc0-11d1-b245-5ffdce74fad2'",)),
        ("inet", ("'10.0.0.1/8'", "'::1'")),
        ("json", ('\'{"b": 1,  "b": 2}\'', "'null'")),
        ("jsonb", ("'{\"b\": [1.0, null]}'", "'null'")),
        ("int[]", ("'{1,NULL,3}'", "'[0:1]={1,2}'", "'{}'")),
        ("text[]", ("ARRAY['a,b', '\"', NULL, 'NULL', '']", "'{{a,b},{c,d}}'")),
        ("bit varying(9)", ("B'101'", "B''")),
        ("mood", ("'sad'", "'it''s ok'")),
        ("short", ("'abc'",)),
        ("pair", ("ROW(1, 'x,\"y')::pair", "ROW(NULL, '')::pair")),
        ("int4range", ("'[1,5)'", "'empty'")),
        ("tsvector", ("'a:1 b:2A'",)),
        ("money", ("'12.34'",)),
        ("point", ("'(1.5,-0)'",)),
    ),
)

OF_MARIADB = (
    ("uuid", ("'7d444840-9dc0-11d1-b245-5ffdce74fad2'",)),
    ("inet6", ("'::1'", "'::ffff:10.0.0.1'")),
    ("json", ('\'{"b": 1,  "b": 2}\'', "'null'")),
)
MARIADB = Dialect(
    names={
        "order": "`order`",
        "a `quoted` one": "`a ``quoted`` one`",
        "客户": "`客户`",
        "countersign_k0": "`countersign_k0`",
        "select": "`select`",
        "Order": "`Order`",
    },
    quote="`",
    text="varchar(40)",
    whole="bigint",
    actions=("CASCADE", "RESTRICT", "NO ACTION", "SET NULL"),
    generated="varchar(60) AS (upper(`u`)) STORED",
    begin=(),
    tail=" ENGINE=InnoDB",
    cells=(
        ("text", ("''", "'it''s \"q\"\\n\\\\N — 中文 😀'", "'100%s'")),
        ("varchar(9) CHARACTER SET latin1", ("'äöü'", "'ab   '")),
        ("varchar(9) COLLATE utf8mb4_general_ci", ("'Ä'", "'a'")),
        ("char(5)", ("'ab'", "''")),
        ("blob", ("''", "x'00ff5c27'")),
        ("binary(4)", ("x'00'", "x'ffffffff'")),
        ("double", ("-0e0", "0.1e0 + 0.2e0", "5e-324", "1.7976931348623157e308")),
        ("float", ("1.1", "16777217", "-0e0", "3.4e38")),
        ("decimal(30,10)", ("1.10", "-99999999999999999999.9999999999")),
        ("bigint unsigned", ("18446744073709551615", "0")),
        ("int(5) zerofill", ("42",)),
        ("bit(9)", ("b'101'", "b'111111111'")),
        ("bit(64)", ("b'1'", "0xffffffffffffffff")),
        ("boolean", ("true", "false")),
        ("datetime(6)", ("'2026-03-29 02:30:00.123456'", "'0000-00-00 00:00:00'", "'2026-02-00'")),
        ("timestamp(3) NULL", ("'2026-03-29 02:30:00.123'", "'0000-00-00'")),
        ("date", ("'0000-00-00'", "'2026-02-31'")),
        ("time(2)", ("'-838:59:59'", "'00:00:00.01'")),
        ("year", ("2026", "0")),
        *OF_MARIADB,
        ("enum('sad', 'it''s ok', '')", ("'sad'", "'it''s ok'", "''")),
        ("set('a', 'b')", ("'a,b'", "''")),
        ("point", ("ST_GeomFromText('POINT(1.5 -0)')",)),
    ),
)

MYSQL = replace(
    MARIADB,
    cells=(
        *(cell for cell in MARIADB.cells if cell not in OF_MARIADB),
        (
            "json",
            (
                '\'{"b": [1, 1.0, -0.0, 1e300, "it\\\\u0027s\\\\n", null], "a": {}}\'',
                "'null'",
                "'18446744073709551615'",
            ),
        ),
        ("vector(2)", ("STRING_TO_VECTOR('[1.5, -0]')",)),
        ("geometry SRID 4326", ("ST_GeomFromText('LINESTRING(1 2, 3.5 4)', 4326)",)),
        ("varchar(9) COLLATE utf8mb4_0900_ai_ci INVISIBLE", ("'Ä  '", "'a'")),
    ),
)


@dataclass(repr=False)
class ServerSchema(Schema):
    """A schema whose statements make it whole, rows included."""

    dialect: Dialect = field(default=POSTGRESQL, repr=False)

    def __repr__(self) -> str:
        return "; ".join(self.statements)

    def named(self, table: str) -> str:
        return self.dialect.names[table]


@st.composite
def server_schemas(draw: Callable[..., Any], dialect: Dialect) -> ServerSchema:
    names = draw(st.lists(st.sampled_from(sorted(dialect.names)), min_size=2, max_size=5, unique=True))
    kinds = {name: draw(st.sampled_from(["whole", "text", "composite", "unique"])) for name in names}
    keys: dict[str, tuple[str, ...]] = {
        name: ("id", "group") if kind == "composite" else ("id",) for name, kind in kinds.items()
    }
    links = [_link(draw, dialect, names, keys, kinds, number) for number in range(draw(st.integers(1, 6)))]
    cells = {name: draw(st.lists(st.sampled_from(dialect.cells), max_size=4)) for name in names}
    schema = ServerSchema(keys, list(dialect.begin), links, dialect=dialect)
    for name in names:
        schema.statements.append(_table(schema, name, kinds[name], cells[name]))
    _fill(draw, schema, kinds)
    values = {
        name: [[draw(st.sampled_from(("NULL", *some))) for _, some in cells[name]] for _ in rows]
        for name, rows in schema.rows.items()
    }
    schema.statements += [line for name in names for line in _inserts(schema, name, values[name])]
    for number, link in enumerate(links):
        schema.statements.append(_foreign_key(schema, link, draw(st.sampled_from(dialect.later)), number))
        if draw(st.booleans()):
            columns = ", ".join(map(dialect.quoted, link.columns))
            index = dialect.quoted(f"i{number}")
            schema.statements.append(f"CREATE INDEX {index} ON {schema.named(link.child)} ({columns})")
    return schema


def _link(
    draw: Callable[..., Any],
    dialect: Dialect,
    names: list[str],
    keys: dict[str, tuple[str, ...]],
    kinds: dict[str, str],
    number: int,
) -> Link:
    child, parent = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    by_unique = draw(st.booleans())
    there = ("u",) if by_unique else keys[parent]
    here = tuple(f"f{number} {place}" for place in range(len(there)))
    first = dialect.whole if not by_unique and kinds[parent] in ("whole", "composite") else dialect.text
    types = (first, dialect.text)[: len(there)]
    return Link(child, parent, here, there, draw(st.sampled_from(dialect.actions)), types)


def _table(schema: ServerSchema, name: str, kind: str, cells: Sequence[tuple[str, Sequence[str]]]) -> str:
    dialect = schema.dialect
    whole = kind in ("whole", "composite")
    parts = [f"{dialect.quoted('id')} {dialect.whole if whole else dialect.text} NOT NULL"]
    if kind == "composite":
        parts.append(f"{dialect.quoted('group')} {dialect.text} NOT NULL")
    parts += [f"{dialect.quoted('u')} {dialect.text} UNIQUE", f"{dialect.quoted('up')} {dialect.generated}"]
    parts += [f"{dialect.quoted(f'v{place}')} {type_} NULL" for place, (type_, _) in enumerate(cells)]
    for link in schema.links:
        if link.child == name:
            parts += [
                f"{dialect.quoted(one)} {type_} NULL"
                for one, type_ in zip(link.columns, link.types, strict=True)
            ]
    key = ", ".join(map(dialect.quoted, schema.keys[name]))
    parts.append(f"{'UNIQUE' if kind == 'unique' else 'PRIMARY KEY'} ({key})")
    return f"CREATE TABLE {schema.named(name)} ({', '.join(parts)}){dialect.tail}"


def _fill(draw: Callable[..., Any], schema: ServerSchema, kinds: dict[str, str]) -> None:
    for name, kind in kinds.items():
        schema.rows[name] = []
        for number in range(draw(st.integers(1, 6))):
            row: dict[str, Any] = {"id": number if kind in ("whole", "composite") else f"{name}'{number}"}
            if kind == "composite":
                row["group"] = f"g{number % 2}"
            schema.rows[name].append(row | {"u": f"u{number}"})
    for link in schema.links:
        for row in schema.rows[link.child]:
            parent = draw(st.one_of(st.none(), st.sampled_from(schema.rows[link.parent])))
            for column, there in zip(link.columns, link.parent_columns, strict=True):
                row[column] = parent[there] if parent else None


def _inserts(schema: ServerSchema, name: str, cells: Sequence[Sequence[str]]) -> list[str]:
    lines = []
    for row, values in zip(schema.rows[name], cells, strict=True):
        columns = [
            schema.dialect.quoted(one) for one in (*row, *(f"v{place}" for place in range(len(values))))
        ]
        texts = [*map(_literal, row.values()), *values]
        lines.append(f"INSERT INTO {schema.named(name)} ({', '.join(columns)}) VALUES ({', '.join(texts)})")
    return lines


def _foreign_key(schema: ServerSchema, link: Link, later: str, number: int) -> str:
    here, there = (
        ", ".join(map(schema.dialect.quoted, some)) for some in (link.columns, link.parent_columns)
    )
    return (
        f"ALTER TABLE {schema.named(link.child)} ADD CONSTRAINT {schema.dialect.quoted(f'k{number}')}"
        f" FOREIGN KEY ({here}) REFERENCES {schema.named(link.parent)} ({there})"
        f" ON DELETE {link.action} {later}"
    )


def _literal(value: Any) -> str:
    return (
        "NULL"
        if value is None
        else str(value)
        if isinstance(value, int)
        else "'" + value.replace("'", "''") + "'"
    )
