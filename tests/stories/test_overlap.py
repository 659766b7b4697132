"""Two requests about the same rows: each row goes once, both threads stay true, and both ways back work."""

from collections.abc import Iterator

import pytest

from bot.sandbox.slack.workspace import Message
from tests.stories.rig import Rig

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def buyer(rig: Rig) -> tuple[int, str, int]:
    """A customer who can be named by e-mail, and one of several orders."""
    tables = rig.contents()
    orders: dict[int, list[int]] = {}
    for row in tables["orders"]:
        orders.setdefault(row[1], []).append(row[0])
    emails = [row[1] for row in tables["customers"]]
    return next(
        (row[0], row[1], orders[row[0]][0])
        for row in tables["customers"]
        if row[1] and "@" in row[1] and " " not in row[1] and emails.count(row[1]) == 1
        if len(orders.get(row[0], ())) > 1
    )


def asked(rig: Rig, what: str) -> Message:
    return rig.ballot(rig.command("U0ALICE", "/delete-records", f"crm {what} -- why"))


def restored(rig: Rig, number: int, becomes: int) -> None:
    ballot = rig.ballot(rig.command("U0ERIN", "/restore", f"#{number} -- why"))
    rig.approve(ballot, "U0BOB")
    rig.wait_state(becomes, "succeeded")


def backed_up(rig: Rig) -> int:
    return int(rig.row("SELECT count(*) FROM backups WHERE state = 'kept'")[0])


def test_what_another_request_has_taken_along_is_not_deleted_again(rig: Rig) -> None:
    before = rig.contents()
    _, email, order = buyer(rig)
    whole, part = asked(rig, f"customer {email}"), asked(rig, f"order {order}")
    since = rig.slack.core.stamp()
    rig.approve(whole)
    rig.wait_state(1, "succeeded")
    rig.approve(part)
    rig.wait_state(2, "refused")
    assert "matches no row of orders" in rig.told("U0ALICE", since, "order")
    assert order not in {row[0] for row in rig.contents()["orders"]}
    assert backed_up(rig) == 1
    restored(rig, 1, 3)
    assert rig.contents() == before


def test_a_request_of_which_another_took_a_part_is_planned_and_voted_on_again(rig: Rig) -> None:
    before = rig.contents()
    customer, email, order = buyer(rig)
    whole, part = asked(rig, f"customer {email}"), asked(rig, f"order {order}")
    rig.approve(part)
    rig.wait_state(2, "succeeded")
    since = rig.slack.core.stamp()
    rig.approve(whole)
    again = rig.ballot(since)
    assert rig.row("SELECT state, revision FROM requests WHERE number = 1") == ("pending", 2)
    assert customer in {row[0] for row in rig.contents()["customers"]}
    rig.approve(again)
    rig.wait_state(1, "succeeded")
    assert backed_up(rig) == 2
    restored(rig, 1, 3)
    restored(rig, 2, 4)
    assert rig.contents() == before


def test_the_same_customer_asked_for_twice_goes_once(rig: Rig) -> None:
    before = rig.contents()
    _, email, _ = buyer(rig)
    first, second = asked(rig, f"customer {email}"), asked(rig, f"customer {email}")
    for person in ("U0BOB", "U0CAROL"):
        rig.react(person, first)
        rig.react(person, second)
    rig.wait(lambda: {rig.state(1), rig.state(2)} == {"succeeded", "refused"}, "one of each", patience=60)
    assert backed_up(rig) == 1
    done = 1 if rig.state(1) == "succeeded" else 2
    restored(rig, done, 3)
    assert rig.contents() == before
