"""One reminder each, once: approvals are missing while there is time, copies elsewhere are still open."""

from collections.abc import Collection
from datetime import datetime, timedelta

from bot.approvals import copies, quorum, voting
from bot.approvals.ground import Ground
from bot.model.quorums import SlotSpec, plain, slots_in
from bot.model.requests import Request, Revision, State
from bot.policy import rules
from bot.store.unit_of_work import Store, Work

#: A quarter of the time before the end, but no later than this.
LATEST = timedelta(minutes=5)
#: More people than these are not called by name: a reminder must not ring everywhere.
FEW = 3
#: A copy that nobody has ticked off by then is called to mind, once.
COPIES_AFTER = timedelta(days=3)


def remind(store: Store, ground: Ground, now: datetime) -> None:
    """Say in the thread which approvals are still missing; idempotent over restarts and workers."""
    with store.read() as work:
        due = [one.id for one in work.requests.in_states([State.PENDING]) if _due(work, one, now)]
    for request_id in due:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            revision = _due(work, request, now) if request is not None else None
            if request is not None and revision is not None:
                _remind_one(ground, work, request, revision, now)


def remind_of_copies(store: Store, ground: Ground, now: datetime) -> None:
    """Say in the thread what else still holds copies; once for each request."""
    with store.read() as work:
        due = work.copies.forgotten(now - COPIES_AFTER)
    for request_id in due:
        with store.transact() as work:
            if request_id in work.copies.forgotten(now - COPIES_AFTER):
                copies.remind(ground, work, request_id, now)


def _due(work: Work, request: Request, now: datetime) -> Revision | None:
    """The revision whose approvals are to be asked for, if it is time."""
    if request.state is not State.PENDING or request.reminded_at is not None or request.expires_at is None:
        return None
    revision = work.requests.revision(request.id, request.revision)
    if revision is None:
        return None
    life = timedelta(seconds=revision.rule.expires)
    before = max(life / 4, LATEST)
    if before >= life or not request.expires_at - before <= now < request.expires_at:
        return None
    return revision


def _remind_one(ground: Ground, work: Work, request: Request, revision: Revision, now: datetime) -> None:
    votes = work.votes.of(request.id, request.revision)
    needs = [need for stage in voting.verdict(revision, votes).missing for need in stage.needs]
    if not needs:
        return
    assert request.expires_at is not None
    work.requests.save(request.id, request.state, reminded_at=now)
    told: dict[str, str | int] = {
        "number": request.number or 0,
        "missing": ", ".join(plain(need) for need in needs),
        "until": int(request.expires_at.timestamp()),
    }
    slots = [slot for need in needs for slot in slots_in(need)]
    people = _who(ground, request, revision, slots) - {vote.user for vote in votes}
    if 1 <= len(people) <= FEW:
        ground.note(work, request, "note.reminder-people", now, users=",".join(sorted(people)), **told)
    else:
        ground.note(work, request, "note.reminder", now, **told)


def _who(ground: Ground, request: Request, revision: Revision, slots: Collection[SlotSpec]) -> set[str]:
    """Everybody who could still give one; nobody, if only Slack knows who that is."""
    known = ground.config.roles
    named = {role for slot in slots for role in (slot.role, *slot.but)}
    if any(role not in known or known[role].usergroup is not None for role in named):
        return set()
    everybody = {user for slot in slots for user in known[slot.role].users}
    able = {user for user in everybody if quorum.may_fill(slots, rules.roles_of(known, user, {}))}
    return able - {request.requester, *revision.people}
