"""What the configuration of a target could say, found in its schema and in a few of its rows; read-only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.config.record_types import SoftReference
from bot.config.types import Target
from bot.operations import evidence
from bot.operations.evidence import Seen
from bot.operations.lookalikes import Lookalike, lookalikes
from bot.operations.names import TableNames
from bot.operations.preflight import edge_of
from bot.operations.roots import NAMED_BY, Root, candidates, human_columns, roots
from bot.targets.base import Catalogue, RecordTarget


@dataclass(frozen=True)
class Suggestion:
    """``links`` are to be declared. ``doubtful``: look like references, and the rows do not bear it out."""

    roots: tuple[Root, ...]
    links: tuple[Seen, ...]
    doubtful: tuple[tuple[Lookalike, Seen | None], ...]


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


def suggest(target: RecordTarget, spec: Target) -> Suggestion:
    """Look at the schema and at samples.

    Raises:
        CountersignError: as ``Session``.
    """
    quote = "`" if target.identity["kind"] in ("mysql", "mariadb") else '"'
    with target.reading() as session:
        catalogue = own(session.catalogue(), target.identity)
        names = TableNames(catalogue.tables)
        settled = settled_places(spec.soft_references, spec.ignored_references)
        links: list[Seen] = []
        doubtful: list[tuple[Lookalike, Seen | None]] = []
        for one in lookalikes(catalogue, settled):
            seen = (
                [evidence.of_plain(session, one)]
                if one.kind == "plain"
                else [*evidence.of_pair(session, catalogue, names, one, quote)]
            )
            good = [each for each in seen if each.likely]
            if not good and one.otherwise:
                seen = [evidence.of_plain(session, one.otherwise)]
                good = [each for each in seen if each.likely and each.found]
            links += good
            if not good:
                doubtful.append((one, seen[0] if seen else None))
        known = settled | {f"{edge.child}.{name}" for edge in catalogue.edges for name in edge.child_columns}
        known |= {f"{one.edge.child}.{one.edge.child_columns[0]}" for one in links}
        inside = [*evidence.of_texts(session, catalogue, names, known)]
        inside += evidence.of_json(session, catalogue, names, known)
        links += [one for one in inside if one.found and one.likely]
        edges = [*catalogue.edges, *map(edge_of, spec.soft_references), *(one.edge for one in links)]
        humans = {
            name: [
                column
                for column in human_columns(catalogue.tables[name])
                if evidence.tells_apart(session, name, column)
            ]
            for name in candidates(catalogue, edges)
        }
        numbered = {
            name
            for name, columns in humans.items()
            if any(evidence.reads_as_number(session, name, column) for column in columns[:NAMED_BY])
        }
    return Suggestion(roots(catalogue, edges, humans, numbered), tuple(links), tuple(doubtful))
