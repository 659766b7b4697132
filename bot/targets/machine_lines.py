"""Users and groups as the lists of a machine have them, and which of them nobody else has to do with. Pure.

The lists are those of ``passwd(5)``, ``shadow(5)``, ``group(5)`` and ``gshadow(5)``. What is not understood
to the last field is told as odd, and stays.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.errors import NotOurs
from bot.targets.account_form import opened, sealed

Kind = Literal["user", "group"]
Line = tuple[str, ...]
LISTS = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
_FIELDS = {"passwd": 7, "shadow": 9, "group": 4, "gshadow": 4}
#: Below are the system's own, whose numbers are the same on every machine; from the second on those that
#: systemd and containers give away, and nobody.
FIRST, PAST = 100, 60000
#: A user that is set aside expired on one of the first days of 1970 and after, one of a restore that has not
#: appeared on one of the later ones; the day says in which operation.
#: Not on the first: that is what people write who close a user themselves.
_FROM, _DAYS = 100, 4000
_PREPARED = "_new"
_GROUP_MARK = "!countersign-"
_EXPIRES, _UNUSED = 7, 8
#: What every program takes for a name, and none for an option.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Lists:
    """The lists of one machine, line by line and field by field."""

    lines: Mapping[str, tuple[Line, ...]]

    @classmethod
    def of(cls, texts: Mapping[str, bytes]) -> "Lists":
        """From what stands in the files, whatever it is."""
        return cls({name: _lines(texts.get(name, b"")) for name in LISTS})

    def named(self, which: str, name: str) -> tuple[Line, ...]:
        """All lines of a name; more than one is nobody's."""
        return tuple(line for line in self.lines[which] if line[0] == name)

    def one(self, which: str, name: str) -> Line | None:
        """The line of a name, if there is just one, with all its fields."""
        found = self.named(which, name)
        return found[0] if len(found) == 1 and len(found[0]) == _FIELDS[which] else None

    def number(self, kind: Kind, name: str) -> int | None:
        """Of a user or a group; None: there is none, or not one."""
        line = self.one("passwd" if kind == "user" else "group", name)
        return int(line[2]) if line is not None and _is_number(line[2]) else None

    def having(self, kind: Kind, number: int) -> tuple[str, ...]:
        """Who has this number."""
        lines = self.lines["passwd" if kind == "user" else "group"]
        return tuple(line[0] for line in lines if len(line) > 2 and line[2] == str(number))

    def home(self, user: str) -> str:
        """Where a user lives."""
        line = self.one("passwd", user)
        return line[5] if line is not None else ""

    def private_group(self, user: str) -> str:
        """The group of a user's own name that is his first one; empty: there is none."""
        line, group = self.one("passwd", user), self.one("group", user)
        return user if line is not None and group is not None and line[3] == group[2] else ""


@dataclass(frozen=True)
class UserFacts:
    """All that makes a user again: his lines without any mark of ours, and the groups he is in."""

    passwd: Line
    shadow: Line
    groups: tuple[str, ...]

    #: Nobody logs in as what may be cleared away.
    login = False

    @property
    def known_by(self) -> str:
        """See ``Account``."""
        return f"{self.passwd[2]}:{self.passwd[3]}:{self.shadow[2]}"

    @property
    def seen(self) -> Mapping[str, str]:
        """See ``Account``: what stands in the field of the password is left out."""
        return {"number": self.passwd[2], "facts": _hash([self.passwd, self.shadow[2:], self.groups])}

    def dump(self) -> bytes:
        """See ``Account``."""
        return sealed({"user": self.passwd, "shadow": self.shadow, "groups": self.groups})

    @classmethod
    def of(cls, raw: bytes) -> "UserFacts":
        """What ``dump`` wrote; raises as ``account_form.opened``."""
        body = opened(raw)
        return cls(_read(body, "user", 7), _read(body, "shadow", 9), tuple(map(str, body["groups"])))


@dataclass(frozen=True)
class GroupFacts:
    """All that makes a group again; it has no members."""

    group: Line
    gshadow: Line

    login = False

    @property
    def known_by(self) -> str:
        """See ``Account``."""
        return self.group[2]

    @property
    def seen(self) -> Mapping[str, str]:
        """See ``Account``."""
        return {"number": self.group[2]}

    def dump(self) -> bytes:
        """See ``Account``."""
        return sealed({"group": self.group, "gshadow": self.gshadow})

    @classmethod
    def of(cls, raw: bytes) -> "GroupFacts":
        """What ``dump`` wrote; raises as ``account_form.opened``."""
        body = opened(raw)
        return cls(_read(body, "group", 4), _read(body, "gshadow", 4))


def user_in(lists: Lists, name: str, mark: str = "") -> UserFacts | None:
    """A user as he is, but for this ``mark`` of ours; None: there is none, or not all of him."""
    passwd, shadow = lists.one("passwd", name), lists.one("shadow", name)
    if passwd is None or shadow is None:
        return None
    inside = [line[0] for line in lists.lines["group"] if len(line) == 4 and name in _names(line[3])]
    if mark and shadow[_EXPIRES] == mark:
        shadow = (*shadow[:_EXPIRES], "", *shadow[_EXPIRES + 1 :])
    return UserFacts(passwd, shadow, tuple(sorted(inside)))


def group_in(lists: Lists, name: str) -> GroupFacts | None:
    """A group as it is, without its members; None: there is none, or not all of it."""
    group, gshadow = lists.one("group", name), lists.one("gshadow", name)
    if group is None or gshadow is None:
        return None
    return GroupFacts((*group[:3], ""), (gshadow[0], _original(gshadow[1]), "", ""))


def user_mark(lists: Lists, name: str) -> str | None:
    """The day on which a user expired by a mark of ours; empty: he has no such; None: there is none.

    A removal that was cut short leaves the line of ``shadow``, which has the mark, alone.
    """
    shadow = lists.one("shadow", name)
    day = shadow[_EXPIRES] if shadow is not None and _is_mark(shadow[_EXPIRES]) else ""
    return day if day or lists.named("passwd", name) else None


def group_mark(lists: Lists, name: str) -> str | None:
    """What ``mark_of_group`` made; empty: it has none; None: there is no such group.

    A removal that was cut short leaves the line of ``gshadow``, which has the mark, alone.
    """
    gshadow = lists.one("gshadow", name)
    is_marked = gshadow is not None and gshadow[1].startswith(_GROUP_MARK)
    mark = gshadow[1].partition("=")[0] if gshadow is not None and is_marked else ""
    return mark if mark or lists.named("group", name) else None


def mark_of_user(operation: str) -> str:
    """The day for an operation, which ends with ``_new`` where a restore makes him."""
    number = int(hashlib.sha256(operation.encode()).hexdigest()[:8], 16) % _DAYS
    return str(_FROM + number + (_DAYS if operation.endswith(_PREPARED) else 0))


def mark_of_group(operation: str) -> str:
    """What stands before a group's own password, with which nobody can become its member."""
    return f"{_GROUP_MARK}{operation}"


def is_prepared(mark: str) -> bool:
    """Whether a restore has made it, and it has not appeared."""
    return mark.endswith(_PREPARED) or (_is_mark(mark) and int(mark) >= _FROM + _DAYS)


def is_torn(lists: Lists, kind: Kind, name: str) -> bool:
    """Whether a removal was cut short: its number is gone, and something else of it is there."""
    first, second = ("passwd", "shadow") if kind == "user" else ("group", "gshadow")
    return not lists.named(first, name) and bool(lists.named(second, name))


def is_half(lists: Lists, kind: Kind, name: str, facts: "UserFacts | GroupFacts | None" = None) -> bool:
    """Whether the making of it was cut short; where ``facts`` are given, of just this one."""
    first, second = ("passwd", "shadow") if kind == "user" else ("group", "gshadow")
    line = lists.one(first, name)
    same = facts is None or line == (facts.passwd if isinstance(facts, UserFacts) else facts.group)
    return line is not None and same and not lists.named(second, name)


def is_gone(lists: Lists, kind: Kind, name: str) -> bool:
    """Whether nothing of it is in any list."""
    if kind == "group":
        return not lists.named("group", name) and not lists.named("gshadow", name)
    lines = [*lists.lines["group"], *lists.lines["gshadow"]]
    inside = any(name in _names(field) for line in lines if len(line) == 4 for field in line[2:])
    return not inside and not any(
        lists.named(which, name) for which in ("passwd", "shadow", "subuid", "subgid")
    )


def keeps_user(
    lists: Lists, name: str, ours: Collection[int], groups: Collection[str], mark: str = ""
) -> str:
    """Why a user stays, by the lists alone; empty: nothing there keeps him.

    Args:
        lists: of his machine.
        name: his.
        ours: numbers that we ourselves work as.
        groups: those that go with him.
        mark: of ours, which he has.
    """
    facts, number = user_in(lists, name, mark), lists.number("user", name)
    if facts is None or number is None or facts.passwd[1] != "x" or facts.shadow[_UNUSED]:
        return "odd"
    if not _NAME.fullmatch(name) or not all(_is_day(field) for field in facts.shadow[2:_EXPIRES]):
        return "odd"
    names = {"shared": len(lists.having("user", number)) > 1, "ours": number in ours or _is_ours(name)}
    names["system"] = not FIRST <= number < PAST
    names["password"] = not _is_closed(facts.shadow[1])
    names["expires"] = facts.shadow[_EXPIRES] != ""
    names["numbers"] = any(
        line[0] in (name, str(number)) for which in ("subuid", "subgid") for line in lists.lines[which]
    )
    names["odd"] = not _agree(lists, name)
    private = lists.private_group(name)
    names["group"] = private != "" and private not in groups
    order = ("system", "ours", "shared", "password", "expires", "numbers", "odd", "group")
    return next((reason for reason in order if names[reason]), "")


def keeps_group(lists: Lists, name: str, ours: Collection[int], users: Collection[str]) -> str:
    """Why a group stays, by the lists alone; ``users``: those that go with it; else as ``keeps_user``."""
    facts, number = group_in(lists, name), lists.number("group", name)
    if facts is None or number is None or facts.group[1] != "x" or not _NAME.fullmatch(name):
        return "odd"
    group, gshadow = lists.named("group", name)[0], lists.named("gshadow", name)[0]
    members = {*_names(group[3]), *_names(gshadow[3])}
    first = {line[0] for line in lists.lines["passwd"] if len(line) == 7 and line[3] == str(number)}
    if not FIRST <= number < PAST:
        return "system"
    if number in ours or _is_ours(name):
        return "ours"
    if len(lists.having("group", number)) > 1:
        return "shared"
    if not _is_closed(facts.gshadow[1]):
        return "password"
    return "members" if _names(gshadow[2]) or (members | first) - set(users) else ""


def with_mark(mark: str, gshadow: Line) -> str:
    """The password of a group with a mark, or without any."""
    return f"{mark}={_original(gshadow[1])}" if mark else _original(gshadow[1])


def _agree(lists: Lists, name: str) -> bool:
    """Whether both lists of groups name the same ones, and he looks after none of them."""
    plain = {line[0] for line in lists.lines["group"] if len(line) == 4 and name in _names(line[3])}
    hidden = {line[0] for line in lists.lines["gshadow"] if len(line) == 4 and name in _names(line[3])}
    after = any(name in _names(line[2]) for line in lists.lines["gshadow"] if len(line) == 4)
    kept = {line[0] for line in lists.lines["gshadow"]}
    return not after and hidden == plain & kept


def _original(password: str) -> str:
    return password.partition("=")[2] if password.startswith(_GROUP_MARK) else password


def _is_mark(day: str) -> bool:
    return _is_number(day) and _FROM <= int(day) < _FROM + 2 * _DAYS


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11


def _is_day(text: str) -> bool:
    return not text or _is_number(text)


def _is_ours(name: str) -> bool:
    """Whether it is called as what the bot and the worker work as, also where that is another machine's."""
    return name.startswith("countersign")


def _is_closed(password: str) -> bool:
    """Whether no password gives this."""
    return password[:1] in ("!", "*")


def _names(field: str) -> tuple[str, ...]:
    return tuple(name for name in field.split(",") if name)


def _lines(text: bytes) -> tuple[Line, ...]:
    found = text.decode(errors="surrogateescape").split("\n")
    return tuple(tuple(line.split(":")) for line in found if line)


def _read(body: Mapping[str, Any], word: str, fields: int) -> Line:
    line = tuple(map(str, body.get(word, ())))
    if len(line) != fields:
        raise NotOurs("backups.damaged")
    return line


def _hash(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
