"""Finding our own message for a subject or a file, when it is not known whether it arrived."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.model.doors import OutboxItem
from handlers.slack import Slack

PAGES = 5


def find(slack: Slack, item: OutboxItem, thread: str | None) -> str | None:
    """The ts of our message for the item's subject, or None when Slack has none.

    Raises:
        SlackSaysNo, SlackIsBusy, SlackIsSilent: Slack could not be asked, so nothing may be posted.
    """
    user, bot = slack.ourselves()
    for found in _messages(slack, item.channel, thread):
        ours = found.get("user") == user or (bot and found.get("bot_id") == bot)
        if ours and _is_about(found, item.subject):
            return str(found["ts"])
    return None


def find_file(slack: Slack, channel: str, thread: str | None, file: str) -> str | None:
    """The ts of the message that carries a file of ours, or None when the thread has none.

    Raises:
        SlackSaysNo, SlackIsBusy, SlackIsSilent: Slack could not be asked.
    """
    for found in _messages(slack, channel, thread):
        if any(one.get("id") == file for one in found.get("files") or ()):
            return str(found["ts"])
    return None


def _messages(slack: Slack, channel: str, thread: str | None) -> Iterator[Mapping[str, Any]]:
    method = "conversations.history" if thread is None else "conversations.replies"
    cursor = None
    for _ in range(PAGES):
        answer = slack.call(
            method, channel=channel, ts=thread, limit=100, include_all_metadata=True, cursor=cursor
        )
        yield from answer.get("messages") or ()
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


def _is_about(message: Mapping[str, Any], subject: str) -> bool:
    """By its metadata, or by the ids we give our blocks."""
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    if payload.get("subject") == subject:
        return True
    blocks = message.get("blocks") or ()
    return any(str(block.get("block_id") or "").startswith(f"{subject}/") for block in blocks)
