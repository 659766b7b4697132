"""Somebody who was refused for a slip of the pen does not type it all again, and nobody else sees it."""

import json
from typing import Any

import pytest

from bot.approvals import execution
from bot.errors import BadInput, NotAllowed, NotFound, Refused
from bot.model.requests import State
from bot.schedules import sweeps
from handlers import parsing
from handlers.views import forms
from tests.fakes.rooms import REASON, VALUE, config
from tests.unit.handlers.doorway import Doorway

NO_MATCH = NotFound("operations.no-match", target="crm", table="customers", n=1)
TYPED = {"target": "crm", "record": "customer", "values": VALUE, "reason": REASON}


def buttons(doorway: Doorway, user: str = "U0ALICE") -> list[str]:
    """The tokens of the buttons *Try again…* that somebody was shown."""
    doorway.deliver(2)
    return [
        element["value"]
        for given in doorway.slack.called("chat.postEphemeral")
        if given["user"] == user
        for block in given["blocks"]
        for element in block.get("elements", ())
        if element.get("action_id") == "try-again"
    ]


def refused_while_planning(doorway: Doorway, refusal: Refused = NO_MATCH, **wish: Any) -> list[str]:
    house = doorway.house
    doorway.submit(forms.DELETE, TYPED)
    with house.store.transact() as work:
        (request,) = work.requests.in_states([State.PLANNING])
        execution.refuse(house.ground, work, request, refusal, house.now)
    return buttons(doorway)


def filled(view: dict[str, Any]) -> dict[str, str]:
    """What stands in a form before anybody types."""
    found = {}
    for block in view["blocks"]:
        element = block.get("element", {})
        option = element.get("initial_option") or {}
        found[block["block_id"]] = element.get("initial_value") or option.get("value") or ""
    return found


def test_a_value_that_is_not_found_opens_the_form_again_with_everything_that_was_typed(
    doorway: Doorway,
) -> None:
    (token,) = refused_while_planning(doorway)
    doorway.click("try-again", token, "1.0", "U0ALICE", channel="C0ASKING")
    (opened,) = doorway.slack.called("views.open")
    assert {name: value for name, value in filled(opened["view"]).items() if value} == TYPED
    assert json.loads(opened["view"]["private_metadata"])["channel"] == "C0ASKING"


@pytest.mark.parametrize(
    "refusal",
    [NotAllowed("filing.no-rule"), NotAllowed("filing.frozen", target="crm", user="U0BOB")],
)
def test_who_is_not_allowed_is_offered_nothing(doorway: Doorway, refusal: Refused) -> None:
    assert refused_while_planning(doorway, refusal) == []
    assert VALUE not in doorway.stored()


def test_a_preview_offers_nothing_because_it_would_file(doorway: Doorway) -> None:
    doorway.command("/countersign", f"plan crm customer {VALUE}")
    house = doorway.house
    with house.store.transact() as work:
        (request,) = work.requests.in_states([State.PLANNING])
        execution.refuse(
            house.ground, work, request, BadInput("operations.no-value", target="crm"), house.now
        )
    assert buttons(doorway) == []
    assert VALUE not in doorway.stored()


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        (
            "/delete-records",
            f"crm custmer {VALUE} -- {REASON}",
            {"target": "crm", "values": VALUE, "reason": REASON},
        ),
        (
            "/delete-records",
            f"cmr customer {VALUE} -- {REASON}",
            {"record": "customer", "values": VALUE, "reason": REASON},
        ),
        (
            "/delete-records",
            f'crm custmer {VALUE} reassign "Ann, B" expect 4 -- {REASON}',
            {"target": "crm", "values": VALUE, "heir": '"Ann, B"', "expected": "4", "reason": REASON},
        ),
        ("/restore", f"#99 -- {REASON}", {"backup": "#99", "reason": REASON}),
        ("/teardown", f"cmr -- {REASON}", {"target": "cmr", "reason": REASON}),
        ("/countersign", f"unfreeze cmr -- {REASON}", {"reason": REASON}),
    ],
)
def test_a_name_that_nobody_knows_opens_the_form_with_the_rest(
    doorway: Doorway, command: str, text: str, expected: dict[str, str]
) -> None:
    doorway.command(command, text)
    (token,) = buttons(doorway)
    doorway.click("try-again", token, "1.0", "U0ALICE", channel="C0ASKING")
    (opened,) = doorway.slack.called("views.open")
    shown = filled(opened["view"])
    assert {name: value for name, value in shown.items() if value} == expected


def test_who_takes_over_is_kept_as_long_as_the_rest_and_stands_in_the_form_again(doorway: Doorway) -> None:
    heir = "ann.berg@example.com"
    doorway.command("/delete-records", f"crm customer {VALUE} reassign {heir} -- {REASON}")
    house = doorway.house
    with house.store.transact() as work:
        (request,) = work.requests.in_states([State.PLANNING])
        assert work.erasable.get(f"request:{request.id}", "heir") == heir
        execution.refuse(
            house.ground, work, request, BadInput("operations.heir-goes", target="crm"), house.now
        )
    (token,) = buttons(doorway)
    doorway.click("try-again", token, "1.0", "U0ALICE", channel="C0ASKING")
    (opened,) = doorway.slack.called("views.open")
    assert filled(opened["view"])["heir"] == heir
    assert heir in doorway.stored()
    doorway.house.wait(days=1, minutes=1)
    sweeps.prune(doorway.house.store, doorway.house.now)
    assert heir not in doorway.stored()


def test_the_field_for_who_takes_over_is_shown_only_where_somebody_may_have_to() -> None:
    typed = parsing.Deletion(target="crm", record="customer")
    links = {"deals.owner -> customers.id": "reassign"}
    records = {"customer": {"table": "customers", "find_by": ["id"], "links": links}}
    over = config(targets={"crm": {"database": {"url": "sqlite:///crm.db"}, "records": records}})
    for some, fields in ((config(), set()), (over, {"heir"})):
        view = forms.deletion(some, typed, "C0ASKING", "en")
        optional = {block["block_id"] for block in view["blocks"] if block.get("optional")}
        assert optional - {"expected", "values", "file"} == fields


def test_nobody_else_opens_it(doorway: Doorway) -> None:
    (token,) = refused_while_planning(doorway)
    for token_of_hers in (token, "", "0" * 24, "x" * 300):
        doorway.click("try-again", token_of_hers, "1.0", "U0ERIN", channel="C0ASKING")
        assert "erased" in doorway.last("U0ERIN")
    assert doorway.slack.called("views.open") == []


def test_it_is_erased_after_a_day_and_then_the_person_hears_so(doorway: Doorway) -> None:
    (token,) = refused_while_planning(doorway)
    assert VALUE in doorway.stored()
    doorway.house.wait(days=1, minutes=1)
    sweeps.prune(doorway.house.store, doorway.house.now)
    assert VALUE not in doorway.stored()
    assert REASON not in doorway.stored()
    doorway.click("try-again", token, "1.0", "U0ALICE", channel="C0ASKING")
    assert "erased by now" in doorway.last()


def test_more_records_than_a_request_takes_are_told_beside_the_field(doorway: Doorway) -> None:
    many = "\n".join(f"v{n}@x" for n in range(101))
    answer = doorway.submit(forms.DELETE, {**TYPED, "values": many})
    assert "101" in json.loads(answer.body)["errors"]["values"]
    assert doorway.house.rows("requests") == []
