"""What names a text, beside a slow model that is obviously right: random letters, wildcards, quotes, any database."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.targets.naming import SHORTEST, is_long
from tests.contracts.installations import KINDS, Installation

LETTERS = "aAbB@.%_\\'\"*?é中😀 1"
HAY = st.text(LETTERS, max_size=14)
NEEDLE = st.text(LETTERS, min_size=1, max_size=9)
ENGINES = {name: how for name, how in KINDS.items() if name != "sqlite in WAL mode"}


@pytest.fixture(scope="module", params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("naming")
    with ENGINES[request.param](folder) as installation:
        many = "" if installation.url.startswith(("sqlite", "postgresql")) else " CHARACTER SET utf8mb4"
        installation.ask(f"CREATE TABLE papers (id INTEGER PRIMARY KEY, a VARCHAR(40), b TEXT){many}")
        yield installation


def literal(place: Installation, text: str) -> str:
    raw = text.encode().hex()
    if place.url.startswith("sqlite"):
        return f"CAST(x'{raw}' AS TEXT)"
    if place.url.startswith("postgresql"):
        return f"convert_from('\\x{raw}', 'UTF8')"
    return f"CONVERT(0x{raw} USING utf8mb4)" if raw else "''"


def folded(text: str, needle: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text) if "@" in needle else text


def capitals(text: str) -> str:
    """A to Z only: whether the case of other letters counts is the database's own affair."""
    return "".join(one.swapcase() if one.isascii() else one for one in text)


def is_whole(hay: str, needle: str) -> bool:
    return folded(hay, needle) == folded(needle, needle)


def stands_in(hay: str, needle: str) -> bool:
    if len(needle) < SHORTEST:
        return is_whole(hay, needle)
    spelled = {needle, json.dumps(needle)[1:-1], json.dumps(needle, ensure_ascii=False)[1:-1]}
    return any(folded(one, needle) in folded(hay, needle) for one in spelled)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(HAY, min_size=1, max_size=8), st.lists(NEEDLE, min_size=1, max_size=3))
def test_it_finds_what_the_model_finds(place: Installation, hays: list[str], needles: list[str]) -> None:
    padded = [*hays, *(f"xx{one}xx" for one in needles), *needles, *(capitals(one) for one in needles)]
    place.ask("DELETE FROM papers")
    rows = ", ".join(f"({n}, {literal(place, one)}, {literal(place, one)})" for n, one in enumerate(padded))
    place.ask(f"INSERT INTO papers VALUES {rows}")
    with place.open().reading() as session:
        session.prepare([], [])
        for column, model in (("a", is_whole), ("b", stands_in)):
            found = session.naming("papers", column, needles, 100, 5.0).keys
            wanted = [n for n, one in enumerate(padded) if any(model(one, needle) for needle in needles)]
            assert sorted(found) == sorted(place.said(*((n,) for n in wanted))), (column, padded, needles)


@pytest.mark.parametrize(
    ("declared", "long"),
    [
        *(
            (one, True)
            for one in ("TEXT", "text", "longtext", "mediumtext", "JSON", "jsonb", "xml", "bytea", "BLOB")
        ),
        *(
            (one, True)
            for one in ("citext", "text[]", "character varying(20)[]", "character varying", "", "CLOB")
        ),
        *((one, False) for one in ("VARCHAR(200)", "character varying(200)", "char(3)", "NVARCHAR (20)")),
        *(
            (one, False)
            for one in ("integer", "bigint", "numeric(10,2)", "uuid", "date", "mails", "enum('a','b')")
        ),
    ],
)
def test_which_columns_hold_documents(declared: str, long: bool) -> None:
    assert is_long(declared) is long
