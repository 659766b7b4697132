"""The keyed hash of a set of keys, made while they come: what a plan holds instead of the rows. Pure."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

from bot.model.row_keys import Key, hash_marks, key_texts, keyed, mark_of

#: Up to so many keys, a set is hashed over its marks, which are kept beside the plan so that a few changes
#: can be allowed exactly; a larger one over a sum. Plans that wait for their votes depend on this number.
MARKED = 20_000

#: The summands have a key of their own: the marks of small sets lie in our database, and who knows summands
#: can find other sets of the same sum.
_OF_SUMS = b"countersign/1/sums of keys"
_AT_ONCE = 1000


@dataclass(frozen=True)
class KeySet:
    """How many keys, their keyed hash whatever their order, and the sorted marks of a small set."""

    rows: int
    hash: str
    marks: tuple[str, ...] | None


def key_set(hash_key: bytes, table: str, keys: Iterable[Key], marked: int = MARKED) -> KeySet:
    """Take keys of one table to their end, without holding many more than ``marked`` of them."""
    texts = key_texts(table, keys)
    first = list(islice(texts, marked + 1))
    if len(first) <= marked:
        found = tuple(sorted(mark_of(hash_key, text) for text in first))
        return KeySet(len(found), hash_marks(hash_key, found), found)
    of_sums = hmac.digest(hash_key, _OF_SUMS, "sha256")
    summand, number = keyed(of_sums), int.from_bytes
    count = total = 0
    batches = chain([first], iter(lambda: list(islice(texts, _AT_ONCE)), []))
    del first
    for batch in batches:
        count += len(batch)
        total += sum([number(summand(text), "big") for text in batch])
    # A sum by itself would tell who reads it what its summands are, one deletion after the other.
    last = f"{count}\n{total % 2**256:064x}"
    return KeySet(count, hmac.digest(of_sums, last.encode(), "sha256").hex(), None)
