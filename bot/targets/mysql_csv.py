"""The tables of a database as lines of CSV, as the server writes them; see ``csv_members``."""

from collections.abc import Iterator

from bot.targets.csv_members import Tables, cell
from bot.targets.mysql_admin import Server
from bot.targets.mysql_definitions import Only
from bot.targets.mysql_facts import is_in
from bot.targets.mysql_rows import values
from bot.targets.mysql_sql import KINDS, quote

_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE, COALESCE(CHARACTER_SET_NAME, '') FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""
#: Whatever they hold is a text of ours as well.
_HELD = frozenset({"ascii", "latin1"})


def tables(server: Server, database: str, only: Only = None) -> Tables:
    """Header and records of each table, or of ``only`` these, in the moment that the connection sees."""
    kinds = server.tables(database)
    for name in sorted(name for name, kind in kinds.items() if kind == "BASE TABLE" and is_in(name, only)):
        yield name, _lines(server, database, name)


def _lines(server: Server, database: str, table: str) -> Iterator[bytes]:
    columns = server.ask(_COLUMNS, (database, table))
    yield b",".join(cell(name) for name, *_ in columns)
    for record in values(server, database, table, [_value(*one) for one in columns]):
        yield b",".join(cell(one[1:].decode()) if one else b"" for one in record)


def _value(name: str, kind: str, charset: str) -> str:
    """The expression that writes one value after a sign of its own, and nothing for NULL. Pure.

    It does not double quotes: for each one the server moves the rest of the text.
    """
    value, how = quote(name), KINDS.get(kind, "bytes")
    octets = f"CONCAT('=\\\\x', LOWER(HEX({value})))"
    if how == "bytes":
        text = octets
    elif how in ("text", "json"):
        text = f"CONCAT('=', CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin)"
        if charset and charset not in _HELD:
            # Signs that we have no sign for go the way of bytes, so that nothing of them is lost. The server
            # keeps halves of signs too (surrogates), but in UTF-16.
            back = f"CONVERT(CONVERT({value} USING utf16) USING {charset})"
            text = f"IF(CAST({back} AS BINARY) = CAST({value} AS BINARY), {text}, {octets})"
    else:
        shown = {"float": f"CAST({value} AS DOUBLE)", "bits": f"CAST({value} AS UNSIGNED)"}.get(how, value)
        text = f"CONCAT('=', {shown})"
    return f"IF({value} IS NULL, '', {text})"
