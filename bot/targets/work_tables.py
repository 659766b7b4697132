"""Work tables of a session, and the decisions that read alike on every database. Pure: names in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkTable:
    """A work table beside the table that its columns come from. ``path``: its name, fit for a statement."""

    path: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def cell(self, column: str) -> str:
        """Our name for a column."""
        return f"c{self.columns.index(column)}"

    @property
    def cells(self) -> str:
        """All our names."""
        return ", ".join(f"c{position}" for position in range(len(self.columns)))

    @property
    def empty(self) -> str:
        """The condition under which the key of a row holds NULL."""
        return " OR ".join(f"{self.cell(name)} IS NULL" for name in self.key)


def may_go_back(empty: Sequence[str], back: Sequence[str], held: Sequence[str] = ()) -> str:
    """The condition under which columns of a live row may be put back; each argument is one test a column.

    ``empty``: it holds NULL. ``back``: it holds what it shall hold, for a column shared by two links may have
    come back already with the other one. ``held``: it holds what the heir has; none: there is no heir.
    """
    each = " AND ".join(f"({none} OR {same})" for none, same in zip(empty, back, strict=True))
    where = f"({each} AND ({' OR '.join(empty)}))"
    return f"({where} OR ({' AND '.join(held)}))" if held else where
