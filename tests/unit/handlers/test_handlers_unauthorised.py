"""Every kind of person who may decide nothing, as Slack describes them: who is taken for one of us."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.approvals.quorum import cannot_be
from handlers.identity import People
from tests.fakes.rooms import config
from tests.fakes.slack import MemorySlack

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEAM, ORG = "T0ACME", "E0ACME"

#: sentence -> what Slack's directory says, the person's team in the payload, why not; None: one of us.
ONE_WORKSPACE: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "a member": ({}, TEAM, None),
    "a member, in a payload that names no team": ({}, None, None),
    "a guest of several channels": ({"is_restricted": True}, TEAM, "person.guest"),
    "a guest of one channel": ({"is_restricted": True, "is_ultra_restricted": True}, TEAM, "person.guest"),
    "an app": ({"is_bot": True}, TEAM, "person.bot"),
    "an app that the flag was forgotten for": ({"profile": {"bot_id": "B0X"}}, TEAM, "person.bot"),
    "a workflow": ({"is_workflow_bot": True}, TEAM, "person.bot"),
    "a connector": ({"is_connector_bot": True}, TEAM, "person.bot"),
    "somebody who left": ({"deleted": True}, TEAM, "person.deactivated"),
    "an app that was removed": ({"deleted": True, "is_bot": True}, TEAM, "person.bot"),
    "somebody of another workspace": ({"team_id": "T0OTHER"}, "T0OTHER", "person.outsider"),
    "somebody of another workspace, who says to be of ours": (
        {"team_id": "T0OTHER"},
        TEAM,
        "person.outsider",
    ),
    "one of ours, as another workspace shows them": ({}, "T0OTHER", "person.outsider"),
    "a stranger in a shared channel": ({"is_stranger": True}, TEAM, "person.outsider"),
    "a partner in a shared channel, once known": (
        {"team_id": "T0OTHER", "is_stranger": False},
        "T0OTHER",
        "person.outsider",
    ),
    "a partner of another organisation": (
        {"team_id": "E0OTHER", "enterprise_user": {"enterprise_id": "E0OTHER"}},
        None,
        "person.outsider",
    ),
    "a workspace whose name only begins like ours": ({"team_id": f"{TEAM}2"}, None, "person.outsider"),
    "a workspace whose name differs in case": ({"team_id": "t0acme"}, None, "person.outsider"),
    "an administrator": ({"is_admin": True, "is_owner": True, "is_primary_owner": True}, TEAM, None),
    "somebody who calls themselves like an approver": (
        {"name": "U0BOB", "team_id": "T0OTHER"},
        None,
        "person.outsider",
    ),
}
ORGANISATION: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "a member of one of its workspaces": (
        {"team_id": "T0NORTH", "enterprise_user": {"enterprise_id": ORG}},
        "T0NORTH",
        None,
    ),
    "a member whom Slack lists under the organisation itself": ({"team_id": ORG}, None, None),
    "a member of a workspace that is no part of it": ({"team_id": "T0NORTH"}, "T0NORTH", "person.outsider"),
    "a member of another organisation": (
        {"team_id": "T0NORTH", "enterprise_user": {"enterprise_id": "E0OTHER"}},
        "T0NORTH",
        "person.outsider",
    ),
    "a stranger who names it": (
        {"is_stranger": True, "enterprise_user": {"enterprise_id": ORG}},
        None,
        "person.outsider",
    ),
    "a guest of one of its workspaces": (
        {"team_id": "T0NORTH", "enterprise_user": {"enterprise_id": ORG}, "is_restricted": True},
        "T0NORTH",
        "person.guest",
    ),
}


def why_not(workspace: str, told: dict[str, Any], team: str | None, user: str = "U0BOB") -> str | None:
    slack: Any = MemorySlack(people={user: told})
    people = People(slack, config(workspace=workspace), lambda: NOW)
    return cannot_be(people.actor(user, team, TEAM).facts, workspace)


@pytest.mark.parametrize("sentence", ONE_WORKSPACE)
def test_in_one_workspace(sentence: str) -> None:
    told, team, why = ONE_WORKSPACE[sentence]
    assert why_not(TEAM, told, team) == why


@pytest.mark.parametrize("sentence", ORGANISATION)
def test_in_an_organisation(sentence: str) -> None:
    told, team, why = ORGANISATION[sentence]
    assert why_not(ORG, told, team) == why


def test_slacks_own_bot_is_one_though_slack_says_otherwise() -> None:
    assert why_not(TEAM, {"is_bot": False}, TEAM, "USLACKBOT") == "person.bot"


@pytest.mark.parametrize("sentence", ONE_WORKSPACE)
def test_the_gate_is_told_the_same_by_the_directory_alone(sentence: str) -> None:
    """The answer to the worker's question knows no payload: whoever is not one of us there is none here either."""
    told, _, why = ONE_WORKSPACE[sentence]
    slack: Any = MemorySlack(people={"U0BOB": told})
    people = People(slack, config(), lambda: NOW)
    facts = people.read(("U0BOB",), (), NOW).people["U0BOB"]
    payload_only = sentence == "one of ours, as another workspace shows them"
    assert cannot_be(facts, TEAM) == (None if payload_only else why)
