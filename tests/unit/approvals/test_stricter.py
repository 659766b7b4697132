"""What binds when a rule changes: the stricter of both, in every respect."""

from dataclasses import fields, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.approvals import quorum
from bot.approvals.quorum import Voter
from bot.approvals.standing import left
from bot.approvals.stricter import differences, merge
from bot.model.quorums import SlotSpec, simple
from bot.model.requests import Proof, RuleSpec

ROLES = ("dba", "legal", "ciso")
SLOTS = st.builds(SlotSpec, st.integers(1, 2), st.sampled_from(ROLES))
QUORUMS = st.lists(SLOTS, min_size=1, max_size=2).map(lambda slots: simple(*slots))
RULES = st.builds(
    RuleSpec,
    name=st.sampled_from(["one", "two"]),
    request=st.just(("support",)),
    quorums=st.tuples(QUORUMS),
    expires=st.integers(1, 5),
    cooling_off=st.integers(0, 5),
    drift_rows=st.integers(0, 5),
    proof=st.sampled_from([Proof.REACTION, Proof.CODE]),
    confirm=st.booleans(),
)
VOTERS = st.dictionaries(
    st.sampled_from(["U1", "U2", "U3", "U4"]), st.sets(st.sampled_from(ROLES)).map(frozenset)
)


@given(RULES, RULES, VOTERS)
def test_what_is_merged_is_never_easier_than_either(
    old: RuleSpec, new: RuleSpec, people: dict[str, frozenset[str]]
) -> None:
    both = merge(old, new)
    voters = [Voter(user, roles) for user, roles in people.items()]
    for one in (old, new):
        assert not quorum.decide(both.quorums, voters).reached or quorum.decide(one.quorums, voters).reached
        assert both.expires <= one.expires
        assert both.cooling_off >= one.cooling_off
        assert both.drift_rows <= one.drift_rows
        assert both.proof is Proof.CODE or one.proof is not Proof.CODE
        assert both.confirm or not one.confirm


@given(RULES, RULES, RULES)
def test_merging_again_changes_nothing_whoever_is_first(a: RuleSpec, b: RuleSpec, c: RuleSpec) -> None:
    """Two workers with two files must not write revision after revision against each other."""
    both = merge(a, b)
    for one in (a, b):
        assert not list(differences(both, merge(both, one)))
    assert not list(differences(merge(both, c), merge(merge(both, c), a)))
    assert set(merge(a, b).quorums) == set(merge(b, a).quorums)


@given(RULES)
def test_a_rule_that_is_only_called_otherwise_changes_nothing(rule: RuleSpec) -> None:
    assert not list(differences(rule, merge(rule, replace(rule, name="other", request=("dba",)))))


def test_every_part_of_a_rule_is_merged_or_said_not_to_bind() -> None:
    """Whoever adds a part says here, and in ``stricter``, what becomes of it when a policy changes."""
    merged = {"quorums", "expires", "cooling_off", "drift_rows", "proof", "confirm", "bounds"}
    assert {field.name for field in fields(RuleSpec)} == merged | {"name", "request"}


HELD = [(), ("dba",), ("legal",), ("dba", "legal")]


@pytest.mark.parametrize(("then", "now"), list(product(HELD, HELD)))
def test_an_approval_never_becomes_more_than_it_was(then: tuple[str, ...], now: tuple[str, ...]) -> None:
    plain = [simple(SlotSpec(1, "dba"), SlotSpec(1, "legal"))]
    found = left(then, now, plain)
    assert found.roles == set(then) & set(now)
    assert found.lost == set(then) - set(now)
    assert (found.why is None) is bool(found.roles)


@pytest.mark.parametrize(("then", "now"), list(product(HELD, HELD)))
def test_whoever_gains_or_loses_a_role_that_is_excepted_says_it_again(
    then: tuple[str, ...], now: tuple[str, ...]
) -> None:
    excepted = [simple(SlotSpec(2, "dba", but=("legal",)))]
    moved = ("legal" in then) != ("legal" in now)
    assert (left(then, now, excepted).why == "role-changed") is moved
