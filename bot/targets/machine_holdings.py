"""Users and groups of the machine, each as a holding; see ``bot.targets.machine_accounts``."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bot.errors import CannotProve
from bot.targets.machine_accounts import MachineAccount
from bot.targets.machine_lines import (
    GroupFacts,
    Kind,
    Lists,
    UserFacts,
    group_in,
    group_mark,
    is_half,
    is_torn,
    mark_of_group,
    mark_of_user,
    user_in,
    user_mark,
    with_mark,
)
from bot.targets.machine_people import Machine
from bot.targets.machine_programs import change, lists_of, make_group, make_user, scratch
from bot.targets.ports import Told


class MachineUser(MachineAccount[UserFacts]):
    """A user of the machine; see ``MachineAccount``."""

    _kind = "user"
    _member = ".user.json"

    def _facts(self, lists: Lists, mark: str = "") -> UserFacts | None:
        return user_in(lists, self._role, mark)

    def _mark_in(self, lists: Lists) -> str | None:
        return user_mark(lists, self._role)

    def _mark_for(self, operation: str) -> str:
        return mark_of_user(operation)

    def _write_mark(self, root: Path, mark: str) -> None:
        change(root, "usermod", "--expiredate", mark, self._role)

    def _create(self, root: Path, wanted: UserFacts, mark: str) -> None:
        make_user(root, wanted, mark)

    def _delete(self, root: Path, lists: Lists) -> None:
        if not lists.named("passwd", self._role):
            # Only of a user that is there it takes the rest away.
            mark = self._mark_in(lists) or mark_of_user("")
            gid = next((line[2] for line in lists.lines["group"] if len(line) == 4), "0")
            quiet = ["--no-create-home", "--no-user-group", "--no-log-init", "--home-dir", "/nonexistent"]
            closed = ["--password", "!", "--expiredate", mark, "--shell", "/usr/sbin/nologin"]
            change(root, "useradd", *quiet, *closed, "-K", "SUB_UID_COUNT=0", "--gid", gid, self._role)
        change(root, "userdel", self._role)

    def _is_begun(self, lists: Lists, wanted: UserFacts) -> bool:
        return is_half(lists, "user", self._role, wanted)

    def _require_ground(self, lists: Lists, kept: Mapping[str, Any]) -> None:
        self._require_number(lists, int(kept["number"]))
        there = {line[0] for line in lists.lines["group"]} | self._machine.groups
        first = str(kept["gid"])
        lacking = sorted(set(kept["groups"]) - there)
        if kept["first"] not in self._machine.groups and not lists.having("group", int(first)):
            lacking.insert(0, f"{kept['first']} ({first})")
        if lacking:
            raise CannotProve("machine.no-group", who=self._place, groups=", ".join(lacking), n=len(lacking))

    def _kept(self, found: UserFacts) -> Mapping[str, Any]:
        lists = self._machine.lists()
        first = (*lists.having("group", int(found.passwd[3])), "")[0]
        return {
            "number": int(found.passwd[2]),
            "gid": int(found.passwd[3]),
            "first": first,
            "groups": list(found.groups),
        }

    def _read(self, raw: bytes) -> UserFacts:
        return UserFacts.of(raw)

    def _scratch(self, wanted: UserFacts) -> AbstractContextManager[Path]:
        return scratch(self._machine.lists(), wanted.groups, wanted.passwd[3])

    def _shown(self, found: UserFacts) -> Sequence[Told]:
        first = (*self._machine.lists().having("group", int(found.passwd[3])), "")[0]
        groups = ", ".join(dict.fromkeys([*([first] if first else [found.passwd[3]]), *found.groups]))
        about: Told = (
            "told.machine-user",
            {"user": self._role, "number": found.passwd[2], "groups": groups, "home": found.passwd[5] or "-"},
        )
        return (about, *self._looked())


class MachineGroup(MachineAccount[GroupFacts]):
    """A group of the machine; see ``MachineAccount``."""

    _kind = "group"
    _member = ".group.json"

    def _facts(self, lists: Lists, mark: str = "") -> GroupFacts | None:  # noqa: ARG002 - a mark says what stood there
        return group_in(lists, self._role)

    def _mark_in(self, lists: Lists) -> str | None:
        return group_mark(lists, self._role)

    def _mark_for(self, operation: str) -> str:
        return mark_of_group(operation)

    def _write_mark(self, root: Path, mark: str) -> None:
        line = lists_of(root).one("gshadow", self._role)
        if line is None:
            raise CannotProve("machine.not-alone", who=self._place, what="odd")
        change(root, "groupmod", "--password", with_mark(mark, line), self._role)

    def _create(self, root: Path, wanted: GroupFacts, mark: str) -> None:
        make_group(root, wanted, with_mark(mark, wanted.gshadow))

    def _delete(self, root: Path, lists: Lists) -> None:
        if is_torn(lists, "group", self._role):
            # Only of a group that is there it takes the rest away.
            password = lists.named("gshadow", self._role)[0][1]
            change(root, "groupadd", "--password", password, self._role)
        change(root, "groupdel", self._role)

    def _is_begun(self, lists: Lists, wanted: GroupFacts) -> bool:
        return is_half(lists, "group", self._role, wanted)

    def _require_ground(self, lists: Lists, kept: Mapping[str, Any]) -> None:
        self._require_number(lists, int(kept["number"]))

    def _kept(self, found: GroupFacts) -> Mapping[str, Any]:
        return {"number": int(found.group[2])}

    def _read(self, raw: bytes) -> GroupFacts:
        return GroupFacts.of(raw)

    def _scratch(self, wanted: GroupFacts) -> AbstractContextManager[Path]:  # noqa: ARG002 - it needs nobody
        return scratch(self._machine.lists(), (), "")

    def _shown(self, found: GroupFacts) -> Sequence[Told]:
        return (("told.machine-group", {"group": self._role, "number": found.group[2]}), *self._looked())


def holding_of(kind: Kind, name: str, machine: Machine, role: str) -> MachineUser | MachineGroup:
    """The holding for one part."""
    return (MachineUser if kind == "user" else MachineGroup)(name, machine, role)
