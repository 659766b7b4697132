"""What comes in: written down first, once only, answered always."""

from datetime import timedelta
from typing import Any

import pytest
from slack_bolt import BoltRequest

from bot.errors import Broken
from bot.model.requests import State
from handlers import door, intake
from tests.fakes.rooms import LABEL, REASON, VALUE
from tests.fakes.slack import busy, no
from tests.unit.handlers.doorway import Doorway

FILED = "Working out exactly what would change. The card will appear in <#C0DELETIONS>; if the answer is no, I tell you here."


def test_a_complete_command_files_at_once(doorway: Doorway) -> None:
    answer = doorway.command("/delete-records", f"crm customer {VALUE} -- {REASON}")
    assert (answer.status, answer.body) == (200, "")
    assert doorway.last() == FILED
    with doorway.house.store.read() as work:
        (request,) = work.requests.in_states([State.PLANNING])
    assert (request.requester, request.target, request.record) == ("U0ALICE", "crm", "customer")


def test_the_same_delivery_twice_files_once(doorway: Doorway) -> None:
    for _ in range(3):
        answer = doorway.command("/delete-records", f"crm customer {VALUE} -- x", trigger_id="same.1")
        assert (answer.status, answer.body) == (200, "")
    assert doorway.told("U0ALICE") == [FILED]


def test_what_cannot_be_written_down_is_not_acknowledged(doorway: Doorway) -> None:
    doorway.house.database.close()
    doorway.house.path.unlink()
    doorway.house.path.mkdir()
    answer = doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert answer.status == 500
    doorway.house.path.rmdir()


def test_no_token_address_or_foreign_text_reaches_the_database(doorway: Doorway) -> None:
    doorway.command("/countersign", "requests")
    doorway.click("vote-approve", "7.1")
    doorway.submit("form-restore", {"backup": "#1", "reason": "x"})
    doorway.event({"type": "user_change", "user": {"id": "U0ALICE", "profile": {"email": "secret text"}}})
    bodies: list[dict[str, Any]] = [
        {"command": "/x", "token": "verification-token", "response_url": "https://hooks.slack.test/secret"},
        {
            "type": "block_actions",
            "token": "verification-token",
            "message": {"text": "secret text"},
            "actions": [{}],
        },
    ]
    for body in bodies:
        taken = intake.take(body)
        assert taken is not None
        assert "secret" not in repr(taken.payload)
        assert "verification-token" not in repr(taken.payload)
    stored = doorway.stored()
    for secret in ("verification-token", "hooks.slack.test", "secret text"):
        assert secret not in stored


def test_a_settled_delivery_leaves_no_personal_text(doorway: Doorway) -> None:
    """A refusal that nothing can mend; what may be tried again is kept for a day, see test_handlers_again."""
    doorway.command("/delete-records", f"crm customer {VALUE} -- {REASON}", "U0BOB")
    doorway.deliver()
    stored = doorway.stored()
    assert VALUE not in stored
    assert REASON not in stored


@pytest.mark.parametrize(
    ("command", "text", "user", "told"),
    [
        pytest.param("/delete-records", f"nope customer {VALUE} -- x", "U0ALICE", "“nope”; I know bare, crm, shop", id="unknown target"),
        pytest.param("/delete-records", f"crm nope {VALUE} -- x", "U0ALICE", "records of type “nope”; it has customer", id="unknown record type"),
        pytest.param("/delete-records", f"<!channel> customer {VALUE} -- x", "U0ALICE", "“@\u2060channel”", id="a target named like a mention"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0BOB", "roles for this: support. Ask <@U0CAROL> for it.", id="no role"),
        pytest.param("/delete-records", "crm customer Ada Lovelace -- x", "U0ALICE", "put a value with spaces in quotes", id="blanks without quotes"),
        pytest.param("/delete-records", 'crm customer "Ada -- x', "U0ALICE", "A quote is opened", id="open quote"),
        pytest.param("/delete-records", "crm customer a\x00b -- x", "U0ALICE", "cannot be read (U+0000)", id="NUL"),
        pytest.param("/delete-records", f"crm customer {'x' * 1001} -- x", "U0ALICE", "1001 characters long", id="long value"),
        pytest.param("/delete-records", "x" * 1_000_000, "U0ALICE", "1000000 characters long", id="a megabyte"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- {'x' * 501}", "U0ALICE", "The reason is 501", id="long reason"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0GUEST", "Guests can neither", id="guest"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0MULTI", "Guests can neither", id="single-channel guest"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0ROBOT", "Bots and apps", id="bot"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0LEFT", "deactivated", id="deactivated"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0OTHER", "another one", id="another workspace"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0STRANGER", "another one", id="stranger"),
        pytest.param("/delete-records", f"crm customer {VALUE} -- x", "U0NOBODY", "could not find you", id="unknown to Slack"),
        pytest.param("/restore", "hello -- x", "U0ALICE", "begins with `cs1.`", id="not a reference"),
        pytest.param("/restore", "#7 -- x", "U0ALICE", "There is no request #7", id="no backup"),
        pytest.param("/restore", "#7 to crm -- x", "U0ALICE", "I understand `/restore`", id="restore with other words"),
        pytest.param("/countersign", "", "U0ALICE", "Delete records, never alone", id="help"),
        pytest.param("/countersign", "help", "U0GUEST", "Delete records, never alone", id="help for a guest"),
        pytest.param("/countersign", "dance", "U0ALICE", "“dance”; `/countersign help`", id="unknown word"),
        pytest.param("/countersign", "requests", "U0ALICE", "No request is open.", id="no requests"),
        pytest.param("/countersign", "requests", "U0GUEST", "Only members", id="requests for a guest"),
        pytest.param("/countersign", "show", "U0ALICE", "A request's number is missing", id="show without number"),
        pytest.param("/countersign", "show 9", "U0ALICE", "There is no request #9", id="show of nothing"),
        pytest.param("/countersign", "plan crm customer", "U0ALICE", "type `/countersign plan`", id="plan without value"),
        pytest.param("/countersign", f"plan crm customer {VALUE}", "U0ALICE", "Nothing is filed", id="plan"),
        pytest.param("/countersign", "cancel 9", "U0ALICE", "There is no request #9", id="cancel of nothing"),
        pytest.param("/countersign", "stop x", "U0ALICE", "A request's number is missing", id="stop of nonsense"),
        pytest.param("/countersign", "freeze", "U0ALICE", "Name the system to freeze", id="freeze of nothing"),
        pytest.param("/countersign", "freeze crm -- smoke", "U0ZOE", "Only people who hold a role", id="freeze without role"),
        pytest.param("/countersign", "freeze crm", "U0ALICE", "crm is frozen", id="freeze"),
        pytest.param("/countersign", "unfreeze crm -- over", "U0ALICE", "crm is not frozen", id="unfreeze of the unfrozen"),
        pytest.param("/countersign", "whoami", "U0ALICE", "Your roles: *support*", id="whoami"),
        pytest.param("/countersign", "whoami", "U0ZOE", "You hold no role here", id="whoami without role"),
        pytest.param("/countersign", "restore #7 -- x", "U0ALICE", "There is no request #7", id="restore under another name"),
        pytest.param("/teardown", "crm -- x", "U0ALICE", "No rule allows this", id="teardown"),
        pytest.param("/unheard-of", "x", "U0ALICE", "Delete records, never alone", id="a command we never registered"),
    ],
)  # fmt: skip
def test_every_command_gets_one_private_sentence(
    doorway: Doorway, command: str, text: str, user: str, told: str
) -> None:
    answer = doorway.command(command, text, user)
    assert (answer.status, answer.body) == (200, "")
    (sentence,) = doorway.told(user)
    assert told in sentence
    assert "<!" not in sentence


def test_a_command_from_another_team_is_an_outsiders_whatever_the_directory_says(doorway: Doorway) -> None:
    doorway.command("/delete-records", f"crm customer {VALUE} -- x", team_id="T0OTHER")
    assert "another one" in doorway.last()


def test_when_slack_cannot_say_who_it_is_the_answer_is_no(doorway: Doorway) -> None:
    doorway.slack.fail("users.info", busy(2))
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert doorway.last() == "I could not check who you are: Slack did not answer. Try again in a minute."
    doorway.house.wait(minutes=1)
    doorway.slack.fail("usergroups.users.list", no("fatal"))
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert doorway.last() == "I could not check who you are: Slack did not answer. Try again in a minute."
    with doorway.house.store.read() as work:
        assert work.requests.in_states(list(State)) == []


@pytest.mark.parametrize(
    ("command", "text", "title", "filled"),
    [
        ("/delete-records", "", "Delete records", {}),
        ("/delete-records", "crm customer", "Delete records", {"target": "crm", "record": "customer"}),
        ("/delete-records", f'crm customer "{VALUE}, jr"', "Delete records", {"values": f'"{VALUE}, jr"'}),
        ("/delete-records", "-- because", "Delete records", {"reason": "because"}),
        ("/restore", "", "Restore", {}),
        ("/restore", "#42", "Restore", {"backup": "#42"}),
        ("/countersign", "restore cs1.abc", "Restore", {"backup": "cs1.abc"}),
        ("/countersign", "unfreeze crm", "Lift a freeze", {"target": "crm"}),
    ],
)
def test_missing_parts_open_a_form_with_what_was_typed(
    doorway: Doorway, command: str, text: str, title: str, filled: dict[str, str]
) -> None:
    doorway.command(command, text)
    (opened,) = doorway.slack.called("views.open")
    view = opened["view"]
    assert view["title"]["text"] == title
    given = {}
    for block in view["blocks"]:
        element = block["element"]
        value = element.get("initial_value") or (element.get("initial_option") or {}).get("value")
        if value:
            given[block["block_id"]] = value
    assert filled.items() <= given.items()
    assert doorway.told("U0ALICE") == []


@pytest.mark.parametrize("command", ["/delete-records", "/restore", "/countersign"])
def test_when_the_moment_for_a_form_has_passed_it_says_what_to_type(doorway: Doorway, command: str) -> None:
    doorway.slack.fail("views.open", no("expired_trigger_id"))
    doorway.command(command, "unfreeze" if command == "/countersign" else "")
    assert "the moment to open a form has passed" in doorway.last()


def test_a_form_is_not_opened_for_a_guest(doorway: Doorway) -> None:
    doorway.slack.people["U0ALICE"] = {"is_restricted": True}
    doorway.command("/delete-records", "")
    assert doorway.slack.called("views.open") == []
    assert "Guests" in doorway.last()


def test_a_good_form_files(doorway: Doorway) -> None:
    values = {"target": "crm", "record": "customer", "values": VALUE, "reason": REASON}
    answer = doorway.submit("form-delete-records", values)
    assert (answer.status, answer.body) == (200, "")
    assert doorway.last() == FILED


@pytest.mark.parametrize(
    ("callback", "values", "wrong"),
    [
        ("form-delete-records", {"values": "", "reason": " "}, {"target", "values", "reason"}),
        ("form-delete-records", {"target": "crm", "record": "order", "values": "1", "reason": "x"}, {"record"}),
        ("form-delete-records", {"target": "crm", "record": "customer", "values": "a,,b", "reason": "x" * 501}, {"values", "reason"}),
        ("form-restore", {"backup": "hello", "reason": "x"}, {"backup"}),
        ("form-restore", {"backup": "", "reason": "\x00"}, {"backup", "reason"}),
        ("form-restore", {"recent": "", "backup": " ", "reason": "x"}, {"backup"}),
        ("form-restore", {"recent": "#1", "backup": "#2", "reason": "x"}, {"backup"}),
        ("form-unfreeze", {"target": "", "reason": "x"}, {"target"}),
        ("form-deny-reason", {"reason": ""}, {"reason"}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_form_stands_beside_its_fields(
    doorway: Doorway, callback: str, values: dict[str, str], wrong: set[str]
) -> None:
    answer = doorway.submit(callback, values)
    assert answer.status == 200
    assert '"response_action": "errors"' in answer.body
    for field in values.keys() | wrong:
        assert (f'"{field}":' in answer.body) is (field in wrong)
    assert doorway.told("U0ALICE") == []


def test_a_form_corrected_and_sent_again_without_trigger_is_not_taken_for_the_first(doorway: Doorway) -> None:
    values = {"target": "crm", "record": "customer", "values": VALUE, "reason": ""}
    doorway.submit("form-delete-records", values, trigger_id=None)
    doorway.submit("form-delete-records", {**values, "reason": "x"}, trigger_id=None)
    assert doorway.last() == FILED


@pytest.mark.parametrize(
    "body",
    [
        {"type": "event_callback", "event": {"type": "message", "text": "hi", "channel": "C0DELETIONS"}},
        {"type": "event_callback", "event": {"type": "something_new"}},
        {"type": "event_callback", "event": {"type": "reaction_added", "item": {}}},
        {"type": "view_closed", "view": {"callback_id": "x"}},
        {"type": "shortcut", "callback_id": "x"},
        {"type": "message_action", "callback_id": "x"},
        {"type": "block_actions", "actions": [{"type": "button", "action_id": "old", "block_id": "b"}]},
        {
            "type": "view_submission",
            "view": {"type": "modal", "callback_id": "from-the-past", "state": {"values": {}}},
        },
    ],
)
def test_whatever_slack_sends_is_acknowledged(doorway: Doorway, body: dict[str, Any]) -> None:
    answer = doorway.send({"team": {"id": "T0ACME"}, "user": {"id": "U0ALICE", "team_id": "T0ACME"}, **body})
    assert answer.status == 200


def test_events_without_a_person_or_elsewhere_leave_no_trace(doorway: Doorway) -> None:
    before = doorway.stored()
    doorway.react("1.0", "U0BOB", item={"type": "message", "channel": "C0LOUNGE", "ts": "1.0"})
    doorway.react("1.0", "U0BOB", bot_id="B0OTHER")
    doorway.react("1.0", "U0COUNTERSIGN")
    doorway.event({"type": "user_change", "user": {"id": "U0ALICE"}})
    assert doorway.stored() == before


def test_a_listener_that_dies_leaves_the_delivery_for_the_sweep(doorway: Doorway) -> None:
    doorway.slack.fail("users.info", RuntimeError(VALUE))
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert doorway.told("U0ALICE") == []
    assert door.replay(doorway.front, doorway.house.now - timedelta(seconds=4)) == 0
    doorway.house.wait(seconds=6)
    assert door.replay(doorway.front, doorway.house.now) == 1
    assert doorway.told("U0ALICE") == [FILED]
    assert door.replay(doorway.front, doorway.house.now) == 0


def test_after_five_failures_the_person_is_asked_to_try_again(doorway: Doorway) -> None:
    doorway.slack.fail("users.info", *[Broken("x")] * 5)
    doorway.command("/countersign", "whoami")
    for _ in range(5):
        doorway.house.wait(seconds=6)
        door.replay(doorway.front, doorway.house.now)
    assert "Please try again" in doorway.last()
    assert len(doorway.told("U0ALICE")) == 1


def test_a_replayed_command_opens_no_form(doorway: Doorway) -> None:
    doorway.slack.fail("users.info", RuntimeError())
    doorway.command("/delete-records", "")
    doorway.house.wait(seconds=6)
    door.replay(doorway.front, doorway.house.now)
    assert doorway.slack.called("views.open") == []
    assert "the moment to open a form has passed" in doorway.last()


def test_home_is_published_for_members_and_empty_for_guests(doorway: Doorway) -> None:
    doorway.house.pending()
    for user, seen in (("U0ALICE", True), ("U0GUEST", False)):
        doorway.event({"type": "app_home_opened", "user": user, "tab": "home", "channel": "D1"})
        view = doorway.slack.called("views.publish")[-1]
        assert view["user_id"] == user
        assert ("Deletion #1" in str(view)) is seen
        assert LABEL not in str(view)
    doorway.event({"type": "app_home_opened", "user": "U0ALICE", "tab": "messages", "channel": "D1"})
    assert len(doorway.slack.called("views.publish")) == 2


def test_show_and_requests_tell_what_is_open(doorway: Doorway) -> None:
    doorway.house.pending()
    doorway.command("/countersign", "requests", "U0ZOE")
    assert "1 open request" in doorway.last("U0ZOE")
    doorway.command("/countersign", "show #1", "U0BOB")
    assert LABEL in str(doorway.slack.called("chat.postEphemeral")[-1]) or doorway.told("U0BOB")
    assert LABEL in str(doorway.slack.called("chat.postEphemeral")[-1])
    doorway.command("/countersign", "show #1", "U0ZOE")
    doorway.told("U0ZOE")
    assert LABEL not in str(doorway.slack.called("chat.postEphemeral")[-1])


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"is_ext_shared": True}, "shared with another company"),
        ({"is_pending_ext_shared": True}, "shared with another company"),
        ({"is_archived": True}, "is archived"),
        ({"is_member": False}, "Invite me"),
    ],
)
def test_nothing_is_filed_into_a_channel_that_cannot_be_trusted(
    doorway: Doorway, facts: dict[str, Any], told: str
) -> None:
    doorway.slack.channels["C0DELETIONS"] = facts
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert told in doorway.last()
    assert "<#C0DELETIONS>" in doorway.last()
    doorway.slack.channels.clear()
    doorway.event({"type": "channel_unshared", "channel": "C0DELETIONS"})
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert doorway.last() == FILED


def test_a_channel_slack_says_nothing_about_is_not_filed_into(doorway: Doorway) -> None:
    doorway.slack.fail("conversations.info", busy())
    doorway.command("/delete-records", f"crm customer {VALUE} -- x")
    assert "Slack did not tell me whether <#C0DELETIONS> is safe" in doorway.last()


def test_a_request_for_another_channel_looks_at_that_channel(doorway: Doorway) -> None:
    doorway.slack.channels["C0SHOPPING"] = {"is_ext_shared": True}
    doorway.command("/delete-records", "shop order 1 -- x", "U0FRED")
    assert "<#C0SHOPPING> is shared" in doorway.last("U0FRED")


def test_bolt_itself_never_sees_a_payload_it_could_print(
    doorway: Doorway, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    doorway.slack.fail("users.info", RuntimeError(f"boom {VALUE}"))
    doorway.command("/delete-records", f"crm customer {VALUE} -- {REASON}")
    doorway.app.dispatch(BoltRequest(mode="socket_mode", body={"type": "event_callback", "event": VALUE}))
    printed = capfd.readouterr()
    assert VALUE not in printed.out + printed.err + caplog.text
