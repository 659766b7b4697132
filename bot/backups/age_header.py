"""The header of an age file: keys, X25519 stanzas and the MAC, written and read strictly. Pure."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import IO, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.backups import bech32
from bot.errors import BadInput, NotOurs

#: Bytes that ChaCha20-Poly1305 adds.
TAG = 16
Entropy = Callable[[int], bytes]

_INTRO = b"age-encryption.org/v1"
_LABEL = b"age-encryption.org/v1/X25519"
_LIMIT = 64 * 1024
_VISIBLE = re.compile(rb"[!-~]+")
_IDENTITY = "age-secret-key-"
_RECIPIENT = "age"


class Identity:
    """A secret X25519 key. It cannot be printed, pickled or copied; ``secret_text`` is the one way out."""

    __slots__ = ("_private", "recipient")

    def __init__(self, secret: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(secret)
        self.recipient: str = bech32.encode(_RECIPIENT, self._private.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "Identity":
        """An identity from ``AGE-SECRET-KEY-1…``.

        Raises:
            NotOurs: the text is not exactly an identity.
        """
        try:
            return cls(bech32.decode(_IDENTITY, text, upper=True))
        except BadInput:
            # A secret must not hang on the error as its cause.
            raise NotOurs("backups.identity_malformed") from None

    def secret_text(self) -> str:
        """``AGE-SECRET-KEY-1…``, for a key file."""
        return bech32.encode(_IDENTITY, self._private.private_bytes_raw()).upper()

    def secret_bytes(self) -> bytes:
        """The 32 bytes, as input for key derivation."""
        return self._private.private_bytes_raw()

    def exchange(self, share: bytes) -> bytes:
        """The X25519 shared secret; ValueError when the other side's point has low order."""
        return self._private.exchange(X25519PublicKey.from_public_bytes(share))

    def __repr__(self) -> str:
        return f"<Identity of {self.recipient}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a secret key is not pickled or copied"
        raise TypeError(msg)


class Source:
    """Exact reads and header lines over a stream that may return less than asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ahead = b""

    def upto(self, size: int) -> bytes:
        """``size`` bytes, fewer only at the end of the stream."""
        parts, have = [self._ahead], len(self._ahead)
        while have < size:
            more = self._stream.read(size - have)
            if not more:
                break
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self._ahead = data[size:]
        return data[:size]

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        data = self.upto(size)
        if len(data) != size:
            raise NotOurs("backups.damaged")
        return data

    def push_back(self, data: bytes) -> None:
        """Have ``data`` read again next."""
        self._ahead = data + self._ahead

    def line(self, limit: int) -> bytes:
        """The next line without its end."""
        data = self.upto(limit)
        line, end, rest = data.partition(b"\n")
        if not end:
            raise NotOurs("backups.not_age")
        self.push_back(rest)
        return line


def write_header(file_key: bytes, recipients: Sequence[str], entropy: Entropy) -> bytes:
    """The header with one stanza per recipient; BadInput when one of them is malformed."""
    stanzas = b"".join(_wrap(file_key, recipient, entropy(32)) for recipient in recipients)
    start = _INTRO + b"\n" + stanzas + b"---"
    return start + b" " + _b64(_mac(file_key, start)) + b"\n"


def _wrap(file_key: bytes, recipient: str, ephemeral: bytes) -> bytes:
    theirs = bech32.decode(_RECIPIENT, recipient)
    mine = Identity(ephemeral)
    share = bech32.decode(_RECIPIENT, mine.recipient)
    try:
        secret = mine.exchange(theirs)
    except ValueError:
        raise BadInput("backups.recipient_malformed") from None
    key = hkdf(secret, share + theirs, _LABEL)
    body = ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)
    return b"-> X25519 " + _b64(share) + b"\n" + _b64(body) + b"\n"


def open_header(source: Source, identities: Sequence[Identity]) -> bytes:
    """The file key, the header read and its MAC checked.

    Raises:
        NotOurs: malformed, altered, or for other identities.
    """
    lines = [source.line(len(_INTRO) + 1)]
    if lines[0] != _INTRO:
        raise NotOurs("backups.not_age")
    file_key: bytes | None = None
    room = _LIMIT
    while True:
        line = source.line(room)
        if line.startswith(b"---"):
            break
        body = _body(source, room)
        lines += [line, *body]
        room -= len(line) + sum(map(len, body))
        found = _unwrap(line, _unb64(b"".join(body)), identities)
        file_key = file_key or found
    if file_key is None:
        raise NotOurs("backups.wrong_key")
    if not line.startswith(b"--- "):
        raise NotOurs("backups.damaged")
    expected = _mac(file_key, b"\n".join([*lines, b"---"]))
    if not hmac.compare_digest(expected, _unb64(line[4:])):
        raise NotOurs("backups.damaged")
    return file_key


def _body(source: Source, room: int) -> list[bytes]:
    lines: list[bytes] = []
    while not lines or len(lines[-1]) == 64:
        lines.append(source.line(min(room, 66)))
        if len(lines[-1]) > 64 or len(lines) * 64 > room:
            raise NotOurs("backups.not_age")
    return lines


def _unwrap(line: bytes, body: bytes, identities: Sequence[Identity]) -> bytes | None:
    """The file key when this stanza is for one of ``identities``, else None."""
    words = line.split(b" ")
    if words[0] != b"->" or not words[1:] or not all(map(_VISIBLE.fullmatch, words)):
        raise NotOurs("backups.not_age")
    if words[1:2] != [b"X25519"]:
        return None
    share = _unb64(words[2]) if len(words) == 3 else b""
    if len(share) != 32 or len(body) != 16 + TAG:
        raise NotOurs("backups.damaged")
    for identity in identities:
        try:
            key = hkdf(
                identity.exchange(share), share + bech32.decode(_RECIPIENT, identity.recipient), _LABEL
            )
        except ValueError:
            raise NotOurs("backups.damaged") from None
        try:
            return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)
        except InvalidTag:
            continue
    return None


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF-SHA-256."""
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _mac(file_key: bytes, start: bytes) -> bytes:
    mac = HMAC(hkdf(file_key, b"", b"header"), SHA256())
    mac.update(start)
    return mac.finalize()


def _b64(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")


def _unb64(text: bytes) -> bytes:
    try:
        data = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NotOurs("backups.damaged") from None
    if _b64(data) != text:
        raise NotOurs("backups.damaged")
    return data
