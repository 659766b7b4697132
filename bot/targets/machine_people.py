"""Which users and groups of a machine are nobody else's, and why the others are.

Asked for what a look has found, for a plan, and again before anything is set aside or removed.
"""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bot.errors import CannotProve, CountersignError
from bot.model.remains import Remain
from bot.targets import machine_looks as looks
from bot.targets.machine_lines import Kind, Lists, keeps_group, keeps_user
from bot.targets.machine_programs import change, lists_of, require_programs

#: Seconds for which a search for files is believed.
_FRESH = 60.0
Named = tuple[Kind, str]


@dataclass(frozen=True)
class Why:
    """Why one stays: a word, and where that was seen; nothing: it may go."""

    word: str = ""
    where: str = ""


@dataclass
class Machine:
    """The users and groups in ``etc`` below a root folder.

    ``ours``: folders and files whose owners we work as. ``users``, ``groups`` and ``paths``: what goes in
    one request. ``proc``: what the kernel says of processes, whatever the root.
    """

    root: Path
    ours: Sequence[str] = ()
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    proc: Path = looks.PROC
    _searched: list[tuple[float, frozenset[tuple[Kind, int]], str, looks.Owned]] = field(default_factory=list)

    def lists(self) -> Lists:
        """As they are now; raises as ``lists_of``."""
        return lists_of(self.root)

    def may(self) -> None:
        """Return when our user may change them; raises as ``require_programs``."""
        require_programs(self.root)

    def change(self, program: str, *words: str, today: str = "") -> None:
        """Raises as ``machine_programs.change``."""
        change(self.root, program, *words, today=today)

    def our_numbers(self, kind: Kind) -> frozenset[int]:
        """What we ourselves work as."""
        mine = {os.geteuid(), os.getuid()} if kind == "user" else {os.getegid(), os.getgid(), *os.getgroups()}
        for path in self.ours:
            try:
                about = Path(path).stat()
            except OSError:
                continue
            mine.add(about.st_uid if kind == "user" else about.st_gid)
        return frozenset(mine)

    def is_own(self, kind: Kind, lists: Lists, name: str, mark: str = "") -> Why:
        """By the lists alone."""
        ours = self.our_numbers(kind)
        if kind == "user":
            return Why(keeps_user(lists, name, ours, self.groups, mark))
        return Why(keeps_group(lists, name, ours, self.users))

    def is_idle(self, kind: Kind, lists: Lists, name: str) -> Why:
        """By processes."""
        number = lists.number(kind, name)
        if number is None:
            return Why()
        there = looks.users_of(kind, number, name, self.proc)
        first = next((f"{one.pid} {one.name}" for one in there.users), str(self.proc))
        return Why() if there.free else Why("processes" if there.users else "unseen", first)

    def is_unused(self, kind: Kind, lists: Lists, name: str) -> Why:
        """By home, jobs and configuration."""
        if kind == "user":
            home = lists.home(name)
            shared = sum(len(line) > 5 and line[5] == home for line in lists.lines["passwd"]) > 1
            word = looks.home_of(self.root, home, self.paths, shared) or looks.jobs_of(self.root, name)
            if word:
                return Why(word, home)
        return Why(*looks.named_in(self.root, name, self.paths))

    def owns_nothing(self, kind: Kind, lists: Lists, name: str, operation: str = "") -> Why:
        """By the owners of files; ``operation``: whose quarantine goes with it."""
        number = lists.number(kind, name)
        if number is None:
            return Why()
        found = self.search(lists, (kind, number), operation)
        if (kind, number) in found.found:
            return Why("files", found.found[kind, number])
        return Why() if found.finished else Why("search")

    def search(self, lists: Lists, wanted: tuple[Kind, int], operation: str = "") -> looks.Owned:
        """One search for all that go in the request, and not again for a minute."""
        now = time.monotonic()
        for at, numbers, of, owned in self._searched:
            if now - at < _FRESH and wanted in numbers and of == operation:
                return owned
        named: list[Named] = [
            *(("user", one) for one in self.users),
            *(("group", one) for one in self.groups),
        ]
        known = ((kind, lists.number(kind, name)) for kind, name in named)
        every = frozenset({wanted, *((kind, number) for kind, number in known if number is not None)})
        found = looks.search(self.root, every, self.paths, operation, self.proc)
        self._searched.insert(0, (time.monotonic(), every, operation, found))
        return found

    def require_alone(self, kind: Kind, lists: Lists, name: str, mark: str, operation: str) -> None:
        """Return when nobody else has to do with it, whatever runs as it.

        Raises:
            CannotProve: somebody has, or it cannot be told.
        """
        asked = (
            partial(self.is_own, kind, lists, name, mark),
            partial(self.is_unused, kind, lists, name),
            partial(self.owns_nothing, kind, lists, name, operation),
        )
        for ask in asked:
            require(kind, name, ask())

    def alone(self, names: Sequence[Named]) -> Mapping[Named, Why]:
        """All of these, and why each stays. They may need each other to go: a user and his own group.

        Raises:
            TargetDown: the lists cannot be read.
        """
        lists, kept = self.lists(), dict.fromkeys(names, Why())
        for judge in (self.is_own, self.is_idle, self.is_unused, self.owns_nothing):
            self._going([one for one, why in kept.items() if not why.word])
            kept.update({one: judge(*_of(one, lists)) for one, why in kept.items() if not why.word})
            # Whoever stays keeps those who cannot go alone.
            while stay := {one: why for one, why in self._bound(lists, kept).items() if why.word}:
                kept.update(stay)
        return kept

    def _bound(self, lists: Lists, kept: Mapping[Named, Why]) -> Mapping[Named, Why]:
        going = [one for one, why in kept.items() if not why.word]
        self._going(going)
        return {one: self.is_own(*_of(one, lists)) for one in going}

    def _going(self, names: Sequence[Named]) -> None:
        self.users = frozenset(name for kind, name in names if kind == "user")
        self.groups = frozenset(name for kind, name in names if kind == "group")


def _of(one: Named, lists: Lists) -> tuple[Kind, Lists, str]:
    return one[0], lists, one[1]


def require(kind: Kind, name: str, why: Why) -> None:
    """Return when it may go.

    Raises:
        CannotProve: it stays.
    """
    if why.word:
        said = f"{why.word}: {why.where}" if why.where else why.word
        raise CannotProve("machine.not-alone", who=f"{kind} {name}", what=said)


@dataclass(frozen=True)
class MachinePeople:
    """What a look for residue asks of the users and groups of a machine.

    ``parts``: those that a request is about now, and that are no residue.
    """

    root: Path
    ours: Sequence[str]
    parts: Collection[tuple[str, str]] = ()

    @property
    def files(self) -> Collection[str]:
        """Where the lists are whose users and groups may be cleared away."""
        return str(self.root / "etc/passwd"), str(self.root / "etc/group")

    def __call__(self, found: Sequence[tuple[str, str]], paths: Collection[str]) -> Sequence[Remain]:
        """See ``remains.People``."""
        wanted = [one for one in dict.fromkeys(found) if one not in set(self.parts)]
        names: list[Named] = [("user" if kind == "user" else "group", name) for kind, name in wanted]
        if not names:
            return ()
        machine = Machine(self.root, self.ours, paths=frozenset(paths))
        try:
            lists = machine.lists()
            private: list[Named] = [
                ("group", lists.private_group(one)) for kind, one in names if kind == "user"
            ]
            # A user's own group goes with him, whatever it was found by; where he stays it is not told.
            more = [one for one in dict.fromkeys(private) if one[1] and one not in {*names, *self.parts}]
            verdicts = machine.alone([*names, *more])
            names += [one for one in more if not verdicts[one].word]
        except CountersignError:
            verdicts = dict.fromkeys(names, Why("unseen"))
        words = {one: verdicts[one].word for one in names}
        return [Remain(one[0], one[1], 1, f"{one[0]}.{words[one]}" if words[one] else "") for one in names]
