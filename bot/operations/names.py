"""What the names of tables and columns say, however they are written. Pure words, no schema."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+|[^\W\d_]+")
_IDENTIFIERS = frozenset({"id", "ids", "uuid", "guid", "key", "fk", "ref", "oid", "no", "nr", "number"})
#: Shorter words end too many others.
_LONG = 4
_SURE = frozenset({"id", "uuid", "guid", "fk", "oid"})
_IRREGULAR = {
    "people": "person", "children": "child", "addresses": "address", "statuses": "status", "news": "news",
    "series": "series", "staff": "staff", "media": "media", "data": "data", "indices": "index",
}  # fmt: skip


def words(name: str) -> tuple[str, ...]:
    """``customer_id``, ``customerId``, ``CustomerID`` and ``Sales.Customer`` by their words."""
    return tuple(part.lower() for part in _PARTS.findall(name))


def singular(word: str) -> str:
    """One of them, in English; a word that is no plural stays as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def joined(parts: Iterable[str]) -> str:
    """The words of a name as one: names are compared in this form, the last word in the singular."""
    known = list(parts)
    return "".join([*known[:-1], singular(known[-1])]) if known else ""


def stem(column: str) -> tuple[tuple[str, ...], bool]:
    """What a column is called without the word that says it is an identifier, and whether it had one.

    ``principalid`` has none that can be told from a word such as ``paid``; see ``stems``.
    """
    parts = words(column)
    if len(parts) > 2 and parts[-2:] == ("ptr", "id"):
        return parts[:-2], True
    if len(parts) > 1 and parts[-1] in _IDENTIFIERS:
        return parts[:-1], parts[-1] in _SURE
    if len(parts) > 1 and parts[0] in _SURE:
        return parts[1:], True
    return parts, False


def stems(column: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every reading of a column's name as the name of something, the likely one first."""
    found, sure = stem(column)
    yield found, sure
    last = found[-1] if found else ""
    for ending in ("id", "uuid"):
        if not sure and last.endswith(ending) and len(last) > len(ending) + 2:
            yield (*found[:-1], last.removesuffix(ending)), True


class TableNames:
    """The tables of a schema by what people call them: ``persons_contact`` is also a contact.

    In tiers, the surest first: the whole name; its end; the end of a name that goes on from another table's
    (``user_roles`` beside ``user``); the end of its last word (``cremeuser`` is a user).
    """

    def __init__(self, tables: Iterable[str], joins: Collection[str] = ()) -> None:
        """``joins``: tables that only tie others together; nothing means one by the end of its name."""
        self._words = {table: words(table.rpartition(".")[2]) for table in tables}
        self._joins = frozenset(joins)
        whole = set(self._words.values())
        self._tiers: tuple[dict[str, list[str]], ...] = ({}, {}, {})
        for table, parts in self._words.items():
            self._tiers[0].setdefault(joined(parts), []).append(table)
            if table in self._joins:
                continue
            goes_on = any(parts[:end] in whole for end in range(1, len(parts)))
            for start in range(1, len(parts)):
                self._tiers[2 if goes_on else 1].setdefault(joined(parts[start:]), []).append(table)

    def meant(self, parts: tuple[str, ...], near: str) -> str | None:
        """The one table that these words, or the last of them, name.

        ``near``: the table that speaks. Its neighbours come first, and ``status`` said by an invoice may be
        the invoice's status.
        """
        own = self._words.get(near, ())
        for tier in self._tiers:
            for start in range(len(parts)):
                for said in ((*own[:-1], singular(own[-1])), (singular(own[-1]),), ()) if own else ((),):
                    found = self._one(tier.get(joined((*said, *parts[start:])), ()), near)
                    if found is not None and (found != near or tier is self._tiers[0]):
                        return found
        found = self._one(self._ending(parts[-1]), near)
        return found if found != near else None

    def whole(self, parts: tuple[str, ...], near: str) -> str | None:
        """The table whose whole name this is, or this twice, or this after the first word of ``near``."""
        family = self._words.get(near, ())[:1]
        for said in (parts, (*parts, *parts), (*family, *parts)):
            found = self._tiers[0].get(joined(said), ())
            if len(found) == 1 and (found[0] != near or said == parts):
                return found[0]
        return None

    def about(self, table: str, words_: Collection[str]) -> str | None:
        """The table of which one tells by its name: ``accounts`` of ``accounts_audit``."""
        own = self._words.get(table, ())
        found = [one for one, parts in self._words.items() if parts and parts == own[:-1]]
        return found[0] if len(found) == 1 and singular(own[-1]) in words_ else None

    def called(self, *names: str) -> str | None:
        """The first of these words that is a table's whole name, or the end of exactly one table's."""
        for tier in self._tiers[:2]:
            for name in names:
                found = tier.get(name, ())
                if len(found) == 1:
                    return found[0]
        return next((found[0] for name in names if len(found := self._ending(name)) == 1), None)

    def _one(self, found: Sequence[str], near: str) -> str | None:
        if len(found) > 1:
            found = [one for one in found if self._words[one][:1] == self._words.get(near, ())[:1]]
        return found[0] if len(found) == 1 else None

    def _ending(self, word: str) -> list[str]:
        if len(word) < _LONG:
            return []
        return [
            table
            for table, parts in self._words.items()
            if parts
            and singular(parts[-1]).endswith(singular(word))
            and table not in self._extended | self._joins
        ]

    @property
    def _extended(self) -> set[str]:
        return {table for found in self._tiers[2].values() for table in found}
