"""What a deletion leaves in its backup besides rows, and how an opened backup meets the live tables again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.backups.rows import sum_rows
from bot.errors import CannotProve, NotOurs
from bot.model.backups import Column, Manifest, Table
from bot.model.csv_lines import TextRows, only
from bot.model.requests import Operation
from bot.model.row_keys import pack, unpack
from bot.operations.compare import Links, Rows, classify_links, classify_rows
from bot.targets import base
from bot.targets.base import Edge, Row, Session

_FORMAT = 1


@dataclass(frozen=True)
class Shape:
    """A table as it was when backed up: its key, and name, declared type and NOT NULL of its columns."""

    name: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Link:
    """A link that was emptied: which columns of which table, and how many columns of its archive are key.

    ``heir``: what the columns hold instead, when the link was not emptied but points at another row.
    """

    label: str
    table: str
    key: int
    columns: tuple[str, ...]
    heir: Row | None = None

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        data: dict[str, Any] = {
            "label": self.label,
            "table": self.table,
            "key": self.key,
            "columns": list(self.columns),
        }
        return data if self.heir is None else {**data, "heir": [pack(cell) for cell in self.heir]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Link":
        """What ``to_data`` wrote."""
        heir = tuple(unpack(cell) for cell in data["heir"]) if "heir" in data else None
        return cls(data["label"], data["table"], data["key"], tuple(data["columns"]), heir)


@dataclass(frozen=True)
class Extra:
    """The operation's part of a manifest: no personal values, except what identifies the heir of a link.

    ``identity``: a hash of which database it was.
    ``softs``: the declared links by which the rows name a parent.
    ``attached``: the folders whose files go too, each with the stream that holds them.
    ``loose``: rows that pointed nowhere already, by label of the link; they may do so again.
    ``engine``: the kind of database; empty in the backups of earlier releases.
    """

    target: str
    identity: str
    record: str | None
    plan: Mapping[str, Any]
    shapes: Mapping[str, Shape]
    links: Mapping[str, Link]
    loose: Mapping[str, int]
    facts: Mapping[str, object]
    softs: tuple[Edge, ...] = ()
    attached: Sequence[Mapping[str, Any]] = ()
    engine: str = ""

    def to_json(self) -> dict[str, object]:
        """For ``Sealing.finish``."""
        return {
            "operation": str(Operation.DELETE_RECORDS),
            "format": _FORMAT,
            "target": self.target,
            "identity": self.identity,
            "record": self.record,
            "plan": dict(self.plan),
            "shapes": [_listed(asdict(shape)) for shape in self.shapes.values()],
            "links": [link.to_data() for link in self.links.values()],
            "loose": dict(self.loose),
            "facts": dict(self.facts),
            **({"softs": [_of_soft(edge) for edge in self.softs]} if self.softs else {}),
            **({"attached": [dict(one) for one in self.attached]} if self.attached else {}),
            **({"engine": self.engine} if self.engine else {}),
        }


def extra_of(manifest: Manifest) -> Extra:
    """The operation's part of a manifest.

    Raises:
        NotOurs: not the backup of a deletion, or of a version this release does not know.
    """
    data = manifest.extra
    try:
        if (data["operation"], data["format"]) != (str(Operation.DELETE_RECORDS), _FORMAT):
            raise NotOurs("operations.not-a-deletion", id=manifest.backup_id)
        shapes = [
            Shape(
                one["name"],
                tuple(one["key"]),
                tuple((name, kind, solid) for name, kind, solid in one["columns"]),
            )
            for one in data["shapes"]
        ]
        links = [Link.from_data(one) for one in data["links"]]
        return Extra(
            target=data["target"],
            identity=data["identity"],
            record=data["record"],
            plan=data["plan"],
            shapes={shape.name: shape for shape in shapes},
            links={link.label: link for link in links},
            loose=data["loose"],
            facts=data["facts"],
            softs=tuple(_to_soft(one) for one in data.get("softs", ())),
            attached=tuple(data.get("attached", ())),
            engine=str(data.get("engine", "")),
        )
    except (KeyError, TypeError, ValueError):
        raise NotOurs("operations.not-a-deletion", id=manifest.backup_id) from None


def shape_of(table: base.Table) -> Shape:
    """The table as it is now."""
    return Shape(
        table.name,
        table.key,
        tuple((column.name, column.type, column.not_null) for column in table.stored),
    )


def link_of(table: base.Table, edge: Edge) -> Link:
    """An emptied link, as it is archived."""
    return Link(edge.label, edge.child, len(table.key), edge.child_columns)


def column_of(table: base.Table, name: str) -> Column:
    """A column as the archive names it."""
    column = table.column(name)
    assert column is not None
    return Column(name, column.codec)


def load(session: Session, table: Table, links: Mapping[str, Link]) -> None:
    """Stage one table of an archive, under its name or its link's label."""
    summary = table.summary
    live = summary.name if summary.kind == "rows" else links[summary.name].table
    session.stage(summary.name, live, [column.name for column in summary.columns], table.rows)


def load_all(session: Session, manifest: Manifest, tables: Iterable[Table]) -> None:
    """Stage a whole archive while it is read."""
    links = extra_of(manifest).links
    for table in tables:
        load(session, table, links)


def load_proven(session: Session, tables: Iterable[Table], links: Mapping[str, Link]) -> None:
    """Stage a whole archive, and prove that every row of it arrived unchanged.

    Raises:
        CannotProve: what the database gives back is not what the archive holds.
    """
    for table in tables:
        load(session, table, links)
        summary = table.summary
        total = sum_rows(summary.over, summary.columns, session.staged(summary.name))
        if (total.rows, total.sum) != (summary.rows, summary.sum):
            raise CannotProve("operations.test-restore", table=summary.name)


def load_keys(session: Session, table: Table, key: Sequence[str]) -> None:
    """Stage only the keys of one table of an archive, under its name."""
    columns = [column.name for column in table.summary.columns]
    places, rows = [columns.index(name) for name in key], table.rows
    keys: Iterable[Row]
    if isinstance(rows, TextRows):
        keys = only(rows, len(columns), places)
    else:
        keys = (tuple([row[place] for place in places]) for row in rows)
    session.stage(table.summary.name, table.summary.name, key, keys)


def rows_of(session: Session, name: str) -> Rows:
    """A staged table beside the live one."""
    tally = session.tally(name)
    if tally.settled:
        return Rows(missing=tally.missing, identical=tally.identical)
    return classify_rows(session.pairs(name))


def links_of(session: Session, link: Link) -> Links:
    """A staged link beside the live rows."""
    tally = session.tally(link.label)
    if tally.settled:
        return Links(gone=tally.missing, identical=tally.identical)
    return classify_links(link.key, session.pairs(link.label), link.heir)


def _of_soft(edge: Edge) -> dict[str, Any]:
    return {
        "child": edge.child,
        "column": edge.child_columns[0],
        "parent": edge.parent,
        "parent_column": edge.parent_columns[0],
        "where": edge.where,
        "prefix": edge.prefix,
        "path": list(edge.path),
    }


def _to_soft(data: Mapping[str, Any]) -> Edge:
    return Edge(
        data["child"],
        (data["column"],),
        data["parent"],
        (data["parent_column"],),
        "soft",
        where=data["where"],
        prefix=data["prefix"],
        path=tuple(data["path"]),
    )


def _listed(value: Any) -> Any:
    """Tuples as lists, so that JSON gives back the same."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(one) for one in value]
    return value
