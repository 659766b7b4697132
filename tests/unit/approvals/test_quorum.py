"""The decision, case by case: what some people's approvals amount to, and what is said to be missing."""

from typing import Any

import pytest

from bot.approvals.quorum import Voter, cannot_be, decide, may_deny, may_fill, open_slots, unreachable
from bot.model.quorums import AllOf, AnyOf, Need, Quorum, SlotSpec, Stage, plain
from tests.fakes.rooms import TEAM, person

DBA, LEGAL, CISO = SlotSpec(1, "dba"), SlotSpec(1, "legal"), SlotSpec(1, "ciso")
TWO_DBA = SlotSpec(2, "dba")
PEOPLE = {
    "Dan": "dba",
    "Dora": "dba",
    "Del": "dba legal",
    "Leo": "legal",
    "Cid": "ciso",
    "Ext": "dba contractor",
    "All": "dba legal ciso",
}


def voters(names: str) -> list[Voter]:
    return [Voter(name, frozenset(PEOPLE[name].split())) for name in names.split()]


def quorum(*needs: Need) -> Quorum:
    return Quorum((Stage("", needs),))


def missing(names: str, *quorums: Quorum) -> list[str]:
    return [plain(need) for stage in decide(quorums, voters(names)).missing for need in stage.needs]


TWO_AND_ONE = quorum(TWO_DBA, AnyOf((LEGAL, CISO)))
DEEP = quorum(AnyOf((SlotSpec(2, "ciso"), AllOf((DBA, LEGAL)))))
NO_EXTERNALS = quorum(SlotSpec(2, "dba", ("contractor",)))
TWICE = quorum(AnyOf((DBA, SlotSpec(2, "ciso"))), CISO)
CASES: list[tuple[str, Quorum, str, list[str]]] = [
    ("nobody has voted", TWO_AND_ONE, "", ["2 × dba", "1 × legal / 1 × ciso"]),
    ("one of two dba", TWO_AND_ONE, "Dan", ["1 × dba", "1 × legal / 1 × ciso"]),
    ("both dba", TWO_AND_ONE, "Dan Dora", ["1 × legal / 1 × ciso"]),
    ("both dba and legal", TWO_AND_ONE, "Dan Dora Leo", []),
    ("both dba and ciso", TWO_AND_ONE, "Dan Dora Cid", []),
    ("one of several roles is moved to where the person is needed", TWO_AND_ONE, "Del Dan Dora", []),
    ("somebody with three roles still fills one slot", TWO_AND_ONE, "All Dan", ["1 × legal / 1 × ciso"]),
    ("three dba do not make a legal", TWO_AND_ONE, "Dan Dora Ext", ["1 × legal / 1 × ciso"]),
    ("legal and ciso do not make a dba", TWO_AND_ONE, "Leo Cid Dan", ["1 × dba"]),
    ("either two ciso, or dba and legal: none yet", DEEP, "", ["2 × ciso / (1 × dba + 1 × legal)"]),
    ("the nearer part is told as far as it is gone", DEEP, "Cid", ["1 × ciso / (1 × dba + 1 × legal)"]),
    ("both parts are begun", DEEP, "Cid Dan", ["1 × ciso / 1 × legal"]),
    ("the other part is complete", DEEP, "Cid Dan Leo", []),
    ("dba and legal in one person are one person", DEEP, "Del", ["2 × ciso / 1 × legal"]),
    ("somebody who sits elsewhere is not counted twice", TWICE, "Cid", ["1 × dba / 2 × ciso"]),
    ("the excepted do not count", NO_EXTERNALS, "Dan Ext", ["1 × dba"]),
    ("without the excepted it is met", NO_EXTERNALS, "Dan Ext Dora", []),
]


@pytest.mark.parametrize(("asked", "names", "lacks"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_what_approvals_amount_to(asked: Quorum, names: str, lacks: list[str]) -> None:
    assert missing(names, asked) == lacks
    assert decide([asked], voters(names)).reached == (not lacks)


FIRST, THEN = Stage("technical", (TWO_DBA,)), Stage("business", (LEGAL,))
IN_TURN = Quorum((FIRST, THEN))
TURNS: list[tuple[str, str, bool, list[str], list[str]]] = [
    ("the first stage is open, the second waits", "", False, ["technical"], ["business"]),
    ("what came before its stage was open does not count for it", "Leo Dan Dora", False, ["business"], []),
    ("what came after it was open counts", "Dan Dora Leo", True, [], []),
    ("whoever made the first stage complete is not in the second", "Dan Del", False, ["business"], []),
    ("one dba leaves the first stage open", "Dan Leo", False, ["technical"], ["business"]),
]


@pytest.mark.parametrize(
    ("names", "reached", "open_ones", "later"), [case[1:] for case in TURNS], ids=[case[0] for case in TURNS]
)
def test_stages_in_turn(names: str, reached: bool, open_ones: list[str], later: list[str]) -> None:
    found = decide([IN_TURN], voters(names))
    assert (found.reached, [s.name for s in found.missing], [s.name for s in found.later]) == (
        reached,
        open_ones,
        later,
    )


ALIKE = Quorum((Stage("first", (DBA,)), Stage("second", (DBA,))))
TURNED = Quorum((THEN, FIRST))
OPEN: list[tuple[str, list[Quorum], str, list[SlotSpec]]] = [
    ("the first stage alone", [IN_TURN], "", [TWO_DBA]),
    ("both, once the first is complete", [IN_TURN], "Dan Dora", [TWO_DBA, LEGAL]),
    ("the first of two that ask for the same", [ALIKE], "", [DBA]),
    ("the second of two that ask for the same", [ALIKE], "Dan", [DBA, DBA]),
    ("of a policy that turned the stages round, the first of each", [IN_TURN, TURNED], "", [TWO_DBA, LEGAL]),
]


@pytest.mark.parametrize(("asked", "names", "slots"), [case[1:] for case in OPEN], ids=[c[0] for c in OPEN])
def test_which_slots_are_open(asked: list[Quorum], names: str, slots: list[SlotSpec]) -> None:
    assert list(open_slots(asked, voters(names))) == slots


def test_stages_in_parallel_are_open_together_and_share_nobody() -> None:
    both = Quorum((FIRST, THEN), in_turn=False)
    assert decide([both], voters("Leo Dan Dora")).reached
    assert not decide([both], voters("Del Dan")).reached
    assert [stage.name for stage in decide([both], voters("Dan")).missing] == ["technical", "business"]


def test_of_several_quorums_each_must_be_reached() -> None:
    older, newer = quorum(DBA), quorum(LEGAL)
    assert not decide([newer, older], voters("Dan")).reached
    assert not decide([newer, older], voters("Leo")).reached
    assert decide([newer, older], voters("Dan Leo")).reached
    assert not decide([], voters("Dan")).reached


@pytest.mark.parametrize("asked", [quorum(), quorum(SlotSpec(0, "dba")), Quorum(())])
def test_a_rule_that_asks_for_nobody_is_never_met(asked: Quorum) -> None:
    assert not decide([asked], voters("Dan Leo Cid")).reached


def test_who_fills_which_slot_is_told() -> None:
    found = decide([TWO_AND_ONE], voters("Del Dan Dora")).filled
    assert {one.user: one.role for one in found} == {"Dan": "dba", "Dora": "dba", "Del": "legal"}


def test_who_may_fill_a_slot_and_who_may_only_deny() -> None:
    asked = Quorum((Stage("", (SlotSpec(1, "dba", ("contractor",)),)),), veto=("ciso",))
    assert may_fill(asked.slots, {"dba"})
    assert not may_fill(asked.slots, {"dba", "contractor"})
    assert not may_fill(asked.slots, {"ciso"})
    assert [role for role in ("dba", "ciso", "legal") if may_deny([asked], {role})] == ["dba", "ciso"]


UNREACHABLE: list[tuple[str, Quorum, dict[str, str], list[str]]] = [
    ("the requester never counts", quorum(DBA, LEGAL), {"U1": "dba", "U2": "legal"}, ["1 × dba"]),
    ("another holder helps", quorum(DBA, LEGAL), {"U1": "dba", "U2": "legal", "U3": "dba"}, []),
    ("too few people in several roles", quorum(DBA, LEGAL), {"U2": "dba legal"}, ["1 × legal"]),
    ("one part of several is enough", quorum(AnyOf((LEGAL, CISO))), {"U2": "ciso"}, []),
    ("no part can be had", quorum(AnyOf((LEGAL, CISO))), {"U2": "dba"}, ["1 × legal / 1 × ciso"]),
    ("the only holder is excepted", NO_EXTERNALS, {"U2": "dba", "U3": "dba contractor"}, ["1 × dba"]),
    ("stages share nobody", IN_TURN, {"U2": "dba", "U3": "dba legal"}, ["1 × legal"]),
]


@pytest.mark.parametrize(
    ("asked", "held", "lacks"), [case[1:] for case in UNREACHABLE], ids=[case[0] for case in UNREACHABLE]
)
def test_what_can_never_be_filled(asked: Quorum, held: dict[str, str], lacks: list[str]) -> None:
    holders = {user: roles.split() for user, roles in held.items()}
    found = unreachable([asked], holders, "U1")
    assert [plain(part) for need in found for part in getattr(need, "parts", (need,))] == lacks


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({}, None),
        ({"team": "T0OTHER"}, "person.outsider"),
        ({"team": ""}, "person.outsider"),
        ({"is_bot": True}, "person.bot"),
        ({"is_guest": True}, "person.guest"),
        ({"is_deactivated": True}, "person.deactivated"),
        ({"team": "T0OTHER", "is_bot": True, "is_guest": True}, "person.outsider"),
    ],
)
def test_who_cannot_take_part(flags: dict[str, Any], why: str | None) -> None:
    assert cannot_be(person("U1", **flags), TEAM) == why
