"""The first rule that matches decides, doubt means no, and a refusal says whom to ask."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.rule_types import Rule
from bot.config.types import Role
from bot.policy.rules import (
    Asked,
    Refusal,
    match,
    may_request,
    people_of,
    possible,
    refusal_while_filing,
    roles_of,
)

ROLES = {
    "support": Role(users=("U0ALICE",), owner="U0CAROL"),
    "dba": Role(usergroup="S0DBA", owner="U0CAROL"),
    "lead": Role(users=("U0ERIN",), usergroup="S0LEADS", owner="U0ZOE"),
    "orphan": Role(users=("U0FRED",)),
}


def rule(name: str, request: str = "support", **when: Any) -> Rule:
    return Rule.model_validate(
        {
            "name": name,
            "when": {"operation": "delete-records"} | when,
            "request": [request],
            "approve": ["1 of dba"],
        }
    )


def asked(**facts: Any) -> Asked:
    known: dict[str, Any] = {
        "operation": "delete-records",
        "target": "crm",
        "environment": "production",
        "record": "customer",
        "rows": 10,
    }
    return Asked(**(known | facts))


SMALL = rule("small", rows={"at_most": 10})
LARGE = rule("large", request="lead")
RULES = (SMALL, LARGE)

MATCHES = [
    ("exactly as many rows as allowed", RULES, asked(rows=10), "small"),
    ("one row more than allowed", RULES, asked(rows=11), "large"),
    ("no rows at all", RULES, asked(rows=0), "small"),
    ("rows unknown and a rule asks for them", RULES, asked(rows=None), None),
    ("rows unknown and no rule asks for them", (LARGE,), asked(rows=None), "large"),
    ("rows unknown but the rule is about another target", (rule("a", target="shop", rows={"at_most": 1}), LARGE), asked(rows=None), "large"),
    ("another operation", RULES, asked(operation="restore"), None),
    ("one of several operations", (rule("a", operation=["restore", "unfreeze"]),), asked(operation="unfreeze"), "a"),
    ("another target", (rule("a", target="shop"),), asked(), None),
    ("one of several targets", (rule("a", target=["shop", "crm"]),), asked(), "a"),
    ("the name of a target in another case", (rule("a", target="CRM"),), asked(), None),
    ("target unknown and a rule asks for it", (rule("a", target="shop"), LARGE), asked(target=None), None),
    ("another record", (rule("a", record="deal"),), asked(), None),
    ("no record where a rule asks for one", (rule("a", record="deal"),), asked(record=None), None),
    ("another environment", (rule("a", environment="test"),), asked(), None),
    ("a target without environment", (rule("a", environment="test"), LARGE), asked(environment=None), "large"),
    ("the first of two that match", (rule("a"), rule("b")), asked(), "a"),
    ("no rules at all", (), asked(), None),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "what", "name"), [c[1:] for c in MATCHES], ids=[c[0] for c in MATCHES])
def test_which_rule_decides(rules: tuple[Rule, ...], what: Asked, name: str | None) -> None:
    found = match(rules, what)
    assert (found.name if found else None) == name


def test_every_rule_that_could_decide_is_possible_up_to_the_first_that_certainly_does() -> None:
    rules = (SMALL, rule("other", target="shop"), LARGE, rule("never"))
    assert [one.name for one in possible(rules, asked(rows=None))] == ["small", "large"]
    assert [one.name for one in possible(rules, asked(rows=11))] == ["large"]
    assert possible((), asked()) == ()


FILING = [
    ("the role of the rule for small ones", {"support"}, None),
    ("the role of the rule for large ones", {"lead"}, None),
    ("another role", {"dba"}, Refusal(("support", "lead"), ("U0CAROL", "U0ZOE"))),
    ("no role", set(), Refusal(("support", "lead"), ("U0CAROL", "U0ZOE"))),
    ("a role of nobody's making", {"Support", ""}, Refusal(("support", "lead"), ("U0CAROL", "U0ZOE"))),
]


@pytest.mark.parametrize(("roles", "expected"), [c[1:] for c in FILING], ids=[c[0] for c in FILING])
def test_filing_is_refused_only_when_every_possible_rule_refuses(
    roles: set[str], expected: Refusal | None
) -> None:
    assert refusal_while_filing(RULES, asked(rows=None), roles, ROLES) == expected


def test_what_no_rule_covers_is_refused_without_a_role_to_ask_for() -> None:
    nothing = Refusal((), ())
    assert refusal_while_filing(RULES, asked(operation="restore"), {"support"}, ROLES) == nothing


def test_a_role_without_owner_names_the_role_only() -> None:
    refused = refusal_while_filing((rule("a", request="orphan"),), asked(), set(), ROLES)
    assert refused == Refusal(("orphan",), ())


HOLDING = [
    ("named in the file", "U0ALICE", {}, {"support"}),
    ("in the user group", "U0BOB", {"S0DBA": ["U0BOB"]}, {"dba"}),
    ("in a user group nobody asked about", "U0BOB", {}, set()),
    ("in a user group that is empty", "U0BOB", {"S0DBA": []}, set()),
    ("in another user group", "U0BOB", {"S0OTHER": ["U0BOB"]}, set()),
    ("named, while the group is unknown", "U0ERIN", {}, {"lead"}),
    ("in both", "U0ERIN", {"S0LEADS": ["U0ERIN"], "S0DBA": ["U0ERIN"]}, {"lead", "dba"}),
    ("the owner of a role", "U0CAROL", {}, set()),
    ("nobody", "", {"S0DBA": ["U0BOB"]}, set()),
]


@pytest.mark.parametrize(("user", "groups", "roles"), [c[1:] for c in HOLDING], ids=[c[0] for c in HOLDING])
def test_who_holds_which_role(user: str, groups: dict[str, list[str]], roles: set[str]) -> None:
    assert roles_of(ROLES, user, groups) == roles


def test_the_people_of_a_role_are_the_named_and_the_group() -> None:
    assert people_of(ROLES["lead"], {"S0LEADS": ("U0BOB",)}) == {"U0ERIN", "U0BOB"}
    assert people_of(ROLES["lead"], {}) == {"U0ERIN"}


def rules_lists() -> st.SearchStrategy[tuple[Rule, ...]]:
    names = st.lists(st.sampled_from(["crm", "shop"]), min_size=1, max_size=2, unique=True)
    whens = st.fixed_dictionaries(
        {"operation": st.lists(st.sampled_from(["delete-records", "restore"]), min_size=1)},
        optional={
            "target": names,
            "record": names,
            "environment": names,
            "rows": st.integers(0, 3).map(lambda n: {"at_most": n}),
        },
    )
    request = st.sampled_from(["support", "dba", "lead"])
    made = st.builds(lambda when, role: rule("r", role, **when), whens, request)
    return st.lists(made, max_size=4).map(tuple)


FACTS = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(["delete-records", "restore"]),
        "target": st.sampled_from([None, "crm", "shop"]),
        "environment": st.sampled_from([None, "crm", "shop"]),
        "record": st.sampled_from([None, "crm", "shop"]),
        "rows": st.sampled_from([None, 0, 1, 2, 3, 4]),
    }
)


def completions(facts: dict[str, Any]) -> list[Asked]:
    """Everything that could turn out once the unknown facts are known."""
    rows = [facts["rows"]] if facts["rows"] is not None else [0, 1, 2, 3, 4]
    if facts["target"] is not None:
        places = [(facts["target"], facts["environment"])]
    else:
        places = list(product(["crm", "shop"], [None, "crm", "shop"]))
    return [
        Asked(facts["operation"], target, environment, facts["record"], count)
        for (target, environment), count in product(places, rows)
    ]


@given(rules_lists(), FACTS)
def test_possible_holds_whatever_will_decide(rules: tuple[Rule, ...], facts: dict[str, Any]) -> None:
    could = [id(one) for one in possible(rules, Asked(**facts))]
    for known in completions(facts):
        decided = match(rules, known)
        assert decided is None or id(decided) in could


@given(rules_lists(), FACTS)
def test_a_match_in_ignorance_stands_whatever_turns_out(
    rules: tuple[Rule, ...], facts: dict[str, Any]
) -> None:
    early = match(rules, Asked(**facts))
    if early is not None:
        assert all(match(rules, known) is early for known in completions(facts))


@given(rules_lists(), FACTS, st.frozensets(st.sampled_from(["support", "dba", "lead"])))
def test_a_refusal_while_filing_is_never_premature(
    rules: tuple[Rule, ...], facts: dict[str, Any], roles: frozenset[str]
) -> None:
    if refusal_while_filing(rules, Asked(**facts), roles, ROLES) is not None:
        for known in completions(facts):
            decided = match(rules, known)
            assert decided is None or not may_request(decided, roles)
