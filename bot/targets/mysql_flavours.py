"""What differs between the servers that speak MySQL's language: MariaDB and MySQL itself. Pure.

Each difference is told once, here, as a value; the rest of the code asks the flavour of its server.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: How every session is set up, whatever the server's defaults.
_ALWAYS = {
    # Dates that are none, and a key of 0, must come back as they are.
    "sql_mode": "'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_safe_updates": "0",
    "sql_big_selects": "1",
    "sql_select_limit": "DEFAULT",
    "collation_connection": "utf8mb4_bin",
}
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)(?![\w.])")


@dataclass(frozen=True)
class Flavour:
    """One kind of server.

    ``kind``: as a target's identity has it; ``title``: as people read it. ``oldest``: below, nothing is done.
    ``number``: what tells one server from all others. ``engine_keys``: the engine's own list of foreign keys;
    ``encoded``: it spells names in its own way. ``generated``: of a row of ``COLUMNS``: it is computed.
    ``hint``, ``searched``: of a row of ``STATISTICS``: what an index is about that is no column, and whether
    the optimiser looks at it. ``shared``: locks rows against writers, with no right but SELECT. ``rowid``:
    what a work table has beside our columns. ``reopens``: a statement may read one work table twice.
    ``ends_writes``: it ends statements that take too long, also those that write. ``sequences``: some number
    rows. ``literal``: whether a database in GRANT is a name and no pattern. ``sees_cascades``: what the
    engine changes by itself counts as written; ``counts_parts_once``: no row of a partitioned table counts
    twice.
    """

    kind: str
    title: str
    oldest: tuple[int, int, int]
    number: str
    engine_keys: str
    encoded: bool
    generated: str
    hint: str
    searched: str
    checks: str
    shared: str
    rowid: str
    reopens: bool
    ends_writes: bool
    sequences: bool
    literal: str
    sees_cascades: bool
    counts_parts_once: bool

    @property
    def oldest_text(self) -> str:
        """The oldest version, as people read it."""
        parts = self.oldest if self.oldest[2] else self.oldest[:2]
        return ".".join(map(str, parts))

    def settings(self, max_lock: float, wait: float) -> Mapping[str, str]:
        """How a session is set up; seconds, and 0 would mean no limit."""
        waits = {name: str(max(1, int(wait))) for name in ("innodb_lock_wait_timeout", "lock_wait_timeout")}
        longest, idle = max(0.01, max_lock), int(max_lock) + 1
        if self.kind == "mariadb":
            return {
                **_ALWAYS,
                **waits,
                "check_constraint_checks": "1",
                "max_statement_time": f"{longest:.3f}",
                "idle_transaction_timeout": str(max(1, idle)),
                "wait_timeout": str(max(10, idle)),
            }
        # It ends no transaction that idles but the whole connection, and no statement that writes: for
        # those there is a watchdog.
        return {
            **_ALWAYS,
            **waits,
            "max_execution_time": str(int(longest * 1000)),
            "wait_timeout": str(max(1, idle)),
            # Else the sizes of tables are those of yesterday.
            "information_schema_stats_expiry": "0",
            "show_gipk_in_create_table_and_information_schema": "1",
        }

    def limit(self, seconds: float) -> str:
        """The setting under which the server ends what takes longer; 0: nothing is ended."""
        if self.kind == "mariadb":
            return f"max_statement_time = {seconds:.3f}"
        return f"max_execution_time = {math.ceil(seconds * 1000)}"

    def bounded(self, query: str, seconds: float) -> str:
        """A SELECT that the server ends when it takes longer."""
        longest = max(0.01, seconds)
        if self.kind == "mariadb":
            return f"SET STATEMENT max_statement_time = {longest:.3f} FOR {query}"
        return f"SELECT /*+ MAX_EXECUTION_TIME({int(longest * 1000)}) */ {query.removeprefix('SELECT ')}"


_CHECKS_OF_MARIADB = """
SELECT c.CONSTRAINT_SCHEMA, c.TABLE_NAME, CONCAT_WS(' ', 'check', c.CONSTRAINT_NAME, c.CHECK_CLAUSE)
  FROM information_schema.CHECK_CONSTRAINTS c
"""
_CHECKS_OF_MYSQL = """
SELECT t.CONSTRAINT_SCHEMA, t.TABLE_NAME,
       CONCAT_WS(' ', 'check', c.CONSTRAINT_NAME, c.CHECK_CLAUSE, t.ENFORCED)
  FROM information_schema.CHECK_CONSTRAINTS c
  JOIN information_schema.TABLE_CONSTRAINTS t
    ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
   AND t.CONSTRAINT_TYPE = 'CHECK'
"""

#: Below 10.5, an UPDATE or DELETE cannot read what it writes to, and a work table cannot be read twice.
MARIADB = Flavour(
    kind="mariadb",
    title="MariaDB",
    oldest=(10, 5, 0),
    number="@@global.server_uid",
    engine_keys="INNODB_SYS_FOREIGN",
    encoded=True,
    generated="IS_GENERATED <> 'NEVER'",
    hint="NULL",
    searched="TRUE",
    checks=_CHECKS_OF_MARIADB,
    shared=" LOCK IN SHARE MODE",
    rowid="",
    reopens=True,
    ends_writes=True,
    sequences=True,
    literal="FALSE",
    sees_cascades=False,
    counts_parts_once=False,
)
#: Below, a primary key that the server made by itself may be one that nobody sees; and before 8.0.23, locking
#: what is only read asks for the right to write.
MYSQL = Flavour(
    kind="mysql",
    title="MySQL",
    oldest=(8, 0, 30),
    number="@@global.server_uuid",
    engine_keys="INNODB_FOREIGN",
    encoded=False,
    generated="EXTRA LIKE '%VIRTUAL GENERATED%' OR EXTRA LIKE '%STORED GENERATED%'",
    hint="EXPRESSION",
    searched="IS_VISIBLE = 'YES'",
    checks=_CHECKS_OF_MYSQL,
    shared=" FOR SHARE",
    # A server may ask for a primary key of every table, or else add one of its own.
    rowid="i BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY INVISIBLE",
    reopens=False,
    ends_writes=False,
    sequences=False,
    literal="@@global.partial_revokes",
    sees_cascades=True,
    counts_parts_once=True,
)
FLAVOURS: Mapping[str, Flavour] = {one.kind: one for one in (MARIADB, MYSQL)}


def flavour_of(version: str, engine: str) -> Flavour | None:
    """What kind of server calls itself ``version``, and its InnoDB ``engine``; None: something else.

    Others speak the same language and call themselves MySQL; they have no InnoDB of that very version.
    """
    if "mariadb" in version.lower():
        return MARIADB if _VERSION.match(version) else None
    found = _VERSION.match(version)
    engines = _VERSION.match(engine)
    same = found is not None and engines is not None and found.groups() == engines.groups()
    return MYSQL if same else None


def too_old(flavour: Flavour, version: str) -> str:
    """The version as people read it when it is older than we can work with; else nothing."""
    found = _VERSION.match(version)
    parts = tuple(map(int, found.groups())) if found else (0, 0, 0)
    return ".".join(map(str, parts)) if parts < flavour.oldest else ""
