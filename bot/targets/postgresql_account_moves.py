"""What is done to roles of a PostgreSQL server: found, renamed with their passwords, their sessions ended."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import psycopg

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets.postgresql_account_facts import COPY_OUT, outside, password_of
from bot.targets.postgresql_admin import Administration, Connection
from bot.targets.postgresql_sql import constant, quote
from bot.targets.system import RightsMissing, User

#: Seconds until a session that does not end is given up on, and between two looks at it.
_ENDING, _AGAIN = 10.0, 0.05
_NUMBERS = "SELECT rolname::text, oid::bigint FROM pg_catalog.pg_roles WHERE rolname = ANY($1::name[])"
_SESSIONS = """
SELECT pid, usename::text, pg_catalog.concat_ws(', ', nullif(application_name, ''),
       coalesce(pg_catalog.host(client_addr), 'local'))
  FROM pg_catalog.pg_stat_activity WHERE usesysid = $1 AND pid <> pg_catalog.pg_backend_pid() ORDER BY pid
"""
_RIGHTS = """
SELECT current_user::text, r.rolsuper, r.rolcreaterole, pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'),
       pg_catalog.current_setting('server_version_num')::int < 160000
       OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles o ON o.oid = m.roleid
                   WHERE o.rolname = $1 AND m.member = r.oid AND m.admin_option)
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.rolname = $1)
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
_COPY = """
SELECT pg_catalog.split_part(s.one, '=', 2)::bigint
  FROM pg_catalog.pg_roles r, pg_catalog.unnest(r.rolconfig) s(one)
 WHERE r.rolname = $1 AND pg_catalog.starts_with(s.one, $2)
"""


def role_place(role: str) -> str:
    """As people know it."""
    return f"PostgreSQL role {role}"


def require_rights(admin: Administration, role: str = "") -> None:
    """Return when our user may set roles aside, this one if it is named, and make them again.

    Raises:
        RightsMissing: it may not; it has the statements that help.
        TargetDown: the server does not answer, or cannot be written to.
    """
    with admin.connected() as connection:
        require_rights_of(connection, admin.target, role)


def require_rights_of(connection: Connection, target: str, role: str) -> None:
    """As ``require_rights``."""
    if connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone() == (True,):
        raise TargetDown("target.read-only", target=target)
    row = connection.execute(_RIGHTS, (role,)).fetchone()
    assert row is not None
    me, may_all, may_make, may_end, admits = row
    wanted = (
        (may_make, f"ALTER ROLE {quote(me)} CREATEROLE"),
        (may_end, f"GRANT pg_signal_backend TO {quote(me)}"),
        (admits, f"GRANT {quote(role)} TO {quote(me)} WITH ADMIN OPTION"),
    )
    grants = [grant for may, grant in wanted if not may]
    if grants and not may_all:
        raise RightsMissing(target, grants, "accounts.no-right")


def numbers(connection: Connection, *names: str) -> Mapping[str, int]:
    """The server's own number of each of these roles that exists."""
    return dict(connection.execute(_NUMBERS, (list(names),)).fetchall())


def require_alone(connection: Connection, role: str, number: int) -> None:
    """Return when the role has to do with nothing but itself.

    Raises:
        CannotProve: it owns something, somebody is a member of it, and so on; the sentence says where.
    """
    found = outside(connection, number)
    if found:
        what, who = found[0]
        raise CannotProve(f"accounts.{what}", role=role_place(role), who=who, n=len(found))


def sessions(connection: Connection, role: str, number: int) -> Sequence[User]:
    """Who works as the role."""
    return [
        User(pid, name, "session", role_place(role), f"({origin})")
        for pid, name, origin in connection.execute(_SESSIONS, (number,)).fetchall()
    ]


def require_nobody(connection: Connection, role: str, number: int) -> None:
    """Return when nobody works as it.

    Raises:
        Stale: somebody does.
    """
    there = sessions(connection, role, number)
    if there:
        path, who = role_place(role), f"{there[0].name} {there[0].origin}"
        raise Stale("files.in-use", path=path, program=who, pid=there[0].pid, n=len(there))


def end(connection: Connection, role: str, number: int) -> None:
    """End every session of a role that cannot log in any more.

    Raises:
        Stale: one does not end.
    """
    until = time.monotonic() + _ENDING
    while there := sessions(connection, role, number):
        if time.monotonic() >= until:
            require_nobody(connection, role, number)
        for one in there:
            # Only a superuser ends some of them: whoever is left is told by the number.
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT pg_catalog.pg_terminate_backend($1)", (one.pid,))
        time.sleep(_AGAIN)


def rename(connection: Connection, role: str, into: str, *, login: bool) -> None:
    """Give it another name, in the transaction of the connection, and with the password that it had.

    Raises:
        CannotProve: the server forgets a password of the old kind with the name, and it cannot be read.
    """
    said: list[str] = []
    password, readable = password_of(connection, role)

    def hear(one: psycopg.errors.Diagnostic) -> None:
        said.append(str(one.sqlstate))

    connection.execute("SET LOCAL client_min_messages TO 'notice'")
    connection.add_notice_handler(hear)
    try:
        connection.execute(f"ALTER ROLE {quote(role)} RENAME TO {quote(into)}".encode())
    finally:
        connection.remove_notice_handler(hear)
    if said and not readable:
        raise CannotProve("accounts.old-password", role=role_place(role))
    for statement in _dressed(into, password if said else None, login=login):
        connection.execute(statement.encode())


def _dressed(name: str, password: str | None, *, login: bool) -> Iterator[str]:
    yield f"ALTER ROLE {quote(name)} {'LOGIN' if login else 'NOLOGIN'}"
    if password is not None:
        yield f"ALTER ROLE {quote(name)} PASSWORD{constant(password)}"


def copy_out(connection: Connection, aside: str) -> int | None:
    """The number of the copy that we brought out; None without any."""
    row = connection.execute(_COPY, (aside, f"{COPY_OUT}=")).fetchone()
    return int(row[0]) if row else None
