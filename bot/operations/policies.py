"""What the configuration says of links, beside the schema. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.config.record_types import Policy
from bot.errors import BadInput
from bot.targets.base import Catalogue, Edge, Table

#: Of a label all but the child's name.
_CHILD = re.compile(r"\.(\([^()]*\)|[^.()]*) -> .*", re.DOTALL)


def wrong_links(
    catalogue: Catalogue, target: str, edges: Iterable[Edge], policies: Mapping[str, Policy]
) -> Iterator[BadInput]:
    """What is wrong with ``policies``, which are by label of a link; ``edges`` are all there are."""
    known: dict[str, list[Edge]] = {}
    for edge in edges:
        known.setdefault(edge.label, []).append(edge)
    for label, policy in policies.items():
        found = known.get(label, [])
        if not found and catalogue.seen_with is not None:
            table = _CHILD.sub("", label)
            grant = catalogue.seen_with(table, True) + ";"
            yield BadInput("operations.unseen-link", target=target, link=label, grant=grant)
            continue
        wrong = "operations.unknown-link" if not found else _wrong_link(catalogue, found, policy)
        if wrong:
            yield BadInput(wrong, target=target, link=label)


def _wrong_link(catalogue: Catalogue, found: Sequence[Edge], policy: Policy) -> str | None:
    if policy not in ("nullify", "reassign"):
        return None
    if any(edge.path for edge in found):
        return "operations.link-json"
    if len(found) > 1:
        return "operations.link-twice"
    if policy == "nullify":
        allowed = can_be_emptied(catalogue.tables[found[0].child], found[0])
        return None if allowed else "operations.link-not-null"
    return None if own_columns(catalogue, found[0]) else "operations.link-fixed"


def can_be_emptied(table: Table, edge: Edge) -> bool:
    """Whether the child columns of an edge take NULL and identify no row."""
    columns = [table.column(name) for name in edge.child_columns]
    if any(column is None or column.not_null or column.generated for column in columns):
        return False
    return not set(edge.child_columns) & set(table.key)


def own_columns(catalogue: Catalogue, edge: Edge) -> tuple[str, ...]:
    """The child columns that may change when the child shall point at another row: those of this link alone.

    A column that also identifies the row, or belongs to another foreign key (such as a tenant), says
    something else besides. Empty: the link cannot be handed over.
    """
    child, parent = catalogue.tables[edge.child], catalogue.tables[edge.parent]
    others = {
        name
        for other in catalogue.edges
        if other.child == edge.child and other.label != edge.label
        for name in other.child_columns
    }
    fixed = others | set(child.key)
    written = tuple(name for name in edge.child_columns if name not in fixed)
    pairs = [*zip(edge.child_columns, edge.parent_columns, strict=True)]
    plain = all(_stored(child, name) and _stored(parent, there) for name, there in pairs)
    return written if plain else ()


def _stored(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and not column.generated
