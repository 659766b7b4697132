"""What ``pip install .`` takes along, judged from pyproject.toml and the sources alone."""

import ast
import importlib
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("bot", "handlers")
#: Not distributions to declare: our own rooms, and types that exist for the type checker alone.
NOT_FOREIGN = {*ROOMS, "_typeshed"}
#: Nothing imports it: the standard library reads its files where the system has no time zones.
READ = {"tzdata"}
#: A part that another distribution brings along at exactly the version it needs.
BROUGHT_BY = {"pydantic-core": "pydantic", "botocore": "boto3"}
#: What only some need, by the name of the extra: imported where it is used, and one sentence where it is missing.
EXTRAS = {"s3": {"boto3"}}


def normal(name: str) -> str:
    """A distribution's name without the spellings that mean the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """The distributions that pyproject.toml asks for."""
    return {normal(re.split(r"[<>=\[]", line)[0]) for line in PROJECT["project"]["dependencies"]}


def imported() -> dict[str, set[str]]:
    """Distribution -> the files that import it."""
    known = packages_distributions()
    found: dict[str, set[str]] = {}
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and node.module and not node.level
                else []
            )
            for top in {name.split(".")[0] for name in names} - NOT_FOREIGN - sys.stdlib_module_names:
                for distribution in map(normal, known.get(top, [top])):
                    found.setdefault(BROUGHT_BY.get(distribution, distribution), set()).add(
                        path.relative_to(ROOT).as_posix()
                    )
    return found


def test_whatever_is_imported_is_declared() -> None:
    known = declared().union(*EXTRAS.values())
    assert {name: files for name, files in imported().items() if name not in known} == {}


def test_whatever_is_declared_is_imported() -> None:
    assert declared() - set(imported()) - READ == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_asks_for_what_it_is_for(extra: str) -> None:
    lines = PROJECT["project"]["optional-dependencies"][extra]
    assert {normal(re.split(r"[<>=\[]", line)[0]) for line in lines} == EXTRAS[extra]
    assert all(re.search(r">=[\d.]+,<[\d.]+$", line) for line in lines)


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"])
def test_a_dependency_has_a_lower_and_an_upper_bound(line: str) -> None:
    assert re.search(r">=[\d.]+,<[\d.]+$", line)


def is_built_from(path: Path) -> bool:
    """Whether this is only what the sandbox page's bundle is built from."""
    page = ROOT / "bot" / "sandbox" / "page"
    return path.is_relative_to(page) and path.parent != page / "static"


def test_every_file_that_is_not_python_is_taken_along() -> None:
    """Catalogues, the sample CRM, the template of migrations: a wheel without them starts and then fails."""
    globs = PROJECT["tool"]["setuptools"]["package-data"]
    left_behind = []
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*")):
        if path.is_dir() or path.suffix in (".py", ".pyc") or is_built_from(path):
            continue
        file = PurePosixPath(path.relative_to(ROOT).as_posix())
        if not any(
            file.is_relative_to(package.replace(".", "/"))
            and file.relative_to(package.replace(".", "/")).match(pattern)
            for package, patterns in globs.items()
            for pattern in patterns
        ):
            left_behind.append(str(file))
    assert left_behind == []


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_command_is_there() -> None:
    where, _, function = PROJECT["project"]["scripts"]["countersign"].partition(":")
    assert callable(getattr(importlib.import_module(where), function))


def test_the_version_stands_in_the_changelog() -> None:
    assert f"## {PROJECT['project']['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert version("countersign") == PROJECT["project"]["version"]
