"""The watch over people and policy while requests are open: asks who is who, and tells what has changed.

A sweep as any other: it puts a question, and a later turn goes on with the answer. What is told is told once,
whoever watches, because what was last seen lies in our database.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.approvals import rebinding, watching
from bot.approvals.ground import Ground
from bot.store.unit_of_work import Store

#: Seconds between two looks; longer where many groups would use up what Slack allows.
EVERY = timedelta(seconds=30)
PER_GROUP = timedelta(seconds=6)
#: An answer that is older says too little about now.
FRESH = timedelta(seconds=60)


class Watch:
    """One worker's watch. It remembers nothing but its own question."""

    def __init__(self, store: Store, ground: Ground, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._ground = ground
        self._clock = clock
        self._nonce: str | None = None
        self._asked_at: datetime | None = None
        self._aside_at: datetime | None = None
        self._users: frozenset[str] = frozenset()

    def look(self) -> None:
        """Go on with an answer that has come; ask when it is time to."""
        now = self._clock()
        if self._aside_at is None or not timedelta(0) <= now - self._aside_at < EVERY:
            self._aside_at = now
            self._look_aside()
        if self._nonce is None:
            if self._is_time(now):
                self._ask(now)
            return
        with self._store.read() as work:
            answered, is_open = work.roster.answered(self._nonce), work.roster.open_since(self._nonce)
        if answered is None and is_open is not None:
            # While Slack is silent one question is enough.
            return
        self._nonce = None
        if answered is not None and timedelta(0) <= now - answered[1] <= FRESH:
            self._compare(watching.Known(answered[0], self._users, answered[1]))

    def _look_aside(self) -> None:
        """What is set aside is only held against the policy; nobody has to be asked about it."""
        with self._store.read() as work:
            aside = [one.id for one in work.requests.in_states(rebinding.ASIDE)]
        for request_id in aside:
            with self._store.transact() as work:
                request = work.requests.lock(request_id)
                if request is not None and request.state in rebinding.ASIDE:
                    rebinding.compare(self._ground, work, request, None, self._clock())

    def _is_time(self, now: datetime) -> bool:
        groups = len(self._ground.config.usergroups)
        # A clock that was set back must not keep it waiting.
        return self._asked_at is None or not timedelta(0) <= now - self._asked_at < max(
            EVERY, groups * PER_GROUP
        )

    def _ask(self, now: datetime) -> None:
        with self._store.transact() as work:
            open_ones = work.requests.in_states(watching.OPEN)
            if not open_ones:
                return
            votes = [vote for one in open_ones for vote in work.votes.of(one.id, one.revision)]
            self._users = frozenset({*(one.requester for one in open_ones), *(vote.user for vote in votes)})
            self._nonce, self._asked_at = self._ground.entropy(16).hex(), now
            work.roster.ask(self._nonce, tuple(sorted(self._users)), self._ground.config.usergroups, now)

    def _compare(self, known: watching.Known) -> None:
        with self._store.read() as work:
            waiting = [one.id for one in work.requests.in_states(watching.OPEN)]
        with self._store.transact() as work:
            watching.members(self._ground, work, known.roster, self._clock())
        for request_id in waiting:
            with self._store.transact() as work:
                request = work.requests.lock(request_id)
                if request is not None:
                    watching.votes(self._ground, work, request, known, self._clock())
            with self._store.transact() as work:
                request = work.requests.lock(request_id)
                if request is not None and request.requester in self._users:
                    rebinding.compare(self._ground, work, request, known.roster, self._clock())


def renew(store: Store, ground: Ground, now: datetime) -> None:
    """Before any work is taken: what an earlier release left open is voted on anew."""
    with store.read() as work:
        waiting = [one.id for one in work.requests.in_states((*rebinding.OPEN, *rebinding.ASIDE))]
    for request_id in waiting:
        with store.transact() as work:
            request = work.requests.lock(request_id)
            if request is not None:
                rebinding.renew(ground, work, request, now)
