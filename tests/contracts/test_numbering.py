"""What numbers new rows goes on past the rows that came back, and never goes back. One suite, every kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.targets.base import Row
from tests.contracts.installations import KINDS, Installation

SCHEMA = {
    "sqlite": ["CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT)"],
    "postgresql": ["CREATE TABLE numbered (id SERIAL PRIMARY KEY, note TEXT)"],
    "mariadb": ["CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTO_INCREMENT, note TEXT)"],
}


def kind_of(place: Installation) -> str:
    kind = place.url.partition(":")[0]
    return "mariadb" if kind == "mysql" else kind


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with KINDS[request.param](tmp_path) as installation:
        for statement in SCHEMA[kind_of(installation)]:
            installation.ask(statement)
        yield installation


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Installation]:
    with KINDS["postgresql"](tmp_path) as installation:
        yield installation


@pytest.fixture
def mariadb(tmp_path: Path) -> Iterator[Installation]:
    with KINDS["mariadb"](tmp_path) as installation:
        yield installation


def back(place: Installation, rows: list[Row], *, commit: bool = True) -> tuple[str, ...]:
    """Rows come back; the columns that ``outrun`` names. Nothing else may count as changed."""
    with place.open().writing() as session:
        session.stage("numbered", "numbered", ("id", "note"), place.said(*rows))
        before = session.changes()
        behind = session.outrun(["numbered"])
        assert session.insert(["numbered"]) == {"numbered": len(rows)}
        assert session.changes() - before == len(rows)
        if commit:
            session.commit()
    return behind


def added(place: Installation) -> int:
    """The number that the next new row gets."""
    before = set(place.ask("SELECT id FROM numbered"))
    place.ask("INSERT INTO numbered (note) VALUES ('new')")
    ((number,),) = set(place.ask("SELECT id FROM numbered")) - before
    return int(str(number))


def test_the_next_row_is_numbered_past_those_that_came_back(place: Installation) -> None:
    assert added(place) == 1
    behind = back(place, [(7, "seven"), (40, "forty"), (12, None)])
    assert behind == (("numbered.id",) if kind_of(place) == "postgresql" else ())
    assert added(place) == 41


def test_numbers_never_go_back(place: Installation) -> None:
    back(place, [(90, "high")])
    place.ask("DELETE FROM numbered")
    assert back(place, [(3, "low")]) == ()
    assert added(place) == 91


def test_rows_that_are_not_committed_leave_at_most_a_gap(place: Installation) -> None:
    assert added(place) == 1
    back(place, [(20, "never")], commit=False)
    assert added(place) in (2, 21)
    assert place.ask("SELECT count(*) FROM numbered") == [(2,)]


def test_numbers_below_zero_and_below_the_first_are_in_nobodys_way(place: Installation) -> None:
    assert back(place, [(-5, "minus"), (0, "zero")]) == ()
    assert added(place) == 1


def test_rows_that_are_there_already_count_for_nothing(place: Installation) -> None:
    place.ask("INSERT INTO numbered VALUES (50, 'by hand')")
    with place.open().writing() as session:
        session.stage("numbered", "numbered", ("id", "note"), place.said((50, "by hand")))
        assert session.outrun(["numbered"]) == ()
        assert session.insert(["numbered"]) == {"numbered": 0}
        session.commit()


def test_a_partitioned_table_on_mariadb_counts_on(mariadb: Installation) -> None:
    mariadb.ask(
        "CREATE TABLE numbered (id INT AUTO_INCREMENT, note VARCHAR(9), PRIMARY KEY (id, note))"
        " PARTITION BY KEY (note) PARTITIONS 4"
    )
    back(mariadb, [(100, "a"), (99, "b")])
    assert added(mariadb) == 101


SEQUENCES = {
    "owned": "CREATE TABLE numbered (id bigserial PRIMARY KEY, note text)",
    "identity": "CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)",
    "named by a default only": 'CREATE SEQUENCE "Odd \'.Name"; CREATE TABLE numbered'
    " (id bigint PRIMARY KEY DEFAULT nextval('\"Odd ''.Name\"'), note text)",
    "of another schema": "CREATE SCHEMA other; CREATE SEQUENCE other.s; CREATE TABLE numbered"
    " (id numeric(9) PRIMARY KEY DEFAULT nextval('other.s'), note text)",
    "of a domain": "CREATE SEQUENCE s; CREATE DOMAIN counted AS bigint DEFAULT nextval('s');"
    " CREATE TABLE numbered (id counted PRIMARY KEY, note text)",
    "of a text": "CREATE SEQUENCE s;"
    " CREATE TABLE numbered (id varchar(9) PRIMARY KEY DEFAULT nextval('s'), note text)",
    "of a partitioned table": "CREATE TABLE numbered (id bigserial, note text) PARTITION BY LIST (note);"
    " CREATE TABLE numbered_1 PARTITION OF numbered DEFAULT; ALTER TABLE numbered ADD UNIQUE (id, note)",
}


@pytest.mark.parametrize("schema", SEQUENCES.values(), ids=SEQUENCES.keys())
@pytest.mark.parametrize("far", [40, 300_000])
def test_every_way_to_name_a_sequence_is_followed(postgresql: Installation, schema: str, far: int) -> None:
    for statement in schema.split(";"):
        postgresql.ask(statement)
    assert added(postgresql) == 1
    assert back(postgresql, [(7, "seven"), (far, "far")]) == ("numbered.id",)
    assert added(postgresql) == far + 1
    with postgresql.open().reading() as session:
        assert session.formulas(["numbered"]) == ()


def test_a_partition_with_a_sequence_of_its_own_counts_too(postgresql: Installation) -> None:
    for statement in (
        "CREATE TABLE numbered (id bigserial, note text, PRIMARY KEY (id, note)) PARTITION BY LIST (note)",
        "CREATE SEQUENCE own",
        "CREATE TABLE part (id bigint NOT NULL DEFAULT nextval('own'), note text NOT NULL)",
        "ALTER TABLE numbered ATTACH PARTITION part FOR VALUES IN ('a', 'new')",
    ):
        postgresql.ask(statement)
    assert back(postgresql, [(60, "a")]) == ("numbered.id", "numbered.id")
    for name in ("own", "numbered_id_seq"):
        assert postgresql.ask(f"SELECT nextval('{name}')") == [(61,)]


OPTIONS = {
    "odd numbers stay odd": ("INCREMENT BY 2 START 1", [(8, "")], 9),
    "even numbers stay even": ("INCREMENT BY 2 MINVALUE 0 START 0", [(8, "")], 10),
    "counting down": ("INCREMENT BY -1", [(-9, ""), (4, "")], -10),
    "a number beyond the last is in nobody's way": ("MAXVALUE 50", [(70, ""), (20, "")], 21),
    "the last number but one": ("MAXVALUE 50", [(49, "")], 50),
    "numbers that begin again": ("MAXVALUE 50 CYCLE", [(20, "")], 1),
}


@pytest.mark.parametrize(("options", "rows", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_a_sequence_keeps_its_own_steps(
    postgresql: Installation, options: str, rows: list[Row], expected: int
) -> None:
    postgresql.ask(f"CREATE SEQUENCE s {options}")
    postgresql.ask("CREATE TABLE numbered (id bigint PRIMARY KEY DEFAULT nextval('s'), note text)")
    back(postgresql, rows)
    assert added(postgresql) == expected


@pytest.mark.parametrize(("options", "rows", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_a_sequence_of_mariadb_keeps_its_own_steps(
    mariadb: Installation, options: str, rows: list[Row], expected: int
) -> None:
    mariadb.ask(f"CREATE SEQUENCE s {options.replace('START', 'START WITH')}")
    mariadb.ask("CREATE TABLE numbered (id BIGINT PRIMARY KEY DEFAULT NEXT VALUE FOR s, note TEXT)")
    back(mariadb, rows)
    assert added(mariadb) == expected


def test_a_sequence_of_mariadb_that_has_set_numbers_aside_is_not_taken_for_far(mariadb: Installation) -> None:
    mariadb.ask("CREATE SEQUENCE s CACHE 1000")
    mariadb.ask("CREATE TABLE numbered (id BIGINT PRIMARY KEY DEFAULT NEXT VALUE FOR s, note TEXT)")
    assert added(mariadb) == 1
    assert back(mariadb, [(5, "five")]) == ("numbered.id",)
    assert added(mariadb) == 6
    assert back(mariadb, [(3, "three")]) == ()
    assert added(mariadb) == 7


def test_a_formula_over_a_sequence_is_named_and_left_alone(
    postgresql: Installation, mariadb: Installation
) -> None:
    postgresql.ask("CREATE SEQUENCE s")
    postgresql.ask(
        "CREATE TABLE numbered (id text PRIMARY KEY DEFAULT 'C' || nextval('s'), note text,"
        " more bigint DEFAULT nextval('s'::text))"
    )
    mariadb.ask("CREATE SEQUENCE s")
    mariadb.ask(
        "CREATE TABLE numbered (id VARCHAR(9) PRIMARY KEY DEFAULT CONCAT('C', NEXT VALUE FOR s), note TEXT)"
    )
    for place, expected in ((postgresql, ("numbered.id", "numbered.more")), (mariadb, ("numbered.id",))):
        with place.open().reading() as session:
            assert session.formulas(["numbered", "parents"]) == expected
        assert back(place, [("C7", "seven")]) == ()


def test_somebody_who_draws_meanwhile_never_sees_a_number_twice(postgresql: Installation) -> None:
    """Drawing and raising take turns in another session: what was drawn before stays drawn."""
    postgresql.ask("CREATE TABLE numbered (id bigserial PRIMARY KEY, note text)")
    with postgresql.open().writing() as session:
        session.stage("numbered", "numbered", ("id", "note"), postgresql.said((10, "ten")))
        drawn = [added(postgresql)]
        session.outrun(["numbered"])
        drawn += [added(postgresql) for _ in range(3)]
        session.insert(["numbered"])
        drawn.append(added(postgresql))
        session.commit()
    assert drawn == [1, 11, 12, 13, 14]
    assert added(postgresql) == 15
