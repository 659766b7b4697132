"""What a PostgreSQL server can tell beforehand: locks of others, how large rows are, what a link needs."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.targets.base import Edge, Holder
from bot.targets.postgresql_sql import Relation, matched, quote
from bot.targets.work_tables import WorkTable

#: Runs a query; the database's answers come as texts.
Execute = Callable[[str, Sequence[str | int]], Any]

# Whoever only reads, and the server's own cleaning, is in nobody's way. Of other users' sessions a plain user
# sees the process, not since when. A partition counts as the whole. Names of users and programs are left
# there: a plan is never erased, and the number is enough to look them up.
_HOLDERS = """
SELECT coalesce(pg_catalog.pg_partition_root(l.relation), l.relation)::oid::text, l.pid::text,
       coalesce(a.state, '?'),
       coalesce(max(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::bigint), 0)::text
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                      WHERE d.datname = pg_catalog.current_database())
   AND l.mode IN ('RowShareLock', 'RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                  'AccessExclusiveLock')
   AND coalesce(a.backend_type, '') NOT LIKE 'autovacuum%'
 GROUP BY 1, 2, 3
"""
_LOOKED_AT = 200


def holders(execute: Execute, relations: Mapping[str, Relation]) -> tuple[Holder, ...]:
    """Other transactions that have written to, or locked rows of, these tables; the longest first."""
    names = {str(relation.oid): name for name, relation in relations.items()}
    found = [
        # A prepared transaction has no process.
        Holder(names[oid], f"pid {pid or '-'} ({state})", int(seconds))
        for oid, pid, state, seconds in execute(_HOLDERS, ()).fetchall()
        if oid in names
    ]
    return tuple(sorted(found, key=lambda one: (-one.seconds, one.table, one.who)))


def weight(relation: Relation, keys: WorkTable) -> str:
    """The query for the bytes of some rows of a key set, as text, on average."""
    return (
        f"SELECT coalesce(pg_catalog.avg(pg_catalog.octet_length(s.whole::text)), 0)::bigint FROM"
        f" (SELECT t AS whole FROM {keys.path} k JOIN {relation.rows} t"
        f" ON {matched('t', relation, keys, 'k')} LIMIT {_LOOKED_AT}) s"
    )


def index_for(relation: Relation, edge: Edge) -> str:
    """Nobody waits while this one is built, except on a partitioned table, which knows no other way."""
    gently = "" if relation.partitioned else " CONCURRENTLY"
    return f"CREATE INDEX{gently} ON {relation.path} ({', '.join(map(quote, edge.child_columns))})"
