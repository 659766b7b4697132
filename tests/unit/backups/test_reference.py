"""A reference names one backup to its own worker and nothing to anybody else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.backups.reference import clean, seal, unseal
from bot.errors import BadInput, NotAllowed, Refused
from bot.model.backups import ReferencePayload
from tests.fakes.backups import seeded

KEY, KEY_ID = seeded(1)(32), "0123456789abcdef"
PAYLOAD = ReferencePayload("b20261123-7k2m9qx4tz", "ab" * 32, "T0ACME")
TEXT = seal(KEY, KEY_ID, PAYLOAD, bytes(12))
SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_it_comes_back_and_is_frozen() -> None:
    assert unseal(KEY, KEY_ID, TEXT, "T0ACME") == PAYLOAD
    assert TEXT == FROZEN


FROZEN = (
    "cs1.ASNFZ4mrze8AAAAAAAAAAAAAAACmQUCWYP_Hh0tLzsDWLTj4uPL5wei0qc4Agbql4pclcx9RtVX9FMWiii72xnJEM_nBARua"
    "B7eU34aajh_R8BsWlewFbS4bTZObggE"
)


@given(st.text(min_size=1, max_size=30), st.text(max_size=30), st.binary(min_size=12, max_size=12))
def test_any_payload_comes_back(backup_id: str, workspace: str, nonce: bytes) -> None:
    payload = ReferencePayload(backup_id, "00" * 32, workspace)
    assert unseal(KEY, KEY_ID, seal(KEY, KEY_ID, payload, nonce), workspace) == payload


@given(st.integers(0, len(TEXT) - 1), st.one_of(st.sampled_from(SAFE), st.characters()))
@settings(max_examples=1000)
def test_any_changed_character_is_refused(position: int, char: str) -> None:
    changed = TEXT[:position] + char + TEXT[position + 1 :]
    if changed != TEXT:
        with pytest.raises(Refused):
            unseal(KEY, KEY_ID, changed, "T0ACME")


def test_every_other_last_character_is_refused() -> None:
    for position in (len(TEXT) - 1, len(TEXT) - 2, 4, 14, 15):
        for char in SAFE.replace(TEXT[position], ""):
            with pytest.raises(BadInput):
                unseal(KEY, KEY_ID, TEXT[:position] + char + TEXT[position + 1 :], "T0ACME")


@given(st.integers(0, len(TEXT) - 1), st.text(SAFE, max_size=3))
def test_anything_cut_out_or_put_in_is_refused(position: int, more: str) -> None:
    for changed in (
        TEXT[:position],
        TEXT[:position] + TEXT[position + 1 :],
        TEXT[:position] + more + TEXT[position:],
    ):
        if changed != TEXT:
            with pytest.raises(BadInput):
                unseal(KEY, KEY_ID, changed, "T0ACME")


SENTENCES = {
    "nothing": ("", "backups.reference_not_one"),
    "an id": ("b20261123-7k2m9qx4tz", "backups.reference_not_one"),
    "another version": ("cs2." + TEXT[4:], "backups.reference_not_one"),
    "capitals": (TEXT.upper(), "backups.reference_not_one"),
    "only the beginning": ("cs1.", "backups.reference_altered"),
    "cut": (TEXT[:60], "backups.reference_altered"),
    "padding": (TEXT + "==", "backups.reference_altered"),
    "the other alphabet": (TEXT[:20] + "+/" + TEXT[22:], "backups.reference_altered"),
    "a line end inside": (TEXT[:20] + "\n" + TEXT[20:], "backups.reference_altered"),
    "a megabyte": ("cs1." + "A" * 2**20, "backups.reference_altered"),
    "other scripts": ("cs1.中文", "backups.reference_altered"),
    "another key": (seal(KEY, "0" * 16, PAYLOAD, bytes(12)), "backups.reference_other_key"),
    "a forged key id": (seal(seeded(2)(32), KEY_ID, PAYLOAD, bytes(12)), "backups.reference_altered"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_each_kind_of_wrong_has_its_own_sentence(case: str) -> None:
    text, key = SENTENCES[case]
    with pytest.raises(BadInput) as caught:
        unseal(KEY, KEY_ID, text, "T0ACME")
    assert (caught.value.key, caught.value.params) == (key, {})


def test_another_workspace_is_refused() -> None:
    for workspace in ("T0OTHER", "", "T0ACME ", "t0acme"):
        with pytest.raises(NotAllowed, match=r"backups\.reference_other_workspace"):
            unseal(KEY, KEY_ID, TEXT, workspace)


@pytest.mark.parametrize(
    "around", ["`{}`", " {}\n", "“{}”", "<{}>", "```\n{}\n```", "\u200b{}\u00a0", "({}).", "*`{}`*"]
)
def test_what_people_paste_around_it_is_taken_off(around: str) -> None:
    assert clean(around.format(TEXT)) == TEXT


def test_it_tells_nothing_about_the_backup() -> None:
    other = seal(KEY, KEY_ID, PAYLOAD, bytes(11) + b"\1")
    assert other[16:] != TEXT[16:]
    assert "T0ACME" not in TEXT
