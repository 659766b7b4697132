"""What the rows of a table of MariaDB or MySQL add up to, and how they are read and loaded in bulk."""
# ruff: noqa: S608 - every name goes through quote()

from collections.abc import Iterable, Iterator, Sequence

from bot.errors import CannotProve
from bot.targets.mysql_admin import Server
from bot.targets.mysql_errors import translated
from bot.targets.mysql_sql import KINDS, quote
from bot.targets.mysql_wire import Column, Incoming
from bot.targets.ports import Reader
from bot.targets.streams import lines

#: How a seed begins of sums for which each row is hashed once, and of those for which, besides, no value is
#: copied only to be measured.
_ONCE = "2:"
PLAIN = "3:"
#: More than any sum of hashes: what a row adds that is too long to be hashed, so that it never goes unseen.
_UNSEEN = 10**40
JSON = "json"
COMMA = ", ',', "
NUMBERED = frozenset({"enum", "set"})
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


def total(server: Server, database: str, table: str, seed: str) -> tuple[int, str]:
    """How many rows a table has, and what they add up to in any order.

    The seed says how: an older backup is compared as it was made.

    Raises:
        CannotProve: a row is longer than the server hands over.
    """
    kept = columns(server, database, table)
    if not seed.startswith((_ONCE, PLAIN)):
        text = _in_brackets(literal(name, kind) for name, kind, _ in kept)
        return _total_of_texts(server, f"{quote(database)}.{quote(table)}", seed, text, table)
    number = f"CAST(CONV({hash_of(kept, seed)}, 16, 10) AS UNSIGNED)"
    summed = f"COALESCE(SUM(COALESCE({number}, {_UNSEEN})), 0)"
    rows, adding = server.ask(f"SELECT COUNT(*), {summed} FROM {quote(database)}.{quote(table)}")[0]
    if int(adding) >= _UNSEEN:
        raise too_large(database, table)
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
        raise too_large(relation.partition(".")[0].strip("`"), table)
    return int(rows), f"{one} {other}"


class Sums:
    """What tables add up to, with one seed."""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def of(self, server: Server, database: str, table: str) -> tuple[int, str]:
        """See ``total``."""
        return total(server, database, table, self.seed)


def batches(server: Server, database: str, table: str, expressions: Sequence[str]) -> Iterator[list[Column]]:
    """What expressions say of each row, some rows at a time and column by column."""
    with translated(server.target):
        server.connection.query(
            f"SELECT {', '.join(expressions)} FROM {quote(database)}.{quote(table)}", unbuffered=True
        )
        incoming = Incoming(server.connection)
        try:
            while batch := incoming.batch():
                yield batch
        finally:
            incoming.close()


def values(
    server: Server, database: str, table: str, expressions: Sequence[str]
) -> Iterator[Sequence[bytes]]:
    """What expressions, of which one is NULL when it is longer than a packet, say of each row.

    Raises:
        CannotProve: a row is longer than the server hands over.
    """
    for columns in batches(server, database, table, expressions):
        for row in zip(*columns, strict=True):
            found = [one for one in row if one is not None]
            if len(found) < len(row):
                raise too_large(database, table)
            yield found


def load(server: Server, database: str, source: Reader) -> None:
    """What ``Written`` wrote, into tables of the same names that are empty."""
    server.use(database)
    for line in lines(source):
        server.run(line)


def hash_of(kept: Sequence[tuple[str, str, str]], seed: str) -> str:
    """The expression of the first 64 bits of a row's hash; NULL when it is longer than a packet. Pure."""
    if seed.startswith(_ONCE):
        inside = f"'{seed}', {', '.join(_hashed(name, kind) for name, kind, _ in kept)}"
    else:
        # Bytes first, so that all of it is bytes, whatever the character sets.
        parts = COMMA.join(_told(name, kind) for name, kind, _ in sorted(kept))
        inside = f"CAST('{seed}' AS BINARY), {parts}"
    return f"LEFT(SHA2(CONCAT({inside}), 256), 16)"


def _told(name: str, kind: str) -> str:
    """The expression of one value for the hash of its row; with a length where it may hold any. Pure."""
    value, how = quote(name), KINDS[kind]
    text = f"CONCAT({value})"
    if kind in NUMBERED or how == "bits":
        text = f"CONCAT(CAST({value} AS UNSIGNED))"
    elif how == "float":
        text = f"CONCAT(CAST({value} AS DOUBLE))"
    elif how == "json":
        text = f"CONCAT(LENGTH(CAST({value} AS CHAR)), ':', CAST({value} AS CHAR))"
    elif how == "bytes" and not kind.endswith(("binary", "blob")):
        text = f"HEX({value})"
    elif how in ("text", "bytes"):
        text = f"CONCAT(LENGTH({value}), ':', {value})"
    return f"IF({value} IS NULL, 'N', {text})"


def _hashed(name: str, kind: str) -> str:
    """As before: the expression of one value for the hash of its row, its length and its bytes. Pure."""
    value, how = quote(name), KINDS[kind]
    if kind in NUMBERED or how == "bits":
        shown = f"CAST({value} AS UNSIGNED)"
    elif how == "float":
        shown = f"CAST({value} AS DOUBLE)"
    elif kind == JSON:
        shown = f"CAST(CAST({value} AS CHAR) AS BINARY)"
    elif how == "text":
        shown = f"CAST({value} AS BINARY)"
    elif how == "bytes":
        shown = value if kind.endswith(("binary", "blob")) else f"HEX({value})"
    else:
        shown = f"CONCAT({value})"
    return f"IF({value} IS NULL, 'N', CONCAT(LENGTH({shown}), ':', {shown}))"


def _in_brackets(values: Iterable[str]) -> str:
    inside = COMMA.join(values)
    return f"CONCAT('(', {inside}, ')')"


def literal(name: str, kind: str) -> str:
    """The expression that writes a value as INSERT takes it; older sums are of it. Pure."""
    value, how = quote(name), KINDS[kind]
    if kind in NUMBERED or how == "bits":
        # A value that is none of the list's is number 0.
        text = f"CAST({value} AS UNSIGNED)"
    elif kind == JSON:
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


def too_large(database: str, table: str) -> CannotProve:
    """A row is longer than the server hands over."""
    return CannotProve("whole.too-large", database=database, table=table)
