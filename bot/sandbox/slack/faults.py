"""What can go wrong at Slack's end, switched on by whoever tests. Safe from any thread."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.slack.core import Delivery

#: In place of a method's name: whatever is called next.
ANY = "*"


@dataclass(frozen=True)
class Trouble:
    """What happens to one Web API call: an HTTP 429, an error code, a lost answer, an HTTP status.

    ``done``: the call is carried out all the same.
    """

    retry_after: int = 0
    error: str = ""
    lose_answer: bool = False
    status: int = 0
    done: bool = False


class Faults:
    """Switches for tests. Counted ones are used up; nothing is wrong to begin with.

    Args:
        disconnect: sends ``disconnect`` with a reason on the open links.
        down: closes the door, refusing connections or answering 503.
        up: opens it again.
        deliver: sends an event that was held back.
    """

    def __init__(
        self,
        disconnect: Callable[[str], None],
        down: Callable[[bool], None],
        up: Callable[[], None],
        deliver: Callable[[Delivery], None],
    ) -> None:
        self._lock = threading.Lock()
        self._troubles: dict[str, deque[Trouble]] = defaultdict(deque)
        self._delays: dict[str, float] = {}
        self._duplicates = 0
        self._deaf = 0
        self._held: list[Delivery] | None = None
        self._disconnect, self._down, self._up, self._deliver = disconnect, down, up, deliver

    def rate_limit(self, method: str, retry_after: int = 1, times: int = 1) -> None:
        """The next ``times`` calls of ``method`` get HTTP 429 with ``Retry-After`` seconds."""
        with self._lock:
            self._troubles[method].extend([Trouble(retry_after=retry_after)] * times)

    def fail_next(self, method: str, error: str, times: int = 1) -> None:
        """The next ``times`` calls of ``method`` are refused with this code; nothing is done."""
        with self._lock:
            self._troubles[method].extend([Trouble(error=error)] * times)

    def break_next(self, method: str, status: int = 500, times: int = 1, *, done: bool = False) -> None:
        """The next ``times`` calls of ``method`` get this HTTP status; with ``done`` after their effect."""
        with self._lock:
            self._troubles[method].extend([Trouble(status=status, done=done)] * times)

    def storm(self, times: int, retry_after: int = 1) -> None:
        """The next ``times`` calls of any method get HTTP 429."""
        self.rate_limit(ANY, retry_after, times)

    def lose_answer_next(self, method: str, times: int = 1) -> None:
        """The next ``times`` calls of ``method`` are carried out, then the connection is cut."""
        with self._lock:
            self._troubles[method].extend([Trouble(lose_answer=True)] * times)

    def delay(self, method: str, seconds: float) -> None:
        """Every call of ``method`` is carried out at once and answered late; 0 ends it."""
        with self._lock:
            self._delays[method] = seconds

    def redeliver_next(self, times: int = 1) -> None:
        """The next ``times`` events arrive twice: same event id, another envelope."""
        with self._lock:
            self._duplicates += times

    def drop_acks(self, times: int = 1) -> None:
        """The next ``times`` acks are lost on their way to Slack."""
        with self._lock:
            self._deaf += times

    def hold_events(self) -> None:
        """Events wait from now on, until they are let go."""
        with self._lock:
            self._held = []

    def clear(self) -> None:
        """Nothing is wrong with the Web API any more."""
        with self._lock:
            self._troubles.clear()
            self._delays.clear()

    def calm(self) -> None:
        """Nothing is wrong any more: what was counted is forgotten."""
        self.clear()
        with self._lock:
            self._duplicates = self._deaf = 0

    def left(self) -> dict[str, int]:
        """How often it is still to go wrong: limited calls, lost answers, doubled events, lost acks."""
        with self._lock:
            waiting = [trouble for queued in self._troubles.values() for trouble in queued]
            return {
                "limited": sum(trouble.retry_after > 0 for trouble in waiting),
                "unanswered": sum(trouble.lose_answer for trouble in waiting),
                "doubled": self._duplicates,
                "unheard": self._deaf,
            }

    def let_go(
        self, *, backwards: bool = False, then: Callable[[Delivery], object] = lambda _delivery: None
    ) -> int:
        """Send what was held back, in its order or the other way round; how many events. No more waiting.

        ``then`` is called after each one is on its way: the app handles several at once.
        """
        with self._lock:
            held, self._held = self._held or [], None
        for delivery in reversed(held) if backwards else held:
            self._deliver(delivery)
            then(delivery)
        return len(held)

    def take_hold(self, delivery: Delivery) -> bool:
        """Whether this delivery has to wait; then it is kept here."""
        with self._lock:
            if self._held is None or delivery.kind != "events_api":
                return False
            self._held.append(delivery)
            return True

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to renew every open link, then close them."""
        self._disconnect(reason)

    def down(self, *, refuse: bool = True) -> None:
        """Slack is gone: connections refused, or HTTP 503 when ``refuse`` is false. Links are cut."""
        self._down(refuse)

    def up(self) -> None:
        """Slack is back, at the same address."""
        self._up()

    def take_trouble(self, method: str) -> tuple[Trouble, float]:
        """What happens to this call, and by how many seconds its answer is late."""
        with self._lock:
            waiting = self._troubles[method] or self._troubles[ANY]
            return (waiting.popleft() if waiting else Trouble()), self._delays.get(method, 0.0)

    def take_duplicate(self) -> bool:
        """Whether this event is to arrive twice."""
        with self._lock:
            self._duplicates, now = max(self._duplicates - 1, 0), self._duplicates
        return now > 0

    def take_lost_ack(self) -> bool:
        """Whether this ack is to be lost."""
        with self._lock:
            self._deaf, now = max(self._deaf - 1, 0), self._deaf
        return now > 0
