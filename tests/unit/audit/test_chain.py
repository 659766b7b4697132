"""Attacks on the log: whatever is done to it afterwards is found and explained."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.audit.chain import (
    GENESIS,
    LOG_OPENED,
    Entry,
    Finding,
    Report,
    SignedHead,
    commitment,
    entry_bytes,
    head_text,
    link,
    read_head,
    verify,
)
from bot.audit.export import export_lines, verify_export
from bot.audit.signing import public_key, sign_head
from bot.errors import BadInput, CannotProve
from bot.texts import say

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = b"\x01" * 32
STRANGER = b"\x02" * 32
KEY = public_key(SECRET)

LETTERS = 'abAB01:{}[],"\\\n é漢\u0301😀'
words = st.text(LETTERS, max_size=12)
bodies = st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=8),
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | words | st.lists(words, max_size=3),
    max_size=4,
)


def chain(contents: list[bytes]) -> list[Entry]:
    entries: list[Entry] = []
    for seq, content in enumerate(contents):
        prev = entries[-1].hash if entries else GENESIS
        entries.append(Entry(seq, prev, link(prev, seq, content), content.decode()))
    return entries


def opened(count: int) -> list[Entry]:
    first = entry_bytes(LOG_OPENED, NOW, None, {"public_key": KEY})
    return chain([first, *(entry_bytes("vote", NOW, n, {"user": f"U{n}"}) for n in range(count - 1))])


def sign(entry: Entry, secret: bytes = SECRET) -> SignedHead:
    return SignedHead(entry.seq, entry.hash, sign_head(secret, entry.seq, entry.hash))


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Entry], list[SignedHead]]:
    contents = [entry_bytes(LOG_OPENED, NOW, None, {"public_key": KEY})]
    contents += [entry_bytes("vote", NOW, 1, draw(bodies)) for _ in range(draw(st.integers(1, 8)))]
    entries = chain(contents)
    signed = draw(st.sets(st.integers(0, len(entries) - 1)))
    return entries, [sign(entries[seq]) for seq in sorted(signed | {len(entries) - 1})]


def keys(report: Report) -> set[str]:
    return {problem.key for problem in report.problems}


@given(logs())
def test_an_untouched_log_has_no_problem_and_no_note(log: tuple[list[Entry], list[SignedHead]]) -> None:
    entries, heads = log
    report = verify(entries, heads, KEY, head_text(entries[-1].seq, entries[-1].hash))
    assert (report.ok, report.notes, report.signed_until) == (True, (), entries[-1].seq)


def flip(text: str, data: st.DataObject) -> str:
    """Change one character, never into itself."""
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(LETTERS).filter(lambda new: new != text[place]))
    return text[:place] + other + text[place + 1 :]


@given(logs(), st.data())
def test_any_changed_character_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    at = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(["entry", "hash", "prev"]))
    fields = asdict(entries[at])
    entries[at] = Entry(**{**fields, name: flip(fields[name], data)})
    report = verify(entries, heads, None, None)
    assert at in {problem.seq for problem in report.problems}


@given(logs(), st.data())
def test_a_rewritten_entry_with_every_later_hash_made_anew_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    at = data.draw(st.integers(0, len(entries) - 1))
    contents = [entry.entry.encode() for entry in entries]
    contents[at] = entry_bytes("vote", NOW, 77, {"user": "U0EVE"})
    report = verify(chain(contents), heads, None, None)
    assert not report.ok


@given(logs(), st.data())
def test_a_dropped_entry_is_found(log: tuple[list[Entry], list[SignedHead]], data: st.DataObject) -> None:
    entries, heads = log
    gone = entries.pop(data.draw(st.integers(0, len(entries) - 1)))
    report = verify(entries, heads, KEY, None)
    assert gone.seq in {problem.seq for problem in report.problems}
    assert keys(report) & {"audit.missing", "audit.head-cut"}


@given(logs(), st.data())
def test_two_swapped_entries_are_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    one = data.draw(st.integers(0, len(entries) - 2))
    two = data.draw(st.integers(one + 1, len(entries) - 1))
    entries[one], entries[two] = entries[two], entries[one]
    assert "audit.reordered" in keys(verify(entries, heads, KEY, None))


@given(logs(), st.data())
def test_swapped_contents_are_found(log: tuple[list[Entry], list[SignedHead]], data: st.DataObject) -> None:
    entries, heads = log
    one = data.draw(st.integers(0, len(entries) - 2))
    first, second = entries[one], entries[one + 1]
    entries[one] = replace(second, seq=one)
    entries[one + 1] = replace(first, seq=one + 1)
    assert not verify(entries, heads, KEY, None).ok


@given(logs(), st.data())
def test_an_entry_put_in_twice_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    again = data.draw(st.sampled_from(entries))
    entries.insert(data.draw(st.integers(0, len(entries))), again)
    assert Finding("audit.duplicate", again.seq) in verify(entries, heads, KEY, None).problems


@given(logs(), st.data())
def test_a_cut_off_log_is_found_by_its_signed_heads(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    kept = entries[: data.draw(st.integers(0, len(entries) - 1))]
    assert "audit.head-cut" in keys(verify(kept, heads, KEY, None))


@given(logs(), st.data())
def test_a_cut_off_log_with_its_heads_cut_off_too_is_found_by_the_receipt(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    length = data.draw(st.integers(0, len(entries) - 1))
    kept, known = entries[:length], [head for head in heads if head.seq < length]
    report = verify(kept, known, KEY, head_text(entries[-1].seq, entries[-1].hash))
    assert "audit.receipt-cut" in keys(report)


@given(logs(), st.data())
def test_a_head_signed_by_a_stranger_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    at = data.draw(st.integers(0, len(heads) - 1))
    heads[at] = sign(entries[heads[at].seq], STRANGER)
    assert Finding("audit.signature", heads[at].seq) in verify(entries, heads, None, None).problems


@given(logs(), st.data())
def test_any_change_of_a_signature_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    entries, heads = log
    at = data.draw(st.integers(0, len(heads) - 1))
    name = data.draw(st.sampled_from(["hash", "signature"]))
    fields = asdict(heads[at])
    heads[at] = SignedHead(**{**fields, name: flip(fields[name], data)})
    assert not verify(entries, heads, None, None).ok


@given(logs(), st.data())
def test_any_changed_bit_of_an_export_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    whole = "\n".join(export_lines(*log)).encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = bytearray(whole)
    broken[place] ^= 1 << data.draw(st.integers(0, 7))
    report = verify_export(broken.decode(errors="replace").split("\n"), None)
    assert not report.ok


@given(logs(), st.data())
@settings(max_examples=50)
def test_an_export_that_lost_its_end_is_found(
    log: tuple[list[Entry], list[SignedHead]], data: st.DataObject
) -> None:
    lines = list(export_lines(*log))
    kept = lines[: data.draw(st.integers(0, len(lines) - 1))]
    assert not verify_export(kept, None).ok


@given(logs())
def test_an_untouched_export_is_fine_with_and_without_line_ends(
    log: tuple[list[Entry], list[SignedHead]],
) -> None:
    lines = list(export_lines(*log))
    assert verify_export(lines, None).ok
    assert verify_export([f"{line}\n" for line in lines], None, KEY).ok


def test_a_log_made_anew_with_another_key_is_found_by_the_key_somebody_kept() -> None:
    contents = [entry_bytes(LOG_OPENED, NOW, None, {"public_key": public_key(STRANGER)})]
    entries = chain(contents)
    heads = [sign(entries[0], STRANGER)]
    assert verify(entries, heads, None, None).ok
    assert keys(verify(entries, heads, KEY, None)) == {"audit.other-key", "audit.signature"}


def test_entries_newer_than_the_last_signature_are_told_and_no_problem() -> None:
    entries = opened(5)
    report = verify(entries, [sign(entries[1])], KEY, None)
    assert report.ok
    assert report.signed_until == 1
    assert report.notes == (Finding("audit.unsigned", 2, {"n": 3}),)


def test_a_log_that_was_never_signed_says_so() -> None:
    report = verify(opened(3), [], None, None)
    assert (report.ok, report.signed_until) == (True, None)
    assert report.notes == (Finding("audit.unsigned", 0, {"n": 3}),)


def test_an_empty_log_misses_its_first_entry() -> None:
    assert verify([], [], None, None).problems == (Finding("audit.missing", 0, {"last": 0, "n": 1}),)


def test_a_log_without_a_key_in_front_is_found() -> None:
    entries = chain([entry_bytes("vote", NOW, 1, {})])
    assert keys(verify(entries, [], None, None)) == {"audit.no-key"}
    assert "audit.signature" in keys(verify(entries, [sign(entries[0])], None, None))


def test_a_head_of_the_receipt_that_is_not_in_the_log_is_found() -> None:
    entries = opened(3)
    assert keys(verify(entries, [], None, f"1:{'0' * 64}")) == {"audit.receipt-differs"}
    assert "audit.receipt-missing" in keys(verify([entries[0], entries[2]], [], None, f"1:{'0' * 64}"))
    assert "audit.head-missing" in keys(verify([entries[0], entries[2]], [sign(entries[1])], None, None))


def test_a_signed_head_that_stands_there_twice_is_found() -> None:
    entries = opened(2)
    assert keys(verify(entries, [sign(entries[1])] * 2, None, None)) == {"audit.duplicate-head"}


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("empty", ""),
        ("no colon", "7"),
        ("a short hash", "7:abc"),
        ("capital hex", f"7:{'A' * 64}"),
        ("a negative number", f"-1:{'a' * 64}"),
        ("a leading zero", f"07:{'a' * 64}"),
        ("Arabic digits", f"\u0667:{'a' * 64}"),
        ("something behind it", f"7:{'a' * 64}x"),
    ],
)
def test_a_head_in_another_form_is_bad_input(sentence: str, text: str) -> None:
    with pytest.raises(BadInput, match=r"audit\.head-form"):
        read_head(text)


def test_a_head_is_read_as_people_paste_it() -> None:
    assert read_head(f" `7:{'a' * 64}`\n") == (7, "a" * 64)


@pytest.mark.parametrize(
    ("sentence", "body"),
    [
        ("a float", {"share": 0.5}),
        ("not a number", {"share": float("nan")}),
        ("a number that other readers round", {"rows": 2**53}),
        ("bytes", {"salt": b"x"}),
        ("a set", {"users": {"U1"}}),
        ("a time", {"at": NOW}),
        ("a long text", {"reason": "x" * 201}),
        ("half a character", {"user": "\ud800"}),
        ("a key that is no text", {1: "x"}),
        ("two keys that become one", {"é": 1, "e\u0301": 2}),
        ("a float deep inside", {"a": [{"b": [0.1]}]}),
        ("a bottomless nest", {"a": [[[[[[[1]]]]]]]}),
    ],
)
def test_what_does_not_belong_in_the_log_is_refused(sentence: str, body: dict[str, object]) -> None:
    with pytest.raises(CannotProve):
        entry_bytes("vote", NOW, 1, body)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CannotProve):
        entry_bytes("vote", NOW.replace(tzinfo=None), 1, {})


def test_the_same_fact_always_gives_the_same_bytes() -> None:
    one = entry_bytes("vote", NOW, 1, {"b": "e\u0301", "a": [1, True, None]})
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert one == entry_bytes("vote", berlin, 1, {"a": (1, True, None), "b": "é"})
    assert (
        one
        == (
            '{"at":"2026-03-01T12:00:00.000000Z","body":{"a":[1,true,null],"b":"é"},"kind":"vote","request":1}'
        ).encode()
    )


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.binary(max_size=40), st.binary(max_size=40))
def test_no_two_different_entries_share_a_hash(one: int, two: int, first: bytes, second: bytes) -> None:
    same = (one, first) == (two, second)
    assert (link(GENESIS, one, first) == link(GENESIS, two, second)) is same


def test_the_chain_is_frozen_for_strangers() -> None:
    assert link(GENESIS, 0, b"{}") == "bc271c4ba7f52d77a6c8c5a862d12e4340f8189442b3c60978ec1c92589d0eef"


def test_a_commitment_tells_nothing_without_its_salt_and_holds_with_it() -> None:
    salt = b"s" * 16
    assert commitment(salt, "Ada") == commitment(salt, "Ada")
    assert commitment(salt, "Ada") != commitment(b"t" * 16, "Ada")
    assert commitment(salt, "e\u0301") == commitment(salt, "é")
    assert "Ada" not in commitment(salt, "Ada")


def test_every_finding_has_a_sentence() -> None:
    entries = opened(4)
    stray = SignedHead(9, "0" * 64, sign_head(SECRET, 9, "0" * 64))
    report = verify(
        [entries[0], entries[3], replace(entries[3], entry="{}"), entries[1]],
        [sign(entries[2]), stray, sign(entries[0], STRANGER)],
        public_key(STRANGER),
        f"12:{'0' * 64}",
    )
    assert len(report.problems) > 5
    for finding in (*report.problems, *report.notes):
        sentence = say(finding.key, "en", seq=finding.seq, **finding.params)
        assert sentence.endswith(".")


def test_the_documentation_tells_how_the_hash_is_made() -> None:
    page = (Path(__file__).parents[3] / "docs" / "audit-log.md").read_text()
    assert "countersign-audit-v1" in page
    assert "countersign-audit-head-v1" in page
