"""A real Bolt app over real Socket Mode, for the tests of the sandbox's Slack."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox.people import seeded
from bot.sandbox.slack.server import Slack

DELETIONS = "C0DELETIONS"


@contextmanager
def slack_server(**dials: Any) -> Iterator[Slack]:
    """A running server; dials named ``core_…`` go to the seed, the others to the server."""
    core = seeded(**{key[5:]: value for key, value in dials.items() if key.startswith("core_")})
    rest = {key: value for key, value in dials.items() if not key.startswith("core_")}
    with Slack(core, **{"ping_every": 0.05, **rest}) as slack:
        yield slack


def new_app(slack: Slack) -> App:
    return App(client=client_of(slack), token_verification_enabled=False)


def client_of(slack: Slack) -> WebClient:
    return WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])


@contextmanager
def connected(slack: Slack, app: App, links: int = 2) -> Iterator[None]:
    """The app with this many Socket Mode connections open."""
    handlers = [SocketModeHandler(app, slack.app_token, ping_interval=0.2) for _ in range(links)]
    for handler in handlers:
        handler.connect()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped
    slack.wait_for_links(links)
    try:
        yield
    finally:
        # slack_sdk takes a second to close a connection; nothing waits for it but the end of the run.
        for handler in handlers:
            handler.client.auto_reconnect_enabled = False
            threading.Thread(target=hang_up, args=(handler,)).start()


def hang_up(handler: SocketModeHandler) -> None:
    """Close, also the session that slack_sdk may have opened anew while it was closing the old one."""
    handler.close()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped
    handler.client.disconnect()


def button(action_id: str, text: str = "Go", value: str = "1") -> dict[str, Any]:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action_id,
        "value": value,
    }


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def modal(*blocks: dict[str, Any], title: str = "Form") -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "notify_on_close": True,
        "blocks": list(blocks),
    }


def field(block_id: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": block_id,
        "label": {"type": "plain_text", "text": block_id},
        "element": {"type": "plain_text_input", "action_id": "typed", **more},
    }
