"""A role of a PostgreSQL server: all that makes it again, and what keeps it from being only one system's.

The password is kept as the server keeps it, and only where our user may read that; it never leaves the
backup.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bot.errors import NotOurs
from bot.targets.account_form import opened, sealed
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_facts import assigned
from bot.targets.postgresql_people import OPTIONS, Role, statements
from bot.targets.postgresql_sql import constant, quote

#: At the role that is set aside: the number of the copy that we brought out in its place.
COPY_OUT = "countersign.copy"
_FACTS = """
SELECT r.oid::bigint, pg_catalog.to_jsonb(r) - 'rolpassword' - 'oid' - 'rolname' - 'rolconfig',
       (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(g.rolname, m.admin_option,
                   pg_catalog.to_jsonb(m) -> 'inherit_option', pg_catalog.to_jsonb(m) -> 'set_option')), '[]')
          FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
         WHERE m.member = r.oid),
       coalesce(r.rolconfig, '{}'), pg_catalog.shobj_description(r.oid, 'pg_authid'),
       (SELECT pg_catalog.jsonb_build_array(pg_catalog.bool_or(m.admin_option),
               pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool),
               pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool))
          FROM pg_catalog.pg_auth_members m
         WHERE m.roleid = r.oid AND pg_catalog.pg_get_userbyid(m.member) = current_user HAVING count(*) > 0)
  FROM pg_catalog.pg_roles r WHERE r.rolname = $1
"""
_MAY_READ = """
SELECT pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')
   AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'SELECT')
"""
_PASSWORD = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1"  # noqa: S105 - no password
#: What it has to do with: (what, where or who), of which a restore would bring nothing back.
_OUTSIDE = """
SELECT DISTINCT * FROM (
  SELECT 'owns', coalesce(b.datname::text, d.classid::pg_catalog.regclass::text)
    FROM pg_catalog.pg_shdepend d LEFT JOIN pg_catalog.pg_database b
      ON b.oid = CASE WHEN d.dbid = 0 AND d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                      THEN d.objid ELSE d.dbid END
   WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = $1
     AND d.classid <> 'pg_catalog.pg_auth_members'::pg_catalog.regclass
  UNION ALL
  SELECT 'members', pg_catalog.pg_get_userbyid(m.member)::text FROM pg_catalog.pg_auth_members m
   WHERE m.roleid = $1 AND pg_catalog.pg_get_userbyid(m.member) <> current_user
  UNION ALL
  SELECT 'members', pg_catalog.pg_get_userbyid(m.member)::text FROM pg_catalog.pg_auth_members m
   WHERE m.grantor = $1
  UNION ALL
  SELECT 'settings', b.datname::text FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase WHERE s.setrole = $1
  UNION ALL
  SELECT 'label', l.provider FROM pg_catalog.pg_shseclabel l
   WHERE l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND l.objoid = $1
  UNION ALL
  SELECT 'prepared', p.gid FROM pg_catalog.pg_prepared_xacts p
   WHERE p.owner = pg_catalog.pg_get_userbyid($1)
) found (what, who) ORDER BY 1, 2
"""


@dataclass(frozen=True)
class RoleFacts:
    """A role. ``number``: the server's own. ``settings``: ``name=value``, in all databases.

    ``password``: as the server keeps it. ``readable``: whether it could be read. ``lent``: our user is
    a member of it: (admits others, inherits, sets), the last two None of servers before 16.
    """

    number: int
    role: Role
    settings: tuple[str, ...]
    comment: str | None
    password: str | None
    readable: bool
    lent: tuple[bool, bool | None, bool | None] | None = None

    @property
    def login(self) -> bool:
        """Whether it may log in."""
        return bool(self.role.options.get("rolcanlogin"))

    @property
    def words(self) -> tuple[str, ...]:
        """What it may besides logging in, in the server's own words."""
        others = {name: word for name, word in OPTIONS.items() if name != "rolcanlogin"}
        return tuple(word for name, word in others.items() if self.role.options.get(name))

    @property
    def mark(self) -> str:
        """Changes with anything that people see of it."""
        seen = [self.role.plain(), sorted(self.settings), self.comment]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()

    @property
    def known_by(self) -> str:
        """See ``Account``."""
        return str(self.number)

    @property
    def seen(self) -> Mapping[str, str]:
        """See ``Account``."""
        return {"number": str(self.number), "what": self.mark}

    def dump(self) -> bytes:
        """For a backup: its hash on a line, and what makes it again."""
        body = {
            "number": self.number,
            "role": self.role.plain(),
            "settings": list(self.settings),
            "comment": self.comment,
            "password": self.password,
            "readable": self.readable,
            "lent": self.lent,
        }
        return sealed(body)

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote.

        Raises:
            NotOurs: it is not what was written.
        """
        try:
            body = opened(raw)
            body["role"] = Role.of(body["role"])
            body["settings"] = tuple(map(str, body["settings"]))
            body["lent"] = None if body["lent"] is None else tuple(body["lent"])
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotOurs("backups.damaged") from None

    def is_same(self, other: "RoleFacts", *, login: bool) -> bool:
        """Whether it is the same but for its name and number; ``login``: what it was, while it may not.

        A password that nobody of us could read on either side is not compared.
        """
        mine, theirs = {**self.role.options, "rolcanlogin": login}, other.role.options
        # A later server may know of more.
        same = all(theirs.get(name, value) == value for name, value in mine.items())
        groups = sorted(map(str, self.role.groups)) == sorted(map(str, other.role.groups))
        rest = (sorted(self.settings), self.comment) == (sorted(other.settings), other.comment)
        known = self.readable and other.readable
        return same and groups and rest and (not known or self.password == other.password)

    def making(self, name: str, *, login: bool) -> Iterator[str]:
        """The statements that make it under this name."""
        made = Role(name, {**self.role.options, "rolcanlogin": login}, self.role.groups)
        yield from statements([made], [made], [group for group, *_ in made.groups])
        yield from (f"ALTER ROLE {quote(name)} {assigned(one)}" for one in self.settings)
        if self.comment is not None:
            yield f"COMMENT ON ROLE {quote(name)} IS{constant(self.comment)}"
        if self.password is not None:
            yield f"ALTER ROLE {quote(name)} PASSWORD{constant(self.password)}"
        if self.lent is not None:
            yield f"GRANT {quote(name)} TO CURRENT_USER{_lending(*self.lent)}"


def _lending(admits: bool, inherits: bool | None, sets: bool | None) -> str:
    """From 16 on whoever makes a role may admit others to it of itself, and cannot give that once more."""
    if inherits is None or sets is None:
        return " WITH ADMIN OPTION" if admits else ""
    return f" WITH INHERIT {str(inherits).upper()}, SET {str(sets).upper()}"


def facts(connection: Connection, name: str) -> RoleFacts | None:
    """All about this role; None when there is none of that name."""
    row = connection.execute(_FACTS, (name,)).fetchone()
    if row is None:
        return None
    number, options, groups, settings, comment, lent = row
    password, readable = password_of(connection, name)
    kept = tuple(one for one in settings if not one.startswith(f"{COPY_OUT}="))
    role = Role(name, options, tuple(map(tuple, groups)))
    return RoleFacts(number, role, kept, comment, password, readable, tuple(lent) if lent else None)


def password_of(connection: Connection, name: str) -> tuple[str | None, bool]:
    """A password as the server keeps it, and whether it could be read."""
    if connection.execute(_MAY_READ).fetchone() != (True,):
        return None, False
    row = connection.execute(_PASSWORD, (name,)).fetchone()
    return (row[0] if row else None), True


def outside(connection: Connection, number: int) -> Sequence[tuple[str, str]]:
    """What the role has to do with, besides itself: (what, where or who)."""
    return connection.execute(_OUTSIDE, (number,)).fetchall()


def lacking_groups(connection: Connection, groups: Sequence[str]) -> tuple[str, ...]:
    """Those of these roles that are not there."""
    query = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY($1::name[])"
    there = {name for (name,) in connection.execute(query, (list(groups),))}
    return tuple(sorted(set(groups) - there))


def shown(one: RoleFacts) -> Iterator[tuple[str, Mapping[str, str | int]]]:
    """What people see of it in a plan; of settings the names alone."""
    role = one.role.name
    yield ("told.role-login" if one.login else "told.role-no-login"), {"role": role}
    if one.words:
        yield "told.role-may", {"role": role, "words": ", ".join(one.words)}
    if one.role.groups:
        groups = sorted({group for group, *_ in one.role.groups})
        yield "told.role-in", {"role": role, "groups": ", ".join(groups), "n": len(groups)}
    if one.settings:
        names = sorted(setting.partition("=")[0] for setting in one.settings)
        yield "told.role-settings", {"role": role, "names": ", ".join(names), "n": len(names)}
    if one.login and not one.readable:
        yield "told.role-no-password", {"role": role}
