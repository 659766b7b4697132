"""An account of MariaDB or MySQL as a holding: set aside under another name, locked, its sessions ended.

In the backup: ``<name>.account.json``, what makes it again. The server has no transactions for accounts: each
statement stands for itself. It gets another name first and is locked then; on the way back it is unlocked
first. So that a crash between the two leaves it under a name that nobody was told, and its end says whether
it could log in.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pymysql

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets.accounts import AccountHolding
from bot.targets.mysql_account_facts import AccountFacts, Who, facts, known_by, others, outside, shown
from bot.targets.mysql_accounts import lacking_to_clear
from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_errors import translated
from bot.targets.ports import Source, Told
from bot.targets.reporting import Report, report_of
from bot.targets.system import RightsMissing, User

#: Seconds until a session that does not end is given up on, and between two looks at it.
_ENDING, _AGAIN = 10.0, 0.05
#: No such session any more; one that only somebody else may end.
_NOT_ENDED = frozenset({1094, 1095, 1227})
_OWN = frozenset({"", "root", "mariadb.sys", "mysql.infoschema", "mysql.session", "mysql.sys", "PUBLIC"})
_LOCK, _UNLOCK = "ALTER USER {who} ACCOUNT LOCK", "ALTER USER {who} ACCOUNT UNLOCK"


def account_place(typed: str) -> str:
    """As people know it."""
    return f"database account {typed}"


def require_rights(admin: Administration) -> None:
    """Return when our user may set accounts aside, and make them again.

    Raises:
        RightsMissing: it may not; it has the statements that help.
        TargetDown: the server does not answer, or cannot be written to.
    """
    with admin.connected() as server:
        _require_rights(server, admin.database)


def _require_rights(server: Server, database: str, places: Iterable[str] = ()) -> None:
    if server.ask("SELECT @@global.read_only <> 0 OR @@innodb_read_only <> 0")[0][0] != "0":
        raise TargetDown("target.read-only", target=server.target)
    grants = lacking_to_clear(server, database, places)
    if grants:
        raise RightsMissing(database, grants, "accounts.no-right")


class UserHolding(AccountHolding[Server, AccountFacts]):
    """One account of a MariaDB or MySQL server that has to do with nothing any more.

    Args:
        name: what its part is called.
        target: of which system, for sentences.
        url: the address of that system's database, which need not be there.
        role: its name, as a statement takes it.
        ours: names of users that we ourselves work as, on whatever server.
        along: accounts that go with it, in the same way.

    Raises:
        BadInput: the address cannot be understood.
    """

    _member = ".account.json"
    _told_sessions = "told.account-sessions"

    def __init__(
        self,
        name: str,
        target: str,
        url: str,
        role: str,
        ours: Collection[str] = (),
        along: Collection[str] = (),
    ) -> None:
        super().__init__(name, role, ours)
        self._admin = Administration(target, url)
        self._who, self._along = Who.of(role), frozenset(along)

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``; nobody can log in as it."""
        wanted, scratch = self._known(source), self._beside(operation, "_try")
        with self._admin.connected() as server:
            try:
                self._build(server, wanted, scratch, report_of(source))
            finally:
                self._drop(server, scratch)

    @property
    def _place(self) -> str:
        return account_place(self._role)

    def _connected(self) -> AbstractContextManager[Server]:
        return self._admin.connected()

    def _changing(self) -> AbstractContextManager[Server]:
        return self._admin.connected()

    def _server(self, connection: Server) -> str:
        return connection.uid

    def _marks(self, connection: Server, *names: str) -> Mapping[str, str]:
        found = ((name, known_by(connection, Who.of(name))) for name in names)
        return {name: mark for name, mark in found if mark is not None}

    def _beside(self, operation: str, end: str) -> str:
        """MySQL lets names have 32 letters: of the user, a hash stands in it; the host stays."""
        user = hashlib.sha256(self._role.encode()).hexdigest()[:8]
        return Who(f"countersign_{operation}_{user}{end}", self._who.host).typed

    def _free(self, connection: Server) -> AccountFacts:
        found = facts(connection, self._who)
        if found is None:
            raise TargetDown("files.missing", path=self._place)
        mine = connection.ask("SELECT CURRENT_USER()")[0][0]
        if self._who.is_at(mine) or self._who.user in {*_OWN, *self._ours} or not self._who.host:
            raise CannotProve("accounts.ours", role=self._place)
        _require_rights(connection, self._admin.database, found.places)
        self._require_alone(connection, self._role, found.known_by)
        if not found.kept:
            raise CannotProve("accounts.unkept", role=self._place)
        self._require_no_other(connection)
        return found

    def _require_no_other(self, connection: Server) -> None:
        beside = others(connection, self._who, self._along)
        if beside:
            raise CannotProve("accounts.twin", role=self._place, who=beside[0], n=len(beside))

    def _require_alone(self, connection: Server, name: str, mark: str) -> None:  # noqa: ARG002 - by its name
        # What is hidden from us is not nothing.
        self._require_rights(connection)
        found = outside(connection, self._admin.database, Who.of(name))
        if found:
            what, who = found[0]
            raise CannotProve(f"accounts.{what}", role=self._place, who=who, n=len(found))

    def _require_rights(self, connection: Server) -> None:
        _require_rights(connection, self._admin.database)

    def _shown(self, found: AccountFacts) -> Sequence[Told]:
        return shown(self._role, found)

    def _kept(self, found: AccountFacts) -> Mapping[str, Any]:  # noqa: ARG002 - a restore needs nobody
        return {}

    def _read(self, raw: bytes) -> AccountFacts:
        return AccountFacts.of(raw)

    def _sessions(self, connection: Server, name: str, mark: str) -> Sequence[User]:  # noqa: ARG002 - by its name
        """A session keeps the name under which it began: of an account that is set aside, the old one."""
        names = {Who.of(name).user}
        there = {user for user, *_ in connection.ask(connection.kind.accounts)}
        if self._who.user not in there:
            names.add(self._who.user)
        return self._working(connection, names)

    def _working(self, connection: Server, names: Collection[str]) -> list[User]:
        self._require_rights(connection)
        us = connection.ask("SELECT CAST(CONNECTION_ID() AS CHAR)")[0][0]
        return [
            User(int(number), user, "session", self._place, f"({host.rpartition(':')[0] or host})")
            for number, user, host, *_ in connection.processes()
            if user in names and number != us
        ]

    def _require_nobody(self, connection: Server, name: str, mark: str) -> None:
        _refuse(self._place, self._sessions(connection, name, mark))

    def _close(self, connection: Server, name: str, mark: str) -> None:  # noqa: ARG002 - by its name
        """Whoever comes later under the old name works as another account that goes too."""
        closed = Who.of(name)
        connection.run(_LOCK.format(who=closed.quoted))
        self._require_no_other(connection)
        former = {one.pid for one in self._working(connection, {closed.user, self._who.user})}
        until = time.monotonic() + _ENDING
        while True:
            there = [
                one for one in self._working(connection, {closed.user, self._who.user}) if one.pid in former
            ]
            if not there:
                return
            if time.monotonic() >= until:
                _refuse(self._place, there)
            for one in there:
                _kill(connection, one.pid)
            time.sleep(_AGAIN)

    def _is_same(self, connection: Server, name: str, wanted: AccountFacts) -> bool:
        found = facts(connection, Who.of(name))
        return (
            found is not None
            and not found.login
            and found.mark == wanted.mark
            and found.is_same(wanted)
            and Who.of(name).user.endswith("_l") is wanted.login
        )

    def _move(self, connection: Server, name: str, into: str, *, login: bool) -> None:
        if login:
            connection.run(_UNLOCK.format(who=Who.of(name).quoted))
        connection.run(f"RENAME USER {Who.of(name).quoted} TO {Who.of(into).quoted}")
        if not login:
            connection.run(_LOCK.format(who=Who.of(into).quoted))

    def _make(self, connection: Server, wanted: AccountFacts, name: str, report: Report) -> None:
        scratch = _unready(Who.of(name))
        self._build(connection, wanted, scratch.typed, report)
        # From here on it is whole.
        connection.run(f"RENAME USER {scratch.quoted} TO {Who.of(name).quoted}")

    def _build(self, connection: Server, wanted: AccountFacts, name: str, report: Report) -> None:
        self._drop(connection, name)
        connection.run(*wanted.making(Who.of(name)))
        report.begin("comparing")
        came = facts(connection, Who.of(name))
        if came is None or came.login or not came.is_same(wanted):
            raise CannotProve("files.not-the-same", path=self._place)
        report.add("rows")

    def _drop(self, connection: Server, *names: str) -> None:
        every = list(map(Who.of, names))
        # Of those that we make, also what a crash left of the making.
        every += [_unready(one) for one in every if one.typed != self._role and "_new" in one.user]
        connection.run(*(f"DROP USER IF EXISTS {one.quoted}" for one in every))

    def _copy_out(self, connection: Server, operation: str, aside: str) -> str:  # noqa: ARG002 - in a note
        user = self._note(operation, "").user
        there = [host for name, host, _ in connection.ask(connection.kind.accounts) if name == user]
        return there[0] if there else ""

    def _note_copy(self, connection: Server, operation: str, aside: str, mark: str) -> None:
        """A note is an account that nobody logs in as: accounts have no place for one."""
        former = self._copy_out(connection, operation, aside)
        if former:
            self._drop(connection, self._note(operation, former).typed)
        if mark:
            note = self._note(operation, mark).quoted
            connection.run(f"CREATE USER {note} ACCOUNT LOCK")

    def _note(self, operation: str, mark: str) -> Who:
        return Who(Who.of(self._beside(operation, "_copy")).user, mark)


def _unready(ready: Who) -> Who:
    """What it is called while it is being made."""
    return Who(ready.user.replace("_new", "_try"), ready.host)


def _refuse(place: str, there: Sequence[User]) -> None:
    if there:
        who = f"{there[0].name} {there[0].origin}"
        raise Stale("files.in-use", path=place, program=who, pid=there[0].pid, n=len(there))


def _kill(server: Server, number: int) -> None:
    try:
        with server.connection.cursor() as cursor:
            cursor.execute(f"KILL CONNECTION {number}")
    except pymysql.Error as error:
        if error.args[0] not in _NOT_ENDED:
            with translated(server.target):
                raise
