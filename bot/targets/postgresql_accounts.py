"""A role of a PostgreSQL server as a holding: set aside under another name, where nobody logs in as it.

In the backup: ``<name>.role.json``, what makes it again. Every step is one transaction of the server. What
must be known again after a crash is in the names (one that ends with ``_l`` could log in), and in one
setting at the role that is set aside.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bot.errors import CannotProve, NotAllowed, TargetDown
from bot.targets.ports import Sink, Source
from bot.targets.postgresql_account_facts import COPY_OUT, RoleFacts, facts, lacking_groups, shown
from bot.targets.postgresql_account_moves import (
    copy_out,
    end,
    numbers,
    rename,
    require_alone,
    require_nobody,
    require_rights_of,
    role_place,
    sessions,
)
from bot.targets.postgresql_admin import Administration, Connection, beside
from bot.targets.postgresql_sql import quote
from bot.targets.reporting import Report, report_of
from bot.targets.streams import chunks
from bot.targets.system import Removal, Survey, Users, Whereabouts
from bot.targets.whereabouts import require_one

_LONGEST_NAME = 63


class RoleHolding:
    """One role of a PostgreSQL server that has to do with nothing any more.

    Args:
        name: what its part is called.
        target: of which system, for sentences.
        url: the address of that system's database, which need not be there.
        role: its name.
        ours: roles that we ourselves work as, on whatever server.

    Raises:
        BadInput: the address cannot be understood.
    """

    def __init__(self, name: str, target: str, url: str, role: str, ours: Collection[str] = ()) -> None:
        self._name, self._role, self._ours = name, role, frozenset(ours)
        self._admin = Administration(target, url)

    @property
    def name(self) -> str:
        """See ``Holding``."""
        return self._name

    @property
    def home(self) -> str:
        """See ``Holding``; a role has no path, so that its name stands for one."""
        return f"/{self._role}"

    def require_free(self) -> None:
        """See ``Holding``."""
        with self._admin.connected() as connection:
            self._free(connection)

    def survey(self) -> Survey:
        """See ``Holding``."""
        server = self._admin.identity_of_server()
        with self._admin.connected() as connection:
            found = self._free(connection)
            there = sessions(connection, self._role, found.number)
        told = list(shown(found))
        if there:
            told.append(("told.role-sessions", {"role": self._role, "n": len(there)}))
        return Survey(
            name=self._name,
            kind="role",
            place=role_place(self._role),
            identity={
                "server": server,
                "role": self._role,
                "number": str(found.number),
                "what": found.mark,
            },
            items=1,
            size=len(found.dump()),
            free=0,
            warnings=tuple(told),
        )

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions, those of the role that is set aside where there is one."""
        with self._admin.connected() as connection:
            there = self._there(connection, operation)
            aside = self._aside(there, operation)
            number = there.get(aside or self._role)
            return Users(() if number is None else tuple(sessions(connection, self._role, number)), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._admin.connected() as connection:
            found = self._free(connection)
        raw, groups = found.dump(), sorted({group for group, *_ in found.role.groups})
        with sink.blob(f"{self._name}.role.json") as out:
            out.write(raw)
        return {"kind": "role", "entries": 1, "size": len(raw), "groups": groups}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``; nothing of it is ever seen by anybody else."""
        wanted = self._known(source)
        with self._changing(undo=True) as connection:
            scratch = self._beside(operation, "_try")
            self._make(connection, wanted, scratch, report_of(source))
            there = numbers(connection, self._role)
            if there.get(self._role) == wanted.number:
                # A password that the server would forget is noticed before anything is touched.
                rename(connection, self._role, self._beside(operation, "_moved"), login=False)

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``; whoever works as the role is thrown out."""
        wanted, report = self._known(source), report_of(source)
        with self._changing() as connection:
            there = self._there(connection, operation)
            require_one(self._whereabouts(there, operation), role_place(self._role))
            if self._role in there:
                # The server's own number: a role of the same name that was made since is another one.
                if there[self._role] != wanted.number:
                    raise CannotProve("accounts.another", role=self._role)
                found = self._free(connection)
                aside = self._beside(operation, "_l" if found.login else "")
                rename(connection, self._role, aside, login=False)
        with self._admin.connected() as connection:
            name, number = self._set_aside(connection, operation)
            end(connection, self._role, number)
            report.begin("comparing")
            if not self._is_same(connection, name, wanted):
                raise CannotProve("files.changed-since", path=role_place(self._role))
            report.add("rows")

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        with self._changing() as connection:
            there = self._there(connection, operation)
            now = self._whereabouts(there, operation)
            if now == "in-place":
                return
            require_one(now, role_place(self._role))
            aside, _ = self._set_aside(connection, operation)
            connection.execute(f"ALTER ROLE {quote(aside)} RESET {COPY_OUT}".encode())
            rename(connection, aside, self._role, login=aside.endswith("_l"))

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        with self._admin.connected() as connection:
            return self._whereabouts(self._there(connection, operation), operation)

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._admin.connected() as connection:
            if self._whereabouts(self._there(connection, operation), operation) != "set-aside":
                raise CannotProve("files.not-set-aside", path=role_place(self._role))
            self._untouched(connection, operation, wanted, report_of(source))

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._changing() as connection:
            now = self._whereabouts(self._there(connection, operation), operation)
            if now == "gone":
                return Removal(0, 0, ())
            if now == "in-place":
                raise CannotProve("files.not-set-aside", path=role_place(self._role))
            aside, number = self._set_aside(connection, operation)
            require_nobody(connection, self._role, number)
            self._untouched(connection, operation, wanted, report_of(source))
            connection.execute(f"DROP ROLE {quote(aside)}".encode())
        return Removal(1, len(wanted.dump()), ())

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        self._nowhere_else(into)
        return role_place(self._role)

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        with self._admin.connected() as connection:
            require_rights_of(connection, self._admin.target, "")
            if self._role in numbers(connection, self._role):
                raise CannotProve("files.in-the-way", path=role_place(self._role))

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``: what the role was a member of."""
        with self._admin.connected() as connection:
            self._require_groups(connection, kept.get("groups", ()))

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        wanted = self._known(source)
        with self._changing() as connection:
            self._away(connection, operation)
            name = self._beside(operation, "_new_l" if wanted.login else "_new")
            self._make(connection, wanted, name, report_of(source))

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        with self._changing() as connection:
            there = numbers(connection, self._role, *self._ready(operation))
            ready = next((one for one in self._ready(operation) if one in there), None)
            if (ready is not None) is (self._role in there):
                key = "files.in-the-way" if ready else "files.is-gone"
                raise CannotProve(key, path=role_place(self._role))
            if ready is not None:
                rename(connection, ready, self._role, login=ready.endswith("_l"))

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        with self._changing() as connection:
            self._away(connection, operation)

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._changing() as connection:
            there = self._there(connection, operation)
            aside, _ = self._set_aside(connection, operation)
            known = copy_out(connection, aside)
            if self._role in there:
                if known != there[self._role]:
                    raise CannotProve("files.in-the-way", path=role_place(self._role))
                return
            self._make(connection, wanted, self._role, report_of(source), login=wanted.login)
            number = numbers(connection, self._role)[self._role]
            connection.execute(f"ALTER ROLE {quote(aside)} SET {COPY_OUT} TO '{number}'".encode())

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        with self._changing() as connection:
            there = self._there(connection, operation)
            aside = self._aside(there, operation)
            known = copy_out(connection, aside) if aside is not None else None
            if aside is None or known is None:
                return
            if self._role in there:
                if there[self._role] != known:
                    raise CannotProve("files.in-the-way", path=role_place(self._role))
                connection.execute(f"DROP ROLE {quote(self._role)}".encode())
            connection.execute(f"ALTER ROLE {quote(aside)} RESET {COPY_OUT}".encode())

    def _beside(self, operation: str, end: str) -> str:
        """A long name is cut, and what was cut off stands in the end as a hash: two of them stay two."""
        suffix = f"__countersign_{operation}{end}"
        if len(self._role.encode()) + len(suffix.encode()) > _LONGEST_NAME:
            suffix = f"_{hashlib.sha256(self._role.encode()).hexdigest()[:8]}{suffix}"
        return beside(self._role, suffix)

    def _ready(self, operation: str) -> tuple[str, str]:
        return self._beside(operation, "_new"), self._beside(operation, "_new_l")

    def _there(self, connection: Connection, operation: str) -> Mapping[str, int]:
        return numbers(connection, self._role, *self._asides(operation))

    def _asides(self, operation: str) -> tuple[str, str]:
        return self._beside(operation, ""), self._beside(operation, "_l")

    def _aside(self, there: Mapping[str, int], operation: str) -> str | None:
        return next((one for one in self._asides(operation) if one in there), None)

    def _set_aside(self, connection: Connection, operation: str) -> tuple[str, int]:
        there = self._there(connection, operation)
        name = self._aside(there, operation)
        if name is None:
            raise CannotProve("files.not-set-aside", path=role_place(self._role))
        return name, there[name]

    def _whereabouts(self, there: Mapping[str, int], operation: str) -> Whereabouts:
        aside = self._aside(there, operation) is not None
        if self._role in there:
            return "both" if aside else "in-place"
        return "set-aside" if aside else "gone"

    @contextmanager
    def _changing(self, *, undo: bool = False) -> Iterator[Connection]:
        with self._admin.connected() as connection, connection.transaction(force_rollback=undo):
            yield connection

    def _free(self, connection: Connection) -> RoleFacts:
        """All about the role in its place, which is nobody else's business.

        Raises as ``Holding.require_free``.
        """
        found = facts(connection, self._role)
        if found is None:
            raise TargetDown("files.missing", path=role_place(self._role))
        mine = connection.execute("SELECT current_user::text, session_user::text").fetchone() or ()
        if self._role in {*mine, *self._ours} or self._role.startswith("pg_"):
            raise CannotProve("accounts.ours", role=self._role)
        for option, word in (("rolsuper", "SUPERUSER"), ("rolreplication", "REPLICATION")):
            if found.role.options.get(option):
                raise CannotProve("accounts.powerful", role=self._role, word=word)
        require_rights_of(connection, self._admin.target, self._role)
        require_alone(connection, self._role, found.number)
        return found

    def _is_same(self, connection: Connection, name: str, wanted: RoleFacts) -> bool:
        found = facts(connection, name)
        return (
            found is not None
            and found.number == wanted.number
            and not found.login
            and found.is_same(wanted, login=name.endswith("_l"))
        )

    def _untouched(self, connection: Connection, operation: str, wanted: RoleFacts, report: Report) -> None:
        report.begin("comparing")
        name, number = self._set_aside(connection, operation)
        require_alone(connection, self._role, number)
        if not self._is_same(connection, name, wanted):
            raise CannotProve("files.touched-aside", path=role_place(self._role))
        report.add("rows")

    def _make(
        self, connection: Connection, wanted: RoleFacts, name: str, report: Report, *, login: bool = False
    ) -> None:
        """Make it under this name, and compare what came out."""
        self._require_groups(connection, [group for group, *_ in wanted.role.groups])
        if name in numbers(connection, name):
            raise CannotProve("files.in-the-way", path=role_place(name))
        for statement in wanted.making(name, login=login):
            connection.execute(statement.encode())
        report.begin("comparing")
        came = facts(connection, name)
        if came is None or not came.is_same(wanted, login=wanted.login) or came.login is not login:
            raise CannotProve("files.not-the-same", path=role_place(self._role))
        report.add("rows")

    def _require_groups(self, connection: Connection, groups: Sequence[str]) -> None:
        lacking = lacking_groups(connection, groups)
        if lacking:
            raise CannotProve("accounts.no-group", role=self._role, groups=", ".join(lacking), n=len(lacking))

    def _away(self, connection: Connection, operation: str) -> None:
        """What was prepared: nobody was told its name, and nobody can log in as it."""
        for name in self._ready(operation):
            connection.execute(f"DROP ROLE IF EXISTS {quote(name)}".encode())

    def _nowhere_else(self, into: str) -> None:
        if into:
            raise NotAllowed("accounts.no-folder", role=self._role)

    def _known(self, source: Source) -> RoleFacts:
        with source.blob(f"{self._name}.role.json") as stream:
            return RoleFacts.of(b"".join(chunks(stream)))
