"""Bech32 (BIP 173) without its length limit, as age uses it for keys. Pure."""

from bot.errors import BadInput

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(prefix: str, data: bytes) -> str:
    """``prefix`` + ``1`` + data + checksum, lower case."""
    values = _regroup(data, 8, 5, pad=True)
    checksum = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    tail = [(checksum >> 5 * (5 - i)) & 31 for i in range(6)]
    return prefix + "1" + "".join(_CHARSET[value] for value in (*values, *tail))


def decode(prefix: str, text: str, *, upper: bool = False) -> bytes:
    """The 32 bytes of a key.

    Args:
        prefix: what must stand before the last ``1``, lower case.
        text: the key, in one case throughout.
        upper: whether that case is upper.

    Raises:
        BadInput: another prefix, case, length, alphabet or checksum.
    """
    bad = BadInput("backups.recipient_malformed")
    if text != (text.upper() if upper else text.lower()) or not text.isascii():
        raise bad
    lower = text.lower()
    found, one, rest = lower.rpartition("1")
    if found != prefix or not one or any(char not in _CHARSET for char in rest):
        raise bad
    values = [_CHARSET.index(char) for char in rest]
    if len(values) < 6 or _polymod([*_expand(prefix), *values]) != 1:
        raise bad
    data = bytes(_regroup(bytes(values[:-6]), 5, 8, pad=False))
    if len(data) != 32 or encode(prefix, data) != lower:
        raise bad
    return data


def _expand(prefix: str) -> list[int]:
    return [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for i, word in enumerate(_GENERATOR):
            checksum ^= word if (top >> i) & 1 else 0
    return checksum


def _regroup(data: bytes, size: int, into: int, *, pad: bool) -> list[int]:
    held, bits, out = 0, 0, []
    for value in data:
        held = (held << size | value) & 0xFFFF
        bits += size
        while bits >= into:
            bits -= into
            out.append((held >> bits) & ((1 << into) - 1))
    if pad and bits:
        out.append((held << (into - bits)) & ((1 << into) - 1))
    return out
