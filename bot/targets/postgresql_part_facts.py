"""What some schemas of a PostgreSQL database add up to; see ``postgresql_facts`` for the whole of one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from bot.errors import NotOurs
from bot.targets import postgresql_part_questions as queries
from bot.targets import postgresql_people as people
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_facts import lasting, stands
from bot.targets.postgresql_part_notes import Grant, Link
from bot.targets.postgresql_part_scope import Needed, Statistics, Tables, owners, statistics
from bot.targets.postgresql_people import Role
from bot.targets.postgresql_questions import DATABASE
from bot.targets.postgresql_sums import Seeds, digest, sum_rows, told
from bot.targets.reporting import SILENT, Report


@dataclass(frozen=True)
class PartFacts:
    """Some schemas, or tables, at one moment.

    ``number``: of the database. ``schemas``: their numbers, or those of the tables. ``tables``: rows and sum
    by ``schema.table``. ``sequences``: where each stands. ``catalogue``: everything about them, numbers and
    all. ``shapes``: names and shapes. ``grants``, ``comments``: of the schemas themselves. ``extensions``:
    what they need (name, schema, version). ``statistics``, ``owners`` (and at which schema), ``needed`` (of
    the outside): of tables. ``made``, ``roles``, ``people``, ``seeds``, ``sha256``: as
    ``DatabaseFacts``.
    """

    number: int
    seeds: Seeds
    schemas: Mapping[str, int]
    tables: Mapping[str, tuple[int, str]]
    sequences: Mapping[str, str]
    catalogue: str
    shapes: str
    grants: Mapping[str, tuple[Grant, ...]]
    comments: Mapping[str, str | None]
    extensions: tuple[tuple[str, str, str], ...]
    links: tuple[Link, ...]
    made: Mapping[str, Any]
    roles: tuple[str, ...]
    size: int
    sha256: str = ""
    statistics: tuple[Statistics, ...] = ()
    owners: tuple[tuple[str, str], ...] = ()
    needed: tuple[Needed, ...] = ()
    people: tuple[Role, ...] = ()

    @property
    def whom(self) -> tuple[Role, ...]:
        """See ``DatabaseFacts``."""
        return self.people or tuple(Role(name, {}) for name in self.roles)

    @property
    def plain_people(self) -> list[dict[str, Any]]:
        """``people`` as a manifest has them."""
        return [one.plain() for one in self.people]

    @property
    def rows(self) -> int:
        """Over all tables."""
        return sum(rows for rows, _ in self.tables.values())

    def is_same_content(self, other: Self) -> bool:
        """Whether both hold the same rows in the same shapes, as a restore must bring them back."""
        return (self._rows, self.shapes) == (other._rows, other.shapes)

    def is_same_place(self, other: Self) -> bool:
        """Whether these are the very schemas, under whatever name, and nothing in them was changed."""
        mine = (self.number, self.schemas, self.catalogue, self._rows)
        return mine == (other.number, other.schemas, other.catalogue, other._rows)

    @property
    def _rows(self) -> Any:
        return self.seeds, self.tables, self.sequences

    def dump(self) -> bytes:
        """JSON of it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote; NotOurs when it is something else."""
        try:
            body = json.loads(raw)
            body["seeds"] = Seeds.of(body["seeds"])
            body["tables"] = {name: (rows, total) for name, (rows, total) in body["tables"].items()}
            body["grants"] = {name: tuple(map(tuple, many)) for name, many in body["grants"].items()}
            body["extensions"] = tuple(map(tuple, body["extensions"]))
            body["links"] = tuple(Link(**one) for one in body["links"])
            body["statistics"] = tuple(Statistics(*one) for one in body.get("statistics", ()))
            body["owners"] = tuple(map(tuple, body.get("owners", ())))
            body["needed"] = tuple(Needed(*one) for one in body.get("needed", ()))
            body["roles"] = tuple(body["roles"])
            body["people"] = tuple(map(Role.of, body.get("people", ())))
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotOurs("backups.damaged") from None


def part_facts(
    connection: Connection, known: Mapping[str, int], seeds: Seeds, report: Report = SILENT
) -> PartFacts:
    """Everything about these schemas (numbers by their names at home), as the connection's moment sees it."""

    def asked(query: str) -> Sequence[tuple[Any, ...]]:
        return connection.execute(query.encode()).fetchall()

    of_tables = isinstance(known, Tables)
    number, _, made, _, _ = asked(DATABASE)[0]
    numbers = "SELECT oid::bigint, nspname::text FROM pg_catalog.pg_namespace"
    now = dict(asked(numbers))
    roles = tuple(name for (name,) in asked(queries.roles(known)))
    return PartFacts(
        number=number,
        seeds=seeds,
        schemas=dict(known),
        tables={
            name: told(sum_rows(connection, now, seeds), report)
            for name, now in asked(queries.relations(known, "r"))
        },
        sequences={name: stands(connection, now) for name, now in asked(queries.relations(known, "S"))},
        catalogue=digest(connection, queries.catalogue(known), seeds),
        shapes=digest(connection, queries.shapes(known), seeds),
        grants={name: grants_of(connection, now.get(one, "")) for name, one in known.items()},
        comments={name: about(connection, now.get(one, ""))[1] for name, one in known.items()},
        extensions=tuple(asked(queries.extensions(known))),
        links=tuple(Link(*one) for one in asked(queries.links(known))),
        made=lasting(made),
        roles=roles,
        people=people.known(connection, roles),
        size=int(asked(queries.size(known))[0][0]),
        statistics=tuple(Statistics(*one) for one in asked(statistics(known))) if of_tables else (),
        owners=tuple(asked(owners(known))) if of_tables else (),
        needed=tuple(Needed(*one) for one in asked(queries.needed(known))) if of_tables else (),
    )


def grants_of(connection: Connection, schema: str) -> tuple[Grant, ...]:
    """Who may do what with a schema, by the name it has now."""
    return tuple(connection.execute(queries.GRANTS, (schema,)).fetchall())


def about(connection: Connection, schema: str) -> tuple[str, str | None]:
    """Owner and comment of a schema."""
    owner, comment = connection.execute(queries.ABOUT_SCHEMA, (schema,)).fetchone() or ("", None)
    return owner, comment
