"""Every language says everything that English says, with the same parameters, and says it in its own words."""

import re
import string
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from bot import texts
from bot.texts import DEFAULT_LANGUAGE, catalogue, languages, listed, number, say

FOLDER = Path(texts.__file__).parent
OTHERS = [language for language in languages() if language != DEFAULT_LANGUAGE]
#: What one Slack field takes; a text that becomes such a field is found by its key.
LIMITS = {
    r"form-[a-z-]+\.(title|submit)|form\.close": 24,
    r"card\.(put-back|go-on|pause|stop|cancel)\.(confirm|deny)": 30,
    r"card\.button\.|ballot\.(approve|deny|withdraw)|slack\.button\.|receipt\.restore": 75,
    r"card\.(put-back|go-on|pause|stop|cancel)\.title": 100,
    r"form\.": 150,
}
#: Rows of words in the Latin alphabet that are said as they are in every language: commands and their answers.
SAID_AS_IS = re.compile(
    r"countersign (audit|backup|serve|check|policy|request)[a-z -]*"
    r"|crm customer grace|carol press deny|fill reason Spam|erin press put it back"
)


@cache
def forms(language: str, key: str) -> tuple[str, ...]:
    """A text in all its plural forms."""
    text = catalogue(language)[0][key].string
    return tuple(text) if isinstance(text, list | tuple) else (str(text),)


def parameters(text: str) -> set[tuple[str, str | None]]:
    """Name and format of everything in braces."""
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name is not None}


def in_all(language: str, key: str) -> set[tuple[str, str | None]]:
    return set().union(*(parameters(text) for text in forms(language, key)))


def filled(language: str, key: str) -> list[str]:
    return [
        text.format(**{name: 1_000 if spec else "42" for name, spec in parameters(text)})
        for text in forms(language, key)
    ]


def test_chinese_is_there_and_english_is_what_all_fall_back_to() -> None:
    assert "zh-CN" in languages()
    assert DEFAULT_LANGUAGE in languages()


@pytest.mark.parametrize("language", OTHERS)
class TestLanguage:
    """One catalogue beside the English one."""

    def test_has_every_text_in_the_same_file(self, language: str) -> None:
        def keys(folder: str) -> dict[str, set[str]]:
            return {
                path.name: set(
                    re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
                )
                for path in (FOLDER / folder).glob("*.po")
            }

        assert keys(language) == keys(DEFAULT_LANGUAGE)

    def test_is_read_to_the_end_of_every_file(self, language: str) -> None:
        for path in (FOLDER / language).glob("*.po"):
            with path.open("rb") as stream:
                read = {message.id for message in read_po(stream, abort_invalid=True) if message.id}
            written = re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert len(read) == len(written), path.name

    def test_fills_in_the_same_parameters(self, language: str) -> None:
        keys = catalogue(DEFAULT_LANGUAGE)[0]
        other = {key: (in_all(language, key), in_all(DEFAULT_LANGUAGE, key)) for key in keys}
        assert {key: pair for key, pair in other.items() if pair[0] != pair[1]} == {}

    def test_has_the_same_signs_of_emphasis_and_code(self, language: str) -> None:
        other = []
        for key in catalogue(DEFAULT_LANGUAGE)[0]:
            for sign in "*`":
                ours = {text.count(sign) for text in forms(language, key)}
                if not ours <= {text.count(sign) for text in forms(DEFAULT_LANGUAGE, key)}:
                    other.append((key, sign))
        assert other == []

    def test_types_the_same_commands(self, language: str) -> None:
        """Whatever stands in backticks is typed, so it is the same in every language."""

        def typed(speech: str, key: str) -> list[str]:
            return sorted(re.findall(r"`([^`\n]+)`", forms(speech, key)[0]))

        keys = [key for key in catalogue(DEFAULT_LANGUAGE)[0] if "`" in forms(DEFAULT_LANGUAGE, key)[0]]
        assert {key for key in keys if forms(language, key)[0].count("`") > 1} > {"overview.help"}
        assert [key for key in keys if typed(language, key) != typed(DEFAULT_LANGUAGE, key)] == []

    def test_has_each_plural_form_of_its_grammar(self, language: str) -> None:
        entries, rule = catalogue(language)
        plural = {
            key for key, one in catalogue(DEFAULT_LANGUAGE)[0].items() if isinstance(one.string, list | tuple)
        }
        assert plural == {key for key, one in entries.items() if isinstance(one.string, list | tuple)}
        assert {key for key in plural if len(forms(language, key)) != rule.num_plurals} == set()
        assert [key for key in entries if not all(forms(language, key))] == []

    def test_leaves_no_english_sentence(self, language: str) -> None:
        """Three words of the Latin alphabet in a row, beside names, code and what is typed."""
        left = {}
        for key in catalogue(language)[0]:
            for text in forms(language, key):
                bare = SAID_AS_IS.sub("", re.sub(r"`[^`]*`|\{[^}]*\}|^    .*$", "", text, flags=re.MULTILINE))
                found = re.search(r"(?<![\w/.{}-])[A-Za-z]+(?: [A-Za-z]+){2,}", bare)
                if found:
                    left[key] = found[0]
        assert left == {}

    def test_fits_the_fields_of_slack(self, language: str) -> None:
        over = []
        for key in catalogue(language)[0]:
            limit = next((most for where, most in LIMITS.items() if re.match(where, key)), None)
            if limit is not None and any(len(text) > limit for text in filled(language, key)):
                over.append((key, limit))
        assert over == []


def test_bold_and_code_stand_apart_from_chinese_signs() -> None:
    """Slack shows ``*bold*`` and code only between spaces or signs of ASCII."""
    stuck = []
    for key in catalogue("zh-CN")[0]:
        for text in forms("zh-CN", key):
            for found in re.finditer(r"(\*|`)([^*`\n]+)\1", text):
                around = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
                if not around.isascii():
                    stuck.append((key, found[0]))
    assert stuck == []


@pytest.mark.parametrize(
    ("case", "language", "key", "params", "said"),
    [
        ("one row in English", "en", "card.rows", {"n": 1}, "1 row"),
        ("many rows in English, grouped", "en", "card.rows", {"n": 12_345}, "12,345 rows"),
        ("nothing is many in English", "en", "card.rows", {"n": 0}, "0 rows"),
        ("one row in Chinese", "zh-CN", "card.rows", {"n": 1}, "1 行"),
        ("many rows in Chinese", "zh-CN", "card.rows", {"n": 12_345}, "12,345 行"),
        ("a language without a catalogue is English", "fr", "card.rows", {"n": 2}, "2 rows"),
        ("the number of a request is never grouped", "zh-CN", "vote.withdrawn", {"number": 1234}, "#1234"),
    ],
)
def test_a_sentence_follows_its_language(
    case: str, language: str, key: str, params: dict[str, int], said: str
) -> None:
    assert said in say(key, language, **params), case


@pytest.mark.parametrize(
    ("language", "said"), [("en", "dba, data-owner, ops"), ("zh-CN", "dba、data-owner、ops"), ("fr", None)]
)
def test_a_list_follows_its_language(language: str, said: str | None) -> None:
    assert listed(("dba", "data-owner", "ops"), language) == (said or "dba, data-owner, ops")
    assert listed(("dba",), language) == "dba"
    assert listed((), language) == ""


@pytest.mark.parametrize(
    ("value", "places", "said"),
    [(1_234_567, 0, "1,234,567"), (1.55, 1, "1.6"), (0.1, 1, "0.1"), (3, 1, "3.0")],
)
def test_a_number_has_its_decimals(value: float, places: int, said: str) -> None:
    assert number(value, "en", places=places) == said
    assert number(value, "zh-CN", places=places) == said
