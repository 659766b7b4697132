"""From a configuration and a row to everything that hangs off it, counted inside one session.

``survey`` looks at the schema, ``walk`` at the rows, ``measure`` turns what was found into counts and keyed
hashes. The same three run for the plan and, under the lock, for the execution.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bot.config.record_types import Policy, SoftReference
from bot.errors import BadInput, CannotProve, NotAllowed
from bot.model.key_sets import MARKED, KeySet, key_set
from bot.model.plans import FORMAT, Part, Told
from bot.operations.closure import Reach, components, reach
from bot.operations.foresight import foresee
from bot.operations.policies import can_be_emptied, wrong_links
from bot.targets import versions
from bot.targets.attachment_store import Attached
from bot.targets.base import Catalogue, Edge, Need, RecordTarget, Session, Table

#: So many links stand in one sentence.
SHOWN_LINKS = 12


@dataclass(frozen=True)
class Ground:
    """The schema around one root table."""

    target: str
    root: str
    catalogue: Catalogue
    reach: Reach
    softs: tuple[Edge, ...] = ()

    @property
    def above(self) -> tuple[Edge, ...]:
        """Every link, declared ones too, by which a row within reach names a parent."""
        return tuple(edge for edge in (*self.catalogue.edges, *self.softs) if edge.child in self.reach.tables)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What a deletion and its restore do, in every table within reach and in those that it points at."""
        above = {edge.parent for edge in self.above}
        return (
            *(Need(table) for table in sorted(above - self.reach.tables)),
            *(Need(table, deletes=True, inserts=True) for table in sorted(self.reach.tables)),
            *(
                Need(edge.child, columns=edge.child_columns, holds=edge.action == "soft")
                for edge in self.reach.changed
            ),
            *(Need(edge.child, holds=edge.action == "soft") for edge in self.reach.blocking),
        )

    @property
    def watched(self) -> frozenset[str]:
        """Tables with a foreign key to one that is touched: none of them may end up pointing nowhere."""
        return watched(self.catalogue, self.reach.touched)


@dataclass(frozen=True)
class Measured:
    """What a walk found: tables parents first, links by label.

    ``links`` will be emptied, ``reassigned`` will point at the heir. ``few``: the marks of all rows by table,
    when they are few enough to keep.
    """

    tables: tuple[Part, ...]
    links: tuple[Part, ...]
    order: tuple[tuple[str, ...], ...]
    few: Mapping[str, tuple[str, ...]] | None
    reassigned: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Closure:
    """The rows of one session that hang together: schema, links to empty and to reassign, counts, files."""

    ground: Ground
    emptied: tuple[Edge, ...]
    measured: Measured
    reassigned: tuple[Edge, ...] = ()
    attached: tuple[Attached, ...] = ()

    @property
    def rows(self) -> int:
        """All rows that go."""
        return sum(part.rows for part in self.measured.tables)

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables that lose rows, parents first."""
        return tuple(part.name for part in self.measured.tables)

    def edges_into(self) -> tuple[Edge, ...]:
        """Every link to a table that loses rows."""
        return tuple(edge for edge in self.ground.reach.links if edge.parent in self.tables)


def watched(catalogue: Catalogue, touched: frozenset[str]) -> frozenset[str]:
    """Tables with a foreign key to a touched one."""
    return frozenset(edge.child for edge in catalogue.edges if edge.parent in touched)


def find_table(catalogue: Catalogue, target: str, name: str, columns: Iterable[str] = ()) -> Table:
    """A table that the configuration names.

    Raises:
        BadInput: no such table, or it lacks one of the columns.
    """
    table = catalogue.tables.get(name)
    if table is None:
        raise unknown(catalogue, "table", target=target, table=name)
    for column in columns:
        if table.column(column) is None:
            raise unknown(catalogue, "column", target=target, table=name, column=column)
    return table


def unknown(catalogue: Catalogue, what: str, **place: str) -> BadInput:
    """A table or column is not there, or our user is not shown it."""
    if catalogue.seen_with is None:
        return BadInput(f"operations.unknown-{what}", **place)
    return BadInput(
        f"operations.unseen-{what}", **place, grant=catalogue.seen_with(place["table"], False) + ";"
    )


def survey(
    session: Session,
    target: str,
    root: str,
    soft: Iterable[SoftReference],
    policies: Mapping[str, Policy] = MappingProxyType({}),
) -> Ground:
    """The schema around ``root``; ``policies`` by label of a link.

    Raises:
        BadInput: the configuration names what is not there.
        CannotProve: a foreign key near the root means no single row.
    """
    catalogue = session.catalogue()
    find_table(catalogue, target, root)
    softs = tuple(session.check(_soft(catalogue, target, one)) for one in soft)
    edges = [*catalogue.edges, *softs]
    for wrong in wrong_links(catalogue, target, edges, policies):
        raise wrong
    found = reach(root, edges, policies)
    ground = Ground(target, root, catalogue, found, softs)
    near = found.touched | ground.watched
    for edge in catalogue.edges:
        if edge.child in near and not edge.sound:
            raise CannotProve("operations.vague-link", target=target, link=edge.label)
    for edge in edges:
        if edge.child in near and _is_computed(catalogue, edge, near):
            raise CannotProve("operations.computed-link", target=target, link=edge.label)
    return ground


def _is_computed(catalogue: Catalogue, edge: Edge, near: Collection[str]) -> bool:
    """A link through generated columns: a backup holds none, so that nothing could be joined by it again."""
    sides = [(edge.child, edge.child_columns)]
    if edge.parent in near:
        sides.append((edge.parent, edge.parent_columns))
    return any(
        column.generated
        for table, names in sides
        for column in catalogue.tables[table].columns
        if column.name in names
    )


def require_rights(session: Session, target: str, needs: Iterable[Need]) -> None:
    """Our user may do everything that the operation, and its way back, will do.

    Raises:
        CannotProve: it may not; with the statements that would allow it.
    """
    missing = session.rights(needs)
    if missing:
        raise CannotProve("operations.missing-rights", target=target, grants="; ".join(missing) + ";")


def walk(session: Session, ground: Ground) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """Let the session's key sets grow from the seeded roots, and fix the links to empty and to reassign.

    Raises:
        CannotProve: a row that would go, or whose link would change, cannot be identified or changed.
        NotAllowed: rows that may not go with the roots point at what would go.
    """
    fresh, number = {ground.root}, 0
    while fresh:
        grown = set()
        for edge in ground.reach.followed:
            if edge.parent in fresh and _grow(session, ground, edge, number):
                grown.add(edge.child)
        fresh, number = grown, number + 1
    _refuse_blocked(session, ground)
    return (
        tuple(edge for edge in ground.reach.emptied if _note(session, ground, edge)),
        tuple(edge for edge in ground.reach.reassigned if _note(session, ground, edge)),
    )


def measure(
    session: Session,
    ground: Ground,
    emptied: tuple[Edge, ...],
    reassigned: tuple[Edge, ...],
    hash_key: bytes,
) -> Measured:
    """Counts and keyed hashes of what a walk found."""
    rows: dict[str, Part] = {}
    few: dict[str, tuple[str, ...]] | None = {}
    for table in sorted(ground.reach.tables):
        found = key_set(hash_key, table, session.keys(table))
        if found.rows:
            rows[table] = _part(table, found)
            few = _with(few, table, found)
    order = components(rows, (*ground.catalogue.edges, *ground.reach.followed))
    return Measured(
        tables=tuple(rows[table] for circle in order for table in circle),
        links=tuple(_link_part(session, ground, edge, hash_key) for edge in emptied),
        order=order,
        few=few,
        reassigned=tuple(_link_part(session, ground, edge, hash_key) for edge in reassigned),
    )


def _link_part(session: Session, ground: Ground, edge: Edge, hash_key: bytes) -> Part:
    width = len(ground.catalogue.tables[edge.child].key)
    return _part(edge.label, key_set(hash_key, edge.child, (row[:width] for row in session.links(edge))))


def _with(
    few: dict[str, tuple[str, ...]] | None, table: str, found: KeySet
) -> dict[str, tuple[str, ...]] | None:
    """Together with the marks of one table more; None as soon as they are too many."""
    if few is None or found.marks is None or sum(map(len, few.values())) + found.rows > MARKED:
        return None
    return {**few, table: found.marks}


def closure_of(session: Session, ground: Ground, hash_key: bytes) -> Closure:
    """Walk and measure, from the seeded roots; raises as ``walk``."""
    emptied, reassigned = walk(session, ground)
    measured = measure(session, ground, emptied, reassigned, hash_key)
    return Closure(ground, emptied, measured, reassigned)


def fingerprint(target: RecordTarget, ground: Ground) -> str:
    """The hash of everything within reach."""
    reach = ground.reach
    return schema_hash(target, ground.catalogue, reach.touched, reach.links, reach.chosen)


def identity_hash(target: RecordTarget) -> str:
    """SHA-256 over which database this is."""
    return hashlib.sha256(json.dumps(dict(target.identity), sort_keys=True).encode()).hexdigest()


def schema_hash(
    target: RecordTarget,
    catalogue: Catalogue,
    tables: Iterable[str],
    links: Iterable[Edge] = (),
    chosen: Sequence[tuple[str, str]] = (),
) -> str:
    """SHA-256 over which database this is, the schema of these tables, and the links that count.

    ``chosen``: the policies of links that are not as by default.
    """
    data: dict[str, object] = {
        "format": FORMAT,
        "identity": identity_hash(target),
        "adapter": [target.identity["kind"], versions.OF_RECORDS[target.identity["kind"]]],
        "tables": {name: catalogue.tables[name].definition for name in sorted(tables)},
        "links": sorted(_bound_link(edge) for edge in links),
    }
    if chosen:
        data["policies"] = [list(pair) for pair in chosen]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _bound_link(edge: Edge) -> list[str]:
    form = [edge.prefix, *edge.path] if edge.prefix or edge.path else []
    return [edge.label, edge.action, edge.where, *form]


def warnings(
    session: Session, target: RecordTarget, ground: Ground, measured: Measured, max_lock: float
) -> tuple[Told, ...]:
    """What the approvers should know beyond the counts; ``max_lock``: seconds."""
    told = [Told(key, params) for key, params in target.warnings]
    rows = {part.name: part.rows for part in measured.tables}
    changed = {*rows, *(edge.child for edge in ground.reach.changed if edge.parent in rows)}
    kind = target.identity["kind"]
    told += foresee(session, target.name, kind, rows, ground.reach.links, max_lock)
    return (*told, *trigger_warnings(ground.catalogue, changed))


def trigger_warnings(catalogue: Catalogue, tables: Iterable[str]) -> tuple[Told, ...]:
    """The triggers that may fire when these tables change."""
    return tuple(
        Told("told.trigger", {"table": name, "trigger": trigger})
        for name in sorted(tables)
        for trigger in catalogue.tables[name].triggers
    )


def edge_of(reference: SoftReference) -> Edge:
    """A soft link as the configuration has it; ``Session.check`` completes it."""
    (child, child_column), (parent, parent_column) = reference.child, reference.parent
    return Edge(
        child,
        (child_column,),
        parent,
        (parent_column,),
        "soft",
        where=reference.where or "",
        prefix=reference.prefix or "",
        path=tuple(reference.path.split(".")) if reference.path else (),
    )


def _soft(catalogue: Catalogue, target: str, reference: SoftReference) -> Edge:
    for table, column in (reference.child, reference.parent):
        find_table(catalogue, target, table, [column])
    return edge_of(reference)


def _grow(session: Session, ground: Ground, edge: Edge, number: int) -> int:
    if ground.catalogue.tables[edge.child].key:
        return session.grow(edge, number)
    if session.pointing(edge):
        raise _no_key(ground, edge)
    return 0


def _no_key(ground: Ground, edge: Edge) -> CannotProve:
    if edge.action == "soft":
        return CannotProve(
            "operations.no-key-declared", target=ground.target, table=edge.child, link=edge.label
        )
    return CannotProve("operations.no-key", target=ground.target, table=edge.child)


def _refuse_blocked(session: Session, ground: Ground) -> None:
    counts: dict[str, int] = {}
    for edge in ground.reach.blocking:
        counts[edge.label] = counts.get(edge.label, 0) + session.pointing(edge)
    found = [(label, count) for label, count in counts.items() if count]
    if found:
        total = sum(count for _, count in found)
        raise NotAllowed("operations.blocked", target=ground.target, n=total, links=listed(found))


def listed(links: Iterable[tuple[str, int]]) -> str:
    """Links with counts, for a sentence, the largest first; the same in every language."""
    found = sorted(links, key=lambda one: (-one[1], one[0]))
    more = "; …" if len(found) > SHOWN_LINKS else ""
    return "; ".join(f"{label}: {count:,}" for label, count in found[:SHOWN_LINKS]) + more


def _note(session: Session, ground: Ground, edge: Edge) -> int:
    count = session.pointing(edge)
    if not count:
        return 0
    table = ground.catalogue.tables[edge.child]
    if not table.key:
        raise _no_key(ground, edge)
    if edge in ground.reach.emptied and not can_be_emptied(table, edge):
        raise CannotProve("operations.cannot-empty", target=ground.target, link=edge.label, n=count)
    return session.note(edge)


def _part(name: str, found: KeySet) -> Part:
    return Part(name, found.rows, found.hash)
