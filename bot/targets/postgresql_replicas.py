"""How far those who follow a PostgreSQL server are behind, as far as our user may see it."""

from bot.errors import CannotProve
from bot.targets.base import Replicas
from bot.targets.postgresql_rights import Execute
from bot.targets.postgresql_sql import quote

# Whoever may not read the statistics sees the rows, with nothing in them. One that is idle and has everything
# says NULL; one that is catching up says NULL as well, and is far behind. A base backup follows nothing.
_REPLICAS = """
SELECT current_user, pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'), count(r.pid)::text,
       (count(r.pid) FILTER (WHERE r.state IS DISTINCT FROM 'streaming'))::text,
       coalesce(extract(epoch FROM max(r.replay_lag) FILTER (WHERE r.state = 'streaming')), 0)::text
  FROM pg_catalog.pg_stat_replication r WHERE r.state IS DISTINCT FROM 'backup'
"""


def replicas(execute: Execute) -> Replicas:
    """All that are connected, physical and logical; who is not connected is not known here."""
    row = execute(_REPLICAS, ()).fetchone()
    if row is None:
        raise CannotProve("replicas.unreadable")
    user, may, count, behind, seconds = map(str, row)
    if may != "t":
        return Replicas(grants=(f"GRANT pg_read_all_stats TO {quote(user)}",))
    return Replicas(int(count), int(behind), float(seconds))
