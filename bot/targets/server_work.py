"""What a session on a database server keeps: the schema, and the work tables it has made."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from bot.errors import CannotProve
from bot.model.backups import Value
from bot.targets.base import Catalogue, Edge, Table
from bot.targets.deadline import Deadline
from bot.targets.work_tables import WorkTable


class AnySchema(Protocol):
    """What is known of a schema on any server."""

    @property
    def catalogue(self) -> Catalogue:
        """Tables and links."""

    @property
    def relations(self) -> Mapping[str, Any]:
        """By table, what SQL needs to know of it."""


S = TypeVar("S", bound=AnySchema)
R = TypeVar("R")


class ServerWork(Deadline, ABC, Generic[S, R]):
    """A connection in a transaction; ``S`` is the kind of its schema, ``R`` of its relations.

    ``begin`` is run once, before the first look at rows; from then on no work table can be made. None: the
    transaction is one that can still make them.
    """

    def __init__(self, target: str, max_lock: float, begin: Callable[[], None] | None) -> None:
        super().__init__(target, max_lock)
        self._begin = begin
        self._known: S | None = None
        self._keys: dict[str, WorkTable] = {}
        self._links: dict[Edge, WorkTable] = {}
        self._stages: dict[str, WorkTable] = {}
        self._made = 0

    @abstractmethod
    def _read_schema(self) -> S:
        """Ask the server."""

    @abstractmethod
    def _make(self, letter: str, table: str, columns: Sequence[str], more: str = "") -> WorkTable:
        """An empty work table, made from the table itself, so that its columns have the very same types."""

    @abstractmethod
    def _number(self, query: str, table: str, values: Sequence[Value] | None = None) -> int:
        """The one number that a query answers."""

    def catalogue(self) -> Catalogue:
        """See ``Session``."""
        return self._schema().catalogue

    def prepare(self, tables: Iterable[str], edges: Iterable[Edge]) -> None:
        """See ``Session``."""
        known = self.catalogue().tables
        for table in sorted(set(tables)):
            if known[table].key:
                self._key_set(table)
        for edge in edges:
            if known[edge.child].key:
                self._key_set(edge.child)
                self._link_set(edge)

    def _look(self) -> None:
        """Before the first look at rows: from here on, one snapshot."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()

    def _key_set(self, table: str) -> WorkTable:
        if table not in self._keys:
            self._keys[table] = self._make("k", table, self._table(table).key, "0 AS r")
        return self._keys[table]

    def _link_set(self, edge: Edge) -> WorkTable:
        if edge not in self._links:
            key = self._table(edge.child).key
            self._links[edge] = self._make("n", edge.child, (*key, *edge.child_columns))
        return self._links[edge]

    def _solid(self, work: WorkTable) -> None:
        """No key of the set holds NULL.

        Raises:
            CannotProve: one does, so that nothing identifies its row.
        """
        columns = (self._table(work.table).column(name) for name in work.key)
        if all(column is not None and column.not_null for column in columns):
            return
        if self._number(f"SELECT COUNT(*) FROM {work.path} WHERE {work.empty}", work.table):  # noqa: S608 - our own names
            raise CannotProve("operations.null-key", target=self._target, table=work.table)

    def _schema(self) -> S:
        if self._known is None:
            self._in_time()
            self._known = self._read_schema()
        return self._known

    def _relation(self, name: str) -> R:
        relation: R = self._schema().relations[name]
        return relation

    def _table(self, name: str) -> Table:
        return self.catalogue().tables[name]
