"""A file that a row which stays names stays, in whatever words the row names it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.operations.file_spellings import places, spellings
from bot.targets.attachments import is_plain
from tests.fakes.operations import Bench
from tests.unit.operations.link_bench import Make
from tests.unit.operations.test_attached_files import SCHEMA, files_in, tree, warned, write

NAMES = st.text(st.sampled_from("ab./ é@%_"), min_size=1, max_size=12).filter(is_plain)
PREFIXES = st.sampled_from(["", "/media/", "/srv/up/", "a/", "./"])


@given(NAMES, PREFIXES, st.sampled_from(["/srv/up", "/a/b"]))
def test_every_spelling_leads_to_the_same_file(name: str, prefix: str, root: str) -> None:
    texts = spellings(root, prefix, name)
    assert prefix + name not in texts
    assert [text for text in texts if name not in places(root, prefix, text)] == []


def test_the_usual_spellings_are_asked_for() -> None:
    usual = {"./a/b", "/a/b", "//a/b", "a//b", "/srv/up/a/b"}
    assert usual <= {*spellings("/srv/up", "", "a/b")}


@pytest.mark.parametrize("text", ["a/B", "b", "a", "../a/b", "/srv/other/a/b", "/srv/up"])
def test_another_file_is_no_spelling(text: str) -> None:
    assert "a/b" not in places("/srv/up", "", text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    for name in ("a/contract.pdf", "a/photo.jpg", "b/contract.pdf"):
        write(root / name, name.encode())
    return root


@pytest.fixture
def bench(make: Make, root: Path) -> Bench:
    """The same on each engine."""
    how = {"table": "customers", "find_by": ("id",), "label": "{name}", "policies": {}, "soft": ()}
    return make(SCHEMA, **how, attachments=files_in(root))


OTHERWISE = [
    "./a/contract.pdf",
    "/a/contract.pdf",
    "//a/contract.pdf",
    "a//contract.pdf",
    "{root}/a/contract.pdf",
]


@pytest.mark.parametrize(
    "sharing", ["UPDATE documents SET path = '{}' WHERE id = 3", "INSERT INTO logos VALUES (1, '{}')"]
)
@pytest.mark.parametrize("text", OTHERWISE)
def test_a_file_that_a_row_which_stays_names_otherwise_stays(
    bench: Bench, root: Path, text: str, sharing: str
) -> None:
    bench.sql(sharing.format(text.format(root=root)))
    files = tree(root)
    assert warned(bench.plan("1")[0]) == {"told.files-shared": 1}
    outcome = bench.delete("1")
    assert tree(root) == {path: what for path, what in files.items() if path != "a/photo.jpg"}
    bench.restore(outcome)
    assert tree(root) == files


def test_a_text_that_only_holds_the_name_keeps_nothing(bench: Bench, root: Path) -> None:
    bench.sql("INSERT INTO logos VALUES (1, 'see ./a/contract.pdf')")
    assert warned(bench.plan("1")[0]) == {}
    bench.delete("1")
    assert not (root / "a/contract.pdf").exists()


def test_a_name_with_an_at_sign_is_compared_exactly(bench: Bench, root: Path) -> None:
    write(root / "a/me@2x.png", b"me")
    bench.sql("UPDATE documents SET path = 'a/me@2x.png' WHERE id = 1")
    bench.sql("INSERT INTO logos VALUES (1, './a/ME@2x.png')")
    assert warned(bench.plan("1")[0]) == {}
    bench.sql("INSERT INTO logos VALUES (2, './a/me@2x.png')")
    assert warned(bench.plan("1")[0]) == {"told.files-shared": 1}


def test_more_files_than_one_question_asks_for(bench: Bench, root: Path) -> None:
    for n in range(40):
        write(root / f"many/{n}", b"")
    rows = ", ".join(f"({n + 100}, 1, 'many/{n}')" for n in range(40))
    bench.sql(f"INSERT INTO documents VALUES {rows}")
    bench.sql("INSERT INTO logos VALUES (1, './many/0'), (2, '/many/21'), (3, 'many//39')")
    assert warned(bench.plan("1")[0]) == {"told.files-shared": 3}


def test_a_file_that_very_many_rows_name_hides_no_other(bench: Bench) -> None:
    rows = ", ".join(f"({n}, './a/photo.jpg')" for n in range(1100))
    bench.sql(f"INSERT INTO logos VALUES {rows}, (5000, '/a/contract.pdf')")
    assert warned(bench.plan("1")[0]) == {"told.files-shared": 2}
