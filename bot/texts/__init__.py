"""Every sentence a person can meet, from one catalogue per language.

The catalogue is a folder of gettext files, ``bot/texts/<language>/*.po``, one file per subject. ``msgid`` is
a dotted key, ``msgstr`` the sentence with ``{named}`` parameters. A plural entry repeats the key as
``msgid_plural`` and is chosen by the parameter ``n``. ``{n:,}`` is a number with the language's own grouping.

English has every key. What another catalogue lacks is said in English; tests see to it that none lacks any.
"""

import string
from collections.abc import Iterable
from functools import cache
from gettext import c2py
from importlib import resources

from babel import Locale
from babel.dates import get_day_names
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

DEFAULT_LANGUAGE = "en"


@cache
def catalogue(language: str) -> tuple[dict[str, Message], Catalog]:
    """All entries of one language by key, and a catalogue that knows its plural rule.

    Raises:
        KeyError: a key stands in two files, or the language has no folder.
    """
    folder = resources.files(__name__) / language
    if not folder.is_dir():
        raise KeyError(language)
    entries: dict[str, Message] = {}
    rule = Catalog(locale=_locale(language))
    for part in sorted(folder.iterdir(), key=lambda file: file.name):
        if not part.name.endswith(".po"):
            continue
        with part.open("rb") as stream:
            for message in read_po(stream, locale=_locale(language)):
                key = message.id if isinstance(message.id, str) else message.id[0]
                if not key:
                    continue
                if key in entries:
                    raise KeyError(key)
                entries[key] = message
    return entries, rule


@cache
def languages() -> tuple[str, ...]:
    """The languages that have a catalogue."""
    found = (entry for entry in resources.files(__name__).iterdir() if entry.is_dir())
    return tuple(sorted(entry.name for entry in found if entry.name[0] != "_"))


def say(key: str, language: str = DEFAULT_LANGUAGE, /, **params: object) -> str:
    """The sentence for ``key``; an unknown language falls back to English.

    Raises:
        KeyError: no such key, or a parameter is missing. Tests walk every key, so a person never meets this.
    """
    spoken = language if language in languages() else DEFAULT_LANGUAGE
    entries, rule = catalogue(spoken)
    if key not in entries:
        spoken = DEFAULT_LANGUAGE
        entries, rule = catalogue(spoken)
    text = entries[key].string
    if isinstance(text, list | tuple):
        count = params["n"]
        assert isinstance(count, int)
        text = text[_form(rule.plural_expr)(count)]
    assert text is not None
    return _Filling(spoken).vformat(text, (), params)


def number(value: float, language: str = DEFAULT_LANGUAGE, /, places: int = 0) -> str:
    """A number with the language's own grouping and decimal sign, and exactly ``places`` decimals."""
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(value, pattern, _locale(language if language in languages() else DEFAULT_LANGUAGE))


def weekday(day: int, language: str = DEFAULT_LANGUAGE, /) -> str:
    """The short name of a day of the week; Monday is 0."""
    spoken = language if language in languages() else DEFAULT_LANGUAGE
    return str(get_day_names("abbreviated", locale=_locale(spoken))[day])


def listed(items: Iterable[str], language: str = DEFAULT_LANGUAGE, /) -> str:
    """“a, b, c”, with what stands between the parts of a list in that language. Nothing makes “”."""
    said = ""
    for item in items:
        said = say("words.pair", language, first=said, second=item) if said else item
    return said


class _Filling(string.Formatter):
    """``str.format`` whose ``{n:,}`` follows the language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: object, format_spec: str) -> str:
        """See ``string.Formatter``."""
        if format_spec == "," and isinstance(value, int):
            return number(value, self._language)
        return format(value, format_spec)


#: What chooses a plural form, from its expression.
_form = cache(c2py)


def _locale(language: str) -> Locale:
    return Locale.parse(language, sep="-")
