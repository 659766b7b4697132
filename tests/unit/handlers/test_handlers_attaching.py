"""The file with the whole plan: there before anybody can vote, once, and never longer than its request."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from bot.model.plans import Part
from bot.model.requests import State
from handlers.slack import SlackIsSilent
from tests.fakes.rooms import LABEL, REASON, VALUE, plan_of, planned
from tests.fakes.slack import LostAnswer, busy, no, subject_of
from tests.unit.handlers.doorway import Doorway

SILENT = SlackIsSilent("x")
STEPS = ("files.getUploadURLExternal", "upload", "files.completeUploadExternal")


def large(salt: str = "") -> Any:
    """A plan about 200 tables, made as the worker makes it."""
    parts = tuple(Part(f"table_{number}", 3, "0" * 64) for number in range(200))
    plan = replace(plan_of(salt=salt), tables=parts)
    return replace(planned(), data=plan.to_data(), rows=7)


def ask(doorway: Doorway) -> int:
    request_id = doorway.house.file()
    doorway.house.plan(request_id, large())
    return request_id


def shared(doorway: Doorway) -> list[dict[str, Any]]:
    return [one for one in doorway.slack.messages if "files" in one]


def alive(doorway: Doorway) -> list[dict[str, Any]]:
    """Files that somebody in the channel can open."""
    ids = {one["id"] for message in shared(doorway) for one in message["files"]}
    return [file for name, file in doorway.slack.files.items() if name in ids and not file.get("deleted")]


def newest(doorway: Doorway, kind: str) -> str:
    return json.dumps(doorway.slack.of_kind(kind)[-1], ensure_ascii=False)


def test_card_file_plan_and_ballot_in_this_order_and_in_one_thread(doorway: Doorway) -> None:
    request_id = ask(doorway)
    doorway.deliver()
    kinds = ["file" if "files" in one else subject_of(one).split(":")[0] for one in doorway.slack.messages]
    assert kinds == ["card", "file", "plan", "ballot"]
    card, *replies = doorway.slack.messages
    assert {one["thread_ts"] for one in replies} == {card["ts"]}
    (file,) = alive(doorway)
    digest = doorway.house.view(request_id).revision
    assert digest is not None
    text = file["content"].decode()
    assert file["name"] == "plan-1-1.txt"
    assert digest.digest in text
    assert digest.digest[:16] in newest(doorway, "plan")
    assert all(f"table_{number}  3" in text for number in range(200))
    sha256 = hashlib.sha256(file["content"]).hexdigest()
    for said in (newest(doorway, "plan"), shared(doorway)[0]["text"]):
        assert sha256 in said
    assert doorway.waiting() == []


def test_a_plan_that_fits_has_no_file_and_asks_slack_for_nothing(doorway: Doorway) -> None:
    doorway.pending()
    assert not doorway.slack.files
    assert "📎" not in newest(doorway, "plan")
    assert doorway.waiting() == []


def test_nothing_personal_is_said_beside_the_file(doorway: Doorway) -> None:
    ask(doorway)
    doorway.deliver()
    for personal in (LABEL, VALUE, REASON):
        assert personal not in json.dumps(shared(doorway))
        assert personal.encode() in alive(doorway)[0]["content"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "troubles",
    [[SILENT], [busy(3), busy(3)], [no("file_uploads_disabled")] * 3, [LostAnswer()], [LostAnswer(), SILENT]],
    ids=["silent", "busy", "refused", "answer lost", "answer lost, then silent"],
)
def test_no_ballot_before_the_file_whatever_fails_and_in_the_end_one_of_each(
    doorway: Doorway, step: str, troubles: list[Exception]
) -> None:
    doorway.slack.fail(step, *troubles)
    ask(doorway)
    doorway.drain.run(doorway.house.now)
    for _ in range(40):
        if doorway.slack.of_kind("ballot"):
            assert len(alive(doorway)) == 1
        doorway.deliver(1)
    assert len(alive(doorway)) == 1
    assert [len(doorway.slack.of_kind(kind)) for kind in ("card", "plan", "ballot")] == [1, 1, 1]
    assert len([one for one in shared(doorway) if one["files"][0]["id"] in open_ids(doorway)]) == 1
    assert hashlib.sha256(alive(doorway)[0]["content"]).hexdigest() in newest(doorway, "plan")
    assert doorway.waiting() == []


def open_ids(doorway: Doorway) -> set[str]:
    return {name for name, file in doorway.slack.files.items() if not file.get("deleted")}


def test_a_file_whose_sharing_was_not_answered_is_found_and_not_shared_twice(doorway: Doorway) -> None:
    doorway.slack.fail("files.completeUploadExternal", LostAnswer())
    ask(doorway)
    doorway.deliver(12)
    assert len(shared(doorway)) == 1
    assert not doorway.slack.called("files.delete")


def test_one_that_cannot_be_found_is_deleted_before_another_is_handed_over(doorway: Doorway) -> None:
    """Slack scans what was shared and may show it later, or never tell us of files at all."""
    doorway.slack.scans = 100
    doorway.slack.fail("files.completeUploadExternal", LostAnswer())
    ask(doorway)
    doorway.deliver(40)
    assert len(shared(doorway)) == 2
    assert len(alive(doorway)) == 1
    assert len(doorway.slack.of_kind("ballot")) == 1


def test_while_it_is_coming_card_and_plan_say_so(doorway: Doorway) -> None:
    doorway.slack.fail("upload", *[SILENT] * 6)
    ask(doorway)
    doorway.deliver(5)
    assert not doorway.slack.of_kind("ballot")
    assert "the vote opens when it is there" in newest(doorway, "card")
    assert "the vote opens when it is there" in newest(doorway, "plan")
    doorway.house.wait(minutes=3)
    doorway.deliver(40)
    assert doorway.slack.of_kind("ballot")
    assert "the vote opens" not in newest(doorway, "card")
    assert "plan-1-1.txt" in newest(doorway, "plan")


def test_an_app_without_the_right_to_share_files_opens_no_vote(doorway: Doorway) -> None:
    doorway.slack.fail("files.getUploadURLExternal", *[no("missing_scope")] * 500)
    ask(doorway)
    doorway.deliver(60)
    assert not doorway.slack.of_kind("ballot")
    assert "the vote opens when it is there" in newest(doorway, "card")


@pytest.mark.parametrize("way", ["cancelled", "denied", "expired"])
def test_when_the_request_closes_the_file_is_deleted(doorway: Doorway, way: str) -> None:
    request_id = ask(doorway)
    doorway.deliver()
    sha256 = hashlib.sha256(alive(doorway)[0]["content"]).hexdigest()
    close(doorway, request_id, way)
    doorway.deliver()
    assert not alive(doorway)
    assert sha256 in newest(doorway, "plan")
    assert "the file is deleted" in newest(doorway, "plan")
    assert doorway.waiting() == []
    stored = doorway.stored()
    for personal in (LABEL, VALUE, REASON):
        assert personal not in stored


def close(doorway: Doorway, request_id: int, way: str) -> None:
    house = doorway.house
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        if way == "denied":
            changed = {"denied_by": "U0DAN", "denied_until": house.now}
            locked = house.ground.change(work, locked, "deny", house.now, **changed)
        event = {"cancelled": "cancel", "denied": "reject", "expired": "expire"}[way]
        house.ground.change(work, locked, event, house.now)


@pytest.mark.parametrize(
    "trouble", [SILENT, busy(5), no("file_deleting_disabled")], ids=["silent", "busy", "no"]
)
def test_deleting_is_tried_until_it_is_done(doorway: Doorway, trouble: Exception) -> None:
    request_id = ask(doorway)
    doorway.deliver()
    doorway.slack.fail("files.delete", trouble, trouble)
    close(doorway, request_id, "cancelled")
    doorway.deliver()
    for _ in range(4):
        doorway.house.wait(hours=1)
        doorway.deliver(2)
    assert not alive(doorway)
    assert doorway.waiting() == []


@pytest.mark.parametrize("code", ["file_not_found", "file_deleted"])
def test_a_file_that_somebody_else_deleted_is_fine(doorway: Doorway, code: str) -> None:
    request_id = ask(doorway)
    doorway.deliver()
    doorway.slack.fail("files.delete", no(code))
    close(doorway, request_id, "cancelled")
    doorway.deliver()
    assert doorway.waiting() == []


def test_a_request_that_closes_while_its_file_is_on_the_way_leaves_none(doorway: Doorway) -> None:
    doorway.slack.fail("files.completeUploadExternal", LostAnswer())
    request_id = ask(doorway)
    doorway.drain.run(doorway.house.now)
    doorway.drain.run(doorway.house.now)
    assert len(alive(doorway)) == 1
    close(doorway, request_id, "cancelled")
    doorway.deliver(8)
    assert not alive(doorway)
    assert "over" in newest(doorway, "ballot") if doorway.slack.of_kind("ballot") else True


def test_a_changed_plan_has_a_file_of_its_own_and_the_old_one_is_deleted(doorway: Doorway) -> None:
    request_id = ask(doorway)
    doorway.deliver()
    house = doorway.house
    with house.store.transact() as work:
        work.requests.save(request_id, State.PENDING, state=State.PLANNING)
    house.plan(request_id, large("changed"))
    doorway.deliver(10)
    (file,) = alive(doorway)
    assert file["name"] == "plan-1-2.txt"
    revision = house.view(request_id).revision
    assert revision is not None
    assert revision.digest in file["content"].decode()
    assert hashlib.sha256(file["content"]).hexdigest() in newest(doorway, "plan")
    assert len(doorway.slack.of_kind("ballot")) == 2
    assert doorway.waiting() == []


def test_a_file_that_is_too_late_for_its_revision_does_not_open_a_vote_on_the_next(doorway: Doorway) -> None:
    """The second plan's ballot waits for the second plan's file, whatever became of the first."""
    request_id = ask(doorway)
    doorway.deliver()
    doorway.slack.fail("upload", *[SILENT] * 5)
    house = doorway.house
    with house.store.transact() as work:
        work.requests.save(request_id, State.PENDING, state=State.PLANNING)
    house.plan(request_id, large("changed"))
    doorway.deliver(2)
    assert len(doorway.slack.of_kind("ballot")) == 1
    house.wait(minutes=3)
    doorway.deliver(30)
    assert len(doorway.slack.of_kind("ballot")) == 2


def test_a_reaction_on_the_file_is_answered_and_counts_for_nothing(doorway: Doorway) -> None:
    doorway.slack.scans = 2
    request_id = ask(doorway)
    doorway.deliver(10)
    doorway.react(shared(doorway)[0]["ts"], "U0BOB")
    assert "does not count" in doorway.last("U0BOB").lower() or "ballot" in doorway.last("U0BOB").lower()
    assert not doorway.house.votes(request_id)


def test_where_slack_never_tells_of_files_the_vote_opens_and_nothing_is_tried_for_ever(
    doorway: Doorway,
) -> None:
    doorway.slack.scans = 10_000
    ask(doorway)
    doorway.deliver(30)
    assert doorway.slack.of_kind("ballot")
    assert len(doorway.slack.called("conversations.replies")) < 10
    assert doorway.waiting() == []


def test_the_log_keeps_what_was_there_to_be_read(doorway: Doorway) -> None:
    ask(doorway)
    doorway.deliver()
    sha256 = hashlib.sha256(alive(doorway)[0]["content"]).hexdigest()
    entries = [json.loads(row["entry"]) for row in doorway.house.rows("audit_log")]
    kept = [one for one in entries if one["kind"] == "plan-file"]
    assert [one["body"] for one in kept] == [{"revision": 1, "sha256": sha256}]


def test_a_long_outage_leaves_one_file_and_one_ballot(doorway: Doorway) -> None:
    doorway.slack.down = True
    ask(doorway)
    doorway.deliver(10)
    doorway.slack.down = False
    doorway.house.wait(minutes=2)
    doorway.deliver(10)
    assert len(alive(doorway)) == 1
    assert len(doorway.slack.of_kind("ballot")) == 1
