"""``countersign policy``: try the rules out, from the configuration alone."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from bot.cli.behind import load, settings
from bot.cli.console import DONE, NO, as_json, table, tell
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.errors import BadInput
from bot.model.quorums import spelled, to_data
from bot.model.requests import Operation
from bot.policy import rules
from bot.texts import say

group = typer.Typer(help=say("cli.help.policy"), no_args_is_help=True)


@group.callback()
def _only() -> None:
    """Keep ``simulate`` a command of its own, though it is the only one."""


@group.command("simulate", help=say("cli.help.policy.simulate"))
def simulate(
    operation: Annotated[str, typer.Argument(help=say("cli.help.policy.operation"))],
    target: Annotated[str, typer.Argument(help=say("cli.help.policy.target"))],
    record: Annotated[str | None, typer.Option(help=say("cli.help.policy.record"))] = None,
    rows: Annotated[int | None, typer.Option(min=0, help=say("cli.help.policy.rows"))] = None,
    user: Annotated[list[str] | None, typer.Option(help=say("cli.help.policy.user"))] = None,
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Say which rule would decide."""
    config = load(settings(), resolve=False)
    asked = _asked(config, operation, target, record, rows)
    rule = rules.match(config.rules, asked)
    could = rules.possible(config.rules, asked) if rule is None else (rule,)
    people = [_person(config, could, one) for one in user or []]
    if json:
        as_json(_data(config, rule, could, people))
    else:
        _show(config, rule, could, people)
    no = not could or (people and not any(person["may_ask"] for person in people))
    raise typer.Exit(NO if no else DONE)


def _asked(config: Config, operation: str, target: str, record: str | None, rows: int | None) -> rules.Asked:
    operations = [str(one) for one in Operation]
    if operation not in operations:
        raise BadInput("cli.policy.operation", name=operation, known=", ".join(operations))
    known = config.targets.get(target)
    if known is None:
        raise BadInput("cli.serve.target", name=target, known=", ".join(sorted(config.targets)))
    if record is not None and record not in known.records:
        names = ", ".join(sorted(known.records)) or "-"
        raise BadInput("cli.policy.record", name=record, target=target, known=names)
    return rules.Asked(operation, target, known.environment, record, rows)


def _person(config: Config, could: Sequence[Rule], user: str) -> dict[str, Any]:
    held = rules.roles_of(config.roles, user, {})
    slots = {role for rule in could for role in rule.quorum.roles}
    return {
        "user": user,
        "roles": sorted(held),
        "may_ask": any(rules.may_request(rule, held) for rule in could),
        "could_approve": sorted(held & slots),
    }


def _holders(config: Config, role: str) -> dict[str, Any]:
    known = config.roles[role]
    return {"role": role, "users": list(known.users), "usergroup": known.usergroup}


def _rule(config: Config, rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "request": [_holders(config, role) for role in rule.request],
        "approve": [{"count": slot.count, **_holders(config, slot.role)} for slot in rule.quorum.slots],
        "quorum": to_data(rule.quorum),
        "expires_seconds": int(rule.expires.total_seconds()),
        "cooling_off_seconds": int(rule.cooling_off.total_seconds()),
        "drift_rows": rule.drift.rows,
    }


def _data(
    config: Config, rule: Rule | None, could: Sequence[Rule], people: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "rule": None if rule is None else rule.name,
        "possible": [_rule(config, one) for one in could],
        "people": list(people),
    }


def _show(config: Config, rule: Rule | None, could: Sequence[Rule], people: Sequence[dict[str, Any]]) -> None:
    if not could:
        tell("cli.policy.none")
        return
    if rule is not None:
        tell("cli.policy.rule", name=rule.name)
    else:
        tell("cli.policy.several", names=", ".join(one.name for one in could))
    lines = []
    for one in (_rule(config, each) for each in could):
        lines += [{"rule": one["name"], "may": say("cli.policy.ask"), **role} for role in one["request"]]
        lines += [
            {"rule": one["name"], "may": say("cli.policy.approve", n=slot["count"]), **slot}
            for slot in one["approve"]
        ]
    table(("rule", "may", "role", "users", "usergroup"), lines)
    for each in could:
        tell("cli.policy.needs", name=each.name, needs=spelled(each.quorum))
    for person in people:
        _show_person(person)


def _show_person(person: dict[str, Any]) -> None:
    key = "cli.policy.person-asks" if person["may_ask"] else "cli.policy.person-may-not"
    tell(
        key,
        user=person["user"],
        roles=", ".join(person["roles"]) or "-",
        approves=", ".join(person["could_approve"]) or "-",
    )
