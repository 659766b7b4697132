"""What a user or group of a machine has to do with beside the lists: processes, a home, jobs, files.

Nothing is called absent because it could not be looked at.
"""

import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.targets import processes
from bot.targets.machine_lines import Kind
from bot.targets.quarantine import FOLDER
from bot.targets.system import User, Users

PROC = Path("/proc")
#: Seconds and names for one search for files.
SECONDS, MOST = 90.0, 20_000_000
#: What is mounted and holds no files of anybody, and what other machines hold.
_NO_FILES = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *("efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs"),
        *("selinuxfs", "sysfs", "tracefs"),
    )
)
_REMOTE = re.compile(r"(nfs\d?|cifs|smb\d?|smbfs|9p|virtiofs|ceph|glusterfs|lustre|afs|ncpfs|fuse(\.\w.*)?)")
#: Files and folders whose lines run something as somebody, or make somebody.
_NAMING = (
    *("etc/crontab", "etc/anacrontab", "etc/cron.d", "etc/systemd", "etc/sudoers", "etc/sudoers.d"),
    *(
        "etc/supervisor",
        "etc/supervisord.conf",
        "etc/supervisord.d",
        "etc/init.d",
        "etc/php",
        "etc/sysusers.d",
    ),
    *(
        "etc/tmpfiles.d",
        "etc/ssh",
        "etc/security",
        "etc/doas.conf",
        "usr/lib/systemd/system",
        "lib/systemd/system",
    ),
    *("usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/local/lib/systemd", "run/systemd/system"),
    *("run/sysusers.d", "var/lib/dpkg/info"),
)
_SCRIPTS = (".postinst", ".preinst", ".postrm", ".prerm", ".config")
_LARGEST = 1024 * 1024
_CRONTABS = ("var/spool/cron/crontabs", "var/spool/cron", "var/spool/at")


@dataclass(frozen=True)
class Owned:
    """What a search found: one path for each number that has any; ``remote``: not looked at."""

    found: Mapping[tuple[Kind, int], str]
    finished: bool
    places: tuple[str, ...]
    remote: tuple[str, ...]


def users_of(kind: Kind, number: int, path: str, proc: Path = PROC) -> Users:
    """Which processes work as a user or with a group; ``path``: what is written beside them."""
    found, hidden = [], 0
    try:
        pids = sorted(int(one.name) for one in proc.iterdir() if one.name.isdecimal())
    except OSError:
        return Users((), 1)
    # Where processes of others are hidden, the first one is.
    hidden += 1 not in pids
    for pid in pids:
        try:
            status = (proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            hidden += 1
            continue
        if number in _numbers(kind, status):
            name = processes.one(pid, proc)
            found.append(User(pid, name.name if name else "?", "program", path))
    return Users(tuple(found), hidden)


def home_of(root: Path, home: str, going: Collection[str], shared: bool) -> str:
    """Why a user's home keeps him, in a word; ``shared``: others live there, too. Empty: it does not."""
    place = root / home.lstrip("/")
    if not home.startswith("/") or home in going:
        return ""
    try:
        about = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return "unseen"
    if not shared and home not in ("/", "/nonexistent", "/dev/null"):
        return "home"
    try:
        return "keys" if stat.S_ISDIR(about.st_mode) and (place / ".ssh").exists() else ""
    except OSError:
        return "unseen"


def jobs_of(root: Path, name: str) -> str:
    """Why crontabs keep a user, in a word; empty: he has none."""
    for folder in _CRONTABS:
        try:
            (root / folder / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return "unseen"
        return "jobs"
    return ""


def named_in(root: Path, name: str, skip: Collection[str], shortest: int = 2) -> tuple[str, str]:
    """Why configuration that runs something as somebody keeps a name: a word and where; empty: not at all."""
    if len(name) < shortest:
        return "named", ""
    word = re.compile(rb"(?<![A-Za-z0-9_./@-])%s(?![A-Za-z0-9_./-])" % re.escape(os.fsencode(name)))
    for path in _files(root, skip):
        try:
            if path.stat().st_size > _LARGEST:
                continue
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        except OSError:
            return "unseen", str(path)
        if path.name == name or any(
            word.search(line) for line in lines if not line.lstrip().startswith((b"#", b";"))
        ):
            return "named", str(path)
    return "", ""


def search(
    root: Path,
    numbers: Collection[tuple[Kind, int]],
    skip: Collection[str],
    operation: str,
    proc: Path = PROC,
    seconds: float = SECONDS,
) -> Owned:
    """Look at every file on the machine's own file systems for its owner.

    Args:
        root: above them; where it is not the machine's own, everything below it is one.
        numbers: of users and groups.
        skip: paths that go, too.
        operation: whose quarantine goes, too; empty: what is set aside by anybody is not looked at.
        proc: where the kernel says what is mounted.
        seconds: after so many it is given up.
    """
    places, remote = _mounts(proc) if root == Path("/") else ([str(root)], [])
    walk = _Walk({*numbers}, frozenset(skip), frozenset([*places, *remote, *_others(proc)]), operation)
    walk.until = time.monotonic() + seconds
    finished = bool(places)
    for place in places:
        finished = walk.all_below(place) and finished
    return Owned(walk.found, finished, tuple(places), tuple(remote))


@dataclass
class _Walk:
    numbers: set[tuple[Kind, int]]
    skip: frozenset[str]
    mounts: frozenset[str]
    operation: str
    until: float = 0.0
    seen: int = 0
    found: dict[tuple[Kind, int], str] = field(default_factory=dict)

    def all_below(self, top: str) -> bool:
        """Whether all could be looked at."""
        waiting, whole = [top], True
        try:
            self._note(os.lstat(top), top)
        except OSError:
            return False
        while waiting:
            folder = waiting.pop()
            if time.monotonic() > self.until or self.seen > MOST:
                return False
            try:
                with os.scandir(folder) as entries:
                    waiting += [path for one in entries if (path := self._look(one))]
            except FileNotFoundError:
                continue
            except OSError:
                whole = False
        return whole

    def _look(self, entry: "os.DirEntry[str]") -> str:
        """The path, if there is more below it."""
        self.seen += 1
        if entry.path in self.mounts or entry.path in self.skip:
            return ""
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return ""
        is_folder = stat.S_ISDIR(about.st_mode)
        if is_folder and self._is_set_aside(entry):
            return ""
        self._note(about, entry.path)
        return entry.path if is_folder else ""

    def _note(self, about: os.stat_result, path: str) -> None:
        of: tuple[tuple[Kind, int], ...] = (("user", about.st_uid), ("group", about.st_gid))
        for number in of:
            if number in self.numbers:
                self.found.setdefault(number, path)

    def _is_set_aside(self, entry: "os.DirEntry[str]") -> bool:
        if not self.operation:
            return entry.name == FOLDER
        return entry.path.endswith(f"/{FOLDER}/{self.operation}")


def _files(root: Path, skip: Collection[str]) -> Iterator[Path]:
    for one in _NAMING:
        top = root / one
        if top.is_file() and str(top) not in skip:
            yield top
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in skip]
            for name in names:
                path = Path(folder) / name
                wanted = "/dpkg/" not in folder or name.endswith(_SCRIPTS)
                if wanted and str(path) not in skip and path.is_file():
                    yield path


def _numbers(kind: Kind, status: str) -> set[int]:
    words = ("Uid:",) if kind == "user" else ("Gid:", "Groups:")
    found = [line.split()[1:] for line in status.splitlines() if line.startswith(words)]
    return {int(one) for line in found for one in line}


def _mounted(proc: Path) -> Sequence[tuple[str, str]]:
    try:
        lines = (
            (proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
    except OSError:
        return ()
    found = []
    for line in lines:
        first, _, second = line.partition(" - ")
        path = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), first.split()[4])
        found.append((path, second.split()[0]))
    return found


def _others(proc: Path) -> Sequence[str]:
    return [path for path, kind in _mounted(proc) if kind in _NO_FILES or _REMOTE.fullmatch(kind)]


def _mounts(proc: Path) -> tuple[list[str], list[str]]:
    """Where the machine's own file systems are, and those of others; nothing: nobody says."""
    mounted = _mounted(proc)
    remote = sorted({path for path, kind in mounted if _REMOTE.fullmatch(kind)})
    own = sorted({path for path, kind in mounted if kind not in _NO_FILES} - set(remote))
    return own, remote
