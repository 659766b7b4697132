"""Event triggers of a PostgreSQL database: what forbids or changes statements about tables, ours too."""

# ruff: noqa: E501 - a query is easier to read in few lines

from bot.errors import CannotProve
from bot.targets.ports import Told
from bot.targets.postgresql_admin import Connection


def require(connection: Connection, database: str) -> None:
    """Return when a restore of the whole database can make its event triggers again.

    Raises:
        CannotProve: it cannot, because our role may not.
    """
    names = [str(name) for (name,) in connection.execute(_NAMES).fetchall()]
    row = connection.execute(_MAY_MAKE).fetchone()
    assert row is not None
    role, may = row
    if names and not may:
        raise CannotProve("whole.event-trigger", database=database, name=names[0], n=len(names), role=role)


def warnings(connection: Connection, place: str) -> list[Told]:
    """Which of them run when schemas or tables move inside their database."""
    names = [str(name) for (name,) in connection.execute(_RUN).fetchall()]
    if not names:
        return []
    return [("told.event-triggers", {"path": place, "name": names[0], "n": len(names)})]


_NAMES = """
SELECT evtname FROM pg_catalog.pg_event_trigger e
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass
                      AND d.objid = e.oid AND d.deptype = 'e') ORDER BY 1
"""
#: Some providers let a role of theirs make them that is no superuser.
_MAY_MAKE = """
SELECT r.rolname::text, r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles o
         WHERE o.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin') AND pg_catalog.pg_has_role(o.oid, 'MEMBER'))
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
#: Tags are commands; those of what we do when schemas or tables move, go and come back.
_RUN = """
SELECT evtname FROM pg_catalog.pg_event_trigger
 WHERE evtenabled IN ('O', 'A') AND evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
   AND (evttags IS NULL OR EXISTS (SELECT FROM pg_catalog.unnest(evttags) t
         WHERE t ~ '^(ALTER|CREATE|DROP|COMMENT|GRANT|REVOKE|REFRESH|SELECT)')) ORDER BY 1
"""
