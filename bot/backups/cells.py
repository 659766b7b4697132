"""Database values as text and back, exactly. A codec never changes: a change is a new name. Pure."""

import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from bot.errors import CannotProve, NotOurs
from bot.model.backups import Cell, InvalidText, Value

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Codec:
    """``decode(encode(value))`` is the same value, bit for bit; every value has one encoding.

    ``encode`` raises CannotProve for a value it does not know, ``decode`` NotOurs for text it did not write.
    """

    name: str
    encode: Callable[[Value], Cell]
    decode: Callable[[Cell], Value]


def codec(name: str) -> Codec:
    """The codec of that name and version.

    Raises:
        NotOurs: this release does not know it.
    """
    found = _CODECS.get(name)
    if found is None:
        raise NotOurs("backups.unknown_codec", codec=name[:40])
    return found


def row_encoder(codecs: Sequence[str]) -> Callable[[Sequence[Value]], Sequence[Cell]]:
    """Encodes a row of that many columns, each by the codec of its name; raises as they do.

    Raises:
        NotOurs: this release does not know a codec.
    """
    encoders = [codec(name).encode for name in codecs]

    def _each(row: Sequence[Value]) -> Sequence[Cell]:
        return [encode(value) for encode, value in zip(encoders, row, strict=True)]

    def _texts(row: Sequence[Value]) -> Sequence[Cell]:
        # Nearly all rows are ASCII texts, which are their own cells; nothing else can be joined.
        cells = cast("Sequence[Cell]", row)
        try:
            some = cells if None not in cells else [cell for cell in cells if cell is not None]
            plain = "".join(cast("Sequence[str]", some)).isascii()
        except TypeError:
            plain = False
        return cells if plain and len(cells) == len(encoders) else _each(row)

    return _texts if set(codecs) == {"text-1"} else _each


def row_decoder(codecs: Sequence[str]) -> Callable[[Sequence[Cell]], tuple[Value, ...]]:
    """Decodes a row of that many cells, as they came out of UTF-8.

    Raises:
        NotOurs: this release does not know a codec; when decoding: a cell that it did not write.
    """
    if set(codecs) == {"text-1"}:
        # Whatever came out of UTF-8 is its own value.
        return tuple
    decoders = [codec(name).decode for name in codecs]
    return lambda row: tuple([decode(cell) for decode, cell in zip(decoders, row, strict=True)])


def _encode_sqlite(value: Value) -> Cell:
    kind = type(value)
    writer = _SQLITE_WRITERS.get(kind)
    if writer is None:
        raise CannotProve("backups.value_unknown", kind=kind.__name__)
    return writer(value)


def _decode_sqlite(cell: Cell) -> Value:
    if cell is None:
        return None
    reader = _SQLITE_READERS.get(cell[:1])
    if reader is None:
        raise NotOurs("backups.damaged")
    try:
        value = reader(cell[1:])
        again = _encode_sqlite(value)
    except (ValueError, OverflowError, CannotProve):
        raise NotOurs("backups.damaged") from None
    if again != cell:
        raise NotOurs("backups.damaged")
    return value


def _write_integer(value: int) -> str:
    if not -(2**63) <= value < 2**63:
        raise CannotProve("backups.value_unknown", kind="int")
    return f"i{value}"


def _read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError
    return int(text)


def _write_real(value: float) -> str:
    if math.isnan(value):
        return f"fnan:{struct.pack('>d', value).hex()}"
    return f"f{value!r}"


def _read_real(text: str) -> float:
    if text.startswith("nan:"):
        number: float = struct.unpack(">d", int(text[4:], 16).to_bytes(8, "big"))[0]
        return number
    return float(text)


def _write_text(value: Cell) -> Cell:
    if value is None:
        return None
    if type(value) is not str:
        raise CannotProve("backups.value_unknown", kind=type(value).__name__)
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # The error would carry the value.
        raise CannotProve("backups.value_unknown", kind="str") from None
    return value


_SQLITE_WRITERS: dict[type, Callable[..., Cell]] = {
    type(None): lambda _: None,
    int: _write_integer,
    float: _write_real,
    str: lambda value: f"t{_write_text(value)}",
    bytes: lambda value: f"b{value.hex()}",
    InvalidText: lambda value: f"x{value.raw.hex()}",
}
_SQLITE_READERS: dict[str, Callable[[str], Value]] = {
    "i": _read_integer,
    "f": _read_real,
    "t": str,
    "b": bytes.fromhex,
    "x": lambda text: InvalidText(bytes.fromhex(text)),
}
_CODECS = {
    one.name: one
    for one in (
        Codec("sqlite-1", _encode_sqlite, _decode_sqlite),
        Codec("text-1", _write_text, _write_text),  # type: ignore[arg-type]  # it checks the kind itself
    )
}
