"""The one place that calls Slack: the methods we use, what their failures mean.

Every method this bot calls is in ``METHODS``, with the scopes that allow it; the manifest is checked against
this table, and a call that is not in it fails here instead of at Slack.
"""

import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

TIMEOUT = 10
#: Seconds for the whole of a file, however slowly it trickles in.
DOWNLOAD = 20

#: Method -> the scopes the manifest asks for because of it.
METHODS: Mapping[str, tuple[str, ...]] = {
    "auth.test": (),
    "apps.connections.open": (),
    "chat.postMessage": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.open": ("im:write",),
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.history": ("channels:history", "groups:history"),
    "conversations.replies": ("channels:history", "groups:history"),
    "reactions.add": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "users.info": ("users:read",),
    "usergroups.users.list": ("usergroups:read",),
    "views.open": (),
    "views.publish": (),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.info": ("files:read",),
}

#: Event -> the scopes Slack wants for it.
EVENTS: Mapping[str, tuple[str, ...]] = {
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "app_home_opened": (),
    "subteam_members_changed": ("usergroups:read",),
    "user_change": ("users:read",),
    "channel_shared": ("channels:read", "groups:read"),
    "channel_unshared": ("channels:read", "groups:read"),
    "member_joined_channel": ("channels:read", "groups:read"),
}

#: Answers that say nothing about the request itself: Slack is ill, try again.
_ILL = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "org_login_required",
        "accesslimited",
    }
)


class _NoDetour(HTTPRedirectHandler):
    """What Slack hands an address out for goes there and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """See ``HTTPRedirectHandler``: none is followed."""


_STRAIGHT = build_opener(_NoDetour)


class SlackSaysNo(Exception):  # noqa: N818 - reads as the answer it is
    """Slack understood and refused; ``code`` is its error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SlackIsBusy(Exception):  # noqa: N818 - reads as the answer it is
    """Too many calls; nothing was done. ``seconds`` says when to come back."""

    def __init__(self, seconds: float) -> None:
        super().__init__("ratelimited")
        self.seconds = seconds


class SlackIsSilent(Exception):  # noqa: N818 - reads as the answer it is
    """No answer, or none that can be trusted: the call may or may not have been carried out."""


class Slack:
    """A client that tells a no from a silence. It never retries on its own: a retry could post twice."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._self: tuple[str, str] | None = None

    def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """One call of one method; arguments that are None are left out.

        Raises:
            SlackSaysNo: refused.
            SlackIsBusy: rate limited.
            SlackIsSilent: no trustworthy answer.
        """
        if method not in METHODS:
            raise KeyError(method)
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            answer = (
                self._client.api_call(method, json=given) if _nested(given) else self._plain(method, given)
            )
        except SlackApiError as error:
            raise _meaning(error) from None
        except (SlackClientError, URLError, OSError, ValueError) as error:
            raise SlackIsSilent(type(error).__name__) from None
        data = answer.data
        if not isinstance(data, dict):
            raise SlackIsSilent(type(data).__name__)
        return data

    def upload(self, url: str, content: bytes) -> None:
        """Hand a file's content over at the address that Slack gave for it.

        Raises:
            SlackIsSilent: it did not arrive, or not certainly.
        """
        # The address is Slack's word; still nothing but the web is ever opened, as safe as our own base.
        if not url.startswith("https://") and not (
            url.startswith("http://") and self._client.base_url.startswith("http://")
        ):
            raise SlackIsSilent("upload-address")
        request = Request(url, data=content, headers={"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310 - checked above
        try:
            with _STRAIGHT.open(request, timeout=TIMEOUT) as answer:
                status = int(answer.status)
        except (URLError, OSError, ValueError) as error:
            raise SlackIsSilent(type(error).__name__) from None
        if status != HTTPStatus.OK:
            raise SlackIsSilent(f"http-{status}")

    def download(self, url: str, limit: int) -> bytes:
        """The first ``limit`` bytes of a file that lies at Slack; our token goes nowhere else.

        Raises:
            SlackIsSilent: it is not at Slack, or did not come in time.
        """
        if not self._is_slack(url):
            raise SlackIsSilent("download-address")
        request = Request(url)  # noqa: S310 - checked above
        request.add_unredirected_header("Authorization", f"Bearer {self._client.token}")
        until, found = time.monotonic() + DOWNLOAD, b""
        try:
            with _STRAIGHT.open(request, timeout=TIMEOUT) as answer:
                # Without the right to read, Slack shows its page for signing in, and calls that a success.
                if answer.status != HTTPStatus.OK or answer.headers.get_content_type() == "text/html":
                    raise SlackIsSilent(f"http-{answer.status}")
                while len(found) < limit:
                    piece = answer.read1(limit - len(found))
                    if not piece:
                        break
                    found += piece
                    if time.monotonic() > until:
                        raise SlackIsSilent("too-slow")
                promised = int(answer.headers.get("Content-Length") or len(found))
                if len(found) < min(promised, limit):
                    raise SlackIsSilent("cut-short")
        except (HTTPException, URLError, OSError, ValueError) as error:
            raise SlackIsSilent(type(error).__name__) from None
        return found

    def _is_slack(self, url: str) -> bool:
        """Files lie on a host beside that of the methods; on a loopback they lie on the very same."""
        try:
            asked, base = urlsplit(url), urlsplit(self._client.base_url)
            if base.scheme == "http":
                return (asked.scheme, asked.netloc) == ("http", base.netloc)
            host = (base.hostname or "").removeprefix("www.")
            return asked.scheme == "https" and asked.netloc == f"files.{host}"
        except ValueError:
            return False

    def _plain(self, method: str, given: Mapping[str, Any]) -> Any:
        return self._client.api_call(method, params=dict(given))

    def ourselves(self) -> tuple[str, str]:
        """Our own bot's user id and bot id, asked for once.

        Raises:
            SlackSaysNo, SlackIsBusy, SlackIsSilent: as for any call.
        """
        if self._self is None:
            answer = self.call("auth.test")
            self._self = (str(answer.get("user_id") or ""), str(answer.get("bot_id") or ""))
        return self._self

    def known_self(self) -> tuple[str, str]:
        """The same as far as it is known by now, without asking."""
        return self._self or ("", "")


def connect(token: str | None, base_url: str) -> WebClient:
    """A client for ``base_url`` that neither retries nor prints what it sends."""
    logger = logging.getLogger("countersign.slack")
    logger.setLevel(logging.ERROR)
    base = base_url if base_url.endswith("/") else f"{base_url}/"
    return WebClient(token=token, base_url=base, timeout=TIMEOUT, retry_handlers=[], logger=logger)


def _nested(arguments: Mapping[str, Any]) -> bool:
    return any(isinstance(value, dict | list) for value in arguments.values())


def _meaning(error: SlackApiError) -> Exception:
    response = error.response
    status = getattr(response, "status_code", 200)
    data = getattr(response, "data", response)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in ("ratelimited", "rate_limited"):
        headers = {str(k).lower(): v for k, v in dict(getattr(response, "headers", {}) or {}).items()}
        return SlackIsBusy(_seconds(headers.get("retry-after")))
    if status >= 500 or not code or code in _ILL or " " in code:
        return SlackIsSilent(f"http-{status}")
    return SlackSaysNo(code)


def _seconds(text: Any) -> float:
    try:
        return min(max(float(text), 1.0), 600.0)
    except (TypeError, ValueError):
        return 5.0
