"""What our user may not do, as the statements that would allow it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from bot.targets.base import Need
from bot.targets.mysql_catalogue import decoded
from bot.targets.mysql_flavours import Flavour
from bot.targets.mysql_grants import Granted, read
from bot.targets.mysql_sql import Relation, quote

Ask = Callable[[str], Iterable[Sequence[str | None]]]


def missing_rights(
    ask: Ask,
    flavour: Flavour,
    database: str,
    needs: Sequence[tuple[Need, Relation]],
    keys: Iterable[tuple[Relation, Relation]],
    sequences: Callable[[Relation], Iterable[tuple[str, str]]],
) -> tuple[str, ...]:
    """Each statement once, in the order in which they must be run.

    ``keys``: children and parents we know. ``sequences``: database and name of those that number a table.
    """
    user = whom(ask)
    granted = _granted(ask, flavour)
    found: list[str] = []
    if not granted.may("PROCESS", ""):
        # Without it, keys of other databases that point into ours are invisible, and cascade in silence.
        found.append(f"GRANT PROCESS ON *.* TO {user}")
    else:
        going = [relation for need, relation in needs if need.deletes]
        found += [] if granted.everything else _hidden(ask, flavour, going, keys)
    if not granted.may("CREATE TEMPORARY TABLES", database):
        # There, _ and % would stand for other databases as well.
        pattern = quote(database)
        if not granted.literal:
            pattern = re.sub(r"([\\_%])", r"\\\1", pattern)
        found.append(f"GRANT CREATE TEMPORARY TABLES ON {pattern}.* TO {user}")
    for need, relation in needs:
        missing = [
            right
            for right in dict.fromkeys(_wanted(need))
            if not granted.may(right, relation.schema, relation.name)
        ]
        if missing:
            found.append(f"GRANT {', '.join(missing)} ON {relation.path} TO {user}")
        for place in sequences(relation) if need.inserts else ():
            # What numbers the rows must be able to go on past those that come back.
            missing = [right for right in ("SELECT", "INSERT") if not granted.may(right, *place)]
            if missing:
                path = f"{quote(place[0])}.{quote(place[1])}"
                found.append(f"GRANT {', '.join(missing)} ON {path} TO {user}")
    return tuple(dict.fromkeys(found))


def whom(ask: Ask) -> str:
    """Our user, as GRANT writes it."""
    (user,) = next(iter(ask("SELECT CURRENT_USER()")))
    name, _, host = (user or "").rpartition("@")
    return f"{_text(name)}@{_text(host)}"


def to_see(ask: Ask, flavour: Flavour, database: str) -> Callable[[str, bool], str] | None:
    """What lets our user see a table; None when it sees the whole database. See ``Catalogue``."""
    granted, user = _granted(ask, flavour), whom(ask)
    if granted.may("SELECT", database) and granted.may("UPDATE", database):
        return None

    def statement(table: str, keys: bool) -> str:
        schema, dot, name = table.partition(".")
        path = f"{quote(schema)}.{quote(name)}" if dot else f"{quote(database)}.{quote(table)}"
        return f"GRANT SELECT{', UPDATE' if keys else ''} ON {path} TO {user}"

    return statement


def _granted(ask: Ask, flavour: Flavour) -> Granted:
    """What comes through roles and from PUBLIC stands nowhere else for an ordinary user."""
    ((literal,),) = ask(f"SELECT {flavour.literal}")
    return read((str(line) for (line,) in ask("SHOW GRANTS")), literal=str(literal) == "1")


def _hidden(
    ask: Ask, flavour: Flavour, going: Iterable[Relation], keys: Iterable[tuple[Relation, Relation]]
) -> Iterator[str]:
    """Tables with keys into ours that the engine knows and we do not.

    The server shows the keys of a table only to whoever may do more with it than read.
    """
    user = whom(ask)
    ours = {(one.schema, one.name) for one in going}
    known = {((child.schema, child.name), (parent.schema, parent.name)) for child, parent in keys}
    engine = f"information_schema.{flavour.engine_keys}"
    for row in ask(f"SELECT DISTINCT FOR_NAME, REF_NAME FROM {engine}"):  # noqa: S608 - our own constant
        child, parent = (_place(str(name), flavour) for name in row)
        if parent in ours and (child, parent) not in known:
            yield f"GRANT SELECT, DELETE, UPDATE ON {quote(child[0])}.{quote(child[1])} TO {user}"


def _place(name: str, flavour: Flavour) -> tuple[str, str]:
    schema, _, table = name.partition("/")
    return (decoded(schema), decoded(table)) if flavour.encoded else (schema, table)


def _wanted(need: Need) -> Iterator[str]:
    yield "SELECT"
    if need.deletes:
        yield "DELETE"
    if need.inserts:
        yield "INSERT"
    # Rows of a circle of keys are emptied before they go and after they came back.
    if need.columns or need.deletes or need.holds:
        yield "UPDATE"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
