"""The worker's part of proofs at its start: its key, its file, and the public half for the door."""

import secrets
from datetime import datetime
from pathlib import Path

from bot.backups import keys
from bot.errors import NotOurs
from bot.proofs.keys import ProofKey
from bot.proofs.ledger import Ledger
from bot.proofs.safe import Safe
from bot.store.proofs import PROOF_KEY
from bot.store.unit_of_work import Work

#: The name of the file, beside the worker's other keys.
FILE = "proof.key"


def open_safe(folder: Path, workspace: str) -> Safe:
    """What codes are checked with; its key is made on the first call.

    Raises:
        Broken: the key cannot be read or made.
    """
    key = ProofKey(keys.load_or_create_secret(folder / FILE), workspace)
    return Safe(key, Ledger(folder / "proof.ledger"), secrets.token_bytes)


def publish(work: Work, public: str, now: datetime) -> None:
    """Tell the door what it seals to; all workers on one database share it.

    Raises:
        NotOurs: another one is published.
    """
    if work.public_keys.publish(PROOF_KEY, public, now):
        work.log("proof-key", now, None, {"public_key": public})
    elif work.public_keys.get(PROOF_KEY) != public:
        raise NotOurs("worker.other-keys", name=FILE)
