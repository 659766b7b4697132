"""Which parts of one database two systems may own: none that is in both, and never a part beside the whole."""

import pytest

from bot.config.database_types import Database

WHOLE = {"url": "${SHARED}"}
CRM = {"url": "${SHARED}", "schemas": ("crm",)}
TILL = {"url": "${SHARED}", "schemas": ("till",)}
ORDERS = {"url": "${SHARED}", "tables": ("orders", "Crm.orders")}
AGAIN = {"url": "${SHARED}", "tables": ("public.orders",)}
OTHERS = {"url": "${SHARED}", "tables": ("Orders", "crm.orders")}
NOTES = {"url": "mysql://h/crm", "tables": ("notes", "orders")}
SHOPS = {"url": "mysql://h/crm", "tables": ("shops",)}
LOUD = {"url": "mariadb://h/crm", "tables": ("crm.Orders",)}


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (NOTES, SHOPS, True),
        (NOTES, LOUD, False),
        (SHOPS, LOUD, True),
        (NOTES, {"url": "mysql://h/crm"}, False),
        (WHOLE, WHOLE, False),
        (WHOLE, CRM, False),
        (WHOLE, ORDERS, False),
        (CRM, CRM, False),
        (CRM, TILL, True),
        (CRM, ORDERS, True),
        (CRM, OTHERS, False),
        (TILL, OTHERS, True),
        (ORDERS, OTHERS, True),
        (ORDERS, AGAIN, False),
        (AGAIN, OTHERS, True),
    ],
)
def test_two_systems_own_what_is_in_neither_other(
    one: dict[str, object], other: dict[str, object], *, apart: bool
) -> None:
    both = Database.model_validate(one), Database.model_validate(other)
    assert (both[0].is_apart(both[1]), both[1].is_apart(both[0])) == (apart, apart)
