"""``countersign enrol``: a ticket for one person, and what is handed over with it, outside Slack."""

import io
import os
import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import segno
import typer
from pyotp import TOTP

from bot.approvals.ground import Ground
from bot.backups import keys
from bot.cli.behind import load, open_store, settings
from bot.cli.console import as_json, line, moment, tell
from bot.config import values
from bot.errors import BadInput, CountersignError
from bot.model.doors import Answer
from bot.proofs.opening import FILE, open_safe
from bot.proofs.safe import Safe
from bot.proofs.tickets import LIFE, Handed, issue
from bot.schedules import clock
from bot.settings import Settings
from bot.store.proofs import PROOF_KEY
from bot.store.unit_of_work import Work
from bot.texts import say


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("enrol", help=say("cli.help.enrol"))(enrol)


def enrol(
    user: Annotated[str, typer.Argument(metavar="USER", help=say("cli.help.enrol.user"))],
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Make a ticket. What is printed is kept nowhere in the clear."""
    known = settings()
    _check_user(user)
    safe = _safe(known)
    with open_store(known) as store, store.transact() as work:
        _check_key(work, safe)
        now = clock.now()
        again = safe.has_secret(work, user)
        if again:
            _announce(work, known, user, now)
        ticket, handed = issue(secrets.token_bytes, now)
        safe.keep_ticket(work, user, ticket, now)
        work.log(
            "enrol-ticket", now, None, {"user": user, "ticket": ticket.id, "again": again, "uid": os.getuid()}
        )
    uri = TOTP(handed.key).provisioning_uri(name=user, issuer_name=f"Countersign {safe.key.workspace}")
    whole = {"user": user, **asdict(handed), "uri": uri, "until": now + LIFE, "again": again}
    if json:
        as_json(whole)
    else:
        _show(whole, handed)


def _announce(work: Work, known: Settings, user: str, now: datetime) -> None:
    """A person whose codes are in use gets new ones: that person and the channel hear of it at once."""
    config = load(known, resolve=False)
    ground = Ground(config, secrets.token_bytes)
    ground.announce(work, config.channel, "note.change-ticket", now, user=user)
    ground.tell(work, user, config.channel, Answer("proof.change-ticket", direct=True), now)


def _check_user(user: str) -> None:
    try:
        values.user(user)
    except Exception:  # noqa: BLE001 - pydantic's own kind of error, told in our words
        raise BadInput("cli.enrol.user", user=values.short(user)) from None


def _safe(known: Settings) -> Safe:
    """What only whoever may read the worker's folder has.

    Raises:
        BadInput: there is none here.
    """
    path = known.worker_dir / FILE
    try:
        there = keys.is_there(path)
        if there:
            return open_safe(known.worker_dir, load(known, resolve=False).workspace)
    except BadInput:
        raise
    except CountersignError:
        pass
    raise BadInput("cli.enrol.folder", path=str(path))


def _check_key(work: Work, safe: Safe) -> None:
    if work.public_keys.get(PROOF_KEY) != safe.key.public:
        raise BadInput("cli.enrol.other-key")


def _show(whole: dict[str, Any], handed: Handed) -> None:
    tell("cli.enrol.head", user=whole["user"], until=moment(whole["until"]))
    tell("cli.enrol.ticket", ticket=handed.ticket)
    tell("cli.enrol.setup", setup=handed.key, uri=whole["uri"])
    drawn = io.StringIO()
    segno.make(whole["uri"], error="m").terminal(out=drawn, compact=True)
    for row in drawn.getvalue().splitlines():
        line(row)
    tell("cli.enrol.recovery")
    for code in handed.recovery:
        line(f"  {code}")
    tell("cli.enrol.again" if whole["again"] else "cli.enrol.foot")
