"""Rows that come back into another system than their own: at the gate both rules are asked again, as they are today."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.approvals import execution
from bot.errors import CannotProve
from bot.jobs.permit import Gate
from bot.model.plans import Origin
from bot.model.requests import Operation, State
from tests.fakes.rooms import SETTINGS, House, config, plan_of

RESTORE = {"operation": "restore", "target": "crm"}


def strict(**more: Any) -> list[dict[str, Any]]:
    """The usual rules, and before them another one for restores of the system where the rows are from."""
    rule = {"name": "strict", "when": RESTORE, "request": ["support", "dba"], "approve": ["1 of dba"], **more}
    return [rule, *SETTINGS["rules"]]


def without_the_origin(house: House) -> None:
    targets = {name: one for name, one in SETTINGS["targets"].items() if name != "crm"}
    rules = [one for one in SETTINGS["rules"] if one["when"].get("target") != "crm"]
    house.configure(config(targets=targets, rules=rules))


#: What changed between the approvals and the start, and what the gate says.
CHANGES: dict[str, tuple[Callable[[House], None], Gate]] = {
    "nothing": (lambda _: None, Gate.GO),
    "the origin asks for one more": (
        lambda house: house.configure(config(rules=strict(approve=["1 of dba", "1 of data-owner"]))),
        Gate.NO,
    ),
    "whoever asks may not ask there": (
        lambda house: house.configure(config(rules=strict(request=["orphan"]))),
        Gate.NO,
    ),
    "nobody knows the origin any more": (without_the_origin, Gate.NO),
}


def moving(house: House) -> int:
    request_id = house.file(
        operation=Operation.RESTORE, target="shop", record=None, values=(), reference="cs1.elsewhere"
    )
    plan = replace(
        plan_of("shop"), operation=Operation.RESTORE, origin=Origin("crm", "i" * 64), backup="b", sha256="s"
    )
    house.plan(request_id, execution.Planned("shop", "customer", plan.to_data(), plan.rows, None, ""))
    return request_id


@pytest.mark.parametrize("case", CHANGES)
def test_the_rule_of_the_system_that_rows_leave_binds_when_the_job_starts(house: House, case: str) -> None:
    change, expected = CHANGES[case]
    request_id = moving(house)
    house.vote(request_id, "U0DAN")
    assert house.state(request_id) is State.APPROVED
    house.wait(seconds=11)
    job = house.enqueue(request_id)
    change(house)
    assert house.take(job) is expected


def test_a_system_that_nobody_configured_lets_no_rows_go(house: House) -> None:
    without_the_origin(house)
    with pytest.raises(CannotProve) as refused:
        moving(house)
    assert refused.value.key == "restore.origin-unknown"
