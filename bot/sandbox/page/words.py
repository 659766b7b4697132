"""The sentences of the page, from the catalogue."""

from bot.sandbox.slack.workspace import Json
from bot.texts import DEFAULT_LANGUAGE, catalogue, languages

PREFIX = "page."


def language_of(wanted: str) -> str:
    """The language of ours that is meant by a browser's ``de-DE`` or ``zh``; English for any other."""
    known = languages()
    if wanted in known:
        return wanted
    beginning = wanted.partition("-")[0]
    return next((one for one in known if beginning and one.partition("-")[0] == beginning), DEFAULT_LANGUAGE)


def spoken(wanted: str) -> Json:
    """Every sentence of the page by its key without the prefix, with its ``{named}`` parameters left in."""
    language = language_of(wanted)
    entries = {**catalogue(DEFAULT_LANGUAGE)[0], **catalogue(language)[0]}
    texts = {key.removeprefix(PREFIX): one.string for key, one in entries.items() if key.startswith(PREFIX)}
    return {"language": language, "texts": texts}
