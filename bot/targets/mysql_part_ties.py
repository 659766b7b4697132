"""What ties some tables of a database to the rest: foreign keys, views, texts that name them.

The server knows of foreign keys and views. Routines, triggers and events are texts: whatever has the name of
a table in it counts, also as a comment. What puts a statement together while it runs is known to nobody.
"""

import re
from collections.abc import Iterator

from bot.targets.mysql_admin import Server
from bot.targets.mysql_grants import read
from bot.targets.mysql_sql import quote
from bot.targets.mysql_survey import foreign_keys

_VIEWS = "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS ORDER BY 1, 2"
_TRIGGERS = """
SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS
 ORDER BY 1, 2
"""


def hanging(server: Server, database: str, only: frozenset[str]) -> list[str]:
    """What outside of these tables needs them, by kind and name."""
    return [
        *pointing(server, database, only),
        *_views(server, database, only),
        *_texts(server, database, only),
    ]


def pointing(server: Server, database: str, only: frozenset[str]) -> list[str]:
    """The tables outside that have a foreign key to one of these."""
    return sorted(
        {
            f"table {schema}.{table}"
            for (schema, table), (other, parent) in foreign_keys(server)
            if _is_one(server, database, only, other, parent)
            and not _is_one(server, database, only, schema, table)
        }
    )


def lacking(server: Server, database: str, only: frozenset[str]) -> list[str]:
    """The tables outside to which one of these has a foreign key."""
    return sorted(
        {
            f"table {other}.{parent}"
            for (schema, table), (other, parent) in foreign_keys(server)
            if _is_one(server, database, only, schema, table)
            and not _is_one(server, database, only, other, parent)
        }
    )


def sees_everything(server: Server) -> bool:
    """Whether no view and no trigger of another database is hidden from us."""
    granted = read(str(line) for (line,) in server.ask("SHOW GRANTS"))
    return all(granted.may(right, "") for right in server.kind.sees)


def mentions(text: str, database: str, table: str, *, inside: bool) -> bool:
    """Whether a text may mean the table. ``inside``: it is run in that database. Pure."""
    if "`" in table:
        # MySQL hands over texts in which such a name is mangled.
        return all(part in text.lower() for part in table.lower().split("`"))
    parts = [_word(table)] if inside else [_word(database), r"\s*\.\s*", _word(table)]
    return re.search("".join(parts), text, re.IGNORECASE) is not None


def _word(name: str) -> str:
    return rf"(?:{re.escape(quote(name))}|(?<![\w$]){re.escape(name)}(?![\w$]))"


def _is_one(server: Server, database: str, only: frozenset[str], schema: str, table: str) -> bool:
    return server.same(schema, database) and any(server.same(table, one) for one in only)


def _views(server: Server, database: str, only: frozenset[str]) -> Iterator[str]:
    # The server writes every table of a view with its database.
    names = [f"{quote(database)}.{quote(table)}".lower() for table in only]
    for schema, name, text in server.ask(_VIEWS):
        if any(one in text.lower() for one in names):
            yield f"view {schema}.{name}"


def _texts(server: Server, database: str, only: frozenset[str]) -> Iterator[str]:
    found = [(kind, schema, name, _text(text)) for kind, schema, name, text in server.ask(server.kind.texts)]
    for schema, name, table, text in server.ask(_TRIGGERS):
        if not _is_one(server, database, only, schema, table):
            found.append(("trigger", schema, name, text))
    for kind, schema, name, text in found:
        inside = server.same(schema, database)
        if any(mentions(text, database, table, inside=inside) for table in only):
            yield f"{kind} {schema}.{name}"


def _text(found: str | bytes) -> str:
    return found if isinstance(found, str) else bytes(found).decode(errors="replace")
