"""A delivery is written down once, and whoever writes it down hears whether it was the first."""

from bot.store.ports import InboxPort
from tests.fakes.rooms import House


def test_a_delivery_is_accepted_once_with_its_payload(house: House) -> None:
    port = InboxPort(house.store)
    assert port.accept("command:1", "command", {"text": "crm"}, house.now)
    assert not port.accept("command:1", "command", {"text": "other"}, house.now)
    assert port.load("command:1") == ("command", {"text": "crm"})
