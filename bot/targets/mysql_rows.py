"""The rows of a table of MariaDB or MySQL as text that the server itself writes, and what they add up to.

Not by ``mariadb-dump``: it writes a float with six digits. Texts of ASCII signs in one line are in quotes;
other texts and bytes are in hexadecimal signs, as they lie in the table, whatever their character set.
"""
# ruff: noqa: S608 - every name goes through quote()

import secrets
from collections.abc import Iterable, Iterator, Sequence

from pymysql.cursors import SSCursor

from bot.errors import CannotProve
from bot.targets.mysql_admin import Server
from bot.targets.mysql_errors import translated
from bot.targets.mysql_sql import KINDS, quote
from bot.targets.ports import Reader, Writer
from bot.targets.streams import lines

#: Bytes of one INSERT, unless one row is longer.
_LONGEST = 500_000
#: How a seed begins of sums for which each row is hashed once.
_ONCE = "2:"
#: More than any sum of hashes: what a row adds that is too long to be hashed, so that it never goes unseen.
_UNSEEN = 10**40
_JSON = "json"
_NUMBERED = frozenset({"enum", "set"})
#: Character sets of which a text with as many bytes as signs is one of ASCII.
_ASCII_INSIDE = frozenset({"utf8mb4", "utf8mb3", "utf8"})
_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE, COALESCE(CHARACTER_SET_NAME, '') FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND NOT ({generated}) ORDER BY ORDINAL_POSITION
"""


def columns(server: Server, database: str, table: str) -> Sequence[tuple[str, str, str]]:
    """Name, type and character set of those that are kept and not computed.

    Raises:
        CannotProve: one has a type that we do not know.
    """
    asked = _COLUMNS.format(generated=server.kind.flavour.generated.replace("%", "%%"))
    found = [(name, kind, charset) for name, kind, charset in server.ask(asked, (database, table))]
    for _, kind, _ in found:
        if kind not in KINDS:
            raise CannotProve("target.column-kind", target=server.target, table=table, kind=kind)
    return found


def row(kept: Sequence[tuple[str, str, str]]) -> str:
    """The expression that writes a row as VALUES takes it; NULL when it is longer than a packet. Pure."""
    return _in_brackets(_written(*one) for one in kept)


def new_seed() -> str:
    """Of sums that are made from now on."""
    return f"{_ONCE}{secrets.token_hex(16)}"


def total(server: Server, database: str, table: str, seed: str) -> tuple[int, str]:
    """How many rows a table has, and what they add up to in any order.

    The seed says how: an older backup is compared as it was made.

    Raises:
        CannotProve: a row is longer than the server hands over.
    """
    kept = columns(server, database, table)
    if not seed.startswith(_ONCE):
        text = _in_brackets(_literal(name, kind) for name, kind, _ in kept)
        return _total_of_texts(server, f"{quote(database)}.{quote(table)}", seed, text, table)
    hashed = f"SHA2(CONCAT('{seed}', {', '.join(_hashed(name, kind) for name, kind, _ in kept)}), 256)"
    number = f"CAST(CONV(LEFT({hashed}, 16), 16, 10) AS UNSIGNED)"
    summed = f"COALESCE(SUM(COALESCE({number}, {_UNSEEN})), 0)"
    rows, adding = server.ask(f"SELECT COUNT(*), {summed} FROM {quote(database)}.{quote(table)}")[0]
    if int(adding) >= _UNSEEN:
        raise _too_large(database, table)
    return int(rows), str(adding)


def _total_of_texts(server: Server, relation: str, seed: str, text: str, table: str) -> tuple[int, str]:
    """As before: the server makes each hash three times, of twice as many bytes."""
    query = (
        "SELECT COUNT(*), COUNT(h), COALESCE(SUM(CAST(CONV(LEFT(h, 16), 16, 10) AS UNSIGNED)), 0),"
        " COALESCE(SUM(CAST(CONV(SUBSTR(h, 17, 16), 16, 10) AS UNSIGNED)), 0)"
        f" FROM (SELECT SHA2(CONCAT('{seed}', {text}), 256) h FROM {relation}) x"
    )
    rows, seen, one, other = server.ask(query)[0]
    if rows != seen:
        raise _too_large(relation.partition(".")[0].strip("`"), table)
    return int(rows), f"{one} {other}"


def write(server: Server, database: str, table: str, out: Writer) -> None:
    """All rows of a table, as lines with one INSERT each."""
    kept = columns(server, database, table)
    head = f"INSERT INTO {quote(table)} ({', '.join(quote(name) for name, *_ in kept)}) VALUES ".encode()
    batch: list[bytes] = []
    length = 0
    for (text,) in values(server, database, table, [row(kept)]):
        if batch and length + len(text) > _LONGEST:
            out.write(head + b",".join(batch) + b";\n")
            batch, length = [], 0
        batch.append(text)
        length += len(text)
    if batch:
        out.write(head + b",".join(batch) + b";\n")


def values(
    server: Server, database: str, table: str, expressions: Sequence[str]
) -> Iterator[tuple[bytes, ...]]:
    """What expressions, of which one is NULL when it is longer than a packet, say of each row.

    Raises:
        CannotProve: a row is longer than the server hands over.
    """
    query = f"SELECT {', '.join(expressions)} FROM {quote(database)}.{quote(table)}"
    with translated(server.target), server.connection.cursor(SSCursor) as cursor:
        cursor.execute(query)
        while found := cursor.fetchmany(1000):
            for row in found:
                if None in row:
                    raise _too_large(database, table)
                yield tuple(one if isinstance(one, bytes) else one.encode() for one in row)


def load(server: Server, database: str, source: Reader) -> None:
    """What ``write`` wrote, into tables of the same names that are empty."""
    server.use(database)
    for line in lines(source):
        server.run(line)


def _hashed(name: str, kind: str) -> str:
    """The expression of one value for the hash of its row: its length and its bytes. Pure."""
    value, how = quote(name), KINDS[kind]
    if kind in _NUMBERED or how == "bits":
        shown = f"CAST({value} AS UNSIGNED)"
    elif how == "float":
        shown = f"CAST({value} AS DOUBLE)"
    elif kind == _JSON:
        shown = f"CAST(CAST({value} AS CHAR) AS BINARY)"
    elif how == "text":
        shown = f"CAST({value} AS BINARY)"
    elif how == "bytes":
        shown = value if kind.endswith(("binary", "blob")) else f"HEX({value})"
    else:
        shown = f"CONCAT({value})"
    return f"IF({value} IS NULL, 'N', CONCAT(LENGTH({shown}), ':', {shown}))"


def _in_brackets(values: Iterable[str]) -> str:
    inside = ", ',', ".join(values)
    return f"CONCAT('(', {inside}, ')')"


def _written(name: str, kind: str, charset: str) -> str:
    """The expression of one value as INSERT takes it. Pure."""
    plainly = _literal(name, kind)
    if charset not in _ASCII_INSIDE or kind in _NUMBERED:
        return plainly
    value = quote(name)
    # As bytes: columns of several collations could not be put together otherwise. A text with a line break
    # would break the line; to replace each one the server moves the rest of the text.
    plain = f"LENGTH({value}) = CHAR_LENGTH({value}) AND LOCATE(0x0A, CAST({value} AS BINARY)) = 0"
    return f"IF({plain}, CAST(QUOTE({value}) AS BINARY), {plainly})"


def _literal(name: str, kind: str) -> str:
    value, how = quote(name), KINDS[kind]
    if kind in _NUMBERED or how == "bits":
        # A value that is none of the list's is number 0.
        text = f"CAST({value} AS UNSIGNED)"
    elif kind == _JSON:
        # Of bytes the server makes none.
        text = f"CONCAT('CONVERT(X''', HEX({value}), ''' USING utf8mb4)')"
    elif how in ("text", "bytes"):
        text = f"CONCAT('X''', HEX({value}), '''')"
    elif how == "float":
        text = f"CONCAT('''', CAST({value} AS DOUBLE), '''')"
    else:
        text = f"CONCAT('''', {value}, '''')"
    # Not IFNULL: what is too long for a packet would be written as if it were no value, and so counted.
    return f"IF({value} IS NULL, 'NULL', {text})"


def _too_large(database: str, table: str) -> CannotProve:
    return CannotProve("whole.too-large", database=database, table=table)
