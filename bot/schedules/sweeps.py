"""What happens because time passes. A sweep may run at any moment, twice or late: it does what is due."""

from datetime import datetime, timedelta

import structlog

from bot.approvals import follow_ups, starting, voting
from bot.approvals.ground import Ground, subject
from bot.audit.opening import sign_log
from bot.backups.vault import Vault
from bot.errors import CountersignError, NotFound
from bot.model.doors import Answer
from bot.model.requests import CLOSED, Request, Revision, State
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)

PREVIEW_LIFE = timedelta(minutes=10)
PLANNING_LIFE = timedelta(hours=1)
PAYLOAD_LIFE = timedelta(hours=24)
PURGE_PERMIT_LIFE = timedelta(hours=1)
#: People hear of a purge a day before, or half a short grace period before.
NOTICE = timedelta(days=1)


def expire(store: Store, ground: Ground, now: datetime) -> None:
    """Silence is a no: what nobody planned, decided or started in time is over, and so are old previews."""
    with store.read() as work:
        open_ones = work.requests.in_states([State.PLANNING, State.PENDING, State.APPROVED])
        due = [one.id for one in open_ones if _is_over(work, one, now)]
    for request_id in due:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            if request is not None and _is_over(work, request, now):
                _expire_one(ground, work, request, now)


def _expire_one(ground: Ground, work: Work, request: Request, now: datetime) -> None:
    started_late = request.state is State.APPROVED
    outcome = "outcome.not-started" if started_late else "outcome.expired"
    if request.number is None:
        outcome = "outcome.never-planned"
    ground.change(work, request, "expire", now, outcome=outcome)
    if request.number is not None:
        note = "note.not-started" if started_late else "note.expired"
        ground.note(work, request, note, now, requester=request.requester)
    elif not request.revision:
        told = Answer("filing.preview-late" if request.preview else outcome)
        ground.tell(work, request.requester, request.origin_channel, told, now)


def _is_over(work: Work, request: Request, now: datetime) -> bool:
    """Whether its time is over. A plan made anew after a drift has no time of its own until it is there."""
    if request.state is State.PLANNING:
        life = PREVIEW_LIFE if request.preview else PLANNING_LIFE
        return request.created_at + life <= now and request.number is None
    if request.state is State.PENDING:
        return request.expires_at is not None and request.expires_at <= now
    if request.state is not State.APPROVED:
        return False
    permit = work.permits.ready(request.id)
    return permit is None or permit.expires_at <= now


def reject(store: Store, ground: Ground, now: datetime) -> None:
    """A denial that nobody took back within its minute is final."""
    with store.read() as work:
        due = [
            one.id
            for one in work.requests.in_states([State.DENIED])
            if one.denied_until is not None and one.denied_until <= now
        ]
    for request_id in due:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            if request is None or request.state is not State.DENIED:
                continue
            if request.denied_until is None or request.denied_until > now:
                continue
            params = {"user": request.denied_by or ""}
            ground.change(work, request, "reject", now, outcome="outcome.rejected", outcome_params=params)
            ground.note(work, request, "note.rejected", now, requester=request.requester, **params)


def grace(store: Store, ground: Ground, now: datetime) -> None:
    """What is set aside: a notice before the end; at the end a second permit, if the votes still say so.

    The gate of the purge asks everything again; here only what is written down counts.
    """
    with store.read() as work:
        waiting = [one.id for one in work.requests.in_states([State.SET_ASIDE])]
    for request_id in waiting:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            if request is None or request.state is not State.SET_ASIDE or request.put_back_by is not None:
                continue
            _notice(ground, work, request, now)
            if request.grace_until is not None and request.grace_until <= now:
                _end_grace(ground, work, request, now)


def _notice(ground: Ground, work: Work, request: Request, now: datetime) -> None:
    until = request.grace_until
    if request.noticed_at is not None or until is None:
        return
    if until - _before(ground, request) > now:
        return
    work.requests.save(request.id, request.state, noticed_at=now)
    ground.note(work, request, "note.purge-soon", now, until=int(until.timestamp()))
    told = Answer("purge.soon", {"number": request.number or 0, "until": int(until.timestamp())})
    ground.tell(work, request.requester, request.origin_channel, told, now)


def _before(ground: Ground, request: Request) -> timedelta:
    """How long before the end people hear of it."""
    target = ground.config.targets.get(request.target)
    return min(NOTICE, target.grace / 2) if target else NOTICE


def _end_grace(ground: Ground, work: Work, request: Request, now: datetime) -> None:
    """A frozen target waits, and so does one outside its hours.

    A clock that leaps forward must not take the notice away from people: it always stands for its whole time.
    """
    revision = work.requests.revision(request.id, request.revision)
    noticed = request.noticed_at
    if revision is None or noticed is None or noticed + _before(ground, request) > now:
        return
    if work.targets.frozen(request.target) is not None:
        return
    if not starting.is_open_for(ground.config, request, revision, now):
        _wait_for_hours(ground, work, request, revision, now)
        return
    _permit_purge(ground, work, request, revision, now)


def _wait_for_hours(ground: Ground, work: Work, request: Request, revision: Revision, now: datetime) -> None:
    found = starting.next_start(ground.config, request, revision, now)
    until = found[0] if found else now + timedelta(days=1)
    work.permits.void(request.id)
    work.requests.save(request.id, request.state, grace_until=until)
    ground.note(work, request, "note.purge-waits", now, until=int(until.timestamp()))
    ground.redraw(work, request)


def _permit_purge(ground: Ground, work: Work, request: Request, revision: Revision, now: datetime) -> None:
    """Missing votes are asked for once an hour."""
    permit = work.permits.ready(request.id)
    # One that a freeze has outlived is written anew.
    if permit is not None and permit.expires_at > now:
        return
    if voting.is_reached(work, voting.Ballot(request, revision)):
        work.permits.issue(request.id, revision.revision, revision.digest, now + PURGE_PERMIT_LIFE, now)
        return
    work.requests.save(request.id, request.state, grace_until=now + timedelta(hours=1))
    ground.note(work, request, "note.purge-needs-votes", now, requester=request.requester)
    ground.redraw(work, request)


def shred(store: Store, ground: Ground, vault: Vault, now: datetime) -> None:
    """Backups whose time is over: the key goes first, then the rest; a crash in between is finished here."""
    with store.read() as work:
        due = work.backups.due(now)
    for backup in due:
        if backup.state == "kept" and not _begin_shredding(store, backup.id):
            continue
        try:
            vault.shred(backup.id)
        except NotFound:
            log.warning("backup was not in the store", action="shred", backup=backup.id)
        except CountersignError as error:
            # The next turn tries again; the other backups must not wait for this one.
            log.error("backup not shredded", action="shred", backup=backup.id, why=error.key)  # noqa: TRY400
            continue
        with store.transact() as work:
            if work.backups.move(backup.id, "deleting", "gone"):
                ground.log(work, "backup-shredded", None, {"backup": backup.id}, now)
                work.outbox.redraw(backup.request_id, ("receipt",))


def _begin_shredding(store: Store, backup_id: str) -> bool:
    """Decide it, unless a restore or a teardown that is not over needs the backup."""
    with store.transact() as work:
        open_ones = work.requests.in_states([state for state in State if state not in CLOSED])
        needed = [work.backups.get(one.backup_id) for one in open_ones if one.backup_id]
        ours = work.backups.get(backup_id)
        # What one reference names is one: a deletion in segments has many backups.
        if ours is None or any(one is not None and one.request_id == ours.request_id for one in needed):
            return False
        return work.backups.move(backup_id, "kept", "deleting")


def prune(store: Store, now: datetime) -> None:
    """Payloads and private sentences older than a day, old roster questions, and traces of erased texts."""
    with store.transact() as work:
        for key in work.inbox.prune(now - PAYLOAD_LIFE):
            work.erasable.erase(f"inbox:{key}")
        work.erasable.prune(now - PAYLOAD_LIFE)
        follow_ups.prune(work, now - PAYLOAD_LIFE)
        work.roster.prune(now - timedelta(hours=1))
        for request in work.requests.in_states([State.PLANNING]):
            if request.preview and request.created_at + PREVIEW_LIFE <= now:
                work.erasable.erase(subject(request.id))
    store.database.forget()


def sign(store: Store, key: bytes, now: datetime) -> None:
    """Sign the head of the log when it has moved."""
    with store.transact() as work:
        sign_log(work.audit, key, now)
