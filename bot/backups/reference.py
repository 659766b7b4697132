"""The sealed token that names one backup: ``cs1.…``. Pure."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import BadInput, NotAllowed
from bot.model.backups import ReferencePayload

_VERSION = "cs1."
_KEY_ID = 8
_NONCE = 12
_LONGEST = 1024
#: What people and phones put around a pasted token.
_AROUND = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff`'\"<>«»‹›‘’‚“”„.,;:()[]*~"  # noqa: RUF001 - those are meant


def clean(text: str) -> str:
    """The token without the backticks, spaces and quotes around it."""
    return text.strip(_AROUND)


def seal(key: bytes, key_id: str, payload: ReferencePayload, nonce: bytes) -> str:
    """The token. ``key`` 32 bytes, ``key_id`` 16 hex digits, ``nonce`` 12 bytes never used before."""
    backup_id = payload.backup_id.encode()
    plain = bytes.fromhex(payload.sha256) + bytes([len(backup_id)]) + backup_id + payload.workspace.encode()
    head = bytes.fromhex(key_id)
    sealed = AESGCM(key).encrypt(nonce, plain, _VERSION.encode() + head)
    return _VERSION + urlsafe_b64encode(head + nonce + sealed).rstrip(b"=").decode()


def unseal(key: bytes, key_id: str, text: str, workspace: str) -> ReferencePayload:
    """What the token names; ``text`` as ``clean`` returns it.

    Raises:
        BadInput: not a reference, cut or altered, or made with another master key.
        NotAllowed: made in another workspace.
    """
    raw = _decoded(text)
    head, nonce, sealed = raw[:_KEY_ID], raw[_KEY_ID : _KEY_ID + _NONCE], raw[_KEY_ID + _NONCE :]
    if head != bytes.fromhex(key_id):
        raise BadInput("backups.reference_other_key")
    try:
        plain = AESGCM(key).decrypt(nonce, sealed, _VERSION.encode() + head)
    except InvalidTag:
        raise BadInput("backups.reference_altered") from None
    end = 33 + plain[32]
    payload = ReferencePayload(plain[33:end].decode(), plain[:32].hex(), plain[end:].decode())
    if payload.workspace != workspace:
        raise NotAllowed("backups.reference_other_workspace")
    return payload


def _decoded(text: str) -> bytes:
    if not text.startswith(_VERSION):
        raise BadInput("backups.reference_not_one")
    body = text[len(_VERSION) :]
    if len(body) > _LONGEST or not body.isascii():
        raise BadInput("backups.reference_altered")
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        raise BadInput("backups.reference_altered") from None
    again = urlsafe_b64encode(raw).rstrip(b"=").decode()
    if again != body or len(raw) < _KEY_ID + _NONCE + 16 + 33:
        raise BadInput("backups.reference_altered")
    return raw
