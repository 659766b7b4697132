"""Whether the tables of today still take the rows of a backup: column by column, by name.

Another order, new columns that need no value, and types that hold the same and more are told; everything
else is refused with the table and the column.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.errors import CannotProve
from bot.model.backups import Manifest, Value
from bot.model.backups import Table as Archived
from bot.model.plans import Told
from bot.operations.archived import Extra, Shape
from bot.operations.widening import widens
from bot.targets.base import Catalogue, Table, TableColumn


@dataclass(frozen=True)
class SchemaDrift:
    """What is different, and no obstacle. ``solid``: columns, by table, that may not be empty any more."""

    told: tuple[Told, ...] = ()
    solid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def guarded(self, tables: Iterable[Archived], target: str) -> Iterator[Archived]:
        """The tables of an archive, whose rows are looked at on their way.

        Raises:
            CannotProve: a row is empty where it may not be any more.
        """
        for table in tables:
            columns = [column.name for column in table.summary.columns]
            solid = self.solid.get(table.summary.name, ()) if table.summary.kind == "rows" else ()
            places = {columns.index(name): name for name in solid}
            yield replace(table, rows=_filled(table, target, places)) if places else table


def require_schema(
    catalogue: Catalogue, target: str, kind: str, extra: Extra, manifest: Manifest
) -> SchemaDrift:
    """The tables still take these rows; what is different about them. ``kind``: of the database.

    Raises:
        CannotProve: a table or column is gone or another, or a new column needs a value.
    """
    told: list[Told] = []
    solid: dict[str, tuple[str, ...]] = {}
    for shape in extra.shapes.values():
        table = _table(catalogue, target, shape.name, shape.key)
        told += _columns(table, target, kind, shape)
        solid[shape.name] = tuple(
            name for name, _, was_solid in shape.columns if not was_solid and _column(table, name).not_null
        )
    for edge in extra.softs:
        if _table(catalogue, target, edge.parent).column(edge.parent_columns[0]) is None:
            (column,) = edge.parent_columns
            raise CannotProve("restore.column-gone", target=target, table=edge.parent, column=column)
    for link in extra.links.values():
        summary = manifest.table("nullified", link.label)
        columns = [column.name for column in summary.columns] if summary else []
        table = _table(catalogue, target, link.table, tuple(columns[: link.key]))
        for name in link.columns:
            if table.column(name) is None:
                raise CannotProve("restore.column-gone", target=target, table=table.name, column=name)
    return SchemaDrift(tuple(told), {name: columns for name, columns in solid.items() if columns})


def _table(catalogue: Catalogue, target: str, name: str, key: tuple[str, ...] | None = None) -> Table:
    table = catalogue.tables.get(name)
    if table is None and catalogue.seen_with is not None:
        grant = catalogue.seen_with(name, False) + ";"
        raise CannotProve("restore.table-unseen", target=target, table=name, grant=grant)
    if table is None:
        raise CannotProve("restore.table-gone", target=target, table=name)
    if key is not None and table.key != key:
        raise CannotProve("restore.key-changed", target=target, table=name)
    return table


def _columns(table: Table, target: str, kind: str, shape: Shape) -> Iterator[Told]:
    known = {name for name, _, _ in shape.columns}
    for name, was, _ in shape.columns:
        column = table.column(name)
        if column is None or column.generated:
            raise CannotProve("restore.column-gone", target=target, table=table.name, column=name)
        if not widens(kind, was, column.type):
            types = {"was": was, "now": column.type}
            raise CannotProve("restore.type-changed", target=target, table=table.name, column=name, **types)
        if column.type != was:
            place = {"table": table.name, "column": name}
            yield Told("told.widened", {**place, "was": was, "now": column.type})
    for column in table.stored:
        if column.name in known:
            continue
        if column.not_null and not column.has_default:
            raise CannotProve("restore.column-new", target=target, table=table.name, column=column.name)
        yield Told("told.column-new", {"table": table.name, "column": column.name})


def _column(table: Table, name: str) -> TableColumn:
    column = table.column(name)
    assert column is not None
    return column


def _filled(table: Archived, target: str, places: Mapping[int, str]) -> Iterator[tuple[Value, ...]]:
    for row in table.rows:
        for place, name in places.items():
            if row[place] is None:
                raise CannotProve("restore.empty", target=target, table=table.summary.name, column=name)
        yield row
