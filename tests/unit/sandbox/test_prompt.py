"""The prompt of the sandbox: everything a person can do in Slack can be typed, and nothing typed breaks it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.cells import cell_len
from rich.console import Console

from bot.sandbox.prompt import Prompt
from bot.sandbox.slack.server import Slack
from bot.sandbox.stage import Stage
from bot.texts import say
from tests.unit.sandbox.live_app import (
    DELETIONS,
    button,
    connected,
    field,
    modal,
    new_app,
    section,
    slack_server,
)


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    """A Slack with an app that asks, shows a ballot, opens a form and answers privately."""
    with slack_server() as server:
        app = new_app(server)

        @app.command("/delete-records")
        def ask(ack: Any, command: Any, client: Any) -> None:
            ack()
            if not command.get("text"):
                client.views_open(trigger_id=command["trigger_id"], view=modal(field("reason")))
                return
            blocks = [section("do you agree?"), {"type": "actions", "elements": [button("yes", "Approve…")]}]
            posted = client.chat_postMessage(channel=DELETIONS, text="card", blocks=blocks)
            client.reactions_add(channel=DELETIONS, timestamp=posted["ts"], name="white_check_mark")

        @app.action("yes")
        def clicked(ack: Any, body: Any, client: Any) -> None:
            ack()
            whisper(client, body["user"]["id"], "your click counts")

        @app.action("why")
        def private_click(ack: Any, body: Any, client: Any) -> None:
            ack()
            whisper(client, body["user"]["id"], "heard in private")

        @app.view("form")
        def submitted(ack: Any, body: Any, client: Any, view: Any) -> None:
            if view["state"]["values"]["reason"]["typed"]["value"] == "bad":
                ack(response_action="errors", errors={"reason": "Say more."})
                return
            ack()
            whisper(client, body["user"]["id"], "form received")

        @app.view_closed("form")
        def closed(ack: Any) -> None:
            ack()

        @app.event("reaction_added")
        def added(event: Any, client: Any) -> None:
            whisper(client, event["user"], "reaction seen")

        @app.event("reaction_removed")
        def removed(event: Any, client: Any) -> None:
            whisper(client, event["user"], "reaction gone")

        with connected(server, app, 1):
            yield server


def whisper(client: Any, user: str, text: str) -> None:
    blocks = [section(text), {"type": "actions", "elements": [button("why", "Add a reason")]}]
    client.chat_postEphemeral(channel=DELETIONS, user=user, text=text, blocks=blocks)


def newest_has_a_ballot(slack: Slack) -> bool:
    room = slack.core.workspace.messages[DELETIONS]
    return "white_check_mark" in room[max(room)].reactions


def typed(slack: Slack, *lines: str) -> str:
    """What the terminal shows when these lines are typed."""
    console = Console(width=100, record=True, color_system=None)
    waiting = iter(lines)

    def read(_prompt: str) -> str:
        line = next(waiting, None)
        if line is None:
            raise EOFError
        if " react" in line:
            slack.wait_for(lambda: newest_has_a_ballot(slack))
        return line

    Prompt(
        cast("Stage", SimpleNamespace(slack=slack, home=SimpleNamespace(address="http://x/"), phones=None)),
        console,
        read,
        quiet_for=0.1,
    ).run()
    return console.export_text()


ASKED = "alice /delete-records crm customer 1 -- why"

ROUNDS = {
    "a command shows its message": ((ASKED,), "do you agree?"),
    "a reaction gets its answer": ((ASKED, "bob react ✅"), "reaction seen"),
    "a phone where there is none": (("bob code",), "Nobody has a phone here"),
    "a reaction is taken away": ((ASKED, "bob react yes", "bob unreact ✅"), "reaction gone"),
    "a button by the beginning of its name": ((ASKED, "carol press approve"), "your click counts"),
    "a button of a private answer": ((ASKED, "carol press approve", "carol press add"), "heard in private"),
    "a form shows what it offers": (("/delete-records", "close"), "[ Send ]"),
    "a filled form is submitted": (
        ("/delete-records", "fill reason it is two", "press send"),
        "form received",
    ),
    "what is filled in is seen": (("/delete-records", "fill reason it is two", "close"), "[ it is two ]"),
    "a complaint stays beside the field": (
        ("/delete-records", "fill reason bad", "press send", "close"),
        "reason: Say more.",
    ),
    "an empty field": (("/delete-records", "press send", "close"), "reason: Please complete"),
    "a name with a sign after it": (("bob>", "look", "carol: look"), "quit"),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_what_can_be_typed(slack: Slack, name: str) -> None:
    lines, expected = ROUNDS[name]
    shown = typed(slack, *lines)
    assert expected in shown
    assert "Nothing has come" not in shown


SLIPS = {
    "an open quote": ('press "', 'no button “"”'),
    "no button named": ("press", "no button “”"),
    "a button that is not there": ("press launch", "no button “launch”"),
    "a field without a form": ("fill reason x", "No form is open"),
    "closing nothing": ("close", "No form is open"),
    "a command of nobody": ("mallory /delete-records", "Go on yourself"),
    "a word of nobody": ("dance", "Go on yourself"),
    "a robot": ("robot look", "Go on yourself"),
    "an emoji that Slack does not have": ("bob react !!!", "Slack refuses that"),
    "taking away what is not there": ("dan unreact ❌", "Slack refuses that"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_gets_a_sentence_and_the_prompt_goes_on(slack: Slack, name: str) -> None:
    line, expected = SLIPS[name]
    shown = typed(slack, ASKED, line, "carol press approve")
    assert expected in " ".join(shown.split())
    assert "your click counts" in shown


def test_a_slip_in_a_form_leaves_it_open(slack: Slack) -> None:
    shown = typed(
        slack, "/delete-records", "fill values x", "press approve", "fill reason fine", "press send"
    )
    assert "no field “values”" in shown
    assert "no button “approve”" in shown
    assert "form received" in shown


def test_the_help_fits_a_small_terminal() -> None:
    people = "alice, bob, dan, carol, erin, frank, gus, olga"
    address = "http://127.0.0.1:65535/"
    assert max(map(cell_len, say("prompt.help", people=people, address=address).splitlines())) < 80
