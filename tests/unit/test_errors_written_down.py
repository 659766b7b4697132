"""An error is written into our books as JSON, whatever the driver has given to say in it."""

import datetime as dt
import decimal
import json
from typing import Any

import pytest

from bot.errors import Broken, CannotProve, CountersignError, because
from bot.texts import say


@pytest.mark.parametrize("kind", [CannotProve, Broken])
@pytest.mark.parametrize(
    "given",
    [b"x\xff", bytearray(b"x"), None, decimal.Decimal("1.50"), dt.date(2026, 1, 1), 1.5, ("a",)],
)
def test_whatever_a_driver_gives_can_be_written_down_and_said(
    kind: type[CountersignError], given: Any
) -> None:
    error = kind("whole.foreign-key", database="crm", name=given)
    assert json.loads(json.dumps(dict(error.params))) == error.params
    assert json.dumps(because(error))
    assert str(given) in say(error.key, **error.params)


def test_texts_and_numbers_stay_what_they_are() -> None:
    assert CannotProve("whole.xa", name="x", n=2).params == {"name": "x", "n": 2}
