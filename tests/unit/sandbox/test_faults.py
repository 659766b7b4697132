"""The faults that tests switch on: each does what it says, once, and the app can recover."""

import time
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler

from bot.sandbox.slack.core import Happening
from tests.unit.sandbox.live_app import DELETIONS, button, client_of, connected, new_app, slack_server


def test_a_rate_limit_is_http_429_with_a_delay_and_then_over() -> None:
    with slack_server() as slack:
        slack.faults.rate_limit("chat.postMessage", retry_after=7)
        with pytest.raises(SlackApiError) as refusal:
            client_of(slack).chat_postMessage(channel=DELETIONS, text="t")
        assert refusal.value.response.status_code == 429
        assert refusal.value.response.headers["Retry-After"] == "7"
        assert client_of(slack).chat_postMessage(channel=DELETIONS, text="t")["ok"]
        assert len(slack.as_user("U0BOB").sees().channels[DELETIONS]) == 1


def test_an_error_on_order_changes_nothing() -> None:
    with slack_server() as slack:
        slack.faults.fail_next("chat.postMessage", "internal_error")
        with pytest.raises(SlackApiError):
            client_of(slack).chat_postMessage(channel=DELETIONS, text="t")
        assert slack.as_user("U0BOB").sees().channels[DELETIONS] == []


def test_a_lost_answer_is_done_all_the_same_so_that_a_retry_posts_twice() -> None:
    with slack_server() as slack:
        slack.faults.lose_answer_next("chat.postMessage")
        with pytest.raises((URLError, ConnectionError)):
            client_of(slack).chat_postMessage(channel=DELETIONS, text="once")
        assert len(slack.as_user("U0BOB").sees().channels[DELETIONS]) == 1
        slack.faults.lose_answer_next("chat.postMessage")
        WebClient(
            slack.bot_token, base_url=slack.api_url, retry_handlers=[ConnectionErrorRetryHandler()]
        ).chat_postMessage(channel=DELETIONS, text="twice")
        texts = [one.text for one in slack.as_user("U0BOB").sees().channels[DELETIONS]]
        assert texts == ["once", "twice", "twice"]


def test_what_is_still_to_go_wrong_is_counted_and_can_be_called_off() -> None:
    with slack_server() as slack:
        slack.faults.rate_limit("chat.postMessage", times=5)
        slack.faults.lose_answer_next("chat.update", times=3)
        slack.faults.redeliver_next(10)
        slack.faults.drop_acks(2)
        assert slack.faults.left() == {"limited": 5, "unanswered": 3, "doubled": 10, "unheard": 2}
        with pytest.raises(SlackApiError):
            client_of(slack).chat_postMessage(channel=DELETIONS, text="later")
        assert slack.faults.left()["limited"] == 4
        slack.faults.calm()
        assert not any(slack.faults.left().values())
        client_of(slack).chat_postMessage(channel=DELETIONS, text="now")


def test_a_late_answer_is_late_but_its_effect_is_not() -> None:
    with slack_server() as slack:
        slack.faults.delay("chat.postMessage", 0.3)
        began = time.monotonic()
        client_of(slack).chat_postMessage(channel=DELETIONS, text="t")
        assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("refuse", [True, False], ids=["connections refused", "HTTP 503"])
def test_when_slack_is_down_and_comes_back_the_app_finds_its_way(refuse: bool) -> None:
    with slack_server(retry_delays=(0.1, 0.1, 0.1)) as slack:
        app = new_app(slack)
        app.command("/ping")(lambda ack: ack("pong"))
        with connected(slack, app):
            slack.faults.down(refuse=refuse)
            with pytest.raises((URLError, SlackApiError)):
                client_of(slack).auth_test()
            assert slack.as_user("U0BOB").command("/ping", channel=DELETIONS).error == "dispatch_failed"
            slack.faults.up()
            slack.wait_for_links(2, timeout=15)
            assert slack.as_user("U0BOB").command("/ping", channel=DELETIONS).acked


def test_after_a_refresh_request_a_click_still_arrives_over_the_other_or_the_new_link() -> None:
    with slack_server() as slack:
        app = new_app(slack)
        clicks: list[str] = []

        @app.action("approve")
        def approve(ack: Any, body: Any) -> None:
            ack()
            clicks.append(body["user"]["id"])

        with connected(slack, app):
            blocks = [{"type": "actions", "elements": [button("approve")]}]
            ts = client_of(slack).chat_postMessage(channel=DELETIONS, text="t", blocks=blocks)["ts"]
            slack.faults.disconnect()
            slack.wait_for(lambda: any(link.number > 2 for link in slack.links.open), timeout=15)
            assert slack.as_user("U0BOB").click(DELETIONS, ts, "approve").acked
            slack.wait_for(lambda: [link.number > 2 for link in slack.links.open] == [True, True], timeout=15)
        slack.wait_for(lambda: clicks == ["U0BOB"])


def test_a_link_address_is_good_for_one_connection() -> None:
    with slack_server() as slack:
        app = new_app(slack)
        with connected(slack, app, links=1):
            assert slack.links.count == 1
        url = client_of(slack).apps_connections_open(app_token=slack.app_token)["url"]
        assert url.startswith(f"ws://127.0.0.1:{slack.port}/link/?ticket=")


def test_the_feed_tells_onlookers_in_order_and_survives_a_broken_one() -> None:
    with slack_server() as slack:
        kinds: list[str] = []

        def broken(one: Happening) -> None:
            raise KeyError(one.kind)

        slack.subscribe(lambda one: kinds.append(one.kind))
        slack.subscribe(broken)
        client = client_of(slack)
        ts = client.chat_postMessage(channel=DELETIONS, text="t")["ts"]
        client.chat_update(channel=DELETIONS, ts=ts, text="u")
        slack.as_user("U0BOB").react(DELETIONS, ts, "x")
        client.chat_postEphemeral(channel=DELETIONS, user="U0BOB", text="e")
        client.chat_delete(channel=DELETIONS, ts=ts)
        assert kinds == ["posted", "updated", "reacted", "ephemeral", "deleted"]
        assert len(slack.violations) == 5
        assert slack.violations[0].startswith("subscriber: KeyError")


def test_waiting_has_an_end_and_says_what_happened_lately() -> None:
    with slack_server() as slack:
        client_of(slack).chat_postMessage(channel=DELETIONS, text="t")
        with pytest.raises(TimeoutError, match="posted C0DELETIONS U0COUNTERSIGN"):
            slack.wait_for(lambda: False, timeout=0.05)


def test_two_servers_at_one_port_do_not_start() -> None:
    with (
        slack_server() as first,
        pytest.raises(OSError, match="address already in use"),
        slack_server(port=first.port),
    ):
        pass


def test_what_happens_while_the_app_cannot_be_reached_is_told_when_it_can() -> None:
    with slack_server(retry_delays=(0.2,) * 50) as slack:
        app = new_app(slack)
        app.event("reaction_added")(lambda: None)
        ts = client_of(slack).chat_postMessage(channel=DELETIONS, text="t")["ts"]
        with connected(slack, app):
            slack.faults.down()
            slack.as_user("U0BOB").react(DELETIONS, ts, "x")
            slack.wait_for(lambda: [ack.error for ack in slack.acks][:1] == ["dispatch_failed"])
            slack.faults.up()
            slack.wait_for(lambda: any(ack.acked for ack in slack.acks), timeout=15)
            slack.wait_for_links(2, timeout=15)
        assert {ack.event_id for ack in slack.acks} == {slack.acks[0].event_id}
        assert slack.acks[-1].reason == "connection_failed"
