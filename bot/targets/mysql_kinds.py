"""What a whole database is asked differently on MariaDB and on MySQL. Pure: a version in, texts out."""
# ruff: noqa: S608 - nothing but our own constants goes into these queries

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.targets.mysql_flavours import MARIADB as MARIADB_FLAVOUR
from bot.targets.mysql_flavours import MYSQL as MYSQL_FLAVOUR
from bot.targets.mysql_flavours import Flavour, too_old

#: Whatever a value is, it is written and read as it is; nothing is checked that was let in once.
_PINNED = {
    "sql_mode": "'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "foreign_key_checks": "0",
    "unique_checks": "1",
    "sql_safe_updates": "0",
    "sql_big_selects": "1",
    "sql_select_limit": "DEFAULT",
    "sql_quote_show_create": "1",
    "collation_connection": "utf8mb4_bin",
    "lock_wait_timeout": "1",
    "innodb_lock_wait_timeout": "5",
    "wait_timeout": "86400",
    # Whoever takes the rows encrypts and stores them before he takes the next.
    "net_write_timeout": "3600",
}


@dataclass(frozen=True)
class Kind:
    """A kind of server.

    ``oldest``: the first version with which we move databases. ``pinned``: the session;
    ``loading``: of these, what the rows of a backup need to go in as they came out. ``restricted``: settings
    that are off for us where somebody has turned them on. ``comments``: a database carries one.

    ``rights``: what our user needs on all of the server, as GRANT has it; ``rights_where``: by a condition
    over its settings and the database; a condition that we may not look into counts as met. ``inner``:
    accounts of the server itself. ``enough``: the one right that stands for all of them. ``sees``: the rights
    without which views, triggers and texts of other databases are hidden.

    Queries: ``made``: name, character set, collation, comment of a database, and what else is said of it
    that we do not make again. ``numbers``: of the engine, by table. ``texts``: kind, database, name and text
    of what is run. ``unwritable``: what of a database cannot be written down. ``accounts``: user, host and
    whether they reach everything. ``runs``: definer and database. ``roles``: user, host and role; ``us``: our
    own accounts, and those that everybody has. ``account``: of one, by user and host, whether it is locked,
    when its password was set, the rest without secrets, what tells it from another one of its name, and
    whether the server's own statements would not bring all of it back.

    ``clears``: what our user needs on all of the server to set accounts aside. ``says_unlocked``: of one
    that is not locked it writes just that.
    """

    flavour: Flavour
    oldest: tuple[int, int, int]
    pinned: Mapping[str, str]
    loading: Sequence[str]
    restricted: Sequence[str]
    comments: bool
    rights: Sequence[str]
    rights_where: Mapping[str, str]
    inner: frozenset[str]
    enough: str
    sees: Sequence[str]
    made: str
    numbers: str
    texts: str
    unwritable: Sequence[str]
    accounts: str
    runs: str
    roles: str
    us: Sequence[str]
    account: str
    clears: Sequence[str]
    says_unlocked: bool

    def place_of(self, database: str) -> str:
        """As people know it."""
        return f"{self.flavour.title} {database}"

    @property
    def keys(self) -> str:
        """The query of children and parents of the server's foreign keys, in the engine's own words."""
        return f"SELECT FOR_NAME, REF_NAME FROM information_schema.{self.flavour.engine_keys} ORDER BY 1"


_DEFINERS = """
SELECT DEFINER, TRIGGER_SCHEMA FROM information_schema.TRIGGERS
UNION SELECT DEFINER, TABLE_SCHEMA FROM information_schema.VIEWS
"""

_SEES = ("SELECT", "TRIGGER", "SHOW VIEW")
#: What MariaDB keeps of an account: how it logs in; what changes without anybody changing the account; what
#: SHOW CREATE USER writes. Anything else is of a later version, or a default role.
_SECRET = ("plugin", "authentication_string", "auth_or")
_PASSING = ("account_locked", "password_last_changed", "version_id")
_WRITTEN = (
    *("access", "ssl_type", "ssl_cipher", "x509_issuer", "x509_subject", "max_questions", "max_updates"),
    *("max_connections", "max_user_connections", "max_statement_time", "password_lifetime"),
)


def _paths(*names: str) -> str:
    return ", ".join(f"'$.{name}'" for name in names)


def _values(*names: str) -> str:
    return ", ".join(f"JSON_EXTRACT(Priv, '$.{name}')" for name in names)


MARIADB = Kind(
    flavour=MARIADB_FLAVOUR,
    # An own rename is one step that a crash cannot cut in two, and a database can carry a comment.
    oldest=(10, 6, 0),
    pinned=_PINNED
    | {
        "sql_mode": _PINNED["sql_mode"][:-1] + ",NO_AUTO_CREATE_USER'",
        "check_constraint_checks": "0",
        "max_statement_time": "0",
        "idle_transaction_timeout": "0",
    },
    loading=("sql_mode", "time_zone", "foreign_key_checks", "check_constraint_checks"),
    restricted=(),
    comments=True,
    rights=("PROCESS", "CONNECTION ADMIN", "SET USER"),
    rights_where={},
    inner=frozenset(),
    enough="SUPER",
    sees=_SEES,
    made="""
SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SCHEMA_COMMENT, ''
  FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) = LOWER(%s)
""",
    numbers="SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES",
    texts="""
SELECT LOWER(type), db, name, CONCAT_WS(' ', param_list, returns, COALESCE(body_utf8, body))
  FROM mysql.proc WHERE db NOT IN ('mysql', 'sys')
 UNION ALL SELECT 'event', db, name, COALESCE(body_utf8, body) FROM mysql.event ORDER BY 1, 2, 3
""",
    unwritable=(),
    accounts="SELECT User, Host, COALESCE(JSON_VALUE(Priv, '$.access'), 0) <> 0 FROM mysql.global_priv",
    runs=f"SELECT definer, db FROM mysql.proc UNION SELECT definer, db FROM mysql.event UNION {_DEFINERS}",
    roles="SELECT User, Host, CONCAT(Role, '@') FROM mysql.roles_mapping",
    us=(
        "SELECT CURRENT_USER()",
        "SELECT CONCAT(COALESCE(CURRENT_ROLE(), ''), '@')",
        "SELECT 'PUBLIC@'",
    ),
    account=f"""
SELECT COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0), JSON_VALUE(Priv, '$.password_last_changed'),
       JSON_REMOVE(Priv, {_paths(*_SECRET, *_PASSING)}),
       SHA2(CONCAT_WS(' ', {_values(*_SECRET, "password_last_changed")}), 256),
       JSON_LENGTH(JSON_REMOVE(Priv, {_paths(*_SECRET, *_PASSING, *_WRITTEN)})) > 0
  FROM mysql.global_priv WHERE User = %s AND Host = %s
""",
    clears=("CREATE USER", "PROCESS", "CONNECTION ADMIN", *_SEES),
    says_unlocked=False,
)

_STRONG = """
EXISTS (SELECT 1 FROM mysql.global_grants WHERE PRIV = 'SYSTEM_USER' AND CONCAT(USER, '@', HOST) IN (
  SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {database}
  UNION SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {database}
  UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {database}
  UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {database}))
"""

MYSQL = Kind(
    flavour=MYSQL_FLAVOUR,
    oldest=(8, 4, 0),
    pinned=_PINNED
    | {
        "max_execution_time": "0",
        "information_schema_stats_expiry": "0",
        "show_gipk_in_create_table_and_information_schema": "1",
        "restrict_fk_on_non_standard_key": "0",
        # What a password becomes is no text.
        "print_identified_with_as_hex": "1",
    },
    loading=("sql_mode", "time_zone", "foreign_key_checks", "restrict_fk_on_non_standard_key"),
    restricted=("sql_require_primary_key", "sql_generate_invisible_primary_key"),
    comments=False,
    rights=("PROCESS", "CONNECTION_ADMIN", "SET_ANY_DEFINER", "SHOW_ROUTINE", "XA_RECOVER_ADMIN"),
    rights_where={
        # Nothing can be made in the name of somebody who has it by somebody who has not.
        _STRONG: "SYSTEM_USER",
        "@@global.sql_require_primary_key OR @@global.sql_generate_invisible_primary_key": (
            "SESSION_VARIABLES_ADMIN"
        ),
        # A server that writes down what changes lets nobody else make triggers and functions.
        "@@global.log_bin AND NOT @@global.log_bin_trust_function_creators": "SUPER",
    },
    inner=frozenset(f"mysql.{name}@localhost" for name in ("infoschema", "session", "sys")),
    enough="",
    sees=(*_SEES, "EVENT"),
    made="""
SELECT s.SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, '',
       CONCAT(IF(DEFAULT_ENCRYPTION = 'NO', '', 'DEFAULT ENCRYPTION '), COALESCE(OPTIONS, ''))
  FROM information_schema.SCHEMATA s LEFT JOIN information_schema.SCHEMATA_EXTENSIONS e
    ON e.SCHEMA_NAME = s.SCHEMA_NAME WHERE LOWER(s.SCHEMA_NAME) = LOWER(%s)
""",
    numbers="SELECT NAME, TABLE_ID FROM information_schema.INNODB_TABLES",
    texts="""
SELECT LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME, COALESCE(ROUTINE_DEFINITION, '')
  FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA NOT IN ('mysql', 'sys')
 UNION ALL SELECT 'event', EVENT_SCHEMA, EVENT_NAME, COALESCE(EVENT_DEFINITION, '')
  FROM information_schema.EVENTS ORDER BY 1, 2, 3
""",
    unwritable=(
        """
SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s AND ROUTINE_BODY <> 'SQL'
""",
    ),
    accounts="""
SELECT User, Host, EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES p
  WHERE p.GRANTEE = CONCAT('''', User, '''@''', Host, '''') AND p.PRIVILEGE_TYPE <> 'USAGE') FROM mysql.user
""",
    runs=f"""
SELECT DEFINER, ROUTINE_SCHEMA FROM information_schema.ROUTINES
UNION SELECT DEFINER, EVENT_SCHEMA FROM information_schema.EVENTS UNION {_DEFINERS}
""",
    roles="SELECT TO_USER, TO_HOST, CONCAT(FROM_USER, '@', FROM_HOST) FROM mysql.role_edges",
    us=(
        "SELECT CURRENT_USER()",
        """
SELECT CONCAT(ROLE_NAME, '@', ROLE_HOST) FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL
""",
        """
SELECT CONCAT(ROLE_NAME, '@', ROLE_HOST) FROM information_schema.APPLICABLE_ROLES WHERE IS_MANDATORY = 'YES'
""",
    ),
    # A second password is in no statement, nor is what a text that is not escaped may say.
    account="""
SELECT account_locked <> 'N', password_last_changed,
       JSON_OBJECT('tls', ssl_type, 'cipher', HEX(ssl_cipher), 'issuer', HEX(x509_issuer),
         'subject', HEX(x509_subject), 'questions', max_questions, 'updates', max_updates,
         'connections', max_connections, 'users', max_user_connections, 'plugin', plugin,
         'expired', password_expired, 'lifetime', password_lifetime, 'history', Password_reuse_history,
         'reuse', Password_reuse_time, 'current', Password_require_current,
         'said', CAST(JSON_EXTRACT(User_attributes, '$.metadata', '$.Password_locking') AS CHAR)),
       SHA2(CONCAT_WS(' ', plugin, authentication_string, password_last_changed), 256),
       JSON_LENGTH(JSON_REMOVE(COALESCE(User_attributes, '{}'), '$.metadata', '$.Password_locking')) > 0
       OR CONCAT(ssl_cipher, x509_issuer, x509_subject) REGEXP '[''\\]'
  FROM mysql.user WHERE User = %s AND Host = %s
""",
    clears=("CREATE USER", "PROCESS", "CONNECTION_ADMIN", *_SEES, "EVENT"),
    says_unlocked=True,
)
#: Since then a database may hold code in other languages that routines share.
_LIBRARIES = (9, 2, 0)
_OF_LIBRARIES = "SELECT LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA = %s"


def kind_of(flavour: Flavour, version: str) -> Kind:
    """What a server is asked; ``version``: as it says it."""
    if flavour == MARIADB_FLAVOUR:
        return MARIADB
    if too_old(replace(flavour, oldest=_LIBRARIES), version):
        return MYSQL
    return replace(MYSQL, unwritable=(*MYSQL.unwritable, _OF_LIBRARIES))
