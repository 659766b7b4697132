"""An account as a holding: set aside under another name, where nobody logs in as it.

What every server has in common. Each says how it finds, makes, renames and drops one. Where it has no
transactions for that, each statement alone leaves something that the next call understands: the names tell
where an account is, and one that ends with ``_l`` could log in.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from bot.errors import CannotProve, NotAllowed
from bot.targets.account_form import Account
from bot.targets.ports import Sink, Source, Told
from bot.targets.reporting import Report, report_of
from bot.targets.streams import chunks
from bot.targets.system import Removal, Survey, User, Users, Whereabouts
from bot.targets.whereabouts import require_one

C = TypeVar("C")
F = TypeVar("F", bound=Account)


class AccountHolding(ABC, Generic[C, F]):
    """One account of a server that has to do with nothing any more. ``C``: a connection, ``F``: its facts.

    Args:
        name: what its part is called.
        role: its name, as the server's statements or people have it.
        ours: whom we ourselves work as, on whatever server.
    """

    #: How its stream in the backup ends, and the sentence about its sessions.
    _member: str
    _told_sessions: str
    _kind: str = "role"

    def __init__(self, name: str, role: str, ours: Collection[str]) -> None:
        self._name, self._role, self._ours = name, role, frozenset(ours)

    # What a server says of its own

    @property
    @abstractmethod
    def _place(self) -> str:
        """As people know it."""

    @abstractmethod
    def _connected(self) -> AbstractContextManager[C]:
        """A connection that looks."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[C]:
        """A connection that changes; all at once, where the server can."""

    @abstractmethod
    def _server(self, connection: C) -> str:
        """Which server it is."""

    @abstractmethod
    def _marks(self, connection: C, *names: str) -> Mapping[str, str]:
        """Those of these accounts that exist, each with what it is known by."""

    @abstractmethod
    def _beside(self, operation: str, end: str) -> str:
        """A name of ours for it."""

    @abstractmethod
    def _free(self, connection: C) -> F:
        """All about the account in its place, which is nobody else's business.

        Raises as ``Holding.require_free``.
        """

    @abstractmethod
    def _require_alone(self, connection: C, name: str, mark: str) -> None:
        """Return when the account, by whatever name, has to do with nothing but itself."""

    @abstractmethod
    def _require_rights(self, connection: C) -> None:
        """Return when our user may make accounts."""

    @abstractmethod
    def _shown(self, found: F) -> Sequence[Told]:
        """What people see of it in a plan."""

    @abstractmethod
    def _kept(self, found: F) -> Mapping[str, Any]:
        """What a manifest says of it beside its size."""

    @abstractmethod
    def _read(self, raw: bytes) -> F:
        """What ``dump`` wrote."""

    @abstractmethod
    def _sessions(self, connection: C, name: str, mark: str) -> Sequence[User]:
        """Who works as it."""

    @abstractmethod
    def _require_nobody(self, connection: C, name: str, mark: str) -> None:
        """Return when nobody works as it.

        Raises:
            Stale: somebody does.
        """

    @abstractmethod
    def _close(self, connection: C, name: str, mark: str) -> None:
        """Nobody logs in as what is set aside under this name, and whoever did is thrown out."""

    @abstractmethod
    def _is_same(self, connection: C, name: str, wanted: F) -> bool:
        """Whether what is set aside under this name is it, closed."""

    @abstractmethod
    def _move(self, connection: C, name: str, into: str, *, login: bool) -> None:
        """Another name; a crash on the way leaves the old one or the new one, never open without need."""

    @abstractmethod
    def _make(self, connection: C, wanted: F, name: str, report: Report) -> None:
        """Make it under this name, where nobody logs in as it, and compare what came out."""

    @abstractmethod
    def _drop(self, connection: C, *names: str) -> None:
        """Away with those that are there."""

    @abstractmethod
    def _copy_out(self, connection: C, operation: str, aside: str) -> str:
        """What a copy that we brought out is known by; empty without any."""

    @abstractmethod
    def _note_copy(self, connection: C, operation: str, aside: str, mark: str) -> None:
        """Keep that; empty: there is none any more."""

    # The promise

    @property
    def name(self) -> str:
        """See ``Holding``."""
        return self._name

    @property
    def home(self) -> str:
        """See ``Holding``; an account has no path, so that its name stands for one."""
        return f"/{self._role}"

    def require_free(self) -> None:
        """See ``Holding``."""
        with self._connected() as connection:
            self._free(connection)

    def survey(self) -> Survey:
        """See ``Holding``."""
        with self._connected() as connection:
            found = self._free(connection)
            there = self._sessions(connection, self._role, found.known_by)
            told = list(self._shown(found))
            if there:
                told.append((self._told_sessions, {"role": self._role, "n": len(there)}))
            return Survey(
                name=self._name,
                kind=self._kind,
                place=self._place,
                identity={"server": self._server(connection), "role": self._role, **found.seen},
                items=1,
                size=len(found.dump()),
                free=0,
                warnings=tuple(told),
            )

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions, those of the account that is set aside where there is one."""
        with self._connected() as connection:
            there = self._there(connection, operation)
            name = self._aside(there, operation) or self._role
            return Users(tuple(self._sessions(connection, name, there[name])) if name in there else (), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._connected() as connection:
            found = self._free(connection)
        raw = found.dump()
        with sink.blob(self._name + self._member) as out:
            out.write(raw)
        return {"kind": self._kind, "entries": 1, "size": len(raw), **self._kept(found)}

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``; whoever works as it is thrown out."""
        wanted, report = self._known(source), report_of(source)
        with self._changing() as connection:
            there = self._there(connection, operation)
            require_one(self._whereabouts(there, operation), self._place)
            if self._role in there:
                # One of the same name that was made since is another one.
                if there[self._role] != wanted.known_by:
                    raise CannotProve("accounts.another", role=self._place)
                found = self._free(connection)
                aside = self._beside(operation, "_l" if found.login else "")
                self._move(connection, self._role, aside, login=False)
        with self._connected() as connection:
            name, mark = self._set_aside(connection, operation)
            self._close(connection, name, mark)
            report.begin("comparing")
            if not self._is_same(connection, name, wanted):
                raise CannotProve("files.changed-since", path=self._place)
            report.add("rows")

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        with self._changing() as connection:
            now = self._whereabouts(self._there(connection, operation), operation)
            if now == "in-place":
                return
            require_one(now, self._place)
            aside, _ = self._set_aside(connection, operation)
            self._note_copy(connection, operation, aside, "")
            self._move(connection, aside, self._role, login=aside in self._able(operation))

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        with self._connected() as connection:
            return self._whereabouts(self._there(connection, operation), operation)

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._connected() as connection:
            if self._whereabouts(self._there(connection, operation), operation) != "set-aside":
                raise CannotProve("files.not-set-aside", path=self._place)
            self._untouched(connection, operation, wanted, report_of(source))

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._changing() as connection:
            now = self._whereabouts(self._there(connection, operation), operation)
            if now == "gone":
                return Removal(0, 0, ())
            if now == "in-place":
                raise CannotProve("files.not-set-aside", path=self._place)
            aside, mark = self._set_aside(connection, operation)
            self._require_nobody(connection, aside, mark)
            self._untouched(connection, operation, wanted, report_of(source))
            self._note_copy(connection, operation, aside, "")
            self._drop(connection, aside)
        return Removal(1, len(wanted.dump()), ())

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        self._nowhere_else(into)
        return self._place

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        with self._connected() as connection:
            self._require_rights(connection)
            if self._role in self._marks(connection, self._role):
                raise CannotProve("files.in-the-way", path=self._place)

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``: as long as a server says nothing else, it needs nobody."""

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        wanted = self._known(source)
        with self._changing() as connection:
            self._prepare(connection, operation, wanted, report_of(source))

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        self._nowhere_else(into)
        with self._changing() as connection:
            there = self._marks(connection, self._role, *self._ready(operation))
            ready = next((one for one in self._ready(operation) if one in there), None)
            if (ready is not None) is (self._role in there):
                key = "files.in-the-way" if ready else "files.is-gone"
                raise CannotProve(key, path=self._place)
            if ready is not None:
                self._move(connection, ready, self._role, login=ready in self._able(operation))

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``: nobody was told its name, and nobody can log in as it."""
        self._nowhere_else(into)
        with self._changing() as connection:
            self._drop(connection, *self._ready(operation))

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        with self._changing() as connection:
            there = self._there(connection, operation)
            aside, _ = self._set_aside(connection, operation)
            known = self._copy_out(connection, operation, aside)
            if self._role in there:
                if known != there[self._role]:
                    raise CannotProve("files.in-the-way", path=self._place)
                return
            ready = self._prepare(connection, operation, wanted, report_of(source))
            mark = self._marks(connection, ready)[ready]
            self._note_copy(connection, operation, aside, mark)
            self._move(connection, ready, self._role, login=wanted.login)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        with self._changing() as connection:
            there = self._there(connection, operation)
            aside = self._aside(there, operation)
            known = self._copy_out(connection, operation, aside) if aside is not None else ""
            if aside is None or not known:
                return
            if self._role in there:
                if there[self._role] != known:
                    raise CannotProve("files.in-the-way", path=self._place)
                self._drop(connection, self._role)
            self._drop(connection, *self._ready(operation))
            self._note_copy(connection, operation, aside, "")

    # What all of these need

    def _prepare(self, connection: C, operation: str, wanted: F, report: Report) -> str:
        """Its name, once it is made and compared."""
        self._drop(connection, *self._ready(operation))
        name = self._beside(operation, "_new_l" if wanted.login else "_new")
        self._make(connection, wanted, name, report)
        return name

    def _ready(self, operation: str) -> tuple[str, ...]:
        return self._beside(operation, "_new"), self._beside(operation, "_new_l")

    def _asides(self, operation: str) -> tuple[str, str]:
        return self._beside(operation, ""), self._beside(operation, "_l")

    def _able(self, operation: str) -> tuple[str, str]:
        """The names of those that could log in."""
        return self._beside(operation, "_l"), self._beside(operation, "_new_l")

    def _there(self, connection: C, operation: str) -> Mapping[str, str]:
        return self._marks(connection, self._role, *self._asides(operation))

    def _aside(self, there: Mapping[str, str], operation: str) -> str | None:
        return next((one for one in self._asides(operation) if one in there), None)

    def _set_aside(self, connection: C, operation: str) -> tuple[str, str]:
        there = self._there(connection, operation)
        name = self._aside(there, operation)
        if name is None:
            raise CannotProve("files.not-set-aside", path=self._place)
        return name, there[name]

    def _whereabouts(self, there: Mapping[str, str], operation: str) -> Whereabouts:
        aside = self._aside(there, operation) is not None
        if self._role in there:
            return "both" if aside else "in-place"
        return "set-aside" if aside else "gone"

    def _untouched(self, connection: C, operation: str, wanted: F, report: Report) -> None:
        report.begin("comparing")
        name, mark = self._set_aside(connection, operation)
        self._require_alone(connection, name, mark)
        if not self._is_same(connection, name, wanted):
            raise CannotProve("files.touched-aside", path=self._place)
        report.add("rows")

    def _nowhere_else(self, into: str) -> None:
        if into:
            raise NotAllowed("accounts.no-folder", role=self._place)

    def _known(self, source: Source) -> F:
        with source.blob(self._name + self._member) as stream:
            return self._read(b"".join(chunks(stream)))
