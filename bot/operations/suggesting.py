"""What the configuration of a target could say, found in its schema and in a few of its rows; read-only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.config.record_types import SoftReference
from bot.config.types import Target
from bot.operations import evidence
from bot.operations.evidence import Seen
from bot.operations.lookalikes import Lookalike, lookalikes, table_names
from bot.operations.preflight import edge_of
from bot.operations.roots import NAMED_BY, Root, candidates, human_columns, roots
from bot.targets.base import Catalogue, Edge, RecordTarget, Session


@dataclass(frozen=True)
class Suggestion:
    """``links`` are to be declared. ``doubtful``: look like references, and the rows do not bear it out.

    ``unkeyed``: as ``links``, of tables without a key: a deletion that reaches their rows is refused.
    """

    roots: tuple[Root, ...]
    links: tuple[Seen, ...]
    doubtful: tuple[tuple[Lookalike, Seen | None], ...]
    unkeyed: tuple[Seen, ...] = ()


def settled_places(references: Iterable[SoftReference], ignored: Iterable[str]) -> frozenset[str]:
    """The columns, as ``table.column``, about which the configuration has spoken."""
    return frozenset({*(one.from_ for one in references), *ignored})


def own(catalogue: Catalogue, identity: Mapping[str, str]) -> Catalogue:
    """Without the other databases of a server that has many: what our user sees there is somebody else's."""
    if identity["kind"] not in ("mysql", "mariadb"):
        return catalogue
    tables = {name: table for name, table in catalogue.tables.items() if "." not in name}
    edges = tuple(edge for edge in catalogue.edges if edge.child in tables and edge.parent in tables)
    return Catalogue(tables, edges)


def _bears_out(session: Session, one: Lookalike, seen: evidence.Seen) -> bool:
    """Whether the rows agree. What names rows beside their key needs values, and each must mean one row."""
    unique = not one.natural or (
        seen.found > 1 and evidence.tells_apart(session, one.parent, one.parent_column)
    )
    return seen.likely and unique


def suggest(target: RecordTarget, spec: Target) -> Suggestion:
    """Look at the schema and at samples.

    Raises:
        CountersignError: as ``Session``.
    """
    kind = target.identity["kind"]
    quote = "`" if kind in ("mysql", "mariadb") else '"'
    with target.reading() as session:
        catalogue = own(session.catalogue(), target.identity)
        names = table_names(catalogue)
        settled = settled_places(spec.soft_references, spec.ignored_references)
        links: list[Seen] = []
        doubtful: list[tuple[Lookalike, Seen | None]] = []
        for one in lookalikes(catalogue, settled):
            seen = (
                [evidence.of_plain(session, one)]
                if one.kind == "plain"
                else [*evidence.of_pair(session, catalogue, names, one, quote)]
            )
            good = [] if one.counts else [each for each in seen if _bears_out(session, one, each)]
            if not good and one.otherwise:
                seen = [evidence.of_plain(session, one.otherwise)]
                good = [each for each in seen if each.likely and each.found]
            links += good
            if not good:
                doubtful.append((one, seen[0] if seen else None))
        known = settled | {f"{edge.child}.{name}" for edge in catalogue.edges for name in edge.child_columns}
        known |= {f"{one.edge.child}.{one.edge.child_columns[0]}" for one in links}
        inside = [*evidence.of_texts(session, catalogue, names, known)]
        inside += evidence.of_json(session, catalogue, names, known, in_texts=kind in ("sqlite", "mariadb"))
        links += [one for one in inside if one.found and one.likely]
        unkeyed = tuple(one for one in links if not catalogue.tables[one.edge.child].key)
        links = [one for one in links if one not in unkeyed]
        edges = [*catalogue.edges, *map(edge_of, spec.soft_references), *(one.edge for one in links)]
        humans = _humans(session, catalogue, edges)
        numbered = {
            name
            for name, columns in humans.items()
            if any(evidence.reads_as_number(session, name, column) for column in columns[:NAMED_BY])
        }
    return Suggestion(roots(catalogue, edges, humans, numbered), tuple(links), tuple(doubtful), unkeyed)


def _humans(session: Session, catalogue: Catalogue, edges: Sequence[Edge]) -> dict[str, Sequence[str]]:
    """By which columns people may name the rows of the likeliest tables: what links mean comes first."""
    found: dict[str, Sequence[str]] = {}
    for name in candidates(catalogue, edges):
        table = catalogue.tables[name]
        meant = [edge.parent_columns[0] for edge in edges if edge.parent == name and edge.action == "soft"]
        wanted = [column for column in (*meant, *human_columns(table)) if (column,) != table.key]
        found[name] = [one for one in dict.fromkeys(wanted) if evidence.tells_apart(session, name, one)]
    return found
