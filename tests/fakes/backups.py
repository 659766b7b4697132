"""Material for backup tests: seeded randomness, keys, and rows that are hard to carry."""

import random
from collections.abc import Callable

from bot.backups.age import Identity
from bot.backups.keys import MasterKey
from bot.model.backups import Column, InvalidText, Value

HARD_ROWS: list[tuple[Value, ...]] = [
    (1, None, "", -0.0, b""),
    (-(2**63), "NULL", '"', 5e-324, b"\x00\xff"),
    (2**63 - 1, "a,b\nc\r\nd", "\0nul\0", float("inf"), b'"'),
    (0, "中文 <!channel> 𐐷", "ti", 0.1 + 0.2, None),
    ("7", 7, 7.0, b"7", InvalidText(b"\xff7")),
    ("7", 7, 7.0, b"7", InvalidText(b"\xff7")),
]
HARD_COLUMNS = [Column(name, "sqlite-1") for name in ("id", "a,b", 'q"', "", "名")]


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def identity(seed: int) -> Identity:
    return Identity(seeded(seed)(32))


def master_key(seed: int = 1) -> MasterKey:
    return MasterKey(identity(seed))
