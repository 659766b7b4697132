"""A new phone for somebody whose codes count: another one confirms, a day passes, anybody concerned cancels."""

from typing import Any

import pytest

from bot.errors import NotAllowed
from bot.proofs.keys import ProofKey
from tests.fakes.codes import BY_CODE, Phones
from tests.fakes.rooms import TEAM, House


@pytest.fixture
def phones(house: House) -> Phones:
    house.configure(BY_CODE)
    return Phones(house, "U0DAN", "U0CAROL", "U0BOB")


@pytest.fixture
def old(phones: Phones) -> Any:
    """Dan's old phone; the new one has been asked for with ticket and first code."""
    before = phones.handed["U0DAN"]
    assert phones.redeem("U0DAN", phones.ticket("U0DAN")) == "proof.change-asked"
    phones.house.wait(seconds=90)
    return before


def decide(phones: Phones, user: str, kind: str = "change", code: str | None = None, **said: Any) -> str:
    letter = phones.letter(
        None, user, code or phones.code(user), **{"kind": kind, "subject": "U0DAN", **said}
    )
    answer = phones.post(letter)
    return answer.key if answer else ""


def tick(phones: Phones, **time: float) -> None:
    phones.house.wait(**time)
    phones.house.prover.changes(phones.house.now)


def works(phones: Phones, handed: Any) -> bool:
    """Whether a phone's code approves."""
    house = phones.house
    phones.handed["U0DAN"] = handed
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    return phones.type(request_id, "U0DAN") == "vote.approved"


def channel(house: House) -> list[str]:
    """The keys of what was said in the channel, outside threads."""
    rows = [row for row in house.rows("outbox") if row["kind"] == "note" and row["request_id"] is None]
    texts = [house.reading.private_text(str(row["subject"])) for row in rows]
    return [text.key for text in texts if text]


def test_confirmed_by_another_it_takes_over_a_day_later_and_not_before(phones: Phones, old: Any) -> None:
    new = phones.handed["U0DAN"]
    assert decide(phones, "U0CAROL") == "proof.change-confirmed"
    tick(phones, hours=23, minutes=59)
    assert works(phones, old)
    assert not works(phones, new)
    tick(phones, minutes=1)
    assert not works(phones, old)
    phones.house.wait(seconds=30)
    assert works(phones, new)
    assert channel(phones.house) == ["note.change-asked", "note.change-confirmed", "note.change-done"]
    kinds = [one for one in phones.house.kinds() if one.startswith(("change", "enrolled"))]
    assert kinds == ["change-asked", "change-confirmed", "enrolled"]


@pytest.mark.parametrize("by", ["U0DAN", "U0BOB"])
@pytest.mark.parametrize("confirmed", [False, True])
def test_cancelled_by_the_person_or_another_the_old_phone_goes_on(
    phones: Phones, old: Any, by: str, confirmed: bool
) -> None:
    if confirmed:
        decide(phones, "U0CAROL")
    assert decide(phones, by, "cancel") == "proof.change-cancelled"
    tick(phones, days=2)
    assert works(phones, old)
    assert channel(phones.house)[-1] == "note.change-cancelled"


NO = {
    "the person": (("U0DAN",), {}, "proof.own-change"),
    "somebody without codes": (("U0GINA",), {"code": "123456"}, "proof.change-needs-codes"),
    "a wrong code": (("U0CAROL",), {"code": "000000"}, "proof.change-code"),
    "another person's change": (("U0CAROL",), {"subject": "U0BOB"}, "proof.no-change"),
}


@pytest.mark.parametrize("case", NO)
def test_a_confirmation_that_does_not_count_changes_nothing(phones: Phones, old: Any, case: str) -> None:
    who, said, key = NO[case]
    assert decide(phones, *who, **said) == key
    tick(phones, hours=23)
    tick(phones, hours=2)
    assert works(phones, old)
    assert channel(phones.house)[-1] == "note.change-over"


def test_nobody_confirms_within_a_day_and_it_is_over(phones: Phones, old: Any) -> None:
    phones.house.wait(days=1)
    assert decide(phones, "U0CAROL") == "proof.no-change"


def test_one_code_confirms_no_two_changes(phones: Phones, old: Any) -> None:
    """The same letter number with other words is another letter."""
    code = phones.code("U0CAROL")
    assert decide(phones, "U0CAROL", code=code) == "proof.change-confirmed"
    phones.redeem("U0BOB", phones.ticket("U0BOB"))
    assert decide(phones, "U0CAROL", code=code, subject="U0BOB") == "proof.change-code"


def test_a_cancelled_change_that_is_put_back_in_the_database_is_no_change(phones: Phones, old: Any) -> None:
    house = phones.house
    decide(phones, "U0CAROL")
    (box,) = [row for row in house.rows("proof_boxes") if row["kind"] == "change"]
    decide(phones, "U0DAN", "cancel")
    with house.store.transact() as work:
        work.boxes.put("change", "U0DAN", box["box"], house.now)
    tick(phones, days=2)
    assert works(phones, old)


def test_a_change_that_the_owner_of_the_database_writes_is_none(phones: Phones, old: Any) -> None:
    house = phones.house
    with house.store.transact() as work:
        forged = ProofKey(b"\x0b" * 32, TEAM).lock("change", "U0DAN", {"id": "x"}, house.entropy(12))
        work.boxes.put("change", "U0DAN", forged, house.now)
    tick(phones, days=2)
    assert works(phones, old)


@pytest.mark.parametrize(
    ("kind", "user", "about", "key"),
    [
        pytest.param(
            "change", "U0DAN", "U0DAN", "proof.own-change", id="nobody vouches for a phone of their own"
        ),
        pytest.param(
            "change", "U0ALICE", "U0DAN", "proof.change-role", id="who may not approve may not vouch"
        ),
        pytest.param("change", "U0ZOE", "U0DAN", "proof.change-role", id="a stranger may not vouch"),
        pytest.param(
            "cancel", "U0ZOE", "U0DAN", "proof.change-cancel-role", id="a stranger may not call it off"
        ),
        pytest.param("change", "U0CAROL", "U0DAN", None, id="an approver vouches"),
        pytest.param("cancel", "U0ALICE", "U0DAN", None, id="any role calls it off"),
        pytest.param("cancel", "U0ZOE", "U0ZOE", None, id="the person calls it off"),
    ],
)
def test_the_role_is_asked_for_behind_the_door(
    phones: Phones, kind: str, user: str, about: str, key: str | None
) -> None:
    """Whatever the door let through: the letter reaches the worker only from whoever may send it."""
    house = phones.house
    letter = phones.letter(None, user, "000000", kind=kind, subject=about)
    refused = None
    try:
        with house.store.transact() as work:
            house.lifecycle.send_code(work, letter, house.actor(user), house.now, about)
    except NotAllowed as error:
        refused = error.key
    assert refused == key
    with house.store.read() as work:
        assert len(work.letters.waiting()) == (key is None)
