"""A whole house with its door, and a Slack in memory before it: payloads go through Bolt itself."""

import itertools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult

from bot.approvals.letterbox import Letterbox
from bot.compose import Services
from bot.config.types import Config
from bot.model.doors import OutboxItem
from bot.store.ports import InboxPort, OutboxPort, RosterPort
from handlers import door
from handlers.channels import Channels
from handlers.front import Front
from handlers.identity import People
from handlers.outbox import Drain
from handlers.slack import Slack, connect
from tests.fakes.rooms import House, config
from tests.fakes.slack import MemorySlack


class Doorway:
    """``command``, ``click``, ``submit`` and ``react`` send what Slack would send, and wait until it is handled."""

    def __init__(self, folder: Path, settings: Config | None = None) -> None:
        self.house = House(folder, settings or config())
        self.slack = MemorySlack()
        store = self.house.store
        self.services = Services(
            config=self.house.settings,
            clock=self.house.clock,
            desk=self.house.desk,
            lifecycle=self.house.lifecycle,
            reading=self.house.reading,
            inbox=InboxPort(store),
            outbox=OutboxPort(store),
            roster=RosterPort(store),
            letterbox=Letterbox(store, self.house.entropy),
            store=store,
            process_id="test",
        )
        port = cast("Slack", self.slack)
        self.people = People(port, self.house.settings, self.house.clock)
        channels = Channels(port, self.house.settings, self.house.clock)
        self.front = Front(self.services, port, self.people, channels)
        self.drain = Drain(self.front)
        self._executor = ThreadPoolExecutor(4)
        self._ids = itertools.count(1)
        self.app = self._app()

    def _app(self) -> App:
        def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_user_id="U0COUNTERSIGN")

        app = App(
            logger=door.quiet_logger(),
            client=connect(None, "http://127.0.0.1:1/"),
            request_verification_enabled=False,
            authorize=authorize,
            listener_executor=self._executor,
        )
        door.register(app, self.front)
        return app

    def close(self) -> None:
        self._executor.shutdown()
        self.house.close()

    def settled(self) -> None:
        """Let every listener finish."""
        self._executor.shutdown()
        self._executor = ThreadPoolExecutor(4)
        self.app.listener_runner.listener_executor = self._executor

    # What Slack sends

    def send(self, body: Mapping[str, Any]) -> BoltResponse:
        answer = self.app.dispatch(BoltRequest(mode="socket_mode", body=json.loads(json.dumps(body))))
        self.settled()
        return answer

    def trigger(self) -> str:
        return f"{next(self._ids)}.trigger"

    def command(self, name: str, text: str = "", user: str = "U0ALICE", **more: Any) -> BoltResponse:
        return self.send(
            {
                "token": "verification-token",
                "team_id": "T0ACME",
                "channel_id": "C0ASKING",
                "user_id": user,
                "command": name,
                "text": text,
                "response_url": "https://hooks.slack.test/secret",
                "trigger_id": self.trigger(),
                **more,
            }
        )

    def click(
        self,
        action: str,
        value: str,
        ts: str = "",
        user: str = "U0BOB",
        channel: str = "C0DELETIONS",
        person: Mapping[str, str] | None = None,
    ) -> BoltResponse:
        return self.send(
            {
                **self._interaction("block_actions", user),
                **({"user": person} if person else {}),
                "container": {"type": "message", "message_ts": ts, "channel_id": channel},
                "channel": {"id": channel},
                "message": {"text": "secret text"},
                "response_url": "https://hooks.slack.test/secret",
                "actions": [
                    {
                        "type": "button",
                        "action_id": action,
                        "block_id": "b",
                        "value": value,
                        "action_ts": "1.0",
                    }
                ],
            }
        )

    def submit(
        self,
        callback: str,
        values: Mapping[str, str],
        user: str = "U0ALICE",
        carried: Any = None,
        person: Mapping[str, str] | None = None,
        **more: Any,
    ) -> BoltResponse:
        state = {name: {name: {"type": "plain_text_input", "value": value}} for name, value in values.items()}
        return self.send(
            {
                **self._interaction("view_submission", user),
                **({"user": person} if person else {}),
                "view": {
                    "id": "V1",
                    "type": "modal",
                    "callback_id": callback,
                    "private_metadata": json.dumps(carried or {"channel": "C0ASKING"}),
                    "state": {"values": state},
                },
                **more,
            }
        )

    def react(
        self, ts: str, user: str, emoji: str = "white_check_mark", added: bool = True, **more: Any
    ) -> BoltResponse:
        number = next(self._ids)
        return self.event(
            {
                "type": "reaction_added" if added else "reaction_removed",
                "user": user,
                "reaction": emoji,
                "item": {"type": "message", "channel": "C0DELETIONS", "ts": ts},
                "event_ts": f"{number}.000000",
                **more,
            }
        )

    def event(self, event: Mapping[str, Any], event_id: str | None = None) -> BoltResponse:
        return self.send(
            {
                "token": "verification-token",
                "team_id": "T0ACME",
                "api_app_id": "A0",
                "type": "event_callback",
                "event_id": event_id or f"Ev{next(self._ids)}",
                "event": dict(event),
                "authorizations": [{"user_id": "U0COUNTERSIGN", "is_bot": True}],
            }
        )

    def _interaction(self, kind: str, user: str) -> dict[str, Any]:
        return {
            "type": kind,
            "token": "verification-token",
            "api_app_id": "A0",
            "team": {"id": "T0ACME"},
            "user": {"id": user, "team_id": "T0ACME", "username": user.lower()},
            "trigger_id": self.trigger(),
        }

    # What people see

    def deliver(self, rounds: int = 6) -> None:
        """Send what is due, with time passing between the rounds."""
        for _ in range(rounds):
            self.drain.run(self.house.now)
            self.house.wait(seconds=3)

    def told(self, user: str) -> list[str]:
        """Every private sentence to one person so far, delivered or waiting."""
        self.deliver(2)
        ways = {"chat.postEphemeral": ("user", user), "chat.postMessage": ("channel", f"D{user[1:]}")}
        return [
            given["text"]
            for method, given in self.slack.calls
            if method in ways and given.get(ways[method][0]) == ways[method][1]
        ]

    def last(self, user: str = "U0ALICE") -> str:
        """The newest private sentence to one person."""
        found = self.told(user)
        assert found, f"nothing was said to {user}"
        return found[-1]

    def pending(self) -> tuple[int, dict[str, Any], dict[str, Any]]:
        """A request with its card and ballot in Slack: (id, card, ballot)."""
        request_id = self.house.pending()
        self.deliver()
        return request_id, self.slack.of_kind("card")[-1], self.slack.of_kind("ballot")[-1]

    def waiting(self) -> list[OutboxItem]:
        return list(self.services.outbox.due(self.house.now, 100))

    def stored(self) -> str:
        """Everything in our database, as one text."""
        with self.house.database.read() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            return "\n".join(raw.iterdump())


@contextmanager
def opened(folder: Path, settings: Config | None = None) -> Iterator[Doorway]:
    found = Doorway(folder, settings)
    try:
        yield found
    finally:
        found.close()
