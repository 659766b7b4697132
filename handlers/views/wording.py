"""A key and what fills it -> one human sentence, made harmless.

What fills a sentence is named by convention, the same in every catalogue: ``user``, ``by``, ``requester`` are
Slack people, ``users`` several with commas, ``channel`` a channel, ``state`` a state's word, ``until`` and
``at`` are seconds since 1970; ``text``, ``value`` and ``reason`` are somebody's own words and shown as code;
``statement``, ``statements`` and ``grant`` are for pasting and stand as code with every sign as it is;
``known``, ``roles``, ``names``, ``missing`` and ``left`` are lists with commas. ``why`` is the key of another
sentence, filled by what is named ``why_…``, and stands in brackets. ``classes`` are tables with counts by
class, as ``RestorePreview.told`` writes them, one a line.
Everything else is shown as plain words.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from bot.texts import DEFAULT_LANGUAGE, catalogue, listed, say
from handlers.views import mrkdwn

_PEOPLE = frozenset({"user", "by", "requester", "owner"})
_WORDS = frozenset({"text", "value", "reason"})
_STATEMENTS = frozenset({"statement", "statements", "grant"})
_TIMES = frozenset({"until", "at"})
_LISTS = frozenset({"users", "known", "roles", "names", "missing", "left"})
_SHOWN_CLASSES = 20
_log = structlog.get_logger(__name__)


def sentence(key: str, params: Mapping[str, str | int], language: str, limit: int = 500) -> str:
    """The sentence for a key, its parameters made harmless, each at most ``limit`` characters.

    A key without a text is a fault of ours; the person still gets a sentence, and the log gets the key.
    """
    try:
        named = {name: shown(name, value, language, limit) for name, value in params.items()}
        if (why := str(params.get("why", ""))) in catalogue(DEFAULT_LANGUAGE)[0]:
            inner = {name.removeprefix("why_"): value for name, value in params.items() if name != "why"}
            named["why"] = sentence(why, inner, language, limit).rstrip(".。")
        return say(key, language, **named)
    except (KeyError, AssertionError):
        _log.exception("slack.no-text", key=key)
        return say("slack.no-text", language, key=mrkdwn.safe(key))


def shown(name: str, value: str | int, language: str, limit: int = 500) -> str | int:
    """One parameter as it stands in a sentence."""
    if isinstance(value, int):
        return mrkdwn.moment(datetime.fromtimestamp(value, UTC)) if name in _TIMES else value
    if name in _PEOPLE:
        return mrkdwn.user(value)
    if name == "channel":
        return mrkdwn.channel(value)
    if name in _OF_LANGUAGE:
        return _OF_LANGUAGE[name](value, language)
    if name in _LISTS:
        return _list(name, value, language, limit)
    drawn = mrkdwn.code if name in _WORDS else mrkdwn.safe
    return (mrkdwn.statement if name in _STATEMENTS else drawn)(value, limit)


def _classes(value: str, language: str) -> str:
    lines = []
    try:
        counted = json.loads(value)[:_SHOWN_CLASSES]
    except ValueError:
        return mrkdwn.safe(value)
    for table, counts in counted:
        parts = [say(f"restore.class.{why}", language, n=int(n)) for why, n in counts.items()]
        lines.append(f"• {mrkdwn.code(table, 120)}  {', '.join(parts)}")
    return "\n".join(lines)


def _list(name: str, value: str, language: str, limit: int) -> str:
    parts = [one.strip() for one in value.split(",") if one.strip()]
    if name == "users":
        return listed(map(mrkdwn.user, parts), language)
    return mrkdwn.safe(listed(parts, language), limit)


def state_word(state: str, language: str) -> str:
    """The word people read for a state of a request."""
    try:
        return say(f"card.state.{state}", language)
    except KeyError:
        return mrkdwn.safe(state)


_OF_LANGUAGE: Mapping[str, Callable[[str, str], str]] = {"state": state_word, "classes": _classes}
