"""The watch: while a request is open, a change of people or of policy shows in its thread and in the log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bot.jobs.permit import Gate
from bot.model.requests import Choice, State
from bot.schedules.watch import Watch, renew
from bot.store import tables as t
from tests.fakes.rooms import SETTINGS, House, config, empty_postgresql, plan_of, rules_with, snapshot

STRICTER = rules_with(approve=["2 of dba", "1 of data-owner"])
EASIER = rules_with(approve=["1 of dba"])


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path, url="" if request.param == "sqlite" else empty_postgresql())
    yield built
    built.close()


@pytest.fixture
def watch(house: House) -> Watch:
    return watch_of(house)


def watch_of(house: House) -> Watch:
    return Watch(house.store, house.ground, house.clock)


def turn(house: House, watch: Watch, **answer: Any) -> None:
    """Time passes, a question is put, Slack answers, and the watch goes on with it."""
    house.wait(seconds=31)
    watch.look()
    with house.store.transact() as work:
        for question in work.roster.questions():
            work.roster.answer(question.nonce, house.roster(**answer), house.now)
    watch.look()


def entries(house: House, *kinds: str) -> list[dict[str, Any]]:
    read = [json.loads(one.entry) for one in house.log()]
    return [{"kind": one["kind"], **one["body"]} for one in read if one["kind"] in kinds]


def notes(house: House, request_id: int) -> list[tuple[str, dict[str, Any]]]:
    subjects = [one for one in house.subjects(request_id) if one.startswith("note:")]
    texts = [house.reading.private_text(one) for one in subjects]
    return [(text.key, dict(text.params)) for text in texts if text is not None]


def test_without_open_requests_nobody_is_asked_anything(house: House, watch: Watch) -> None:
    before = snapshot(house)
    turn(house, watch)
    assert snapshot(house) == before


def test_while_nothing_changes_nothing_is_said(house: House, watch: Watch) -> None:
    request_id = house.approved()
    log = house.kinds()
    for _ in range(3):
        turn(house, watch)
    assert (house.state(request_id), notes(house, request_id), house.kinds()) == (State.APPROVED, [], log)


def test_while_slack_is_silent_one_question_is_enough(house: House, watch: Watch) -> None:
    house.pending()
    for _ in range(5):
        house.wait(seconds=31)
        watch.look()
    assert len(house.rows("roster_questions")) == 1


def test_who_leaves_the_group_loses_the_approval_at_once(house: House, watch: Watch) -> None:
    request_id = house.approved("U0GINA", "U0CAROL")
    turn(house, watch)
    house.groups["S0DBA"] = ()
    turn(house, watch)
    assert house.state(request_id) is State.PENDING
    assert list(house.votes(request_id)) == ["U0CAROL"]
    assert house.permits(request_id) == ["void"]
    assert notes(house, request_id) == [("note.vote-void", {"user": "U0GINA", "roles": "dba"})]
    void = entries(house, "vote-void")
    assert [(one["by"], one["why"], one["lost"]) for one in void] == [("U0GINA", "role-lost", ["dba"])]
    turn(house, watch)
    assert len(notes(house, request_id)) == 1


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("deactivated", {"flags": {"U0DAN": {"is_deactivated": True}}}),
        ("a guest by now", {"flags": {"U0DAN": {"is_guest": True}}}),
        ("a bot after all", {"flags": {"U0DAN": {"is_bot": True}}}),
        ("of another workspace", {"flags": {"U0DAN": {"team": "T0OTHER"}}}),
        ("unknown to Slack", {"without": ["U0DAN"]}),
    ],
)
def test_who_may_decide_nothing_any_more_loses_the_approval(
    house: House, watch: Watch, sentence: str, answer: dict[str, Any]
) -> None:
    request_id = house.approved()
    turn(house, watch, **answer)
    assert house.state(request_id) is State.PENDING, sentence
    assert notes(house, request_id) == [("note.vote-void.person-lost", {"user": "U0DAN"})]


def test_one_of_two_roles_is_lost_and_the_other_still_counts(house: House, watch: Watch) -> None:
    """Bob is dba and data-owner; as data-owner alone he and Dan still fill both slots."""
    request_id = house.approved("U0BOB", "U0DAN")
    without = {**SETTINGS["roles"], "dba": {"users": ["U0DAN"], "usergroup": "S0DBA"}}
    house.configure(config(roles=without))
    watch = watch_of(house)
    turn(house, watch)
    assert house.state(request_id) is State.APPROVED
    assert ("note.vote-narrowed", {"user": "U0BOB", "roles": "dba"}) in notes(house, request_id)
    assert {vote.user: vote.roles for vote in house.vote_rows(request_id)}["U0BOB"] == ("data-owner",)


def test_a_role_that_comes_later_fills_nothing_until_its_holder_says_yes_again(
    house: House, watch: Watch
) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0CAROL")
    house.groups["S0DBA"] = ("U0CAROL", "U0GINA")
    turn(house, watch)
    house.vote(request_id, "U0BOB")
    assert house.state(request_id) is State.APPROVED
    house.wait(seconds=11)
    with house.store.transact() as work:
        work.votes.drop(request_id, 1, "U0BOB")
    # Carol alone never fills two slots, and her new role is not even looked at by the gate.
    assert house.take(house.enqueue(request_id)) is Gate.NO
    assert {vote.user: vote.roles for vote in house.vote_rows(request_id)} == {"U0CAROL": ("data-owner",)}
    assert house.vote(request_id, "U0CAROL").key == "vote.approved"
    assert house.vote_rows(request_id)[0].roles == ("data-owner", "dba")


def test_a_vote_that_is_younger_than_the_answer_is_not_judged_by_it(house: House, watch: Watch) -> None:
    request_id = house.pending()
    house.wait(seconds=31)
    watch.look()
    with house.store.transact() as work:
        (question,) = work.roster.questions()
        work.roster.answer(question.nonce, house.roster(without=["U0DAN"]), house.now)
    house.vote(request_id, "U0DAN")
    watch.look()
    assert list(house.votes(request_id)) == ["U0DAN"]


def test_an_answer_that_came_late_changes_nothing(house: House, watch: Watch) -> None:
    request_id = house.approved()
    house.wait(seconds=31)
    watch.look()
    house.wait(seconds=61)
    with house.store.transact() as work:
        (question,) = work.roster.questions()
        work.roster.answer(question.nonce, house.roster(without=["U0DAN"]), house.now)
    watch.look()
    assert house.state(request_id) is State.APPROVED


def test_a_denial_stands_whoever_gave_it(house: House, watch: Watch) -> None:
    request_id = house.pending()
    house.deny(request_id, "U0GINA")
    house.groups["S0DBA"] = ()
    turn(house, watch)
    assert house.votes(request_id) == {"U0GINA": Choice.DENY}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (("U0GINA", "U0EVE"), [("note.role-more", {"role": "dba", "users": "U0EVE"})]),
        ((), [("note.role-fewer", {"role": "dba", "users": "U0GINA"})]),
        (
            ("U0GINA", *(f"U0NEW{n}" for n in range(40))),
            [("note.role-more-many", {"role": "dba", "n": 40})],
        ),
        (
            ("U0EVE",),
            [
                ("note.role-more", {"role": "dba", "users": "U0EVE"}),
                ("note.role-fewer", {"role": "dba", "users": "U0GINA"}),
            ],
        ),
    ],
)
def test_a_role_that_is_asked_for_has_other_members(
    house: House, watch: Watch, members: tuple[str, ...], told: list[Any]
) -> None:
    request_id, other = house.pending(), house.pending()
    turn(house, watch)
    house.groups["S0DBA"] = members
    for _ in range(2):
        turn(house, watch)
    assert notes(house, request_id) == notes(house, other) == told
    assert len(entries(house, "role-changed")) == 1


def test_two_watches_tell_it_once(house: House) -> None:
    request_id = house.pending()
    one, other = watch_of(house), watch_of(house)
    turn(house, one)
    house.groups["S0DBA"] = ()
    turn(house, other)
    turn(house, one)
    assert len(notes(house, request_id)) == 1


def test_a_request_that_is_younger_than_the_change_hears_nothing_of_it(house: House, watch: Watch) -> None:
    house.pending()
    turn(house, watch)
    house.groups["S0DBA"] = ()
    house.wait(seconds=1)
    younger = house.pending()
    turn(house, watch)
    assert notes(house, younger) == []


# The policy.


def restarted(house: House, **changes: Any) -> Watch:
    house.configure(config(**changes))
    return watch_of(house)


def test_a_policy_that_asks_for_more_opens_a_new_ballot_under_both(house: House) -> None:
    request_id = house.approved()
    old = house.digest(request_id)
    turn(house, restarted(house, rules=STRICTER))
    request = house.request(request_id)
    assert (request.state, request.revision, request.starts_at) == (State.PENDING, 2, None)
    assert house.digest(request_id) != old
    assert house.permits(request_id) == ["void"]
    assert house.votes(request_id) == {}
    keys = [key for key, _ in notes(house, request_id)]
    assert keys == ["note.rule-changed", "note.rule-changed.approvals"]
    assert {f"ballot:{request_id}:2", f"plan:{request_id}:2"} <= set(house.subjects(request_id))
    (entry,) = entries(house, "rule-changed")
    assert (entry["revision"], sorted(entry["void"])) == (2, ["U0CAROL", "U0DAN"])
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)
    assert house.state(request_id) is State.PENDING
    house.vote(request_id, "U0GINA")
    assert house.state(request_id) is State.APPROVED
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) is Gate.GO


def test_a_policy_that_asks_for_less_makes_nothing_easier(house: House) -> None:
    request_id = house.pending()
    turn(house, restarted(house, rules=EASIER))
    assert house.request(request_id).revision == 2
    house.vote(request_id, "U0DAN")
    assert house.state(request_id) is State.PENDING
    house.vote(request_id, "U0CAROL")
    assert house.state(request_id) is State.APPROVED


def test_times_only_become_stricter(house: House) -> None:
    request_id = house.pending()
    before = house.request(request_id).expires_at
    turn(house, restarted(house, rules=rules_with(expires="9h", cooling_off="1m", drift={"rows": 9})))
    with house.store.read() as work:
        revision = work.requests.revision(request_id, 2)
    assert revision is not None
    assert (revision.rule.expires, revision.rule.cooling_off, revision.rule.drift_rows) == (4 * 3600, 60, 0)
    assert house.request(request_id).expires_at == before
    keys = [key for key, _ in notes(house, request_id)]
    assert keys == ["note.rule-changed", "note.rule-changed.cooling-off"]


def test_the_same_policy_again_and_a_new_name_change_nothing(house: House) -> None:
    request_id = house.approved()
    for rules in (rules_with(), rules_with(name="called otherwise")):
        watch = restarted(house, rules=rules)
        for _ in range(2):
            turn(house, watch)
    assert (house.state(request_id), house.request(request_id).revision) == (State.APPROVED, 1)


def test_two_workers_with_two_files_do_not_write_revision_after_revision(house: House) -> None:
    request_id = house.pending()
    new, old = restarted(house, rules=STRICTER), restarted(house)
    for _ in range(3):
        turn(house, new)
        turn(house, old)
    assert house.request(request_id).revision == 2


@pytest.mark.parametrize(
    ("sentence", "changes", "outcome"),
    [
        ("no rule covers it any more", {"rules": SETTINGS["rules"][2:]}, "filing.no-rule"),
        ("its requester may not ask any more", {"rules": rules_with(request=["dba"])}, "filing.no-role"),
        (
            "nobody could fill what is asked for now",
            {"rules": rules_with(approve=["9 of dba"])},
            "filing.unreachable",
        ),
    ],
)
def test_a_policy_that_refuses_it_cancels_it_with_the_sentence(
    house: House, sentence: str, changes: dict[str, Any], outcome: str
) -> None:
    request_id = house.approved()
    turn(house, restarted(house, **changes))
    assert (house.state(request_id), house.request(request_id).outcome) == (State.CANCELLED, outcome), (
        sentence
    )
    assert house.permits(request_id) == ["void"]
    assert [key for key, _ in notes(house, request_id)] == ["note.policy-says-no"]


def aside(house: House) -> int:
    request_id = house.approved()
    with house.store.transact() as work:
        work.permits.void(request_id)
        work.connection.execute(
            update(t.requests).where(t.requests.c.id == request_id).values(state=str(State.SET_ASIDE))
        )
    return request_id


def test_what_is_set_aside_keeps_its_votes_unless_the_rule_has_changed(house: House) -> None:
    request_id = aside(house)
    turn(house, restarted(house))
    assert (house.request(request_id).revision, len(house.votes(request_id))) == (1, 2)
    turn(house, restarted(house, rules=STRICTER))
    assert (house.state(request_id), house.request(request_id).revision) == (State.SET_ASIDE, 2)
    assert house.votes(request_id) == {}
    turn(house, restarted(house, rules=SETTINGS["rules"][2:]))
    assert (house.state(request_id), house.request(request_id).revision) == (State.SET_ASIDE, 2)


def test_a_plan_made_anew_after_the_policy_became_laxer_still_needs_what_the_old_one_asked(
    house: House,
) -> None:
    request_id, _ = house.running()
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        house.ground.change(work, locked, "drift", house.now, starts_at=None)
    house.configure(config(rules=EASIER))
    house.plan(request_id)
    house.vote(request_id, "U0DAN")
    assert (house.state(request_id), house.request(request_id).revision) == (State.PENDING, 2)


def of_an_earlier_release(house: House, request_id: int) -> None:
    with house.store.transact() as work:
        for table in (t.revisions, t.permits):
            work.connection.execute(
                update(table).where(table.c.request_id == request_id).values(digest=plan_of().digest())
            )


@pytest.mark.parametrize("state", [State.APPROVED, State.SET_ASIDE])
def test_what_an_earlier_release_left_open_is_voted_on_anew(house: House, state: State) -> None:
    request_id = house.approved() if state is State.APPROVED else aside(house)
    of_an_earlier_release(house, request_id)
    for _ in range(2):
        renew(house.store, house.ground, house.now)
    after = State.PENDING if state is State.APPROVED else state
    assert (house.state(request_id), house.request(request_id).revision) == (after, 2)
    assert "ready" not in house.permits(request_id)
    assert [key for key, _ in notes(house, request_id)] == ["note.rebound"]
    assert house.votes(request_id) == {}
