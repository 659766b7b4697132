"""What the kernel says about processes: their families, their open files, their listening ports.

Read from ``/proc`` alone. A process that ends while it is looked at does not count; one that may not be
looked into is counted as hidden, so that nobody calls a file free or a port closed on a guess.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.targets.system import Hold, User, Users

_KERNEL_THREAD = 0x00200000
_LISTEN = "0A"
_LINKS: tuple[tuple[str, Hold], ...] = (("cwd", "folder"), ("root", "root"), ("exe", "program"))
#: Whether something a process holds belongs to what is looked for: (device, inode) and path.
Match = Callable[[tuple[int, int], str], bool]


@dataclass(frozen=True)
class Process:
    """One line of ``/proc/<pid>/stat``. ``started`` tells two processes of one number apart."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    kernel: bool
    started: int

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie only waits to be counted."""
        return self.state not in "ZX"


def table(proc: Path = Path("/proc")) -> dict[int, Process]:
    """All processes that can be seen."""
    found = (one(int(entry.name), proc) for entry in proc.iterdir() if entry.name.isdecimal())
    return {process.pid: process for process in found if process is not None}


def one(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """One process, if it is there."""
    try:
        line = (proc / str(pid) / "stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may hold brackets and spaces itself.
    head, _, tail = line.rpartition(")")
    words = tail.split()
    return Process(
        pid=pid,
        name=head.partition("(")[2],
        state=words[0],
        parent=int(words[1]),
        group=int(words[2]),
        session=int(words[3]),
        kernel=bool(int(words[6]) & _KERNEL_THREAD),
        started=int(words[19]),
    )


def family(heads: Iterable[int], everybody: Mapping[int, Process]) -> set[int]:
    """The heads, everything they started, and the groups and sessions that these lead."""
    members = {pid for pid in heads if pid in everybody}
    while True:
        more = {
            process.pid
            for process in everybody.values()
            if process.parent in members or process.group in members or process.session in members
        }
        if more <= members:
            return members
        members |= more


def likeness(pid: int, salt: bytes, proc: Path = Path("/proc")) -> str | None:
    """What makes two processes the same program, hashed: a line of arguments may hold secrets.

    The arguments, and the folder it works in unless one of them names a place by itself. None: it cannot be
    told.
    """
    place = proc / str(pid)
    try:
        words = (place / "cmdline").read_bytes()
    except OSError:
        return None
    if not words:
        return None
    where = b""
    if not any(word.startswith(b"/") for word in words.split(b"\0")[1:]):
        with suppress(OSError):
            where = os.fsencode((place / "cwd").readlink())
    return hashlib.sha256(salt + words + b"\0" + where).hexdigest()


def starter(pid: int, proc: Path = Path("/proc")) -> str:
    """Who started a process, as far as it can be seen: a unit of systemd, or the first of its ancestors.

    "" when it has lost its parents and is in no unit.
    """
    with suppress(OSError):
        line = (proc / str(pid) / "cgroup").read_text(errors="replace").splitlines()[-1]
        unit = line.rpartition("/")[2]
        if unit.endswith((".service", ".scope")):
            return unit
    first = above = one(pid, proc)
    while above is not None and above.parent > 1:
        first, above = above, one(above.parent, proc)
    first = above or first
    return "" if first is None or first.pid == pid else f"{first.name} ({first.pid})"


def moment(proc: Path = Path("/proc")) -> tuple[str, int]:
    """Which start of this machine, and the ticks since then, as ``Process.started`` counts them."""
    boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    seconds = float((proc / "uptime").read_text().split()[0])
    return boot, int(seconds * os.sysconf("SC_CLK_TCK"))


def users(match: Match, proc: Path = Path("/proc")) -> Users:
    """Everybody but ourselves who holds on to something that matches."""
    found: set[User] = set()
    hidden = 0
    for process in table(proc).values():
        if process.kernel or not process.alive or process.pid == os.getpid():
            continue
        try:
            found |= set(_holds(process, match, proc))
        except PermissionError:
            hidden += 1
        except OSError:
            continue
    ordered = sorted(found, key=lambda user: (user.pid, user.how, user.path))
    return Users(tuple(ordered), hidden)


def listening(proc: Path = Path("/proc")) -> dict[int, int]:
    """TCP ports that somebody listens on: number of the socket -> port."""
    ports: dict[int, int] = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTEN:
                ports[int(words[9])] = int(words[1].rpartition(":")[2], 16)
    return ports


def ports_of(pids: Iterable[int], proc: Path = Path("/proc")) -> tuple[set[int], int]:
    """The ports these processes listen on, and how many of the processes could not be looked into."""
    sockets = listening(proc)
    ports: set[int] = set()
    hidden = 0
    for pid in pids:
        try:
            links = [link for _, link in _descriptors(proc / str(pid))]
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue
        for link in links:
            if link.startswith("socket:[") and int(link[8:-1]) in sockets:
                ports.add(sockets[int(link[8:-1])])
    return ports, hidden


def owners(ports: Iterable[int], proc: Path = Path("/proc")) -> set[int]:
    """The processes that are seen to listen on one of these ports."""
    wanted = set(ports)
    sockets = {f"socket:[{number}]" for number, port in listening(proc).items() if port in wanted}
    found = set()
    for pid in table(proc) if sockets else ():
        try:
            if any(link in sockets for _, link in _descriptors(proc / str(pid))):
                found.add(pid)
        except OSError:
            continue
    return found


def _holds(process: Process, match: Match, proc: Path) -> Iterator[User]:
    place = proc / str(process.pid)
    for name, how in _LINKS:
        try:
            link = str((place / name).readlink())
            about = (place / name).stat()
        except FileNotFoundError:
            continue
        if match((about.st_dev, about.st_ino), link):
            yield User(process.pid, process.name, how, link)
    for entry, link in _descriptors(place):
        if link.startswith("/") and match(_number(entry), link):
            yield User(process.pid, process.name, "open", link)
    for number, path in _mapped(place):
        if match(number, path):
            yield User(process.pid, process.name, "mapped", path)


def _descriptors(place: Path) -> Iterator[tuple[Path, str]]:
    for descriptor in (place / "fd").iterdir():
        try:
            yield descriptor, str(descriptor.readlink())
        except FileNotFoundError:
            continue


def _number(entry: Path) -> tuple[int, int]:
    try:
        about = entry.stat()
    except FileNotFoundError:
        return (0, 0)
    return (about.st_dev, about.st_ino)


def _mapped(place: Path) -> Iterator[tuple[tuple[int, int], str]]:
    for line in (place / "maps").read_bytes().decode(errors="surrogateescape").splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[5].startswith("/"):
            major, _, minor = words[3].partition(":")
            yield (os.makedev(int(major, 16), int(minor, 16)), int(words[4])), words[5]
