"""HTTP mode as real processes: the whole loop, what is refused at the door, and a door that is closed for a while."""

import http.client
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.endpoint import Endpoint
from tests.stories.rig import PATIENCE, YES, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("http-mode")]

PATH = "/slack/events"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), http=True, retry_delays=(0.2, 3.0, 6.0, 12.0)) as rig:
        yield rig
        assert rig.slack.links.count == 0
        assert not rig.slack.violations


def endpoint(rig: Rig) -> Endpoint:
    assert rig.slack.endpoint is not None
    return rig.slack.endpoint


def ask(
    rig: Rig,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, bytes]:
    host = endpoint(rig).url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ready(rig: Rig) -> dict[str, Any]:
    status, body = ask(rig, "/readyz")
    said: dict[str, Any] = json.loads(body)
    assert said["ready"] is (status == 200)
    return said


def newest(rig: Rig) -> int:
    return int(rig.row("SELECT max(number) FROM requests")[0])


def votes(rig: Rig, number: int) -> int:
    query = "SELECT count(*) FROM votes v JOIN requests r ON r.id = v.request_id WHERE r.number = ?"
    return int(rig.row(query, number)[0])


def test_ask_approve_delete_and_restore(rig: Rig) -> None:
    before, told, delivered = rig.contents(), len(rig.receipts()), len(rig.slack.acks)
    rig.approve(rig.ask_to_delete(rig.somebody()))
    number = newest(rig)
    rig.wait_state(number, "succeeded")
    assert rig.contents() != before
    since = rig.command("U0ERIN", "/restore", f"#{number} -- the wrong account")
    rig.react("U0DAN", rig.ballot(since))
    rig.wait_state(newest(rig), "succeeded")
    assert rig.contents() == before
    rig.slack.wait_for(lambda: len(rig.receipts()) == told + 2, PATIENCE)
    assert all(one.acked for one in rig.slack.acks[delivered:])


def test_a_form_opens_and_complains_beside_its_fields(rig: Rig) -> None:
    alice = rig.slack.as_user("U0ALICE")
    assert alice.command("/delete-records", "", channel=DELETIONS).acked
    view = alice.wait_for_view(timeout=PATIENCE)
    assert alice.submit(view.id, {"record": "customer", "values": " , ", "reason": "why"}).errors
    assert alice.submit(view.id, {"record": "customer", "values": "no@example.com", "reason": "why"}).acked


def test_nobody_else_gets_in_by_any_route(rig: Rig) -> None:
    """A forged vote by Carol, posted to every path the server knows and to some that it does not."""
    ballot = rig.ask_to_delete(rig.somebody())
    number = newest(rig)
    event = {
        "type": "event_callback",
        "team_id": "T0ACME",
        "event_id": "EvFORGED",
        "event": {
            "type": "reaction_added",
            "user": "U0CAROL",
            "reaction": YES,
            "item": {"type": "message", "channel": DELETIONS, "ts": ballot.ts},
            "event_ts": rig.slack.core.stamp(),
        },
    }
    body = json.dumps(event).encode()
    good = endpoint(rig).signed(body)
    old = str(int(good["X-Slack-Request-Timestamp"]) - 400)
    forged: tuple[Mapping[str, str], ...] = (
        {},
        {**good, "X-Slack-Signature": f"v0={'0' * 64}"},
        {**good, "X-Slack-Signature": good["X-Slack-Signature"].replace("v0", "v2")},
        {**good, "X-Slack-Request-Timestamp": old},
        {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"},
    )
    for path in (
        PATH,
        f"{PATH}?ssl_check=1",
        "/healthz",
        "/readyz",
        "/",
        "/slack/install",
        "/slack/commands",
    ):
        for headers in forged:
            status, _ = ask(rig, path, "POST", body, {"Content-Type": "application/json", **headers})
            assert status in (401, 404, 405)
    assert rig.row("SELECT count(*) FROM inbox WHERE key LIKE '%FORGED%'") == (0,)
    assert votes(rig, number) == 0
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def test_events_wait_for_a_bot_that_is_down_and_count_once(rig: Rig) -> None:
    ballot = rig.ask_to_delete(rig.somebody())
    number = newest(rig)
    rig.kill("bot")
    rig.approve(ballot)
    rig.slack.wait_for(lambda: [one.error for one in rig.slack.acks].count("dispatch_failed") >= 2, PATIENCE)
    rig.start_bot()
    rig.wait_state(number, "succeeded")
    assert votes(rig, number) == 2
    again = "connection_failed"
    rig.slack.wait_for(lambda: any(one.acked and one.reason == again for one in rig.slack.acks), PATIENCE)
    assert votes(rig, number) == 2


def test_nothing_is_acknowledged_that_could_not_be_written_down(rig: Rig) -> None:
    ballot = rig.ask_to_delete(rig.somebody())
    number = newest(rig)
    with closing(sqlite3.connect(rig.folder / "data" / "countersign.db", timeout=30)) as books:
        books.execute("ALTER TABLE inbox RENAME TO elsewhere")
        rig.react("U0BOB", ballot)
        rig.slack.wait_for(
            lambda: any(one.attempt and one.reason == "http_error" for one in rig.slack.acks), 20
        )
        books.execute("ALTER TABLE elsewhere RENAME TO inbox")
    rig.react("U0CAROL", ballot)
    rig.wait_state(number, "succeeded")


def test_ready_says_which_part_does_not_work_and_why(rig: Rig) -> None:
    rig.wait(lambda: ready(rig)["ready"], "the gate is proven at the start")
    assert ready(rig)["parts"] == {"database": True, "worker": True, "roster": True, "gate": True}
    rig.ask_to_delete(rig.somebody())
    rig.wait(lambda: ready(rig)["ages"].get("roster"), "the roster was asked, and its age is not told")
    rig.kill("worker")
    rig.wait(lambda: not ready(rig)["ready"], "ready without a worker")
    assert "worker" in ready(rig)["why"]
    assert ask(rig, "/healthz")[0] == 200
    rig.start_worker()
    rig.wait(lambda: ready(rig)["ready"], "not ready with a worker")
