"""Which roles of a PostgreSQL server are a database's own: they have to do with it and nothing else."""

from collections.abc import Sequence

from bot.errors import CountersignError
from bot.model.remains import Remain
from bot.targets.postgresql_admin import Administration

_HERE = (
    "(d.dbid = b.oid OR d.dbid = 0 AND d.classid = 'pg_catalog.pg_database'::regclass AND d.objid = b.oid)"
)
#: Of the names that are given, and of those that have to do with the database: who has to do with nothing
#: else. Whoever lends rights to others, the server's own roles, superusers and we ourselves are none of them.
_OWN = f"""
SELECT r.rolname::text, r.rolreplication FROM pg_catalog.pg_roles r
 WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' AND r.rolname <> current_user AND r.rolname <> session_user
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = r.oid AND pg_catalog.pg_get_userbyid(m.member) <> current_user)
   AND (r.rolname = ANY($1::name[]) OR EXISTS (
     SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.datname = $2::name AND {_HERE}
      WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid))
   AND NOT EXISTS (
     SELECT FROM pg_catalog.pg_shdepend d
      WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
        AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_database b WHERE b.datname = $2::name AND {_HERE}))
 ORDER BY 1
"""  # noqa: S608 - constants


class DatabaseRoles:
    """The roles of one database.

    Args:
        target: of which system, for sentences.
        url: the database's address.
        names: of roles that may be the system's although they have nothing to do with the database any more.
        whole: the whole database is the system's; else a role in it may be somebody else's, and only those
            of ``names`` count that have to do with nothing at all.
        clear: a request may clear them away; but not those that copy whole servers.
    """

    def __init__(
        self, target: str, url: str, names: Sequence[str], *, whole: bool = True, clear: bool = False
    ) -> None:
        self._target, self._url, self._names = target, url, tuple(names)
        self._whole, self._clear = whole, clear

    def __call__(self, known: Sequence[str]) -> tuple[Sequence[Remain], str]:
        """Those, of the ones ``known`` before too, and why they cannot be told; never raises."""
        try:
            admin = Administration(self._target, self._url)
            with admin.connected() as connection:
                database = admin.database if self._whole else ""
                rows = connection.execute(_OWN.encode(), ([*self._names, *known], database)).fetchall()
        except CountersignError:
            return (), "no-answer"
        by_hand = {name for name, copies in rows if copies or not self._clear}
        return tuple(Remain("role", name, 1, "role" if name in by_hand else "") for name, _ in rows), ""
