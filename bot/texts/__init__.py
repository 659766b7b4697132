"""Every sentence a person can meet, from one catalogue per language.

The catalogue is a folder of gettext files, ``bot/texts/<language>/*.po``, one file per subject. ``msgid`` is
a dotted key, ``msgstr`` the sentence with ``{named}`` parameters. A plural entry repeats the key as
``msgid_plural`` and is chosen by the parameter ``n``.
"""

from functools import cache
from importlib import resources

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

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
    rule = Catalog(locale=language.replace("-", "_"))
    for part in sorted(folder.iterdir(), key=lambda file: file.name):
        if not part.name.endswith(".po"):
            continue
        with part.open("rb") as stream:
            for message in read_po(stream, locale=language.replace("-", "_")):
                key = message.id if isinstance(message.id, str) else message.id[0]
                if not key:
                    continue
                if key in entries:
                    raise KeyError(key)
                entries[key] = message
    return entries, rule


def languages() -> list[str]:
    """The languages that have a catalogue."""
    return sorted(
        entry.name for entry in resources.files(__name__).iterdir() if entry.is_dir() and entry.name[0] != "_"
    )


def say(key: str, language: str = DEFAULT_LANGUAGE, /, **params: object) -> str:
    """The sentence for ``key``; an unknown language falls back to English.

    Raises:
        KeyError: no such key, or a parameter is missing. Tests walk every key, so a person never meets this.
    """
    entries, rule = catalogue(language if language in languages() else DEFAULT_LANGUAGE)
    text = entries[key].string
    if isinstance(text, list | tuple):
        number = params["n"]
        assert isinstance(number, int)
        text = text[_plural_form(rule, number)]
    assert text is not None
    return text.format(**params)


def _plural_form(rule: Catalog, number: int) -> int:
    if rule.num_plurals == 1:
        return 0
    return 0 if number == 1 else 1
