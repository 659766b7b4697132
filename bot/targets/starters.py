"""What would start a stopped service again: cron, and the units of systemd. Looked at, never changed.

Only what is said is kept: where something lies, never a line of it. A place that cannot be read is told as
not checkable; one that is not there starts nothing.
"""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.targets.ports import Told
from bot.targets.starters_text import Needles, is_restarted, triggered_by

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
CRON = (
    "etc/crontab",
    "etc/anacrontab",
    "etc/cron.d",
    "etc/cron.hourly",
    "etc/cron.daily",
    "etc/cron.weekly",
    "etc/cron.monthly",
    "var/spool/cron",
    "var/spool/cron/crontabs",
)
UNITS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_TRIGGERS = {".timer": "timer", ".socket": "socket", ".path": "path"}
_SHOWN = 12


class _Enough(Exception):  # noqa: N818 - not an error of anybody
    """A bound of the look is reached."""


@dataclass(frozen=True)
class Bounds:
    """Of one look: files, bytes of each, seconds."""

    files: int = 3000
    size: int = 256 * 1024
    seconds: float = 10.0


@dataclass(frozen=True)
class Starters:
    """What the services of one system are known by, and under which ``root`` is looked.

    ``asked``: systemd is asked to stop them, so that it does not start them again by itself.
    """

    needles: Needles
    asked: bool = False
    root: Path = Path("/")
    bounds: Bounds = Bounds()

    def look(self) -> tuple[Told, ...]:
        """Sentences for the plan: who would start it, and what could not be looked at. Never raises."""
        look = _Look(self, time.monotonic() + self.bounds.seconds)
        try:
            found = [*look.cron(), *look.units()]
        except _Enough:
            found = [*look.found]
            look.unread.append("/etc")
        told: list[Told] = [(f"starters.{kind}", {"place": place}) for kind, place in dict.fromkeys(found)]
        if len(told) > _SHOWN:
            told = [*told[:_SHOWN], ("starters.more", {"n": len(told) - _SHOWN})]
        if look.unread:
            places = ", ".join(dict.fromkeys(look.unread))
            told.append(("starters.unread", {"places": places[:300]}))
        return tuple(told)


@dataclass
class _Look:
    of: Starters
    until: float
    unread: list[str] = field(default_factory=list)
    found: list[tuple[str, str]] = field(default_factory=list)
    files: int = 0

    def cron(self) -> list[tuple[str, str]]:
        for place in CRON:
            for path in self._in(place):
                content = self._content(path)
                if content is not None and self.of.needles.named_in(content):
                    self.found.append(("cron", self._shown(path)))
        return self.found

    def units(self) -> list[tuple[str, str]]:
        units = self._all_units()
        mine = {
            name
            for name, (_, content) in units.items()
            if name.endswith(".service")
            and (self.of.needles.is_unit(name) or self.of.needles.named_in(content))
        }
        told = []
        for name, (path, content) in sorted(units.items()):
            kind = _TRIGGERS.get(Path(name).suffix)
            if kind is not None and triggered_by(name, content) in mine:
                told.append((kind, path))
            elif name in mine and not self.of.asked and is_restarted(content + self._drop_ins(name)):
                told.append(("unit-restarts", path))
        return [*told, *(("boot", self._shown(link)) for link in self._wanted(mine))]

    def _all_units(self) -> dict[str, tuple[str, str]]:
        """By name; what lies in an earlier folder replaces what lies in a later one."""
        units: dict[str, tuple[str, str]] = {}
        for place in UNITS:
            for path in self._in(place):
                if path.suffix not in {".service", *_TRIGGERS} or path.name in units:
                    continue
                content = self._content(path)
                if content is not None:
                    units[path.name] = (self._shown(path), content)
        return units

    def _drop_ins(self, name: str) -> str:
        """What an administrator added to a unit."""
        paths = [path for place in reversed(UNITS) for path in self._in(f"{place}/{name}.d")]
        return "".join(f"\n{self._content(path) or ''}" for path in paths)

    def _wanted(self, mine: set[str]) -> Iterator[Path]:
        """The links by which a unit is started with the machine."""
        for folder in self._in("etc/systemd/system", folders=True):
            if folder.name.endswith((".wants", ".requires")):
                yield from (
                    one for one in self._in(str(folder.relative_to(self.of.root))) if one.name in mine
                )

    def _in(self, place: str, *, folders: bool = False) -> Sequence[Path]:
        """The files, or folders, of a place, in order; itself, where it is a file."""
        path = self.of.root / place
        try:
            with os.scandir(path) as entries:
                found = [one for one in entries if not one.name.startswith(".") and one.is_dir() is folders]
            return [path / name for name in sorted(one.name for one in found)]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            return [] if folders else [path]
        except OSError:
            self.unread.append(self._shown(path))
            return []

    def _content(self, path: Path) -> str | None:
        self.files += 1
        if self.files > self.of.bounds.files or time.monotonic() > self.until:
            raise _Enough
        try:
            opened = os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError:
            self.unread.append(self._shown(path))
            return None
        try:
            about = os.fstat(opened)
            if not stat.S_ISREG(about.st_mode):
                return None
            if about.st_size > self.of.bounds.size:
                self.unread.append(self._shown(path))
            return os.read(opened, self.of.bounds.size).decode(errors="replace")
        except OSError:
            self.unread.append(self._shown(path))
            return None
        finally:
            os.close(opened)

    def _shown(self, path: Path) -> str:
        return f"/{path.relative_to(self.of.root)}"
