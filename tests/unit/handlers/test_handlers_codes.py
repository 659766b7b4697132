"""Codes at the door: sealed before anything is written down, and nowhere to be read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.model.requests import Proof
from bot.store.tables import metadata
from handlers.intake import take
from tests.fakes.codes import BY_CODE, CONFIRMED, Phones
from tests.fakes.slack import no
from tests.unit.handlers.doorway import Doorway


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    made = Doorway(tmp_path, BY_CODE)
    yield made
    made.close()


@pytest.fixture
def phones(doorway: Doorway) -> Phones:
    return Phones(doorway.house, "U0DAN", "U0CAROL")


def form(doorway: Doorway) -> dict[str, Any]:
    """The form that was opened last."""
    opened = [given["view"] for method, given in doorway.slack.calls if method == "views.open"]
    assert opened
    return dict(opened[-1])


def enter(doorway: Doorway, request_id: int, user: str, **values: str) -> Any:
    """Press the button in the direct message, fill in the form, and let the worker look."""
    doorway.click("code-enter", f"{request_id}.1", "1.1", user, channel="D0DAN")
    carried = json.loads(form(doorway)["private_metadata"])
    answer = doorway.submit("form-code", values, user, carried)
    doorway.house.prover.sweep(doorway.house.clock)
    return answer


def test_a_tap_a_message_a_form_and_the_vote_counts(doorway: Doorway, phones: Phones) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.deliver()
    posts = [given for method, given in doorway.slack.calls if method == "chat.postMessage"]
    (direct,) = [given for given in posts if given["channel"] == "D0DAN"]
    assert "one-time code" in direct["text"]
    assert "code-enter" in json.dumps(direct["blocks"])
    answer = enter(doorway, request_id, "U0DAN", code=phones.code("U0DAN"))
    assert answer.body == ""
    assert [one.proof for one in doorway.house.vote_rows(request_id)] == [Proof.CODE]
    assert "counts" in doorway.last("U0DAN")


def test_a_direct_message_that_fails_becomes_a_private_sentence(doorway: Doorway, phones: Phones) -> None:
    _, _, ballot = doorway.pending()
    doorway.slack.fail("conversations.open", *[no("cannot_dm_bot")] * 5)
    doorway.react(ballot["ts"], "U0DAN")
    doorway.deliver()
    whispers = [given for method, given in doorway.slack.calls if method == "chat.postEphemeral"]
    assert any("one-time code" in given["text"] for given in whispers)


def test_the_code_is_in_no_table_before_and_after_the_worker_looked(doorway: Doorway, phones: Phones) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    seen = []

    def look(clock: Any) -> None:
        seen.append("\n".join(str(doorway.house.rows(name)) for name in metadata.tables))

    sweep, code = doorway.house.prover.sweep, phones.code("U0DAN")
    look(None)
    doorway.click("code-enter", f"{request_id}.1", "1.1", "U0DAN", channel="D0DAN")
    doorway.submit("form-code", {"code": code}, "U0DAN", json.loads(form(doorway)["private_metadata"]))
    assert doorway.house.rows("letters")
    look(None)
    sweep(doorway.house.clock)
    look(None)
    assert [code in text for text in seen] == [False] * 3
    stored = b"".join(path.read_bytes() for path in doorway.house.folder.glob("countersign.db*"))
    assert code.encode() not in stored


def test_what_is_taken_in_holds_no_field_of_a_sealed_form() -> None:
    body = {
        "type": "view_submission",
        "user": {"id": "U0DAN", "team_id": "T0ACME"},
        "view": {"callback_id": "form-code", "state": {"values": {"code": {"code": {"value": "123456"}}}}},
    }
    other = json.loads(json.dumps(body).replace("123456", "654321"))
    taken, again = take(body), take(other)
    assert taken is not None
    assert again is not None
    assert "123456" not in repr(taken)
    assert "123456" not in json.dumps(taken.payload)
    assert taken.key == again.key, "a key made of the code would tell it"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "abcd-efgh-ijkl"])
def test_what_is_no_code_is_told_beside_the_field(doorway: Doorway, phones: Phones, typed: str) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    answer = enter(doorway, request_id, "U0DAN", code=typed)
    assert "six digits" in json.loads(answer.body)["errors"]["code"]
    assert doorway.house.rows("letters") == []


def test_before_a_worker_has_published_its_key_nothing_is_taken_in(doorway: Doorway, phones: Phones) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    with doorway.house.store.transact() as work:
        work.connection.exec_driver_sql("DELETE FROM worker_keys")
    answer = enter(doorway, request_id, "U0DAN", code=phones.code("U0DAN"))
    assert "no worker" in json.loads(answer.body)["errors"]["code"]
    assert doorway.house.vote_rows(request_id) == ()


def test_the_button_of_an_old_plan_or_of_a_wish_taken_back_opens_no_form(
    doorway: Doorway, phones: Phones
) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.react(ballot["ts"], "U0DAN", added=False)
    doorway.click("code-enter", f"{request_id}.1", "1.1", "U0DAN", channel="D0DAN")
    assert any("not there (any more)" in one for one in doorway.told("U0DAN"))
    doorway.click("code-enter", f"{request_id}.7", "1.1", "U0DAN", channel="D0DAN")
    assert not [method for method, _ in doorway.slack.calls if method == "views.open"]


def test_a_code_typed_by_somebody_else_into_the_same_form_counts_nothing(
    doorway: Doorway, phones: Phones
) -> None:
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.click("code-enter", f"{request_id}.1", "1.1", "U0DAN", channel="D0DAN")
    carried = json.loads(form(doorway)["private_metadata"])
    doorway.submit("form-code", {"code": phones.code("U0CAROL")}, "U0CAROL", carried)
    doorway.house.prover.sweep(doorway.house.clock)
    assert doorway.house.vote_rows(request_id) == ()
    assert "not there (any more)" in doorway.last("U0CAROL")


CONFIRMATIONS = {
    "another system": ({"target": "shop", "count": "7"}, "target"),
    "another count": ({"target": "crm", "count": "70"}, "count"),
    "a count in words": ({"target": "crm", "count": "seven"}, "count"),
    "nothing": ({}, "target"),
}


@pytest.mark.parametrize("case", CONFIRMATIONS)
def test_target_and_count_are_held_against_the_card_beside_the_field(tmp_path: Path, case: str) -> None:
    doorway = Doorway(tmp_path, CONFIRMED)
    phones = Phones(doorway.house, "U0DAN")
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    values, field = CONFIRMATIONS[case]
    answer = enter(doorway, request_id, "U0DAN", code=phones.code("U0DAN"), **values)
    assert field in json.loads(answer.body)["errors"]
    right = {"target": " crm ", "count": "7"}
    assert enter(doorway, request_id, "U0DAN", code=phones.code("U0DAN"), **right).body == ""
    assert list(doorway.house.votes(request_id)) == ["U0DAN"]
    doorway.close()


def test_the_card_says_who_wants_to_approve_and_what_is_missing(doorway: Doorway, phones: Phones) -> None:
    _, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.react(ballot["ts"], "U0BOB")
    doorway.deliver()
    shown = json.dumps([given.get("blocks") for _, given in doorway.slack.calls], ensure_ascii=False)
    assert "<@U0DAN> wants to approve; the code is missing" in shown
    assert "<@U0BOB> wants to approve; codes not set up yet" in shown
    assert "Approvals count with a one-time code" in shown


def changing(doorway: Doorway, phones: Phones) -> None:
    """Dan's new phone waits to be confirmed."""
    phones.redeem("U0DAN", phones.ticket("U0DAN"))
    doorway.house.wait(seconds=90)
    doorway.deliver()


def test_a_new_phone_is_offered_in_the_channel_and_confirmed_with_a_code(
    doorway: Doorway, phones: Phones
) -> None:
    changing(doorway, phones)
    posts = [given for method, given in doorway.slack.calls if method == "chat.postMessage"]
    (offered,) = [given for given in posts if "change-confirm" in json.dumps(given.get("blocks"))]
    assert (offered["channel"], "change-cancel" in json.dumps(offered["blocks"])) == ("C0DELETIONS", True)
    doorway.click("change-confirm", "U0DAN", "1.1", "U0CAROL")
    carried = json.loads(form(doorway)["private_metadata"])
    assert doorway.submit("form-change", {"code": phones.code("U0CAROL")}, "U0CAROL", carried).body == ""
    doorway.house.prover.sweep(doorway.house.clock)
    assert "Confirmed" in doorway.last("U0CAROL")


@pytest.mark.parametrize(
    ("user", "action", "told"),
    [
        ("U0DAN", "change-confirm", "Somebody else must confirm"),
        ("U0ERIN", "change-confirm", "Only who may approve"),
        ("U0ZOE", "change-confirm", "Only who may approve"),
        ("U0GUEST", "change-confirm", "Guests"),
        ("U0ZOE", "change-cancel", "somebody with a role"),
        ("U0OTHER", "change-cancel", "another one"),
    ],
)
def test_who_may_neither_confirm_nor_cancel_a_new_phone(
    doorway: Doorway, phones: Phones, user: str, action: str, told: str
) -> None:
    changing(doorway, phones)
    doorway.click(action, "U0DAN", "1.1", user)
    doorway.house.prover.sweep(doorway.house.clock)
    assert told in doorway.last(user)
    with doorway.house.store.read() as work:
        assert work.boxes.users("change") == {"U0DAN"}
    assert not [method for method, _ in doorway.slack.calls if method == "views.open"]


@pytest.mark.parametrize("user", ["U0DAN", "U0ERIN"])
def test_the_person_or_anybody_with_a_role_cancels_a_new_phone(
    doorway: Doorway, phones: Phones, user: str
) -> None:
    changing(doorway, phones)
    doorway.click("change-cancel", "U0DAN", "1.1", user)
    doorway.house.prover.sweep(doorway.house.clock)
    with doorway.house.store.read() as work:
        assert work.boxes.users("change") == frozenset()
