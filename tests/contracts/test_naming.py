"""Where a text is named: in a column that holds it, or a letter with it inside. One suite, every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import TargetDown
from bot.targets.base import Named
from tests.contracts.installations import KINDS, Installation

MAIL, PHONE = "ada@example.com", "+49 30 1234"
PAPERS = {
    "sqlite": "CREATE TABLE papers (id INTEGER PRIMARY KEY, short VARCHAR(200), long TEXT, doc JSON, raw BLOB,"
    ' num INTEGER, kind VARCHAR(30), "we""ird%s `x`" VARCHAR(200))',
    "postgresql": "CREATE TABLE papers (id INTEGER PRIMARY KEY, short VARCHAR(200), long TEXT, doc JSON, raw BYTEA,"
    ' num BIGINT, kind mails, "we""ird%s `x`" VARCHAR(200))',
    "mysql": "CREATE TABLE papers (id INTEGER PRIMARY KEY, short VARCHAR(200), `long` LONGTEXT, doc JSON,"
    " raw LONGBLOB, num BIGINT, kind ENUM('ada@example.com', 'nobody'), `we\"ird%s ``x``` VARCHAR(200))"
    " CHARACTER SET utf8mb4",
}
WEIRD = 'we"ird%s `x`'


def engine(place: Installation) -> str:
    return place.url.partition(":")[0].partition("+")[0]


def literal(place: Installation, text: str) -> str:
    """A text, whatever its signs mean to whom."""
    raw = text.encode().hex()
    made = {
        "sqlite": f"CAST(x'{raw}' AS TEXT)",
        "postgresql": f"convert_from('\\x{raw}', 'UTF8')",
        "mysql": f"CONVERT(0x{raw} USING utf8mb4)",
    }
    return made[engine(place)]


def named_column(place: Installation, column: str) -> str:
    return (
        f"`{column.replace('`', '``')}`"
        if engine(place) == "mysql"
        else '"' + column.replace('"', '""') + '"'
    )


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with KINDS[request.param](tmp_path) as installation:
        if engine(installation) == "postgresql":
            installation.ask("CREATE TYPE mails AS ENUM ('ada@example.com', 'nobody')")
        installation.ask(PAPERS[engine(installation)])
        yield installation


def put(place: Installation, number: int, column: str, text: str) -> None:
    value = literal(place, text)
    if column == "raw":
        raw = text.encode().hex()
        value = {"sqlite": f"x'{raw}'", "postgresql": f"'\\x{raw}'::bytea", "mysql": f"0x{raw}"}[
            engine(place)
        ]
    elif column in ("num", "kind"):
        value = f"'{text}'"
    elif column == "doc" and engine(place) == "postgresql":
        value = f"{value}::json"
    place.ask(f"INSERT INTO papers (id, {named_column(place, column)}) VALUES ({number}, {value})")


def look(place: Installation, column: str, *texts: str, limit: int = 10) -> Named:
    with place.open().reading() as session:
        session.prepare([], [])
        return session.naming("papers", column, texts, limit, 5.0)


#: what is stored where, what is looked for, whether that is there
CASES: list[tuple[str, str, str, bool]] = [
    ("short", MAIL, MAIL, True),
    ("short", "ADA@Example.COM", MAIL, True),
    ("short", f"x{MAIL}", MAIL, False),
    ("short", f"{MAIL} ", MAIL, False),
    ("short", PHONE, PHONE, True),
    ("short", "0491234", "491234", False),
    ("short", "491234", "0491234", False),
    ("short", "AB123456", "ab123456", False),
    ("short", "100%_x", "100%_x", True),
    ("short", "100Xyx", "100%_x", False),
    ("short", "éclair", "eclair", False),
    ("long", f"Dear {MAIL}, hello", MAIL, True),
    ("long", f"Dear {MAIL.upper()}, hello", MAIL, True),
    ("long", f"call {PHONE} now", PHONE, True),
    ("long", "order 12345 of May", "12345", False),
    ("long", "12345", "12345", True),
    ("long", "AB123456 in a letter", "ab123456", False),
    ("long", "some 100Xyx here", "100%_x", False),
    ("long", "some 100%_x here", "100%_x", True),
    ("long", 'a *back\\slash\'s "quote" b', 'back\\slash\'s "quote"', True),
    ("long", "hello 😀ada😀lovelace!", "😀ada😀lovelace", True),
    ("long", "hello 😀ada😁lovelace!", "😀ada😀lovelace", False),
    ("long", "an éclair-99", "eclair-99", False),
    ("doc", '{"who": {"mail": "ada@example.com"}}', MAIL, True),
    ("doc", '{"who": "O\\"Brien-99"}', 'O"Brien-99', True),
    ("doc", '{"who": "J\\u00f6rg Meier"}', "Jörg Meier", True),
    ("doc", '{"who": "Jörg Meier"}', "Jörg Meier", True),
    ("doc", '{"who": "Georg Meier"}', "Jörg Meier", False),
    ("raw", f"\0\1 {MAIL} \0", MAIL, True),
    ("raw", "\0\1 nobody \0", MAIL, False),
    ("num", "491234", "491234", True),
    ("num", "491234", "0491234", False),
    ("num", "491234", MAIL, False),
    ("kind", MAIL, MAIL, True),
    ("kind", MAIL, "nobody", False),
    (WEIRD, MAIL, MAIL, True),
]


def test_what_names_a_text_is_found_and_nothing_else(place: Installation) -> None:
    for number, (column, stored, _, _) in enumerate(CASES):
        put(place, number, column, stored)
    wrong = []
    for number, (column, stored, text, there) in enumerate(CASES):
        found = look(place, column, text, limit=100).keys
        if (place.said((number,))[0] in found) is not there:
            wrong.append((column, stored, text))
    assert wrong == []


def test_one_of_several_texts_is_enough_and_each_row_counts_once(place: Installation) -> None:
    put(place, 1, "long", f"{MAIL} or {PHONE}")
    put(place, 2, "long", f"only {PHONE}")
    put(place, 3, "long", "neither")
    assert set(look(place, "long", MAIL, PHONE, "x").keys) == set(place.said((1,), (2,)))
    assert len(look(place, "long", MAIL, PHONE, limit=1).keys) == 1


def test_rows_of_the_key_set_do_not_count(place: Installation) -> None:
    for number in (1, 2):
        put(place, number, "long", f"Dear {MAIL}")
    with place.open().reading() as session:
        session.prepare(["papers"], [])
        session.seed("papers", place.said((1,)))
        assert session.naming("papers", "long", [MAIL], 10, 5.0).keys == tuple(place.said((2,)))


def test_a_table_without_a_key_is_counted_all_the_same(place: Installation) -> None:
    for _ in range(2):
        place.ask(f"INSERT INTO loners VALUES ({literal(place, f'Dear {MAIL}')})")
    with place.open().reading() as session:
        assert len(session.naming("loners", "text", [MAIL], 10, 5.0).keys) == 2


@pytest.mark.parametrize(
    "text", ["ada\0lovelace", "\\", "'", "%", "_" * 9, "😀", "x" * 100_000, "'; DROP TABLE papers --"]
)
def test_odd_texts_are_only_texts(place: Installation, text: str) -> None:
    put(place, 1, "long", "nobody")
    for column in ("short", "long", "doc", "raw", "num", "kind"):
        assert look(place, column, text).keys == ()


def test_the_index_that_it_asks_for_is_enough(place: Installation) -> None:
    for number in range(30):
        put(place, number, "short", f"{number}@example.com")
    for text, column in ((PHONE, "short"), ("nobody", "kind"), ("5", "num")):
        statement = look(place, column, text).index
        assert statement.startswith(("CREATE INDEX", "ALTER TABLE"))
        place.ask(statement.replace(" CONCURRENTLY", ""))
        assert look(place, column, text).index == ""
    assert look(place, "long", MAIL).index == ""


def test_mail_addresses_ask_for_an_index_that_serves_them(place: Installation) -> None:
    statement = look(place, "short", MAIL).index
    assert statement
    place.ask(statement.replace(" CONCURRENTLY", ""))
    assert look(place, "short", MAIL).index == ""


def test_what_takes_too_long_is_said_and_the_session_goes_on(place: Installation) -> None:
    many = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
        " INSERT INTO loners SELECT hex(randomblob(200)) FROM n",
        "postgresql": "INSERT INTO loners SELECT repeat(i::text, 200) FROM generate_series(1, 300000) i",
        "mysql": "INSERT INTO loners WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
        " SELECT REPEAT(i, 100) FROM n",
    }
    place.ask(many[engine(place)])
    with place.open().reading() as session:
        with pytest.raises(TargetDown) as error:
            session.naming("loners", "text", [MAIL], 10, 0.001)
        assert error.value.key == "target.too-slow"
        assert session.size("parents") == 3
        assert session.naming("papers", "long", [MAIL], 10, 5.0).keys == ()
