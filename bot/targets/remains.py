"""A look at a machine for what a system leaves: bounded, read only, through open folders and never a link.

What could not be read is told as that, and never counts as nothing. Contents are searched and forgotten; what
is told of a file is where it is and how many of its lines name the system.
"""

import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.model.remains import KINDS, MACHINE, Remain, Remains, Unread
from bot.targets import ground
from bot.targets.quarantine import FOLDER
from bot.targets.remains_kinds import Names, is_binary, is_read, is_shared, kind_in, kind_of

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Roles = Callable[[Sequence[str]], tuple[Sequence[Remain], str]]


class People(Protocol):
    """Who tells which users and groups of the machine may be cleared away."""

    @property
    def files(self) -> Collection[str]:
        """The lists whose users and groups are meant."""

    def __call__(self, found: Sequence[tuple[str, str]], paths: Collection[str]) -> Sequence[Remain]:
        """Those of these that are no parts now, each kind and name, together with ``paths``. Never raises."""


@dataclass(frozen=True)
class Bounds:
    """Of one look: things seen, bytes read of all files and of one, folders inside each other, seconds."""

    things: int = 50_000
    read: int = 64 * 1024 * 1024
    file: int = 1024 * 1024
    deep: int = 12
    seconds: float = 20.0


@dataclass(frozen=True)
class Residue:
    """What is looked for, and where.

    ``names``: as ``Names``. ``look_in``: folders. ``patterns``: declared paths with ``*``. ``skip``: places
    that are none of it: the parts of the system itself, other systems, our own files. ``by_hand``: why a
    request may not touch a path; empty: it may. ``roles``: which roles of the database server are the
    system's, given those known before, and why that cannot be told. ``people``: which users and groups of the
    machine may be cleared away. ``may``: each raises what our user lacks to clear those away, where a request
    may ask for it.
    """

    names: Names
    look_in: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    by_hand: Callable[[str], str] = lambda _: ""
    roles: Roles | None = None
    people: People | None = None
    may: tuple[Callable[[], None], ...] = ()
    bounds: Bounds = Bounds()

    def look(self, known: Remains | None = None) -> Remains:
        """What is there now; ``known``: an earlier look, whose roles are asked for again. Never raises."""
        look = _Look(self, time.monotonic() + self.bounds.seconds)
        for path in self.look_in:
            look.into(path)
        for pattern in self.patterns:
            look.pattern(pattern)
        if self.roles is not None:
            before = [one.place for one in known.found if one.kind == "role"] if known else []
            look.roles(self.roles, before)
        if self.people is not None:
            look.people(self.people)
        order = sorted(look.found, key=lambda one: (KINDS.index(one.kind), one.place))
        where = (*self.look_in, *self.patterns)
        return Remains(tuple(order), tuple(dict.fromkeys(look.unread)), where)


class _Over(Exception):  # noqa: N818 - not an error of anybody
    """A bound of the look is reached."""


@dataclass
class _Look:
    of: Residue
    until: float
    found: list[Remain] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    asked: list[Remain] = field(default_factory=list)
    seen: int = 0
    read: int = 0

    def into(self, path: str) -> None:
        """A folder that is looked through."""
        try:
            with ground.folder(path) as above, ground.inner(above, ".", path) as opened:
                self._folder(opened, path, 0)
        except _Over:
            self.unread.append(Unread("", path, "too-much"))
        except CountersignError as error:
            # A folder that is not there holds nothing.
            if error.key != "files.missing":
                why = "link" if error.key == "files.link-on-the-way" else "no-right"
                self.unread.append(Unread("", path, why))
        except OSError:
            self.unread.append(Unread("", path, "no-right"))

    def pattern(self, pattern: str) -> None:
        """A declared pattern: how many there are, and no name of any."""
        try:
            matched = list(self.matches(pattern))
        except (_Over, CountersignError, OSError):
            self.unread.append(Unread("declared", pattern, "no-right"))
            return
        found = [path for path in matched if not self._skipped(path)]
        if found:
            reasons = sorted({self.of.by_hand(path) for path in found})
            self.found.append(Remain("declared", pattern, len(found), reasons[-1]))

    def roles(self, ask: Roles, before: Sequence[str]) -> None:
        """Accounts of the database server."""
        found, why = ask(before)
        self.found += found
        if why:
            self.unread.append(Unread("role", "", why))

    def people(self, ask: People) -> None:
        """Users and groups of the machine, with what they have to do with."""
        paths = [one.place for one in self.found if not one.hand and one.kind not in ("role", *MACHINE)]
        known = [(one.kind, one.place) for one in self.asked]
        self.found = [one for one in self.found if one not in self.asked] + list(ask(known, paths))

    def matches(self, pattern: str) -> Iterator[str]:
        parts = PurePosixPath(pattern).parts[1:]
        fixed = 0
        while fixed < len(parts) - 1 and not re.search(r"[*?\[]", parts[fixed]):
            fixed += 1
        yield from self._below("/" + "/".join(parts[:fixed]), parts[fixed:])

    def _below(self, folder: str, parts: Sequence[str]) -> Iterator[str]:
        try:
            with ground.folder(folder) as above, ground.inner(above, ".", folder) as opened:
                names = [name for name in self._names(opened) if fnmatch.fnmatchcase(name, parts[0])]
                about = {name: ground.look(opened, name) for name in names}
        except CountersignError as error:
            if error.key == "files.missing":
                return
            raise
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            if len(parts) == 1:
                yield path
            elif (there := about[name]) is not None and stat.S_ISDIR(there.st_mode):
                yield from self._below(path, parts[1:])

    def _names(self, opened: int) -> list[str]:
        names = sorted(os.listdir(opened))
        self.seen += len(names)
        if self.seen > self.of.bounds.things or time.monotonic() > self.until:
            raise _Over
        return names

    def _folder(self, opened: int, path: str, depth: int) -> None:
        for name in self._names(opened):
            below = f"{path.rstrip('/')}/{name}"
            if name == FOLDER or self._skipped(below):
                continue
            about = ground.look(opened, name)
            if about is None or self._named(opened, name, below, about):
                continue
            if stat.S_ISDIR(about.st_mode):
                self._deeper(opened, name, below, depth)
            elif stat.S_ISREG(about.st_mode):
                self._content(opened, name, below, about)

    def _deeper(self, opened: int, name: str, path: str, depth: int) -> None:
        if depth >= self.of.bounds.deep:
            self.unread.append(Unread(kind_in(path), path, "too-deep"))
            return
        try:
            with ground.inner(opened, name, path) as folder:
                self._folder(folder, path, depth + 1)
        except CountersignError:
            self.unread.append(Unread(kind_in(path), path, "no-right"))

    def _named(self, opened: int, name: str, path: str, about: os.stat_result) -> bool:
        """Whether it is told by its name, or as a link by where it leads; all in it is told with it."""
        kind = kind_of(path, socket=stat.S_ISSOCK(about.st_mode))
        if stat.S_ISDIR(about.st_mode) and is_shared(name):
            return False
        whose = self.of.names.whose(name)
        if whose == "" and stat.S_ISLNK(about.st_mode) and self.of.names.leads_there(self._aim(opened, name)):
            whose = "own"
        if whose == "":
            return False
        if whose != "other":
            self.found.append(
                Remain(kind, path, self._count(opened, name, about), self._hand(whose, path, about))
            )
        # Whatever belongs to another system is not looked into either.
        return True

    def _hand(self, whose: str, path: str, about: os.stat_result) -> str:
        if whose == "like":
            return "like"
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISLNK(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            return "special"
        return self.of.by_hand(path)

    def _aim(self, opened: int, name: str) -> str:
        with suppress(OSError):
            return os.readlink(name, dir_fd=opened)
        return ""

    def _count(self, opened: int, name: str, about: os.stat_result) -> int:
        """How many files it is; a folder that may not be read is one."""
        if not stat.S_ISDIR(about.st_mode):
            return 1
        total = 0
        with suppress(CountersignError, OSError), ground.inner(opened, name, name) as folder:
            for below in self._names(folder):
                inside = ground.look(folder, below)
                total += self._count(folder, below, inside) if inside is not None else 0
        return max(1, total)

    def _content(self, opened: int, name: str, path: str, about: os.stat_result) -> None:
        accounts = {"passwd": "user", "group": "group"}.get(name)
        kind = accounts or "mention"
        if accounts is None and not is_read(path):
            return
        try:
            content = self._bytes(opened, name)
        except OSError:
            self.unread.append(Unread(kind, path, "no-right"))
            return
        if about.st_size > len(content) and not is_binary(content):
            self.unread.append(Unread(kind, path, "too-large"))
        if accounts is not None:
            named = [Remain(accounts, one, 1, accounts) for one in self.of.names.accounts(content)]
            self.found += named
            if self.of.people is not None and path in self.of.people.files:
                self.asked += named
        elif lines := self.of.names.mentions(content):
            self.found.append(Remain("mention", path, lines, "shared"))

    def _bytes(self, opened: int, name: str) -> bytes:
        if self.read > self.of.bounds.read or time.monotonic() > self.until:
            raise _Over
        file = os.open(name, _READ, dir_fd=opened)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return b""
            content = b""
            most = self.of.bounds.file
            while len(content) < most and (data := os.read(file, most - len(content))):
                content += data
        finally:
            os.close(file)
        self.read += len(content)
        return content

    def _skipped(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self.of.skip)


def expanded(residue: Residue, places: Iterable[str]) -> tuple[str, ...]:
    """The paths behind what an earlier look has found and may be cleared away: of patterns, each file now.

    Raises:
        CountersignError: a folder may not be read, or a pattern means too much.
    """
    try:
        return _expanded(residue, places)
    except _Over:
        raise CannotProve("clearing.too-much") from None


def roles_there(residue: Residue, names: Sequence[str]) -> tuple[str, ...]:
    """Those of these roles that are still there, the system's alone, and may be cleared away.

    Raises:
        TargetDown: the server does not answer.
        CannotProve: our user may not see all that they have to do with.
    """
    if not names or residue.roles is None:
        return ()
    found, why = residue.roles(names)
    if why == "no-answer":
        raise TargetDown("accounts.no-answer", n=len(names))
    if why:
        raise CannotProve("accounts.hidden", n=len(names))
    return tuple(one.place for one in found if not one.hand and one.place in names)


def people_there(
    residue: Residue, names: Sequence[tuple[str, str]], paths: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Those of these users and groups that may still be cleared away, together with these paths."""
    if not names or residue.people is None:
        return ()
    return tuple((one.kind, one.place) for one in residue.people(names, paths) if not one.hand)


def _expanded(residue: Residue, places: Iterable[str]) -> tuple[str, ...]:
    look = _Look(residue, time.monotonic() + residue.bounds.seconds)
    paths: list[str] = []
    for place in places:
        declared = place in residue.patterns
        found = look.matches(place) if declared else [place]
        paths += [one for one in found if not residue.by_hand(one)]
    return tuple(dict.fromkeys(paths))
