"""The real door: the sandbox's Slack, the bot and the worker as processes."""

import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from benchmarks.report import Figure
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.server import Slack
from bot.sandbox.stage import Stage

ROUNDS = 15
COMMANDS = 200
PATIENCE = 60.0
YES, NO = "white_check_mark", "x"
EMAILS = "SELECT email FROM customers GROUP BY email HAVING count(*) = 1 AND email LIKE '%_@_%' LIMIT ?"
ONE_VOTE = "SELECT 1 FROM votes v JOIN requests r ON r.id = v.request_id WHERE r.number = ?"
SUCCEEDED = "SELECT 1 FROM requests WHERE number = ? AND state = 'succeeded'"
FIRST_STEP = """
    SELECT s.started_at FROM steps s JOIN jobs j ON j.id = s.job_id JOIN requests r ON r.id = j.request_id
    WHERE r.number = ? AND s.position = 1
"""
Result = TypeVar("Result")


class FastStage(Stage):
    """The sandbox without a cooling-off."""

    def start(self) -> None:
        """As the sandbox, with the pause taken out of its configuration."""
        path = self.folder / "countersign.yml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("cooling_off: 2s", "cooling_off: 0s"), encoding="utf-8")
        super().start()


def figures() -> Iterator[Figure]:
    """From the last vote to the first step; then many commands at once."""
    with FastStage() as stage:
        waits = [_one_deletion(stage, number, email) for number, email in enumerate(_emails(stage), 1)]
        median = statistics.median(waits)
        yield Figure("last vote to first step, median", median, "s", aim="within 0.3 s", met=median <= 0.3)
        yield Figure("last vote to first step, slowest", max(waits), "s")
        yield from _commands(stage, "Socket Mode")
    with FastStage(http=True) as stage:
        yield from _commands(stage, "HTTP")


def _emails(stage: Stage) -> list[str]:
    with closing(sqlite3.connect(stage.crm)) as connection:
        found = [row[0] for row in connection.execute(EMAILS, (ROUNDS,))]
    assert len(found) == ROUNDS
    return found


def _one_deletion(stage: Stage, number: int, email: str) -> float:
    """Seconds from the hand that gives the last vote to the step's own note of its beginning."""
    since = stage.slack.core.stamp()
    wish = f'crm customer "{email}" -- measured'
    stage.slack.as_user("U0ALICE").command("/delete-records", wish, channel=DELETIONS)
    ballot = _until(lambda: _ballot(stage, since), stage)
    stage.slack.as_user("U0BOB").react(DELETIONS, ballot, YES)
    _until(lambda: _row(stage, ONE_VOTE, number), stage)
    voted = time.time()
    stage.slack.as_user("U0CAROL").react(DELETIONS, ballot, YES)
    _until(lambda: _row(stage, SUCCEEDED, number), stage)
    (began,) = _until(lambda: _row(stage, FIRST_STEP, number), stage)
    return _seconds(began) - voted


def _commands(stage: Stage, way: str) -> Iterator[Figure]:
    started = time.perf_counter()
    waits = acks(stage.slack, COMMANDS)
    took = time.perf_counter() - started
    yield Figure(f"acks, {COMMANDS} commands at once, {way}", COMMANDS / took, "acks/s")
    slowest = max(waits)
    yield Figure(f"slowest ack of {COMMANDS}, {way}", slowest, "s", aim="under 3 s", met=slowest < 3)


def acks(slack: Slack, commands: int) -> list[float]:
    """Many people type at the same moment: seconds to each ack, timed by Slack. One that is lost raises."""
    person = slack.as_user("U0ALICE")

    def ask(_: int) -> float:
        answer = person.command("/countersign", "whoami", channel=DELETIONS)
        assert answer.acked, answer.error
        assert answer.latency is not None
        return answer.latency

    with ThreadPoolExecutor(commands) as pool:
        return list(pool.map(ask, range(commands)))


def _ballot(stage: Stage, since: str) -> str | None:
    messages = stage.slack.core.workspace.messages.get(DELETIONS, {}).values()
    ready = [one.ts for one in list(messages) if one.ts > since and {YES, NO} <= set(one.reactions)]
    return max(ready, default=None)


def _row(stage: Stage, query: str, *values: object) -> tuple[object, ...] | None:
    path: Path = stage.folder / "data" / "countersign.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        found: tuple[object, ...] | None = connection.execute(query, values).fetchone()
        return found


def _until(look: Callable[[], Result | None], stage: Stage) -> Result:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError(stage.log.read_text(encoding="utf-8")[-2000:])


def _seconds(stored: object) -> float:
    """Our database keeps instants as whole microseconds."""
    assert isinstance(stored, int)
    return stored / 1e6
