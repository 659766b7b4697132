"""Where else somebody whose record goes is named: counted for the plan, looked at again after the deletion.

What identifies the person is held in memory and in the erasable table; plans and receipts have counts only.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.config.record_types import Record
from bot.config.types import Target
from bot.errors import CountersignError
from bot.model.backups import Value
from bot.model.leftovers import Offer, ResiduePart
from bot.model.plans import Plan
from bot.operations.gate import DeleteOrder
from bot.targets.base import RecordTarget, Row, Session, Table

#: So many rows of a column are counted; beyond that it is "more than".
MOST = 1000
#: So many texts are looked for in one deletion.
TEXTS = 100
#: Seconds for one column, and for all of them.
EACH, ALL = 5.0, 20.0
#: So many rows stand in the form of a follow-up.
OFFERED = 50
STEP = "step.elsewhere"


@dataclass(frozen=True)
class Found:
    """What one look at one column gave. ``keys``: of the rows, by the table's ``key``; not for any plan."""

    part: ResiduePart
    key: tuple[str, ...] = ()
    keys: tuple[Row, ...] = field(default=(), repr=False)


def identifiers(kind: Record, table: Table, rows: Iterable[Row]) -> tuple[str, ...]:
    """What identifies the people of these rows, each text once."""
    if kind.residue is None:
        return ()
    names = [column.name for column in table.stored]
    places = [names.index(name) for name in kind.residue.identifiers]
    found = (_text(row[place]) for row in rows for place in places)
    return tuple(dict.fromkeys(text for text in found if text.strip()))


def again(session: Session, order: DeleteOrder) -> tuple[str, ...]:
    """The same under the lock, beside what was there when the plan was made: both say who it is."""
    kind = order.spec.records.get(order.subject.record)
    if not order.plan.residue or kind is None or kind.residue is None:
        return order.subject.identifiers
    table = session.catalogue().tables[order.subject.table]
    rows = (session.one(table.name, key) for key in order.subject.roots)
    now = identifiers(kind, table, (row for row in rows if row is not None))
    return tuple(dict.fromkeys([*order.subject.identifiers, *now]))


def parts(found: Iterable[Found]) -> tuple[ResiduePart, ...]:
    """Without the keys."""
    return tuple(one.part for one in found)


def steps(plan: Plan) -> tuple[str, ...]:
    """The steps of a plan, with the last look where there is one."""
    return (*plan.steps, STEP) if plan.residue else plan.steps


def look(session: Session, places: Sequence[str], texts: Sequence[str]) -> tuple[Found, ...]:
    """Each column in turn, for a bounded time. What cannot be told is said, and never counts as nothing."""
    until = time.monotonic() + ALL
    return tuple(_look(session, place, texts, until) for place in places)


def after(target: RecordTarget, places: Sequence[str], texts: Sequence[str]) -> tuple[Found, ...]:
    """The same from a new connection, when the rows are gone."""
    if not places:
        return ()
    try:
        with target.reading() as session:
            return look(session, places, texts)
    except CountersignError:
        return tuple(Found(ResiduePart(place, 0, "unreadable", "")) for place in places)


def offers(spec: Target, found: Sequence[Found], texts: Sequence[str]) -> tuple[Offer, ...]:
    """Which rows a follow-up may ask for: of kinds of records that are found by the key of their table.

    One for each kind, whatever column they were found by. A key that holds what identifies the person is not
    kept.
    """
    made: dict[str, Offer] = {}
    for number, one in enumerate(found):
        table = one.part.place.rpartition(".")[0]
        kinds = [name for name, kind in spec.records.items() if _names(kind, table, one.key)]
        plain = [text for row in one.keys for text in (_text(row[0]) if len(row) == 1 else "",)]
        values = [text for text in plain if text and not _told(text, texts)]
        if kinds and values:
            before = made.get(kinds[0], Offer(number, kinds[0], ()))
            known = tuple(dict.fromkeys((*before.values, *values)))
            made[kinds[0]] = Offer(before.number, before.record, known[:OFFERED])
    return tuple(made.values())


def _look(session: Session, place: str, texts: Sequence[str], until: float) -> Found:
    table, _, column = place.rpartition(".")
    left = min(EACH, until - time.monotonic())
    state = "empty" if not texts else "many" if len(texts) > TEXTS else "slow" if left <= 0 else ""
    if state:
        return Found(ResiduePart(place, 0, state, ""))
    try:
        about = session.catalogue().tables.get(table)
        if about is None or about.column(column) is None:
            return Found(ResiduePart(place, 0, "absent", ""))
        named = session.naming(table, column, texts, MOST + 1, left)
    except CountersignError as error:
        slow = error.key == "target.too-slow"
        return Found(ResiduePart(place, 0, "slow" if slow else "unreadable", ""))
    count = len(named.keys)
    state = "more" if count > MOST else "counted"
    return Found(ResiduePart(place, min(count, MOST), state, named.index), about.key, named.keys)


def _names(kind: Record, table: str, key: tuple[str, ...]) -> bool:
    return kind.table == table and len(key) == 1 and key[0] in kind.find_by


def _told(key: str, texts: Sequence[str]) -> bool:
    return any(text.lower() in key.lower() or key.lower() in text.lower() for text in texts)


def _text(value: Value) -> str:
    match value:
        case str():
            return value
        case int() | float():
            return str(value)
        case bytes():
            return value.decode(errors="ignore") if value.isascii() else ""
    return ""
