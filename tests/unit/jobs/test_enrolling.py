"""Enrolment: a ticket from the worker's side, good once and soon, and nothing that a database alone can make."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import insert, update

from bot.proofs.keys import ProofKey
from bot.proofs.tickets import issue
from bot.store import tables as t
from tests.fakes.codes import BY_CODE, Phones
from tests.fakes.rooms import TEAM, House


@pytest.fixture
def phones(house: House) -> Phones:
    house.configure(BY_CODE)
    return Phones(house)


def enrolled(house: House) -> frozenset[str]:
    with house.store.read() as work:
        return work.boxes.users("secret")


def test_ticket_and_first_code_bring_the_codes_into_use(phones: Phones) -> None:
    house = phones.house
    assert phones.redeem("U0DAN", phones.ticket("U0DAN")) == "proof.enrolled"
    assert enrolled(house) == {"U0DAN"}
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    assert phones.type(request_id, "U0DAN") == "proof.used", "the first code is used up"
    house.wait(seconds=30)
    assert phones.type(request_id, "U0DAN") == "vote.approved"
    assert "enrolled" in house.kinds()


def test_what_was_wanted_before_is_asked_for_again(phones: Phones) -> None:
    request_id = phones.house.pending()
    assert phones.house.vote(request_id, "U0DAN").key == "proof.not-enrolled"
    phones.redeem("U0DAN", phones.ticket("U0DAN"))
    assert [one.key for one in phones.told("U0DAN")] == ["proof.enrolled", "proof.wanted"]


def wrong(phones: Phones, **typed: str) -> str:
    return phones.redeem("U0DAN", phones.ticket("U0DAN"), **typed)


def late(phones: Phones) -> str:
    handed = phones.ticket("U0DAN")
    phones.house.wait(hours=1)
    return phones.redeem("U0DAN", handed)


def twice(phones: Phones) -> str:
    handed = phones.ticket("U0DAN")
    phones.redeem("U0DAN", handed)
    with phones.house.store.transact() as work:
        work.boxes.drop("secret", "U0DAN")
    return phones.redeem("U0DAN", handed)


def put_back(phones: Phones) -> str:
    """Whoever owns the database puts a used ticket back."""
    handed = phones.ticket("U0DAN")
    (box,) = phones.house.rows("proof_boxes")
    phones.redeem("U0DAN", handed)
    with phones.house.store.transact() as work:
        work.boxes.drop("secret", "U0DAN")
        work.boxes.put("ticket", "U0DAN", box["box"], phones.house.now)
    return phones.redeem("U0DAN", handed)


def voided_and_put_back(phones: Phones) -> str:
    handed = phones.ticket("U0DAN")
    (box,) = phones.house.rows("proof_boxes")
    for _ in range(3):
        phones.redeem("U0DAN", handed, ticket="AAAA-BBBB-CCCC-DDDD")
    with phones.house.store.transact() as work:
        work.boxes.put("ticket", "U0DAN", box["box"], phones.house.now)
    return phones.redeem("U0DAN", handed)


def somebody_elses(phones: Phones) -> str:
    handed = phones.ticket("U0CAROL")
    return phones.redeem("U0DAN", handed)


def moved_to_another(phones: Phones) -> str:
    """A row of one person, copied to another in the database."""
    handed = phones.ticket("U0CAROL")
    (box,) = phones.house.rows("proof_boxes")
    with phones.house.store.transact() as work:
        work.boxes.put("ticket", "U0DAN", box["box"], phones.house.now)
    return phones.redeem("U0DAN", handed)


def made_with_another_key(phones: Phones) -> str:
    """A ticket that the owner of the database writes."""
    house = phones.house
    ticket, handed = issue(house.entropy, house.now)
    box = ProofKey(b"\x0b" * 32, TEAM).lock("ticket", "U0DAN", asdict(ticket), house.entropy(12))
    with house.store.transact() as work:
        work.boxes.put("ticket", "U0DAN", box, house.now)
    return phones.redeem("U0DAN", handed)


def in_the_clear(phones: Phones) -> str:
    house = phones.house
    ticket, handed = issue(house.entropy, house.now)
    box = json.dumps(asdict(ticket)).encode().hex()
    with house.store.transact() as work:
        work.boxes.put("ticket", "U0DAN", box, house.now)
    return phones.redeem("U0DAN", handed)


def a_ticket_for_a_secret(phones: Phones) -> str:
    """The kind of a box is bound too: a ticket's box is no enrolment."""
    house = phones.house
    phones.ticket("U0DAN")
    (box,) = house.rows("proof_boxes")
    with house.store.transact() as work:
        work.connection.execute(
            insert(t.proof_boxes).values({**box, "kind": "secret", "changed_at": house.now})
        )
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    return phones.type(request_id, "U0DAN", "123456")


NO: dict[str, tuple[Callable[[Phones], str], str]] = {
    "a wrong ticket": (lambda p: wrong(p, ticket="AAAA-BBBB-CCCC-DDDD"), "proof.wrong-ticket"),
    "a wrong code": (lambda p: wrong(p, code="000000"), "proof.wrong-code"),
    "no ticket at all": (
        lambda p: p.redeem("U0DAN", issue(p.house.entropy, p.house.now)[1]),
        "proof.no-ticket",
    ),
    "after an hour": (late, "proof.late"),
    "a second time": (twice, "proof.no-ticket"),
    "used and put back": (put_back, "proof.no-ticket"),
    "void and put back": (voided_and_put_back, "proof.no-ticket"),
    "somebody else's": (somebody_elses, "proof.no-ticket"),
    "moved to another": (moved_to_another, "proof.box"),
    "made with another key": (made_with_another_key, "proof.box"),
    "written in the clear": (in_the_clear, "proof.box"),
}


@pytest.mark.parametrize("case", NO)
def test_a_ticket_that_is_not_right_brings_nothing_into_use(phones: Phones, case: str) -> None:
    act, key = NO[case]
    assert act(phones) == key
    assert enrolled(phones.house) == frozenset()
    assert phones.house.rows("letters") == []


def test_a_ticket_is_no_secret_whoever_copies_it(phones: Phones) -> None:
    assert a_ticket_for_a_secret(phones) == "proof.box"


def test_three_wrong_tickets_void_it(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    said = [phones.redeem("U0DAN", handed, ticket="AAAA-BBBB-CCCC-DDDD") for _ in range(3)]
    assert said == ["proof.wrong-ticket", "proof.wrong-ticket", "proof.void"]
    assert phones.redeem("U0DAN", handed) == "proof.no-ticket"


def test_five_wrong_first_codes_void_it_too(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    said = [phones.redeem("U0DAN", handed, code="000000") for _ in range(5)]
    assert said == ["proof.wrong-code"] * 4 + ["proof.void"]


def test_a_ticket_is_typed_as_people_type(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    assert (
        phones.redeem("U0DAN", handed, ticket=f" {handed.ticket.lower().replace('-', ' ')} ")
        == "proof.enrolled"
    )


def test_a_recovery_code_is_no_first_code(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    assert phones.redeem("U0DAN", handed, code=handed.recovery[0]) == "proof.wrong-code"


def test_a_box_with_a_changed_letter_is_no_box(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    (row,) = phones.house.rows("proof_boxes")
    last = "0" if row["box"][-1] != "0" else "1"
    with phones.house.store.transact() as work:
        work.connection.execute(update(t.proof_boxes).values(box=row["box"][:-1] + last))
    assert phones.redeem("U0DAN", handed) == "proof.box"


def test_tables_hold_a_ticket_only_locked(phones: Phones) -> None:
    handed = phones.ticket("U0DAN")
    phones.redeem("U0DAN", handed)
    dump: Any = [
        phones.house.rows(name) for name in ("proof_boxes", "letters", "audit_log", "erasable", "outbox")
    ]
    for secret in (handed.ticket, handed.key, *handed.recovery):
        assert secret not in str(dump)
