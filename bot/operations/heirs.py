"""To whom goes what points at a deleted row and stays: found by name, and what stands in the way."""

from collections.abc import Iterator, Sequence

from bot.config.record_types import Record
from bot.errors import BadInput, CannotProve, NotFound
from bot.model.backups import Value
from bot.model.plans import Heir, Told
from bot.model.row_keys import mark
from bot.operations.archived import Link
from bot.operations.compare import same_row
from bot.operations.policies import own_columns
from bot.operations.preflight import Closure, listed
from bot.operations.selecting import label_of, resolve
from bot.targets.base import Edge, Row, Session, Writing


def hash_of(hash_key: bytes, table: str, heir: Heir | None) -> str | None:
    """The keyed hash that binds an heir to a plan; None without one."""
    return None if heir is None else mark(hash_key, f"heir in {table}", heir.key)


def find(session: Session, target: str, record: Record, value: str) -> Heir:
    """The one row of the record's table that ``value`` means. A writing session holds a lock on it.

    Raises:
        NotFound: it means no row, or more than one.
        BadInput: it cannot be an identifier.
    """
    try:
        (key,) = resolve(session, target, record, [value])
    except NotFound as error:
        raise NotFound(f"{error.key}-heir", **error.params) from None
    row = session.one(record.table, key)
    if row is None:
        raise NotFound("operations.no-match-heir", target=target, table=record.table)
    table = session.catalogue().tables[record.table]
    return Heir(value, label_of(record, table, [row], [value]), key)


def require(session: Session, found: Closure, heir: Heir | None) -> None:
    """Return when everything that has to point at somebody else can point at this heir.

    Raises:
        BadInput: nobody was named, or somebody who cannot be it.
        CannotProve: a row would change more than its link, or would not be the only one of its kind.
    """
    target, table = found.ground.target, found.ground.root
    if heir is None:
        if found.reassigned:
            raise BadInput(
                "operations.nobody-named",
                target=target,
                n=sum(part.rows for part in found.measured.reassigned),
                links=counted(found),
            )
        return
    # To the end: not every driver lets a statement begin before the last one was read.
    if sum(same_row(key, heir.key) for key in session.keys(table)):
        raise BadInput("operations.heir-goes", target=target)
    for edge in found.reassigned:
        _require_link(session, found, edge, heir)


def told(found: Closure, heir: Heir | None) -> tuple[Told, ...]:
    """What the approvers should know about an heir."""
    return (Told("told.nothing-to-reassign"),) if heir is not None and not found.reassigned else ()


def counted(found: Closure) -> str:
    """The links that need an heir, with the number of rows."""
    return listed((part.name, part.rows) for part in found.measured.reassigned)


def old_values(session: Session, found: Closure, edge: Edge) -> Iterator[Row]:
    """The link set of a reassigned edge as it is archived: key, then the columns that will be written."""
    width = len(found.ground.catalogue.tables[edge.child].key)
    written = own_columns(found.ground.catalogue, edge)
    places = [*range(width), *(width + edge.child_columns.index(name) for name in written)]
    return (tuple([row[place] for place in places]) for row in session.links(edge))


def link_of(session: Session, found: Closure, edge: Edge, heir: Heir) -> Link:
    """A reassigned link, as it is archived: with what its columns will hold."""
    catalogue = found.ground.catalogue
    table, columns = catalogue.tables[edge.child], own_columns(catalogue, edge)
    values = _linked(session, found, edge, heir)
    cells = tuple(values[name] for name in columns)
    # What the child will hold may look otherwise than in the parent: the database itself says how.
    label = f"heir of {edge.label}"
    key: Row = ()
    # To the end: not every driver lets a statement begin before the last one was read.
    for linked in session.links(edge):
        key = key or linked[: len(table.key)]
    session.stage(label, edge.child, (*table.key, *columns), [(*key, *cells)])
    (row,) = session.staged(label)
    return Link(edge.label, edge.child, len(table.key), columns, row[len(table.key) :])


def repoint(session: Writing, found: Closure, heir: Heir | None) -> dict[str, int]:
    """Let everything that stays point at the heir; rows by label of the link."""
    if heir is None:
        return {}
    catalogue = found.ground.catalogue
    return {
        edge.label: session.repoint(edge, own_columns(catalogue, edge), heir.key) for edge in found.reassigned
    }


def handed_over(session: Session, link: Link) -> int:
    """How many rows of a staged link point at the heir now."""
    heir = link.heir or ()
    return sum(live is not None and same_row(live[link.key :], heir) for _, live in session.pairs(link.label))


def _require_link(session: Session, found: Closure, edge: Edge, heir: Heir) -> None:
    target, catalogue = found.ground.target, found.ground.catalogue
    table, written = catalogue.tables[edge.child], own_columns(catalogue, edge)
    width, about = len(table.key), {"target": target, "link": edge.label}
    values = _linked(session, found, edge, heir)
    fixed = [name for name in edge.child_columns if name not in written]
    places = [width + edge.child_columns.index(name) for name in fixed]
    wanted = [values[name] for name in fixed]
    elsewhere, itself = 0, edge.child == found.ground.root
    for row in session.links(edge) if fixed or itself else ():
        if itself and row[:width] == heir.key:
            raise BadInput("operations.heir-points", **about)
        elsewhere += not same_row([row[place] for place in places], wanted)
    if elsewhere:
        raise CannotProve("operations.heir-elsewhere", n=elsewhere, columns=", ".join(fixed), **about)
    taken = session.taken(edge, written, heir.key)
    if taken:
        raise CannotProve("operations.heir-has-it", n=taken, **about)


def _linked(session: Session, found: Closure, edge: Edge, heir: Heir) -> dict[str, Value]:
    """What the child columns of a link hold when they point at the heir."""
    table = found.ground.catalogue.tables[edge.parent]
    row = session.one(edge.parent, heir.key)
    if row is None:
        raise NotFound("operations.no-match-heir", target=found.ground.target, table=table.name)
    names = [column.name for column in table.stored]
    pairs: Sequence[tuple[str, str]] = [*zip(edge.child_columns, edge.parent_columns, strict=True)]
    values = {child: row[names.index(parent)] for child, parent in pairs}
    return {child: f"{edge.prefix}{value!s}" for child, value in values.items()} if edge.prefix else values
