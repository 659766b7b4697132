"""A suggestion as a piece of the configuration: YAML for a person to edit, or data."""

import json
import re
from collections.abc import Iterator
from typing import Any

from bot.operations.evidence import Seen
from bot.operations.lookalikes import Lookalike
from bot.operations.roots import Root
from bot.operations.suggesting import Suggestion
from bot.texts import say

_PLAIN = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_WORDS = frozenset({"true", "false", "null"})
#: A variable in the text would be looked up in the environment.
_VARIABLE = "${"


def as_yaml(target: str, found: Suggestion) -> str:
    """What could stand under ``targets``, with the reasons as comments."""
    lines = [f"# {say('cli.suggest.head', 'en', target=target)}", "targets:", f"  {_scalar(target)}:"]
    body = [*_records(found.roots), *_links(found.links), *_unkeyed(found.unkeyed), *_ignored(found.doubtful)]
    if not body:
        lines[-1] += " {}"
        body = [f"# {say('cli.suggest.nothing', 'en')}"]
    return "\n".join([*lines, *body]) + "\n"


def as_data(target: str, found: Suggestion) -> dict[str, Any]:
    """The same for a program."""
    return {
        "target": target,
        "records": {
            one.name: {
                "table": one.table,
                "find_by": list(one.find_by),
                "label": one.label,
                "links": dict(one.links),
                "pointing": one.pointing,
            }
            for one in found.roots
            if _usable(one.table, *one.find_by, one.label, *one.links)
        },
        "soft_references": [
            {**_reference(one), "found": one.found, "looked_at": one.looked}
            for one in found.links
            if _usable(*_reference(one).values())
        ],
        "unkeyed": [
            {**_reference(one), "found": one.found, "looked_at": one.looked} for one in found.unkeyed
        ],
        "doubtful": [
            {
                "column": one.place,
                "means": one.meant,
                "found": seen.found if seen else None,
                "looked_at": seen.looked if seen else None,
            }
            for one, seen in found.doubtful
        ],
    }


def _records(roots: tuple[Root, ...]) -> Iterator[str]:
    if roots:
        yield "    records:"
    for one in roots:
        if not _usable(one.table, *one.find_by, one.label, *one.links):
            continue
        yield f"      {_scalar(one.name)}:  # {say('cli.suggest.pointing', 'en', n=one.pointing)}"
        yield f"        table: {_scalar(one.table)}"
        yield f"        find_by: [{', '.join(map(_scalar, one.find_by))}]"
        yield f"        label: {json.dumps(one.label, ensure_ascii=False)}"
        if one.links:
            why = "cli.suggest.account" if one.account else "cli.suggest.parts"
            yield f"        # {say(why, 'en')}"
            yield "        links:"
            for link, policy in one.links.items():
                yield f"          {json.dumps(link, ensure_ascii=False)}: {policy}"


def _links(links: tuple[Seen, ...]) -> Iterator[str]:
    if links:
        yield f"    # {say('cli.suggest.links', 'en')}"
        yield "    soft_references:"
    for one in links:
        reference = _reference(one)
        if _usable(*reference.values()):
            pairs = ", ".join(f"{key}: {_scalar(value)}" for key, value in reference.items())
            yield f"      - {{{pairs}}}  # {_seen(one)}"


def _unkeyed(links: tuple[Seen, ...]) -> Iterator[str]:
    if links:
        yield f"    # {say('cli.suggest.unkeyed', 'en')}"
    for one in links:
        pairs = ", ".join(f"{key}: {_scalar(value)}" for key, value in _reference(one).items())
        yield f"    #   - {{{_line(pairs)}}}  # {_seen(one)}"


def _ignored(doubtful: tuple[tuple[Lookalike, Seen | None], ...]) -> Iterator[str]:
    if doubtful:
        yield f"    # {say('cli.suggest.doubtful', 'en')}"
        yield "    # ignored_references:"
    for one, seen in doubtful:
        why = _seen(seen) if seen else say("cli.suggest.kinds", "en")
        why = say("cli.suggest.counts", "en") if one.counts else why
        yield f"    #   - {_scalar(one.place)}  # {_line(one.meant)}: {why}"


def _seen(one: Seen) -> str:
    key = "cli.suggest.seen" if one.looked else "cli.suggest.empty"
    return say(key, "en", found=one.found, looked=one.looked)


def _reference(one: Seen) -> dict[str, str]:
    edge = one.edge
    whole = {
        "from": f"{edge.child}.{edge.child_columns[0]}",
        "path": ".".join(edge.path),
        "to": f"{edge.parent}.{edge.parent_columns[0]}",
        "prefix": edge.prefix,
        "where": edge.where,
    }
    return {key: value for key, value in whole.items() if value}


def _usable(*texts: str) -> bool:
    return all(_VARIABLE not in text and text.isprintable() for text in texts)


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """A name in a comment ends with its line."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
