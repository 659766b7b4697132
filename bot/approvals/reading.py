"""What is shown: everything about a request, gathered in one consistent look."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.approvals import again, follow_ups, intents, workers
from bot.approvals.ground import Ground, subject
from bot.approvals.voting import verdict
from bot.model.doors import Answer, KeptBackup, Personal, PlanFile, RequestView, Wish
from bot.model.jobs import Backup, Canary, Job, JobState, Step
from bot.model.people import Actor
from bot.model.requests import CLOSED, Operation, Request, State
from bot.store.proofs import SECRET
from bot.store.unit_of_work import Store, Work

_OPEN = [state for state in State if state not in CLOSED]


class Reading:
    """Read-only views; never waits for a writer."""

    def __init__(self, store: Store, ground: Ground, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._ground = ground
        self._clock = clock

    def view(self, request_id: int) -> RequestView | None:
        """One request with all that belongs to it."""
        with self._store.read() as work:
            request = work.requests.get(request_id)
            return None if request is None else self._view(work, request)

    def by_number(self, number: int) -> RequestView | None:
        """The request that people call #number."""
        with self._store.read() as work:
            request = work.requests.by_number(number)
            return None if request is None else self._view(work, request)

    def open_requests(self) -> list[RequestView]:
        """Requests that are not over, newest first, at most 20."""
        with self._store.read() as work:
            found = [one for one in work.requests.in_states(_OPEN) if one.number is not None]
            return [self._view(work, request) for request in reversed(found[-20:])]

    def kept_backups(self, target: str | None = None, limit: int = 20) -> list[KeptBackup]:
        """What can be brought back, newest first; of one target, or of all."""
        with self._store.read() as work:
            return [
                KeptBackup(work.backups.summed(backup), request.number, request.requester)
                for backup in work.backups.kept(target, limit)
                if (request := work.requests.get(backup.request_id)) is not None
                and request.number is not None
            ]

    def private_text(self, place: str) -> Answer | None:
        """The content of a private sentence or a note; None once it is erased."""
        with self._store.read() as work:
            content = work.erasable.get(place, "answer")
        if content is None:
            return None
        return Answer(content["key"], content["params"], content.get("button"), content.get("value"))

    def wished(self, token: str, by: str) -> Wish | None:
        """What this person asked for in vain, as long as it is kept."""
        with self._store.read() as work:
            return again.kept(work, token, by)

    def follow_up(self, request_id: int, number: int, actor: Actor) -> Wish | None:
        """What may be asked for after a deletion, as long as it is kept.

        Raises:
            NotAllowed: this person may not ask for such a deletion.
        """
        with self._store.read() as work:
            return follow_ups.wish(self._ground, work, request_id, number, actor)

    def frozen(self) -> Mapping[str, str]:
        """Frozen targets and who froze them."""
        with self._store.read() as work:
            found = {name: work.targets.frozen(name) for name in self._ground.config.targets}
        return {name: freeze.by for name, freeze in found.items() if freeze is not None}

    def worker_alive(self) -> bool:
        """Whether a worker that takes jobs was seen lately."""
        with self._store.read() as work:
            return bool(workers.at_work(work, self._clock()))

    def health(self) -> Mapping[str, Any]:
        """What /readyz is decided from; ages in seconds."""
        if not self._store.database.alive():
            return {"database": False, "worker": False, "canary": str(Canary.NOT_YET)}
        now = self._clock()
        with self._store.read() as work:
            waiting, answered = work.roster.waiting_since(), work.roster.last_answer()
            alive, canary = bool(workers.alive(work, now)), workers.canary(work, now)
        return {
            "database": True,
            "worker": alive,
            "canary": str(canary),
            "roster_waits": (now - waiting).total_seconds() if waiting else 0.0,
            "roster_age": (now - answered).total_seconds() if answered else None,
        }

    def _view(self, work: Work, request: Request) -> RequestView:
        revision = work.requests.revision(request.id, request.revision)
        votes = work.votes.of(request.id, request.revision)
        proof = intents.wanted(self._ground.config, request, revision) if revision else None
        job = _job(work, request)
        target = self._ground.config.targets.get(request.target)
        return RequestView(
            request=request,
            revision=revision,
            personal=_personal(work, request),
            votes=votes,
            verdict=verdict(revision, votes) if revision else None,
            job=job,
            steps=_steps(work, request, job),
            backup=_backup(work, request),
            frozen=work.targets.frozen(request.target),
            worker_alive=workers.at_work_on(self._ground.config, work, request.target, self._clock()),
            support=target.support if target else None,
            environment=target.environment if target else None,
            head=job.facts.get("head") if job else None,
            file=_file(work, request),
            intents=work.intents.of(request.id, request.revision),
            needs_code=proof is not None and proof.code,
            confirm=proof is not None and proof.confirm,
            enrolled=work.boxes.users(SECRET),
            ticks=work.copies.of(request.id),
            follow_ups=follow_ups.there(work, request) if job and job.facts.get("residue") else (),
            fresh=work.backups.of_request(request.id) if request.operation is Operation.RESTORE else None,
        )


def _backup(work: Work, request: Request) -> Backup | None:
    named = request.backup_id
    found = work.backups.get(named) if named else work.backups.of_request(request.id)
    return None if found is None else work.backups.summed(found)


def _job(work: Work, request: Request) -> Job | None:
    """The newest job; not one that only found its plan untrue, which says nothing about the new one."""
    found = work.jobs.latest(request.id)
    return None if found is None or found.state is JobState.DRIFTED else found


def _steps(work: Work, request: Request, job: Job | None) -> tuple[Step, ...]:
    """A teardown is one story over all its jobs."""
    if job is None:
        return ()
    if request.operation is Operation.TEARDOWN:
        return work.jobs.steps_of(request.id)
    return work.jobs.steps(job.id)


def _file(work: Work, request: Request) -> PlanFile | None:
    """The file beside the newest plan, once it is known that one is needed."""
    item = work.outbox.plan_file(request.id, request.revision)
    if item is None or item.sha256 is None:
        return None
    name = f"plan-{request.number or 0}-{request.revision}.txt"
    return PlanFile(name, item.sha256, there=item.state == "posted", gone=item.state == "gone")


def _personal(work: Work, request: Request) -> Personal:
    place = subject(request.id)
    return Personal(
        label=work.erasable.get(place, "label"),
        values=tuple(work.erasable.get(place, "values") or ()),
        reason=work.erasable.get(place, "reason"),
        deny_reason=work.erasable.get(place, "deny_reason"),
        mark=work.erasable.get(place, "mark"),
        heir=work.erasable.get(place, "heir_label") or work.erasable.get(place, "heir"),
    )
