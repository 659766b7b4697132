"""Signing heads of the log. Only the worker holds the secret: 32 bytes beside the master key."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.audit.chain import head_bytes


def sign_head(secret: bytes, seq: int, digest: str) -> str:
    """The Ed25519 signature over one head, 128 hex digits. The same head always gives the same signature."""
    return Ed25519PrivateKey.from_private_bytes(secret).sign(head_bytes(seq, digest)).hex()


def public_key(secret: bytes) -> str:
    """The public half of ``secret``, 64 hex digits, as the log's first entry carries it."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()
