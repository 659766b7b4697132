"""What happens because time passes. A sweep may run at any moment, twice or late: it only does what is due."""

from datetime import datetime, timedelta

from bot.approvals.ground import Ground, subject
from bot.audit.opening import sign_log
from bot.backups.vault import Vault
from bot.model.doors import Answer
from bot.model.requests import Operation, State
from bot.store.unit_of_work import Store

PREVIEW_LIFE = timedelta(minutes=10)
PLANNING_LIFE = timedelta(hours=1)
PAYLOAD_LIFE = timedelta(hours=24)


def expire(store: Store, ground: Ground, now: datetime) -> None:
    """Silence is a no: pending requests whose time is over, approved ones whose permit is over, old previews."""
    with store.read() as work:
        open_ones = work.requests.in_states([State.PLANNING, State.PENDING, State.APPROVED])
        due = [one.id for one in open_ones if _is_over(store, one.id, now)]
    for request_id in due:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            if request is None or not _is_over(store, request_id, now):
                continue
            ground.change(work, request, "expire", now, outcome="outcome.expired")
            if request.number is not None:
                ground.note(work, request, "note.expired", now, requester=request.requester)
            elif not request.preview:
                told = Answer("outcome.never-planned")
                ground.tell(work, request.requester, request.origin_channel, told, now)


def _is_over(store: Store, request_id: int, now: datetime) -> bool:
    with store.read() as work:
        request = work.requests.get(request_id)
        permit = work.permits.ready(request_id)
    if request is None:
        return False
    if request.state is State.PLANNING:
        life = PREVIEW_LIFE if request.preview else PLANNING_LIFE
        return request.created_at + life <= now and request.number is None
    if request.state is State.PENDING:
        return request.expires_at is not None and request.expires_at <= now
    return request.state is State.APPROVED and permit is not None and permit.expires_at <= now


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


def shred(store: Store, ground: Ground, vault: Vault, now: datetime) -> None:
    """Backups whose time is over: the key goes first, then the rest; a crash in between is finished here."""
    with store.read() as work:
        due = work.backups.due(now)
        restoring = {
            one.backup_id
            for one in work.requests.in_states([State.PENDING, State.APPROVED, State.DENIED, State.RUNNING])
            if one.operation is Operation.RESTORE
        }
    for backup in due:
        if backup.id in restoring:
            continue
        with store.transact() as work:
            if backup.state == "kept" and not work.backups.move(backup.id, "kept", "deleting"):
                continue
        vault.shred(backup.id)
        with store.transact() as work:
            if work.backups.move(backup.id, "deleting", "gone"):
                ground.log(work, "backup-shredded", None, {"backup": backup.id}, now)
                work.outbox.redraw(backup.request_id, ("receipt",))


def prune(store: Store, now: datetime) -> None:
    """Payloads and private sentences older than a day, and roster questions older than an hour."""
    with store.transact() as work:
        for key in work.inbox.prune(now - PAYLOAD_LIFE):
            work.erasable.erase(f"inbox:{key}")
        work.erasable.prune(now - PAYLOAD_LIFE)
        work.roster.prune(now - timedelta(hours=1))
        for request in work.requests.in_states([State.PLANNING]):
            if request.preview and request.created_at + PREVIEW_LIFE <= now:
                work.erasable.erase(subject(request.id))


def sign(store: Store, key: bytes, now: datetime) -> None:
    """Sign the head of the log when it has moved."""
    with store.transact() as work:
        sign_log(work.audit, key, now)
