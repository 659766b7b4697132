"""``countersign request``: look at requests. Personal texts are not shown here: they belong into Slack."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bot.cli.behind import open_store, settings
from bot.cli.console import as_json, cell, table, tell
from bot.errors import BadInput, NotFound
from bot.model.jobs import Backup, Step, StepState
from bot.model.requests import CLOSED, Request, Revision, State, Vote
from bot.store.unit_of_work import Work
from bot.texts import say
from handlers.views import amounts

group = typer.Typer(help=say("cli.help.request"), no_args_is_help=True)

_LONGEST_NUMBER = 9
_LIST = ("number", "operation", "target", "record", "state", "requester", "created_at")
_SHOW = (*_LIST, "rule", "expires_at", "starts_at", "closed_at", "outcome", "backup", "digest")
_VOTES = ("user", "choice", "proof", "at")
_STEPS = ("position", "name", "state", "started_at", "ended_at")


@group.command("list", help=say("cli.help.request.list"))
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help=say("cli.help.request.all"))] = False,
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """List the requests."""
    states = [state for state in State if everything or state not in CLOSED]
    with open_store(settings()) as store, store.read() as work:
        found = [one for one in reversed(work.requests.in_states(states)) if not one.preview]
    rows = [_line(request) for request in found]
    if json:
        as_json(rows)
    elif rows:
        table(_LIST, rows)
    else:
        tell("cli.request.none")


@group.command("show", help=say("cli.help.request.show"))
def show(
    number: Annotated[str, typer.Argument(help=say("cli.help.request.number"))],
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Show one request."""
    with open_store(settings()) as store, store.read() as work:
        whole = _whole(work, number)
    if json:
        as_json(whole)
        return
    for field in _SHOW:
        if whole.get(field) is not None:
            tell("cli.field", name=say(f"cli.column.{field}"), value=_shown(whole, field))
    for columns, key in ((_VOTES, "votes"), (_STEPS, "steps")):
        if whole[key]:
            tell(f"cli.request.{key}")
            table(columns, [{**row, "name": _sentence(str(row.get("name")), {})} for row in whole[key]])
    for step in whole["steps"]:
        if step["progress"]:
            what = amounts.told(step["progress"], step["progress"]["part"], "en")
            tell("cli.request.progress", step=_sentence(step["name"], {}), what=what)


def _whole(work: Work, number: str) -> dict[str, Any]:
    digits = number.strip().removeprefix("#")
    if not (digits.isascii() and digits.isdigit()):
        raise BadInput("cli.request.no-number", text=number[:40])
    request = work.requests.by_number(int(digits)) if len(digits) <= _LONGEST_NUMBER else None
    if request is None:
        raise NotFound("cli.request.unknown", number=digits)
    revision = work.requests.revision(request.id, request.revision)
    job = work.jobs.latest(request.id)
    backup = work.backups.get(request.backup_id) if request.backup_id else work.backups.of_request(request.id)
    return {
        **_line(request),
        "revision": request.revision,
        "expires_at": request.expires_at,
        "starts_at": request.starts_at,
        "closed_at": request.closed_at,
        "outcome": request.outcome,
        "outcome_text": _outcome(request),
        **_of_revision(revision),
        "backup": _of_backup(backup),
        "votes": [_vote(vote) for vote in work.votes.of(request.id, request.revision)],
        "steps": [_step(step) for step in work.jobs.steps(job.id)] if job else [],
    }


def _line(request: Request) -> dict[str, Any]:
    return {
        "number": request.number,
        "operation": str(request.operation),
        "target": request.target,
        "record": request.record,
        "state": str(request.state),
        "requester": request.requester,
        "created_at": request.created_at,
    }


def _of_revision(revision: Revision | None) -> dict[str, Any]:
    if revision is None:
        return {"rule": None, "digest": None}
    return {"rule": revision.rule.name, "digest": revision.digest}


def _of_backup(backup: Backup | None) -> str | None:
    return None if backup is None else backup.id


def _vote(vote: Vote) -> dict[str, Any]:
    return {"user": vote.user, "choice": str(vote.choice), "proof": str(vote.proof), "at": vote.at}


def _step(step: Step) -> dict[str, Any]:
    return {
        "position": step.position + 1,
        "name": step.name,
        "state": str(step.state),
        "started_at": step.started_at,
        "ended_at": step.ended_at,
        "progress": dict(step.progress) if step.progress and step.state is StepState.RUNNING else None,
    }


def _outcome(request: Request) -> str | None:
    return None if request.outcome is None else _sentence(request.outcome, request.outcome_params)


def _sentence(key: str, params: Mapping[str, object]) -> str:
    """What an older release wrote down may have no text any more: then its key."""
    try:
        return say(key, "en", **params)
    except KeyError:
        return key


def _shown(whole: Mapping[str, Any], field: str) -> str:
    return cell(whole["outcome_text"] if field == "outcome" else whole[field])
