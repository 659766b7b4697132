"""What holds for every quorum: against brute force on all small cases, and on many larger ones by chance."""

import itertools
import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.approvals.quorum import Voter, decide, may_fill, unreachable
from bot.model.quorums import AllOf, AnyOf, Need, Quorum, SlotSpec, Stage, from_data, simple, to_data
from bot.store.requests import rule_from

ROLES = ("a", "b")
SLOTS = [SlotSpec(n, role, but) for n in (1, 2) for role in ROLES for but in ((), tuple(set(ROLES) - {role}))]
HELD = [frozenset(found) for n in range(3) for found in itertools.combinations(ROLES, n)]
#: Up to three people in every order, each with every set of roles.
CROWDS = [
    [Voter(f"U{place}", roles) for place, roles in enumerate(held)]
    for n in range(4)
    for held in itertools.product(HELD, repeat=n)
]


def ways(need: Need) -> Iterator[list[SlotSpec]]:
    """The seats of every way to meet a need, each a slot for one."""
    if isinstance(need, SlotSpec):
        yield [SlotSpec(1, need.role, need.but)] * need.count
    elif isinstance(need, AnyOf):
        for part in need.parts:
            yield from ways(part)
    else:
        for chosen in itertools.product(*(list(ways(part)) for part in need.parts)):
            yield [seat for seats in chosen for seat in seats]


def fits(seat: SlotSpec, voter: Voter) -> bool:
    return seat.role in voter.roles and not voter.roles & set(seat.but)


def met(needs: Sequence[Need], voters: Sequence[Voter]) -> bool:
    """By trying everybody on every seat."""
    return any(
        all(fits(seat, voter) for seat, voter in zip(seats, order, strict=True))
        for seats in ways(AllOf(tuple(needs)))
        for order in itertools.permutations(voters, len(seats))
    )


def reached(quorum: Quorum, voters: Sequence[Voter]) -> bool:
    """Side by side: everything together. In turn: the row of voters can be cut so that each stage has its piece."""
    if not quorum.in_turn:
        return met([need for stage in quorum.stages for need in stage.needs], voters)
    cuts = itertools.combinations_with_replacement(range(len(voters) + 1), len(quorum.stages) - 1)
    return any(
        all(
            met(stage.needs, voters[start:end])
            for stage, start, end in zip(quorum.stages, (0, *cut), (*cut, len(voters)), strict=True)
        )
        for cut in cuts
    )


def asking(*needs: Need) -> Quorum:
    return Quorum((Stage("", needs),))


def small_quorums() -> Iterator[Quorum]:
    for one in SLOTS:
        yield asking(one)
    for one, two in itertools.product(SLOTS, repeat=2):
        yield asking(AllOf((one, two)))
        yield asking(AnyOf((one, two)))
        yield Quorum((Stage("first", (one,)), Stage("then", (two,))), in_turn=True)
        yield Quorum((Stage("here", (one,)), Stage("there", (two,))), in_turn=False)
    singles = [SlotSpec(1, "a"), SlotSpec(1, "b"), SlotSpec(1, "a", ("b",))]
    for one, two, three in itertools.product(singles, repeat=3):
        yield asking(AllOf((AnyOf((one, two)), three)))
        yield asking(AnyOf((AllOf((one, two)), three)))
        yield asking(AllOf((three, AnyOf((AllOf((one, two)), AnyOf((two, three)))))))


SMALL = list(small_quorums())


def judge(quorum: Quorum, voters: Sequence[Voter]) -> None:
    """Everything that can be said of one decision."""
    verdict = decide([quorum], voters)
    assert verdict.reached == reached(quorum, voters), (quorum, voters)
    people = {voter.user: voter for voter in voters}
    seated = [one.user for one in verdict.filled]
    assert len(seated) == len(set(seated)), "nobody sits twice"
    for one in verdict.filled:
        assert any(slot.role == one.role and fits(slot, people[one.user]) for slot in quorum.slots)
    assert verdict.reached == (not verdict.missing and not verdict.later)
    assert not verdict.reached or decide([quorum], [people[user] for user in seated]).reached, (
        "who counts is enough"
    )


def test_there_are_hundreds_of_small_quorums_and_every_one_can_be_met() -> None:
    assert len(SMALL) > 300
    assert len(CROWDS) == 85
    crowd = [Voter(f"U{n}", frozenset({ROLES[n % 2]})) for n in range(8)]
    assert [one for one in SMALL if not decide([one], crowd).reached] == []


def test_matching_is_brute_force_on_all_small_cases() -> None:
    for quorum in SMALL:
        for voters in CROWDS:
            judge(quorum, voters)


def test_another_voter_never_loses_a_quorum_and_one_less_never_gains_it() -> None:
    """In every small case, the newcomer last, and whoever it is that goes."""
    for quorum in SMALL:
        known: dict[tuple[frozenset[str], ...], bool] = {}
        for voters in CROWDS:
            held = tuple(one.roles for one in voters)
            known[held] = now = decide([quorum], voters).reached
            assert now or not any(known[*held[:place], *held[place + 1 :]] for place in range(len(held))), (
                quorum,
                voters,
            )


def test_within_a_stage_the_order_of_voters_never_matters() -> None:
    for quorum in (one for one in SMALL if len(one.stages) == 1 or not one.in_turn):
        for held in itertools.combinations_with_replacement(HELD, 3):
            voters = [Voter(f"U{place}", roles) for place, roles in enumerate(held)]
            found = {decide([quorum], list(order)).reached for order in itertools.permutations(voters)}
            assert len(found) == 1, (quorum, voters)


def test_what_can_never_be_filled_is_what_everybody_together_does_not_fill() -> None:
    for quorum in SMALL:
        for voters in CROWDS:
            holders = {one.user: one.roles for one in voters}
            never = unreachable([quorum], holders, "U0")
            others = [one for one in voters if one.user != "U0"]
            together = Quorum(quorum.stages, in_turn=False)
            assert (not never) == reached(together, others), (quorum, voters)


# Larger ones, by chance

names = st.sampled_from(["dba", "legal", "ciso", "owner"])
slots = st.builds(
    SlotSpec,
    st.integers(1, 2),
    names,
    st.lists(st.sampled_from(["contractor", "legal"]), max_size=1).map(tuple),
).filter(lambda slot: slot.role not in slot.but)
needs = st.recursive(
    slots,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)),
        st.sampled_from([AllOf, AnyOf]),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=3,
)
stages = st.builds(
    lambda name, parts: Stage(name, tuple(parts)), names, st.lists(needs, min_size=1, max_size=2)
)
quorums = st.builds(
    lambda found, in_turn, veto: Quorum(tuple(found), in_turn, tuple(veto)),
    st.lists(stages, min_size=1, max_size=2, unique_by=lambda one: one.name),
    st.booleans(),
    st.lists(names, max_size=2, unique=True),
).filter(lambda one: sum(slot.count for slot in one.slots) <= 6)
crowds = st.lists(
    st.frozensets(st.sampled_from(["dba", "legal", "ciso", "owner", "contractor"]), max_size=4), max_size=5
).map(lambda found: [Voter(f"U{place}", roles) for place, roles in enumerate(found)])


@given(quorums, crowds)
def test_matching_is_brute_force_on_larger_cases_too(quorum: Quorum, voters: list[Voter]) -> None:
    judge(quorum, voters)


@given(st.lists(quorums, min_size=1, max_size=3), crowds)
def test_of_several_rules_every_one_binds(asked: list[Quorum], voters: list[Voter]) -> None:
    """A policy that was made laxer never makes an open request easier, for the earlier rule stays in the list."""
    each = [decide([one], voters).reached for one in asked]
    assert decide(asked, voters).reached == all(each)
    assert decide(asked, voters).reached <= decide(asked[:1], voters).reached


@given(quorums, crowds, crowds)
def test_more_people_and_more_roles_only_help(quorum: Quorum, voters: list[Voter], more: list[Voter]) -> None:
    late = [Voter(f"V{place}", one.roles) for place, one in enumerate(more)]
    if decide([quorum], voters).reached:
        assert decide([quorum], [*voters, *late]).reached


@given(quorums, crowds)
def test_who_votes_twice_counts_once_and_with_the_roles_of_both_times(
    quorum: Quorum, voters: list[Voter]
) -> None:
    assert decide([quorum], [*voters, *voters]) == decide([quorum], voters)
    stripped = [Voter(one.user, frozenset()) for one in voters]
    assert not decide([quorum], [*voters, *stripped]).filled


@given(quorums, crowds)
def test_nobody_sits_who_may_not_fill_a_slot(quorum: Quorum, voters: list[Voter]) -> None:
    seated = {one.user for one in decide([quorum], voters).filled}
    assert seated <= {one.user for one in voters if may_fill(quorum.slots, one.roles)}


def newcomers(need: Need) -> Iterator[list[frozenset[str]]]:
    """The people who would be enough for what is missing, by each of its alternatives."""
    for seats in ways(need):
        yield [frozenset({seat.role}) for seat in seats]


@given(quorums, crowds)
def test_what_the_card_says_is_missing_is_enough(quorum: Quorum, voters: list[Voter]) -> None:
    """Somebody for each seat that is told, in the order of the stages, by at least one of the ways it names."""
    verdict = decide([quorum], voters)
    wanted = [need for stage in (*verdict.missing, *verdict.later) for need in stage.needs]
    assert any(
        decide(
            [quorum], [*voters, *(Voter(f"N{place}", roles) for place, roles in enumerate(people))]
        ).reached
        for people in newcomers(AllOf(tuple(wanted)))
    )


# How it is kept


@given(quorums)
def test_a_quorum_is_read_back_as_it_was_written(quorum: Quorum) -> None:
    assert from_data(json.loads(json.dumps(to_data(quorum)))) == quorum


@given(st.lists(st.tuples(st.integers(1, 3), names), min_size=1, max_size=3))
def test_what_an_earlier_release_wrote_asks_for_the_same(wanted: list[tuple[int, str]]) -> None:
    old = {
        "name": "small erasure",
        "request": ["support"],
        "approve": [{"count": count, "role": role} for count, role in wanted],
        "expires": 14400,
        "cooling_off": 10,
        "drift_rows": 0,
    }
    rule = rule_from(json.loads(json.dumps(old)))
    assert rule.quorums == (simple(*(SlotSpec(count, role) for count, role in wanted)),)
    assert not rule.confirm


@pytest.mark.parametrize("broken", [{}, {"stages": [{"name": "", "needs": [{"some": 1}]}]}, {"stages": [{}]}])
def test_what_nobody_wrote_is_no_quorum(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        from_data({"in_turn": True, "veto": [], **broken})


@pytest.mark.parametrize("stages", [[], [{"name": "", "needs": []}], [{"name": "", "needs": [{"all": []}]}]])
def test_an_empty_quorum_is_reached_by_nobody(stages: list[object]) -> None:
    """n8n and others: an empty list of approvers reads as everyone."""
    empty = from_data({"stages": stages, "in_turn": True, "veto": []})
    assert not decide([empty], []).reached
    assert not decide([empty], [Voter("U1", frozenset({"dba"}))]).reached
    assert not decide([], [Voter("U1", frozenset({"dba"}))]).reached
