"""The programs that change users and groups of a machine; nobody else writes its lists.

Each takes the locks that ``passwd`` and its like take, so that two never write at once. One that was killed
leaves a lock with a number that the next one finds dead.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.errors import CannotProve, TargetDown
from bot.targets.machine_lines import LISTS, GroupFacts, Lists, UserFacts

PROGRAMS = ("useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Seconds for one program, and for a lock that somebody else holds.
_EACH, _LOCKED = 60, 20.0
_DAY = 24 * 60 * 60
_MOST = 16 * 1024 * 1024
#: Bits of the rights that changing the lists takes when they are not our own.
_RIGHTS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3}


def lists_of(root: Path) -> Lists:
    """The lists below a root folder as they are now.

    Raises:
        TargetDown: one cannot be read.
    """
    found = {}
    for name in LISTS:
        path = root / "etc" / name
        try:
            found[name] = path.read_bytes()
        except FileNotFoundError:
            found[name] = b""
        except OSError:
            raise TargetDown("machine.unreadable", path=str(path)) from None
        if len(found[name]) > _MOST:
            raise TargetDown("machine.unreadable", path=str(path))
    return Lists.of(found)


def require_programs(root: Path) -> None:
    """Return when our user may change the lists below a root folder, as far as can be told without doing so.

    Raises:
        TargetDown: a program is missing.
        CannotProve: a right is.
    """
    for program in PROGRAMS:
        if shutil.which(program, path=_PATH) is None:
            raise TargetDown("machine.no-program", program=program)
    lists_of(root)
    etc = root / "etc"
    if not os.access(etc, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise CannotProve("machine.no-right", right="CAP_DAC_OVERRIDE")
    lacking = [] if etc.stat().st_uid == os.geteuid() else _lacking()
    if lacking:
        raise CannotProve("machine.no-right", right=" ".join(lacking))


def change(root: Path, program: str, *words: str, today: str = "") -> None:
    """Run one of them on the lists below a root folder.

    Args:
        root: a folder with ``etc`` in it.
        program: which.
        words: its arguments, the name last.
        today: the day since 1970 that it is to take for today, as a list has it; empty field: none.

    Raises:
        TargetDown: it is missing, refuses, or somebody else changes the lists all the while.
    """
    found = shutil.which(program, path=_PATH)
    if found is None:
        raise TargetDown("machine.no-program", program=program)
    prefix = [] if root == Path("/") else ["--prefix", str(root)]
    environment = {"LC_ALL": "C", "PATH": _PATH, "SOURCE_DATE_EPOCH": str(int(today or 0) * _DAY)}
    until = time.monotonic() + _LOCKED
    while True:
        done = _run([found, *prefix, *words], environment, program)
        if done.returncode == 0:
            return
        if b"cannot lock" not in done.stderr or time.monotonic() >= until:
            key = "machine.locked" if b"cannot lock" in done.stderr else "machine.refused"
            raise TargetDown(key, program=program, name=words[-1], code=done.returncode)
        time.sleep(0.1)


def make_user(root: Path, wanted: UserFacts, mark: str) -> None:
    """Make a user with his own number, who has expired on the day that ``mark`` says.

    Raises as ``change``.
    """
    name, _, uid, gid, about, home, shell = wanted.passwd
    _, password, last, low, high, warn, inactive, *_ = wanted.shadow
    ageing = {"PASS_MIN_DAYS": low, "PASS_MAX_DAYS": high, "PASS_WARN_AGE": warn}
    # What it gives out by itself: ranges of subordinate numbers.
    settings = {**{key: value or "-1" for key, value in ageing.items()}, "SUB_UID_COUNT": "0"}
    words = [word for key, value in settings.items() for word in ("-K", f"{key}={value}")]
    words += ["-K", "SUB_GID_COUNT=0", "--uid", uid, "--gid", gid, "--comment", about, "--home-dir", home]
    words += ["--shell", shell, "--password", password, "--inactive", inactive or "-1", "--expiredate", mark]
    words += ["--groups", ",".join(wanted.groups)] if wanted.groups else []
    quiet = ["--no-create-home", "--no-user-group", "--no-log-init"]
    change(root, "useradd", *quiet, *words, name, today=last)


def make_group(root: Path, wanted: GroupFacts, password: str) -> None:
    """Make a group with its own number; raises as ``change``."""
    change(root, "groupadd", "--gid", wanted.group[2], "--password", password, wanted.group[0])


@contextmanager
def scratch(lists: Lists, groups: Sequence[str], gid: str) -> Iterator[Path]:
    """A root folder of its own with these groups, without members, and the one with the number ``gid``.

    Raises:
        TargetDown: no space.
    """
    wanted = {*groups, *(lists.having("group", int(gid)) if gid else ())}
    kept = [line for line in lists.lines["group"] if line[0] in wanted and len(line) == 4]
    texts: Mapping[str, str] = {
        "passwd": "",
        "shadow": "",
        "group": "".join(f"{':'.join((*line[:3], ''))}\n" for line in kept),
        "gshadow": "".join(f"{line[0]}:*::\n" for line in kept),
        "login.defs": "",
    }
    try:
        with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
            etc = Path(folder) / "etc"
            etc.mkdir()
            for name, text in texts.items():
                (etc / name).write_bytes(text.encode(errors="surrogateescape"))
            yield Path(folder)
    except OSError:
        raise TargetDown("machine.no-scratch") from None


def _run(
    words: Sequence[str], environment: Mapping[str, str], program: str
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(  # noqa: S603 - the system's own programs, words without a shell
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_EACH,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise TargetDown("machine.refused", program=program, name=words[-1], code=-1) from None


def _lacking() -> list[str]:
    """Which rights our process does not hold."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    held = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return [name for name, bit in _RIGHTS.items() if not held >> bit & 1]
