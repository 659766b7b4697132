"""What every target promises about rows that are handed over. One suite, every implementation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.installations import CASCADE, EMPTY, KINDS, Installation
from tests.contracts.test_targets import edge

SEATS = "seats.parent -> parents.id"
SCHEMA = [
    "CREATE TABLE seats (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id), spot INTEGER,"
    " UNIQUE (parent, spot))",
    "INSERT INTO seats VALUES (1, 1, 7), (2, 2, 7), (3, 3, 8), (4, 1, NULL), (5, 3, NULL)",
]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with KINDS[request.param](tmp_path) as installation:
        for statement in SCHEMA:
            installation.ask(statement)
        yield installation


def test_one_row_by_its_key_and_nothing_for_a_key_that_nobody_has(place: Installation) -> None:
    target = place.open()
    with target.reading() as reading:
        assert [reading.one("parents", key) for key in place.said((3,), (404,))] == [
            *place.said((3, "p3", None)),
            None,
        ]
        (key,) = place.said((1, "y"))
        assert reading.one("children", key) == place.said((1, "y", 1, ""))[0]
    with target.writing() as writing:
        (key,) = place.said((2,))
        assert writing.one("parents", key) == place.said((2, "p2", "Two"))[0]


def test_a_link_set_points_at_the_heir_and_nothing_else_changes(place: Installation) -> None:
    target = place.open()
    by_id, by_code = edge(target, CASCADE), edge(target, EMPTY)
    with target.writing() as session:
        session.seed("parents", place.said((1,)))
        assert (session.note(by_id), session.note(by_code)) == (2, 2)
        before = session.changes()
        (heir,) = place.said((3,))
        assert session.repoint(by_id, ["parent"], heir) == 2
        assert session.repoint(by_code, ["code"], heir) == 2
        assert session.changes() - before == 4
        assert session.pointing(by_id) == session.pointing(by_code) == 0
        session.commit()
    assert place.ask("SELECT a, b, parent, note FROM children ORDER BY a, b") == [
        (1, "x", 3, "n"),
        (1, "y", 3, ""),
        (2, "x", 2, None),
        (3, "z", None, "free"),
    ]
    assert place.ask("SELECT id, code FROM visits ORDER BY id") == [
        (1, "p3"),
        (2, "p2"),
        (3, None),
        (4, "p3"),
    ]


def test_without_a_commit_nobody_was_handed_over(place: Installation) -> None:
    target = place.open()
    by_code = edge(target, EMPTY)
    with target.writing() as session:
        session.seed("parents", place.said((1,)))
        session.note(by_code)
        session.repoint(by_code, ["code"], place.said((3,))[0])
    assert place.ask("SELECT count(*) FROM visits WHERE code = 'p1'") == [(2,)]


@pytest.mark.parametrize(
    ("roots", "heir", "taken"),
    [
        ([1], 3, 0),
        ([1], 2, 1),
        ([2], 1, 1),
        ([1, 2], 3, 2),
        ([3], 1, 0),
    ],
    ids=[
        "other spots, and NULL is nobody's",
        "the heir sits there",
        "the other way round",
        "two come to sit there",
        "nobody sits there",
    ],
)
def test_how_many_would_share_what_is_unique(
    place: Installation, roots: list[int], heir: int, taken: int
) -> None:
    target = place.open()
    seats = edge(target, SEATS)
    with target.reading() as session:
        session.prepare(["parents"], [seats])
        session.seed("parents", place.said(*((one,) for one in roots)))
        session.note(seats)
        assert session.taken(seats, ["parent"], place.said((heir,))[0]) == taken


def test_a_row_goes_back_where_it_is_empty_or_at_the_heir_and_nowhere_else(place: Installation) -> None:
    target = place.open()
    backed_up = place.said((1, "p1"), (2, "p1"), (3, "p1"), (4, "p1"), (99, "p1"))
    place.ask("UPDATE visits SET code = 'p3' WHERE id = 1")
    (heir,) = place.said(("p3",))
    with target.writing() as session:
        session.stage("back", "visits", ["id", "code"], backed_up)
        assert session.relink("back", ["code"], heir) == 2
        session.commit()
    assert place.ask("SELECT id, code FROM visits ORDER BY id") == [
        (1, "p1"),
        (2, "p2"),
        (3, "p1"),
        (4, "p1"),
    ]
