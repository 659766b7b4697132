"""People with phones: their secrets, their codes, and forms on their way to the worker of a house."""

from datetime import timedelta
from typing import Any

from pyotp import TOTP

from bot.approvals.letterbox import Letterbox
from bot.model.doors import Answer
from bot.model.proofs import Letter
from bot.proofs.codes import Tally
from bot.proofs.tickets import Handed, issue
from tests.fakes.rooms import House, config, rules_with

BY_CODE = config(rules=rules_with(proof="code"))
CONFIRMED = config(rules=rules_with(proof="code", confirm=True))


class Phones:
    """The phones of a house's people. ``enrol`` brings a person's codes into use without the ticket."""

    def __init__(self, house: House, *users: str) -> None:
        self.house = house
        self.handed: dict[str, Handed] = {}
        for user in users:
            self.enrol(user)

    def enrol(self, user: str) -> None:
        ticket, self.handed[user] = issue(self.house.entropy, self.house.now)
        with self.house.store.transact() as work:
            tally = self.house.safe.activate(work, user, ticket.secret, Tally(), self.house.now)
        self.house.safe.ledger.raise_to(user, tally)

    def ticket(self, user: str) -> Handed:
        """What the operator's command writes."""
        ticket, handed = issue(self.house.entropy, self.house.now)
        with self.house.store.transact() as work:
            self.house.safe.keep_ticket(work, user, ticket, self.house.now)
        return handed

    def redeem(self, user: str, handed: Handed, ticket: str = "", code: str = "") -> str:
        """Send the form of an enrolment; the key of the answer."""
        self.handed[user] = handed
        said = {"kind": "enrol", "ticket": ticket or handed.ticket}
        answer = self.post(self.letter(None, user, code or self.code(user), **said))
        return answer.key if answer else ""

    def code(self, user: str, steps: int = 0) -> str:
        """What the phone shows now, or so many steps from now."""
        return TOTP(self.handed[user].key).at(self.house.now + timedelta(seconds=30 * steps))

    def letter(self, request_id: int | None, user: str, code: str | None = None, **said: Any) -> Letter:
        """A form sealed as the door does it. ``said`` replaces what it says."""
        content: dict[str, Any] = {"kind": "code", "user": user, "code": code or self.code(user)}
        if request_id is not None:
            view = self.house.view(request_id)
            assert view.revision is not None
            content |= {
                "request": request_id,
                "revision": view.request.revision,
                "digest": view.revision.digest,
            }
        content |= said
        name, blob = Letterbox(self.house.store, self.house.entropy).seal(content)
        return Letter(name, str(content["kind"]), user, request_id, "D0DIRECT", blob, self.house.now)

    def post(self, letter: Letter) -> Answer | None:
        """Put a letter where the worker finds it, let it look, and return what the person was told."""
        before = len(self.told(letter.user))
        with self.house.store.transact() as work:
            work.letters.add(letter)
        self.house.prover.sweep(self.house.clock)
        told = self.told(letter.user)
        return told[-1] if len(told) > before else None

    def type(self, request_id: int, user: str, code: str | None = None, **said: Any) -> str:
        """Type a code into the form of a request; the key of the answer."""
        answer = self.post(self.letter(request_id, user, code, **said))
        return answer.key if answer else ""

    def approve(self, request_id: int, user: str) -> str:
        """The whole way of an honest approval, each with a fresh code."""
        self.house.vote(request_id, user)
        self.house.wait(seconds=30)
        return self.type(request_id, user)

    def told(self, user: str) -> list[Answer]:
        """Every private sentence to one person, oldest first."""
        found = []
        for row in self.house.rows("outbox"):
            if row["kind"] in ("private", "direct") and row["user"] == user:
                answer = self.house.reading.private_text(row["subject"])
                if answer is not None:
                    found.append(answer)
        return found
