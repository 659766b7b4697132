"""The worker's side of a code: it opens letters, checks what they say, and turns a wish into a vote.

Taking the letter out, using the code up and casting the vote are one transaction on the locked request; only
the file in which used codes are remembered is written before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from bot.approvals import intents, voting
from bot.approvals.ground import Ground
from bot.errors import BooksDown, CountersignError, NotOurs, Refused, Stale, whereabouts
from bot.jobs.changing import Changing
from bot.jobs.enrolling import Enrolling
from bot.model.doors import Answer
from bot.model.people import Actor, PersonFacts
from bot.model.plans import counted
from bot.model.proofs import CANCEL, CHANGE, ENROL, Intent, Letter
from bot.model.requests import Choice, Proof, Request, Vote
from bot.proofs.codes import Said, Tally
from bot.proofs.safe import Safe
from bot.proofs.sealing import fingerprint, unseal
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Prover:
    """Opens what the door sealed."""

    store: Store
    ground: Ground
    safe: Safe

    def sweep(self, clock: Callable[[], datetime]) -> None:
        """Answer every letter that waits."""
        with self.store.read() as work:
            waiting = work.letters.waiting()
        for letter in waiting:
            try:
                self.answer(letter, clock())
            except BooksDown:
                raise
            except Exception as error:  # noqa: BLE001 - one bad letter must not hold up the others
                # The text of the error may hold what somebody typed.
                log.error("letter failed", action="letter-failed", error=whereabouts(error))  # noqa: TRY400
                self._give_up(letter, clock())

    def answer(self, letter: Letter, now: datetime) -> None:
        """One letter, once, whatever is wrong with it."""
        content = self.opened(letter)
        if content is not None and letter.kind == ENROL:
            Enrolling(self.store, self.ground, self.safe).answer(letter, content, now)
            return
        if content is not None and letter.kind in (CHANGE, CANCEL):
            Changing(self.store, self.ground, self.safe).answer(letter, content, now)
            return
        with self.store.transact() as work:
            request = work.requests.lock(letter.request_id) if letter.request_id is not None else None
            if not work.letters.take(letter.id):
                return
            answer = self._decide(work, request, letter, content, now)
            self.ground.tell(work, letter.user, letter.channel, answer, now)

    def changes(self, now: datetime) -> None:
        """New secrets whose day is over."""
        Changing(self.store, self.ground, self.safe).sweep(now)

    def opened(self, letter: Letter) -> Mapping[str, Any] | None:
        """What a letter says, when it is the one it claims to be; None otherwise."""
        try:
            content = unseal([self.safe.key.identity], letter.blob)
        except NotOurs:
            return None
        told = (content.get("id"), content.get("user"), content.get("kind"))
        return content if told == (letter.id, letter.user, letter.kind) else None

    def _decide(
        self,
        work: Work,
        request: Request | None,
        letter: Letter,
        content: Mapping[str, Any] | None,
        now: datetime,
    ) -> Answer:
        try:
            if content is None or request is None or content.get("request") != request.id:
                raise Stale("proof.unreadable")
            with work.savepoint():
                return self._prove(work, request, letter, content, now)
        except CountersignError as no:
            # A ledger that cannot be used, or a box that was put back, is no reason to say nothing.
            if not isinstance(no, Refused):
                log.error("code refused", action="code-refused", why=no.key)  # noqa: TRY400 - the key says it
            self.ground.log(work, "code-refused", request, {"by": letter.user, "why": no.key}, now)
            return Answer(no.key, no.params, direct=True)

    def _prove(
        self, work: Work, request: Request, letter: Letter, content: Mapping[str, Any], now: datetime
    ) -> Answer:
        where = (request.id, int(content.get("revision") or 0))
        wish = work.intents.get(*where, letter.user)
        if wish is None:
            raise Stale("proof.no-wish", number=request.number or 0)
        # Whether this is a live person of this workspace is asked again when the permit is taken.
        facts = PersonFacts(letter.user, self.ground.config.workspace, "")
        actor = Actor(facts, frozenset(wish.roles))
        ballot = voting.ready(self.ground, work, where, actor, Choice.APPROVE, now)
        if ballot.revision.digest != content.get("digest"):
            raise Stale("vote.old-ballot", number=request.number or 0)
        wanted = intents.wanted(self.ground.config, request, ballot.revision)
        if wanted.confirm and not _confirms(content, request, ballot.revision.plan):
            raise Stale("proof.not-confirmed", number=request.number or 0)
        checked = self.safe.check(work, letter.user, str(content.get("code")), fingerprint(content), now)
        if checked is None:
            return intents.ask_for_code(work, request, letter.user)
        said, tally = checked
        if said not in (Said.GOOD, Said.RECOVERED):
            return self._failed(work, request, letter.user, checked, now)
        if said is Said.RECOVERED:
            self._recovered(work, request, letter.user, tally, now)
        given = self._vote(wish, request, ballot.revision.digest, wanted.confirm, now)
        return voting.proven(self.ground, work, ballot, given, actor, now)

    def _vote(self, wish: Intent, request: Request, digest: str, confirmed: bool, now: datetime) -> Vote:
        given = Vote(wish.request_id, wish.revision, wish.user, Choice.APPROVE, Proof.CODE, now, wish.roles)
        return self.safe.key.marked(given, request, digest, confirmed=confirmed)

    def _failed(
        self, work: Work, request: Request, user: str, checked: tuple[Said, Tally], now: datetime
    ) -> Answer:
        """A code that is not good: the person is told why, and everybody when it was one too many."""
        said, tally = checked
        params: dict[str, str | int] = {"number": request.number or 0}
        self.ground.log(work, "code-failed", request, {"by": user, "why": str(said)}, now)
        if said in (Said.LOCKED, Said.LOCKED_NOW):
            until = tally.locked_until
            if said is Said.LOCKED_NOW:
                self.ground.log(work, "code-locked", request, {"by": user, "until": until}, now)
                self.ground.note(work, request, "note.code-locked", now, user=user, until=until)
            return Answer("proof.locked", {"until": until}, direct=True)
        button = {"button": "code-enter", "value": f"{request.id}.{request.revision}"}
        return Answer(f"proof.{said}", params, direct=True, **button)

    def _recovered(self, work: Work, request: Request, user: str, tally: Tally, now: datetime) -> None:
        """A recovery code may be a lost phone or a found piece of paper: everybody hears of it."""
        found = self.safe.secret(work, user)
        left = len(found[0].recovery) - len(tally.used) if found else 0
        self.ground.log(work, "recovery-used", request, {"by": user, "left": left}, now)
        self.ground.note(work, request, "note.recovery-used", now, user=user)
        told = Answer("proof.recovery-used", {"n": left, "number": request.number or 0}, direct=True)
        self.ground.tell(work, user, request.channel, told, now)

    def _give_up(self, letter: Letter, now: datetime) -> None:
        with self.store.transact() as work:
            if work.letters.take(letter.id):
                body = {"by": letter.user, "why": "proof.unreadable"}
                self.ground.log(work, "code-refused", None, body, now)
                answer = Answer("proof.unreadable", direct=True)
                self.ground.tell(work, letter.user, letter.channel, answer, now)


def _confirms(content: Mapping[str, Any], request: Request, plan: Mapping[str, Any]) -> bool:
    """Whether the approver typed what the card shows: the target, and the count when there is one."""
    count = counted(plan)
    typed = str(content.get("target") or "").strip()
    return typed == request.target and (count is None or content.get("count") == count)
