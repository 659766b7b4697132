"""The catalogue and the code agree: no key without its sentence, no sentence that cannot be said."""

import ast
import re
import string
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import typer
from babel.messages.pofile import read_po

from bot import errors
from bot.cli import application
from bot.sandbox.slack.methods_table import METHODS
from bot.texts import catalogue, say
from handlers.door import COMMANDS
from handlers.door import WORDS as SLACK_WORDS

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "bot" / "texts" / "en"
LONGEST = 300
#: Whole pages rather than sentences: instructions that lie beside a backup, and screens of the terminal.
PAGES = re.compile(r"backups\.readme|cli\.|sandbox\.|story\.|prompt\.help|overview\.help")
KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z0-9_]+(-[a-z0-9_]+)*)+")

ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.CountersignError)
}
#: Calls whose argument is a key: name of the call -> position of the key.
CALLS = dict.fromkeys((*ERRORS, "Answer", "Told", "say", "Finding", "PydanticCustomError", "step"), 0) | {
    "note": 2,
    "announce": 2,
    "cannot_be": 0,
}
#: Keyword arguments that are keys.
WORDS = {"outcome", "way_back", "key", "reason"}


def _files() -> list[Path]:
    return sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("handlers/**/*.py")])


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _strings(node: ast.AST) -> Iterator[str]:
    """The constants that an expression may turn out to be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body)
        yield from _strings(node.orelse)


def _keys_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        position = CALLS.get(_called(node))
        if position is not None and len(node.args) > position:
            yield from _strings(node.args[position])
        for keyword in node.keywords:
            if keyword.arg in WORDS:
                yield from _strings(keyword.value)


@cache
def keys_in_code() -> dict[str, str]:
    """Key -> the file that uses it."""
    return {
        key: str(path.relative_to(ROOT))
        for path in _files()
        for key in _keys_in(ast.parse(path.read_text(encoding="utf-8")))
        if KEY.fullmatch(key)
    }


@cache
def subjects() -> frozenset[str]:
    return frozenset(key.split(".")[0] for key in catalogue("en")[0])


def texts_of(key: str) -> tuple[str, ...]:
    text = catalogue("en")[0][key].string
    return tuple(text) if isinstance(text, list | tuple) else (str(text),)


def test_the_scan_finds_what_it_looks_for() -> None:
    found = keys_in_code()
    assert {"vote.own-request", "vote.approved-all", "note.rejected", "outcome.done"} <= set(found)
    assert len(found) > 150


def test_every_key_in_the_code_has_its_sentence() -> None:
    entries = catalogue("en")[0]
    missing = {key: path for key, path in keys_in_code().items() if key not in entries}
    assert missing == {}


SLACK = frozenset(METHODS)


def test_every_dotted_word_of_a_known_subject_is_a_key() -> None:
    """Keys in tables and constants, which no call shows; a word of ours that is no key is spelled otherwise."""
    entries = catalogue("en")[0]
    missing = {}
    for path in _files():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        logged = {id(node.args[0]) for node in ast.walk(tree) if _is_logging(node)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in logged:
                continue
            word = node.value
            if KEY.fullmatch(word) and word.split(".")[0] in subjects() and word not in entries:
                missing[word] = str(path.relative_to(ROOT))
    assert {word: path for word, path in missing.items() if not _is_no_key(word)} == {}


def _is_logging(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("debug", "info", "warning", "error", "critical")
        and bool(node.args)
    )


def _is_no_key(word: str) -> bool:
    """File names, modules and methods of Slack's, and the beginnings of keys that are put together."""
    if word in SLACK:
        return True
    endings = (".po", ".py", ".yml", ".db", ".key", ".json", ".sql", ".lock", ".prepared", ".js", ".css")
    return word.endswith(endings) or any(key.startswith(f"{word}-") for key in catalogue("en")[0])


@pytest.mark.parametrize("key", sorted(catalogue("en")[0]))
def test_a_sentence_can_be_said_and_fits_a_phone(key: str) -> None:
    for text in texts_of(key):
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        assert all(re.fullmatch(r"[a-z_0-9]+", name) for name in names), names
        said = text.format(**dict.fromkeys(names, 2))
        assert said == said.strip() or PAGES.match(key)
        assert said
        if not PAGES.match(key):
            assert len(said) <= LONGEST
    assert say(key, **dict.fromkeys(_names(key), 2))


def _names(key: str) -> set[str]:
    found = {"n"} if len(texts_of(key)) > 1 else set()
    for text in texts_of(key):
        found |= {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    return found


def test_no_key_stands_in_two_files_or_twice_in_one() -> None:
    seen: Counter[str] = Counter()
    for path in sorted(TEXTS.glob("*.po")):
        seen.update(re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert [key for key, times in seen.items() if times > 1] == []


def test_every_file_of_the_catalogue_is_read_to_its_end() -> None:
    for path in TEXTS.glob("*.po"):
        with path.open("rb") as stream:
            read = {message.id for message in read_po(stream, abort_invalid=True) if message.id}
        written = re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert len(read) == len(written), path.name


def test_a_call_gives_its_sentence_everything_it_names() -> None:
    """An error or an answer written out with its parameters fills its sentence."""
    short = []
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or _called(node) not in ERRORS or len(node.args) != 1:
                continue
            if any(keyword.arg is None for keyword in node.keywords):
                continue
            given = {keyword.arg for keyword in node.keywords}
            short += [
                (key, str(path.relative_to(ROOT)), sorted(_names(key) - given))
                for key in _strings(node.args[0])
                if key in catalogue("en")[0] and _names(key) - given
            ]
    assert short == []


#: Slack's own commands, and addresses that look like commands.
NOT_OURS = ("/countersign", "/invite", "/client", "/readyz")


def test_every_command_that_a_sentence_names_can_be_typed() -> None:
    """“/countersign backups” in a sentence sends people to a command; it must be one of this version."""
    lost = []
    for key in catalogue("en")[0]:
        for text in texts_of(key):
            slack = re.findall(r"(?<![\w/])/countersign ([a-z-]+)", text)
            lost += [(key, word) for word in slack if word not in SLACK_WORDS]
            commands = re.findall(r"(?<![\w/.])(/[a-z]+(?:-[a-z]+)*)(?=[ `,])", text)
            lost += [(key, word) for word in commands if word not in {*COMMANDS, *NOT_OURS}]
            shell = re.findall(r"“countersign ([a-z]+(?: [a-z]+)?)", text)
            lost += [(key, words) for words in shell if not _is_shell_command(words.split())]
    assert lost == []


def _is_shell_command(words: list[str]) -> bool:
    command: Any = typer.main.get_command(application.app)
    for word in words:
        command = command.commands.get(word)
        if command is None or not hasattr(command, "commands"):
            break
    return command is not None


#: Where the number is never one, or is one of how many and not what the verb is about.
NEVER_ONE = re.compile(
    r"cli\.|page\.|story\.|clearing\.too-many|taken-back\.too-many|file\.(many|columns)|files\.(too-|in-use)"
    r"|told\.(segments|one-piece|nobody-in-slack)|receipt\.parts|residue\.more|worker\.too-many|list\.rule\."
    r"|restore\.only-many|card\.segments|receipt\.part-way"
)
OF_MANY = re.compile(r"(?<!more than )(?<!Value )\{n(:,)?\} [a-z]+s\b")


def test_a_sentence_about_a_number_of_things_can_speak_of_one() -> None:
    entries, _ = catalogue("en")
    wrong = {
        key
        for key, one in entries.items()
        if isinstance(one.string, str) and OF_MANY.search(one.string) and not NEVER_ONE.match(key)
    }
    assert not wrong
