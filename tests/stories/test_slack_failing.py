"""Slack fails in every way it does fail: in the end the thread is true, and nothing stands there twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.core import Delivery
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import NO, PATIENCE, YES, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slack-failing")]

BOB, CAROL, ALICE = "U0BOB", "U0CAROL", "U0ALICE"
APP = "U0COUNTERSIGN"


@pytest.fixture(scope="module", params=["sockets", "http"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    with Rig(folder, http=request.param == "http", retry_delays=(0.2, 0.5, 1.0)) as rig:
        yield rig


@pytest.fixture
def rig(whole: Rig) -> Iterator[Rig]:
    yield whole
    whole.slack.faults.let_go()
    whole.slack.faults.clear()
    assert not whole.slack.violations


def last_number(rig: Rig) -> int:
    return int(rig.row("SELECT max(number) FROM requests")[0])


def asked(rig: Rig) -> tuple[int, Message]:
    ballot = rig.ask_to_delete(rig.somebody())
    return last_number(rig), ballot


def asked_again(rig: Rig) -> tuple[int, Message]:
    """As somebody does who is told that it did not work."""
    since = rig.command(ALICE, "/delete-records", f"crm customer {rig.somebody()} -- why")
    while "Working" not in rig.told(ALICE, since):
        since = rig.command(ALICE, "/delete-records", f"crm customer {rig.somebody()} -- why")
    ballot = rig.ballot(since)
    return last_number(rig), ballot


def voted_again(rig: Rig, number: int, ballot: Message, voter: str) -> None:
    """As somebody does who is told that the vote does not count, because Slack did not say who they are.

    Which question Slack does not answer depends on what is still remembered by then.
    """

    def counted() -> bool:
        query = 'SELECT v."user" FROM votes v JOIN requests r ON r.id = v.request_id WHERE number = ?'
        return (voter,) in rig.rows(query, number)

    def told(since: str) -> bool:
        return any(one.ts > since for one in rig.slack.as_user(voter).private())

    def answered() -> bool:
        since = rig.react(voter, ballot)
        rig.wait(lambda: counted() or told(since), f"an answer to the vote of {voter}")
        return counted()

    while not answered():
        rig.slack.as_user(voter).unreact(DELETIONS, ballot.ts, YES)


def done(rig: Rig, number: int, ballot: Message) -> None:
    """The request succeeded, once, and its thread says so: one card, one plan, one ballot, one receipt."""
    rig.wait_state(number, "succeeded")
    rig.slack.wait_for(lambda: "done" in shown_text(rig.card(ballot)), PATIENCE)
    rig.slack.wait_for(
        lambda: any("Receipt" in shown_text(one) for one in rig.thread(ballot.thread_ts)), PATIENCE
    )
    assert no_doubles(rig, number, ballot)
    assert rig.row(
        "SELECT count(*) FROM jobs j JOIN requests r ON r.id = j.request_id WHERE number = ? AND j.state = 'done'",
        number,
    ) == (1,)


def no_doubles(rig: Rig, number: int, ballot: Message) -> bool:
    """Everything the bot posted about a request stands there exactly once."""
    cards = [one for one in rig.room() if one.thread_ts in ("", one.ts) and f"#{number} ·" in shown_text(one)]
    thread = [shown_text(one) for one in rig.thread(ballot.thread_ts) if one.user == APP]
    heads = [text.strip().splitlines()[0] for text in thread]
    assert len(cards) == 1
    assert len(heads) == len(set(heads)), heads
    return True


def test_slack_is_down_for_the_whole_job(rig: Rig) -> None:
    number, ballot = asked(rig)
    with closing(sqlite3.connect(rig.crm, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the job waits for the lock until Slack is gone
        rig.approve(ballot)
        rig.wait_state(number, "running")
        rig.slack.faults.down()
        other.execute("ROLLBACK")
    rig.wait_state(number, "succeeded")
    assert not rig.thread(ballot.thread_ts)[-1].reply_broadcast
    rig.slack.faults.up()
    done(rig, number, ballot)
    rig.slack.wait_for(rig.slack.reaches_app, PATIENCE)


def test_slack_says_too_many_requests_to_everything(rig: Rig) -> None:
    for method in ("chat.postMessage", "chat.update", "chat.postEphemeral", "reactions.add"):
        rig.slack.faults.rate_limit(method, retry_after=1, times=3)
    for method in ("users.info", "usergroups.users.list"):
        rig.slack.faults.rate_limit(method, retry_after=1, times=1)
    number, ballot = asked_again(rig)
    rig.slack.faults.rate_limit("chat.postMessage", retry_after=1, times=3)
    rig.slack.faults.rate_limit("chat.update", retry_after=1, times=3)
    rig.approve(ballot)
    done(rig, number, ballot)


def test_slack_breaks_after_it_has_posted(rig: Rig) -> None:
    for method in ("chat.postMessage", "chat.update", "reactions.add", "chat.postEphemeral"):
        rig.slack.faults.lose_answer_next(method, times=2)
    number, ballot = asked(rig)
    rig.slack.faults.lose_answer_next("chat.postMessage", times=2)
    rig.approve(ballot)
    done(rig, number, ballot)


def test_slack_breaks_before_and_after_it_has_posted_and_says_500(rig: Rig) -> None:
    for done_first in (False, True):
        for method in ("chat.postMessage", "chat.update", "reactions.add", "users.info"):
            rig.slack.faults.break_next(method, 500, done=done_first)
    number, ballot = asked_again(rig)
    rig.slack.faults.break_next("chat.postMessage", 503, times=2)
    rig.slack.faults.break_next("chat.postMessage", 500, done=True)
    for voter in (BOB, CAROL):
        voted_again(rig, number, ballot, voter)
    done(rig, number, ballot)


def test_whatever_is_called_is_too_much_for_a_while(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.slack.faults.storm(times=8)
    rig.approve(ballot)
    done(rig, number, ballot)


def test_slack_answers_slowly(rig: Rig) -> None:
    slow = ("chat.postMessage", "chat.update", "users.info", "reactions.add")
    for method in slow:
        rig.slack.faults.delay(method, 1.0)
    try:
        number, ballot = asked(rig)
        rig.approve(ballot)
        done(rig, number, ballot)
    finally:
        for method in slow:
            rig.slack.faults.delay(method, 0)


def test_a_right_of_the_app_is_missing_for_a_while(rig: Rig) -> None:
    rig.slack.faults.fail_next("usergroups.users.list", "missing_scope", times=1)
    rig.slack.faults.fail_next("users.info", "missing_scope", times=1)
    number, ballot = asked_again(rig)
    for voter in (BOB, CAROL):
        voted_again(rig, number, ballot, voter)
    done(rig, number, ballot)


def test_every_event_comes_twice(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.slack.faults.redeliver_next(times=4)
    rig.approve(ballot)
    done(rig, number, ballot)
    assert rig.row(
        "SELECT count(*) FROM votes v JOIN requests r ON r.id = v.request_id WHERE number = ?", number
    ) == (2,)


def test_acks_are_lost_and_the_events_come_again(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.slack.carrier.ack_timeout = 1.0
    try:
        rig.slack.faults.drop_acks(times=2)
        rig.approve(ballot)
        done(rig, number, ballot)
    finally:
        rig.slack.carrier.ack_timeout = 3.0


def test_a_command_whose_ack_is_lost_was_heard_all_the_same_and_files_once(rig: Rig) -> None:
    before = rig.row("SELECT count(*) FROM requests")[0]
    rig.slack.faults.drop_acks()
    since = rig.slack.core.stamp()
    wish = f"crm customer {rig.somebody()} -- why"
    answer = rig.slack.as_user(ALICE).command("/delete-records", wish, channel=DELETIONS)
    assert not answer.acked
    ballot = rig.ballot(since)
    assert rig.row("SELECT count(*) FROM requests")[0] == before + 1
    number = last_number(rig)
    assert no_doubles(rig, number, ballot)
    rig.command(ALICE, "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def test_a_reaction_that_was_taken_away_arrives_after_its_own_end_and_does_not_count(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.react(CAROL, ballot)
    rig.wait(lambda: votes(rig, number) == 1, "Carol's vote")
    rig.slack.faults.hold_events()
    rig.react(BOB, ballot)
    rig.slack.as_user(BOB).unreact(DELETIONS, ballot.ts, YES)

    def heard(delivery: Delivery) -> None:
        done = "SELECT 1 FROM inbox WHERE key = ? AND state = 'done'"
        rig.wait(lambda: rig.row(done, f"event:{delivery.event_id}"), "the event to be handled")

    assert rig.slack.faults.let_go(backwards=True, then=heard) == 2
    rig.react(BOB, ballot, NO)  # what comes later is heard later: then the others have been heard too
    rig.wait_state(number, "denied")
    assert rig.row(
        "SELECT count(*) FROM permits p JOIN requests r ON r.id = p.request_id WHERE number = ?", number
    ) == (0,)
    rig.command(ALICE, "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def test_votes_that_arrive_backwards_still_fill_the_slots(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.slack.faults.hold_events()
    rig.approve(ballot)
    assert rig.slack.faults.let_go(backwards=True) == 2
    done(rig, number, ballot)


def test_a_vote_that_arrives_when_all_is_over_changes_nothing_and_is_answered(rig: Rig) -> None:
    number, ballot = asked(rig)
    rig.slack.faults.hold_events()
    since = rig.react(BOB, ballot)
    rig.command(ALICE, "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")
    rig.slack.faults.let_go()
    assert "cancelled" in rig.told(BOB, since)
    assert rig.state(number) == "cancelled"
    assert votes(rig, number) == 0


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
def test_a_click_in_the_middle_of_a_renewed_connection_counts_once(rig: Rig, reason: str) -> None:
    number, ballot = asked(rig)
    rig.slack.faults.disconnect(reason)
    answer = rig.slack.as_user(BOB).click(DELETIONS, ballot.ts, "vote-approve")
    assert answer.acked, answer.error
    rig.react(CAROL, ballot)
    done(rig, number, ballot)


def votes(rig: Rig, number: int) -> int:
    query = "SELECT count(*) FROM votes v JOIN requests r ON r.id = v.request_id WHERE r.number = ?"
    return int(rig.row(query, number)[0])
