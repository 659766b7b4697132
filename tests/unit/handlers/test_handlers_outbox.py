"""What goes out: once each, in order, as the state says, whatever Slack does."""

import pytest

from bot.model.doors import Answer
from bot.model.requests import State
from bot.store.unit_of_work import Work
from handlers.pace import Pace
from handlers.slack import SlackIsSilent
from tests.fakes.rooms import LABEL, REASON, START, VALUE
from tests.fakes.slack import BOT, LostAnswer, busy, no, subject_of
from tests.unit.handlers.doorway import Doorway

SILENT = SlackIsSilent("x")


def tell(
    doorway: Doorway, user: str = "U0ALICE", channel: str | None = "C0ASKING", key: str = "vote.own-request"
) -> None:
    def put(work: Work) -> None:
        doorway.house.ground.tell(work, user, channel, Answer(key, {"number": 1}), doorway.house.now)

    with doorway.house.store.transact() as work:
        put(work)


def test_card_plan_and_ballot_in_this_order_and_in_one_thread(doorway: Doorway) -> None:
    doorway.pending()
    kinds = [subject_of(one).split(":")[0] for one in doorway.slack.messages]
    assert kinds == ["card", "plan", "ballot"]
    card, *replies = doorway.slack.messages
    assert "thread_ts" not in card
    assert {one["thread_ts"] for one in replies} == {card["ts"]}
    assert doorway.waiting() == []


def test_the_ballot_carries_the_bots_own_reactions(doorway: Doorway) -> None:
    _, _, ballot = doorway.pending()
    assert ballot["reactions"] == {"white_check_mark": [BOT], "x": [BOT]}


@pytest.mark.parametrize("trouble", [busy(3), SILENT], ids=["busy", "silent"])
def test_seeding_is_tried_until_it_is_done(doorway: Doorway, trouble: Exception) -> None:
    doorway.slack.fail("reactions.add", trouble, trouble)
    _, _, ballot = doorway.pending()
    doorway.deliver(6)
    assert ballot["reactions"] == {"white_check_mark": [BOT], "x": [BOT]}
    assert len(doorway.slack.of_kind("ballot")) == 1


def test_a_reaction_that_is_there_already_is_fine(doorway: Doorway) -> None:
    doorway.slack.fail("reactions.add", no("already_reacted"), no("too_many_reactions"))
    doorway.pending()
    assert doorway.waiting() == []


@pytest.mark.parametrize("metadata", [True, False], ids=["by metadata", "by the ids of our blocks"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["card", "plan", "ballot"])
def test_a_post_whose_answer_is_lost_is_found_and_not_repeated(
    doorway: Doorway, which: int, metadata: bool
) -> None:
    doorway.slack.metadata = metadata
    doorway.house.pending()
    for _ in range(12):
        if len(doorway.slack.messages) == which:
            doorway.slack.trouble.setdefault("chat.postMessage", [LostAnswer()])
        doorway.deliver(1)
    kinds = [subject_of(one).split(":")[0] for one in doorway.slack.messages]
    assert sorted(kinds) == ["ballot", "card", "plan"]
    assert doorway.waiting() == []


def test_a_message_of_somebody_else_is_never_taken_for_ours(doorway: Doorway) -> None:
    doorway.slack.fail("chat.postMessage", LostAnswer())
    doorway.house.pending()
    doorway.deliver(1)
    (forged,) = doorway.slack.messages
    forged["user"] = "U0MALLORY"
    doorway.deliver(6)
    assert len(doorway.slack.of_kind("card")) == 2


def test_a_message_whose_fate_is_unknown_is_not_repeated_while_slack_cannot_be_asked(
    doorway: Doorway,
) -> None:
    doorway.slack.fail("chat.postMessage", LostAnswer())
    doorway.slack.fail("conversations.history", SILENT, busy(2), no("missing_scope"))
    doorway.house.pending()
    doorway.deliver(10)
    assert len(doorway.slack.of_kind("card")) == 1


def test_nothing_is_lost_while_slack_is_down(doorway: Doorway) -> None:
    doorway.slack.down = True
    doorway.house.pending()
    tell(doorway)
    doorway.deliver(10)
    assert doorway.slack.messages == []
    doorway.slack.down = False
    doorway.house.wait(minutes=2)
    doorway.deliver(10)
    assert [subject_of(one).split(":")[0] for one in doorway.slack.messages] == ["card", "plan", "ballot"]
    assert doorway.told("U0ALICE")


def test_a_rate_limit_is_honoured_without_sleeping(doorway: Doorway) -> None:
    doorway.slack.fail("chat.postMessage", busy(30))
    doorway.house.pending()
    doorway.drain.run(doorway.house.now)
    doorway.house.wait(seconds=29)
    doorway.drain.run(doorway.house.now)
    assert doorway.slack.messages == []
    doorway.house.wait(seconds=2)
    doorway.deliver(6)
    assert len(doorway.slack.messages) == 3


def test_at_most_three_messages_at_once_into_one_channel(doorway: Doorway) -> None:
    for _ in range(4):
        doorway.house.pending()
    for _ in range(5):
        doorway.drain.run(doorway.house.now)
    assert len(doorway.slack.messages) == 3
    doorway.house.wait(seconds=1)
    for _ in range(3):
        doorway.drain.run(doorway.house.now)
    assert len(doorway.slack.messages) == 4


def test_the_pace_of_one_channel_is_not_that_of_another() -> None:
    pace = Pace()
    assert [pace.may("chat.postMessage", "C1", START) for _ in range(4)] == [True, True, True, False]
    assert pace.may("chat.postMessage", "C2", START)
    pace.rest("chat.postMessage", "C2", 5, START)
    assert not pace.may("chat.postMessage", "C2", START)


def test_a_vote_redraws_card_and_ballot_in_place(doorway: Doorway) -> None:
    request_id, card, ballot = doorway.pending()
    doorway.house.vote(request_id, "U0DAN")
    doorway.deliver()
    assert len(doorway.slack.messages) == 3
    assert "<@U0DAN> (dba)" in str(card["blocks"])
    assert "Needs 1 more data-owner" in str(ballot["blocks"])


def test_nothing_is_edited_that_looks_the_same(doorway: Doorway) -> None:
    request_id, _, _ = doorway.pending()
    with doorway.house.store.transact() as work:
        doorway.house.ground.redraw(work, doorway.house.request(request_id))
    doorway.deliver()
    assert doorway.slack.called("chat.update") == []
    assert doorway.waiting() == []


def test_a_closed_request_is_redrawn_without_anything_personal(doorway: Doorway) -> None:
    request_id, card, _ = doorway.pending()
    assert LABEL in str(card)
    assert REASON in str(card)
    doorway.click("cancel", str(request_id), card["ts"], "U0ALICE")
    assert doorway.house.state(request_id) is State.CANCELLED
    doorway.deliver()
    for personal in (LABEL, REASON, VALUE):
        assert personal not in str(doorway.slack.messages)


@pytest.mark.parametrize("code", ["message_not_found", "channel_not_found"])
def test_a_deleted_message_is_not_posted_anew(doorway: Doorway, code: str) -> None:
    request_id, _, _ = doorway.pending()
    doorway.slack.fail("chat.update", no(code))
    doorway.house.vote(request_id, "U0DAN")
    doorway.deliver()
    assert len(doorway.slack.messages) == 3
    assert doorway.waiting() == []


@pytest.mark.parametrize("code", ["edit_window_closed", "cant_update_message"])
def test_a_message_that_may_not_be_edited_keeps_its_place(doorway: Doorway, code: str) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.slack.fail("chat.update", no(code), no(code), no(code))
    doorway.house.vote(request_id, "U0DAN")
    doorway.deliver()
    assert doorway.waiting() == []
    doorway.react(ballot["ts"], "U0CAROL")
    assert doorway.house.state(request_id) is State.APPROVED


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
def test_when_slack_refuses_the_blocks_their_words_go_out(doorway: Doorway, code: str) -> None:
    doorway.slack.fail("chat.postMessage", no(code))
    _, card, _ = doorway.pending()
    assert "blocks" not in card
    for needed in ("Deletion #1 · crm · customer", "*Goes:* 7 rows", "<@U0ALICE>", "dba"):
        assert needed in card["text"]


def test_a_channel_without_the_bot_waits_for_the_invitation(doorway: Doorway) -> None:
    doorway.slack.fail("chat.postMessage", *[no("not_in_channel")] * 3)
    doorway.house.pending()
    doorway.house.wait(minutes=1)
    for _ in range(8):
        doorway.deliver(1)
        doorway.house.wait(seconds=30)
    assert len(doorway.slack.messages) == 3


def test_one_message_that_cannot_be_rendered_holds_up_no_other(doorway: Doorway) -> None:
    broken = doorway.house.pending()
    doorway.house.pending()
    with doorway.house.store.transact() as work:
        work.outbox.want("riddle:1", "riddle", "C0DELETIONS", doorway.house.now, request_id=broken)
    doorway.deliver(10)
    assert len(doorway.slack.messages) == 6


@pytest.mark.parametrize(
    "code", ["user_not_in_channel", "channel_not_found", "not_in_channel", "is_archived", "restricted_action"]
)
def test_who_cannot_be_told_in_the_channel_is_told_directly(doorway: Doorway, code: str) -> None:
    doorway.slack.fail("chat.postEphemeral", no(code))
    tell(doorway)
    doorway.deliver(2)
    (message,) = doorway.slack.messages
    assert message["channel"] == "D0ALICE"
    assert "You asked for request #1 yourself" in message["text"]
    assert doorway.waiting() == []


@pytest.mark.parametrize("channel", [None, "D0ALICE"])
def test_in_a_direct_message_the_answer_is_one_too(doorway: Doorway, channel: str | None) -> None:
    tell(doorway, channel=channel)
    doorway.deliver(2)
    assert doorway.slack.called("chat.postEphemeral") == []
    assert len(doorway.slack.messages) == 1


def test_who_cannot_be_told_at_all_holds_up_nothing(doorway: Doorway) -> None:
    doorway.slack.fail("chat.postEphemeral", no("user_not_in_channel"))
    doorway.slack.fail("conversations.open", no("cannot_dm_bot"))
    tell(doorway, "U0ROBOT")
    doorway.deliver(2)
    assert doorway.waiting() == []


def test_a_private_sentence_is_erased_once_it_is_told(doorway: Doorway) -> None:
    tell(doorway)
    assert "vote.own-request" in doorway.stored()
    doorway.deliver(2)
    assert "vote.own-request" not in doorway.stored()


def test_a_key_without_words_still_says_something(doorway: Doorway) -> None:
    tell(doorway, key="from.the.future")
    assert "no words for (from.the.future)" in doorway.last()


def test_a_note_goes_into_the_thread(doorway: Doorway) -> None:
    request_id, card, _ = doorway.pending()
    with doorway.house.store.transact() as work:
        request = doorway.house.request(request_id)
        doorway.house.ground.note(
            work, request, "note.rejected", doorway.house.now, user="U0BOB", requester="U0ALICE"
        )
        doorway.house.ground.announce(work, "C0DELETIONS", "note.unfrozen", doorway.house.now, target="crm")
    doorway.deliver()
    thread, loose = doorway.slack.messages[3:]
    assert {thread.get("thread_ts"), loose.get("thread_ts")} == {card["ts"], None}
    assert "<@U0ALICE>, your request was denied by <@U0BOB>." in thread["text"] + loose["text"]


def test_the_receipt_shows_in_the_channel_too(doorway: Doorway) -> None:
    request_id, card, _ = doorway.pending()
    with doorway.house.store.transact() as work:
        work.outbox.want(
            f"receipt:{request_id}", "receipt", "C0DELETIONS", doorway.house.now, request_id=request_id
        )
    doorway.deliver()
    receipt = doorway.slack.messages[-1]
    assert receipt["reply_broadcast"] is True
    assert receipt["thread_ts"] == card["ts"]


def test_a_preview_is_for_one_persons_eyes(doorway: Doorway) -> None:
    doorway.command("/countersign", f"plan crm customer {VALUE}")
    with doorway.house.store.read() as work:
        (request,) = work.requests.in_states([State.PLANNING])
    doorway.house.plan(request.id)
    doorway.deliver()
    shown = doorway.slack.called("chat.postEphemeral")[-1]
    assert shown["user"] == "U0ALICE"
    assert LABEL in str(shown["blocks"])
    assert doorway.slack.messages == []


def test_the_card_says_so_when_the_worker_goes_after_the_approval(doorway: Doorway) -> None:
    request_id, card, _ = doorway.pending()
    for user in ("U0DAN", "U0CAROL"):
        doorway.house.vote(request_id, user)
    doorway.deliver()
    assert "no worker for crm is running" not in str(card)
    with doorway.house.store.transact() as work:
        work.processes.leave("worker", "slot-0")
    doorway.deliver()
    doorway.drain.refresh(doorway.house.now)
    assert "Approved, but no worker for crm is running" in str(card)
    doorway.slack.calls.clear()
    doorway.drain.refresh(doorway.house.now)
    assert doorway.slack.called("chat.update") == []
