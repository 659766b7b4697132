"""What is shredded, what stays, and backup ids."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backups.ids import backup_id, is_backup_id
from bot.backups.retention import due, verdict
from bot.model.backups import Kept
from bot.texts import say

ID = "b20261123-7k2m9qx4tz"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CASES = {
    "one second early": (Kept("a", NOW - DAY + timedelta(seconds=1), DAY), False, "backups.kept"),
    "on the second": (Kept("a", NOW - DAY, DAY), True, "backups.due"),
    "long over": (Kept("a", NOW - 400 * DAY, DAY), True, "backups.due"),
    "for ever": (Kept("a", NOW - 4000 * DAY, None), False, "backups.kept_for_ever"),
    "needed by a request": (Kept("a", NOW - 2 * DAY, DAY, in_use=True), False, "backups.kept_in_use"),
    "in another time zone": (
        Kept("a", (NOW - DAY).astimezone(timezone(timedelta(hours=9))), DAY),
        True,
        "backups.due",
    ),
    "from a clock that runs ahead": (Kept("a", NOW + DAY, DAY), False, "backups.kept"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_backup_has_a_verdict_and_a_sentence(case: str) -> None:
    kept, shred, reason = CASES[case]
    found = verdict(kept, NOW)
    assert (found.shred, found.reason) == (shred, reason)
    assert say(found.reason, id=found.backup_id, until=found.until)
    assert due([kept], NOW) == (["a"] if shred else [])


def test_the_longest_overdue_goes_first() -> None:
    kept = [Kept(name, NOW - days * DAY, DAY) for name, days in (("a", 2), ("b", 9), ("c", 0), ("d", 5))]
    assert due(kept, NOW) == ["b", "d", "a"]


@given(st.binary(min_size=7, max_size=32), st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1)))  # noqa: DTZ001 - made aware below
def test_ids_have_one_form(entropy: bytes, when: datetime) -> None:
    found = backup_id(when.replace(tzinfo=UTC), entropy)
    assert is_backup_id(found)
    assert found[1:9] == f"{when:%Y%m%d}"


def test_ids_use_the_utc_date_and_all_their_entropy() -> None:
    tokyo = datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=9)))
    assert backup_id(tokyo, bytes(7)) == "b20261123-0000000000"
    assert len({backup_id(NOW, (1 << bit).to_bytes(7, "big")) for bit in range(50)}) == 50
    for when, entropy in ((NOW.replace(tzinfo=None), bytes(7)), (NOW, bytes(6))):
        with pytest.raises(ValueError, match=r"^$"):
            backup_id(when, entropy)


NOT_IDS = [
    "",
    "b",
    f"{ID}\n",
    f"../{ID}",
    ID[:-1],
    ID[:-1] + "Z",
    ID[:-1] + "i",
    ID.replace("2", "\u0662", 1),
]


@pytest.mark.parametrize("text", NOT_IDS)
def test_anything_else_is_not_an_id(text: str) -> None:
    assert not is_backup_id(text)
