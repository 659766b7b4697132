"""The door against a Slack that speaks real Socket Mode: it opens, survives, and closes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.approvals.letterbox import Letterbox
from bot.compose import Services
from bot.sandbox.people import DELETIONS, installed, seeded
from bot.sandbox.slack.server import Slack
from bot.schedules.clock import now
from bot.settings import read_environment
from bot.store.ports import InboxPort, OutboxPort, RosterPort
from handlers.running import CONNECTIONS, LISTENERS, Door
from handlers.slack import Slack as Caller
from handlers.slack import SlackIsBusy, SlackIsSilent, SlackSaysNo, connect
from tests.fakes.rooms import House

PATIENCE = 20.0


def until(look: Callable[[], object], what: str) -> None:
    """Look again and again, up to a bound."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def sandbox() -> Iterator[Slack]:
    grants = installed()
    core = seeded(scopes=grants["scopes"], events=grants["events"], commands=grants["commands"])
    with Slack(core, ping_every=0.2) as slack:
        yield slack


@pytest.fixture
def slack() -> Iterator[Slack]:
    with sandbox() as found:
        yield found


@contextmanager
def running(folder: Path, slack: Slack) -> Iterator[tuple[Door, House]]:
    """A real door over a real house whose clock is the wall's."""
    house = House(folder, now=now())
    house.clock = now  # type: ignore[method-assign]  # the only test in which time really passes
    house.configure(house.settings)
    store = house.store
    services = Services(
        config=house.settings,
        clock=now,
        desk=house.desk,
        lifecycle=house.lifecycle,
        reading=house.reading,
        inbox=InboxPort(store),
        outbox=OutboxPort(store),
        roster=RosterPort(store),
        letterbox=Letterbox(store, house.entropy),
        store=store,
        process_id="test",
    )
    door = Door(services, read_environment({**slack.environment(), "COUNTERSIGN_DATA_DIR": str(folder)}))
    door.start()
    try:
        yield door, house
    finally:
        door.stop()
        house.close()


def test_it_opens_two_connections_answers_and_closes(slack: Slack, tmp_path: Path) -> None:
    with running(tmp_path, slack) as (door, house):
        until(lambda: door.sockets() == CONNECTIONS, "two fresh sockets")
        since = slack.core.stamp()
        alice = slack.as_user("U0ALICE")
        answer = alice.command("/countersign", "whoami", channel=DELETIONS)
        assert answer.acked
        assert answer.latency is not None
        assert answer.latency < 3
        assert "support" in alice.wait_for_private("You are", newer_than=since, timeout=PATIENCE).text
        with house.store.transact() as work:
            work.roster.ask("n1", ("U0BOB",), ("S0DBA",), now())

        def answered() -> bool:
            with house.store.read() as work:
                return work.roster.answered("n1") is not None and bool(
                    work.processes.alive("bot", now(), now() - house.now)
                )

        until(answered, "the worker's question and a heartbeat")
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert slack.violations == []


def test_it_starts_while_slack_is_down_and_finds_it_later(slack: Slack, tmp_path: Path) -> None:
    slack.faults.down()
    with running(tmp_path, slack) as (door, house):
        assert door.sockets() == 0
        problem = door.channel_problem(DELETIONS)
        assert problem is not None
        assert problem.key == "channel.unknown"
        house.file()
        slack.faults.up()
        until(lambda: door.sockets() == CONNECTIONS, "both connections, once Slack is back")


def test_a_lost_acknowledgement_files_once(slack: Slack, tmp_path: Path) -> None:
    with running(tmp_path, slack) as (door, house):
        until(lambda: door.sockets() == CONNECTIONS, "two fresh sockets")
        slack.faults.redeliver_next(2)
        alice = slack.as_user("U0ALICE")
        since = slack.core.stamp()
        alice.command("/delete-records", "crm customer ada@example.com -- x", channel=DELETIONS)
        alice.wait_for_private("Working out", newer_than=since, timeout=PATIENCE)
        with house.store.read() as work:
            assert work.requests.by_number(1) is None
            assert [one.requester for one in work.requests.in_states(["planning"])] == ["U0ALICE"]  # type: ignore[list-item]  # the column holds its text


@pytest.mark.parametrize(
    ("prepare", "trouble"),
    [
        (lambda slack: slack.faults.rate_limit("auth.test", retry_after=9), SlackIsBusy),
        (lambda slack: slack.faults.fail_next("auth.test", "invalid_auth"), SlackSaysNo),
        (lambda slack: slack.faults.fail_next("auth.test", "internal_error"), SlackIsSilent),
        (lambda slack: slack.faults.lose_answer_next("auth.test"), SlackIsSilent),
        (lambda slack: slack.faults.down(), SlackIsSilent),
        (lambda slack: slack.faults.down(refuse=False), SlackIsSilent),
    ],
    ids=["busy", "no", "ill", "answer lost", "refused", "503"],
)
def test_a_no_is_told_from_a_silence(
    slack: Slack, prepare: Callable[[Slack], None], trouble: type[Exception]
) -> None:
    caller = Caller(connect(slack.bot_token, slack.api_url.rstrip("/")))
    assert caller.ourselves()[0] == "U0COUNTERSIGN"
    prepare(slack)
    with pytest.raises(trouble) as caught:
        caller.call("auth.test")
    if isinstance(caught.value, SlackIsBusy):
        assert caught.value.seconds == 9
    slack.faults.up()
    assert caller.call("auth.test")["user_id"] == "U0COUNTERSIGN"


def test_a_method_outside_the_table_is_never_called() -> None:
    with pytest.raises(KeyError):
        Caller(connect("xoxb-1", "http://127.0.0.1:1/")).call("chat.delete", channel="C", ts="1")


def test_a_slow_slack_keeps_no_acknowledgement_waiting(slack: Slack, tmp_path: Path) -> None:
    """More commands than there are listeners, each of which waits for Slack longer than an ack may take."""
    slack.faults.delay("users.info", 4.0)
    with running(tmp_path, slack) as (door, _):
        until(lambda: door.sockets() == CONNECTIONS, "two fresh sockets")
        alice = slack.as_user("U0ALICE")

        def ask(_: int) -> str:
            return alice.command("/countersign", "whoami", channel=DELETIONS).error

        with ThreadPoolExecutor(LISTENERS + 8) as pool:
            assert set(pool.map(ask, range(LISTENERS + 8))) == {""}
        slack.faults.delay("users.info", 0)
