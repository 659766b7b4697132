"""The worker's key for proofs: it opens letters, locks boxes, and makes the marks of votes. Pure.

The file lies beside the master key. A copy of the master key, as people keep it elsewhere to open backups,
does not make marks.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.backups.age import Identity
from bot.errors import NotOurs
from bot.model.requests import Request, Vote

_PURPOSE = "countersign/1/proof/"
_NONCE = 12


class ProofKey:
    """Everything that is made of the secret. It cannot be printed, pickled or copied."""

    __slots__ = ("_boxes", "_marks", "identity", "workspace")

    def __init__(self, secret: bytes, workspace: str) -> None:
        self.identity = Identity(_derive(secret, "letters"))
        self._boxes = AESGCM(_derive(secret, "boxes"))
        self._marks = _derive(secret, "marks")
        self.workspace = workspace

    @property
    def public(self) -> str:
        """``age1…``: what letters are sealed to."""
        return self.identity.recipient

    def lock(self, kind: str, user: str, content: Mapping[str, Any], nonce: bytes) -> str:
        """A box that only this key opens, and only as the same kind of thing of the same person."""
        sealed = self._boxes.encrypt(nonce, json.dumps(dict(content)).encode(), self._about(kind, user))
        return (nonce + sealed).hex()

    def unlock(self, kind: str, user: str, box: str) -> dict[str, Any]:
        """What lies in a box.

        Raises:
            NotOurs: it was not locked by this key, or as something else, or for somebody else.
        """
        try:
            raw = bytes.fromhex(box)
            plain = self._boxes.decrypt(raw[:_NONCE], raw[_NONCE:], self._about(kind, user))
            content = json.loads(plain)
        except (InvalidTag, ValueError):
            raise NotOurs("proof.box") from None
        return dict(content)

    def marked(self, vote: Vote, request: Request, digest: str, *, confirmed: bool) -> Vote:
        """The vote with the mark that shows that its code was checked here.

        ``confirmed``: the target and the count were typed too.
        """
        return replace(vote, mark=self._mark(vote, request, digest, confirmed))

    def is_marked(self, vote: Vote, request: Request, digest: str, *, confirm: bool) -> bool:
        """Whether this worker checked the code of exactly this vote on exactly this plan.

        ``confirm``: only marks of votes count for which the target and the count were typed.
        """
        good = [self._mark(vote, request, digest, how) for how in ((True,) if confirm else (True, False))]
        return any(hmac.compare_digest(vote.mark or "", one) for one in good)

    def _mark(self, vote: Vote, request: Request, digest: str, confirmed: bool) -> str:
        about = [
            self.workspace,
            [request.id, vote.request_id],
            vote.revision,
            digest,
            request.requester,
            vote.user,
            str(vote.choice),
            str(vote.proof),
            vote.at.isoformat(),
            confirmed,
        ]
        return hmac.digest(self._marks, json.dumps(about).encode(), "sha256").hex()

    def _about(self, kind: str, user: str) -> bytes:
        return json.dumps([self.workspace, kind, user]).encode()

    def __repr__(self) -> str:
        return f"<ProofKey {self.public}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a secret key is not pickled or copied"
        raise TypeError(msg)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, None, (_PURPOSE + purpose).encode()).derive(secret)
