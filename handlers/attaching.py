"""The whole plan as a file in the thread: handed over before the ballot opens, taken away at the end.

The file holds personal texts, so it must not outlive its request or its revision. While it is not known what
became of an upload, the thread is looked at; a file that is not found there is deleted and handed over anew.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.model.doors import OutboxItem, RequestView
from bot.model.requests import CLOSED
from handlers import lookup
from handlers.front import Front
from handlers.pace import Pace
from handlers.slack import SlackIsBusy, SlackIsSilent, SlackSaysNo
from handlers.views import plan_file

_NOT_THERE = frozenset({"file_not_found", "file_deleted"})
#: Slack scans what was shared before it shows: so often its message is looked for.
_LOOKS = 5
#: A workspace whose rules forbid deleting may change them; asking every minute changes nothing.
_FORBIDDEN_AGAIN = timedelta(hours=1)
_log = structlog.get_logger(__name__)


class Attacher:
    """Brings the messages of kind ``plan-file`` to what they should be."""

    def __init__(self, front: Front, pace: Pace) -> None:
        self._front = front
        self._outbox = front.services.outbox
        self._pace = pace

    def send(self, item: OutboxItem, now: datetime) -> bool:
        """Hand the file over, or take it away; False when that has to wait.

        Raises:
            SlackSaysNo, SlackIsBusy, SlackIsSilent: to be tried again.
        """
        view = self._front.services.reading.view(item.request_id or 0)
        if view is None or view.request.state in CLOSED or view.request.revision != item.revision:
            return self._take_away(item, now)
        if item.state == "posted":
            return self._locate(item, now)
        return self._hand_over(item, view, now)

    def _hand_over(self, item: OutboxItem, view: RequestView, now: datetime) -> bool:
        language = self._front.config.language
        file = plan_file.written(view, language)
        if file is None:
            self._outbox.detached(item, now)
            return True
        if item.file and self._found(item):
            self._outbox.attached(item, now)
            return self._locate(replace(item, state="posted"), now)
        if not self._pace.may("chat.postMessage", item.channel, now):
            return False
        if item.file:
            self._delete(item.file)
        self._outbox.attaching(item, None, file.sha256, now)
        item = replace(item, sha256=file.sha256)
        name = plan_file.name(view)
        slack = self._front.slack
        place = slack.call("files.getUploadURLExternal", filename=name, length=len(file.content))
        item = replace(item, file=str(place.get("file_id") or ""))
        self._outbox.attaching(item, item.file, file.sha256, now)
        slack.upload(str(place.get("upload_url") or ""), file.content)
        slack.call(
            "files.completeUploadExternal",
            files=[{"id": item.file, "title": name}],
            channel_id=item.channel,
            thread_ts=self._outbox.card_ts(view.request.id),
            initial_comment=plan_file.comment(view, file, language),
        )
        self._outbox.attached(item, now)
        return self._locate(replace(item, state="posted"), now)

    def _locate(self, item: OutboxItem, now: datetime) -> bool:
        """Which message carries the file, so that a reaction on it is answered. No vote waits for it."""
        ts = item.ts
        if ts is None:
            try:
                ts = self._found(item)
            except (SlackSaysNo, SlackIsBusy, SlackIsSilent):
                ts = None
        if ts is None and item.attempts < _LOOKS:
            self._outbox.later(item.subject, 2.0, now)
            return True
        self._outbox.located(item, ts or "", now)
        return True

    def _found(self, item: OutboxItem) -> str | None:
        thread = self._outbox.card_ts(item.request_id or 0)
        return lookup.find_file(self._front.slack, item.channel, thread, item.file or "")

    def _take_away(self, item: OutboxItem, now: datetime) -> bool:
        try:
            if item.file:
                self._delete(item.file)
        except SlackSaysNo as no:
            _log.critical("slack.file-not-deleted", code=no.code)
            self._outbox.later(item.subject, _FORBIDDEN_AGAIN.total_seconds(), now)
            return True
        self._outbox.detached(item, now)
        return True

    def _delete(self, file: str) -> None:
        try:
            self._front.slack.call("files.delete", file=file)
        except SlackSaysNo as no:
            if no.code not in _NOT_THERE:
                raise
