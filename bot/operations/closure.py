"""Which tables and links belong to an operation, and in which order they go. Pure graph, no rows.

Rule 1: a link that the database cascades, restricts or leaves alone is followed, and so is a soft link: the
        child goes with its parent.
Rule 2: a link that the database sets to null or to a default is emptied: the child stays.
Rule 3: what the configuration says of a link outweighs rules 1 and 2. A child that is blocking or reassigned
        stays, and nothing that hangs off it is reached through that link.
Rule 4: tables that point at each other in a circle form one component; components go children first and come
        back parents first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bot.config.record_types import Policy
from bot.targets.base import Edge

_EMPTIED = frozenset({"set null", "set default"})
_NONE: Mapping[str, Policy] = MappingProxyType({})


@dataclass(frozen=True)
class Reach:
    """Everything that could be touched, starting from one table: what the schema allows, not what rows do.

    ``blocking``: links through which nothing may point at what goes. ``reassigned``: links that will point at
    another row of the same table. ``chosen``: label and policy of the links that are not as by default.
    """

    tables: frozenset[str]
    followed: tuple[Edge, ...]
    emptied: tuple[Edge, ...]
    blocking: tuple[Edge, ...] = ()
    reassigned: tuple[Edge, ...] = ()
    chosen: tuple[tuple[str, Policy], ...] = field(default=())

    @property
    def touched(self) -> frozenset[str]:
        """Tables that lose rows, and tables whose links are emptied or changed."""
        return self.tables | {edge.child for edge in self.changed}

    @property
    def changed(self) -> tuple[Edge, ...]:
        """Links whose child stays and is written to."""
        return self.emptied + self.reassigned

    @property
    def links(self) -> tuple[Edge, ...]:
        """Every link to a table that loses rows."""
        return self.followed + self.emptied + self.blocking + self.reassigned


def reach(root: str, edges: Iterable[Edge], policies: Mapping[str, Policy] = _NONE) -> Reach:
    """What hangs off ``root``, over any number of links; ``policies`` by label of a link."""
    known = sorted(edges, key=lambda edge: (edge.label, edge.action, edge.where))
    chosen = {edge: policies.get(edge.label, default_policy(edge)) for edge in known}
    tables, fresh = {root}, {root}
    while fresh:
        fresh = {edge.child for edge in known if edge.parent in fresh and chosen[edge] == "follow"} - tables
        tables |= fresh
    downward = [edge for edge in known if edge.parent in tables]

    def those(policy: Policy) -> tuple[Edge, ...]:
        return tuple(edge for edge in downward if chosen[edge] == policy)

    others = {(edge.label, chosen[edge]) for edge in downward if chosen[edge] != default_policy(edge)}
    return Reach(
        tables=frozenset(tables),
        followed=those("follow"),
        emptied=those("nullify"),
        blocking=those("block"),
        reassigned=those("reassign"),
        chosen=tuple(sorted(others)),
    )


def default_policy(edge: Edge) -> Policy:
    """What becomes of the child of a link about which the configuration says nothing."""
    return "nullify" if edge.action in _EMPTIED else "follow"


def components(tables: Iterable[str], edges: Iterable[Edge]) -> tuple[tuple[str, ...], ...]:
    """The tables, parents first, those in one circle together; the same input gives the same order."""
    names = sorted(set(tables))
    children: dict[str, list[str]] = {name: [] for name in names}
    parents: dict[str, list[str]] = {name: [] for name in names}
    pairs = {(edge.parent, edge.child) for edge in edges}
    for parent, child in sorted(pairs):
        if parent in children and child in children and parent != child:
            children[parent].append(child)
            parents[child].append(parent)
    placed: set[str] = set()
    found: list[tuple[str, ...]] = []
    for name in reversed(_finished(names, children)):
        if name not in placed:
            circle = _walk(name, parents, placed)
            found.append(tuple(sorted(circle)))
    return tuple(found)


def _finished(names: Iterable[str], following: Mapping[str, list[str]]) -> list[str]:
    """All names in the order in which a depth-first walk leaves them."""
    seen: set[str] = set()
    return [left for name in names if name not in seen for left in _walk(name, following, seen)]


def _walk(start: str, following: Mapping[str, list[str]], seen: set[str]) -> list[str]:
    """What can be reached from ``start`` and was not ``seen``, in the order of leaving it."""
    seen.add(start)
    left: list[str] = []
    path = [(start, iter(following[start]))]
    while path:
        name, rest = path[-1]
        following_one = next((one for one in rest if one not in seen), None)
        if following_one is None:
            left.append(name)
            path.pop()
        else:
            seen.add(following_one)
            path.append((following_one, iter(following[following_one])))
    return left
