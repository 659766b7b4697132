"""Windows, closed periods, a reminder, counts and caps, through the Slack door."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox import crm
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hours")]

ORDERS = """  - name: orders
    when: {{operation: delete-records, target: crm, record: order{rows}}}
    request: [support]
    approve: [1 of dba, 1 of data-owner]
    expires: {expires}
"""


def orders(text: str, expires: str = "4h", rows: str = "") -> str:
    return text.replace("rules:\n", "rules:\n" + ORDERS.format(expires=expires, rows=rows))


def with_rule(text: str, line: str) -> str:
    return text.replace("    drift: {rows: 0}\n", f"    drift: {{rows: 0}}\n    {line}\n", 1)


def at_minute(moment: datetime) -> str:
    return f'"{moment:%H:%M}"'


def card(rig: Rig, ballot: Message, *words: str) -> str:
    """The card, as soon as it says that."""
    found = rig.wait(
        lambda: text if all(word in (text := shown_text(rig.card(ballot))) for word in words) else "",
        f"a card with {words}, not {shown_text(rig.card(ballot))}",
    )
    return str(found)


def test_what_is_approved_before_its_window_starts_when_it_opens_and_the_card_says_when(
    tmp_path: Path,
) -> None:
    opens = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if opens - datetime.now(UTC) < timedelta(seconds=40):
        opens += timedelta(minutes=1)
    window = (
        f"window: {{from: {at_minute(opens)}, to: {at_minute(opens + timedelta(minutes=30))}, zone: UTC}}"
    )
    with Rig(tmp_path, lambda text: with_rule(text, window)) as rig:
        ballot = rig.ask_to_delete()
        assert f"Starts only: daily {opens:%H:%M}" in card(rig, ballot, "Starts only").replace("*", "")
        rig.approve(ballot)
        rig.wait_state(1, "approved")
        said = card(rig, ballot, "in its window")
        assert f"{opens:%H:%M}, UTC), in its window" in said
        assert "past the end of the window" in said
        assert "Stop" in str(rig.card(ballot).blocks)
        rig.wait_state(1, "succeeded", patience=110)
        began = rig.row("SELECT started_at FROM jobs WHERE state = 'done'")[0] / 1e6
        assert began >= opens.timestamp()
        assert not rig.ada_is_there()


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The calendar is closed until tomorrow; orders have little more than five minutes to be decided."""
    today = datetime.now(UTC)
    closed = f"{{from: {today:%Y-%m-%d}, to: {today + timedelta(days=1):%Y-%m-%d}, why: stocktaking}}"
    calendar = f"calendar: {{zone: UTC, closed: [{closed}]}}\nbackups:"
    with Rig(
        tmp_path_factory.mktemp("shut"), lambda text: orders(text, "302s").replace("backups:", calendar)
    ) as rig:
        yield rig


def test_in_a_closed_period_all_is_decided_and_nothing_starts_but_what_stops(shut: Rig) -> None:
    ballot = shut.ask_to_delete()
    number = _number(shut, ballot)
    assert "stocktaking" in card(shut, ballot, "Closed")
    shut.approve(ballot)
    shut.wait_state(number, "approved")
    starts, now = (
        shut.row("SELECT starts_at FROM requests WHERE number = ?", number)[0] / 1e6,
        datetime.now(UTC),
    )
    assert starts > now.timestamp()
    assert datetime.fromtimestamp(starts, UTC).strftime("%H:%M:%S") == "00:00:00"
    jobs = "SELECT j.id FROM jobs j JOIN requests r ON r.id = j.request_id WHERE r.number = ?"
    assert shut.rows(jobs, number) == []
    # One takes an approval back and gives it again; then somebody stops it.
    shut.slack.as_user("U0BOB").unreact("C0DELETIONS", ballot.ts, "white_check_mark")
    shut.wait_state(number, "pending")
    shut.approve(ballot, "U0BOB")
    shut.wait_state(number, "approved")
    since = shut.command("U0BOB", "/countersign", f"stop {number}")
    assert f"#{number} is stopped" in shut.told("U0BOB", since, "is stopped")
    assert shut.state(number) == "stopped"
    assert shut.ada_is_there()


def test_freezing_takes_one_person_and_unfreezing_a_quorum_also_in_a_closed_period(shut: Rig) -> None:
    since = shut.command("U0ALICE", "/countersign", "freeze crm -- smoke")
    assert "frozen" in shut.told("U0ALICE", since)
    lifting = shut.ballot(shut.command("U0BOB", "/countersign", "unfreeze crm -- no smoke"))
    assert shut.row("SELECT frozen_by FROM targets WHERE name = 'crm'") == ("U0ALICE",)
    shut.react("U0BOB", lifting)
    shut.react("U0CAROL", lifting)
    shut.wait_state(_number(shut, lifting), "succeeded")
    assert shut.row("SELECT frozen_by FROM targets WHERE name = 'crm'") == (None,)


def test_one_reminder_names_what_is_missing_also_over_a_restart(shut: Rig) -> None:
    order = shut.contents()["orders"][0][0]
    ballot = shut.ballot(shut.command("U0ALICE", "/delete-records", f"crm order {order} -- wrong order"))
    shut.react("U0CAROL", ballot)

    def said() -> list[str]:
        texts = [shown_text(one) for one in shut.thread(ballot.thread_ts)]
        return [text for text in texts if "still short of approvals" in text]

    (first,) = shut.wait(said, "the reminder")
    assert re.search(r"1 × dba", first)
    shut.stop("worker")
    shut.start_worker()
    shut.ballot(
        shut.command("U0ALICE", "/delete-records", f"crm order {shut.contents()['orders'][1][0]} -- another")
    )
    assert said() == [first]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Orders may have one row at most."""
    folder = tmp_path_factory.mktemp("small")
    with Rig(folder, lambda text: orders(text, rows=", rows: {at_most: 1}")) as rig:
        yield rig


@contextmanager
def under(rig: Rig, change: Callable[[str], str]) -> Iterator[str]:
    """Another configuration for the next worker to start, and the old one afterwards: others use this rig."""
    file = rig.folder / "countersign.yml"
    text = file.read_text(encoding="utf-8")
    rig.stop("worker")
    file.write_text(change(text), encoding="utf-8")
    try:
        yield text
    finally:
        file.write_text(text, encoding="utf-8")
        rig.stop("worker")
        rig.start_worker()


def test_another_count_than_expected_is_refused_with_both_numbers(small: Rig) -> None:
    since = small.command("U0ALICE", "/delete-records", f"crm customer {crm.ADA_EMAIL} expect 3 -- GDPR")
    told = small.told("U0ALICE", since, "expected")
    found = re.search(r"you expected 3, the plan found ([0-9,]+)\.", told)
    assert found
    rows = int(found[1].replace(",", ""))
    ballot = small.ballot(
        small.command("U0ALICE", "/delete-records", f"crm customer {crm.ADA_EMAIL} expect {rows} -- GDPR")
    )
    assert f"{rows} rows, as" in card(small, ballot, "Expected")
    since = small.command("U0ALICE", "/countersign", f"cancel {_number(small, ballot)}")
    small.told("U0ALICE", since, "cancelled")


def test_size_alone_is_refused_with_the_numbers_and_whom_to_ask(small: Rig) -> None:
    # Its record type is named by no other rule, so that only its size is in the way.
    order = small.contents()["orders"][0][0]
    with under(small, lambda text: text.replace("rows: {at_most: 5000}", "rows: {at_most: 2}")) as text:
        assert text.count("record: order") == 1
        small.start_worker()
        since = small.command("U0ALICE", "/delete-records", f"crm order {order} -- wrong order")
        told = small.told("U0ALICE", since, "largest rule")
        assert re.search(r"[0-9]+ rows; the largest rule allows 2\. Ask <@U0CAROL>", told), told


def test_of_two_that_are_approved_at_once_near_a_cap_one_runs(small: Rig) -> None:
    """The cap came after both were planned, so that only the gate is left to see it."""
    emails = [small.somebody()]
    emails.append(
        next(
            str(row[1])
            for row in small.contents()["customers"]
            if "@" in str(row[1])
            and str(row[1]) not in emails
            and " " not in str(row[1])
            and [str(one[1]) for one in small.contents()["customers"]].count(str(row[1])) == 1
        )
    )
    ballots = [small.ask_to_delete(email) for email in emails]
    numbers = [_number(small, ballot) for ballot in ballots]
    with under(small, lambda text: with_rule(text, "limit: {requests: 1, per: 1h}")):
        for ballot in ballots:
            small.approve(ballot)
        for number in numbers:
            small.wait_state(number, "approved")
        small.start_worker()
        ends = sorted(small.wait_state(number, "succeeded", "cancelled", "failed") for number in numbers)
        assert ends == ["cancelled", "succeeded"]
        left = [row for row in small.contents()["customers"] if str(row[1]) in emails]
        assert len(left) == 1
        lost = next(
            ballot
            for ballot, number in zip(ballots, numbers, strict=True)
            if small.state(number) == "cancelled"
        )
        assert "caps requests on crm at 1 in 1h, and 1 are taken already" in card(small, lost, "caps")
        since = small.command("U0ALICE", "/delete-records", f"crm customer {left[0][1]} -- once more")
        assert "caps requests on crm at 1 in 1h" in small.told("U0ALICE", since, "caps")


def _number(rig: Rig, ballot: Message) -> int:
    found = re.search(r"#([0-9]+)", shown_text(ballot))
    assert found
    return int(found[1])
