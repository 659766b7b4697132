"""Rows that were left over can be asked for, for a day, by whoever may ask; nobody else sees their keys."""

import pytest

from bot.approvals import follow_ups
from bot.errors import NotAllowed, Refused
from bot.model.leftovers import FollowUp, Offer
from bot.model.requests import State
from bot.schedules import sweeps
from tests.fakes.rooms import SETTINGS, House, config

OFFERS = (Offer(0, "customer", ("17", "18")), Offer(3, "customer", ("19",)))


def left(house: House) -> int:
    request_id = house.pending()
    with house.store.transact() as work:
        request = house.ground.lock(work, request_id)
        follow_ups.keep(work, request, OFFERS, house.now)
        work.requests.save(request_id, State.PENDING, state=State.SUCCEEDED, closed_at=house.now)
        work.outbox.want(f"receipt:{request_id}", "receipt", "C0X", house.now, request_id=request_id)
    house.posted(request_id)
    return request_id


def there(house: House, request_id: int) -> tuple[FollowUp, ...]:
    with house.store.read() as work:
        return follow_ups.there(work, house.request(request_id))


def test_whoever_may_ask_gets_the_form_with_the_keys(house: House) -> None:
    request_id = left(house)
    assert there(house, request_id) == (FollowUp(0, "customer", 2), FollowUp(3, "customer", 1))
    wish = house.reading.follow_up(request_id, 0, house.actor("U0ALICE"))
    assert wish is not None
    assert (wish.target, wish.record, wish.values, wish.reason) == ("crm", "customer", ("17", "18"), "")


@pytest.mark.parametrize(
    ("user", "flags"),
    [("U0FRED", {}), ("U0ZOE", {}), ("U0ALICE", {"is_guest": True}), ("U0ALICE", {"is_bot": True})],
)
def test_nobody_else_sees_them(house: House, user: str, flags: dict[str, bool]) -> None:
    request_id = left(house)
    with pytest.raises(Refused):
        house.reading.follow_up(request_id, 0, house.actor(user, **flags))


def test_what_is_not_there_is_nothing(house: House) -> None:
    request_id = left(house)
    for wanted, number in ((request_id, 1), (request_id, 99), (request_id + 9, 0)):
        assert house.reading.follow_up(wanted, number, house.actor("U0ALICE")) is None


def test_after_a_day_they_are_gone_and_the_receipt_is_shown_without_them(house: House) -> None:
    request_id = left(house)
    house.wait(days=1, seconds=-1)
    sweeps.prune(house.store, house.now)
    assert there(house, request_id)
    house.wait(seconds=2)
    sweeps.prune(house.store, house.now)
    assert there(house, request_id) == ()
    assert house.reading.follow_up(request_id, 0, house.actor("U0ALICE")) is None
    (row,) = (row for row in house.rows("outbox") if row["kind"] == "receipt")
    assert row["wanted"] > row["shown"]


def test_a_kind_of_record_that_left_the_configuration_is_nobodys_to_ask_for(house: House) -> None:
    request_id = left(house)
    rules = [rule for rule in SETTINGS["rules"] if rule["name"] != "small erasure"]
    house.configure(config(rules=rules))
    with pytest.raises(NotAllowed):
        house.reading.follow_up(request_id, 0, house.actor("U0ALICE"))
