"""Parts of a system that keep the promises of ``bot.targets.system`` with no program and no folder behind them.

What a service does is written into a file, so that it outlives a process that is killed; a holding is a
few bytes in memory.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import CannotProve, NotAllowed, Stale, TargetDown
from bot.targets.ports import Health, Sink, Source
from bot.targets.system import Holding, Removal, ServiceFacts, Survey, User, Users, Whereabouts

_NUMBERS = itertools.count(100)


class FakeService:
    """A service in a file. ``revive`` starts it behind everybody's back; ``deaf``: nobody answers for it."""

    def __init__(self, file: Path, name: str = "web", port: int = 8000) -> None:
        self.deaf = False
        self._file = file
        self._name = name
        self._port = port
        if not file.exists():
            self.revive()

    @property
    def name(self) -> str:
        return self._name

    def revive(self) -> None:
        self._write("running")

    def look(self) -> ServiceFacts:
        if self.deaf:
            raise TargetDown("services.no-answer", service=self._name)
        now = json.loads(self._file.read_text())
        up = now["state"] == "running"
        processes = ((now["pid"], 1),) if up else ()
        return ServiceFacts(self._name, now["state"], processes, (self._port,), (), 0)

    def stop(self, former: ServiceFacts) -> ServiceFacts:
        if self.look().up:
            self._write("stopped")
        self.verify(former)
        return self.look()

    def verify(self, former: ServiceFacts) -> None:
        if self.look().up:
            raise CannotProve("services.came-back", service=former.name)

    def start(self, former: ServiceFacts) -> ServiceFacts:
        if former.up and not self.look().up:
            self.revive()
        return self.look()

    def _write(self, state: str) -> None:
        kept = json.dumps({"state": state, "pid": next(_NUMBERS)})
        temporary = self._file.with_suffix(".new")
        temporary.write_text(kept)
        temporary.replace(self._file)


@dataclass(frozen=True)
class Thing:
    """What a holding is made of; another one of the same content is still another."""

    content: bytes
    inode: int = field(default_factory=lambda: next(_NUMBERS))


class FakeHolding:
    """A holding in memory. A test may change ``place`` and ``aside``, and add to ``holders``."""

    def __init__(self, name: str, content: bytes) -> None:
        self.place: Thing | None = Thing(content)
        self.aside: dict[str, Thing] = {}
        self.elsewhere: dict[str, Thing] = {}
        self.ready: dict[tuple[str, str], Thing] = {}
        self.out: dict[str, Thing] = {}
        #: What happens meanwhile.
        self.on_look: Callable[[], object] = lambda: None
        self.on_copy: Callable[[], object] = lambda: None
        self.holders: list[User] = []
        #: Whom the machine does not know.
        self.unknown = ""
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def require_free(self) -> None:
        self.survey()

    def survey(self) -> Survey:
        if self.place is None:
            raise TargetDown("files.missing", path=self._name)
        identity = {"inode": str(self.place.inode)}
        size = len(self.place.content)
        return Survey(self._name, "memory", self._name, identity, 1, size, 10**9, ())

    def users(self, operation: str) -> Users:
        self.on_look()
        return Users(tuple(self.holders), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        self.on_copy()
        if self.place is None:
            raise TargetDown("files.missing", path=self._name)
        with sink.blob(f"{self._name}.json") as out:
            out.write(json.dumps([self.place.inode, self.place.content.hex()]).encode())
        return {"kind": "memory", "size": len(self.place.content)}

    def rehearse(self, operation: str, source: Source) -> None:
        self._read(source)

    def set_aside(self, operation: str, source: Source) -> None:
        wanted = self._read(source)
        now = self.whereabouts(operation)
        if now in ("both", "gone"):
            raise CannotProve(f"files.is-{now}", path=self._name)
        if now == "in-place" and self.place is not None:
            if self.place.inode != wanted.inode:
                raise CannotProve("files.another-folder", path=self._name)
            self.aside[operation], self.place = self.place, None
        if self.aside[operation] != wanted:
            raise CannotProve("files.changed-since", path=self._name)

    def put_back(self, operation: str) -> None:
        now = self.whereabouts(operation)
        if now in ("both", "gone"):
            raise CannotProve(f"files.is-{now}", path=self._name)
        if now == "set-aside":
            self.place = self.aside.pop(operation)

    def whereabouts(self, operation: str) -> Whereabouts:
        here, there = self.place is not None, operation in self.aside
        if here:
            return "both" if there else "in-place"
        return "set-aside" if there else "gone"

    def verify(self, operation: str, source: Source) -> None:
        wanted = self._read(source)
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._name)
        if self.aside[operation] != wanted:
            raise CannotProve("files.touched-aside", path=self._name)

    def remove(self, operation: str, source: Source) -> Removal:
        wanted = self._read(source)
        now = self.whereabouts(operation)
        if now == "gone":
            return Removal(0, 0, ())
        if now == "in-place":
            raise CannotProve("files.not-set-aside", path=self._name)
        for one in self.holders:
            raise Stale("files.in-use", path=self._name, program=one.name, pid=one.pid, n=1)
        if self.aside[operation] != wanted:
            raise CannotProve("files.touched-aside", path=self._name)
        del self.aside[operation]
        return Removal(1, len(wanted.content), ())

    @property
    def home(self) -> str:
        return self._name

    def bring_out(self, operation: str, source: Source) -> None:
        if operation not in self.out:
            self.require_room()
            self.out[operation] = self.place = Thing(self._read(source).content)

    def withdraw(self, operation: str) -> None:
        known = self.out.get(operation)
        if known is not None and self.place is not None and self.place.inode != known.inode:
            raise CannotProve("files.in-the-way", path=self._name)
        if self.out.pop(operation, None) is not None:
            self.place = None

    def destination(self, into: str = "") -> str:
        return into or self.home

    def require_room(self, into: str = "") -> None:
        if into.startswith("/"):
            raise NotAllowed("files.not-allowed", path=into)
        if self._there(into) is not None:
            raise CannotProve("files.in-the-way", path=into or self._name)

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        if self.unknown:
            raise CannotProve("whole.no-account", database=self._name, name=self.unknown, n=1)

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        self.ready[operation, into] = Thing(self._read(source).content)

    def appear(self, operation: str, into: str = "") -> None:
        ready, there = (operation, into) in self.ready, self._there(into) is not None
        if ready is there:
            raise CannotProve("files.in-the-way" if there else "files.is-gone", path=into or self._name)
        if ready and into:
            self.elsewhere[into] = self.ready.pop((operation, into))
        elif ready:
            self.place = self.ready.pop((operation, into))

    def discard(self, operation: str, into: str = "") -> None:
        self.ready.pop((operation, into), None)

    def _there(self, into: str) -> Thing | None:
        return self.elsewhere.get(into) if into else self.place

    def _read(self, source: Source) -> Thing:
        with source.blob(f"{self._name}.json") as stream:
            raw = stream.read(1_000_000)
        try:
            inode, content = json.loads(raw)
            return Thing(bytes.fromhex(content), inode)
        except ValueError:
            raise CannotProve("files.not-the-same", path=self._name) from None


def restored(one: Holding, operation: str, source: Source, into: str = "") -> None:
    """Brought back out of the backup, as an operation does it."""
    one.require_room(into)
    try:
        one.prepare(operation, source, into)
        one.appear(operation, into)
    finally:
        one.discard(operation, into)


def there_and_back(one: Holding, operation: str, backup: Source, read: Callable[[], object]) -> None:
    """Set aside and put back, then removed and restored: each time it reads as before."""
    before = read()
    one.set_aside(operation, backup)
    one.put_back(operation)
    assert read() == before
    one.set_aside(operation, backup)
    one.remove(operation, backup)
    restored(one, "r8", backup)
    assert read() == before


class FakeCheck:
    """Answers while ``up`` says so."""

    def __init__(self, name: str, up: Any) -> None:
        self._name = name
        self._up = up

    @property
    def name(self) -> str:
        return self._name

    def probe(self) -> Health:
        return Health(bool(self._up()), "checks.connects", {"name": self._name, "number": 1}, 1)
