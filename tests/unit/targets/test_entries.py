"""The lines of a folder's list and their comparison: what is written is JSON, and nothing is missed."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.targets import ground
from bot.targets.entries import Entry, Tally, difference, same_content, untouched, walk

NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.text(st.characters() | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=20)
ENTRIES = st.builds(
    Entry,
    path=NAMES,
    type=st.sampled_from(["folder", "file", "link", "fifo", "socket"]),
    mode=NUMBERS,
    uid=NUMBERS,
    gid=NUMBERS,
    size=NUMBERS,
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    inode=NUMBERS,
    device=NUMBERS,
    links=NUMBERS,
    target=NAMES,
    sha256=st.text("0123456789abcdef", max_size=64),
    xattrs=st.text("0123456789abcdef", max_size=64),
)


@given(ENTRIES)
@settings(max_examples=300)
def test_a_line_is_what_json_makes_of_it_and_comes_back(entry: Entry) -> None:
    plain = json.dumps(entry._asdict(), separators=(",", ":")).encode() + b"\n"
    assert entry.line() == plain
    assert Entry.of(entry.line()) == entry


def many(n: int) -> list[Entry]:
    root = Entry(".", "folder", 0o755, 0, 0, 40, 1, 1, 1, 2)
    return [root, *(Entry(f"f{i}", "file", 0o644, 0, 0, i, 1, 10 + i, 1, 1, sha256="a") for i in range(n))]


@pytest.mark.parametrize("at", [1, 2, 5])
def test_one_more_one_less_and_one_other_are_noticed_wherever_they_are(at: int) -> None:
    wanted = many(5)
    less, more = wanted[:at] + wanted[at + 1 :], [*wanted[:at], many(9)[9], *wanted[at:]]
    other = [*wanted[:at], wanted[at]._replace(mtime_ns=2), *wanted[at + 1 :]]
    for found in (less, more, other):
        assert not same_content(iter(wanted), iter(found))
        assert not untouched(iter(wanted), iter(found))
        assert difference(wanted, iter(found)) is not None
    assert not same_content(iter(wanted), iter(()))
    moved = [*wanted[:at], wanted[at]._replace(inode=99, device=5), *wanted[at + 1 :]]
    assert same_content(wanted, moved)
    assert not untouched(wanted, moved)


def test_sockets_and_the_size_of_folders_are_not_content() -> None:
    wanted = [*many(2), Entry("s", "socket", 0, 0, 0, 0, 1, 5, 1, 1)]
    found = [wanted[0]._replace(size=4096), *wanted[1:3]]
    assert same_content(wanted, found)
    assert not untouched(wanted, found)


def test_a_tally_counts_names_that_lead_outside() -> None:
    tally = Tally()
    for entry in [
        *many(2),
        Entry("a", "file", 0, 0, 0, 7, 1, 50, 1, 2),
        Entry("b", "link", 0, 0, 0, 9, 1, 51, 1, 1),
    ]:
        tally.add(entry)
    assert (tally.entries, tally.items, tally.size, tally.leaving) == (5, 4, 8, 1)
    tally.add(Entry("c", "file", 0, 0, 0, 7, 1, 50, 1, 2))
    assert tally.leaving == 0


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_a_file_is_hashed_to_its_end_whatever_its_size(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    place = tmp_path / "place"
    place.mkdir()
    (place / "f").write_bytes(content)
    with ground.folder(str(tmp_path)) as parent:
        found = list(walk(parent, "place", str(place), read=True))
    assert found[1].sha256 == hashlib.sha256(content).hexdigest()
