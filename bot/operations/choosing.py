"""Leave in the stages of a backup only what is to come back: some records, one table, what is not in the way.

The whole backup is staged and proven before anything is taken out of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import CannotProve, NotFound
from bot.model.choices import Chosen, Mode, RestoreChoice
from bot.model.row_keys import Key
from bot.operations.archived import Extra, Link
from bot.operations.compare import link_state
from bot.operations.gate import Wanted
from bot.operations.narrowing import Node, State, Web, counted, is_named, left_out, state_of
from bot.targets.base import Edge, Session

#: Table or link, why, how many.
_Left = tuple[tuple[str, str, int], ...]

#: So many names stand in one sentence.
_SHOWN = 12


@dataclass(frozen=True)
class Naming:
    """By which columns of which table the configuration names the records of a backup."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Narrowed:
    """What was done to the stages.

    ``left``: what stays out, by table or link, with the reason and the count. ``there``: how many of the rows
    and links that were asked for are there as they were.
    """

    left: tuple[tuple[str, str, int], ...] = ()
    there: int = 0

    def chosen(self, wanted: Wanted) -> Chosen | None:
        """As a plan holds it; None when nothing was chosen."""
        choice = wanted.choice
        if wanted.plain:
            return None
        return Chosen(choice.mode, len(wanted.keys or ()), choice.table, self.left, self.there)


#: What happens when nothing was chosen.
NOTHING_OUT = Narrowed()


def resolve(session: Session, extra: Extra, choice: RestoreChoice, naming: Naming | None) -> Wanted:
    """The staged records that are named by the values of a choice.

    Raises:
        NotFound: a value means no record of the backup or several, or nothing names its records.
    """
    if not choice.only or naming is None:
        if choice.only:
            raise NotFound("restore.only-unnamed", target=extra.target, record=extra.record or "-")
        return Wanted(choice)
    return Wanted(choice, _named(session, extra, naming, choice.only), naming.table)


def _named(session: Session, extra: Extra, naming: Naming, values: Sequence[str]) -> tuple[Key, ...]:
    shape = extra.shapes.get(naming.table)
    if shape is None:
        raise NotFound("restore.only-unnamed", target=extra.target, record=extra.record or "-")
    names = [name for name, _, _ in shape.columns]
    places = [names.index(name) for name in naming.columns if name in names]
    key = [names.index(name) for name in shape.key]
    found: list[set[Key]] = [set() for _ in values]
    for row in session.staged(shape.name):
        for number, value in enumerate(values):
            if any(is_named(row[place], value) for place in places):
                found[number].add(tuple(row[place] for place in key))
    for number, keys in enumerate(found, start=1):
        facts: dict[str, str | int] = {"target": extra.target, "table": shape.name, "n": number}
        if not keys:
            raise NotFound("restore.only-none", **facts)
        if len(keys) > 1:
            raise NotFound("restore.only-many", **facts, candidates=len(keys))
    return tuple(dict.fromkeys(next(iter(keys)) for keys in found))


def narrow(session: Session, extra: Extra, wanted: Wanted) -> Narrowed:
    """Take out of the stages what does not come back by this choice.

    Raises:
        NotFound: the backup has no such table.
    """
    choice, roots = wanted.choice, wanted.keys
    if wanted.plain:
        return NOTHING_OUT
    if choice.table:
        _only_table(session, extra, choice.table)
    web = Web()
    unknown: _Left = ()
    if roots is not None or choice.mode is Mode.SKIP:
        web = Web.of(_joins(session, extra))
    if roots is not None:
        unknown = _only_roots(session, extra, web, {(wanted.table, key) for key in roots})
    states = _states(session, extra)
    links = [state for link in extra.links.values() for _, state in _link_states(session, link)]
    there = [*states.values(), *links].count("identical")
    left = _skip(session, extra, web, states) if choice.mode is Mode.SKIP else ()
    return Narrowed((*unknown, *left), there)


def keep(session: Session, extra: Extra, kept: Mapping[str, Iterable[Key]]) -> None:
    """Leave only rows and links with these keys, by table and by label."""
    for label in (*extra.shapes, *extra.links):
        wanted = set(kept.get(label, ()))
        _without(session, label, (key for key in keys_of(session, extra, label) if key not in wanted))


def _only_table(session: Session, extra: Extra, table: str) -> None:
    if table not in extra.shapes:
        known = sorted(extra.shapes)
        more = ["…"] if len(known) > _SHOWN else []
        raise NotFound("restore.no-table", target=extra.target, known=", ".join([*known[:_SHOWN], *more]))
    for label in (*extra.shapes, *extra.links):
        if label != table:
            session.unstage(label)


def _only_roots(session: Session, extra: Extra, web: Web, roots: set[Node]) -> _Left:
    """Keep these rows, what hangs off them, and their links; which links stay out because nobody knows."""
    kept = web.reached(roots)
    unknown = []
    # Links first: they are joined with the parents that are still staged.
    for link in extra.links.values():
        wanted = {key for key, parent in _link_joins(session, extra, link) if parent in kept}
        gone = [key for key in keys_of(session, extra, link.label) if key not in wanted]
        _without(session, link.label, gone)
        if gone and not _is_known(session, extra, link):
            unknown.append((link.label, "unknown", len(gone)))
    for name in extra.shapes:
        _without(session, name, (key for key in keys_of(session, extra, name) if (name, key) not in kept))
    return tuple(unknown)


def _skip(session: Session, extra: Extra, web: Web, states: Mapping[Node, State]) -> _Left:
    """What is in the way stays out, with everything that hangs off it."""
    orphans = set(_orphans(session, extra, states))
    clashes = {(name, key) for name in extra.shapes for key in list(session.clashing(name))}
    out = left_out(states, orphans, clashes, web)
    left = list(counted(out))
    for link in extra.links.values():
        different = {key for key, state in _link_states(session, link) if state == "different"}
        pending = {key for key, state in _link_states(session, link) if state == "empty"}
        joined = list(_link_joins(session, extra, link)) if out else []
        below = {key for key, parent in joined if parent in out} & pending
        if out and pending and not _is_known(session, extra, link):
            below = pending
        _without(session, link.label, different | below)
        left += [
            (link.label, why, len(keys)) for why, keys in (("different", different), ("below", below)) if keys
        ]
    for name in extra.shapes:
        _without(session, name, [key for table, key in out if table == name])
    return tuple(left)


def _states(session: Session, extra: Extra) -> dict[Node, State]:
    states: dict[Node, State] = {}
    for name, shape in extra.shapes.items():
        places = [[column for column, _, _ in shape.columns].index(one) for one in shape.key]
        for backed_up, live in session.pairs(name):
            states[name, tuple(backed_up[place] for place in places)] = state_of(backed_up, live)
    return states


def _orphans(session: Session, extra: Extra, states: Mapping[Node, State]) -> Iterator[Node]:
    """Rows that would come back without a parent.

    Which of them pointed nowhere already when they were backed up is not known, only how many. When there
    are more now, all of them count.
    """
    for edge in _inside_and_above(session, extra):
        found = {(edge.child, key) for key in list(session.orphaned(edge, edge.child))}
        missing = {node for node in found if states.get(node) == "missing"}
        if len(missing) > extra.loose.get(edge.label, 0):
            yield from missing


def _inside_and_above(session: Session, extra: Extra) -> list[Edge]:
    """Every link by which a row of the backup names a parent, as far as the backup knows its columns."""
    edges = [*session.catalogue().edges, *(session.check(edge) for edge in extra.softs)]
    known = {name: {column for column, _, _ in shape.columns} for name, shape in extra.shapes.items()}
    return [edge for edge in edges if set(edge.child_columns) <= known.get(edge.child, set())]


def _joins(session: Session, extra: Extra) -> Iterator[tuple[Node, Node]]:
    for edge in _inside_and_above(session, extra):
        if edge.parent in extra.shapes:
            for child, parent in list(session.joins(edge, edge.child)):
                yield (edge.child, child), (edge.parent, parent)


def _is_known(session: Session, extra: Extra, link: Link) -> bool:
    """Whether it can be told which row an emptied link belongs to."""
    return _edge_of(session, extra, link) is not None


def _edge_of(session: Session, extra: Extra, link: Link) -> Edge | None:
    """The foreign key behind a link. What only the configuration knew then is not looked up."""
    edge = next((one for one in session.catalogue().edges if one.label == link.label), None)
    columns = {*session.catalogue().tables[link.table].key, *link.columns}
    if edge is None or edge.parent not in extra.shapes or not set(edge.child_columns) <= columns:
        return None
    return edge


def _link_joins(session: Session, extra: Extra, link: Link) -> Iterator[tuple[Key, Node]]:
    """The rows whose link was emptied, each beside the row that it named."""
    edge = _edge_of(session, extra, link)
    for child, parent in list(session.joins(edge, link.label)) if edge else ():
        yield child, (edge.parent if edge else "", parent)


def _link_states(session: Session, link: Link) -> list[tuple[Key, str]]:
    return [
        (backed_up[: link.key], link_state(link.key, backed_up, live, link.heir))
        for backed_up, live in session.pairs(link.label)
    ]


def keys_of(session: Session, extra: Extra, label: str) -> list[Key]:
    """The keys of all staged rows of a table, or of a link."""
    link = extra.links.get(label)
    if link is not None:
        return [row[: link.key] for row in session.staged(label)]
    shape = extra.shapes[label]
    places = [[name for name, _, _ in shape.columns].index(one) for one in shape.key]
    return [tuple(row[place] for place in places) for row in session.staged(label)]


def _without(session: Session, label: str, keys: Iterable[Key]) -> None:
    """Take these rows out of a stage, and make sure that they are out.

    Raises:
        CannotProve: the database knows another number of them.
    """
    gone = list(keys)
    if gone and session.unstage(label, gone) != len(gone):
        raise CannotProve("restore.cannot-narrow", table=label)
