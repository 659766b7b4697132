"""What identifies a row: its exact cells, and keyed hashes of them, useless without their key. Pure."""

import hashlib
import hmac
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from bot.model.backups import InvalidText, Value
from bot.model.csv_lines import TextRows, cells_of, first_width

#: Lines of nothing but cells that JSON writes as they stand.
_PLAIN = re.compile(rb'(?:"[ !#-\[\]-~]*+"(?:,"[ !#-\[\]-~]*+")*+\n)*+')

#: Bytes that SHA-256 takes at a time.
_BLOCK = 64

#: The exact cells that identify one row of a table.
Key = tuple[Value, ...]


def mark(hash_key: bytes, table: str, key: Key) -> str:
    """A keyed hash of one row's key: 32 hex digits, useless without ``hash_key``."""
    return next(marks(hash_key, table, [key]))


def marks(hash_key: bytes, table: str, keys: Iterable[Key]) -> Iterator[str]:
    """``mark`` of each key, in their order: the HMAC-SHA-256 of the JSON list of table and cells."""
    return (mark_of(hash_key, text) for text in key_texts(table, keys))


def mark_of(hash_key: bytes, text: bytes) -> str:
    """The mark of a key by its text."""
    return keyed(hash_key)(text).hex()[:32]


@lru_cache(maxsize=16)
def keyed(hash_key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 under a key, for many short texts: half the time of ``hmac.digest``."""
    if len(hash_key) > _BLOCK:
        return lambda text: hmac.digest(hash_key, text, "sha256")
    padded, hashed = hash_key.ljust(_BLOCK, b"\0"), hashlib.sha256
    inner, outer = bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
    return lambda text: hashed(outer + hashed(inner + text).digest()).digest()


def key_texts(table: str, keys: Iterable[Key]) -> Iterator[bytes]:
    """What is hashed of each key, in their order; no other table or key has the same."""
    # The same text as json.dumps, which would build an encoder for every row.
    begun = f"[{encode_basestring_ascii(table)}, "
    if not isinstance(keys, TextRows):
        yield from _texts_of(begun, keys)
        return
    for lines in keys.blocks():
        if _PLAIN.fullmatch(b"".join(lines)):
            head, between = f'{begun}["text", "'.encode(), b'"], ["text", "'
            yield from [head + line[1:-2].replace(b'","', between) + b'"]]' for line in lines]
        else:
            yield from _texts_of(begun, cells_of([lines], first_width(lines[0]) or 1))


def _texts_of(begun: str, keys: Iterable[Key]) -> Iterator[bytes]:
    return (f"{begun}{', '.join(map(_json_cell, key))}]".encode() for key in keys)


def _json_cell(value: Value) -> str:
    if type(value) is str:
        return f'["text", {encode_basestring_ascii(value)}]'
    return f"[{', '.join(map(encode_basestring_ascii, pack(value)))}]"


def hash_marks(hash_key: bytes, marks: Iterable[str]) -> str:
    """One keyed hash over the marks of a set of rows, whatever their order: 64 hex digits."""
    return hmac.digest(hash_key, "\n".join(sorted(marks)).encode(), "sha256").hex()


def pack(value: Value) -> list[str]:
    """A cell as JSON data, exactly: its kind and its text.

    Raises:
        TypeError: not a value of a database.
    """
    match value:
        case None:
            return ["null"]
        case bool():
            raise TypeError
        case int():
            return ["integer", str(value)]
        case float():
            return ["real", struct.pack(">d", value).hex()]
        case str():
            return ["text", value]
        case bytes():
            return ["blob", value.hex()]
        case InvalidText():
            return ["bad-text", value.raw.hex()]


def unpack(cell: Sequence[str]) -> Value:
    """The value that ``pack`` wrote.

    Raises:
        ValueError: ``pack`` did not write it.
    """
    match cell:
        case ["null"]:
            return None
        case ["integer", text]:
            return int(text)
        case ["real", text]:
            number: float = struct.unpack(">d", bytes.fromhex(text))[0]
            return number
        case ["text", text]:
            return text
        case ["blob", text]:
            return bytes.fromhex(text)
        case ["bad-text", text]:
            return InvalidText(bytes.fromhex(text))
    raise ValueError
