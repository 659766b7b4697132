"""A list of records in a CSV file: put into the form, planned, approved, gone, and back again."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.sandbox import crm
from bot.sandbox.slack.responses import shown_text
from tests.stories.rig import PATIENCE, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("file-of-records")]

OTHER = "grace@example.com"
CARDS = "SELECT number FROM requests WHERE number IS NOT NULL ORDER BY 1"
#: What is put into the form, and what the one sentence about it says.
WRONG = {
    "a foreign column": (b"name\nAda\n", "is found by"),
    "a row that means nobody": (f"email\n{crm.ADA_EMAIL}\nno@example.com\n".encode(), "row 3"),
    "a value of another column": (b"email\n1\n", "row 2"),
    "a wildcard": (b"email\n%\n", "row 2"),
    "the same twice": (f"email\n{OTHER}\n{OTHER}\n".encode(), "Rows 2 and 3"),
    "not text": (b"\xff\xfe\x00", "UTF-8"),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def hand_over(rig: Rig, content: bytes, **more: Any) -> tuple[str, dict[str, str]]:
    """Fill in the form with a file; the moment, and what is told beside the fields."""
    alice = rig.slack.as_user("U0ALICE")
    since = rig.command("U0ALICE", "/delete-records", "crm customer")
    form = alice.wait_for_view("Delete", timeout=PATIENCE)
    filled = {"target": "crm", "record": "customer", "reason": "they all asked", **more}
    errors = alice.submit(form.id, {**filled, "file": alice.upload("list.csv", content)}).errors
    if errors:
        alice.close(form.id)
    return since, dict(errors)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_gets_one_sentence_and_changes_nothing(rig: Rig, case: str) -> None:
    content, expected = WRONG[case]
    before, cards = rig.contents(), rig.rows(CARDS)
    since, errors = hand_over(rig, content)
    assert not errors
    assert "example.com" not in rig.told("U0ALICE", since, expected)
    assert rig.contents() == before
    assert rig.rows(CARDS) == cards
    assert not rig.slack.violations


def test_values_beside_a_file_and_a_large_file_are_told_beside_the_field(rig: Rig) -> None:
    _, errors = hand_over(rig, b"email\nx\n", values="1")
    assert list(errors) == ["file"]
    _, errors = hand_over(rig, b"email\n" + b"x" * 300_000)
    assert list(errors) == ["file"]


def test_another_count_than_declared_is_refused(rig: Rig) -> None:
    before = rig.contents()
    since, errors = hand_over(rig, f"email\n{OTHER}\n".encode(), expected="100000")
    assert not errors
    assert "100,000" in rig.told("U0ALICE", since, "100,000")
    assert rig.contents() == before


def test_a_list_goes_after_approval_and_comes_back(rig: Rig) -> None:
    before = rig.contents()
    since, errors = hand_over(rig, f'\ufeffemail\r\n{crm.ADA_EMAIL}\r\n"{OTHER}"\r\n\r\n'.encode())
    assert not errors
    assert "stays in Slack" in rig.told("U0ALICE", since, "names 2 records")
    ballot = rig.ballot(since)
    number = rig.row("SELECT max(number) FROM requests")[0]
    rig.approve(ballot)
    rig.wait_state(number, "succeeded")
    receipts = rig.wait(rig.receipts, "a receipt")
    assert "on disk for a while" in shown_text(receipts[-1])
    left = {row[1] for row in rig.contents()["customers"]}
    assert not {crm.ADA_EMAIL, OTHER} & left
    assert len(before["customers"]) - len(rig.contents()["customers"]) == 2
    # What the file said is personal: it goes like everything that was typed.
    rig.wait(lambda: not rig.rows("SELECT 1 FROM erasable WHERE text LIKE ?", f"%{OTHER}%"), "texts erased")
    rig.wait(lambda: not any(OTHER in shown_text(one) for one in rig.room()), "messages redrawn")
    assert not rig.slack.violations
    rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", f"#{number} -- they came back")), "U0BOB")
    rig.wait_state(number + 1, "succeeded")
    assert rig.contents() == before
