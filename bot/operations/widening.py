"""Which types a column may have by now, so that what it held before still fits and reads the same. Pure.

Safe is only what changes neither the text of any value nor what the value is to the application: the same as
if the rows had been there when the column was widened. Everything else is refused, however likely it would
work. What is allowed here is proven once more by the checksums of the rows themselves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_POSTGRESQL = re.compile(
    r"([a-z][a-z ]*?)(?:\(([0-9]+)(?:,(-?[0-9]+))?\))?( with(?:out)? time zone)?((?:\[\])*)"
)
_MARIADB = re.compile(r"([a-z0-9]+)(?:\(([0-9]+)(?:,([0-9]+))?\))?((?: unsigned)?(?: zerofill)?)")
_MEMBERS = re.compile(r"(enum|set)\(((?:'(?:[^']|'')*',?)+)\)")
_MEMBER = re.compile(r"'((?:[^']|'')*)'")

#: How many decimal digits a whole number has at most, by type; and in that order they fit into each other.
_POSTGRESQL_WHOLE = {"smallint": 5, "integer": 10, "bigint": 19}
_MARIADB_WHOLE = {"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "bigint": 20}
#: MariaDB's kinds of text and of bytes, by how much they hold in bytes.
_TEXTS = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
_BLOBS = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": 4_294_967_295}


@dataclass(frozen=True)
class _Type:
    name: str
    size: int | None
    scale: int | None
    rest: str = ""


def widens(kind: str, was: str, now: str) -> bool:
    """Whether every value of a column of type ``was`` is the same value, and the same text, in ``now``.

    ``kind``: of the database. The types are as it declares them.
    """
    if was == now:
        return True
    if kind == "postgresql":
        return _postgresql(was, now)
    if kind in ("mariadb", "mysql"):
        return _mariadb(was, now)
    # SQLite keeps a value as it is wherever the column treats it alike; lengths mean nothing.
    return kind == "sqlite" and _affinity(was) == _affinity(now)


def _postgresql(was: str, now: str) -> bool:
    one, other = _POSTGRESQL.fullmatch(was), _POSTGRESQL.fullmatch(now)
    if one is None or other is None or one[5] != other[5]:
        return False
    old, new = _typed(one), _typed(other)
    rule = _RULES_OF_POSTGRESQL.get(old.name)
    return rule is not None and rule(old, new)


def _whole(old: _Type, new: _Type) -> bool:
    if new.name in _POSTGRESQL_WHOLE:
        return _POSTGRESQL_WHOLE[old.name] <= _POSTGRESQL_WHOLE[new.name]
    return new.name == "numeric" and not new.scale and _fits(_POSTGRESQL_WHOLE[old.name], new.size)


def _numeric(old: _Type, new: _Type) -> bool:
    # Without a scale each value keeps its own; with another one its text would change.
    fits = new.size is None or (old.scale == new.scale and _within(old.size, new.size))
    return new.name == "numeric" and fits


def _text(old: _Type, new: _Type) -> bool:
    if new.name == "text" or (new.name == "character varying" and new.size is None):
        return True
    return new.name == old.name and _within(old.size, new.size)


def _bits(old: _Type, new: _Type) -> bool:
    return new.name == "bit varying" and (new.size is None or _within(old.size, new.size))


def _time(old: _Type, new: _Type) -> bool:
    # Six digits behind the point when none are named; zeros at the end are not written.
    old_digits, new_digits = (6 if one.size is None else one.size for one in (old, new))
    return (old.name, old.rest) == (new.name, new.rest) and old_digits <= new_digits


_RULES_OF_POSTGRESQL: dict[str, Callable[[_Type, _Type], bool]] = {
    **dict.fromkeys(_POSTGRESQL_WHOLE, _whole),
    **dict.fromkeys(("character varying", "text"), _text),
    **dict.fromkeys(("bit", "bit varying"), _bits),
    **dict.fromkeys(("timestamp", "time"), _time),
    "numeric": _numeric,
}


def _mariadb(was: str, now: str) -> bool:
    members, more = _MEMBERS.fullmatch(was), _MEMBERS.fullmatch(now)
    if members and more:
        known = _MEMBER.findall(members[2])
        # The text of a set follows the order of its members, and an enum sorts by it.
        return members[1] == more[1] and _MEMBER.findall(more[2])[: len(known)] == known
    one, other = _MARIADB.fullmatch(was), _MARIADB.fullmatch(now)
    if one is None or other is None or "zerofill" in was + now:
        return False
    old, new = _sized(one), _sized(other)
    rule = _RULES_OF_MARIADB.get(old.name)
    if rule is not None:
        return rule(old, new)
    return _holds(old, new, _TEXTS, ("char", "varchar")) or _holds(old, new, _BLOBS, ("binary", "varbinary"))


def _mariadb_whole(old: _Type, new: _Type) -> bool:
    unsigned, still = "unsigned" in old.rest, "unsigned" in new.rest
    if new.name == "decimal":
        return not new.scale and not still and _fits(_MARIADB_WHOLE[old.name], new.size)
    if new.name not in _MARIADB_WHOLE:
        return False
    places = list(_MARIADB_WHOLE)
    if unsigned == still:
        return places.index(old.name) <= places.index(new.name)
    return unsigned and places.index(old.name) < places.index(new.name)


def _mariadb_decimal(old: _Type, new: _Type) -> bool:
    signs = "unsigned" in old.rest or "unsigned" not in new.rest
    return new.name == "decimal" and old.scale == new.scale and _within(old.size, new.size) and signs


def _mariadb_float(old: _Type, new: _Type) -> bool:
    # A float is kept with all the digits that it has as a double.
    return new.name == "double" and old.size is new.size is None and old.rest == new.rest


def _mariadb_bits(old: _Type, new: _Type) -> bool:
    return new.name == "bit" and _within(old.size, new.size)


_RULES_OF_MARIADB: dict[str, Callable[[_Type, _Type], bool]] = {
    **dict.fromkeys(_MARIADB_WHOLE, _mariadb_whole),
    "decimal": _mariadb_decimal,
    "float": _mariadb_float,
    "bit": _mariadb_bits,
}


def _holds(old: _Type, new: _Type, large: dict[str, int], small: Sequence[str]) -> bool:
    """Of texts, or of bytes: the new type holds as much. ``small``: of fixed length and of any."""
    if old.name in large:
        return new.name in large and large[old.name] <= large[new.name]
    if old.name not in small:
        return False
    if new.name in large:
        # So many characters may be four times as many bytes; a row holds no more than the second.
        bytes_each = 4 if small[0] == "char" else 1
        return large[new.name] >= min((old.size or 1) * bytes_each, 65_535)
    if not _within(old.size, new.size):
        return False
    # Bytes of a fixed length are filled up with zeros to that length.
    return new.name == small[1] or (new.name == old.name == "char")


def _typed(found: re.Match[str]) -> _Type:
    scale = found[3] if found[3] is not None else ("0" if found[2] is not None else None)
    return _Type(found[1], _number(found[2]), _number(scale), found[4] or "")


def _sized(found: re.Match[str]) -> _Type:
    return _Type(found[1], _number(found[2]), _number(found[3]), found[4])


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _fits(digits: int, size: int | None) -> bool:
    return size is None or digits <= size


def _within(old: int | None, new: int | None) -> bool:
    """Both have a length, and the new one is no shorter."""
    return old is not None and new is not None and old <= new


def _affinity(declared: str) -> str:
    """How SQLite treats the values of a column, by its five rules in their order."""
    kind = declared.upper()
    if "INT" in kind:
        return "integer"
    if any(word in kind for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not kind or "BLOB" in kind:
        return "blob"
    return "real" if any(word in kind for word in ("REAL", "FLOA", "DOUB")) else "numeric"
