"""A user or a group of the machine as a holding: set aside where it is, so that its number stays taken.

One field of one file says that, and what it said before is empty or stands in it: a user expires on a day of
1970 and after that only we write, a group gets a password that nobody can type. So a crash leaves it as it
was or set aside, and never between; and nothing else can take its place.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bot.errors import CannotProve, NotAllowed, Stale, TargetDown
from bot.targets import machine_looks as looks
from bot.targets.account_form import Account
from bot.targets.accounts import AccountHolding
from bot.targets.machine import machine_mark
from bot.targets.machine_lines import Kind, Lists, is_gone, is_half, is_prepared, is_torn
from bot.targets.machine_people import Machine, require
from bot.targets.machine_programs import lists_of
from bot.targets.ports import Source, Told
from bot.targets.reporting import Report, report_of
from bot.targets.system import Removal, Survey, User, Users

F = TypeVar("F", bound=Account)
_NEW = "_new"


class MachineAccount(AccountHolding[Machine, F]):
    """One user or group of the machine that has to do with nothing any more.

    Where accounts of a server get other names, these get marks: ``name:operation`` here means the account of
    that name with the mark of the operation.

    Args:
        name: what its part is called.
        machine: where it is, and what goes with it.
        role: its name.
    """

    _kind: Kind
    _told_sessions = "told.machine-processes"

    def __init__(self, name: str, machine: Machine, role: str) -> None:
        super().__init__(name, role, ())
        self._machine = machine

    # What differs between the two

    @abstractmethod
    def _facts(self, lists: Lists, mark: str = "") -> F | None:
        """It, but for this mark; None: it is not there, or not whole."""

    @abstractmethod
    def _mark_in(self, lists: Lists) -> str | None:
        """Its mark; empty: none; None: it is not there."""

    @abstractmethod
    def _mark_for(self, operation: str) -> str:
        """The mark of an operation."""

    @abstractmethod
    def _write_mark(self, root: Path, mark: str) -> None:
        """Give it this mark, or none, in one file alone."""

    @abstractmethod
    def _create(self, root: Path, wanted: F, mark: str) -> None:
        """Make it, with this mark."""

    @abstractmethod
    def _delete(self, root: Path, lists: Lists) -> None:
        """Away with it, also where an earlier attempt was cut short."""

    @abstractmethod
    def _require_ground(self, lists: Lists, kept: Mapping[str, Any]) -> None:
        """Return when nobody has its number and all it needs is there, or comes with it.

        Raises:
            CannotProve: else.
        """

    # The promise, where marks differ from names

    def users(self, operation: str) -> Users:  # noqa: ARG002 - wherever it is, it has its number
        """See ``Holding``: processes that work as it."""
        number = self._machine.lists().number(self._kind, self._role)
        return Users((), 0) if number is None else self._users_of(number)

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``: with the same programs, in lists of its own."""
        wanted = self._known(source)
        with self._scratch(wanted) as root:
            self._create(root, wanted, self._mark_for(f"{operation}{_NEW}"))
            self._write_mark(root, "")
            self._compare(lists_of(root), wanted, "", report_of(source))

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        self._machine.may()
        lists = self._machine.lists()
        mark, is_begun = self._mark_in(lists), is_half(lists, self._kind, self._role)
        if mark is not None and not is_prepared(mark) and not is_begun:
            raise CannotProve("files.in-the-way", path=self._place)

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``."""
        self._require_ground(self._machine.lists(), kept)

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``; what an attempt that was cut short has left in lists of others goes, too."""
        done = super().remove(operation, source)
        lists = self._machine.lists()
        if self._mark_in(lists) is None and not is_gone(lists, self._kind, self._role):
            self._delete(self._machine.root, lists)
        return done

    def _nowhere_else(self, into: str) -> None:
        if into:
            raise NotAllowed("machine.no-folder", who=self._place)

    def bring_out(self, operation: str, source: Source) -> None:  # noqa: ARG002 - never
        """See ``Holding``: it stands in its own place, and no second one can.

        Raises:
            NotAllowed: always.
        """
        raise NotAllowed("machine.no-copy", who=self._place)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``: nothing was brought out."""

    @contextmanager
    def _connected(self) -> Iterator[Machine]:
        yield self._machine

    @contextmanager
    def _changing(self) -> Iterator[Machine]:
        yield self._machine

    @property
    def _place(self) -> str:
        return f"{self._kind} {self._role}"

    def _server(self, connection: Machine) -> str:
        return f"{machine_mark()} {connection.root}"

    def _marks(self, connection: Machine, *names: str) -> Mapping[str, str]:
        lists = connection.lists()
        mark = self._mark_in(lists)
        if mark is None:
            return {}
        facts = self._facts(lists, mark)
        known = facts.known_by if facts is not None else ""
        named = next(
            (one for one in names if one != self._role and self._mark_of(one) == mark and mark), None
        )
        if named is None:
            # What a restore is about to bring back is not there yet.
            named = self._role if self._role in names and not is_prepared(mark) else None
        return {} if named is None else {named: known}

    def _beside(self, operation: str, end: str) -> str:
        return f"{self._role}:{operation}{end}"

    def _mark_of(self, name: str) -> str:
        _, _, operation = name.partition(":")
        return self._mark_for(operation) if operation else ""

    def _free(self, connection: Machine) -> F:
        lists = connection.lists()
        if self._mark_in(lists) is None:
            raise TargetDown("files.missing", path=self._place)
        connection.may()
        facts = self._facts(lists)
        require(self._kind, self._role, connection.is_own(self._kind, lists, self._role))
        if facts is None:
            raise CannotProve("machine.not-alone", who=self._place, what="odd")
        return facts

    def survey(self) -> Survey:
        """See ``Holding``."""
        lists = self._machine.lists()
        self._machine.require_alone(self._kind, lists, self._role, "", "")
        require(self._kind, self._role, self._machine.is_idle(self._kind, lists, self._role))
        return super().survey()

    def _require_alone(self, connection: Machine, name: str, mark: str) -> None:  # noqa: ARG002 - by its name
        lists = connection.lists()
        if is_torn(lists, self._kind, self._role):
            return
        _, _, operation = name.partition(":")
        connection.require_alone(self._kind, lists, self._role, self._mark_of(name), operation)

    def _require_rights(self, connection: Machine) -> None:
        connection.may()

    def _users_of(self, number: int) -> Users:
        return looks.users_of(self._kind, number, self._place, self._machine.proc)

    def _sessions(self, connection: Machine, name: str, mark: str) -> Sequence[User]:  # noqa: ARG002 - by its number
        number = connection.lists().number(self._kind, self._role)
        return () if number is None else self._users_of(number).users

    def _require_nobody(self, connection: Machine, name: str, mark: str) -> None:
        there = self._sessions(connection, name, mark)
        if there:
            first = there[0]
            raise Stale("files.in-use", path=self._place, program=first.name, pid=first.pid, n=len(there))
        require(self._kind, self._role, connection.is_idle(self._kind, connection.lists(), self._role))

    def _close(self, connection: Machine, name: str, mark: str) -> None:
        self._require_nobody(connection, name, mark)

    def _is_same(self, connection: Machine, name: str, wanted: F) -> bool:
        lists, mark = connection.lists(), self._mark_of(name)
        if is_torn(lists, self._kind, self._role):
            # Its number is gone already, and the rest has our mark.
            return self._mark_in(lists) == mark
        return self._mark_in(lists) == mark and self._facts(lists, mark) == wanted

    def _move(self, connection: Machine, name: str, into: str, *, login: bool) -> None:  # noqa: ARG002 - nobody logs in
        self._write_mark(connection.root, self._mark_of(into))
        if self._mark_in(connection.lists()) != self._mark_of(into):
            raise CannotProve("files.not-the-same", path=self._place)

    def _make(self, connection: Machine, wanted: F, name: str, report: Report) -> None:
        lists = connection.lists()
        if self._is_begun(lists, wanted):
            self._delete(connection.root, lists)
            lists = connection.lists()
        if self._mark_in(lists) is not None:
            raise CannotProve("files.in-the-way", path=self._place)
        self._require_ground(lists, self._kept(wanted))
        self._create(connection.root, wanted, self._mark_of(name))
        self._compare(connection.lists(), wanted, self._mark_of(name), report)

    def _compare(self, lists: Lists, wanted: F, mark: str, report: Report) -> None:
        report.begin("comparing")
        if self._mark_in(lists) != mark or self._facts(lists, mark) != wanted:
            raise CannotProve("files.not-the-same", path=self._place)
        report.add("rows")

    def _drop(self, connection: Machine, *names: str) -> None:
        lists = connection.lists()
        mark = self._mark_in(lists)
        if not mark or mark not in {self._mark_of(name) for name in names}:
            return
        self._delete(connection.root, lists)
        if not is_gone(connection.lists(), self._kind, self._role):
            raise CannotProve("machine.left", who=self._place)

    def _copy_out(self, connection: Machine, operation: str, aside: str) -> str:  # noqa: ARG002 - there is none
        return ""

    def _note_copy(self, connection: Machine, operation: str, aside: str, mark: str) -> None:
        """There is none."""

    @abstractmethod
    def _is_begun(self, lists: Lists, wanted: F) -> bool:
        """Whether a restore of just this one was cut short."""

    def _require_number(self, lists: Lists, number: int) -> None:
        taken = sorted(set(lists.having(self._kind, number)) - {self._role})
        if taken:
            raise CannotProve("machine.taken", who=self._place, number=str(number), other=taken[0])

    @abstractmethod
    def _scratch(self, wanted: F) -> AbstractContextManager[Path]:
        """Lists of its own, with what it needs."""

    def _looked(self) -> Iterator[Told]:
        """What was looked at, for the plan."""
        lists = self._machine.lists()
        number = lists.number(self._kind, self._role)
        if number is None:
            return
        found = self._machine.search(lists, (self._kind, number))
        yield "told.machine-alone", {"who": self._place, "places": ", ".join(found.places[:8])}
        if found.remote:
            yield (
                "told.machine-remote",
                {"who": self._place, "places": ", ".join(found.remote[:8]), "n": len(found.remote)},
            )
