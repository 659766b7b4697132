"""What an operation is likely to meet, told before anyone approves: time, locks of others, size, slow places.

Estimates. Nothing is decided by them: what is exact is counted under the lock.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from bot.model.plans import Told
from bot.targets.base import Edge, Session

#: Rows per second through the whole way under the lock, on a small and busy machine: docs/performance.md.
ROWS = MappingProxyType({"postgresql": 20_000, "mariadb": 10_000, "mysql": 10_000, "sqlite": 15_000})
#: Rows per second that are read when no index fits.
READ = 10_000_000
#: These check a foreign key once per row that goes; without an index each time reads the whole child.
CHECKED_BY_ROW = frozenset({"postgresql"})

_MEGABYTE = 1_000_000
_WORTH_TELLING = 2


def foresee(
    session: Session,
    target: str,
    kind: str,
    rows: Mapping[str, int],
    links: Iterable[Edge],
    max_lock: float,
) -> Iterator[Told]:
    """What to expect of deleting so many ``rows`` by table, with ``links`` into them.

    ``kind``: of database. ``max_lock``: seconds.
    """
    exact = sum(rows.values()) / ROWS[kind]
    for edge in links:
        if edge.parent in rows and not edge.indexed:
            there = session.size(edge.child)
            slow = reading_seconds(kind, edge, rows[edge.parent], there)
            exact += slow
            yield _no_index(session, edge, there, slow)
    yield from _locked(session, target, rows)
    # Rounded up: never shorter or smaller than thought.
    seconds = math.ceil(exact)
    size = sum(count * session.weight(table) for table, count in rows.items())
    megabytes = math.ceil(size / _MEGABYTE)
    if seconds > max_lock:
        params: dict[str, str | int] = {"seconds": seconds, "most": int(max_lock), "size": megabytes}
        yield Told("told.takes-too-long", params)
    elif max(seconds, megabytes) >= _WORTH_TELLING:
        yield Told("told.takes", {"seconds": seconds, "size": megabytes})


def reading_seconds(kind: str, edge: Edge, parents: int, there: int) -> float:
    """How long it takes to find the children of so many parents among ``there`` rows without an index."""
    times = parents if kind in CHECKED_BY_ROW and edge.action != "soft" else 1
    return times * there / READ


def _no_index(session: Session, edge: Edge, there: int, seconds: float) -> Told:
    params: dict[str, str | int] = {
        "table": edge.child,
        "column": ", ".join(edge.child_columns),
        "rows": there,
        "seconds": math.ceil(seconds),
    }
    if edge.path or edge.prefix:
        # No plain index serves a link inside a text.
        return Told("told.no-index", params)
    return Told("told.add-index", {**params, "statement": session.index_for(edge)})


def _locked(session: Session, target: str, rows: Iterable[str]) -> Iterator[Told]:
    for one in session.holders(rows):
        key = "told.locked" if one.table else "told.locked-somewhere" if one.who else "told.locked-file"
        yield Told(key, {"target": target, "table": one.table, "who": one.who, "seconds": one.seconds})
