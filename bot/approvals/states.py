"""The moves of a request and of its job.

Rule 1: every move is in one of the two tables below; nothing else changes a state.
Rule 2: this file is pure: it knows no clock, no database and no people.
Rule 3: an illegal move raises and changes nothing. The picture in docs/states.md is
        generated from these tables.
"""

from collections.abc import Mapping

from bot.errors import Stale
from bot.model.jobs import JobState
from bot.model.requests import State

REQUEST: Mapping[State, Mapping[str, State]] = {
    State.PLANNING: {
        "planned": State.PENDING,
        "refuse": State.REFUSED,
        "cancel": State.CANCELLED,
        "expire": State.EXPIRED,
    },
    State.PENDING: {
        "new-rule": State.PENDING,
        "approve": State.APPROVED,
        "deny": State.DENIED,
        "cancel": State.CANCELLED,
        "expire": State.EXPIRED,
    },
    State.APPROVED: {
        "withdraw": State.PENDING,
        "role-lost": State.PENDING,
        "new-rule": State.PENDING,
        "deny": State.DENIED,
        "cancel": State.CANCELLED,
        "stop": State.STOPPED,
        "start": State.RUNNING,
        "expire": State.EXPIRED,
    },
    State.DENIED: {
        "take-back": State.PENDING,
        "reject": State.REJECTED,
        "cancel": State.CANCELLED,
    },
    State.RUNNING: {
        "succeed": State.SUCCEEDED,
        "stop": State.STOPPED,
        "fail": State.FAILED,
        "hold": State.HELD,
        "drift": State.PLANNING,
        "set-aside": State.SET_ASIDE,
    },
    State.SET_ASIDE: {"purge": State.RUNNING, "put-back": State.RUNNING, "new-rule": State.SET_ASIDE},
    State.HELD: {
        "stop": State.STOPPED,
        "succeed": State.SUCCEEDED,
        "fail": State.FAILED,
        "put-back": State.RUNNING,
        "purge": State.RUNNING,
        "go-on": State.RUNNING,
        "new-rule": State.HELD,
    },
    State.SUCCEEDED: {},
    State.REFUSED: {},
    State.REJECTED: {},
    State.EXPIRED: {},
    State.CANCELLED: {},
    State.STOPPED: {},
    State.FAILED: {},
}

JOB: Mapping[JobState, Mapping[str, JobState]] = {
    JobState.QUEUED: {"permit": JobState.RUNNING, "turn-away": JobState.TURNED_AWAY},
    JobState.RUNNING: {
        "commit": JobState.COMMITTING,
        "halt": JobState.HALTING,
        "stop": JobState.STOPPED,
        "drift": JobState.DRIFTED,
        "fail": JobState.FAILED,
        "hold": JobState.HELD,
    },
    JobState.HALTING: {"stop": JobState.STOPPED, "fail": JobState.FAILED, "hold": JobState.HELD},
    JobState.COMMITTING: {
        "committed": JobState.COMMITTED,
        "not-committed": JobState.RUNNING,
        "hold": JobState.HELD,
    },
    JobState.COMMITTED: {"next": JobState.RUNNING, "finish": JobState.DONE, "hold": JobState.HELD},
    JobState.HELD: {"stop": JobState.STOPPED},
    JobState.DONE: {},
    JobState.TURNED_AWAY: {},
    JobState.DRIFTED: {},
    JobState.STOPPED: {},
    JobState.FAILED: {},
}


def move(state: State, event: str) -> State:
    """The state after ``event``.

    Raises:
        Stale: the event does not fit the state; nothing has changed.
    """
    try:
        return REQUEST[state][event]
    except KeyError:
        raise Stale("request.moved-on", state=str(state)) from None


def move_job(state: JobState, event: str) -> JobState:
    """The job's state after ``event``.

    Raises:
        Stale: the event does not fit the state; nothing has changed.
    """
    try:
        return JOB[state][event]
    except KeyError:
        raise Stale("request.moved-on", state=str(state)) from None
