"""Whose a file is, by its name, by where it lies and by what it says. Pure.

A name counts as the system's own only as a whole: ``crm.service``, ``10-crm.conf`` and ``crm@eu.timer`` are
of ``crm``; ``crm-new.service`` may be somebody else's, and is told and never touched.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Whose = Literal["own", "like", "other", ""]

#: What lies in a folder with such an end, however deep.
_FOLDERS: Sequence[tuple[str, str]] = (
    ("systemd/system", "unit"),
    ("systemd/user", "unit"),
    ("cron.d", "cron"),
    ("cron.hourly", "cron"),
    ("cron.daily", "cron"),
    ("cron.weekly", "cron"),
    ("cron.monthly", "cron"),
    ("spool/cron", "cron"),
    ("crontabs", "cron"),
    ("logrotate.d", "logrotate"),
    ("nginx/sites-available", "nginx"),
    ("nginx/sites-enabled", "nginx"),
    ("nginx/conf.d", "nginx"),
    ("apache2/sites-available", "apache"),
    ("apache2/sites-enabled", "apache"),
    ("apache2/conf-available", "apache"),
    ("apache2/conf-enabled", "apache"),
    ("httpd/conf.d", "apache"),
    ("supervisor/conf.d", "supervisor"),
    ("supervisord.d", "supervisor"),
    ("tmpfiles.d", "tmpfiles"),
    ("etc/default", "default"),
    ("etc/sysconfig", "default"),
    ("log", "log"),
)
#: Folders that many share, whatever a system is called: they are looked into, and are nobody's.
_SHARED = frozenset(
    {part for end, _ in _FOLDERS for part in end.split("/")}
    | {
        "apt",
        "bash_completion.d",
        "conf.d",
        "dpkg",
        "etc",
        "init",
        "init.d",
        "mail",
        "mysql",
        "network",
        "opt",
    }
    | {"modules-load.d", "pam.d", "postgresql", "profile.d", "run", "security", "skel", "spool", "ssh", "ssl"}
    | {"sudoers.d", "sysctl.d", "udev", "var", "xdg", *(f"rc{level}.d" for level in "0123456S")}
)
_ENDS = (
    "service|socket|timer|path|mount|automount|target|slice|d|wants|requires|conf|cfg|cnf|ini|ya?ml|json|toml|env|"
    "log|err|out|gz|xz|bz2|zst|old|bak|sh|cron|site|vhost|list|rules|pid|sock|lock|dpkg-old|dpkg-dist|[0-9]{1,8}"
)
#: Lists of accounts: their lines are kinds of their own.
ACCOUNTS = frozenset(
    f"{name}{end}"
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
    for end in ("", "-")
)
_SHORTEST = 3


@dataclass(frozen=True)
class Names:
    """What is looked for: ``own`` names of the system, its ``folders``, and names of other systems."""

    own: tuple[str, ...]
    folders: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    _word: re.Pattern[bytes] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        words = [re.escape(name.encode()) for name in self.own if len(name) >= _SHORTEST]
        parts = [rb"(?<![A-Za-z0-9_-])(?:%s)(?![A-Za-z0-9_-])" % b"|".join(words)] if words else []
        parts += [
            rb"(?<![A-Za-z0-9_./-])%s(?![A-Za-z0-9_-])" % re.escape(one.encode()) for one in self.folders
        ]
        object.__setattr__(self, "_word", re.compile(b"|".join(parts)) if parts else None)

    def whose(self, name: str) -> Whose:
        """Whose a file of this name is: the system's ``own``, only ``like`` it, an ``other``'s, nobody's."""
        plain = name.lstrip(".")
        mine = [one for one in self.own if _is(one, plain)]
        like = [one for one in self.own if _begins(one, plain)]
        theirs = [one for one in self.others if _begins(one, plain)]
        longest = max((len(one) for one in theirs), default=0)
        if mine and max(map(len, mine)) >= longest:
            return "own"
        if like and max(map(len, like)) >= longest:
            return "like"
        return "other" if theirs else ""

    def leads_there(self, aim: str) -> bool:
        """Whether what a link says leads into a folder of the system, or to something of its name."""
        inside = any(aim == one or aim.startswith(f"{one}/") for one in self.folders)
        return inside or self.whose(aim.rpartition("/")[2]) == "own"

    def mentions(self, content: bytes) -> int:
        """How many lines of a text name the system or a folder of it."""
        word = self._word
        if word is None or is_binary(content):
            return 0
        return sum(word.search(line) is not None for line in content.splitlines())

    def accounts(self, content: bytes) -> tuple[str, ...]:
        """The names in a list of accounts that are the system's, or live in a folder of it."""
        found = []
        for line in content.decode(errors="replace").splitlines():
            parts = line.split(":")
            home = parts[5] if len(parts) > 5 else ""
            if parts[0] in self.own or any(home == one or home.startswith(f"{one}/") for one in self.folders):
                found.append(parts[0])
        return tuple(found)


def kind_of(path: str, *, socket: bool = False) -> str:
    """What kind of thing lies there, by the folders above it and its end."""
    if socket:
        return "socket"
    above = f"{path.rpartition('/')[0]}/"
    kind = next((kind for end, kind in _FOLDERS if f"/{end}/" in above), "file")
    return "timer" if kind == "unit" and ".timer" in path.rpartition("/")[2] else kind


def kind_in(folder: str) -> str:
    """Of which kind is what lies in a folder; empty: of several."""
    kind = kind_of(f"{folder}/x")
    leads_on = any(folder.rpartition("/")[2] in end.split("/") for end, _ in _FOLDERS)
    return "" if kind == "file" and leads_on else kind


def is_binary(content: bytes) -> bool:
    """Whether it is no text that anybody wrote."""
    return b"\0" in content[:4096]


def is_shared(name: str) -> bool:
    """Whether a folder of this name is everybody's, also where a system bears it."""
    return name in _SHARED


def is_read(path: str) -> bool:
    """Whether a file may say something of the system: neither a log nor a list of accounts."""
    folder, _, name = path.rpartition("/")
    if name in ACCOUNTS or re.search(r"\.(log|gz|xz|bz2|zst|pid|lock|sock|pem|crt|der)(\.[0-9]+)?$", name):
        return False
    return "/log/" not in f"{folder}/" and "/ssl/" not in f"{folder}/"


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Without those that lie inside another one, in order."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not kept or not path.startswith(f"{kept[-1]}/"):
            kept.append(path)
    return tuple(kept)


def _is(own: str, name: str) -> bool:
    return re.fullmatch(rf"(?:\d+[-_])?{re.escape(own)}(?:@[^.]*)?(?:\.(?:{_ENDS}))*", name) is not None


def _begins(own: str, name: str) -> bool:
    return re.match(rf"(?:\d+[-_])?{re.escape(own)}(?![A-Za-z0-9])", name) is not None
