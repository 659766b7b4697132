"""The deletion certificate: what went, on whose authority, with which backup; signed with the log's key.

Plain JSON with a signature beside it, so that a stranger can check it with the public key, which is the
first entry of the log. Pure, apart from the signature.
"""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.errors import NotOurs

FORMAT = "countersign-certificate"
VERSION = 1


def canonical(body: Mapping[str, Any]) -> bytes:
    """What the signature is over: sorted keys, no blanks, ASCII."""
    return json.dumps(
        body, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False
    ).encode()


def issue(facts: Mapping[str, Any], secret: bytes) -> bytes:
    """The certificate about ``facts`` (plain JSON), as a file. The same facts give the same bytes."""
    body = {"format": FORMAT, "version": VERSION, **facts}
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(canonical(body)).hex()
    return (
        json.dumps({"certificate": body, "signature": signature}, indent=1, sort_keys=True).encode() + b"\n"
    )


def read(raw: bytes, public_key: str) -> Mapping[str, Any]:
    """What a certificate says, if it is signed with the key of the log.

    Raises:
        NotOurs: it is altered, or signed by somebody else.
    """
    try:
        whole = json.loads(raw)
        body = whole["certificate"]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(whole["signature"]), canonical(body))
    except (ValueError, KeyError, TypeError, InvalidSignature):
        raise NotOurs("audit.certificate-altered") from None
    assert isinstance(body, dict)
    return body
