"""A dump counts as whole only at its end, and, of a backup of before, with the hash that was noted."""

import io
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from bot.targets.streams import Whole, chunks


@given(st.binary(max_size=50), st.integers(0, 60), st.sampled_from(["", "right", "wrong"]))
def test_only_what_was_read_to_its_end_and_adds_up_is_whole(content: bytes, taken: int, noted: str) -> None:
    said = {"": "", "right": sha256(content).hexdigest(), "wrong": sha256(content + b"x").hexdigest()}
    reading = Whole(io.BytesIO(content), said[noted])
    assert not reading.is_whole
    for _ in range(min(taken, len(content))):
        reading.read(1)
    assert not reading.is_whole
    assert b"".join(chunks(reading)) == content[min(taken, len(content)) :]
    assert reading.is_whole is (noted != "wrong")
