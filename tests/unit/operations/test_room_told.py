"""The plan says when a test restore will not find room, before anything is stopped for it."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from bot.config.database_types import Database
from bot.config.types import Target
from bot.operations import teardown
from bot.operations.teardown import Host
from bot.targets.system import Survey, System, Users
from bot.texts import say

MB = 1_000_000
CASES = {
    "room enough": ("files", 10, 5 * MB, 6 * MB, ()),
    "too little": ("files", 10, 5 * MB, 4 * MB, ((6, 4),)),
    "many little files": ("files", 1000, 1 * MB, 4 * MB, ((6, 4),)),
    "full to the last byte": ("files", 1, 1, 0, ((1, 0),)),
    "nobody knows a server's disk": ("database", 10, 5 * MB, 0, ()),
    "a file of a database": ("database", 10, 5 * MB, 4 * MB, ((6, 4),)),
}


@dataclass(frozen=True)
class Part:
    """A part of a system that only says how large it is."""

    found: Survey
    name: str = "uploads"

    def survey(self) -> Survey:
        return self.found

    def users(self, _operation: str) -> Users:
        return Users((), 0)


@pytest.mark.parametrize("case", CASES)
def test_too_little_room_for_the_test_restore_is_told_in_the_plan(case: str) -> None:
    kind, items, size, free, wanted = CASES[case]
    part = Part(Survey("uploads", kind, "/srv/uploads", {"path": "/srv/uploads"}, items, size, free, ()))
    spec = Target(name="crm", host="here", roots=("/srv",), database=Database(url="sqlite:////srv/crm.db"))
    plan, _ = teardown.plan(spec, System((), (cast("Any", part),), (), ()), Host("here", "m"), "t1")
    told = [one for one in plan.warnings if one.key == "told.little-room"]
    assert tuple((one.params["n"], one.params["free"]) for one in told) == wanted
    for language in ("en", "zh-CN"):
        assert all("uploads" in say(one.key, language, **one.params) for one in told)
