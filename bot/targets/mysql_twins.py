"""Work tables on a server that reads a temporary table once in a statement: their copies. ADR 59.

A statement may name a work table as often as it likes. Each time after the first it gets a copy, filled
right before; a copy that is still true is not filled again.
"""
# ruff: noqa: S608 - nothing but names of our own goes into these statements

import re
from collections.abc import Callable

#: What a statement begins with that writes to a work table.
_WRITES = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) ")


class Twins:
    """The copies of a session's work tables. ``write`` runs a statement and says how many rows it wrote."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self._write = write
        self._copies: dict[str, list[str]] = {}
        #: By copy: no row has been written to its work table since.
        self._true: set[str] = set()
        #: Rows that were written to copies.
        self.rows = 0

    def make(self, path: str, name: str, count: int) -> None:
        """So many copies of a new work table; later the transaction may be one that makes none."""
        copies = [f"{path.removesuffix(name)}{name}_{number}" for number in range(count)]
        for copy in copies:
            self._write(f"CREATE TEMPORARY TABLE {copy} LIKE {path}")
        self._copies[path] = copies

    def apart(self, statement: str) -> str:
        """The statement with a table of its own wherever it names a work table once more."""
        for path, copies in self._copies.items():
            if path in statement:
                statement = self._parted(statement, path, copies)
        return statement

    def _parted(self, statement: str, path: str, copies: list[str]) -> str:
        # Not where it names a column of the table, or a copy.
        first, *more = re.split(rf"{re.escape(path)}(?![\w.])", statement)
        parts = [first]
        for number, text in enumerate(more):
            parts.append(path if number == 0 else self._filled(path, copies[number - 1]))
            parts.append(text)
        if _WRITES.match(statement) and _WRITES.sub("", statement, count=1).startswith(path):
            self._true -= {*copies}
        return "".join(parts)

    def _filled(self, path: str, copy: str) -> str:
        if copy not in self._true:
            self.rows += self._write(f"DELETE FROM {copy}")
            self.rows += self._write(f"INSERT INTO {copy} SELECT * FROM {path}")
            self._true.add(copy)
        return copy
