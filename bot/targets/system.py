"""What the parts of a system promise that a teardown stops, sets aside, removes and brings back.

A system is *services* (programs that run), *holdings* (what it keeps: a folder of files, a whole database)
and *checks* (what must answer, its own pages and those of its neighbours). A teardown knows this file and
no program, no path and no driver.

Four habits hold for every method here. It may be repeated: what is already done is found done, and a call
that a crash cut short is taken up by the next. Waiting is bounded. A failure is one sentence of the
catalogue: ``CannotProve`` or ``Stale`` when something is not as it must be, ``TargetDown`` when the machine
refuses. Nothing is called free, stopped or gone because it could not be looked at: what is hidden is
counted as hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self

from bot.errors import CannotProve
from bot.targets.builtin import Builtin
from bot.targets.ports import Check, Sink, Source, Told
from bot.targets.remains import Residue
from bot.targets.starters import Starters

#: In ``ServiceFacts.restarted_by``: supervisor starts it when supervisor itself is started.
AUTOSTART = "services.told-autostart"
#: ``away``: neither running nor known to the one who starts it.
Running = Literal["running", "starting", "stopped", "failed", "away"]
#: ``both``: something stands in the place although the original is set aside. ``gone``: in neither.
Whereabouts = Literal["in-place", "set-aside", "both", "gone"]
#: How a process holds on: an open file, its working folder, its root, its program, a mapped file, a mount;
#: or a session of a database server, which whoever sets the database aside ends.
Hold = Literal["open", "folder", "root", "program", "mapped", "mount", "session"]


@dataclass(frozen=True)
class ServiceFacts:
    """A service at one moment; plain values, so that it can be written down and read after a crash.

    ``processes``: (pid, start time in ticks since boot) of everything that belongs to it. ``ports``: TCP
    ports it listens on, with those it is declared to. ``restarted_by``: keys that say what would start it
    again. ``hidden``: processes that could not be looked into. ``program``: what its main processes are
    known by when somebody else starts them, see ``stopping.program``. ``silent``: ports it is declared to
    listen on and nobody does.
    """

    name: str
    state: Running
    processes: tuple[tuple[int, int], ...]
    ports: tuple[int, ...]
    restarted_by: tuple[str, ...]
    hidden: int
    program: tuple[str, ...] = ()
    silent: tuple[int, ...] = ()

    @property
    def up(self) -> bool:
        """Whether an undo has to start it again."""
        return self.state in ("running", "starting")

    def plain(self) -> dict[str, Any]:
        """JSON of it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` wrote."""
        return cls(
            plain["name"],
            plain["state"],
            tuple((pid, started) for pid, started in plain["processes"]),
            tuple(plain["ports"]),
            tuple(plain["restarted_by"]),
            plain["hidden"],
            tuple(plain.get("program", ())),
            tuple(plain.get("silent", ())),
        )


class Service(Protocol):
    """One program that somebody keeps running: a supervisor, or commands that the configuration declares."""

    @property
    def name(self) -> str:
        """What people call it."""

    def look(self) -> ServiceFacts:
        """What it is doing now; changes nothing.

        Raises:
            TargetDown: whoever keeps it running does not answer.
        """

    def stop(self, former: ServiceFacts) -> ServiceFacts:
        """Stop it, and come back only when it is stopped.

        Stopped: none of the processes of ``former`` nor of now is left, none of the ports listens, whoever
        runs it will not start it again, nobody else has started the same program, and it stayed so for a
        bounded while. A child that outlives its
        parent is ended too. ``former`` is what ``look`` said before the first attempt.

        Raises:
            CannotProve: it came back, a process or a port is left, or a process could not be looked into.
            TargetDown: whoever keeps it running does not answer or refuses.
        """

    def verify(self, former: ServiceFacts) -> None:
        """Return when it is stopped as ``stop`` means it, without stopping anything; raises as ``stop``."""

    def start(self, former: ServiceFacts) -> ServiceFacts:
        """Start it if ``former`` was up, and wait until it runs and the ports of ``former`` listen.

        Raises:
            CannotProve: it does not stay up, or a port does not listen in time.
            TargetDown: whoever keeps it running does not answer or refuses.
        """


@dataclass(frozen=True)
class User:
    """A process that holds on to something. ``name`` is the program's, never its arguments.

    Of a session it is the account, and ``origin`` says as what and from where it came.
    """

    pid: int
    name: str
    how: Hold
    path: str
    origin: str = ""


@dataclass(frozen=True)
class Users:
    """Who holds on to something. ``hidden``: processes that could not be looked into; not free unless 0."""

    users: tuple[User, ...]
    hidden: int

    @property
    def free(self) -> bool:
        """Nobody, and everybody was looked at."""
        return not self.users and not self.hidden


@dataclass(frozen=True)
class Survey:
    """A holding as a plan shows it. ``items``: files, or rows of all tables. ``identity`` must not change."""

    name: str
    kind: str
    place: str
    identity: Mapping[str, str]
    items: int
    size: int
    free: int
    warnings: tuple[Told, ...]


@dataclass(frozen=True)
class Removal:
    """What a removal did. ``left``: names of what is not in the backup as it is, and was not touched."""

    removed: int
    size: int
    left: tuple[str, ...]


class RightsMissing(CannotProve):
    """The worker may not do what it must with a database; ``grants``: all the statements that allow it."""

    def __init__(self, database: str, grants: Sequence[str], key: str = "whole.no-right") -> None:
        super().__init__(key, database=database, grant="; ".join(grants))
        self.grants = tuple(grants)


class NeedsNobody:
    """What comes back whoever has an account."""

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``."""


class Holding(Protocol):
    """Something a system keeps. ``operation`` names the teardown: the same in every call, fit for a name.

    The order is: ``survey``, ``copy``, ``rehearse``, ``set_aside``; then ``put_back``, or ``remove`` and
    perhaps a restore: ``require_room``, ``prepare``, ``appear`` or ``discard``. ``users`` may be asked at any
    time, also while it is set aside.
    """

    @property
    def name(self) -> str:
        """What people call it; unique within its system, and the beginning of its streams in a backup."""

    def require_free(self) -> None:
        """Return when nothing keeps it from being set aside, removed and brought back; changes nothing.

        Raises as ``survey``, which asks the same first and then counts.
        """

    def survey(self) -> Survey:
        """Look without changing anything, for the plan.

        Raises:
            CannotProve: it must not be touched: not under an allowed root, a mount point, a link on the way,
                another system inside, something in it that a backup could not bring back.
            TargetDown: missing or unreadable.
        """

    def users(self, operation: str) -> Users:
        """Who holds on to it, in its place or set aside."""

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """Write all of it into the backup; a summary in plain JSON without names of files or rows.

        Raises:
            CannotProve: it changed while it was read.
            TargetDown: unreadable, or no space.
        """

    def rehearse(self, operation: str, source: Source) -> None:
        """Restore from the backup into scratch space, compare with what the backup says, clear away.

        Raises:
            CannotProve: what came out is not what went in.
            TargetDown: no space, no right.
        """

    def set_aside(self, operation: str, source: Source) -> None:
        """Take it out of its place, whole, to where only the worker can reach it.

        What is set aside is compared with the backup first by identity, then by content or by every file's
        own marks; a difference leaves it set aside for ``put_back``.

        Raises:
            CannotProve: it is not what was backed up, or something is in the way.
            TargetDown: the machine refuses.
        """

    def put_back(self, operation: str) -> None:
        """Undo ``set_aside``; nothing to do when it is in place.

        Raises:
            CannotProve: something stands in its place; or it is in neither place.
            TargetDown: the machine refuses.
        """

    def whereabouts(self, operation: str) -> Whereabouts:
        """Where it is now."""

    def verify(self, operation: str, source: Source) -> None:
        """Return when it is set aside, whole, and still what the backup holds; changes nothing.

        Raises:
            CannotProve: it is not set aside, or something in it was changed, is new or missing.
            TargetDown: unreadable.
        """

    def remove(self, operation: str, source: Source) -> Removal:
        """Remove what was set aside and is in the backup, that and nothing else.

        What changed since the backup is not in it, and is left.

        Raises:
            CannotProve: it is not set aside, or is not what was set aside.
            Stale: somebody is seen to hold on to it.
            TargetDown: something cannot be removed; the sentence says why. What went is gone; call again.
        """

    @property
    def home(self) -> str:
        """Where it belongs: an absolute path."""

    def destination(self, into: str = "") -> str:
        """Where a restore puts it, as people know it."""

    def require_room(self, into: str = "") -> None:
        """Return when it could be brought back to its own place, or to ``into``, without touching anything.

        Raises:
            CannotProve: something stands there, or the place must not be used: as ``survey``.
            TargetDown: the machine refuses.
        """

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """Return when whoever a restore needs is known where it goes; ``kept``: what ``copy`` said.

        Raises:
            CannotProve: somebody is not; the sentence says how to make them. Nobody is made by us.
            TargetDown: it cannot be asked.
        """

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """Unpack it out of the backup and compare, near its place and out of everybody's sight.

        Raises:
            CannotProve: what came out is not what went in.
            TargetDown: no space, no right.
        """

    def appear(self, operation: str, into: str = "") -> None:
        """Move what was prepared to its place, whole; nothing to do when that is done.

        Raises:
            CannotProve: something else stands there, or nothing was prepared.
            TargetDown: the machine refuses.
        """

    def discard(self, operation: str, into: str = "") -> None:
        """Clear away what was prepared and has not appeared."""

    def bring_out(self, operation: str, source: Source) -> None:
        """A copy of what is set aside, out of the backup and into its place; the original stays set aside.

        Raises:
            CannotProve: something stands in the place, or what came out is not what went in.
            TargetDown: no space, no right.
        """

    def withdraw(self, operation: str) -> None:
        """Take away what ``bring_out`` brought, whatever became of it; nothing to do when nothing is left.

        Raises:
            CannotProve: what stands in the place is not that copy; it is not touched.
            TargetDown: the machine refuses.
        """


@dataclass(frozen=True)
class System:
    """All the parts of one target, in the order in which they are stopped and set aside.

    ``successors``: what must answer in its place before it is stopped, and before it is removed.
    ``residue``: what else of it is looked for. ``starters``: what would start its services again.
    """

    services: Sequence[Service]
    holdings: Sequence[Holding]
    checks: Sequence[Check]
    neighbours: Sequence[Check]
    builtin: Builtin | None = None
    successors: Sequence[Check] = ()
    residue: Residue | None = None
    starters: Starters | None = None
