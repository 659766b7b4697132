"""The bundle is what its sources say, with nothing of a registry or of another site in it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.texts import catalogue

PAGE = Path(__file__).resolve().parents[3] / "bot" / "sandbox" / "page"
SOURCES = sorted((PAGE / "src").rglob("*.js*"))
#: Sentences whose key is put together: the beginning in the code, and what follows it.
BUILT = ("who.", "tour.", "trouble.", "delivery.", "notice.")
MOST_LINES = 200


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with what they need installed beside them."""
    if shutil.which("npm") is None and not os.environ.get("CI"):
        pytest.skip("npm is not here")
    copy = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(PAGE, copy, ignore=shutil.ignore_patterns("static", "__pycache__"))
    wanted = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    have = copy / "node_modules" / ".package-lock.json"
    installed = json.loads(have.read_text(encoding="utf-8"))["packages"] if have.is_file() else {}
    if any(installed.get(name, {}).get("version") != one["version"] for name, one in wanted.items() if name and not one.get("optional")):  # fmt: skip
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy, check=True, capture_output=True)
    return copy


def test_the_bundle_is_built_from_these_sources(modules: Path) -> None:
    """`make page` builds it again."""
    subprocess.run(["node", "build.mjs", "again"], cwd=modules, check=True, capture_output=True)
    for name in ("page.js", "page.css"):
        assert (modules / "again" / name).read_bytes() == (PAGE / "static" / name).read_bytes(), name


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
