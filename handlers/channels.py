"""Whether a request channel may be used: ours alone, alive, and with the bot in it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.config.types import Config
from bot.errors import CannotProve, NotAllowed, Refused
from handlers.slack import Slack, SlackIsBusy, SlackIsSilent, SlackSaysNo

GOOD_FOR = timedelta(minutes=10)
BAD_FOR = timedelta(seconds=5)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Finding:
    at: datetime
    key: str | None

    def fresh(self, now: datetime) -> bool:
        """Whether it need not be looked up again; bad news is looked up again soon."""
        return now - self.at < (GOOD_FOR if self.key is None else BAD_FOR)


class Channels:
    """The request channels of the configuration, and what Slack says about them."""

    def __init__(self, slack: Slack, config: Config, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._config = config
        self._clock = clock
        self._found: dict[str, _Finding] = {}
        self._lock = threading.Lock()

    def all(self) -> frozenset[str]:
        """Every channel in which requests are decided."""
        own = {target.channel for target in self._config.targets.values() if target.channel}
        return frozenset({self._config.channel, *own})

    def of_target(self, target: str | None) -> str:
        """Where requests on a target are decided."""
        known = self._config.targets.get(target or "")
        return (known.channel if known else None) or self._config.channel

    def problem(self, channel: str) -> Refused | None:
        """Why nothing may be filed into a channel right now, or None."""
        with self._lock:
            found = self._found.get(channel)
            if found is None or not found.fresh(self._clock()):
                found = _Finding(self._clock(), self._look(channel))
                self._found[channel] = found
        if found.key is None:
            return None
        kind = CannotProve if found.key == "channel.unknown" else NotAllowed
        return kind(found.key, channel=channel)

    def check_all(self) -> None:
        """Look at every channel anew; problems are logged."""
        for channel in sorted(self.all()):
            self.forget(channel)
            problem = self.problem(channel)
            if problem is not None:
                _log.error(problem.key, channel=channel)

    def forget(self, channel: str) -> None:
        """Something about a channel changed."""
        with self._lock:
            self._found.pop(channel, None)

    def _look(self, channel: str) -> str | None:
        try:
            answer = self._slack.call("conversations.info", channel=channel)
        except SlackSaysNo as no:
            return "channel.missing" if no.code == "channel_not_found" else "channel.unknown"
        except (SlackIsBusy, SlackIsSilent):
            return "channel.unknown"
        return _judge(answer.get("channel") or {})


def _judge(channel: Mapping[str, Any]) -> str | None:
    """What is wrong with a channel, as a key, or None. What Slack leaves out is not held against it."""
    if any(channel.get(flag) for flag in ("is_ext_shared", "is_pending_ext_shared", "pending_shared")):
        return "channel.shared"
    if channel.get("is_archived"):
        return "channel.archived"
    if channel.get("is_member") is False:
        return "channel.not-in"
    return None
