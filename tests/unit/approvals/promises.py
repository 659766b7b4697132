"""What must hold in every moment of a request's life, judged from the rows alone.

Nothing here asks the code under test what it thinks: who may vote, what a quorum is and what is in time is worked
out again, as plainly as possible, from the tables, the log and what is true outside.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.approvals import states
from bot.model.jobs import JobState
from bot.model.requests import CLOSED, State
from tests.unit.approvals.lifeworld import OWNER, POLICIES, REQUESTER, Facts, LifeWorld

Row = dict[str, Any]
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GOING = (JobState.RUNNING, JobState.HALTING, JobState.COMMITTING, JobState.COMMITTED)
TABLES = {
    "requests": "id number state revision requester expires_at starts_at denied_by denied_until closed_at",
    "revisions": "request_id revision digest",
    "votes": "request_id revision user choice at roles",
    "permits": "id request_id revision digest state expires_at nonce job_id",
    "jobs": "id request_id revision state kind",
    "targets": "name frozen_by",
    "roster_questions": "nonce asked_at answered_at",
}
ORDER = {"votes": "at, user"}


class PromiseBrokenError(Exception):
    """A promise does not hold."""


@dataclass(frozen=True)
class Books:
    """Every row that decides something, and how far the log goes."""

    tables: Mapping[str, list[Row]]
    seq: int
    private: Mapping[str, int]
    texts: frozenset[str]

    def votes(self, request: Row) -> list[Row]:
        """Those on the newest revision, oldest first."""
        return [
            one
            for one in self.tables["votes"]
            if (one["request_id"], one["revision"]) == (request["id"], request["revision"])
        ]

    def ready(self, request: Row) -> list[Row]:
        return [
            one
            for one in self.tables["permits"]
            if (one["request_id"], one["state"]) == (request["id"], "ready")
        ]

    def active(self) -> list[Row]:
        return [one for one in self.tables["jobs"] if one["state"] in GOING]


def read(world: LifeWorld) -> Books:
    """The books as they stand."""
    found = {}
    for table, names in TABLES.items():
        columns = names.split()
        quoted = ", ".join(f'"{one}"' for one in columns)
        rows = world.rows(f"SELECT {quoted} FROM {table} ORDER BY {ORDER.get(table, '1, 2')}")
        found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    ((seq,),) = world.rows("SELECT max(seq) FROM audit_log")
    private = dict(world.rows("SELECT user, count(*) FROM outbox WHERE kind = 'private' GROUP BY user"))
    texts = frozenset(
        one for (one,) in world.rows("SELECT subject FROM erasable WHERE subject LIKE 'request:%'")
    )
    return Books(found, seq, private, texts)


@dataclass(frozen=True)
class Turn:
    """One event: what the books and the world were before it and are after it."""

    event: str
    actor: str | None
    was: Books
    now: Books
    entries: list[Row]
    before: Facts
    after: Facts

    def request_before(self, request_id: int) -> Row | None:
        return next((one for one in self.was.tables["requests"] if one["id"] == request_id), None)

    def began(self) -> list[Row]:
        """Jobs that run now and did not."""
        running = {one["id"] for one in self.was.active()}
        return [one for one in self.now.active() if one["id"] not in running]


def instant(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


def has_quorum(wanted: Mapping[str, int], people: Mapping[str, Iterable[str]]) -> bool:
    """Whether distinct people can sit on every seat: by trying every order of them."""
    seats = [role for role, count in wanted.items() for _ in range(count)]
    return any(
        all(role in people[user] for role, user in zip(seats, order, strict=True))
        for order in itertools.permutations(people, len(seats))
    )


# The promises: each returns whether it holds


def moves_only_by_the_table_and_the_log_tells_each(turn: Turn) -> bool:
    for request in turn.now.tables["requests"]:
        before = turn.request_before(request["id"])
        state = State(before["state"]) if before else State.PLANNING
        for entry in turn.entries:
            name = entry["kind"].removeprefix("request-")
            if entry["request"] != request["id"] or name == entry["kind"] or name == "filed":
                continue
            if name not in states.REQUEST[state] or entry["body"]["to"] != states.REQUEST[state][name]:
                return False
            state = states.REQUEST[state][name]
        if state != request["state"]:
            return False
    return len(turn.was.tables["requests"]) <= len(turn.now.tables["requests"])


def what_is_over_stays_over(turn: Turn) -> bool:
    over = [one for one in turn.was.tables["requests"] if one["state"] in CLOSED]
    return all(one in turn.now.tables["requests"] for one in over)


def the_log_tells_every_vote(turn: Turn) -> bool:
    told = _words(turn.was)
    newest = {one["id"]: one["revision"] for one in turn.now.tables["requests"]}
    for entry in turn.entries:
        request, body = entry["request"], entry["body"]
        if entry["kind"] == "vote":
            told[request, body["revision"], body["by"]] = body["choice"]
        elif entry["kind"] == "vote-withdrawn":
            told.pop((request, body["revision"], body["by"]))
        elif entry["kind"] == "vote-void":
            told.pop((request, newest[request], body["by"]))
    return told == _words(turn.now)


def _words(books: Books) -> dict[tuple[int, int, str], str]:
    return {(one["request_id"], one["revision"], one["user"]): one["choice"] for one in books.tables["votes"]}


def only_people_with_a_slot_vote_and_only_on_the_newest_plan(turn: Turn) -> bool:
    newest = {one["id"]: one for one in turn.now.tables["requests"]}
    before = _words(turn.was)
    for (request_id, revision, user), choice in _words(turn.now).items():
        if before.get((request_id, revision, user)) == choice:
            continue
        wanted = POLICIES[turn.after.planned[-1]][1]
        if (
            turn.event.startswith("somebody of another workspace")
            or user != turn.actor
            or user == newest[request_id]["requester"]
            or revision != newest[request_id]["revision"]
            or not set(wanted) & turn.after.roles()[user]
            or (turn.after.gone and user == OWNER)
        ):
            return False
    return True


def a_new_plan_begins_without_votes(turn: Turn) -> bool:
    for request in turn.now.tables["requests"]:
        before = turn.request_before(request["id"])
        renewed = before is not None and request["revision"] != before["revision"]
        if renewed and (turn.now.votes(request) or turn.now.ready(request)):
            return False
    old = {(one["request_id"], one["revision"]): one["digest"] for one in turn.was.tables["revisions"]}
    new = {(one["request_id"], one["revision"]): one["digest"] for one in turn.now.tables["revisions"]}
    return old.items() <= new.items()


def nobody_but_people_approves(turn: Turn) -> bool:
    """Neither time nor a worker, a policy file, a freeze or a lost role."""
    for request in turn.now.tables["requests"]:
        before = turn.request_before(request["id"])
        entered = before is not None and before["state"] != request["state"] == State.APPROVED
        if entered and turn.event.split(": ")[-1] not in ("approves", "withdraws"):
            return False
    return True


def approved_means_a_quorum_in_time(turn: Turn) -> bool:
    for request in turn.now.tables["requests"]:
        before = turn.request_before(request["id"])
        if before is None or before["state"] == request["state"] or request["state"] != State.APPROVED:
            continue
        votes = turn.now.votes(request)
        people = {one["user"]: json.loads(one["roles"]) for one in votes if one["at"] < request["expires_at"]}
        if REQUESTER in people or any(one["choice"] == "deny" for one in votes):
            return False
        if not has_quorum(POLICIES[turn.after.planned[-1]][1], people):
            return False
    return True


def a_permit_waits_exactly_while_it_may(turn: Turn) -> bool:
    digests = {(one["request_id"], one["revision"]): one["digest"] for one in turn.now.tables["revisions"]}
    for request in turn.now.tables["requests"]:
        ready = turn.now.ready(request)
        if len(ready) != int(request["state"] == State.APPROVED):
            return False
        for one in ready:
            if one["digest"] != digests[request["id"], request["revision"]] or one["job_id"] is not None:
                return False
    return True


def a_permit_is_used_once(turn: Turn) -> bool:
    now = {one["id"]: one for one in turn.now.tables["permits"]}
    for one in turn.was.tables["permits"]:
        if one["state"] != "ready" and now[one["id"]] != one:
            return False
    used = [one["job_id"] for one in now.values() if one["state"] == "consumed"]
    taken = [one for one in turn.entries if one["kind"] == "permit-taken"]
    fresh = len(used) - len([one for one in turn.was.tables["permits"] if one["state"] == "consumed"])
    return len(used) == len(set(used)) and fresh == len(taken) <= 1


def what_starts_has_everything_it_needs(turn: Turn) -> bool:
    return all(_may_start(turn, job) for job in turn.began())


def _may_start(turn: Turn, job: Row) -> bool:
    request = next(one for one in turn.now.tables["requests"] if one["id"] == job["request_id"])
    digest = {(one["request_id"], one["revision"]): one["digest"] for one in turn.now.tables["revisions"]}[
        request["id"], request["revision"]
    ]
    permits = [one for one in turn.now.tables["permits"] if one["job_id"] == job["id"]]
    told = turn.before.told
    clock = turn.before.now
    if len(permits) != 1 or told is None or not timedelta(0) <= clock - told[0] <= MINUTE:
        return False
    bound = (permits[0]["state"], permits[0]["digest"], permits[0]["revision"], job["revision"])
    if bound != ("consumed", digest, request["revision"], request["revision"]):
        return False
    expires, starts = instant(permits[0]["expires_at"]), instant(request["starts_at"])
    assert expires is not None
    assert starts is not None
    if not starts <= clock < expires or any(one["frozen_by"] for one in turn.was.tables["targets"]):
        return False
    votes = turn.now.votes(request)
    if any(one["choice"] == "deny" for one in votes + turn.was.votes(request)):
        return False
    roles = turn.before.roles(told[1])
    people = {
        one["user"]: roles[one["user"]]
        for one in votes
        if one["at"] < request["expires_at"] and not (told[2] and one["user"] == OWNER)
    }
    rules = {turn.before.planned[-1], turn.before.policy}
    return REQUESTER not in people and all(has_quorum(POLICIES[rule][1], people) for rule in rules)


def one_job_at_a_time(turn: Turn) -> bool:
    running = [one for one in turn.now.tables["requests"] if one["state"] == State.RUNNING]
    return len(turn.now.active()) <= 1 and len(running) <= 1


def a_no_is_taken_back_by_who_said_it_and_within_its_minute(turn: Turn) -> bool:
    now = _words(turn.now)
    for one in turn.was.tables["votes"]:
        key = one["request_id"], one["revision"], one["user"]
        if one["choice"] != "deny" or now.get(key) == "deny":
            continue
        said = instant(one["at"])
        assert said is not None
        if turn.actor != one["user"] or not timedelta(0) <= turn.before.now - said < MINUTE:
            return False
    return True


def a_no_stands_until_then(turn: Turn) -> bool:
    for request in turn.now.tables["requests"]:
        votes = turn.now.votes(request)
        denied = {one["user"]: one["at"] for one in votes if one["choice"] == "deny"}
        if request["state"] == State.DENIED:
            until = request["denied_until"]
            if until is None or until - denied.get(request["denied_by"], 0) != 60_000_000:
                return False
        elif denied and request["state"] not in CLOSED:
            return False
    return True


def who_acts_gets_one_answer(turn: Turn) -> bool:
    if turn.actor is None:
        return True
    return turn.now.private.get(turn.actor, 0) == turn.was.private.get(turn.actor, 0) + 1


def what_is_over_is_forgotten(turn: Turn) -> bool:
    over = [one for one in turn.now.tables["requests"] if one["state"] in CLOSED]
    return all(one["closed_at"] is not None and f"request:{one['id']}" not in turn.now.texts for one in over)


PROMISES: tuple[Callable[[Turn], bool], ...] = (
    moves_only_by_the_table_and_the_log_tells_each,
    what_is_over_stays_over,
    the_log_tells_every_vote,
    only_people_with_a_slot_vote_and_only_on_the_newest_plan,
    a_new_plan_begins_without_votes,
    nobody_but_people_approves,
    approved_means_a_quorum_in_time,
    a_permit_waits_exactly_while_it_may,
    a_permit_is_used_once,
    what_starts_has_everything_it_needs,
    one_job_at_a_time,
    a_no_is_taken_back_by_who_said_it_and_within_its_minute,
    a_no_stands_until_then,
    who_acts_gets_one_answer,
    what_is_over_is_forgotten,
)


def judge(turn: Turn) -> None:
    """Every promise, after one event.

    Raises:
        PromiseBrokenError: with the sentence that does not hold.
    """
    for promise in PROMISES:
        if not promise(turn):
            raise PromiseBrokenError(promise.__name__.replace("_", " "))
