"""The house itself: sizes, walls that import-linter cannot see, and pages that must name every room."""

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted(path for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
#: Lines of a file. A suite of cases may be longer than the code it attacks.
MOST_LINES = 400
MOST_LINES_OF_A_SUITE = 600
#: Lines of a function with its docstring; statements are ruff's affair.
MOST_LINES_OF_A_FUNCTION = 60
#: Migrations are a record of what was done, written once and in one piece.
RECORDS = ROOT / "bot" / "store" / "migrations" / "versions"
#: Written here in two halves, so that this file passes its own check.
NOT_FOR_OTHERS = [
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/home" + "/",
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "npmjs" + ".org",
    "opt/" + "wheels",
]
SECRETS = re.compile(r"xox[abp]-\d{6,}|xapp-\d-[A-Z0-9]{8,}|ghp_[A-Za-z0-9]{20,}")


def name(path: Path) -> str:
    """The file as people call it."""
    return path.relative_to(ROOT).as_posix()


def module(path: Path) -> str:
    """The file as Python calls it."""
    return name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def committed() -> list[Path]:
    """Every file of the repository, with the ones that are about to be added."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return [ROOT / entry for entry in listed.split("\0") if entry and (ROOT / entry).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_longer_than_a_person_can_hold() -> None:
    lengths = {
        name(path): (len(path.read_text(encoding="utf-8").splitlines()), most)
        for paths, most in ((CODE, MOST_LINES), (TESTS, MOST_LINES_OF_A_SUITE))
        for path in paths
    }
    assert {file: lines for file, (lines, most) in lengths.items() if lines > most} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name(path)}:{function.name}": length
        for path in CODE
        if not path.is_relative_to(RECORDS)
        for function in functions(path)
        if function.end_lineno is not None
        and (length := function.end_lineno - function.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_only_settings_reads_the_environment() -> None:
    readers = {
        name(path)
        for path in CODE
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and _names(node) & {"environ", "getenv"})
    }
    assert readers == {"bot/settings.py"}


CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}


def test_only_the_clock_reads_the_time_of_day() -> None:
    """A stopwatch (time.monotonic) may run anywhere; what time it is, is an argument."""
    readers = {
        name(path)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ".".join(ast.unparse(node).split(".")[-2:]) in CLOCKS
    }
    assert readers == {"bot/schedules/clock.py"}


def test_a_file_that_calls_itself_pure_stands_behind_the_pure_wall() -> None:
    """The docstring promises; the contract in pyproject.toml holds it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["id"] == "pure"]
    guarded = tuple(pure["source_modules"])
    claimed = {module(path) for path in CODE if _says_pure(ast.get_docstring(tree(path)) or "")}
    assert {
        one for one in claimed if not any(one == room or one.startswith(f"{room}.") for room in guarded)
    } == set()


def _says_pure(docstring: str) -> bool:
    return bool(re.search(r"(^|[.:] )(this file is )?pure[.:]", " ".join(docstring.split()), re.IGNORECASE))


def test_every_exception_to_a_rule_gives_its_reason() -> None:
    """Beside it, or in a comment on the line above."""
    bare = re.compile(r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?)\s*$")
    places = []
    for path in [*CODE, *TESTS]:
        before = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if bare.search(line) and not before.lstrip().startswith("#"):
                places.append(f"{name(path)}:{number}")
            before = line
    assert places == []


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    found = [
        f"{name(path)}: {word}"
        for path in committed()
        for word in NOT_FOR_OTHERS
        if word.encode() in path.read_bytes()
    ]
    assert found == []


def test_nothing_committed_looks_like_a_token() -> None:
    assert [name(path) for path in committed() if SECRETS.search(path.read_text("utf-8", "replace"))] == []


#: Bytes of a file; the bundle of the sandbox page holds a whole renderer (docs/adr/0013).
MOST_BYTES = 512 * 1024
MOST_BYTES_OF = {"bot/sandbox/page/static/page.js": 832 * 1024}


def test_nothing_committed_is_large() -> None:
    sizes = {name(path): path.stat().st_size for path in committed()}
    assert {file: size for file, size in sizes.items() if size > MOST_BYTES_OF.get(file, MOST_BYTES)} == {}


def rooms() -> list[str]:
    folders = {
        path.parent for path in CODE if path.name == "__init__.py" and not path.is_relative_to(RECORDS)
    }
    return sorted(name(folder) for folder in folders)


@pytest.mark.parametrize("room", rooms())
def test_the_tour_names_the_room(room: str) -> None:
    assert f"`{room}/`" in (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")


def test_the_tour_names_no_room_that_is_not_there() -> None:
    told = re.findall(
        r"`((?:bot|handlers|tests|docs)[a-z_/]*/)`", (ROOT / "docs" / "tour.md").read_text("utf-8")
    )
    assert [room for room in told if not (ROOT / room).is_dir()] == []


PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    broken = []
    for target in targets:
        file, _, heading = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (heading and heading not in headings(there)):
            broken.append(target)
    assert broken == []


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and its likes make them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_decision_record_states_its_price() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert records
    required = ("## Context", "## Decision", "## What it costs")
    assert [
        name(one) for one in records if not all(part in one.read_text("utf-8") for part in required)
    ] == []
    numbers = [one.name[:4] for one in records]
    assert numbers == sorted(set(numbers))


def test_the_readme_names_only_targets_that_make_has() -> None:
    told = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8")))
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"sandbox", "test", "check"} <= told <= made


def test_every_suite_has_a_name_of_its_own() -> None:
    """Of two files with one name, pytest runs one and cannot collect the other, which the others' dots hide."""
    suites = [path.name for path in TESTS if path.name.startswith("test_")]
    assert sorted({one for one in suites if suites.count(one) > 1}) == []


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    """A world that a group shares is built once; with pytest 9.2 the groups were ignored without a word."""
    suite = """
        import os, pytest
        @pytest.mark.xdist_group("one")
        @pytest.mark.parametrize("n", range(8))
        def test(n):
            with open("seen", "a") as seen:
                seen.write(f"{os.getpid()}\\n")
    """
    (tmp_path / "test_group.py").write_text(textwrap.dedent(suite))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadgroup", "test_group.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    seen = (tmp_path / "seen").read_text().split()
    assert len(seen) == 8
    assert len(set(seen)) == 1
