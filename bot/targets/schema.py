"""The nouns of a database: tables, links between them, and what is counted. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.model.backups import Value

Row = tuple[Value, ...]

#: What is known of a transaction that is over.
Fate = Literal["committed", "aborted", "unknown"]

#: What the database does to a child when its parent goes; ``soft``: a link only the configuration knows.
Action = Literal["cascade", "no action", "restrict", "set null", "set default", "soft"]


@dataclass(frozen=True)
class TableColumn:
    """One column. ``type`` is the declared type; ``codec`` writes its values into a backup.

    ``numbered``: the database gives each new row a number of its own here.
    """

    name: str
    type: str
    codec: str
    not_null: bool
    has_default: bool
    generated: bool
    numbered: bool = False


@dataclass(frozen=True)
class Table:
    """One ordinary table.

    ``key`` identifies a row: the primary key, else a unique key; empty when there is none.
    ``definition`` is everything about the schema whose change must be noticed; ``triggers`` are their names.
    ``unique``: the columns of each unique key that covers whole values of all rows.
    """

    name: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]
    definition: str
    triggers: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()

    @property
    def stored(self) -> tuple[TableColumn, ...]:
        """The columns that hold something of their own: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)

    def column(self, name: str) -> TableColumn | None:
        """The column of exactly that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Edge:
    """A link from a child table to a parent table. ``where`` narrows a soft link: SQL over the child.

    ``prefix``: the child holds this text and then the parent's value. ``path``: the child is JSON, and holds
    the parent's value as text or number under these names, one below the other. A link has one column on
    each side then, and compares texts.

    ``indexed``: the child can be searched by these columns without reading all of it. ``sound``: the parent
    columns are unique, so that the link means one row.
    """

    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    action: Action
    where: str = ""
    indexed: bool = True
    sound: bool = True
    prefix: str = ""
    path: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """``child.column -> parent.column``."""
        return f"{self.child}.{_join(self.child_columns)} -> {self.parent}.{_join(self.parent_columns)}"


@dataclass(frozen=True)
class Need:
    """What an operation does with a table: lock and delete rows, or insert them; write some columns.

    Reading is always part of it. ``holds``: it keeps others from adding rows.
    """

    table: str
    deletes: bool = False
    inserts: bool = False
    columns: tuple[str, ...] = ()
    holds: bool = False


@dataclass(frozen=True)
class Tally:
    """A stage beside the live rows: how many it has, how many are not live, and how many surely the same."""

    rows: int
    missing: int
    identical: int

    @property
    def settled(self) -> bool:
        """Every row is one or the other. If not, only a look at the rows tells."""
        return self.missing + self.identical == self.rows


@dataclass(frozen=True)
class Replicas:
    """Servers that follow this one and are connected: how many, how many of them have yet to catch up.

    ``seconds``: how far the last of the others is behind. ``grants``: the statements that would let our user
    see it; then the rest says nothing.
    """

    count: int = 0
    catching_up: int = 0
    seconds: float = 0.0
    grants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holder:
    """Somebody else's open transaction that has written or locked rows, as far as the database tells.

    ``table``: where; empty when only the database is known. ``who``: the number of the process and its state,
    never a user or a program, because a plan keeps it for ever; empty when the database does not know.
    ``seconds``: for how long.
    """

    table: str
    who: str
    seconds: int


@dataclass(frozen=True)
class Named:
    """Rows that name something: their keys, or nothing for each where the table has no key.

    ``index``: the statement that lets such rows be found without reading the whole table; empty when that is
    so already, or when no index would help.
    """

    keys: tuple[Row, ...]
    index: str = ""


@dataclass(frozen=True)
class Catalogue:
    """The schema. Names are exact. ``edges`` are the foreign keys, one per label.

    ``seen_with``: the statement that lets our user see a table, and with the second argument the keys that
    lead from it; None where everybody sees all of them.
    """

    tables: Mapping[str, Table]
    edges: tuple[Edge, ...]
    seen_with: Callable[[str, bool], str] | None = field(default=None, compare=False)


def _join(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
