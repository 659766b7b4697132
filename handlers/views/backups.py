"""A backup that can be brought back: as a line of a list, and as something to choose in a form. Pure."""

from bot.model.doors import KeptBackup
from bot.model.jobs import Backup
from bot.texts import say
from handlers.views.blocks import Block
from handlers.views.mrkdwn import cut, moment, safe, size, user


def line(one: KeptBackup, language: str) -> str:
    """What was taken away, how much, when, by whom, and how to get it back."""
    backup = one.backup
    return say(
        "list.backup",
        language,
        number=one.number,
        what=safe(_what(backup, language)),
        target=safe(backup.target),
        at=moment(backup.created_at),
        user=user(one.requester),
        until=moment(backup.keep_until),
    )


def option(one: KeptBackup, name: str | None, language: str) -> Block:
    """One of a list to choose from, in plain text; ``name`` of the person who asked, if known."""
    backup = one.backup
    at = backup.created_at.strftime("%Y-%m-%d %H:%M UTC")
    return {
        "text": _plain(f"#{one.number} · {backup.target} · {_what(backup, language)}"),
        "description": _plain(f"{at} · {name}" if name else at),
        "value": f"#{one.number}",
    }


def _what(backup: Backup, language: str) -> str:
    if backup.record:
        return say("list.rows", language, record=backup.record, n=backup.rows)
    return say("list.whole-system", language, size=size(backup.size, language))


def _plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": cut(text, 75)}
