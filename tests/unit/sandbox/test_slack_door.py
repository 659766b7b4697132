"""A real Bolt app, unchanged, over Socket Mode: what a person does arrives, and what the app says is seen."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.errors import NotAllowed, NotFound
from bot.sandbox.slack.server import Slack
from tests.unit.sandbox.live_app import (
    DELETIONS,
    button,
    client_of,
    connected,
    new_app,
    slack_server,
)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server
        assert server.violations == []


def post(slack: Slack, **more: Any) -> str:
    answer = client_of(slack).chat_postMessage(**{"channel": DELETIONS, "text": "card", **more})
    return str(answer["ts"])


def test_a_command_is_acked_and_answered_where_only_that_person_looks(slack: Slack) -> None:
    app = new_app(slack)

    @app.command("/delete-records")
    def ask(ack: Any, client: Any, command: Any) -> None:
        ack()
        client.chat_postEphemeral(
            channel=command["channel_id"], user=command["user_id"], text=command["text"]
        )

    with connected(slack, app):
        alice = slack.as_user("U0ALICE")
        answer = alice.command("/delete-records", "crm customer ada@example.com — GDPR", channel=DELETIONS)
        assert answer.acked
        assert answer.latency is not None
        assert answer.latency < 3
        assert alice.wait_for_private("ada@").text == "crm customer ada@example.com — GDPR"
    assert slack.as_user("U0BOB").private() == []
    assert [(ack.kind, ack.acked) for ack in slack.acks] == [("slash_commands", True)]


def test_a_text_in_the_ack_is_shown_to_the_person_who_typed(slack: Slack) -> None:
    app = new_app(slack)
    app.command("/countersign")(lambda ack: ack("only you"))
    with connected(slack, app, links=1):
        slack.as_user("U0ALICE").command("countersign", channel=DELETIONS)
    assert [one.text for one in slack.as_user("U0ALICE").private()] == ["only you"]


def test_a_command_that_nobody_acks_is_a_timeout_for_the_person_and_not_sent_again() -> None:
    with slack_server(ack_timeout=0.3, retry_delays=(0.05,)) as slack:
        with connected(slack, new_app(slack), links=1):
            answer = slack.as_user("U0ALICE").command("/nobody-listens", channel=DELETIONS)
            with pytest.raises(TimeoutError):
                slack.wait_for(lambda: len(slack.core.deliveries) > 1, timeout=0.4)
        assert (answer.acked, answer.error) == (False, "operation_timeout")
        assert [one.code for one in slack.as_user("U0ALICE").sees().notices] == ["operation_timeout"]


def test_without_a_socket_a_command_is_a_dispatch_failure(slack: Slack) -> None:
    answer = slack.as_user("U0ALICE").command("/delete-records", channel=DELETIONS)
    assert (answer.acked, answer.error) == (False, "dispatch_failed")


def test_an_event_whose_middleware_raises_comes_again_with_the_same_event_id() -> None:
    with slack_server(ack_timeout=0.3, retry_delays=(0.05, 0.05)) as slack:
        app = new_app(slack)
        seen: list[tuple[str, str]] = []

        @app.middleware
        def inbox(body: Any, request: Any, next_: Any) -> None:
            seen.append((body["event_id"], request.headers["x-slack-retry-num"][0]))
            if len(seen) < 3:
                raise OSError("the inbox is locked")
            next_()

        app.event("reaction_added")(lambda: None)
        with connected(slack, app):
            ts = post(slack)
            slack.as_user("U0BOB").react(DELETIONS, ts, "white_check_mark")
            slack.wait_for(lambda: any(ack.acked for ack in slack.acks))
        assert [number for _, number in seen] == ["0", "1", "2"]
        assert len({event_id for event_id, _ in seen}) == 1
        assert [(ack.acked, ack.reason) for ack in slack.acks] == [
            (False, ""),
            (False, "timeout"),
            (True, "timeout"),
        ]


def test_a_duplicate_arrives_twice_with_one_event_id_and_two_envelopes(slack: Slack) -> None:
    app = new_app(slack)
    seen: list[str] = []
    app.event("reaction_added")(lambda body: seen.append(body["event_id"]))
    with connected(slack, app):
        slack.faults.redeliver_next()
        slack.as_user("U0BOB").react(DELETIONS, post(slack), "white_check_mark")
        slack.wait_for(lambda: len(slack.acks) == 2)
    assert len(set(seen)) == 1
    assert len({ack.envelope_id for ack in slack.acks}) == 2


def test_an_ack_lost_on_its_way_brings_the_event_again() -> None:
    with slack_server(ack_timeout=0.2, retry_delays=(0.05,)) as slack:
        app = new_app(slack)
        app.event("reaction_removed")(lambda: None)
        app.event("reaction_added")(lambda: None)
        with connected(slack, app):
            slack.faults.drop_acks()
            slack.as_user("U0BOB").react(DELETIONS, post(slack), "x")
            slack.wait_for(lambda: [ack.acked for ack in slack.acks] == [False, True])


def test_reactions_carry_the_message_the_author_and_the_skin_tone_but_no_thread(slack: Slack) -> None:
    app = new_app(slack)
    events: list[dict[str, Any]] = []

    def remember(event: dict[str, Any]) -> None:
        events.append(event)

    app.event("reaction_added")(remember)
    app.event("reaction_removed")(remember)
    with connected(slack, app):
        parent = post(slack)
        ballot = post(slack, thread_ts=parent)
        dan = slack.as_user("U0DAN")
        dan.react(DELETIONS, ballot, "+1::skin-tone-3")
        slack.wait_for(lambda: len(slack.acks) == 1)
        dan.unreact(DELETIONS, ballot, "+1::skin-tone-3")
        slack.wait_for(lambda: len(slack.acks) == 2)
    added, removed = sorted(events, key=lambda event: event["event_ts"])
    assert added["type"] == "reaction_added"
    assert added["reaction"] == removed["reaction"] == "+1::skin-tone-3"
    assert added["item"] == {"type": "message", "channel": DELETIONS, "ts": ballot}
    assert added["item_user"] == "U0COUNTERSIGN"
    assert "thread_ts" not in added


def test_the_apps_own_reaction_is_swallowed_by_bolt_and_another_bots_is_not(slack: Slack) -> None:
    app = new_app(slack)
    who: list[str] = []
    app.event("reaction_added")(lambda event: who.append(event["user"]))
    with connected(slack, app):
        ts = post(slack)
        client_of(slack).reactions_add(channel=DELETIONS, timestamp=ts, name="white_check_mark")
        slack.wait_for(lambda: len(slack.acks) == 1)
        slack.as_user("U0ROBOT").react(DELETIONS, ts, "white_check_mark")
        slack.wait_for(lambda: len(slack.acks) == 2)
        slack.wait_for(lambda: who == ["U0ROBOT"])


def test_a_click_brings_value_message_and_the_persons_own_team(slack: Slack) -> None:
    app = new_app(slack)
    bodies: list[dict[str, Any]] = []

    @app.action("approve")
    def approve(ack: Any, body: Any) -> None:
        bodies.append(body)
        ack()

    with connected(slack, app):
        ts = post(slack, blocks=[{"type": "actions", "elements": [button("approve", value="42:nonce")]}])
        assert slack.as_user("U0OLGA").click(DELETIONS, ts, "approve").acked
    body = bodies[0]
    assert body["actions"][0]["value"] == "42:nonce"
    assert body["message"]["ts"] == body["container"]["message_ts"] == ts
    assert (body["user"]["team_id"], body["team"]["id"]) == ("T0OTHER", "T0ACME")


def test_nobody_clicks_a_button_that_is_not_there_or_in_a_channel_they_cannot_see(slack: Slack) -> None:
    ts = post(slack, blocks=[{"type": "actions", "elements": [button("approve")]}])
    with pytest.raises(NotFound):
        slack.as_user("U0BOB").click(DELETIONS, ts, "gone")
    with pytest.raises(NotFound):
        slack.as_user("U0BOB").click(DELETIONS, ts, "approve", value="another")
    with pytest.raises(NotAllowed):
        slack.as_user("U0ZOE").click(DELETIONS, ts, "approve")
    with pytest.raises(NotAllowed):
        slack.as_user("U0BOB").command("/restore", channel="C0BOARD")


def test_what_administrators_do_is_told_as_events(slack: Slack) -> None:
    app = new_app(slack)
    names: list[str] = []
    for name in (
        "subteam_members_changed",
        "user_change",
        "channel_shared",
        "channel_unshared",
        "member_joined_channel",
        "member_left_channel",
    ):
        app.event(name)(lambda event: names.append(event["type"]))
    with connected(slack, app):
        slack.admin.change_group("S0DBA", ["U0DAN", "U0FRANK"])
        slack.admin.change_user("U0DAN", deleted=True)
        slack.admin.share(DELETIONS)
        slack.admin.share(DELETIONS, shared=False)
        slack.admin.join("U0FRANK", DELETIONS)
        slack.admin.leave("U0FRANK", DELETIONS)
        slack.wait_for(lambda: len(slack.acks) == 6)
        slack.wait_for(lambda: len(names) == 6)
    assert len(set(names)) == 6


def test_a_deactivated_guest_and_foreign_account_look_as_slack_shows_them(slack: Slack) -> None:
    client = client_of(slack)
    users = {
        user: client.users_info(user=user, include_locale=True)["user"]
        for user in ("U0ZOE", "U0GUS", "U0OLGA", "U0ROBOT", "U0FRANK")
    }
    assert users["U0ZOE"]["deleted"]
    assert "is_restricted" not in users["U0ZOE"]
    assert users["U0GUS"]["is_restricted"]
    assert users["U0OLGA"]["team_id"] == "T0OTHER"
    assert users["U0ROBOT"]["is_bot"]
    assert users["U0FRANK"]["locale"] == "zh-CN"
    assert "locale" not in client.users_info(user="U0FRANK")["user"]
    assert "U0OLGA" not in {user["id"] for user in client.users_list()["members"]}
    assert client.usergroups_users_list(usergroup="S0DBA")["users"] == ["U0BOB", "U0DAN"]
