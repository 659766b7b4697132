"""Single values: what is accepted is exactly what is documented, and nothing crashes."""

from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.load import load
from bot.config.places import password_in_clear
from bot.config.problems import ConfigInvalid
from bot.config.record_types import SoftReference
from bot.config.types import Config
from bot.model.quorums import SlotSpec, plain


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("4h", timedelta(hours=4)),
        ("30d", timedelta(days=30)),
        ("0s", timedelta(0)),
        (0, timedelta(0)),
    ],
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str | int, length: timedelta) -> None:
    assert values.duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "s", "1", 1, 1.5, "1 h", "1H", "1w", "-1s", "+1s", "1s1", "\u0661s", "1e3s", True, None]
)
def test_anything_else_is_no_length_of_time(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "count", "role"), [("1 of dba", 1, "dba"), (" 2  of  data-owner ", 2, "data-owner")]
)
def test_a_slot_is_a_count_and_a_role(text: str, count: int, role: str) -> None:
    assert values.slot(text) == SlotSpec(count, role)


@pytest.mark.parametrize(
    "text", ["dba", "1 dba", "of dba", "1 of ", "0 of dba", "-1 of dba", "1.5 of dba", "1of dba", 1, None]
)
def test_anything_else_is_no_slot(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.slot(text)


NEEDS = {
    "one part of several": ({"any": ["1 of legal", "1 of ciso"]}, "1 × legal / 1 × ciso"),
    "all parts": ({"all": ["1 of legal", "2 of dba"]}, "1 × legal + 2 × dba"),
    "parts in parts": (
        {"any": ["2 of ciso", {"all": ["1 of legal", {"any": ["1 of dba", "1 of sre"]}]}]},
        "2 × ciso / (1 × legal + (1 × dba / 1 × sre))",
    ),
}


@pytest.mark.parametrize(("written", "meant"), NEEDS.values(), ids=NEEDS)
def test_needs_are_combined(written: object, meant: str) -> None:
    assert plain(values.need(written)) == meant


def test_some_may_be_excepted_from_a_slot() -> None:
    assert values.slot("2 of dba except contractor, trainee") == SlotSpec(2, "dba", ("contractor", "trainee"))


BAD_NEEDS: dict[str, object] = {
    "nothing to choose from": {"any": []},
    "one part is no choice": {"any": ["1 of dba"]},
    "another word": {"some": ["1 of dba", "1 of ciso"]},
    "two words at once": {"any": ["1 of dba", "1 of ciso"], "all": ["1 of dba", "1 of ciso"]},
    "no list": {"any": "1 of dba"},
    "nothing": {},
    "a list without a word": ["1 of dba", "1 of ciso"],
    "nobody, deep inside": {"any": ["1 of dba", {"all": ["1 of ciso", "0 of legal"]}]},
    "no name after except": "1 of dba except",
    "an empty name after except": "1 of dba except ,",
}


@pytest.mark.parametrize("written", BAD_NEEDS.values(), ids=BAD_NEEDS)
def test_anything_else_is_no_need(written: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.need(written)


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("postgresql://u:secret@h/db", True),
        ("postgresql://u:secret@${HOST}/db", True),
        ("postgresql://u:pre${PASSWORD}@h/db", True),
        ("postgresql://u:se/c:r@t@h/db", True),
        ("postgresql://u:${PASSWORD}@h/db", False),
        ("postgresql://u@/db?host=/run/postgresql", False),
        ("postgresql://h:5432/db", False),
        ("sqlite:////srv/crm.db", False),
        ("${CRM_DATABASE_URL}", False),
    ],
)
def test_a_password_in_the_clear_is_recognised(url: str, clear: bool) -> None:
    assert password_in_clear(url) is clear


def test_a_soft_reference_may_name_a_schema() -> None:
    link = SoftReference.model_validate({"from": "Sales.Notes.subject id", "to": "customers.id"})
    assert link.child == ("Sales.Notes", "subject id")
    assert link.parent == ("customers", "id")


def test_nothing_changes_after_loading() -> None:
    config = Config.model_validate(
        {
            "workspace": "T0ACME",
            "channel": "C0X",
            "roles": {"dba": {"users": ["U0A"]}},
            "targets": {"crm": {"database": {"url": "sqlite:////x.db"}}},
            "rules": [
                {"name": "r", "when": {"operation": "restore"}, "request": ["dba"], "approve": ["1 of dba"]}
            ],
        }
    )
    assert isinstance(config.roles, MappingProxyType)
    assert isinstance(config.targets["crm"].records, MappingProxyType)
    assert config.rules[0].when.operation == ("restore",)
    with pytest.raises(ValidationError):
        config.channel = "C0Y"  # type: ignore[misc]  # it is read-only: that is the test


PIECES = st.sampled_from(
    [
        *(
            "workspace",
            "roles",
            "targets",
            "rules",
            "when",
            ":",
            ": ",
            "\n",
            "\n  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
        ),
        *(",", "&a", "*a", "!x", "|", ">", "'", '"', "#", "---", "...", "%YAML 1.1", "<<", "~", "no", "0x1"),
        *("1e9", "${X}", "\t", "?", "\x85", "😀"),
    ]
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
@example(text="rules: [[]]\nroles: [1]\ntargets: {a: []}")
@example(text="rules: {a: b}\nroles: x\ntargets: 1\nbackups: []")
@example(
    text="rules: [{when: [], approve: x, request: {}, name: 1}]\ntargets: {a: {records: [], database: 1}}"
)
@example(text="targets: {a: {database: {url: [x]}, records: {b: 1}}}\nbackups: {store: [x]}")
def test_no_text_does_worse_than_be_refused_in_sentences(tmp_path: Path, text: str) -> None:
    file = tmp_path / "countersign.yml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigInvalid) as caught:
        load(file, {"X": "secret"})
    assert caught.value.problems
    assert all(sentence for sentence in caught.value.sentences())
