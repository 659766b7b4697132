"""``countersign check``: everything that can be known before the start, said at once."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer

from bot.cli import probes, stanza
from bot.cli.behind import load, settings
from bot.cli.console import DONE, NO, USAGE, as_json, table, tell
from bot.cli.probes import Item, Level, attempt, item
from bot.cli.system_probes import of_system
from bot.config.check import advice, findings, shown_person
from bot.config.problems import ConfigInvalid, ConfigProblem
from bot.config.types import Config
from bot.errors import BadInput, NotFound
from bot.model.people import RosterFacts
from bot.operations import suggesting
from bot.schedules.clock import now
from bot.settings import Settings
from bot.targets import open_target
from bot.texts import say


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("check", help=say("cli.help.check"))(check)


def check(
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
    suggest: Annotated[str | None, typer.Option("--suggest", help=say("cli.help.suggest"))] = None,
) -> None:
    """Check everything, or suggest what the configuration of one target could say."""
    known = settings()
    if suggest is not None:
        _suggest(known, suggest, json=json)
        raise typer.Exit(DONE)
    items: list[Item] = []
    config, resolved = _configuration(known, items)
    roster = None
    if config is not None:
        roster = _roster(known, config, items)
        items += [_of_problem(Level.WARNING, finding) for finding in findings(config, roster, now())]
        items += [_of_problem(Level.NOTE, finding) for finding in advice(config, roster)]
        items += _machine(known, config, resolved)
        items += attempt(partial(probes.of_codes, known, config, roster))
    items = list(dict.fromkeys(items))  # a store that cannot be used stops more than one look
    code = _code(config, resolved, items)
    people = _people(config, roster) if config is not None else []
    if json:
        as_json({"ok": code == DONE, "items": [_data(one) for one in items], "roles": people})
    else:
        _show(items, people, code)
    raise typer.Exit(code)


def _suggest(known: Settings, name: str, *, json: bool) -> None:
    config = load(known, resolve=True)
    spec = config.targets.get(name)
    if spec is None:
        raise BadInput("cli.serve.target", name=name, known=", ".join(sorted(config.targets)))
    if spec.database is None:
        raise NotFound("target.no-rows", target=name)
    found = suggesting.suggest(open_target(name, spec.database.url, spec.max_lock), spec)
    if json:
        as_json(stanza.as_data(name, found))
    else:
        typer.echo(stanza.as_yaml(name, found), nl=False)


def _configuration(known: Settings, items: list[Item]) -> tuple[Config | None, bool]:
    """The configuration, and whether its variables are known; without them the rest is still checked."""
    try:
        return load(known, resolve=True), True
    except ConfigInvalid as invalid:
        items += [_of_problem(Level.ERROR, problem) for problem in invalid.problems]
    try:
        return load(known, resolve=False), False
    except ConfigInvalid:
        return None, False


def _roster(known: Settings, config: Config, items: list[Item]) -> RosterFacts | None:
    if known.slack_bot_token is None:
        items.append(item(Level.NOTE, "cli.check.no-token"))
        return None
    from handlers.identity import read_roster  # noqa: PLC0415 - Slack's library is loaded only where it is used

    # Slack's library logs its failures in its own words; ours follow below.
    logging.disable(logging.CRITICAL)
    try:
        return read_roster(known.slack_bot_token, known.slack_api_url, config, now)
    except Exception:  # noqa: BLE001 - whatever Slack does, the rest is checked all the same
        items.append(item(Level.NOTE, "cli.check.slack-down"))
        return None
    finally:
        logging.disable(logging.NOTSET)


def _machine(known: Settings, config: Config, resolved: bool) -> Iterator[Item]:
    if resolved:
        for name, target in config.targets.items():
            yield from attempt(partial(probes.of_target, name, target, config.source))
            if target.is_system:
                yield from attempt(partial(of_system, known, config, name))
        yield from attempt(partial(probes.of_store, known, config))
        yield from attempt(partial(probes.of_master_key, known, config))
    else:
        yield item(Level.NOTE, "cli.check.unresolved")
    yield from attempt(partial(probes.of_database, known))


def _of_problem(level: Level, problem: ConfigProblem) -> Item:
    return Item(level, problem.sentence(), problem.file, problem.line)


def _code(config: Config | None, resolved: bool, items: Sequence[Item]) -> int:
    if config is None or not resolved:
        return USAGE
    return NO if any(one.level in (Level.ERROR, Level.WARNING) for one in items) else DONE


def _people(config: Config, roster: RosterFacts | None) -> list[dict[str, Any]]:
    groups: Mapping[str, Sequence[str]] = roster.groups if roster else {}
    return [
        {
            "role": name,
            "users": [shown_person(user, roster) for user in role.users],
            "usergroup": role.usergroup,
            "members": [shown_person(user, roster) for user in groups.get(role.usergroup or "", ())],
            "owner": shown_person(role.owner, roster) if role.owner else None,
        }
        for name, role in config.roles.items()
    ]


def _data(one: Item) -> dict[str, Any]:
    return {**asdict(one), "level": str(one.level)}


def _show(items: Sequence[Item], people: Sequence[Mapping[str, Any]], code: int) -> None:
    for level in Level:
        for one in items:
            if one.level is level:
                tell(f"cli.check.{level}", text=one.text)
    if people:
        table(("role", "users", "usergroup", "members", "owner"), people)
    tell("cli.check.good" if code == DONE else "cli.check.bad")
