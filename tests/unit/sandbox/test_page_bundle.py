"""The bundle is what its sources say, with nothing of a registry or of another site in it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from bot.texts import catalogue

pytestmark = pytest.mark.xdist_group("page")

PAGE = Path(__file__).resolve().parents[3] / "bot" / "sandbox" / "page"
SOURCES = sorted((PAGE / "src").rglob("*.js*"))
#: Sentences whose key is put together: the beginning in the code, and what follows it.
BUILT = ("who.", "tour.", "trouble.", "delivery.", "notice.")
MOST_LINES = 200


def test_the_bundle_is_built_from_these_sources(page_sources: Path) -> None:
    """`make page` builds it again."""
    subprocess.run(["node", "build.mjs", "again"], cwd=page_sources, check=True, capture_output=True)
    for name in ("page.js", "page.css"):
        assert (page_sources / "again" / name).read_bytes() == (PAGE / "static" / name).read_bytes(), name


def test_the_lock_names_no_registry() -> None:
    lock = (PAGE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    packages = json.loads(lock)["packages"]
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


def test_no_source_of_the_page_is_longer_than_a_person_can_hold() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_word_of_the_page_is_in_the_catalogue_and_the_other_way_round() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    python = "\n".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.py"))
    known = {key.removeprefix("page.") for key in catalogue("en")[0] if key.startswith("page.")}
    said = set(re.findall(r"\b(?:w|maybe)\(\s*\"([^\"]+)\"", text))
    chosen = {
        word for pair in re.findall(r"w\([^\"()]*\? \"([^\"]+)\" : \"([^\"]+)\"", text) for word in pair
    }
    assert (said | chosen) - known == set()
    used = said | chosen | set(re.findall(r"\"page\.([^\"]+)\"", python))
    built = {word for word in known if word.startswith(BUILT)} | {
        "tour",
        "trouble",
        "tour-title",
        "trouble-title",
    }
    assert known - used - built == set()
