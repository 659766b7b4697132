"""Columns that look like references and are neither keys nor declared nor ignored: pure, by name and type.

What counts as a likeness: a name that ends or begins as an identifier does and names a table
(``customer_id``, ``customerId``, ``id_customer``, ``principalid``); a whole number called like a table
(``queue``); the names of those who did something (``owner``, ``created_by``) where there are user
accounts; ``parent_id``; and a pair of type and identifier (``ObjectType``, ``ObjectId``), whose table
stands in the rows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bot.operations.names import TableNames, stem, stems, words
from bot.targets.base import Catalogue, Table, TableColumn

#: ``plain``: names one table. ``pair``: another column says which table.
Kind = Literal["plain", "pair"]
Family = Literal["number", "text", "uuid", "other"]

_DOERS = frozenset({"owner", "creator", "author", "assignee", "approver", "reviewer", "editor", "manager"})
_ACCOUNTS = ("user", "account", "useraccount", "employee", "member", "person", "staff", "agent")
_PARENTS = frozenset({"parent", "root", "ancestor", "original", "previous", "predecessor", "successor"})
_TYPES = frozenset({"type", "kind", "class", "model", "domain", "module"})
#: ``object_id`` names no table: ``module``, ``entity_type`` or ``content_type_id`` beside it says which.
_ANYTHING = frozenset({
    "object", "record", "item", "entity", "resource", "subject", "target", "related", "bean", "element",
    "content", "instance", "res",
})  # fmt: skip
_SAYS_WHICH = frozenset({("module",), ("model",), ("table",), ("content", "type"), ("entity", "type")})
#: After the name of a table: what is told of its rows, one row each or many.
_ABOUT = frozenset({"audit", "history", "log", "version", "revision", "archive", "translation", "cstm"})
#: A whole number called so is where something stands, or how much of it there is, more often than a row.
_COUNTS = frozenset({
    "order", "position", "rank", "level", "number", "sequence", "index", "version", "count", "step", "size",
    "score", "priority", "year", "month", "week", "day", "hour", "quantity",
})  # fmt: skip
#: ``id`` and ``code`` alone tell nothing.
_SHORT = 4
_NUMBER = re.compile(r"int|serial|number|numeric\(\d+(,\s*0)?\)$|decimal\(\d+(,\s*0)?\)$")
_TEXT = re.compile(r"char|text|clob|string|citext")


@dataclass(frozen=True)
class Lookalike:
    """A column that looks like a reference. ``parent`` is empty where only the rows can tell the table."""

    child: str
    column: str
    kind: Kind
    parent: str = ""
    parent_column: str = ""
    type_column: str = ""
    #: What the name alone would mean, where the rows say no kinds: ``customer_id`` beside ``customer_type``.
    otherwise: "Lookalike | None" = None
    #: A small number of this name fits the rows whatever it means, so that rows bear nothing out.
    counts: bool = False
    #: It means a column that is not what others know the rows by; only values and their being unique tell.
    natural: bool = False

    @property
    def place(self) -> str:
        """``table.column``, as the configuration writes it."""
        return f"{self.child}.{self.column}"

    @property
    def meant(self) -> str:
        """What it seems to mean: ``customers.id``, or the column that says it."""
        return f"{self.parent}.{self.parent_column}" if self.parent else f"({self.type_column})"


@dataclass(frozen=True)
class _Schema:
    """What a column is held against. ``keys``: as ``_telling_keys``; ``accounts``: whose people log in."""

    catalogue: Catalogue
    names: TableNames
    keys: Mapping[str, str]
    accounts: str | None


def lookalikes(catalogue: Catalogue, known: Iterable[str] = ()) -> tuple[Lookalike, ...]:
    """Every such column, by table and column. ``known``: the places that are declared or ignored."""
    settled = {*known, *(f"{edge.child}.{name}" for edge in catalogue.edges for name in edge.child_columns)}
    names = table_names(catalogue)
    schema = _Schema(catalogue, names, _telling_keys(catalogue), names.called(*_ACCOUNTS))
    found = []
    for table in catalogue.tables.values():
        for column in table.stored:
            if f"{table.name}.{column.name}" not in settled:
                found += [*_of(schema, table, column)]
    # Beside a link a second name is a copy: ``product_code`` of what was ordered then.
    tied = {(edge.child, edge.parent) for edge in catalogue.edges}
    tied |= {(one.child, one.parent) for one in found if not one.natural}
    found = [one for one in found if not _is_copy(one) or (one.child, one.parent) not in tied]
    return tuple(sorted(found, key=lambda one: (one.child, one.column)))


def _is_copy(one: Lookalike) -> bool:
    return one.natural and not any(sure for _, sure in stems(one.column))


def joins(catalogue: Catalogue) -> frozenset[str]:
    """Tables whose rows only tie rows of others together."""
    tied: dict[str, list[tuple[str, ...]]] = {}
    for edge in catalogue.edges:
        tied.setdefault(edge.child, []).append(edge.child_columns)
    return frozenset(
        name
        for name, keys in tied.items()
        if len(keys) > 1
        and {column.name for column in catalogue.tables[name].stored}
        <= {one for key in keys for one in key} | set(catalogue.tables[name].key)
    )


def table_names(catalogue: Catalogue) -> TableNames:
    """What the tables are called; one that only ties others together is not meant by the end of its name."""
    return TableNames(catalogue.tables, joins(catalogue))


def family(column: TableColumn) -> Family:
    """Which values can be equal at all; a type of the schema's own is ``other``."""
    kind = column.type.lower()
    if "uuid" in kind:
        return "uuid"
    if _TEXT.search(kind):
        return "text"
    return "number" if _NUMBER.search(kind) and "[" not in kind and "interval" not in kind else "other"


def identifier(table: Table, like: TableColumn | None = None) -> TableColumn | None:
    """The column by which rows of a table are referred to: its key, or its ``id``; of the type of ``like``.

    Rows that nothing identifies cannot go, and so need no links.
    """
    if not table.key:
        return None
    keys = [table.column(table.key[0])] if len(table.key) == 1 else []
    named = [one for one in table.stored if one.name.lower() in ("id", "uuid", "guid")]
    for column in [*keys, *named]:
        if column is not None and (like is None or family(column) == family(like)):
            return column
    return None


def type_column(table: Table, column: TableColumn) -> TableColumn | None:
    """The column beside this one that says of which kind it is: ``ObjectType`` beside ``ObjectId``."""
    for base, sure in stems(column.name):
        # ``owner_ref`` alone may be anything; beside ``owner_kind`` it is a row of that kind.
        names = sure or (*base, "ref") == words(column.name)
        # Beside a model, a module says where the row came from.
        for other in sorted(table.stored, key=lambda one: "module" in words(one.name)) if names else ():
            parts = words(other.name)
            glued = "".join(parts)
            pair = parts[:-1] == base and parts[-1] in _TYPES
            pair |= any(glued == "".join(base) + kind for kind in _TYPES)
            pair |= _says_which(parts, base)
            if pair and family(other) in ("text", "other", "number") and other.name != column.name:
                return other
    return None


def _of(schema: _Schema, table: Table, column: TableColumn) -> Iterator[Lookalike]:
    if family(column) == "other" or _is_own_key(table, column):
        return
    plain = _plain(schema, table, column)
    kind = type_column(table, column) if table.key != (column.name,) else None
    if kind is not None:
        # A kind beside a customer may be the kind of customer; beside an owner it says whose number this is.
        named = plain if plain and not _only_did_something(schema, table, column) else None
        yield Lookalike(table.name, column.name, "pair", type_column=kind.name, otherwise=named)
    elif plain is not None:
        yield plain


def _plain(schema: _Schema, table: Table, column: TableColumn) -> Lookalike | None:
    catalogue, accounts, keys = schema.catalogue, schema.accounts, schema.keys
    people = identifier(catalogue.tables[accounts]) if accounts else None
    # What somebody did is told by a number, or by what is declared exactly like the accounts' own key.
    doers = accounts if people and people.type == column.type and "(" in column.type else None
    parent = _by_key(keys, table, column) or _meant(schema.names, accounts, table, column)
    if parent is None and doers and _did_something(column.name):
        parent = doers
    if parent is None:
        # ``contact_id`` where only a key is called ``contactid``; ``user_id`` as in a key that is declared.
        parent = keys.get("".join(words(column.name))) or _by_example(catalogue, column)
    there = identifier(catalogue.tables[parent], column) if parent else None
    natural = None
    if there is None:
        parent, natural = _by_namesake(schema.names, catalogue, table, column, parent)
    there = there or natural
    if parent is None or there is None or (parent, there.name) == (table.name, column.name):
        return None
    counts = len(words(column.name)) == 1 and words(column.name)[0] in _COUNTS and family(column) == "number"
    return Lookalike(
        table.name, column.name, "plain", parent, there.name, counts=counts, natural=natural is not None
    )


def _by_namesake(
    names: TableNames, catalogue: Catalogue, table: Table, column: TableColumn, parent: str | None
) -> tuple[str | None, TableColumn | None]:
    """``customer_no`` and ``old_customer_no`` where customers have a ``customer_no`` beside their key."""
    parts, _ = stem(column.name)
    if parent is None and parts != words(column.name):
        parent = names.meant(parts, table.name)
    there = catalogue.tables[parent] if parent else None
    for other in there.stored if there and there.key else ():
        if there is None or other.name in there.key:
            continue
        same = column.name == other.name or column.name.endswith(f"_{other.name}")
        if same and stem(other.name)[0] != words(other.name) and family(other) == family(column) != "other":
            return parent, other
    return None, None


def _by_example(catalogue: Catalogue, column: TableColumn) -> str | None:
    """The one table that declared keys of the same name lead to: ``user_entity`` for ``user_id``."""
    if not any(sure for _, sure in stems(column.name)):
        return None
    found = {edge.parent for edge in catalogue.edges if edge.child_columns == (column.name,)}
    return found.pop() if len(found) == 1 else None


def _says_which(parts: tuple[str, ...], base: tuple[str, ...]) -> bool:
    """``parts`` are a column's words: ``module``, ``content_type_id``, ``target_ct_id`` beside ``base``."""
    bare = parts[:-1] if len(parts) > 1 and parts[-1] in ("id", "name") else parts
    if bare in ((*base, "ct"), (*base, "content", "type")):
        return True
    return len(base) == 1 and base[0] in _ANYTHING and bare in _SAYS_WHICH


def _is_own_key(table: Table, column: TableColumn) -> bool:
    """The row's own name, not somebody else's: the only column of the key, or the table's ``id``.

    Where the database gives the numbers, that 7 is a row elsewhere too means nothing: both began at 1.
    """
    if column.numbered and [one.name for one in table.columns if one.numbered] == [column.name]:
        return True
    own = ("".join(words(table.name)), "".join(words(table.name)).removesuffix("s"))
    glued = "".join(words(column.name))
    if table.key == (column.name,):
        return glued in ("id", "uuid", "guid", "oid") or any(glued == f"{name}id" for name in own)
    return glued in ("id", "uuid", "guid")


def _telling_keys(catalogue: Catalogue) -> dict[str, str]:
    """Keys with a name of their own, such as ``groupid``, and the one table whose key is called so."""
    found: dict[str, list[str]] = {}
    borrowed = {(edge.child, edge.child_columns) for edge in catalogue.edges}
    for table in catalogue.tables.values():
        own = (table.name, table.key) not in borrowed and len(table.key) == 1
        if own and len("".join(words(table.key[0]))) > _SHORT:
            found.setdefault(table.key[0].lower(), []).append(table.name)
    return {
        key: tables[0] for key, tables in found.items() if len(tables) == 1 and any(s for _, s in stems(key))
    }


def _by_key(keys: Mapping[str, str], table: Table, column: TableColumn) -> str | None:
    """``groupid``, ``parent_groupid``, ``groupid_old`` and ``groupid2`` where a key is called ``groupid``."""
    name = column.name.lower()
    if table.key == (column.name,) and keys.get(name) == table.name:
        return None
    if name in keys:
        return keys[name]
    parts = name.split("_")
    for start, end in ((1, len(parts)), (0, len(parts) - 1), (1, len(parts) - 1)):
        found = keys.get("_".join(parts[start:end]))
        if found is not None:
            return found
    return keys.get(name.rstrip("0123456789"))


def _meant(names: TableNames, accounts: str | None, table: Table, column: TableColumn) -> str | None:
    number = family(column) in ("number", "uuid")
    for parts, sure in stems(column.name):
        if not parts or not (sure or number):
            continue
        found = names.meant(parts, table.name) if sure else names.whole(parts, table.name)
        if found is not None:
            return found
        if parts[-1] in _PARENTS or (parts[0] in _PARENTS and len(parts) == 1):
            return names.about(table.name, _ABOUT) or table.name
        if table.key == (column.name,) and len(parts) == 1 and len(parts[0]) == 1:
            return names.about(table.name, _ABOUT)
        if parts[-2:] == ("reports", "to"):
            return table.name
    return accounts if number and _did_something(column.name) else None


def _only_did_something(schema: _Schema, table: Table, column: TableColumn) -> bool:
    """It means accounts because of what was done, and not by their name."""
    meant = (schema.names.meant(parts, table.name) for parts, sure in stems(column.name) if parts and sure)
    return _did_something(column.name) and not any(meant)


def _did_something(column: str) -> bool:
    """``created_by``, ``lastupdatedby``, ``owner_id``, ``approver``."""
    parts, _ = stem(column)
    last = parts[-1] if parts else ""
    somebody = last == "uid" and len(parts) > 1
    return somebody or last in _DOERS or last == "by" or last.endswith(("edby", "erby", "tby", "nby"))
