"""What the door needs from the rooms behind it, as it sees them. ``bot.compose`` builds the real ones."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from bot.config.types import Config
from bot.errors import Refused
from bot.model.doors import Answer, Delivery, KeptBackup, OutboxItem, RequestView, RosterQuestion, Wish
from bot.model.people import Actor, RosterFacts
from bot.model.proofs import Letter
from bot.model.requests import Choice, Proof


class DeskPort(Protocol):
    """One delivery, one transaction, one answer."""

    def settle(
        self, delivery: Delivery, decide: Callable[[Any], Answer | None], wish: Wish | None = None
    ) -> None:
        """Run ``decide`` once for this delivery and tell the person what came of it."""

    def refuse(self, delivery: Delivery, refusal: Refused) -> None:
        """Tell the person no, and write it down."""


class LifecyclePort(Protocol):
    """The decisions; every one checks roles itself and raises Refused."""

    def file(self, work: Any, wish: Wish, actor: Actor, channel: str, now: datetime) -> Answer:
        """Ask for an operation."""

    def vote(  # noqa: PLR0913 - a vote has this many facts
        self,
        work: Any,
        request_id: int,
        revision: int,
        choice: Choice,
        proof: Proof,
        actor: Actor,
        now: datetime,
    ) -> Answer | None:
        """Say yes or no."""

    def withdraw(self, work: Any, request_id: int, revision: int, actor: Actor, now: datetime) -> Answer:
        """Take a vote back."""

    def reaction(  # noqa: PLR0913 - an event has this many facts
        self,
        work: Any,
        channel: str,
        ts: str,
        emoji: str,
        added: bool,
        event_ts: str,
        actor: Actor,
        now: datetime,
        *,
        looked: bool = False,
    ) -> Answer | None:
        """A reaction appeared or vanished; ``looked``: nobody told us, we looked."""

    def send_code(self, work: Any, letter: Letter, actor: Actor, now: datetime, about: str = "") -> None:
        """Hand a sealed form over to the worker; ``about``: whose new phone it is."""

    def deny_reason(self, work: Any, request_id: int, text: str, actor: Actor, now: datetime) -> Answer:
        """Say why it was denied."""

    def cancel(self, work: Any, number: int, actor: Actor, now: datetime) -> Answer:
        """Take a request back."""

    def stop(self, work: Any, number: int, actor: Actor, now: datetime) -> Answer:
        """Halt a request."""

    def put_back(self, work: Any, number: int, actor: Actor, now: datetime) -> Answer:
        """Return what a teardown has set aside."""

    def go_on(self, work: Any, number: int, actor: Actor, now: datetime) -> Answer:
        """Go on removing what a purge that stands still has left."""

    def pause(self, work: Any, number: int, actor: Actor, now: datetime) -> Answer:
        """Let what goes part by part stand still after the part that is under way."""

    def tick(
        self, work: Any, request_id: int, place: int, actor: Actor, now: datetime, *, done: bool
    ) -> Answer:
        """Say that something else that holds copies was seen to, or that it was not."""

    def freeze(self, work: Any, target: str, reason: str | None, actor: Actor, now: datetime) -> Answer:
        """Halt a target."""


class ReadingPort(Protocol):
    """What is shown."""

    def view(self, request_id: int) -> RequestView | None:
        """One request with all that belongs to it."""

    def by_number(self, number: int) -> RequestView | None:
        """The request that people call #number."""

    def open_requests(self) -> Sequence[RequestView]:
        """Requests that are not over, newest first."""

    def kept_backups(self, target: str | None = None, limit: int = 20) -> Sequence[KeptBackup]:
        """What can be brought back, newest first."""

    def frozen(self) -> Mapping[str, str]:
        """Frozen targets and who froze them."""

    def wished(self, token: str, by: str) -> Wish | None:
        """What this person asked for in vain, as long as it is kept."""

    def follow_up(self, request_id: int, number: int, actor: Actor) -> Wish | None:
        """What this person may ask for after a deletion, as long as it is kept."""

    def private_text(self, place: str) -> Answer | None:
        """The content of a private sentence or a note; None once it is erased."""


class InboxPort(Protocol):
    """What Slack handed over."""

    def accept(self, key: str, kind: str, payload: Mapping[str, Any], now: datetime) -> bool:
        """Write a delivery down; False when it was seen before."""

    def load(self, key: str) -> tuple[str, Mapping[str, Any]] | None:
        """Kind and payload while nobody has settled it."""

    def waiting(self, older_than: datetime) -> Sequence[str]:
        """Deliveries that nobody has settled."""

    def attempt(self, key: str) -> int:
        """Count one more try; returns how many there were."""

    def done(self, key: str) -> None:
        """Nothing is left to do for this delivery."""

    def give_up(self, key: str, now: datetime) -> None:
        """It failed too often."""


class OutboxPort(Protocol):
    """Messages that should be in Slack and look like their subjects."""

    def due(self, now: datetime, limit: int = 20) -> Sequence[OutboxItem]:
        """What to send next."""

    def at(self, channel: str, ts: str) -> OutboxItem | None:
        """Which of our messages this is."""

    def reactions_on(self, channel: str, ts: str) -> Mapping[tuple[str, str], bool]:
        """(user, emoji) -> present, as we know it."""

    def card_ts(self, request_id: int) -> str | None:
        """Where the thread of a request begins."""

    def posting(self, subject: str, now: datetime) -> None:
        """A first post is about to be tried."""

    def posted(self, subject: str, ts: str, shown: int, now: datetime) -> None:
        """The first post is known to Slack under ``ts``."""

    def attaching(self, item: OutboxItem, file: str | None, sha256: str, now: datetime) -> None:
        """A file is needed and about to be handed over; ``file`` is Slack's id for it once there is one."""

    def attached(self, item: OutboxItem, now: datetime) -> None:
        """Slack has the file."""

    def located(self, item: OutboxItem, ts: str, now: datetime) -> None:
        """Which message carries the file; empty when Slack does not tell."""

    def detached(self, item: OutboxItem, now: datetime) -> None:
        """The file is deleted, or is not needed."""

    def shown(self, subject: str, shown: int, now: datetime) -> None:
        """Slack has this change."""

    def later(self, subject: str, seconds: float, now: datetime) -> None:
        """Try again after so many seconds."""

    def gone(self, subject: str, now: datetime) -> None:
        """It cannot, or need not, be shown any more."""

    def ballots(self) -> Sequence[OutboxItem]:
        """Posted ballots that still count."""


class LetterboxPort(Protocol):
    """Seals what only the worker may read."""

    def seal(self, content: Mapping[str, str | int]) -> tuple[str, str]:
        """The number of the letter, and the letter; Refused while no worker has published its key."""


class RosterPort(Protocol):
    """Questions of the worker about people."""

    def questions(self) -> Sequence[RosterQuestion]:
        """Unanswered ones, newest first."""

    def answer(self, nonce: str, facts: RosterFacts, now: datetime) -> None:
        """Answer one."""


class Services(Protocol):
    """Everything behind the door."""

    @property
    def config(self) -> Config:
        """The configuration, secrets unresolved."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time, aware UTC."""

    @property
    def desk(self) -> DeskPort:
        """Settles deliveries."""

    @property
    def lifecycle(self) -> LifecyclePort:
        """Decides."""

    @property
    def reading(self) -> ReadingPort:
        """Shows."""

    @property
    def inbox(self) -> InboxPort:
        """Keeps what came in."""

    @property
    def outbox(self) -> OutboxPort:
        """Keeps what must go out."""

    @property
    def roster(self) -> RosterPort:
        """Asks who is who."""

    @property
    def letterbox(self) -> LetterboxPort:
        """Seals what only the worker may read."""

    @property
    def sends(self) -> Callable[[], bool]:
        """Whether this process, and no other bot, sends what must go out."""

    @property
    def beat(self) -> Callable[[Mapping[str, Any]], None]:
        """Says that this process is alive."""
