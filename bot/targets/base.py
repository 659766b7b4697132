"""What every target of records promises. The operations know this file and no driver.

Three kinds of sets live on a session's own connection, in work tables that nobody else sees and that are gone
when the session ends: the *keys* of rows of a table, the *links* (rows that stay but point at keys), and the
*stages* (rows that came out of a backup). All work on sets of rows happens inside the database.

Every method raises, besides what it names: ``TargetDown`` (unreachable, locked, read-only, too slow, out of
space, damaged) and ``CannotProve`` (the engine refused a statement for a reason of its own, such as a rule of
the schema). No error carries a value of a row; driver errors are never chained.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from bot.targets.schema import (
    Action,
    Catalogue,
    Edge,
    Fate,
    Holder,
    Named,
    Need,
    Replicas,
    Row,
    Table,
    TableColumn,
    Tally,
)

__all__ = [
    "Action",
    "Catalogue",
    "Edge",
    "Fate",
    "Holder",
    "Named",
    "Need",
    "RecordTarget",
    "Replicas",
    "Row",
    "Session",
    "Table",
    "TableColumn",
    "Tally",
    "Writing",
]


class Session(Protocol):
    """One consistent look at the target. Nothing but the session's own work tables can be written."""

    def catalogue(self) -> Catalogue:
        """The schema as this session sees it."""

    def check(self, edge: Edge) -> Edge:
        """A soft link as the database understands it, with ``indexed`` filled in.

        Raises:
            BadInput: its condition is not valid SQL for the child, or a ``path`` leads into a column that is
                not JSON.
        """

    def rights(self, needs: Iterable[Need]) -> tuple[str, ...]:
        """What our user may not do though it is needed, as the statements that would allow it.

        Work tables count as well. Empty: nothing is missing, or this kind of database has no users.
        """

    def holders(self, tables: Iterable[str]) -> tuple[Holder, ...]:
        """Who else holds locks on these tables right now, the longest first; what our user may see of it."""

    def weight(self, table: str) -> int:
        """About how many bytes of text a row of the table's key set has: a look at some, or statistics."""

    def formulas(self, tables: Iterable[str]) -> tuple[str, ...]:
        """Columns, as ``table.column``, that get a number of a sequence in a way ``outrun`` cannot follow."""

    def index_for(self, edge: Edge) -> str:
        """The statement that lets the child be searched by the columns of this edge."""

    def prepare(self, tables: Iterable[str], edges: Iterable[Edge]) -> None:
        """Make room for the key sets of these tables and the link sets of these edges.

        Comes before the first look at rows: a reading session may not be able to make a work table later.
        """

    def size(self, table: str) -> int:
        """How many rows the table has."""

    def find(self, table: str, column: str, text: str, limit: int) -> list[Row]:
        """The keys, at most ``limit``, of rows whose column is exactly what was typed.

        Case counts; wildcards are characters; a number matches only in its plain form (``12``, not ``1e1``).
        """

    def sample(self, table: str, columns: Sequence[str], limit: int) -> list[Row]:
        """At most ``limit`` different combinations of what these columns hold, none of them NULL, as texts.

        Only some tens of thousands of rows are looked at, which differ from database to database.
        """

    def naming(
        self, table: str, column: str, texts: Sequence[str], limit: int, seconds: float, *, only: bool = False
    ) -> Named:
        """Rows outside the table's key set, at most ``limit``, whose column names one of the texts.

        A column of a bounded type names what it holds, compared as text. One for long texts, documents or
        bytes names every text of six characters or more that stands somewhere in it, also as JSON writes it.
        Wildcards are characters; the case of the letters A to Z does not count in a text with ``@``, that
        of others may not. ``only``: a column names nothing but what it holds as a whole, to the letter, and
        a writing session sees what others have committed by now.

        Raises:
            TargetDown: ``target.too-slow`` after ``seconds``; the session can be used on.
        """

    def seed(self, table: str, keys: Iterable[Row]) -> int:
        """Add the rows with these keys to the table's key set, as round 0; how many of them exist."""

    def grow(self, edge: Edge, found: int) -> int:
        """Add to the child's key set all children of parents found in round ``found``; how many are new.

        New keys belong to round ``found`` + 1. Writing sessions hold a lock on them.

        Raises:
            CannotProve: a row's key holds NULL, so that nothing identifies it.
        """

    def forget(self) -> None:
        """Empty every key set and link set; what follows has its time anew. Locks stay."""

    def pointing(self, edge: Edge) -> int:
        """How many rows of the child point at the parent's key set and are not in the child's own.

        Writing sessions keep others from adding more, also where the database does not.
        """

    def note(self, edge: Edge) -> int:
        """Fix the link set of an edge: rows outside the key sets that point into them; how many."""

    def one(self, table: str, key: Row) -> Row | None:
        """The stored columns of the row with this key, if there is one; writing sessions lock it."""

    def taken(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """How many rows of an edge's link set would share a unique key with another row after ``repoint``.

        That other row may itself be in the link set. Only unique keys that hold for every row are looked at.
        """

    def loose(self, edge: Edge) -> int:
        """How many rows of the child's key set point nowhere already: the parent they name is not there."""

    def keys(self, table: str) -> Iterable[Row]:
        """The key set of a table, any order; empty when nothing was added."""

    def rows(self, table: str) -> Iterable[Row]:
        """The stored columns of the rows in the key set, in the order of ``Table.stored``."""

    def links(self, edge: Edge) -> Iterator[Row]:
        """The link set of an edge: key, then the old values of the child columns."""

    def stage(self, label: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Load rows into a work table of the same types; ``columns`` must hold the table's key. How many.

        In a reading session this comes before the first look at rows, as ``prepare`` does.
        """

    def staged(self, label: str) -> Iterator[Row]:
        """The rows of a stage as the database gives them back."""

    def pairs(self, label: str) -> Iterator[tuple[Row, Row | None]]:
        """Every staged row beside the same columns of the live row with its key, if there is one."""

    def tally(self, label: str) -> Tally:
        """What ``pairs`` would show, counted by the database itself at one moment."""

    def clashes(self, label: str) -> int:
        """How many staged, not live rows share a unique key with some live row."""

    def orphans(self, edge: Edge, label: str) -> int:
        """How many staged, not live children of an edge have a parent that is neither live nor staged.

        ``label`` is the child's stage; the parent's stage is the one labelled with the parent's name.
        """

    def joins(self, edge: Edge, label: str) -> Iterator[tuple[Row, Row]]:
        """The keys of staged rows of an edge's child, each beside the key of a staged parent that it names.

        ``label`` is the child's stage; the parent's stage is the one labelled with the parent's name.
        """

    def orphaned(self, edge: Edge, label: str) -> Iterator[Row]:
        """The keys behind ``orphans``, and those of live rows in the same case."""

    def clashing(self, label: str) -> Iterator[Row]:
        """The keys of staged rows that share a unique key with a live row that has another key."""

    def unstage(self, label: str, keys: Iterable[Row] | None = None) -> int:
        """Take the rows with these keys, or all, out of a stage; how many."""


class Writing(Session, Protocol):
    """A transaction that holds the target's lock and sees the newest committed state.

    It ends with ``commit`` or changes nothing at all. Deletions, updates and inserts never rely on what the
    database does by itself (cascades); a trigger does fire.
    """

    def delete(self, component: Sequence[str]) -> Mapping[str, int]:
        """Delete the key sets of tables that may point at each other; rows the database says it deleted."""

    def unlink(self, edge: Edge) -> int:
        """Set the child columns of an edge's link set to NULL; how many rows."""

    def repoint(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """Let an edge's link set point at the parent with the key ``heir``; how many rows.

        Only ``columns`` of the edge's child columns are written.
        """

    def outrun(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Let what numbers new rows go on past every staged row that is not live; comes before ``insert``.

        Never back, whoever draws meanwhile. A rollback does not undo it: a number left out harms nobody.
        Sequences that begin again at their end are left alone. What the database raises by itself, it raises.
        Gives the columns, as ``table.column``, whose sequence was behind.
        """

    def insert(self, labels: Sequence[str]) -> Mapping[str, int]:
        """Insert the staged rows that are not live, of tables that may point at each other; how many."""

    def relink(self, label: str, columns: Sequence[str], heir: Row | None = None) -> int:
        """Put ``columns`` of the staged rows back where the live row is empty there; how many rows.

        ``heir``: also where the live row holds exactly these values there.
        """

    def overwrite(self, label: str) -> int:
        """Give the live rows of a stage what is staged for them; how many rows. Keys stay as they are."""

    def changes(self) -> int:
        """How many rows this connection has changed so far, by itself, by trigger or by cascade.

        Only differences mean something. Loading work tables may count; ``delete``, ``unlink``, ``repoint``,
        ``insert``, ``overwrite`` and ``relink`` count exactly the rows of real tables.
        """

    def strangers(self, labels: Iterable[str]) -> bool:
        """Whether a row that is in none of these stages may have been changed: True when it cannot be told.

        For surplus changes only: a trigger may write to the very row that was just inserted.
        """

    def dangling(self, tables: Iterable[str]) -> Mapping[str, int]:
        """Rows of these tables whose foreign key points nowhere, by label of the edge; absent: none."""

    def left(self, edge: Edge, label: str) -> int:
        """How many rows of the child still point at a staged parent row, though that was deleted."""

    def transaction(self) -> str:
        """A name for this transaction; where the server has one, its own."""

    def fate(self, transaction: str) -> Fate:
        """What became of an earlier transaction, by the name it had; what the database remembers."""

    def extend(self) -> None:
        """Check ``max_lock``, then give the statements that follow the same time again.

        Raises:
            TargetDown: the lock has been held longer than ``max_lock``.
        """

    def ready(self) -> None:
        """Whatever can fail before COMMIT is sent; comes right before ``commit``.

        Raises:
            TargetDown: the transaction is gone, and surely was not committed.
        """

    def commit(self) -> None:
        """Make it durable.

        Raises:
            TargetDown: the database refused; whether it happened must be looked up. ``target.idle-too-long``:
                the database may have ended the transaction before, so that others may have changed the rows.
        """


class RecordTarget(Protocol):
    """A configured database. Opening it reads nothing; each session is a connection of its own."""

    @property
    def name(self) -> str:
        """The target's name in the configuration."""

    @property
    def identity(self) -> Mapping[str, str]:
        """Which server and which database this is, resolved, without credentials."""

    @property
    def warnings(self) -> Sequence[tuple[str, Mapping[str, str | int]]]:
        """What a plan must say about this kind of target, such as what its lock blocks."""

    def replicas(self) -> Replicas | None:
        """What the server knows of those that follow it; None where it knows nothing of how far they are.

        Raises:
            TargetDown: as ``reading``.
        """

    def reading(self) -> AbstractContextManager[Session]:
        """A read-only session on one snapshot; its statements are bounded by ``max_lock``.

        Raises:
            TargetDown: missing, unreachable, locked, damaged, or not writable (a plan for it would be a lie).
        """

    def writing(self) -> AbstractContextManager[Writing]:
        """A transaction that begins with the target's lock, waited for a bounded time.

        Leaving without ``commit`` rolls back.

        Raises:
            TargetDown: as ``reading``.
        """
