"""Every sentence of the door comes from the catalogue, exists, and fits where it is shown."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model.requests import Operation, State
from bot.texts import catalogue, say
from handlers.door import COMMANDS, WORDS
from handlers.slack import METHODS
from handlers.views import blocks

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "handlers").rglob("*.py"))
#: Names of keys that are made of parts; each pattern stands for all of its completions.
MADE = {
    "card.operation.{}": Operation,
    "card.asks.{}": Operation,
    "card.counted.{}": Operation,
    "plan.rows.{}": Operation,
    "plan.links.{}": Operation,
    "receipt.title.{}": Operation,
    "receipt.done.{}": Operation,
    "receipt.unsure.{}": (Operation.DELETE_RECORDS, Operation.RESTORE),
    "receipt.remains.{}": ("postgresql", "mariadb", "mysql", "sqlite"),
    "card.state.{}": State,
}
#: Where a text stands -> how long it may be.
PLACES = {
    r"card\.(cancel|stop)\.title": 100,
    r"card\.(cancel|stop)\.text.*": 300,
    r"card\.(cancel|stop)\.(confirm|deny)": 30,
    r"card\.button\..*|ballot\.(approve|deny|withdraw)|receipt\.restore|slack\.button\..*": 75,
    r"form-.*\.(title|submit)|form\.close": 24,
    r"form\..*": 150,
    r"(plan|receipt)\.title.*|home\..*": blocks.MAX_HEADER - 70,
    r"(slack|usage|parse|channel)\..*": 300,
}
_SENTENCE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string of a file that is not a docstring."""
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_no_sentence_stands_outside_the_catalogue(file: Path) -> None:
    for line, text in literals(ast.parse(file.read_text(encoding="utf-8"))):
        assert not _SENTENCE.search(text), f"{file.name}:{line}: {text!r}"


def test_every_key_the_door_names_has_words() -> None:
    known = catalogue("en")[0]
    prefixes = {key.split(".")[0] for key in known}
    dotted = re.compile(r"[a-z-]+(\.[a-z-]+)+")
    logged = re.compile(r"_log\.\w+\(\s*[\"']([^\"']+)")
    for file in FILES:
        source = file.read_text(encoding="utf-8")
        for line, key in literals(ast.parse(source)):
            if (
                not dotted.fullmatch(key)
                or key.split(".")[0] not in prefixes
                or key in logged.findall(source)
                or key in METHODS
            ):
                continue
            assert key in known, f"{file.name}:{line}: {key}"


def test_every_key_that_is_made_of_parts_has_words() -> None:
    known = catalogue("en")[0]
    for pattern, names in MADE.items():
        for name in names:
            assert pattern.format(name) in known
    for form in ("delete-records", "restore", "unfreeze", "deny-reason"):
        for part in ("title", "submit"):
            assert f"form-{form}.{part}" in known
    for field in ("target", "record", "values", "reason", "backup", "recent"):
        assert f"form.{field}" in known
        assert f"form.{field}.hint" in known


def test_every_key_the_rooms_may_answer_with_has_words() -> None:
    known = catalogue("en")[0]
    named = re.compile(r"[\"']((?:person|filing|vote|brake|request|outcome|note|job)\.[a-z-]+)[\"']")
    for folder in ("approvals", "jobs", "schedules"):
        for file in (ROOT / "bot" / folder).glob("*.py"):
            for key in named.findall(file.read_text(encoding="utf-8")):
                assert key in known, f"{file.name}: {key}"


def test_every_text_fits_its_place() -> None:
    for key, entry in catalogue("en")[0].items():
        texts = [entry.string] if isinstance(entry.string, str) else list(entry.string or ())
        for pattern, limit in PLACES.items():
            if re.fullmatch(pattern, key):
                assert all(len(text) <= limit for text in texts), (key, limit)
                break


def test_no_text_of_the_door_is_there_for_nothing() -> None:
    source = "\n".join(file.read_text(encoding="utf-8") for file in FILES)
    made = [re.escape(pattern).replace(r"\{\}", ".*") for pattern in MADE]
    made += [r"form-?.*", r"card\.(cancel|stop|button)\..*", r"card\.no-worker.*", r"slack\.button\..*"]
    for name in ("slack.po", "cards.po"):
        text = (ROOT / "bot/texts/en" / name).read_text(encoding="utf-8")
        for key in re.findall(r'^msgid "([^"]+)"', text, re.MULTILINE):
            used = f'"{key}"' in source or f"'{key}'" in source
            assert used or any(re.fullmatch(pattern, key) for pattern in made), key


def test_help_fits_a_phone() -> None:
    text = say("overview.help", "en", target="crm", record="customer")
    assert len(text) < 1200


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_help_names_every_command_that_there_is(language: str) -> None:
    """Out of the door's own table: whoever adds a command adds it to the help."""
    text = say("overview.help", language, target="crm", record="customer")
    typed = {re.sub("^/countersign ", "", one).split()[0] for one in re.findall(r"`([^`]+)`", text)}
    assert {word for word in (*COMMANDS, *WORDS) if word and not {word, f"/{word}"} & typed} == set()
