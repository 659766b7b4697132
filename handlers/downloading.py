"""The file that a form names, fetched from Slack once it is needed. It is kept nowhere."""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.errors import BadInput
from handlers.csv_values import MAX_BYTES
from handlers.slack import Slack, SlackIsBusy, SlackIsSilent, SlackSaysNo

_log = structlog.get_logger(__name__)


def content_of(slack: Slack, file: str) -> bytes:
    """What is in a file that was put into a form: at most ``MAX_BYTES`` and one more.

    Raises:
        BadInput: Slack does not hand it over, or it is too large.
    """
    try:
        about: Mapping[str, Any] = slack.call("files.info", file=file).get("file") or {}
        if int(about.get("size") or 0) > MAX_BYTES:
            raise BadInput("file.too-big", limit=MAX_BYTES // 1024)
        url = about.get("url_private_download") or about.get("url_private")
        return slack.download(str(url or ""), MAX_BYTES + 1)
    except SlackSaysNo as no:
        _log.warning("slack.file-refused", code=no.code)
        raise BadInput("file.no-scope" if no.code == "missing_scope" else "file.gone") from None
    except (SlackIsBusy, SlackIsSilent):
        raise BadInput("file.not-now") from None
