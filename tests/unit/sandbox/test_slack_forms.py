"""Forms, shortcuts and the Home tab, through a real Bolt app."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.errors import NotFound
from bot.sandbox.slack.server import Slack
from tests.unit.sandbox.live_app import (
    DELETIONS,
    button,
    client_of,
    connected,
    field,
    modal,
    new_app,
    section,
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


def test_a_form_is_filled_complained_about_corrected_and_closed(slack: Slack) -> None:
    app = new_app(slack)
    reasons: list[str] = []

    @app.action("deny")
    def deny(ack: Any, client: Any, body: Any) -> None:
        ack()
        client.views_open(
            trigger_id=body["trigger_id"], view=modal(field("reason", min_length=3), title="Deny")
        )

    @app.view("form")
    def submitted(ack: Any, view: Any) -> None:
        reason = view["state"]["values"]["reason"]["typed"]["value"]
        if reason == "because":
            ack(response_action="errors", errors={"reason": "Say why."})
            return
        reasons.append(reason)
        ack()

    with connected(slack, app):
        bob = slack.as_user("U0BOB")
        ts = post(slack, blocks=[{"type": "actions", "elements": [button("deny")]}])
        bob.click(DELETIONS, ts, "deny")
        view = bob.wait_for_view("Deny")
        assert bob.submit(view.id).errors == {"reason": "Please complete this required field."}
        assert bob.submit(view.id, {"reason": "no"}).errors == {
            "reason": "Please enter 3 to 3000 characters."
        }
        assert bob.submit(view.id, {"typed": "because"}).errors == {"reason": "Say why."}
        assert [one.id for one in bob.sees().views] == [view.id]
        assert bob.submit(view.id, {"reason": "wrong customer"}).errors == {}
        assert bob.sees().views == []
        with pytest.raises(NotFound):
            bob.submit(view.id, {"reason": "again"})
    assert reasons == ["wrong customer"]


def test_closing_a_form_is_told_and_a_message_shortcut_knows_its_message(slack: Slack) -> None:
    app = new_app(slack)
    heard: list[str] = []

    @app.shortcut("restore_this")
    def shortcut(ack: Any, client: Any, body: Any) -> None:
        ack()
        heard.append(body["message"]["text"])
        client.views_open(trigger_id=body["trigger_id"], view=modal(section("sure?")))

    @app.view_closed("form")
    def closed(ack: Any, view: Any) -> None:
        ack()
        heard.append(view["callback_id"])

    with connected(slack, app):
        erin = slack.as_user("U0ERIN")
        erin.shortcut("restore_this", DELETIONS, post(slack, text="receipt"))
        view = erin.wait_for_view()
        answer = erin.close(view.id)
        assert answer is not None
        assert answer.acked
    assert heard == ["receipt", "form"]


def test_the_home_tab_is_published_for_the_one_who_opens_it(slack: Slack) -> None:
    app = new_app(slack)

    @app.event("app_home_opened")
    def home(client: Any, event: Any) -> None:
        client.views_publish(
            user_id=event["user"], view={"type": "home", "blocks": [section("Your requests")]}
        )

    with connected(slack, app):
        slack.as_user("U0CAROL").open_home()
        slack.wait_for(lambda: "U0CAROL" in slack.core.homes)
    assert "Your requests" in slack.as_user("U0CAROL").sees().text
    assert slack.as_user("U0BOB").sees().home is None


def test_options_of_an_external_select_come_from_the_app(slack: Slack) -> None:
    app = new_app(slack)
    select = {"type": "external_select", "action_id": "backup", "min_query_length": 0}
    picker = {**field("which"), "element": select}
    chosen: list[str] = []

    @app.shortcut("restore")
    def shortcut(ack: Any, client: Any, body: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal(picker))

    @app.options("backup")
    def options(ack: Any, payload: Any) -> None:
        ack(options=[{"text": {"type": "plain_text", "text": f"#{payload['value']}"}, "value": "b-1"}])

    @app.view("form")
    def submitted(ack: Any, view: Any) -> None:
        ack()
        chosen.append(view["state"]["values"]["which"]["backup"]["selected_option"]["value"])

    with connected(slack, app):
        erin = slack.as_user("U0ERIN")
        erin.shortcut("restore")
        view = erin.wait_for_view()
        offered = erin.options(view.id, "backup", "42")
        assert offered[0]["text"]["text"] == "#42"
        erin.submit(view.id, {"which": offered[0]})
    assert chosen == ["b-1"]


def test_a_trigger_works_once_and_not_for_long(slack: Slack) -> None:
    app = new_app(slack)
    codes: list[str] = []

    def attempt(client: Any, trigger: str) -> None:
        try:
            client.views_open(trigger_id=trigger, view=modal(section("one")))
        except SlackApiError as error:
            codes.append(error.response["error"])
        else:
            codes.append("ok")

    @app.command("/form")
    def form(ack: Any, client: Any, body: Any) -> None:
        ack()
        attempt(client, body["trigger_id"])
        attempt(client, body["trigger_id"])
        slack.core.trigger_life = 0.0
        attempt(client, slack.core.issue_trigger("U0ALICE"))

    with connected(slack, app, links=1):
        slack.as_user("U0ALICE").command("/form", channel=DELETIONS)
        slack.wait_for(lambda: codes == ["ok", "exchanged_trigger_id", "expired_trigger_id"])


def test_a_form_that_replaces_itself_is_checked_like_any_other(slack: Slack) -> None:
    app = new_app(slack)
    titles = iter(["Step two", "a title of more than 24 characters"])

    @app.shortcut("restore")
    def shortcut(ack: Any, client: Any, body: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal(section("s"), title="Step one"))

    app.view("form")(lambda ack: ack(response_action="update", view=modal(section("s"), title=next(titles))))
    with connected(slack, app):
        erin = slack.as_user("U0ERIN")
        erin.shortcut("restore")
        view = erin.wait_for_view("Step one")
        erin.submit(view.id)
        assert erin.sees().views[0].title == "Step two"
        erin.submit(view.id)
        assert [one.code for one in erin.sees().notices] == ["invalid_view"]
    assert "invalid_arguments" in slack.violations.pop()


def test_forms_stack_three_high_and_come_back_one_by_one(slack: Slack) -> None:
    app = new_app(slack)
    codes: list[str] = []

    @app.shortcut("restore")
    def shortcut(ack: Any, client: Any, body: Any) -> None:
        ack()
        client.views_open(
            trigger_id=body["trigger_id"],
            view=modal({"type": "actions", "elements": [button("deeper")]}, title="1"),
        )

    @app.action("deeper")
    def deeper(ack: Any, client: Any, body: Any) -> None:
        ack()
        title = str(int(body["view"]["title"]["text"]) + 1)
        form = modal({"type": "actions", "elements": [button("deeper")]}, title=title)
        try:
            client.views_push(trigger_id=body["trigger_id"], view=form)
        except SlackApiError as error:
            codes.append(error.response["error"])

    app.view_closed("form")(lambda ack: ack())
    with connected(slack, app):
        erin = slack.as_user("U0ERIN")
        erin.shortcut("restore")
        for title in ("1", "2", "3"):
            erin.click_view(erin.wait_for_view(title).id, "deeper")
        slack.wait_for(lambda: codes == ["push_limit_reached"])
        erin.close(erin.wait_for_view("3").id)
        assert [view.title for view in erin.sees().views] == ["1", "2"]
