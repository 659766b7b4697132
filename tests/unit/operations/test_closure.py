"""The graph: what is followed, what is emptied, and an order in which nobody goes before its children."""

from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.operations.closure import components, reach
from bot.targets.base import Action, Edge


def link(child: str, parent: str, action: str = "cascade") -> Edge:
    return Edge(child, (f"{parent}_id",), parent, ("id",), cast("Action", action))


EDGES = st.lists(
    st.builds(
        link,
        st.sampled_from("abcdef"),
        st.sampled_from("abcdef"),
        st.sampled_from(["cascade", "no action", "restrict", "set null", "set default", "soft"]),
    ),
    max_size=14,
)


@pytest.mark.parametrize(
    ("action", "followed"),
    [
        ("cascade", True),
        ("no action", True),
        ("restrict", True),
        ("soft", True),
        ("set null", False),
        ("set default", False),
    ],
)
def test_what_is_followed_and_what_is_emptied(action: str, followed: bool) -> None:
    found = reach("a", [link("b", "a", action)])
    assert ("b" in found.tables) is followed
    assert found.touched == {"a", "b"}
    assert len(found.followed) == followed
    assert len(found.emptied) == (not followed)


def test_what_hangs_off_an_emptied_link_stays_out() -> None:
    found = reach("a", [link("b", "a", "set null"), link("c", "b")])
    assert found.touched == {"a", "b"}
    assert found.followed == ()


def test_parents_of_the_root_stay_out() -> None:
    assert reach("b", [link("b", "a")]).tables == {"b"}


POLICIES = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).map(lambda pair: link(*pair).label),
    st.sampled_from(["follow", "nullify", "block", "reassign"]),
)


def slow(root: str, edges: list[Edge], policies: dict[str, str]) -> dict[str, set[Edge]]:
    """By the words of the documentation: mark tables until no more can be marked, then sort the links."""

    def what(edge: Edge) -> str:
        otherwise = "nullify" if edge.action in ("set null", "set default") else "follow"
        return policies.get(edge.label, otherwise)

    marked = {root}
    for _ in range(len(edges) + 1):
        for edge in edges:
            if edge.parent in marked and what(edge) == "follow":
                marked.add(edge.child)
    found: dict[str, set[Edge]] = {name: set() for name in ("follow", "nullify", "block", "reassign")}
    for edge in edges:
        if edge.parent in marked:
            found[what(edge)].add(edge)
    return found


@given(EDGES, POLICIES)
def test_policies_decide_as_the_slow_way_does(edges: list[Edge], policies: dict[str, Any]) -> None:
    found, wanted = reach("a", edges, policies), slow("a", edges, policies)
    assert set(found.followed) == wanted["follow"]
    assert set(found.emptied) == wanted["nullify"]
    assert set(found.blocking) == wanted["block"]
    assert set(found.reassigned) == wanted["reassign"]
    assert found.tables == {"a"} | {edge.child for edge in wanted["follow"]}
    assert {label for label, _ in found.chosen} <= set(policies)
    assert reach("a", reversed(edges), policies) == found


@pytest.mark.parametrize("policy", ["nullify", "block", "reassign"])
def test_a_table_behind_a_link_that_is_not_followed_stays_out(policy: Any) -> None:
    found = reach("a", [link("b", "a"), link("c", "b")], {link("b", "a").label: policy})
    assert found.tables == {"a"}
    assert found.links == (link("b", "a"),)
    assert found.chosen == ((link("b", "a").label, policy),)


def test_a_link_that_the_database_empties_can_be_followed() -> None:
    found = reach("a", [link("b", "a", "set null"), link("c", "b")], {link("b", "a").label: "follow"})
    assert found.tables == {"a", "b", "c"}


@given(EDGES)
def test_the_reach_is_closed_and_the_order_of_edges_does_not_matter(edges: list[Edge]) -> None:
    found = reach("a", edges)
    for edge in found.followed:
        assert edge.parent in found.tables
        assert edge.child in found.tables
    for edge in edges:
        assert edge.parent not in found.tables or edge in found.followed or edge in found.emptied
    assert reach("a", reversed(edges)) == found


def paths(edges: list[Edge]) -> dict[str, set[str]]:
    known = {name: {name} for name in "abcdef"}
    for _ in "abcdef":
        for edge in edges:
            for below in known.values():
                if edge.parent in below:
                    below.add(edge.child)
    return known


@given(EDGES)
def test_parents_come_first_and_only_circles_stay_together(edges: list[Edge]) -> None:
    order = components("abcdef", edges)
    place = {name: number for number, circle in enumerate(order) for name in circle}
    assert sorted(place) == list("abcdef")
    below = paths(edges)
    for one in "abcdef":
        for other in below[one]:
            together = one in below[other]
            assert (place[one] == place[other]) == together
            assert place[one] <= place[other]
    assert components("fedcba", reversed(edges)) == order


def test_a_chain_longer_than_the_stack_is_no_problem() -> None:
    names = [f"t{number:05}" for number in range(5000)]
    edges = [link(child, parent) for parent, child in pairwise(names)]
    assert components(names, edges) == tuple((name,) for name in names)
    assert len(reach(names[0], edges[:200]).tables) == 201
