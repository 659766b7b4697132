"""Requests in any state, ready to be shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model.bounds import Bounds
from bot.model.calendar import Closed, Window
from bot.model.doors import Personal, PlanFile, RequestView
from bot.model.jobs import Backup, Job, JobState, Step, StepState
from bot.model.leftovers import FollowUp
from bot.model.proofs import Intent
from bot.model.quorums import Filled, SlotSpec, Stage, Verdict, simple
from bot.model.requests import (
    CLOSED,
    Choice,
    Freeze,
    Operation,
    Proof,
    Request,
    Revision,
    RuleSpec,
    State,
    Tick,
    Vote,
)
from bot.operations.bring_back import STEPS as BACK
from bot.operations.teardown import BUILTIN, BUILTIN_PURGE, BY_STEPS, PURGE, SET_ASIDE
from bot.sandbox.samples_remains import REMAINS

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUORUM = simple(SlotSpec(1, "dba"), SlotSpec(2, "data-owner"))
RULE = RuleSpec("small erasure", ("support",), (QUORUM,), 14400, 10, 0)
NIGHT = Window(("mon", "tue", "wed", "thu", "sun"), 22 * 60, 29 * 60, "Europe/Berlin")
YEAR_END = Closed(AT - timedelta(days=1), AT + timedelta(days=10), "stocktaking")
LABEL = "Ada King, Countess of Lovelace"
HEIR = "Ann <@U0BOB> Berg"
HANDED_OVER = {"accounts.owner_id -> users.id": 3, "deals.owner_id -> users.id": 1204}
REASON = "GDPR ticket 4711"
_UNDECIDED = (State.PLANNING, State.PENDING, State.CANCELLED, State.EXPIRED, State.REFUSED)
RESIDUE = (
    ("leads.mail", 3, "counted", 'CREATE INDEX CONCURRENTLY ON "public"."leads" ("mail")'),
    ("trail.payload", 1000, "more", ""),
    ("events.body", 0, "counted", ""),
    ("archive.text", 0, "slow", ""),
    ("secret.notes", 0, "unreadable", ""),
    ("old.mail", 0, "absent", ""),
    ("orders.phone", 0, "empty", ""),
    ("orders.mail", 0, "many", ""),
)
COPIES = (
    ("Elasticsearch", "dba"),
    ("Redis-3 <!channel>", ""),
    ("Mailchimp", "data-owner"),
    ("crm.example.com", "dba", "task"),
)
REFERENCE = "cs1." + "Ab_-" * 30


def plan(operation: Operation = Operation.DELETE_RECORDS, tables: int = 3) -> dict[str, Any]:
    """The canonical data of a plan."""
    if operation is Operation.UNFREEZE:
        return {
            "format": 1,
            "operation": str(operation),
            "target": "crm",
            "steps": [],
            "way_back": "way-back.freeze",
        }
    return {
        "format": 1,
        "operation": str(operation),
        "target": "crm",
        "record": "customer",
        "rows": tables * 4,
        "tables": [[f"table_{number}", 4, "0" * 64] for number in range(tables)],
        "nullified": [["customers.referred_by -> customers.id", 1, "0" * 64]],
        "warnings": [],
        "steps": ["step.lock", "step.delete"],
        "way_back": f"way-back.{operation}",
    }


def system(*, back: bool = False, builtin: bool = False) -> dict[str, Any]:
    """What a plan says about a whole system that goes, or with ``back`` comes back."""
    whole: dict[str, Any] = {
        "host": "crm-1",
        "rows": 1240,
        "services": [["web", "running", 2, [8080], "supervisor"]],
        "holdings": [
            ["uploads", "folder", "/srv/crm/uploads", 310, 52_400_000],
            ["database", "sqlite", "/srv/crm/crm.db", 3, 8_200_000],
        ],
        "checks": [["page", True]],
        "size": 60_600_000,
    }
    if back:
        return {
            **whole,
            "into": "",
            "users": [],
            "neighbours": [],
            "steps": [(*step, "restore") for step in BACK],
            "measured": 1.2,
        }
    steps = [(*step, "set-aside") for step in SET_ASIDE]
    steps += [(*step, "purge") for step in (BUILTIN_PURGE if builtin else PURGE)]
    return {
        **whole,
        "grace": 7 * 24 * 3600,
        "back": {"put-back": 20, "restore": 150},
        "method": BUILTIN if builtin else BY_STEPS,
        "why": None,
        "builtin": {
            "uninstall": "POST http://127.0.0.1:8080/uninstall",
            "export": "GET http://127.0.0.1:8080/export",
            "running": True,
            "leaves": ["uploads"],
        }
        if builtin
        else None,
        "users": [["python", 4711, "uploads", "uploads"]],
        "neighbours": [["shop", True], ["billing", False]],
        "successors": [["crm-new: page", True], ["crm-new: customers", False]],
        "residue": REMAINS.to_data(),
        "steps": steps,
    }


def teardown(state: State, *, builtin: bool = False, **changes: Any) -> RequestView:
    """A teardown of a whole system, in any state."""
    asked = {"operation": Operation.TEARDOWN, "record": None, "grace_until": AT + timedelta(days=7)}
    names = [step[0] for step in (*SET_ASIDE, *(BUILTIN_PURGE if builtin else PURGE))]
    erased = Personal() if state in CLOSED else Personal(None, (), "replaced by the new CRM", None)
    content = {
        "format": 1,
        "operation": "teardown",
        "target": "crm",
        "rows": 1240,
        "tables": [],
        "nullified": [],
        "warnings": [],
        "steps": names,
        "way_back": "way-back.teardown",
        "system": system(builtin=builtin),
    }
    shown = view(state, request={**asked, **changes.pop("request", {})}, personal=erased)
    rule = replace(RULE, name="system teardown")
    done = {
        State.RUNNING: 4,
        State.HELD: 2,
        State.STOPPED: 2,
        State.FAILED: 2,
        State.SUCCEEDED: len(names) - 1,
    }
    steps = _steps(shown.job, names, done.get(state, 0))
    return replace(
        shown, **{"revision": Revision(7, 1, "d" * 64, content, rule, AT), "steps": steps, **changes}
    )


def request(state: State = State.PENDING, **changes: Any) -> Request:
    """One request, number 42."""
    usual: dict[str, Any] = {
        "id": 7,
        "number": 42,
        "operation": Operation.DELETE_RECORDS,
        "target": "crm",
        "record": "customer",
        "backup_id": None,
        "requester": "U0ALICE",
        "origin_channel": "C0ASKING",
        "channel": "C0DELETIONS",
        "state": state,
        "revision": 1,
        "created_at": AT,
        "expires_at": AT + timedelta(hours=4),
        "starts_at": AT + timedelta(seconds=10),
        "denied_by": "U0CAROL" if state in (State.DENIED, State.REJECTED) else None,
        "denied_until": AT + timedelta(minutes=1) if state is State.DENIED else None,
        "closed_at": AT if state in CLOSED else None,
        "outcome": None,
        "outcome_params": {},
        "preview": False,
    }
    return Request(**{**usual, **changes})


def view(state: State = State.PENDING, **changes: Any) -> RequestView:
    """Everything about a request. What is personal is there while the request is open, as in real life."""
    asked = request(state, **changes.pop("request", {}))
    job = _job(state)
    usual: dict[str, Any] = {
        "request": asked,
        "revision": Revision(7, 1, "d" * 64, plan(asked.operation), RULE, AT),
        "personal": Personal()
        if state in CLOSED
        else Personal(LABEL, ("ada@example.com",), REASON, None, heir=HEIR),
        **_decision(state),
        "job": job,
        "steps": _steps(job, ["step.lock", "step.delete"], 1),
        "backup": None if job is None else backup(),
        "frozen": None,
        "worker_alive": True,
        "support": "Example CRM Ltd, +49 30 1234567",
        "environment": "production",
        "head": f"12:{'a' * 64}" if state is State.SUCCEEDED else None,
    }
    return replace(RequestView(**usual), **changes)


def revision(tables: int) -> Revision:
    """A first revision about so many tables."""
    return Revision(7, 1, "d" * 64, plan(tables=tables), RULE, AT)


def about(*people: str) -> Revision:
    """A first revision about these people's own accounts."""
    content = {**plan(Operation.DELETE_RECORDS), "people": sorted(people)}
    return Revision(7, 1, "d" * 64, content, RULE, AT)


def handing_over() -> Revision:
    """A first revision in which some rows stay and go to somebody else."""
    moved = [[label, count, "0" * 64] for label, count in HANDED_OVER.items()]
    content = {**plan(Operation.DELETE_RECORDS), "record": "user", "reassigned": moved, "heir": "0" * 32}
    return Revision(7, 1, "d" * 64, content, RULE, AT)


def foreseen() -> Revision:
    """A first revision that says all there is to expect: slow places, locks of others, time and size."""
    index = 'CREATE INDEX CONCURRENTLY ON "public"."order_lines" ("order_id")'
    slow = {"table": "order_lines", "column": "order_id", "rows": 4_200_000, "seconds": 38}
    who = "pid 4711 (idle in transaction)"
    held = {"target": "crm", "table": "orders", "seconds": 912, "who": who}
    told = [
        ["told.add-index", {**slow, "statement": index}],
        ["told.locked", held],
        ["told.locked-somewhere", held],
        ["told.locked-file", held],
        ["told.takes", {"seconds": 12, "size": 31}],
        ["told.takes-too-long", {"seconds": 60, "most": 30, "size": 310}],
    ]
    return Revision(7, 1, "d" * 64, {**plan(Operation.DELETE_RECORDS), "warnings": told}, RULE, AT)


def copied() -> Revision:
    """A first revision of which three other things hold copies."""
    content = {**plan(Operation.DELETE_RECORDS), "copies": [list(one) for one in COPIES]}
    return Revision(7, 1, "d" * 64, content, RULE, AT)


def named_elsewhere() -> Revision:
    """A first revision that says where else the same people are named, and where it cannot be told."""
    content = {**plan(Operation.DELETE_RECORDS), "residue": [list(one) for one in RESIDUE]}
    return Revision(7, 1, "d" * 64, content, RULE, AT)


def left_over() -> RequestView:
    """The same, done: what was found again, and a follow-up to some of it."""
    done = view(
        State.SUCCEEDED,
        revision=named_elsewhere(),
        follow_ups=(FollowUp(0, "lead", 3), FollowUp(2, "letter", 1)),
    )
    assert done.job is not None
    left = [["leads.mail", 5, "counted", ""], *(list(one) for one in RESIDUE[1:])]
    return replace(done, job=replace(done.job, facts={"residue": left}))


def ticks(done: int = 1) -> tuple[Tick, ...]:
    """What became of them: so many are ticked off."""
    return tuple(
        Tick(place, AT, "U0DAN", AT, reminded=False)
        if place < done
        else Tick(place, AT, None, None, reminded=False)
        for place in range(len(COPIES))
    )


def handed_over() -> RequestView:
    """The same, done."""
    done = view(State.SUCCEEDED, revision=handing_over())
    assert done.job is not None
    return replace(done, job=replace(done.job, facts={"reassigned": dict(HANDED_OVER)}))


def chosen(state: State, mode: str) -> RequestView:
    """A restore of some records, over what is different or without what is in the way."""
    asked = view(state, request={"operation": Operation.RESTORE})
    assert asked.revision is not None
    left = [["customers", "different", 1], ["deals", "below", 12]] if mode == "skip" else []
    choice = {"mode": mode, "only": 2, "table": "", "left": left, "there": 0}
    content: dict[str, Any] = {**asked.revision.plan, "choice": choice}
    if mode == "overwrite":
        content["overwritten"] = [["customers", 2, "0" * 64], ["notes", 1, "0" * 64]]
    fresh = backup(request_id=asked.request.id) if state is State.SUCCEEDED and mode == "overwrite" else None
    return replace(asked, revision=replace(asked.revision, plan=content), fresh=fresh)


def plan_file(*, there: bool = True, gone: bool = False) -> PlanFile:
    """The file with the whole plan of request 42."""
    return PlanFile("plan-42-1.txt", "ab12" * 16, there, gone)


def bounded(bounds: Bounds) -> Revision:
    """A first revision whose start is bounded."""
    return replace(revision(3), rule=replace(RULE, bounds=bounds))


def votes(count: int) -> tuple[Vote, ...]:
    """So many people who approve."""
    return tuple(
        Vote(7, 1, f"U0VOTER{number}", Choice.APPROVE, Proof.CLICK, AT, ("dba",)) for number in range(count)
    )


def wishes() -> tuple[Intent, ...]:
    """Two people who want to approve and have not given their codes."""
    return tuple(Intent(7, 1, user, Proof.CLICK, AT, ("dba",)) for user in ("U0BOB", "U0DAN"))


def backup(**changes: Any) -> Backup:
    """The backup of request 42."""
    usual = Backup(
        id="b1",
        request_id=7,
        target="crm",
        record="customer",
        sha256="b" * 64,
        size=23_200,
        rows=24,
        state="kept",
        reference=REFERENCE,
        created_at=AT,
        keep_until=AT + timedelta(days=30),
        test_restore_ms=1234,
    )
    return replace(usual, **changes)


def frozen() -> Freeze:
    """Somebody froze the target."""
    return Freeze("crm", "U0BOB", AT)


def _decision(state: State) -> dict[str, Any]:
    """The votes that brought a request to where it is, and what they amount to."""
    votes = [Vote(7, 1, "U0BOB", Choice.APPROVE, Proof.REACTION, AT, ("dba",))]
    filled = [Filled("dba", "U0BOB")]
    missing = [Stage("", (SlotSpec(2, "data-owner"),))]
    if state in (State.DENIED, State.REJECTED):
        votes.append(Vote(7, 1, "U0CAROL", Choice.DENY, Proof.CLICK, AT, ("data-owner",)))
    elif state not in _UNDECIDED:
        votes += [
            Vote(7, 1, user, Choice.APPROVE, Proof.CLICK, AT, ("data-owner",))
            for user in ("U0CAROL", "U0ERIN")
        ]
        filled += [Filled("data-owner", "U0CAROL"), Filled("data-owner", "U0ERIN")]
        missing = []
    return {"votes": tuple(votes), "verdict": Verdict(not missing, tuple(filled), tuple(missing))}


_PROGRESS = {
    "part": "database",
    "stage": "copying",
    "units": {"bytes": [312_000_000, 1_000_000_000]},
    "left": 42,
}


def _steps(job: Job | None, names: Sequence[str], done: int) -> tuple[Step, ...]:
    """``done`` steps behind us, and the one after them as the job's own state says."""
    if job is None:
        return ()
    last = {JobState.RUNNING: StepState.RUNNING, JobState.DONE: StepState.DONE}.get(
        job.state, StepState.FAILED
    )
    made = [Step(job.id, place, name, StepState.DONE, AT, AT) for place, name in enumerate(names[:done], 1)]
    ended = None if last is StepState.RUNNING else AT
    told = _PROGRESS if last is StepState.RUNNING else None
    return (*made, Step(job.id, done + 1, names[done], last, AT, ended, told))


def _job(state: State) -> Job | None:
    states = {
        State.RUNNING: JobState.RUNNING,
        State.SUCCEEDED: JobState.DONE,
        State.HELD: JobState.HELD,
        State.FAILED: JobState.FAILED,
        State.STOPPED: JobState.STOPPED,
    }
    if state not in states:
        return None
    ended = None if state is State.RUNNING else AT
    facts = {"engine": "postgresql"}
    return Job("job-7", 7, 1, "crm", states[state], "b1", None, facts, AT, ended)
