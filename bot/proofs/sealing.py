"""Letters to the worker: JSON, encrypted with age to its public key. Pure.

The door seals what somebody typed before it writes anything down; only the worker's folder opens it.
"""

import hashlib
import io
import json
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping, Sequence
from typing import Any

from bot.backups.age import Encryptor, Identity, open_decrypted
from bot.backups.age_header import Entropy
from bot.errors import CountersignError, NotOurs

#: A letter is some 700 characters; more is not ours.
LIMIT = 8192


def seal(recipient: str, content: Mapping[str, Any], entropy: Entropy) -> str:
    """The letter, as text.

    Raises:
        BadInput: the public key is malformed.
    """
    out = io.BytesIO()
    with Encryptor(out, [recipient], entropy) as letter:
        letter.write(json.dumps(dict(content)).encode())
    return b64encode(out.getvalue()).decode()


def fingerprint(content: Mapping[str, Any]) -> str:
    """The same for the same letter only; its number is chance, so nobody finds the code by trying."""
    return hashlib.sha256(json.dumps(dict(content), sort_keys=True).encode()).hexdigest()


def unseal(identities: Sequence[Identity], blob: str) -> dict[str, Any]:
    """What the letter says.

    Raises:
        NotOurs: it is no letter, or to somebody else.
    """
    if len(blob) > LIMIT:
        raise NotOurs("proof.unreadable")
    try:
        with open_decrypted(io.BytesIO(b64decode(blob, validate=True)), identities) as letter:
            content = json.loads(letter.read())
    except (Error, ValueError, CountersignError):
        # A code may be in this text: nothing of it may hang on the error.
        raise NotOurs("proof.unreadable") from None
    if not isinstance(content, dict):
        raise NotOurs("proof.unreadable")
    return content
