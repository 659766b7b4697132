"""The page's server itself: what it serves, to whom, and what it never says."""

import gc
import json
import socket
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox.home import Home
from bot.sandbox.page.guard import HEADERS
from bot.sandbox.page.server import Page
from bot.sandbox.page.show import Show
from bot.sandbox.people import DELETIONS, GENERAL, PRIVATE, seeded
from bot.sandbox.slack.server import Slack

NAMES = ["127.0.0.1", "localhost"]


@pytest.fixture
def slack() -> Iterator[Slack]:
    """A Slack that nobody listens to, so that every delivery fails at once."""
    with Slack(seeded(), ack_timeout=0.2) as running:
        yield running


@pytest.fixture
def page(slack: Slack, tmp_path: Path) -> Iterator[Page]:
    with Page(Show(slack, Home(tmp_path), lambda: None)) as running:
        yield running


def test_what_is_never_started_leaves_nothing_open(tmp_path: Path) -> None:
    """Its rubbish would be found, and blamed on, whichever test runs when it is looked for."""
    gc.collect()
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        Page(Show(Slack(seeded()), Home(tmp_path), lambda: None))
        gc.collect()
    assert [str(one.message) for one in left] == []


def ask(page: Page, path: str, body: Any = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    usual = {"Host": f"127.0.0.1:{page.port}"}
    if body is not None:
        usual |= {"Origin": f"http://127.0.0.1:{page.port}", "Content-Type": "application/json"}
    sent = {name: value for name, value in {**usual, **headers}.items() if value}
    text = body if isinstance(body, str) else json.dumps(body)
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=10)) as connection:
        connection.request("GET" if body is None else "POST", path, None if body is None else text, sent)
        answer = connection.getresponse()
        return answer, answer.read()


def act(page: Page, **what: Any) -> dict[str, Any]:
    answer, body = ask(page, "/act", what)
    assert answer.status == 200
    found: dict[str, Any] = json.loads(body)
    return found


def screen(page: Page, who: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(page, f"/screen?as={who}")[1])
    return found


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/static/page.css", "/static/icon.svg", "/words", "/screen?as=U0ALICE", "/nothing", "/static/../server.py"])  # fmt: skip
def test_everything_carries_the_policy_also_what_is_not_there(page: Page, path: str) -> None:
    answer, _ = ask(page, path)
    assert answer.status == (404 if "noth" in path or ".." in path else 200)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/", None, {"Host": "evil.example"}),
        ("/screen?as=U0ALICE", None, {"Host": "evil.example:80"}),
        ("/changes", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
        ("/act", {"do": "trouble", "kind": "kill"}, {"Origin": "http://evil.example"}),
        ("/act", {"do": "trouble", "kind": "kill"}, {"Origin": ""}),
        ("/act", {"do": "trouble", "kind": "kill"}, {"Content-Type": "text/plain"}),
    ],
)
def test_a_stranger_is_refused(page: Page, path: str, body: Any, headers: dict[str, str]) -> None:
    answer, text = ask(page, path, body, **headers)
    assert (answer.status, text.startswith(b"Refused: ")) == (403, True)


def test_it_listens_on_the_loopback_alone(page: Page) -> None:
    own = socket.gethostbyname_ex(socket.gethostname())[2]
    for address in (one for one in own if not one.startswith("127.")):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, page.port), timeout=2)


def test_nobody_is_told_a_token(page: Page, slack: Slack) -> None:
    said = b"".join(ask(page, path)[1] for path in ("/", "/words", "/screen?as=U0ALICE"))
    for token in (slack.bot_token, slack.app_token, *slack.environment().values()):
        assert token.encode() not in said


def test_each_person_sees_only_their_own_rooms(page: Page) -> None:
    rooms = {
        who: [room["id"] for room in screen(page, who)["rooms"]] for who in ("U0ALICE", "U0CAROL", "U0GUS")
    }
    assert rooms["U0ALICE"] == [DELETIONS, GENERAL, "D0ALICE"]
    assert PRIVATE in rooms["U0CAROL"]
    assert "D0ALICE" not in rooms["U0CAROL"] + rooms["U0GUS"]
    assert ask(page, "/screen?as=U0NOBODY")[0].status == 404


def test_what_is_typed_is_escaped_as_slack_does_it(page: Page) -> None:
    assert act(page, **{"as": "U0ALICE", "do": "say", "room": GENERAL, "text": "<!channel> & <b>"}) == {
        "ok": True
    }
    (message,) = screen(page, "U0BOB")["messages"][GENERAL]
    assert message["text"] == "&lt;!channel&gt; &amp; &lt;b&gt;"


def test_marks_are_kept_for_each_person(page: Page) -> None:
    act(page, **{"as": "U0ALICE", "do": "say", "room": GENERAL, "text": "hello"})
    unread = {who: screen(page, who)["rooms"][1]["unread"] for who in ("U0ALICE", "U0BOB", "U0ERIN")}
    assert unread == {"U0ALICE": 0, "U0BOB": 1, "U0ERIN": 1}
    newest = screen(page, "U0BOB")["messages"][GENERAL][-1]["ts"]
    act(page, **{"as": "U0BOB", "do": "read", "room": GENERAL, "ts": newest})
    assert [screen(page, who)["rooms"][1]["unread"] for who in ("U0BOB", "U0ERIN")] == [0, 1]


WRONG = [
    ("not JSON", "{"),
    ("not an object", "[1]"),
    ("nothing", {}),
    ("an act of another program", {"as": "U0ALICE", "do": "__init__"}),
    ("by nobody", {"as": "U0NOBODY", "do": "home"}),
    ("a number for a name", {"as": 7, "do": "home"}),
    ("a text without end", {"as": "U0ALICE", "do": "say", "room": GENERAL, "text": "x" * 20_000}),
    ("an empty text", {"as": "U0ALICE", "do": "say", "room": GENERAL, "text": "  "}),
    ("a room one is not in", {"as": "U0ALICE", "do": "say", "room": PRIVATE, "text": "hi"}),
    ("a message that is not there", {"as": "U0ALICE", "do": "react", "room": GENERAL, "ts": "1.0", "name": "x"}),
    ("a form that is not there", {"as": "U0ALICE", "do": "submit", "view": "V1", "values": {}}),
    ("values that are none", {"as": "U0ALICE", "do": "submit", "view": "V1", "values": 3}),
    ("a trouble that is not known", {"do": "trouble", "kind": "fire"}),
    ("no worker to kill", {"do": "trouble", "kind": "kill"}),
]  # fmt: skip


@pytest.mark.parametrize("body", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_cannot_be_done_gets_one_sentence_and_changes_nothing(
    page: Page, slack: Slack, body: Any
) -> None:
    answer, text = ask(page, "/act", body)
    told = json.loads(text)
    assert answer.status == 200
    assert told["ok"] is False
    assert told["problem"].endswith(".")
    assert slack.core.workspace.messages == {}


def test_a_body_without_end_is_refused(page: Page) -> None:
    answer, _ = ask(page, "/act", json.dumps({"do": "say", "text": "x" * 3_000_000}))
    assert answer.status == 413


def test_a_command_that_nobody_hears_is_told_by_slack_itself(page: Page) -> None:
    assert act(
        page, **{"as": "U0ALICE", "do": "command", "room": DELETIONS, "name": "/restore", "text": ""}
    ) == {"ok": False}
    (notice,) = screen(page, "U0ALICE")["notices"]
    assert notice["code"] in ("dispatch_failed", "operation_timeout")
    assert screen(page, "U0BOB")["notices"] == []


def test_the_stream_tells_of_every_change(page: Page, slack: Slack) -> None:
    with urllib.request.urlopen(f"{page.address}changes", timeout=10) as stream:
        assert stream.readline() == b"data: 0\n"
        threading.Timer(0.05, lambda: slack.as_user("U0BOB").say(GENERAL, "hello")).start()
        assert stream.readline() == b"\n"
        assert stream.readline() == b"data: 1\n"


def test_it_ends_while_somebody_still_listens(slack: Slack, tmp_path: Path) -> None:
    page = Page(Show(slack, Home(tmp_path), lambda: None))
    page.start()
    with urllib.request.urlopen(f"{page.address}changes", timeout=10) as stream:
        assert stream.readline() == b"data: 0\n"
        page.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.address, timeout=2)


def test_a_shared_file_is_text_for_whoever_sees_its_message_and_for_nobody_once_it_is_deleted(
    page: Page, slack: Slack
) -> None:
    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    direct = client.conversations_open(users="U0CAROL")["channel"]["id"]
    client.files_upload_v2(channel=direct, filename="plan.txt", content="<script>1</script> 客户")
    (file,) = slack.core.workspace.files
    for who, status in (("U0CAROL", 200), ("U0ALICE", 404), ("U0NOBODY", 404)):
        assert ask(page, f"/shared/{file}?as={who}")[0].status == status
    answer, body = ask(page, f"/shared/{file}?as=U0CAROL")
    assert body.decode() == "<script>1</script> 客户"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert ask(page, "/shared/F0NOBODY?as=U0CAROL")[0].status == 404
    client.files_delete(file=file)
    assert ask(page, f"/shared/{file}?as=U0CAROL")[0].status == 404
