"""One delivery, one transaction, one answer."""

from collections.abc import Callable
from datetime import datetime

from bot.approvals import again
from bot.approvals.ground import Ground
from bot.errors import Refused
from bot.model.doors import Answer, Delivery, Wish
from bot.store.unit_of_work import Store, Work


class Desk:
    """Settles what Slack handed over: the change, its log entry, the answer and "done" commit together."""

    def __init__(self, store: Store, ground: Ground, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._ground = ground
        self._clock = clock

    def settle(
        self, delivery: Delivery, decide: Callable[[Work], Answer | None], wish: Wish | None = None
    ) -> None:
        """Run ``decide`` once for this delivery, whatever is redelivered or replayed.

        A refusal undoes what ``decide`` began, is logged, and is told in private; whoever asked for ``wish``
        can try again without typing it again.
        """
        with self._store.transact() as work:
            if not work.inbox.claim(delivery.key):
                return
            try:
                with work.savepoint():
                    answer = decide(work)
            except Refused as refusal:
                answer = self._refused(work, delivery, refusal, wish)
            work.erasable.erase(f"inbox:{delivery.key}")
            if answer is not None:
                to, channel, now = delivery.user, delivery.channel, self._clock()
                on, about = delivery.ts, delivery.about
                self._ground.tell(work, to, channel, answer, now, on=on, about=about)

    def refuse(self, delivery: Delivery, refusal: Refused) -> None:
        """A refusal found before anything could be decided."""

        def decide(_: Work) -> Answer | None:
            raise refusal

        self.settle(delivery, decide)

    def done(self, delivery: Delivery) -> None:
        """Nothing to decide."""
        self.settle(delivery, lambda _: None)

    def _refused(self, work: Work, delivery: Delivery, refusal: Refused, wish: Wish | None) -> Answer:
        body = {"by": delivery.user, "why": refusal.key}
        now = self._clock()
        self._ground.log(work, "refused", None, body, now)
        return again.offered(self._ground, work, wish, delivery.user, refusal, now)
