"""The Web API as slack_sdk meets it: what is refused, with Slack's own code, and what is remembered."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack.payloads import response_url
from bot.sandbox.slack.server import Slack
from tests.unit.sandbox.live_app import DELETIONS, client_of, section, slack_server


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


def code_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except SlackApiError as error:
        return str(error.response["error"])
    return "ok"


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a channel that does not exist": (
        "chat.postMessage",
        {"channel": "C0NOWHERE", "text": "t"},
        "channel_not_found",
    ),
    "a private channel without the app": (
        "chat.postMessage",
        {"channel": "C0BOARD", "text": "t"},
        "channel_not_found",
    ),
    "a public channel without the app": (
        "chat.postMessage",
        {"channel": "C0GENERAL", "text": "t"},
        "not_in_channel",
    ),
    "nothing to say": ("chat.postMessage", {"channel": DELETIONS}, "no_text"),
    "a thread that does not exist": (
        "chat.postMessage",
        {"channel": DELETIONS, "text": "t", "thread_ts": "1.000001"},
        "cannot_reply_to_message",
    ),
    "a direct message to someone gone": ("conversations.open", {"users": "U0ZOE"}, "user_disabled"),
    "a direct message to a robot": ("chat.postMessage", {"channel": "U0ROBOT", "text": "t"}, "cannot_dm_bot"),
    "an ephemeral for someone not in the channel": (
        "chat.postEphemeral",
        {"channel": DELETIONS, "user": "U0ZOE", "text": "t"},
        "user_not_in_channel",
    ),
    "an update of nothing": (
        "chat.update",
        {"channel": DELETIONS, "ts": "1.0", "text": "t"},
        "message_not_found",
    ),
    "a reaction on nothing": (
        "reactions.add",
        {"channel": DELETIONS, "timestamp": "1.000001", "name": "x"},
        "message_not_found",
    ),
    "a reaction at no time": ("reactions.get", {"channel": DELETIONS, "timestamp": "now"}, "bad_timestamp"),
    "a reaction on no item": ("reactions.get", {}, "no_item_specified"),
    "a person who does not exist": ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
    "a group that does not exist": ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam"),
    "a thread of nothing": ("conversations.replies", {"channel": DELETIONS, "ts": "1.0"}, "thread_not_found"),
    "a cursor of nowhere": ("users.list", {"cursor": "bm93aGVyZQ=="}, "invalid_cursor"),
    "a form without a trigger": (
        "views.open",
        {
            "trigger_id": "1.2",
            "view": '{"type":"modal","title":{"type":"plain_text","text":"T"},"blocks":[]}',
        },
        "invalid_trigger_id",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_is_refused(slack: Slack, name: str) -> None:
    method, arguments, expected = REFUSALS[name]
    assert code_of(lambda: client_of(slack).api_call(method, params=arguments)) == expected
    assert slack.violations == []


def test_an_unknown_method_or_argument_is_an_error_and_is_written_down(slack: Slack) -> None:
    client = client_of(slack)
    assert code_of(lambda: client.api_call("chat.postMassage")) == "unknown_method"
    assert (
        code_of(lambda: client.chat_postMessage(channel=DELETIONS, text="t", colour="red"))
        == "invalid_arguments"
    )
    assert code_of(lambda: client.api_call("chat.delete", json={"channel": DELETIONS})) == "invalid_arguments"
    assert code_of(lambda: client.users_info(user="U0BOB", team_id="T0ACME")) == "ok"
    assert slack.violations == [
        "chat.postMassage: no such method in this Slack",
        "chat.postMessage: argument colour is not documented",
        "chat.delete: argument ts is missing",
    ]


def test_tokens_and_scopes_open_only_their_own_doors() -> None:
    with slack_server(core_scopes=frozenset({"chat:write", "channels:read"})) as slack:
        bot = client_of(slack)
        assert code_of(lambda: WebClient("xoxb-wrong", base_url=slack.api_url).auth_test()) == "invalid_auth"
        assert code_of(lambda: WebClient(base_url=slack.api_url).auth_test()) == "not_authed"
        assert (
            code_of(lambda: bot.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
        )
        assert code_of(lambda: bot.users_info(user="U0BOB")) == "missing_scope"
        assert code_of(lambda: bot.conversations_history(channel=DELETIONS)) == "missing_scope"
        assert code_of(lambda: bot.conversations_info(channel=DELETIONS)) == "ok"
        assert code_of(lambda: bot.conversations_info(channel=bot_direct(slack))) == "missing_scope"


def bot_direct(slack: Slack) -> str:
    return str(slack.core.workspace.direct("U0ALICE").id)


def test_an_archived_channel_takes_nothing(slack: Slack) -> None:
    slack.admin.archive(DELETIONS)
    assert code_of(lambda: client_of(slack).chat_postMessage(channel=DELETIONS, text="t")) == "is_archived"


def test_reactions_are_counted_once_and_listed_in_full_only_when_asked(slack: Slack) -> None:
    slack.core.reaction_preview = 1
    client = client_of(slack)
    ts = client.chat_postMessage(channel=DELETIONS, text="ballot")["ts"]
    vote = {"channel": DELETIONS, "timestamp": ts, "name": "white_check_mark"}
    assert code_of(lambda: client.reactions_add(**vote)) == "ok"
    assert code_of(lambda: client.reactions_add(**vote)) == "already_reacted"
    slack.as_user("U0BOB").react(DELETIONS, ts, "white_check_mark")
    brief = client.reactions_get(channel=DELETIONS, timestamp=ts)["message"]["reactions"]
    full = client.reactions_get(channel=DELETIONS, timestamp=ts, full=True)["message"]["reactions"]
    assert brief == [{"name": "white_check_mark", "users": ["U0COUNTERSIGN"], "count": 2}]
    assert full == [{"name": "white_check_mark", "users": ["U0COUNTERSIGN", "U0BOB"], "count": 2}]
    assert code_of(lambda: client.reactions_remove(**vote)) == "ok"
    assert code_of(lambda: client.reactions_remove(**vote)) == "no_reaction"


def test_only_own_messages_are_changed_and_a_deleted_one_is_gone(slack: Slack) -> None:
    client = client_of(slack)
    hers = slack.as_user("U0ALICE").say(DELETIONS, "mine").ts
    assert (
        code_of(lambda: client.chat_update(channel=DELETIONS, ts=hers, text="ours")) == "cant_update_message"
    )
    assert code_of(lambda: client.chat_delete(channel=DELETIONS, ts=hers)) == "cant_delete_message"
    own = client.chat_postMessage(channel=DELETIONS, text="t", blocks=[section("b")])["ts"]
    assert "blocks" not in client.chat_update(channel=DELETIONS, ts=own, text="only text")["message"]
    client.chat_delete(channel=DELETIONS, ts=own)
    assert code_of(lambda: client.reactions_get(channel=DELETIONS, timestamp=own)) == "message_not_found"


def test_an_ephemeral_cannot_be_changed_or_found_again(slack: Slack) -> None:
    client = client_of(slack)
    ts = client.chat_postEphemeral(channel=DELETIONS, user="U0GUS", text="psst")["message_ts"]
    assert code_of(lambda: client.chat_update(channel=DELETIONS, ts=ts, text="t")) == "message_not_found"
    assert client.conversations_history(channel=DELETIONS)["messages"] == []
    assert [one.text for one in slack.as_user("U0GUS").sees().ephemerals] == ["psst"]


def test_threads_metadata_and_pages(slack: Slack) -> None:
    client = client_of(slack)
    metadata = {"event_type": "request", "event_payload": {"subject": "card:42"}}
    parent = client.chat_postMessage(channel=DELETIONS, text="card", metadata=metadata)["ts"]
    for number in range(3):
        broadcast = number == 2
        client.chat_postMessage(
            channel=DELETIONS, text=str(number), thread_ts=parent, reply_broadcast=broadcast
        )
    bare = client.conversations_replies(channel=DELETIONS, ts=parent, limit=2)
    assert [one["text"] for one in bare["messages"]] == ["card", "0"]
    assert "metadata" not in bare["messages"][0]
    rest = client.conversations_replies(
        channel=DELETIONS, ts=parent, limit=2, cursor=bare["response_metadata"]["next_cursor"]
    )
    assert [one["text"] for one in rest["messages"]] == ["1", "2"]
    assert not rest["has_more"]
    told = client.conversations_replies(channel=DELETIONS, ts=parent, include_all_metadata=True)
    assert told["messages"][0]["metadata"] == metadata
    assert told["messages"][0]["reply_count"] == 3
    history = client.conversations_history(channel=DELETIONS)["messages"]
    assert [(one["text"], one.get("subtype")) for one in history] == [
        ("2", "thread_broadcast"),
        ("card", None),
    ]


def test_a_permalink_names_channel_and_thread(slack: Slack) -> None:
    client = client_of(slack)
    parent = client.chat_postMessage(channel=DELETIONS, text="card")["ts"]
    reply = client.chat_postMessage(channel=DELETIONS, text="r", thread_ts=parent)["ts"]
    link = client.chat_getPermalink(channel=DELETIONS, message_ts=reply)["permalink"]
    address = f"https://acme.slack.com/archives/{DELETIONS}/p{reply.replace('.', '')}"
    assert link == f"{address}?thread_ts={parent}&cid={DELETIONS}"


def test_a_file_is_uploaded_and_shared(slack: Slack) -> None:
    client_of(slack).files_upload_v2(
        channel=DELETIONS, filename="certificate.json", content="{}", title="Certificate"
    )
    shown = slack.as_user("U0ALICE").sees().channels[DELETIONS]
    assert shown[0].files[0]["title"] == "Certificate"
    assert next(iter(slack.core.workspace.files.values()))["content"]


def test_members_and_groups_and_channels_as_the_roster_asks_for_them(slack: Slack) -> None:
    client = client_of(slack)
    assert "U0ALICE" in client.conversations_members(channel=DELETIONS)["members"]
    info = client.conversations_info(channel=DELETIONS)["channel"]
    assert (info["is_member"], info["is_ext_shared"], info["is_private"]) == (True, False, False)
    groups = client.usergroups_list(include_users=True)["usergroups"]
    assert {group["id"]: group["users"] for group in groups} == {
        "S0DBA": ["U0BOB", "U0DAN"],
        "S0ONCALL": ["U0ERIN"],
    }
    assert client.auth_test()["user_id"] == "U0COUNTERSIGN"


def test_a_response_url_answers_five_times_and_replaces_its_message(slack: Slack) -> None:
    def send(address: str, body: dict[str, Any]) -> dict[str, Any]:
        request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=5) as answer:
            read: dict[str, Any] = json.load(answer)
        return read

    ts = client_of(slack).chat_postEphemeral(channel=DELETIONS, user="U0BOB", text="why?")["message_ts"]
    address = response_url(slack.core, "U0BOB", DELETIONS, ts)
    assert send(address, {"text": "thanks", "replace_original": True}) == {"ok": True}
    assert [one.text for one in slack.as_user("U0BOB").private()] == ["thanks"]
    for _ in range(4):
        assert send(address, {"text": "more"}) == {"ok": True}
    assert send(address, {"text": "too much"}) == {"ok": False, "error": "used_url"}


def test_a_deleted_file_stays_as_a_tombstone_and_is_gone_only_once(slack: Slack) -> None:
    client = client_of(slack)
    client.files_upload_v2(channel=DELETIONS, filename="plan.txt", content="all of it", title="Plan")
    (file,) = slack.core.workspace.files
    assert client.files_delete(file=file)["ok"]
    shown = slack.as_user("U0ALICE").sees().channels[DELETIONS]
    assert shown[0].files == [{"id": file, "mode": "tombstone"}]
    assert "content" not in slack.core.workspace.files[file]
    assert code_of(lambda: client.files_delete(file=file)) == "file_deleted"
    assert code_of(lambda: client.files_delete(file="F0NOBODY")) == "file_not_found"
    shared: list[dict[str, str | None]] = [{"id": file, "title": "again"}]
    assert (
        code_of(partial(client.files_completeUploadExternal, files=shared, channel_id=DELETIONS))
        == "file_not_found"
    )
