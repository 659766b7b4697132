"""Which steps of the tour are done, from what the channel shows."""

import pytest

from bot.sandbox.page.tour import Card, Step, as_json, steps

UP, SILENT = {"up": True}, {"up": False}
BOTH = frozenset({"U0BOB", "U0CAROL"})


def card(ts: str, operation: str, state: str, *voters: str) -> Card:
    return Card(ts, f"#{ts}", operation, state, frozenset(voters))


GONE = card("1", "delete-records", "succeeded", *BOTH)
BACK = card("2", "restore", "succeeded", "U0DAN")

CASES = [
    ("nothing was asked for", [], UP, ""),
    ("asked", [card("1", "delete-records", "pending")], UP, "ask"),
    ("Carol was first", [card("1", "delete-records", "pending", "U0CAROL")], UP, "ask second"),
    ("Dan is an administrator too", [card("1", "delete-records", "pending", "U0DAN")], UP, "ask first"),
    ("a vote of somebody else", [card("1", "delete-records", "pending", "U0ERIN")], UP, "ask"),
    ("both, and it runs", [card("1", "delete-records", "running", *BOTH)], UP, "ask first second"),
    ("gone, and nobody is named any more", [card("1", "delete-records", "succeeded")], UP, "ask first second gone"),
    ("one that was cancelled after one that went well", [GONE, card("3", "delete-records", "")], UP, "ask first second gone"),
    ("only one that was cancelled", [card("3", "delete-records", "")], UP, ""),
    ("restore asked for", [GONE, card("2", "restore", "pending")], UP, "ask first second gone restore"),
    ("a restore from before", [card("0", "restore", "succeeded"), GONE], UP, "ask first second gone"),
    ("back", [GONE, BACK], UP, "ask first second gone restore back"),
    ("the CRM first", [card("1", "teardown", "set-aside")], SILENT, "teardown silent"),
    ("on its way back", [card("1", "teardown", "stopped")], SILENT, "teardown silent"),
    ("put back", [card("1", "teardown", "stopped")], UP, "teardown silent put-back"),
    ("everything", [GONE, BACK, card("3", "teardown", "stopped")], UP, "ask first second gone restore back teardown silent put-back"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "crm", "done"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_done(found: list[Card], crm: dict[str, bool], done: str) -> None:
    assert " ".join(step.name for step in steps(found, crm) if step.done) == done


def named(found: list[Card], name: str) -> Step:
    return next(step for step in steps(found, UP) if step.name == name)


def test_a_restore_names_the_request_that_went() -> None:
    assert named([GONE], "restore").type.startswith("/restore #1 -- ")
    assert named([], "restore").type == ""


def test_a_teardown_asks_for_whoever_has_not_approved() -> None:
    assert named([card("1", "teardown", "pending")], "silent").who == "U0BOB"
    assert named([card("1", "teardown", "pending", "U0BOB")], "silent").who == "U0CAROL"


def test_the_page_gets_plain_values() -> None:
    assert as_json(steps([GONE], UP))[1] == {
        "name": "first",
        "who": "U0BOB",
        "done": True,
        "thread": "1",
        "type": "",
    }
