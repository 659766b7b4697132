"""Reactions, buttons, and the second look at the ballots."""

import pytest

from bot.errors import CannotProve
from bot.model.people import RosterFacts
from bot.model.requests import Choice, Proof, State
from handlers.identity import answer_roster
from handlers.slack import SlackIsSilent
from handlers.votes import repair_ballots
from tests.fakes.slack import BOT, busy, no
from tests.unit.handlers.doorway import Doorway

YES, NO = "white_check_mark", "x"


def choices(doorway: Doorway, request_id: int) -> dict[str, Choice]:
    return {vote.user: vote.choice for vote in doorway.house.view(request_id).votes}


def test_two_taps_approve(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    assert "Your approval of request #1 counts" in doorway.last("U0DAN")
    doorway.react(ballot["ts"], "U0CAROL")
    assert doorway.house.state(request_id) is State.APPROVED
    assert {vote.proof for vote in doorway.house.view(request_id).votes} == {Proof.REACTION}


def test_two_clicks_approve(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    for user in ("U0DAN", "U0CAROL"):
        doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], user)
    assert doorway.house.state(request_id) is State.APPROVED


def test_a_member_of_the_user_group_may_vote(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0GINA", f"{YES}::skin-tone-3")
    assert choices(doorway, request_id) == {"U0GINA": Choice.APPROVE}


def test_leaving_the_group_counts_at_once_when_slack_says_so(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.command("/countersign", "whoami", "U0GINA")
    doorway.slack.groups["S0DBA"] = []
    doorway.event({"type": "subteam_members_changed", "subteam_id": "S0DBA"})
    doorway.react(ballot["ts"], "U0GINA")
    assert choices(doorway, request_id) == {}
    assert "You hold none of them" in doorway.last("U0GINA")


@pytest.mark.parametrize(
    ("user", "emoji", "told"),
    [
        pytest.param("U0ALICE", YES, "You asked for request #1 yourself", id="the requester"),
        pytest.param("U0ZOE", YES, "You hold none of them", id="somebody without a slot"),
        pytest.param("U0GUEST", YES, "Guests", id="a guest"),
        pytest.param("U0ROBOT", YES, "Bots", id="a bot"),
        pytest.param("U0OTHER", YES, "another one", id="another workspace"),
        pytest.param("U0LEFT", NO, "deactivated", id="somebody who left"),
        pytest.param("U0DAN", "heavy_check_mark", "Only ✅ and ❌ count", id="another check mark"),
        pytest.param("U0DAN", "+1", "Only ✅ and ❌ count", id="a thumb"),
    ],
)
def test_a_vote_that_does_not_count_changes_nothing_and_is_told_once(
    doorway: Doorway, user: str, emoji: str, told: str
) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], user, emoji)
    doorway.react(ballot["ts"], user, emoji, added=False)
    doorway.react(ballot["ts"], user, emoji)
    assert choices(doorway, request_id) == {}
    assert doorway.house.state(request_id) is State.PENDING
    (sentence,) = doorway.told(user)
    assert told in sentence


@pytest.mark.parametrize("kind", ["card", "plan"])
def test_a_reaction_on_another_message_of_the_request_is_told_once(doorway: Doorway, kind: str) -> None:
    request_id, _, _ = doorway.pending()
    for _ in range(2):
        doorway.react(doorway.slack.of_kind(kind)[0]["ts"], "U0DAN")
    # The card stands in the channel and over its thread: the answer appears in both.
    (sentence,) = set(doorway.told("U0DAN"))
    assert len(doorway.told("U0DAN")) == (2 if kind == "card" else 1)
    assert "please react on the newest ballot" in sentence
    assert choices(doorway, request_id) == {}


def test_a_reaction_on_a_foreign_message_asks_slack_nothing(doorway: Doorway) -> None:
    doorway.pending()
    doorway.slack.calls.clear()
    doorway.react("1.5", "U0DAN")
    assert doorway.slack.calls == []
    assert doorway.told("U0DAN") == []


def test_taking_the_reaction_away_takes_the_vote_back(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.react(ballot["ts"], "U0DAN", added=False)
    assert choices(doorway, request_id) == {}


def test_the_withdraw_button_takes_the_vote_back(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], "U0DAN")
    doorway.click("vote-withdraw", f"{request_id}.1", ballot["ts"], "U0DAN")
    assert choices(doorway, request_id) == {}


def test_events_out_of_order_end_where_the_newest_says(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN", added=False, event_ts="200.0")
    doorway.react(ballot["ts"], "U0DAN", event_ts="100.0")
    assert choices(doorway, request_id) == {}


@pytest.mark.parametrize(
    "value", ["7.1", "1.2", "999.1", "", "1", "1.1.1", "-1.1", "1.x", "9" * 40, "1.1; DROP TABLE votes"]
)
def test_a_button_is_only_a_lookup(doorway: Doorway, value: str) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.click("vote-approve", value, ballot["ts"], "U0DAN")
    assert choices(doorway, request_id) == {}
    assert "earlier state" in doorway.last("U0DAN")


@pytest.mark.parametrize("where", ["card", "elsewhere", "nowhere"])
def test_a_ballots_button_on_another_message_is_stale(doorway: Doorway, where: str) -> None:
    request_id, card, _ = doorway.pending()
    ts = {"card": card["ts"], "elsewhere": "1.5", "nowhere": ""}[where]
    doorway.click("vote-approve", f"{request_id}.1", ts, "U0DAN")
    assert choices(doorway, request_id) == {}
    assert "earlier state" in doorway.last("U0DAN")


def test_a_click_by_somebody_of_another_workspace_is_refused(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    elsewhere = {"id": "U0DAN", "team_id": "T0OTHER"}
    doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], person=elsewhere)
    assert choices(doorway, request_id) == {}
    assert "another one" in doorway.last("U0DAN")


def test_a_vote_on_an_old_ballot_says_where_the_new_one_is(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.house.file()
    with doorway.house.store.transact() as work:
        work.connection.exec_driver_sql("UPDATE requests SET revision = 2 WHERE number = 1")
        work.connection.exec_driver_sql(
            "INSERT INTO revisions SELECT request_id, 2, digest, plan, rule, created_at FROM revisions"
        )
    doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], "U0DAN")
    assert "has changed since this ballot" in doorway.last("U0DAN")


def test_a_deny_offers_to_say_why_and_the_requester_reads_it(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.click("vote-deny", f"{request_id}.1", ballot["ts"], "U0DAN")
    assert "You denied request #1" in doorway.last("U0DAN")
    told = doorway.slack.called("chat.postEphemeral")[-1]
    (button,) = told["blocks"][-1]["elements"]
    assert button["action_id"] == "deny-reason"
    doorway.click("deny-reason", button["value"], "5.5", "U0DAN")
    view = doorway.slack.called("views.open")[-1]["view"]
    answer = doorway.submit(
        view["callback_id"],
        {"reason": "not <!here> *today*"},
        "U0DAN",
        {"channel": "C0DELETIONS", "request": request_id},
    )
    assert answer.body == ""
    assert "has been told" in doorway.last("U0DAN")
    doorway.deliver()
    said = str(doorway.slack.messages[-1]["text"]) + " ".join(doorway.told("U0ALICE"))
    assert "`not &lt;!here&gt; *today*`" in said


def test_somebody_else_cannot_give_the_reason(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.click("vote-deny", f"{request_id}.1", ballot["ts"], "U0DAN")
    doorway.submit("form-deny-reason", {"reason": "x"}, "U0CAROL", {"request": request_id})
    assert "Only the person who denied" in doorway.last("U0CAROL")


def test_stop_and_cancel_belong_to_the_card(doorway: Doorway) -> None:
    request_id, card, ballot = doorway.pending()
    doorway.click("cancel", str(request_id), ballot["ts"], "U0ALICE")
    assert "earlier state" in doorway.last()
    doorway.click("stop", str(request_id), card["ts"], "U0BOB")
    assert "not approved yet" in doorway.last("U0BOB")
    doorway.click("cancel", str(request_id), card["ts"], "U0BOB")
    assert "Only <@U0ALICE> can cancel" in doorway.last("U0BOB")
    for user in ("U0DAN", "U0CAROL"):
        doorway.house.vote(request_id, user)
    doorway.click("stop", str(request_id), card["ts"], "U0BOB")
    assert doorway.house.state(request_id) is State.STOPPED
    assert "is stopped" in doorway.last("U0BOB")
    doorway.click("stop", str(request_id), card["ts"], "U0BOB")
    assert "nothing to stop" in doorway.last("U0BOB")


def test_when_slack_cannot_say_who_voted_the_vote_waits_for_the_second_look(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    ballot["reactions"][YES].append("U0DAN")
    doorway.slack.fail("users.info", SlackIsSilent("x"))
    doorway.react(ballot["ts"], "U0DAN")
    assert "I could not check who you are" in doorway.last("U0DAN")
    assert choices(doorway, request_id) == {}
    assert repair_ballots(doorway.front, doorway.house.now) == 1
    assert choices(doorway, request_id) == {"U0DAN": Choice.APPROVE}


def test_the_second_look_finds_what_events_did_not_tell(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    ballot["reactions"][YES] += ["U0CAROL", "U0ZOE"]
    ballot["reactions"][f"{NO}::skin-tone-2"] = ["U0GINA"]
    ballot["reactions"]["tada"] = ["U0BOB"]
    assert repair_ballots(doorway.front, doorway.house.now) == 4
    assert choices(doorway, request_id) == {"U0CAROL": Choice.APPROVE, "U0GINA": Choice.DENY}
    assert repair_ballots(doorway.front, doorway.house.now) == 0


def test_the_second_look_leaves_clicks_and_the_bots_own_reactions_alone(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], "U0DAN")
    assert repair_ballots(doorway.front, doorway.house.now) == 0
    assert choices(doorway, request_id) == {"U0DAN": Choice.APPROVE}


def test_an_event_newer_than_the_second_look_wins(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    looked_at = doorway.house.now
    doorway.house.wait(seconds=1)
    ballot["reactions"][YES].append("U0DAN")
    doorway.react(ballot["ts"], "U0DAN", event_ts=f"{doorway.house.now.timestamp():.6f}")
    ballot["reactions"][YES].remove("U0DAN")
    repair_ballots(doorway.front, looked_at)
    assert choices(doorway, request_id) == {"U0DAN": Choice.APPROVE}


def test_the_second_look_puts_the_bots_reactions_back(doorway: Doorway) -> None:
    _, _, ballot = doorway.pending()
    ballot["reactions"] = {YES: [], NO: []}
    repair_ballots(doorway.front, doorway.house.now)
    assert ballot["reactions"] == {YES: [BOT], NO: [BOT]}


@pytest.mark.parametrize("trouble", [SlackIsSilent("x"), busy(), no("message_not_found")])
def test_the_second_look_takes_no_silence_for_an_answer(doorway: Doorway, trouble: Exception) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.slack.fail("reactions.get", trouble)
    assert repair_ballots(doorway.front, doorway.house.now) == 0
    assert choices(doorway, request_id) == {"U0DAN": Choice.APPROVE}


def test_the_workers_questions_are_answered_whole_or_not_at_all(doorway: Doorway) -> None:
    def ask(nonce: str, users: tuple[str, ...], groups: tuple[str, ...]) -> None:
        with doorway.house.store.transact() as work:
            work.roster.ask(nonce, users, groups, doorway.house.now)

    def answered(nonce: str) -> RosterFacts | None:
        with doorway.house.store.read() as work:
            found = work.roster.answered(nonce)
        return None if found is None else found[0]

    ask("n1", ("U0BOB", "U0GUEST", "U0NOBODY", "U0OTHER"), ("S0DBA", "S0GONE"))
    assert answer_roster(doorway.services, doorway.people, doorway.house.now) == 1
    facts = answered("n1")
    assert facts is not None
    assert facts.groups == {"S0DBA": ("U0GINA",)}
    assert set(facts.people) == {"U0BOB", "U0GUEST", "U0OTHER"}
    assert facts.people["U0GUEST"].is_guest
    assert facts.people["U0OTHER"].team == "T0OTHER"
    assert facts.people["U0BOB"].team == "T0ACME"


@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list"])
@pytest.mark.parametrize("trouble", [SlackIsSilent("x"), busy(), no("missing_scope")])
def test_a_question_that_slack_does_not_answer_stays_open(
    doorway: Doorway, method: str, trouble: Exception
) -> None:
    with doorway.house.store.transact() as work:
        work.roster.ask("n1", ("U0BOB",), ("S0DBA",), doorway.house.now)
    doorway.slack.fail(method, trouble)
    with pytest.raises(CannotProve):
        answer_roster(doorway.services, doorway.people, doorway.house.now)
    doorway.house.wait(seconds=10)
    assert answer_roster(doorway.services, doorway.people, doorway.house.now) == 1


def test_a_question_is_never_answered_from_before_it_was_asked(doorway: Doorway) -> None:
    doorway.people.actor("U0GINA")
    doorway.house.wait(seconds=1)
    doorway.slack.groups["S0DBA"] = []
    with doorway.house.store.transact() as work:
        work.roster.ask("n1", (), ("S0DBA",), doorway.house.now)
    answer_roster(doorway.services, doorway.people, doorway.house.now)
    with doorway.house.store.read() as work:
        found = work.roster.answered("n1")
    assert found is not None
    assert found[0].groups == {"S0DBA": ()}


def test_who_is_who_is_remembered_for_five_seconds(doorway: Doorway) -> None:
    for _ in range(3):
        doorway.people.actor("U0BOB")
    assert len(doorway.slack.called("users.info")) == 1
    doorway.house.wait(seconds=6)
    doorway.people.actor("U0BOB")
    assert len(doorway.slack.called("users.info")) == 2


def test_a_directory_without_team_leaves_the_payloads_team(doorway: Doorway) -> None:
    doorway.slack.people["U0BOB"] = {"team_id": None}
    assert doorway.people.actor("U0BOB", fallback_team="T0OTHER").team == "T0OTHER"
    doorway.people.forget()
    assert doorway.people.actor("U0BOB", "T0ACME").team == "T0ACME"
    doorway.people.forget()
    assert doorway.people.actor("U0BOB").team == ""
