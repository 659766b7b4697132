"""Who has rights on a database: written down, given again, missing, or let in from everywhere."""

import re
from collections.abc import Iterable, Sequence

from bot.errors import CannotProve
from bot.targets.mysql_admin import Server
from bot.targets.mysql_grants import Granted, like, read
from bot.targets.mysql_sql import quote

#: (account as ``user@host``, what, ``TABLE``, ``PROCEDURE`` … or empty for the whole database, its name, with
#: the option to grant). Of the whole database the name says how the server spells it: ``_`` plain or escaped.
Grant = tuple[str, str, str, str, bool]

_GRANTS = """
SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, '', '', IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES
UNION ALL
SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, TABLE_NAME, '', IS_GRANTABLE
  FROM information_schema.TABLE_PRIVILEGES
UNION ALL
SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, TABLE_NAME, COLUMN_NAME, IS_GRANTABLE
  FROM information_schema.COLUMN_PRIVILEGES
"""
_OF_ROUTINES = "SELECT User, Host, Db, Proc_priv, Routine_type, Routine_name FROM mysql.procs_priv"
_EVERYWHERE = """
SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES
 WHERE PRIVILEGE_TYPE IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'DROP', 'ALTER', 'SUPER')
"""


def escaped(database: str) -> str:
    """A database as GRANT takes it: there, _ and % would stand for other databases as well."""
    return re.sub(r"([\\_%])", r"\\\1", quote(database))


def account(written: str) -> str:
    """``'user'@'host'``, as the server lists it, as ``user@host``."""
    return written[1:-1].replace("'@'", "@")


def named(who: str) -> str:
    """``user@host`` as a statement has it; a role has no host."""
    user, _, host = who.rpartition("@")
    return f"{quote(user)}@{quote(host)}" if host else quote(user)


def grants(server: Server, database: str) -> tuple[Grant, ...]:
    """All that are about this database by its name, not by a pattern that others match too."""
    plain, written = database, escaped(database)[1:-1].replace("``", "`")
    found: set[Grant] = set()
    for who, schema, right, table, column, may in server.ask(_GRANTS):
        if server.same(schema, plain) or (server.same(schema, written) and not table):
            what = f"{right} ({quote(column)})" if column else right
            name = table or ("plain" if server.same(schema, plain) else "escaped")
            found.add((account(who), what, "TABLE" if table else "", name, may == "YES"))
    for user, host, schema, rights, kind, name in server.ask(_OF_ROUTINES):
        if server.same(schema, database):
            given = rights.split(",")
            found |= {
                (f"{user}@{host}", right, kind, name, "Grant" in given) for right in given if right != "Grant"
            }
    return tuple(sorted(found))


def giving(database: str, wanted: Iterable[Grant]) -> Sequence[str]:
    """The statements that give them. Pure."""
    found = []
    for who, what, kind, name, may in wanted:
        spelled = escaped(database) if name == "escaped" and not kind else quote(database)
        place = f"{kind} {spelled}.{quote(name)}" if kind else f"{spelled}.*"
        found.append(f"GRANT {what} ON {place} TO {named(who)}" + (" WITH GRANT OPTION" if may else ""))
    return found


def missing(server: Server, wanted: Iterable[str]) -> list[str]:
    """Accounts and roles of these that the server does not have, sorted."""
    there = {f"{user}@{host}" for user, host, _ in server.ask(server.kind.accounts)}
    return sorted(set(wanted) - there - {"public@", "PUBLIC@"})


def let_in(server: Server, database: str) -> list[str]:
    """Who gets into a database of this name by rights on all of them, or by a pattern."""
    found = {account(who) for (who,) in server.ask(_EVERYWHERE)}
    patterns = server.ask("SELECT DISTINCT GRANTEE, TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES")
    found |= {account(who) for who, pattern in patterns if like(pattern, database)}
    return sorted(found - server.kind.inner)


def _holds(server: Server, test: str, database: str) -> bool:
    try:
        return bool(server.ask(f"SELECT {test.format(database=server.literal(database))}")[0][0] == "1")
    except CannotProve as error:
        if error.key != "target.no-right":
            raise
        return True


def _ours(server: Server) -> tuple[Granted, str]:
    """What our own user may, and its name as a statement has it."""
    literal = server.ask(f"SELECT {server.kind.flavour.literal}")[0][0] == "1"
    granted = read((str(line) for (line,) in server.ask("SHOW GRANTS")), literal=literal)
    return granted, named(server.ask("SELECT CURRENT_USER()")[0][0])


def lacking_to_clear(server: Server, database: str, places: Iterable[str]) -> tuple[str, ...]:
    """What our own user may not do and must to set accounts aside and make them again, as statements.

    ``places``: how rights spell the database, which must be given again although it is gone. Nobody gives a
    right on a pattern who has it on less.
    """
    granted, us = _ours(server)
    found = [f"GRANT {right} ON *.* TO {us}" for right in server.kind.clears if not granted.may(right, "")]
    if not granted.may("SELECT", "mysql"):
        found.append(f"GRANT SELECT ON `mysql`.* TO {us}")
    if not granted.may("ALL PRIVILEGES", database):
        found.append(_all_of(granted, us, database))
    has = {pattern for pattern, rights in granted.databases if "ALL PRIVILEGES" in rights}
    for place in places:
        wild = not granted.literal and re.search(r"(?<!\\)[_%]", place) is not None
        # In no database but by everything everywhere.
        if wild and place not in has and not granted.may("ALL PRIVILEGES", ""):
            found.append(f"GRANT ALL PRIVILEGES ON {quote(place)}.* TO {us} WITH GRANT OPTION")
    return tuple(found)


def _all_of(granted: Granted, us: str, database: str) -> str:
    spelled = quote(database) if granted.literal else escaped(database)
    return f"GRANT ALL PRIVILEGES ON {spelled}.* TO {us} WITH GRANT OPTION"


def lacking(server: Server, database: str, aside: str) -> tuple[str, ...]:
    """What our own user may not do and must, as the statements that allow it.

    ``aside``: how the names of databases begin that we make beside it.
    """
    granted, us = _ours(server)
    kind = server.kind
    seen = granted.may("ALL PRIVILEGES", database)
    where = [
        right
        for test, right in kind.rights_where.items()
        # What is in a database is hidden from whoever has no rights on it.
        if ("{database}" in test and not seen) or _holds(server, test, database)
    ]
    found = [
        f"GRANT {right} ON *.* TO {us}"
        for right in (*kind.rights, *where)
        if not granted.may(right, "") and not (kind.enough and granted.may(kind.enough, ""))
    ]
    if not granted.may("SELECT", "mysql"):
        found.append(f"GRANT SELECT ON `mysql`.* TO {us}")
    if not seen:
        found.append(_all_of(granted, us, database))
    if not granted.may("ALL PRIVILEGES", aside + "t1"):
        # Where a name is no pattern, nothing less than all means the databases that we make beside it.
        pattern = "*" if granted.literal else f"{escaped(aside)[:-1]}%`"
        found.append(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {us}")
    return tuple(found)
