"""The ways in which rows may write down one file of a folder, so that none that stays is overlooked."""

from collections.abc import Collection, Iterable, Iterator
from posixpath import normpath

from bot.errors import CannotProve
from bot.operations.preflight import Closure
from bot.targets.base import Edge, Session

#: Texts in one question; SQLite takes no deeper one. A column without an index is read once for each.
_AT_ONCE = 400
_MOST = 1000
_SECONDS = 60.0


def spellings(root: str, prefix: str, name: str) -> tuple[str, ...]:
    """The usual texts for the file ``name`` under ``root``, without ``prefix + name`` itself."""
    forms = [
        before + one
        for one in (name, name.replace("/", "//"))
        for before in ("", "./", "/", "//", f"{root}/", f"{root}//")
    ]
    texts = dict.fromkeys([*(prefix + one for one in forms), *forms])
    return tuple(text for text in texts if text != prefix + name)


def places(root: str, prefix: str, text: str) -> frozenset[str]:
    """Every name under ``root`` that a text may mean: one that may mean two files keeps both."""
    rests = {text}
    for before in (prefix, f"{root}/", prefix):
        rests |= {one.removeprefix(before) for one in rests}
    return frozenset(normpath(one.lstrip("/")) for one in rests if one.strip("/"))


def named_otherwise(
    session: Session, found: Closure, edges: Iterable[Edge], root: str, prefix: str, names: Collection[str]
) -> set[str]:
    """Those of the names that rows which stay spell in another way.

    Raises:
        CannotProve: such a row cannot be identified.
        TargetDown: the database takes too long.
    """
    columns = sorted({(edge.child, edge.child_columns[0]) for edge in edges})
    texts = sorted({text for name in names for text in spellings(root, prefix, name)})
    held = (
        text
        for column in columns
        for start in range(0, len(texts), _AT_ONCE)
        for text in _held(session, found, column, texts[start : start + _AT_ONCE])
    )
    return {place for text in held for place in places(root, prefix, text)} & {*names}


def _held(session: Session, found: Closure, column: tuple[str, str], texts: list[str]) -> Iterator[str]:
    """What rows that stay hold in a column, of these texts."""
    table = found.ground.catalogue.tables[column[0]]
    keys = session.naming(*column, texts, _MOST, _SECONDS, only=True).keys
    if len(keys) == _MOST and len(texts) > 1:
        # Very many rows name some of these files, and hide the others.
        half = len(texts) // 2
        yield from _held(session, found, column, texts[:half])
        yield from _held(session, found, column, texts[half:])
        return
    if keys and not table.key:
        raise CannotProve("operations.no-key", target=found.ground.target, table=table.name)
    place = [known.name for known in table.stored].index(column[1])
    for key in keys if len(texts) > 1 else keys[:1]:
        row = session.one(table.name, key)
        if row is not None and isinstance(row[place], str):
            yield str(row[place])
