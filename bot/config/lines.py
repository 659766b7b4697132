"""The file as plain values, with the line of each: YAML 1.2 and none of its tricks.

Built from the parser's events, so that every duplicate key is found, nothing is expanded and no object is
made. ``no``, ``on`` and dates are text; ``true``, ``false``, whole numbers and numbers with a point are
themselves. A key without a value is an error: an empty value must never read as "any".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from bot.config.problems import ConfigInvalid, ConfigProblem, Place, Source
from bot.config.values import short

MAX_BYTES = 200_000
MAX_DEPTH = 20
#: What word processors and phones make of quotes; YAML takes them for a part of the text.
_CURLY = frozenset("\u201c\u201d\u201e\u2018\u2019\u00ab")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}")


@dataclass
class Sheet:
    """The file as read. ``broken`` are the places already reported: whatever stands there is None."""

    source: Source
    tree: dict[str, Any] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)
    broken: set[Place] = field(default_factory=set)

    def report(self, place: Place, key: str, /, **params: str | int) -> None:
        """Note a problem; what stands there is not looked at again."""
        self.problems.append(self.source.problem(place, key, **params))
        self.broken.add(place)


def read(path: Path) -> Sheet:
    """The file as plain values.

    Raises:
        ConfigInvalid: there is no such file, it is no text, no YAML or no mapping.
    """
    text = _text_of(path)
    lines: dict[Place, int] = {(): 1}
    builder = _Builder(Sheet(Source(str(path), lines)), lines)
    try:
        events = YAML(typ="safe", pure=True).parse(text)
        tree = builder.document(iter(events))
    except MarkedYAMLError as error:
        raise _invalid(path, *_syntax(error, text)) from None
    except (YAMLError, ValueError):
        raise _invalid(path, None, "config.not-text") from None
    except _StopReadingError as stop:
        raise _invalid(path, stop.line, stop.key) from None
    if not isinstance(tree, dict):
        raise _invalid(path, 1, "config.not-mapping")
    builder.sheet.tree = tree
    return builder.sheet


class _StopReadingError(Exception):
    def __init__(self, key: str, line: int | None) -> None:
        super().__init__(key)
        self.key = key
        self.line = line


def _invalid(path: Path, line: int | None, key: str, **params: str | int) -> ConfigInvalid:
    return ConfigInvalid(str(path), (ConfigProblem(str(path), line, key, {"file": str(path), **params}),))


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _invalid(path, None, "config.no-file") from None
    except (OSError, ValueError):
        raise _invalid(path, None, "config.unreadable") from None
    if len(raw) > MAX_BYTES:
        raise _invalid(path, None, "config.too-large", limit=MAX_BYTES)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid(path, None, "config.not-text") from None
    if not text.strip():
        raise _invalid(path, None, "config.empty-file")
    return text


def _syntax(error: MarkedYAMLError, text: str) -> tuple[int | None, str]:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else mark.line + 1
    written = text.splitlines()[mark.line] if mark is not None and mark.line < text.count("\n") else ""
    blank = written[: len(written) - len(written.lstrip())]
    return line, "config.tab" if "\t" in blank else "config.syntax"


class _Builder:
    def __init__(self, sheet: Sheet, lines: dict[Place, int]) -> None:
        self.sheet = sheet
        self.lines = lines

    def document(self, events: Iterator[Any]) -> Any:
        """The only document of the file; None when there is nothing but comments."""
        tree = None
        documents = 0
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if event.version is not None or event.tags:
                    raise _StopReadingError("config.directive", 1)
                if documents > 1:
                    raise _StopReadingError("config.documents", line)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent | AliasEvent):
                tree = self.value(event, events, ())
            elif isinstance(event, StreamEndEvent) and tree is None:
                raise _StopReadingError("config.empty-file", None)
        return tree

    def value(self, event: Any, events: Iterator[Any], place: Place) -> Any:
        """One value and everything in it, to its end; lists and mappings are read even when refused."""
        if len(place) > MAX_DEPTH:
            raise _StopReadingError("config.deep", event.start_mark.line + 1)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise _StopReadingError("config.anchor", event.start_mark.line + 1)
        if event.tag not in (None, "!"):
            raise _StopReadingError("config.tag", event.start_mark.line + 1)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(events, place)
        if isinstance(event, MappingStartEvent):
            return self.mapping(events, place)
        found = _scalar(event)
        if isinstance(found, str) and _is_plain(event) and found[0] in _CURLY:
            self.sheet.report(place, "config.curly", key=short(place[-1] if place else ""))
            return None
        if found is None:
            self.sheet.report(place, "config.no-value", key=short(place[-1] if place else ""))
        return found

    def sequence(self, events: Iterator[Any], place: Place) -> list[Any]:
        """A list."""
        items: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            here = (*place, len(items))
            self.lines[here] = event.start_mark.line + 1
            items.append(self.value(event, events, here))
        return items

    def mapping(self, events: Iterator[Any], place: Place) -> dict[str, Any]:
        """A mapping; of a key that stands there twice the first one is kept."""
        items: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            line = event.start_mark.line + 1
            if not isinstance(event, ScalarEvent):
                raise _StopReadingError(
                    "config.anchor" if isinstance(event, AliasEvent) else "config.key", line
                )
            name = self.key(event)
            here = (*place, name)
            if name in items:
                self.complain(line, "config.duplicate", key=short(name), first=self.lines[here])
                self.value(next(events), events, (*place, name, "again"))
                continue
            self.lines[here] = line
            items[name] = self.value(next(events), events, here)
        return items

    def key(self, event: ScalarEvent) -> str:
        """The text of a key. What YAML would read as a number or a boolean must stand in quotes."""
        line = event.start_mark.line + 1
        if event.anchor is not None or event.tag not in (None, "!"):
            raise _StopReadingError("config.anchor" if event.anchor is not None else "config.tag", line)
        text = str(event.value)
        if not isinstance(_scalar(event), str):
            self.complain(line, "config.key-quotes", key=short(text))
        return text

    def complain(self, line: int, key: str, /, **params: str | int) -> None:
        """Note a problem of a key."""
        self.sheet.problems.append(ConfigProblem(self.sheet.source.file, line, key, params))


def _is_plain(event: ScalarEvent) -> bool:
    """Whether it stands there without quotes."""
    return not event.style


def _scalar(event: ScalarEvent) -> str | int | float | bool | None:
    text = str(event.value)
    if not _is_plain(event):
        return text
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
