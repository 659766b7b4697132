"""Asking: who may, for what, and what is written down."""

from datetime import datetime

from bot.approvals import quorum, undoing, workers
from bot.approvals.aside import require_there
from bot.approvals.ground import Ground, subject
from bot.config.types import Config
from bot.errors import BadInput, NotAllowed, NotFound
from bot.model.doors import MAX_REASON, MAX_ROWS, MAX_VALUES, Answer, Wish
from bot.model.jobs import Backup
from bot.model.people import Actor
from bot.model.requests import CLOSED, DESTRUCTIVE, Operation, Request, State
from bot.policy import rules
from bot.store.unit_of_work import Work


def check_person(actor: Actor, config: Config) -> None:
    """Bots, guests, outsiders and deactivated people may do nothing here.

    Raises:
        NotAllowed: with the sentence for the first reason that holds.
    """
    why = quorum.cannot_be(actor.facts, config.workspace)
    if why is not None:
        raise NotAllowed(why)


def file(ground: Ground, work: Work, wish: Wish, actor: Actor, channel: str, now: datetime) -> Answer:
    """Write a wish down for the worker to plan.

    Args:
        ground: configuration and randomness.
        work: the open transaction.
        wish: what is asked.
        actor: who asks.
        channel: where the command was typed; the private answers go there.
        now: the time.

    Raises:
        Refused: the role, the freeze, the target or the words do not allow it.
    """
    check_person(actor, ground.config)
    if not wish.preview:
        _check_reason(wish.reason)
    if wish.undoes is not None:
        wish = undoing.resolve(ground, work, wish)
    _check_choice(wish)
    target, backup = _target_of(ground, work, wish)
    backup_id = backup.id if backup else None
    _check_record(ground.config, wish, target)
    require_role(ground, wish.operation, target, actor, wish.record)
    if backup is not None and backup.target != target and backup.target in ground.config.targets:
        # Rows leave that system: whoever asks must be allowed to get them back there as well.
        require_role(ground, wish.operation, backup.target, actor, wish.record)
    _check_number(ground.config, wish, target)
    _check_freeze(work, wish, target)
    _check_served(ground.config, work, wish, target, now)
    require_there(work, wish.operation, target, backup_id)
    request_id = work.requests.add(
        operation=wish.operation,
        target=target,
        record=wish.record,
        backup_id=backup_id,
        requester=actor.user,
        origin_channel=channel,
        channel=ground.channel_for(target),
        created_at=now,
        preview=wish.preview,
        expected=wish.expected,
        undoes=wish.undoes,
    )
    request = work.requests.get(request_id)
    assert request is not None
    place = subject(request_id)
    body = {
        "operation": str(wish.operation),
        "target": target,
        "record": wish.record,
        "by": actor.user,
        "values": ground.keep(work, place, "values", list(wish.values or wish.choice.only), now),
        "reason": ground.keep(work, place, "reason", wish.reason, now),
        "preview": wish.preview,
        **({} if wish.expected is None else {"expected": wish.expected}),
    }
    body |= _keep_more(ground, work, wish, place, now)
    ground.log(work, "request-filed", request, body, now)
    return _accepted(ground.config, work, wish, request, now)


def _keep_more(ground: Ground, work: Work, wish: Wish, place: str, now: datetime) -> dict[str, str | int]:
    """Keep what only some wishes have; what the log says of it."""
    if wish.reference is not None:
        ground.keep(work, place, "reference", wish.reference, now)
    if wish.into is not None:
        ground.keep(work, place, "into", wish.into, now)
    said: dict[str, str | int] = {} if wish.undoes is None else {"undoes": wish.undoes}
    if not wish.choice.plain:
        said["mode"] = str(wish.choice.mode)
        said["choice"] = ground.keep(work, place, "choice", wish.choice.to_data(), now)
    if wish.heir is not None:
        said["heir"] = ground.keep(work, place, "heir", wish.heir, now)
    if wish.column is not None:
        work.erasable.put(place, "column", wish.column, b"", now)
        said |= {"column": wish.column, "file_rows": len(wish.values)}
    return said


def _accepted(config: Config, work: Work, wish: Wish, request: Request, now: datetime) -> Answer:
    """What the person is told at once."""
    if wish.preview:
        return Answer("filing.preview", {"target": request.target})
    there = workers.at_work_on(config, work, request.target, now)
    key = "filing.accepted" if there else "filing.accepted-no-worker"
    if wish.column is not None:
        return Answer(f"{key}-file", {"channel": request.channel, "n": len(wish.values)})
    return Answer(key, {"channel": request.channel})


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("filing.no-reason")
    if len(reason) > MAX_REASON:
        raise BadInput("filing.long-reason", limit=MAX_REASON, length=len(reason))


def _check_choice(wish: Wish) -> None:
    """What was chosen belongs to a restore and makes sense."""
    choice = wish.choice
    if choice.problem:
        raise BadInput(choice.problem)
    if len(choice.only) > MAX_VALUES:
        raise BadInput("filing.how-many", n=len(choice.only), limit=MAX_VALUES)


def _target_of(ground: Ground, work: Work, wish: Wish) -> tuple[str, Backup | None]:
    """The target's name and the backup; of a reference that is not in our books, what was typed, and none."""
    if wish.operation is not Operation.RESTORE:
        return _known_target(ground.config, wish.target or ""), None
    if wish.number is None and wish.reference is None:
        raise BadInput("filing.no-reference")
    backup = None
    if wish.number is not None:
        source = work.requests.by_number(wish.number)
        if source is None:
            raise NotFound("request.no-number", number=wish.number)
        backup = work.backups.of_request(source.id)
        if backup is None:
            raise NotFound("filing.no-backup", number=wish.number)
    else:
        backup = work.backups.by_reference(wish.reference or "")
    target = backup.target if backup else ""
    if not wish.target or wish.target == target:
        return target, backup
    return _known_target(ground.config, wish.target), backup


def _known_target(config: Config, name: str) -> str:
    if name not in config.targets:
        raise NotFound("filing.unknown-target", target=name, known=", ".join(sorted(config.targets)))
    return name


def _check_record(config: Config, wish: Wish, target: str) -> None:
    if wish.operation is not Operation.DELETE_RECORDS:
        return
    known = config.targets[target].records
    if wish.record not in known:
        names = ", ".join(sorted(known)) or "-"
        raise NotFound("filing.unknown-record", record=wish.record or "", target=target, known=names)
    if wish.undoes is not None:
        # The backup knows which records; what named them is erased.
        return
    limit = MAX_VALUES if wish.column is None else MAX_ROWS
    if not 1 <= len(wish.values) <= limit:
        raise BadInput("filing.how-many", n=len(wish.values), limit=limit)


def require_role(
    ground: Ground, operation: Operation, target: str, actor: Actor, record: str | None = None
) -> None:
    """Return when some rule may let this person ask for that operation; its size is not known yet.

    Raises:
        NotAllowed: which role is missing.
    """
    config = ground.config
    known = config.targets.get(target)
    asked = rules.Asked(
        operation=str(operation),
        target=target or None,
        environment=known.environment if known else None,
        record=record,
        rows=None,
    )
    refusal = rules.refusal_while_filing(config.rules, asked, actor.roles, config.roles)
    if refusal is not None:
        raise role_refusal(refusal, actor.user)


def _check_number(config: Config, wish: Wish, target: str) -> None:
    """Whoever has to say how many rows is told so at once, where every rule that could decide asks for it."""
    if wish.preview or wish.expected is not None or wish.operation not in DESTRUCTIVE:
        return
    environment = config.targets[target].environment
    asked = rules.Asked(str(wish.operation), target, environment, wish.record, None)
    could = rules.possible(config.rules, asked)
    if could and all(rule.expected for rule in could):
        raise BadInput("filing.expected-needed", rule=could[0].name)


def role_refusal(refusal: rules.Refusal, asker: str) -> NotAllowed:
    """The sentence that says which role is needed and whom to ask for it; nobody is sent to themselves."""
    owners = [owner for owner in refusal.owners if owner != asker]
    if not refusal.roles:
        return NotAllowed("filing.no-rule")
    if not owners:
        return NotAllowed("filing.no-role-no-owner", roles=", ".join(refusal.roles))
    return NotAllowed("filing.no-role", roles=", ".join(refusal.roles), users=",".join(owners))


def _check_served(config: Config, work: Work, wish: Wish, target: str, now: datetime) -> None:
    """There is somebody to do it; a teardown is for what is described as a system, and for one at a time."""
    if wish.operation is Operation.TEARDOWN:
        _check_system(config, work, target)
    workers.require_served(config, work, target, now)


def _check_system(config: Config, work: Work, target: str) -> None:
    if config.targets[target].host is None or not config.targets[target].is_system:
        raise BadInput("filing.no-system", target=target)
    open_ones = work.requests.in_states([state for state in State if state not in CLOSED])
    busy = next(
        (
            one
            for one in open_ones
            if one.target == target and one.operation is Operation.TEARDOWN and one.number
        ),
        None,
    )
    if busy is not None:
        raise NotAllowed("filing.teardown-open", target=target, number=busy.number or 0)


def _check_freeze(work: Work, wish: Wish, target: str) -> None:
    frozen = work.targets.frozen(target)
    if wish.operation in DESTRUCTIVE and frozen and not wish.preview:
        raise NotAllowed("filing.frozen", target=target, user=frozen.by)
    if wish.operation is Operation.UNFREEZE and not frozen:
        raise NotAllowed("filing.not-frozen", target=target)
