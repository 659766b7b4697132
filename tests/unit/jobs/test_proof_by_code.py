"""Approvals by code: what the worker counts, and what nobody can write into our tables."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from bot.errors import Refused
from bot.jobs.permit import Gate
from bot.model.proofs import Intent
from bot.model.requests import Choice, Proof, State, Vote
from bot.proofs.keys import ProofKey
from bot.store import tables as t
from tests.fakes.codes import BY_CODE, CONFIRMED, Phones
from tests.fakes.rooms import TEAM, House, config, race

APPROVERS = ("U0DAN", "U0CAROL")


@pytest.fixture
def phones(house: House) -> Phones:
    house.configure(BY_CODE)
    return Phones(house, *APPROVERS, "U0BOB", "U0ALICE", "U0GINA")


def approved(phones: Phones) -> int:
    request_id = phones.house.pending()
    for user in APPROVERS:
        phones.approve(request_id, user)
    assert phones.house.state(request_id) is State.APPROVED
    phones.house.wait(seconds=11)
    return request_id


def gate(house: House, request_id: int) -> Gate:
    return house.take(house.enqueue(request_id))


def test_a_reaction_or_a_click_is_a_wish_and_the_code_makes_it_a_vote(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    answer = house.vote(request_id, "U0DAN")
    assert (answer.key, answer.button, answer.direct) == ("proof.wanted", "code-enter", True)
    assert house.votes(request_id) == {}
    assert [one.user for one in house.view(request_id).intents] == ["U0DAN"]
    assert phones.type(request_id, "U0DAN") == "vote.approved"
    assert [one.proof for one in house.vote_rows(request_id)] == [Proof.CODE]
    assert house.view(request_id).intents == ()
    house.react(house.ballot(request_id), "U0CAROL")
    assert phones.type(request_id, "U0CAROL") == "vote.approved-all"
    house.wait(seconds=11)
    assert gate(house, request_id) == Gate.GO


def test_a_denial_needs_no_code_and_takes_the_wish_away(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    assert house.deny(request_id, "U0DAN").key == "vote.denied"
    assert house.state(request_id) is State.DENIED
    assert phones.type(request_id, "U0DAN") == "proof.no-wish"


# What is typed


def other_revision(phones: Phones, request_id: int) -> str:
    """A drift between the form and its submission."""
    house = phones.house
    letter = phones.letter(request_id, "U0DAN")
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        work.requests.save(request_id, locked.state, revision=2)
        revision = work.requests.revision(request_id, 1)
        assert revision is not None
        work.requests.add_revision(replace(revision, revision=2))
    answer = phones.post(letter)
    return answer.key if answer else ""


def typed(user: str = "U0DAN", **said: Any) -> Callable[[Phones, int], str]:
    return lambda phones, request_id: phones.type(request_id, user, **said)


def after(
    act: Callable[[Phones, int], Any], user: str = "U0DAN", **said: Any
) -> Callable[[Phones, int], str]:
    def both(phones: Phones, request_id: int) -> str:
        letter = phones.letter(request_id, user, **said)
        act(phones, request_id)
        answer = phones.post(letter)
        return answer.key if answer else ""

    return both


def expired(phones: Phones, _: int) -> None:
    phones.house.wait(hours=5)


def cancelled(phones: Phones, request_id: int) -> None:
    house = phones.house
    with house.store.transact() as work:
        number = house.request(request_id).number
        assert number is not None
        house.lifecycle.cancel(work, number, house.actor("U0ALICE"), house.now)


NO = {
    "a wrong code": (typed(code="000000"), "proof.wrong"),
    "a code two steps old": (lambda p, r: p.type(r, "U0DAN", p.code("U0DAN", -2)), "proof.wrong"),
    "a code two steps ahead": (lambda p, r: p.type(r, "U0DAN", p.code("U0DAN", 2)), "proof.wrong"),
    "somebody else's code": (lambda p, r: p.type(r, "U0DAN", p.code("U0CAROL")), "proof.wrong"),
    "letters for digits": (typed(code="٠١٢٣٤٥"), "proof.wrong"),
    "a wish that was taken back": (
        after(lambda p, r: p.house.withdraw(r, "U0DAN")),
        "proof.no-wish",
    ),
    "somebody who never wished": (typed("U0GINA"), "proof.no-wish"),
    "the form of another revision": (other_revision, "vote.old-ballot"),
    "the digest of another plan": (typed(digest="0" * 64), "vote.old-ballot"),
    "a request that is over": (after(cancelled), "vote.closed"),
    "a request whose time is over": (after(expired), "vote.expired"),
    "a letter about another request": (typed(request=999), "proof.unreadable"),
}


@pytest.mark.parametrize("case", NO)
def test_a_code_that_does_not_fit_counts_nothing_and_the_person_hears_why(phones: Phones, case: str) -> None:
    request_id = phones.house.pending()
    phones.house.vote(request_id, "U0DAN")
    act, key = NO[case]
    assert act(phones, request_id) == key
    assert phones.house.vote_rows(request_id) == ()
    assert phones.house.rows("letters") == []


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_phone_may_be_one_step_off(phones: Phones, steps: int) -> None:
    request_id = phones.house.pending()
    phones.house.vote(request_id, "U0DAN")
    assert phones.type(request_id, "U0DAN", phones.code("U0DAN", steps)) == "vote.approved"


def test_a_code_is_good_once_for_any_request(phones: Phones) -> None:
    first, second = phones.house.pending(), phones.house.pending()
    for request_id in (first, second):
        phones.house.vote(request_id, "U0DAN")
    code = phones.code("U0DAN")
    assert phones.type(first, "U0DAN", code) == "vote.approved"
    assert phones.type(second, "U0DAN", code) == "proof.used"
    assert phones.type(second, "U0DAN", phones.code("U0DAN", -1)) == "proof.used"
    assert phones.type(second, "U0DAN", phones.code("U0DAN", 1)) == "vote.approved"


def test_a_used_code_stays_used_when_the_database_is_put_back(phones: Phones) -> None:
    house = phones.house
    first, second = house.pending(), house.pending()
    for request_id in (first, second):
        house.vote(request_id, "U0DAN")
    (before,) = [row["box"] for row in house.rows("proof_boxes") if row["user"] == "U0DAN"]
    code = phones.code("U0DAN")
    assert phones.type(first, "U0DAN", code) == "vote.approved"
    with house.store.transact() as work:
        work.connection.execute(
            update(t.proof_boxes).where(t.proof_boxes.c.user == "U0DAN").values(box=before)
        )
    assert phones.type(second, "U0DAN", code) == "proof.used"


def test_a_secret_that_a_newer_one_replaced_is_refused_when_it_is_put_back(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    (stolen,) = [row["box"] for row in house.rows("proof_boxes") if row["user"] == "U0DAN"]
    code = phones.code("U0DAN")
    phones.enrol("U0DAN")
    with house.store.transact() as work:
        work.connection.execute(
            update(t.proof_boxes).where(t.proof_boxes.c.user == "U0DAN").values(box=stolen)
        )
    assert phones.type(request_id, "U0DAN", code) == "proof.put-back"
    assert house.vote_rows(request_id) == ()


def test_another_persons_box_is_no_box(phones: Phones) -> None:
    """Whoever owns the database gives an approver the secret of their own phone."""
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    (own,) = [row["box"] for row in house.rows("proof_boxes") if row["user"] == "U0GINA"]
    with house.store.transact() as work:
        work.connection.execute(update(t.proof_boxes).where(t.proof_boxes.c.user == "U0DAN").values(box=own))
    assert phones.type(request_id, "U0DAN", phones.code("U0GINA")) == "proof.box"
    assert house.vote_rows(request_id) == ()


def test_five_wrong_codes_lock_for_a_quarter_of_an_hour_and_are_announced(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    said = [phones.type(request_id, "U0DAN", "000000") for _ in range(6)]
    assert said == ["proof.wrong"] * 4 + ["proof.locked"] * 2
    assert house.notes(request_id) == ["note.code-locked"]
    assert house.kinds().count("code-locked") == 1
    assert phones.type(request_id, "U0DAN") == "proof.locked", "a good code is not looked at"
    house.wait(hours=-2)
    assert phones.type(request_id, "U0DAN") == "proof.locked", "a clock that jumps back unlocks nothing"
    house.wait(hours=2, minutes=14, seconds=59)
    assert phones.type(request_id, "U0DAN") == "proof.locked"
    house.wait(seconds=1)
    assert phones.type(request_id, "U0DAN") == "vote.approved"


def test_a_good_code_forgives_the_wrong_ones_before(phones: Phones) -> None:
    house = phones.house
    first, second = house.pending(), house.pending()
    house.vote(first, "U0DAN")
    house.vote(second, "U0DAN")
    for _ in range(4):
        phones.type(first, "U0DAN", "000000")
    assert phones.type(first, "U0DAN") == "vote.approved"
    assert phones.type(second, "U0DAN", "000000") == "proof.wrong"


def test_a_recovery_code_counts_once_and_everybody_hears_of_it(phones: Phones) -> None:
    house = phones.house
    first, second = house.pending(), house.pending()
    house.vote(first, "U0DAN")
    house.vote(second, "U0DAN")
    word = phones.handed["U0DAN"].recovery[3]
    assert phones.type(first, "U0DAN", f" {word.lower()} ") == "vote.approved"
    assert house.notes(first) == ["note.recovery-used"]
    assert "recovery-used" in house.kinds()
    assert "proof.recovery-used" in [one.key for one in phones.told("U0DAN")]
    assert phones.type(second, "U0DAN", word) == "proof.used"


def test_whoever_has_no_codes_is_told_how_to_get_them(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    with house.store.transact() as work:
        work.boxes.drop("secret", "U0DAN")
    answer = house.vote(request_id, "U0DAN")
    assert (answer.key, answer.button) == ("proof.not-enrolled", "enrol")
    assert phones.type(request_id, "U0DAN") == "proof.not-enrolled"


WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "the target and the count of the card": ({"target": "crm", "count": 7}, "vote.approved"),
    "another target": ({"target": "shop", "count": 7}, "proof.not-confirmed"),
    "the target in other letters": ({"target": "CRM", "count": 7}, "proof.not-confirmed"),
    "another count": ({"target": "crm", "count": 8}, "proof.not-confirmed"),
    "the count as a text": ({"target": "crm", "count": "7"}, "proof.not-confirmed"),
    "no count": ({"target": "crm"}, "proof.not-confirmed"),
    "nothing": ({}, "proof.not-confirmed"),
}


@pytest.mark.parametrize("case", WORDS)
def test_the_highest_tier_asks_for_target_and_count(phones: Phones, case: str) -> None:
    phones.house.configure(CONFIRMED)
    request_id = phones.house.pending()
    phones.house.vote(request_id, "U0DAN")
    said, key = WORDS[case]
    code = phones.code("U0DAN")
    assert phones.type(request_id, "U0DAN", code, **said) == key
    if key != "vote.approved":
        right = {"target": "crm", "count": 7}
        assert phones.type(request_id, "U0DAN", code, **right) == "vote.approved", "nothing was used up"


# What somebody writes into our tables


def forge(house: House, *votes: Vote) -> None:
    with house.store.transact() as work:
        for vote in votes:
            work.votes.put(vote)


def forged(house: House, request_id: int, user: str, **changes: Any) -> Vote:
    usual: dict[str, Any] = {
        "request_id": request_id,
        "revision": house.request(request_id).revision,
        "user": user,
        "choice": Choice.APPROVE,
        "proof": Proof.CODE,
        "at": house.now,
        "roles": ("data-owner", "dba"),
    }
    return Vote(**{**usual, **changes})


def emptied(phones: Phones) -> tuple[int, tuple[Vote, ...]]:
    """A request that the bot believes is approved, without its honest votes; and those."""
    request_id = approved(phones)
    honest = tuple(phones.house.vote_rows(request_id))
    with phones.house.store.transact() as work:
        for vote in honest:
            work.votes.drop(request_id, vote.revision, vote.user)
    return request_id, honest


def plain_rows(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    return [forged(phones.house, request_id, vote.user, proof=Proof.REACTION) for vote in honest]


def code_rows(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    return [forged(phones.house, request_id, vote.user) for vote in honest]


def guessed_marks(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    return [forged(phones.house, request_id, vote.user, mark="0" * 64) for vote in honest]


def marks_of_another_worker(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    key, view = ProofKey(b"\x0a" * 32, TEAM), phones.house.view(request_id)
    assert view.revision is not None
    return [key.marked(vote, view.request, view.revision.digest, confirmed=True) for vote in honest]


def marks_of_another_request(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    other = approved(phones)
    return [replace(vote, request_id=request_id) for vote in phones.house.vote_rows(other)]


def marks_of_another_person(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    return [honest[0], replace(honest[0], user=honest[1].user)]


def a_denial_turned_around(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    view = phones.house.view(request_id)
    assert view.revision is not None
    no = replace(honest[1], choice=Choice.DENY)
    marked = phones.house.safe.key.marked(no, view.request, view.revision.digest, confirmed=False)
    return [honest[0], replace(marked, choice=Choice.APPROVE)]


def a_later_time(phones: Phones, request_id: int, honest: tuple[Vote, ...]) -> list[Vote]:
    return [replace(vote, at=vote.at + timedelta(seconds=1)) for vote in honest]


FORGERIES = [
    plain_rows,
    code_rows,
    guessed_marks,
    marks_of_another_worker,
    marks_of_another_request,
    marks_of_another_person,
    a_denial_turned_around,
    a_later_time,
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda one: one.__name__.replace("_", " "))
def test_no_forged_vote_opens_the_gate(phones: Phones, forgery: Callable[..., list[Vote]]) -> None:
    house = phones.house
    request_id, honest = emptied(phones)
    forge(house, *forgery(phones, request_id, honest))
    assert gate(house, request_id) == Gate.NO
    assert house.state(request_id) is State.PENDING
    assert "vote-void" in house.kinds()


def test_the_honest_votes_put_back_as_they_were_do_open_it(phones: Phones) -> None:
    """So that the table above fails for the right reason."""
    request_id, honest = emptied(phones)
    forge(phones.house, *honest)
    assert gate(phones.house, request_id) == Gate.GO


def test_forged_wishes_count_for_nothing(phones: Phones) -> None:
    house = phones.house
    request_id, honest = emptied(phones)
    with house.store.transact() as work:
        for vote in honest:
            work.intents.put(Intent(request_id, 1, vote.user, Proof.CLICK, house.now, vote.roles))
    assert gate(house, request_id) == Gate.NO


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (t.revisions, {"digest": "0" * 64}),
        (t.requests, {"requester": "U0ERIN"}),
        (t.requests, {"target": "shop"}),
        (t.requests, {"record": "order"}),
    ],
    ids=["another digest", "another requester", "another target", "another record"],
)
def test_a_mark_holds_only_for_what_it_was_made_for(
    phones: Phones, table: Any, values: dict[str, Any]
) -> None:
    house = phones.house
    request_id = approved(phones)
    column = table.c.id if table is t.requests else table.c.request_id
    with house.store.transact() as work:
        work.connection.execute(update(table).where(column == request_id).values(**values))
    assert gate(house, request_id) == Gate.NO


def test_a_stored_rule_made_laxer_is_held_against_todays(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    with house.store.transact() as work:
        rule = work.connection.execute(t.revisions.select()).one().rule
        work.connection.execute(update(t.revisions).values(rule={**rule, "proof": "reaction"}))
    forge(house, *(forged(house, request_id, user, proof=Proof.CLICK) for user in APPROVERS))
    assert house.vote(request_id, "U0BOB").key == "proof.wanted"
    with house.store.transact() as work:
        revision = work.requests.revision(request_id, 1)
        assert revision is not None
        work.permits.issue(request_id, 1, revision.digest, house.now + timedelta(hours=1), house.now)
        work.requests.save(request_id, State.PENDING, state=State.APPROVED, starts_at=house.now)
    assert gate(house, request_id) == Gate.NO


@pytest.mark.parametrize("first", ["reaction", "code"])
def test_a_policy_change_never_makes_an_open_request_easier(phones: Phones, first: str) -> None:
    """Filed under one proof, run under the other: the code is asked for either way."""
    house = phones.house
    settings = {"reaction": config(), "code": BY_CODE}
    house.configure(settings.pop(first))
    request_id = house.pending()
    for user in APPROVERS:
        if first == "reaction":
            house.vote(request_id, user)
        else:
            phones.approve(request_id, user)
    house.configure(next(iter(settings.values())))
    house.wait(seconds=11)
    if first == "code":
        assert gate(house, request_id) == Gate.GO
        return
    assert gate(house, request_id) == Gate.NO
    assert house.notes(request_id) == ["note.no-code"]
    assert [phones.approve(request_id, user) for user in APPROVERS] == ["vote.approved", "vote.approved-all"]
    house.wait(seconds=11)
    assert gate(house, request_id) == Gate.GO


def test_a_rule_that_asks_for_target_and_count_since_then_takes_no_code_without_them(phones: Phones) -> None:
    house = phones.house
    request_id = approved(phones)
    house.configure(CONFIRMED)
    assert gate(house, request_id) == Gate.NO
    words: dict[str, Any] = {"target": "crm", "count": 7}
    for user in APPROVERS:
        house.wait(seconds=30)
        house.vote(request_id, user)
        phones.type(request_id, user, **words)
    house.wait(seconds=11)
    assert gate(house, request_id) == Gate.GO


def test_a_worker_without_its_key_counts_no_code(phones: Phones) -> None:
    house = phones.house
    request_id = approved(phones)
    house.workers_ground = house.ground
    assert gate(house, request_id) == Gate.NO


# Letters


def test_a_letter_of_another_person_or_by_another_name_is_not_opened(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)
    letter = phones.letter(request_id, "U0DAN")
    wrong: tuple[dict[str, Any], ...] = (
        {"user": "U0CAROL"},
        {"id": "f" * 32},
        {"kind": "enrol"},
        {"blob": "bm90IGFnZQ=="},
    )
    for changes in wrong:
        phones.post(replace(letter, **changes))
        assert house.vote_rows(request_id) == ()
        assert house.rows("letters") == []
    assert phones.post(letter) is not None
    assert list(house.votes(request_id)) == ["U0DAN"]


def test_a_letter_that_a_crash_left_counts_exactly_once(phones: Phones) -> None:
    """The code was used up in the file, and then the worker died before the database had the vote."""
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    letter = phones.letter(request_id, "U0DAN")

    class Died(BaseException):
        pass

    with pytest.raises(Died), house.store.transact() as work:
        content = house.prover.opened(letter)
        assert content is not None
        locked = house.ground.lock(work, request_id)
        assert house.prover._prove(work, locked, letter, content, house.now).key == "vote.approved"
        raise Died
    assert house.vote_rows(request_id) == ()
    house.wait(minutes=2)
    answer = phones.post(letter)
    assert answer is not None
    assert answer.key == "vote.approved"
    assert list(house.votes(request_id)) == ["U0DAN"]
    assert phones.post(letter) is not None
    assert len(house.vote_rows(request_id)) == 1


def test_of_many_workers_one_answers_a_letter(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    letter = phones.letter(request_id, "U0DAN")
    with house.store.transact() as work:
        work.letters.add(letter)
    assert race(*(lambda: house.prover.answer(letter, house.now) for _ in range(6))) == [None] * 6
    assert [one.key for one in phones.told("U0DAN")] == ["vote.approved"]
    assert house.kinds().count("vote") == 1


def test_a_bad_file_of_used_codes_accepts_none(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    (house.folder / "worker" / "proof.ledger").write_text("{")
    assert phones.type(request_id, "U0DAN") == "proof.ledger"
    assert house.vote_rows(request_id) == ()


def test_no_worker_no_letter(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    with house.store.transact() as work:
        work.processes.leave("worker", "slot-0")
    letter = phones.letter(request_id, "U0DAN")
    with pytest.raises(Refused, match=r"proof\.no-worker"), house.store.transact() as work:
        house.lifecycle.send_code(work, letter, house.actor("U0DAN"), house.now)


def test_no_table_of_ours_ever_holds_a_code_or_a_secret(phones: Phones) -> None:
    house = phones.house
    request_id = house.pending()
    codes = []
    for user in APPROVERS:
        house.wait(seconds=30)
        codes.append(phones.code(user))
        phones.approve(request_id, user)
    dump = "\n".join(
        str(house.rows(name))
        for name in ("letters", "proof_boxes", "erasable", "audit_log", "outbox", "votes")
    )
    secrets = [
        one for handed in phones.handed.values() for one in (handed.key, handed.ticket, *handed.recovery)
    ]
    assert [one for one in (*codes, *secrets) if one in dump] == []
