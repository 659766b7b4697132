"""The roles that a PostgreSQL database needs: as a backup keeps them, and as the statements that make them.

A role belongs to the server and not to a database, so none is ever made by a restore. No password is kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bot.errors import CannotProve
from bot.targets.postgresql_admin import Administration, Connection
from bot.targets.postgresql_sql import constant, quote

#: As many statements as fit into this stand in one sentence; those that are run make room for the next.
_LONGEST = 1200
OPTIONS = {
    "rolsuper": "SUPERUSER",
    "rolcreatedb": "CREATEDB",
    "rolcreaterole": "CREATEROLE",
    "rolcanlogin": "LOGIN",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}
#: Members of roles that are not among those given, and not the server's own, are nobody's business here.
_QUERY = """
SELECT r.rolname::text, pg_catalog.to_jsonb(r) - 'rolpassword' - 'oid' - 'rolname',
       (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(g.rolname, m.admin_option,
                   pg_catalog.to_jsonb(m) -> 'inherit_option', pg_catalog.to_jsonb(m) -> 'set_option')), '[]')
          FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
         WHERE m.member = r.oid AND (g.rolname = ANY($1::name[]) OR g.rolname ~ '^pg_'))
  FROM pg_catalog.pg_roles r WHERE r.rolname = ANY($1::name[]) AND r.rolname !~ '^pg_' ORDER BY 1
"""


@dataclass(frozen=True)
class Role:
    """A role. ``options``: what the server says of it; ``groups``: (role, admits others, inherits, sets)."""

    name: str
    options: Mapping[str, Any]
    groups: tuple[tuple[str, bool, bool | None, bool | None], ...] = ()

    def plain(self) -> dict[str, Any]:
        """JSON of it, for a manifest."""
        return {
            "name": self.name,
            "options": dict(self.options),
            "groups": [list(one) for one in self.groups],
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Out of JSON; what this version does not know of it is passed over."""
        return cls(str(plain["name"]), dict(plain["options"]), tuple(tuple(one) for one in plain["groups"]))


class NeedsRoles:
    """A holding whose restore needs roles of the server."""

    _admin: Administration

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``."""
        needed = tuple(map(Role.of, kept.get("roles", ())))
        with self._admin.connected() as connection:
            require(connection, self._admin.database, needed)


def known(connection: Connection, names: Sequence[str]) -> tuple[Role, ...]:
    """These roles, as the connection's moment sees them."""
    rows = connection.execute(_QUERY, (list(names),)).fetchall()
    return tuple(Role(name, options, tuple(map(tuple, groups))) for name, options, groups in rows)


def require(connection: Connection, database: str, needed: Sequence[Role]) -> None:
    """Return when the server has all of these roles.

    Raises:
        CannotProve: one is lacking; the sentence has the statements that make what is.
    """
    there = {name for (name,) in connection.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
    lacking = [role for role in needed if role.name not in there]
    if not lacking:
        return
    shown: list[str] = []
    size = 0
    every = list(statements(lacking, needed, there))
    for statement in every:
        size += len(statement)
        if shown and size > _LONGEST:
            break
        shown.append(statement)
    more = " …" if len(shown) < len(every) else ""
    raise CannotProve(
        "whole.no-role", database=database, statements="; ".join(shown) + ";" + more, n=len(lacking)
    )


def statements(lacking: Sequence[Role], needed: Iterable[Role], there: Iterable[str]) -> Iterator[str]:
    """What makes the roles that are lacking, and brings them together with the others. Pure."""
    absent = {role.name for role in lacking}
    for role in lacking:
        yield f"CREATE ROLE {quote(role.name)}{_written(role.options)}"
    for role in needed:
        for group, admits, inherits, sets in role.groups:
            if absent & {role.name, group} and group in {*absent, *there}:
                told = _membership(role, admits, inherits, sets)
                yield f"GRANT {quote(group)} TO {quote(role.name)}{told}"


def _written(options: Mapping[str, Any]) -> str:
    """Only what is not so of itself."""
    found = [word for name, word in OPTIONS.items() if options.get(name)]
    found += ["NOINHERIT"] if options.get("rolinherit") is False else []
    limit, until = int(options.get("rolconnlimit", -1)), options.get("rolvaliduntil")
    found += [f"CONNECTION LIMIT {limit}"] if limit >= 0 else []
    found += [f"VALID UNTIL{constant(str(until))}"] if until else []
    return "".join(f" {one}" for one in found)


def _membership(member: Role, admits: bool, inherits: bool | None, sets: bool | None) -> str:
    """Servers before 16 know the first alone."""
    found = ["ADMIN OPTION"] if admits else []
    if inherits is not None and inherits != member.options.get("rolinherit", True):
        found.append(f"INHERIT {str(inherits).upper()}")
    found += ["SET FALSE"] if sets is False else []
    return f" WITH {', '.join(found)}" if found else ""
