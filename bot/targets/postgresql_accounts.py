"""A role of a PostgreSQL server as a holding: set aside under another name, where nobody logs in as it.

In the backup: ``<name>.role.json``, what makes it again. Every step is one transaction of the server. What
must be known again after a crash is in the names (one that ends with ``_l`` could log in), and in one
setting at the role that is set aside.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets.accounts import AccountHolding
from bot.targets.ports import Source, Told
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
from bot.targets.system import User

_LONGEST_NAME = 63


class RoleHolding(AccountHolding[Connection, RoleFacts]):
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

    _member = ".role.json"
    _told_sessions = "told.role-sessions"

    def __init__(self, name: str, target: str, url: str, role: str, ours: Collection[str] = ()) -> None:
        super().__init__(name, role, ours)
        self._admin = Administration(target, url)

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``; nothing of it is ever seen by anybody else."""
        wanted = self._known(source)
        with self._changing(undo=True) as connection:
            self._make(connection, wanted, self._beside(operation, "_try"), report_of(source))
            if self._marks(connection, self._role).get(self._role) == wanted.known_by:
                # A password that the server would forget is noticed before anything is touched.
                self._move(connection, self._role, self._beside(operation, "_moved"), login=False)

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``: what the role was a member of."""
        with self._admin.connected() as connection:
            self._require_groups(connection, kept.get("groups", ()))

    @property
    def _place(self) -> str:
        return role_place(self._role)

    def _connected(self) -> AbstractContextManager[Connection]:
        return self._admin.connected()

    @contextmanager
    def _changing(self, *, undo: bool = False) -> Iterator[Connection]:
        with self._admin.connected() as connection, connection.transaction(force_rollback=undo):
            yield connection

    def _server(self, connection: Connection) -> str:  # noqa: ARG002 - it says so to a connection of its own
        return self._admin.identity_of_server()

    def _marks(self, connection: Connection, *names: str) -> Mapping[str, str]:
        return {name: str(number) for name, number in numbers(connection, *names).items()}

    def _beside(self, operation: str, end: str) -> str:
        """A long name is cut, and what was cut off stands in the end as a hash: two of them stay two."""
        suffix = f"__countersign_{operation}{end}"
        if len(self._role.encode()) + len(suffix.encode()) > _LONGEST_NAME:
            suffix = f"_{hashlib.sha256(self._role.encode()).hexdigest()[:8]}{suffix}"
        return beside(self._role, suffix)

    def _free(self, connection: Connection) -> RoleFacts:
        found = facts(connection, self._role)
        if found is None:
            raise TargetDown("files.missing", path=self._place)
        mine = connection.execute("SELECT current_user::text, session_user::text").fetchone() or ()
        if self._role in {*mine, *self._ours} or self._role.startswith("pg_"):
            raise CannotProve("accounts.ours", role=self._place)
        for option, word in (("rolsuper", "SUPERUSER"), ("rolreplication", "REPLICATION")):
            if found.role.options.get(option):
                raise CannotProve("accounts.powerful", role=self._place, word=word)
        require_rights_of(connection, self._admin.target, self._role)
        require_alone(connection, self._role, found.number)
        return found

    def _require_alone(self, connection: Connection, name: str, mark: str) -> None:  # noqa: ARG002 - by its number
        require_alone(connection, self._role, int(mark))

    def _require_rights(self, connection: Connection) -> None:
        require_rights_of(connection, self._admin.target, "")

    def _shown(self, found: RoleFacts) -> Sequence[Told]:
        return tuple(shown(found))

    def _kept(self, found: RoleFacts) -> Mapping[str, Any]:
        return {"groups": sorted({group for group, *_ in found.role.groups})}

    def _read(self, raw: bytes) -> RoleFacts:
        return RoleFacts.of(raw)

    def _sessions(self, connection: Connection, name: str, mark: str) -> Sequence[User]:  # noqa: ARG002 - by its number
        return sessions(connection, self._role, int(mark))

    def _require_nobody(self, connection: Connection, name: str, mark: str) -> None:  # noqa: ARG002 - by its number
        require_nobody(connection, self._role, int(mark))

    def _close(self, connection: Connection, name: str, mark: str) -> None:  # noqa: ARG002 - by its number
        end(connection, self._role, int(mark))

    def _is_same(self, connection: Connection, name: str, wanted: RoleFacts) -> bool:
        found = facts(connection, name)
        return (
            found is not None
            and found.number == wanted.number
            and not found.login
            and found.is_same(wanted, login=name.endswith("_l"))
        )

    def _move(self, connection: Connection, name: str, into: str, *, login: bool) -> None:
        rename(connection, name, into, login=login)

    def _make(self, connection: Connection, wanted: RoleFacts, name: str, report: Report) -> None:
        self._require_groups(connection, [group for group, *_ in wanted.role.groups])
        if name in numbers(connection, name):
            raise CannotProve("files.in-the-way", path=role_place(name))
        for statement in wanted.making(name, login=False):
            connection.execute(statement.encode())
        report.begin("comparing")
        came = facts(connection, name)
        if came is None or came.login or not came.is_same(wanted, login=wanted.login):
            raise CannotProve("files.not-the-same", path=self._place)
        report.add("rows")

    def _drop(self, connection: Connection, *names: str) -> None:
        for name in names:
            connection.execute(f"DROP ROLE IF EXISTS {quote(name)}".encode())

    def _copy_out(self, connection: Connection, operation: str, aside: str) -> str:  # noqa: ARG002 - at the role itself
        return str(copy_out(connection, aside) or "")

    def _note_copy(self, connection: Connection, operation: str, aside: str, mark: str) -> None:  # noqa: ARG002 - at the role itself
        what = f"SET {COPY_OUT} TO '{int(mark)}'" if mark else f"RESET {COPY_OUT}"
        connection.execute(f"ALTER ROLE {quote(aside)} {what}".encode())

    def _require_groups(self, connection: Connection, groups: Sequence[str]) -> None:
        lacking = lacking_groups(connection, groups)
        if lacking:
            raise CannotProve(
                "accounts.no-group", role=self._place, groups=", ".join(lacking), n=len(lacking)
            )
