"""Asking: every refusal leaves an entry in the log and a private sentence, and nothing else."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from bot.errors import BadInput, NotAllowed, NotFound
from bot.model.doors import Wish
from bot.model.requests import Operation, State
from bot.store.tables import processes
from bot.texts import say
from tests.fakes.rooms import (
    CHANNEL,
    LABEL,
    REASON,
    SETTINGS,
    VALUE,
    House,
    config,
    planned,
    rules_with,
    snapshot,
)

#: case -> who, what is different about the wish, which error, which key, what the sentence must mention
REFUSALS: dict[str, tuple[str, dict[str, Any], type[Exception], str, str]] = {
    "an unknown target": ("U0ALICE", {"target": "crn"}, NotFound, "filing.unknown-target", "crm"),
    "a target in another case": ("U0ALICE", {"target": "CRM"}, NotFound, "filing.unknown-target", "crm"),
    "no target": ("U0ALICE", {"target": None}, NotFound, "filing.unknown-target", "crm"),
    "an unknown record": ("U0ALICE", {"record": "order"}, NotFound, "filing.unknown-record", "customer"),
    "no record": ("U0ALICE", {"record": None}, NotFound, "filing.unknown-record", "customer"),
    "a target without records": ("U0ALICE", {"target": "bare"}, NotFound, "filing.unknown-record", "bare"),
    "no value": ("U0ALICE", {"values": ()}, BadInput, "filing.how-many", "0"),
    "too many values": ("U0ALICE", {"values": ("x",) * 101}, BadInput, "filing.how-many", "101"),
    "no reason": ("U0ALICE", {"reason": ""}, BadInput, "filing.no-reason", "--"),
    "a reason of blanks": ("U0ALICE", {"reason": " \n\t\u3000"}, BadInput, "filing.no-reason", "--"),
    "a long reason": ("U0ALICE", {"reason": "x" * 501}, BadInput, "filing.long-reason", "501"),
    "half a character": ("U0ALICE", {"values": ("\ud83d",)}, BadInput, "filing.bad-text", "characters"),
    "half a character in the reason": (
        "U0ALICE",
        {"reason": "why \udc00"},
        BadInput,
        "filing.bad-text",
        "characters",
    ),
    "no role": ("U0ZOE", {}, NotAllowed, "filing.no-role", "U0CAROL"),
    "the owner of the role, who is not sent to themselves": (
        "U0CAROL",
        {},
        NotAllowed,
        "filing.no-role-no-owner",
        "support",
    ),
    "another role": ("U0DAN", {}, NotAllowed, "filing.no-role", "support"),
    "a role that nobody owns": (
        "U0ALICE",
        {"target": "shop", "record": "order"},
        NotAllowed,
        "filing.no-role-no-owner",
        "orphan",
    ),
    "no rule": (
        "U0ALICE",
        {"operation": Operation.UNFREEZE, "target": "shop", "record": None, "values": ()},
        NotAllowed,
        "filing.no-rule",
        "rule",
    ),
    "a target that is not frozen": (
        "U0ALICE",
        {"operation": Operation.UNFREEZE, "record": None, "values": ()},
        NotAllowed,
        "filing.not-frozen",
        "crm",
    ),
    "a restore of a request that is not there": (
        "U0ALICE",
        {"operation": Operation.RESTORE, "target": None, "record": None, "values": (), "number": 42},
        NotFound,
        "request.no-number",
        "42",
    ),
    "a restore that names no backup": (
        "U0ALICE",
        {"operation": Operation.RESTORE, "target": None, "record": None, "values": ()},
        BadInput,
        "filing.no-reference",
        "reference",
    ),
    "a restore into an unknown target": (
        "U0ALICE",
        {"operation": Operation.RESTORE, "target": "crn", "record": None, "values": (), "reference": "cs1.x"},
        NotFound,
        "filing.unknown-target",
        "crm",
    ),
}


def ask(house: House, user: str, wish: Wish, **flags: Any) -> None:
    house.desk.settle(
        house.deliver(user),
        lambda work: house.lifecycle.file(work, wish, house.actor(user, **flags), "D0ASKING", house.now),
    )


def refused_with(house: House, user: str, key: str) -> str:
    """Nothing but a log entry, a private sentence, and the delivery marked done; returns the sentence."""
    assert house.rows("requests") == []
    assert house.kinds() == ["log-opened", "refused"]
    assert json.loads(house.log()[-1].entry)["body"] == {"by": user, "why": key}
    (message,) = house.rows("outbox")
    assert (message["kind"], message["user"], message["channel"]) == ("private", user, "D0ASKING")
    assert [row["state"] for row in house.rows("inbox")] == ["done"]
    assert [row["subject"] for row in house.rows("erasable")] == [message["subject"]]
    for table in ("revisions", "votes", "permits", "jobs", "targets", "roster_questions"):
        assert house.rows(table) == []
    answer = house.reading.private_text(message["subject"])
    assert answer is not None
    assert answer.key == key
    return say(answer.key, **answer.params)


@pytest.mark.parametrize("case", REFUSALS)
def test_a_wish_is_refused_for(house: House, case: str) -> None:
    user, changes, error, key, mention = REFUSALS[case]
    wish = house.wish(**changes)
    with pytest.raises(error), house.store.transact() as work:
        house.lifecycle.file(work, wish, house.actor(user), "D0ASKING", house.now)
    ask(house, user, wish)
    assert mention in refused_with(house, user, key)


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ({"team": "T0OTHER"}, "person.outsider"),
        ({"is_bot": True}, "person.bot"),
        ({"is_guest": True}, "person.guest"),
        ({"is_deactivated": True}, "person.deactivated"),
    ],
)
@pytest.mark.parametrize("preview", [True, False])
def test_who_may_not_take_part_may_not_even_look(
    house: House, flags: dict[str, Any], key: str, preview: bool
) -> None:
    ask(house, "U0ALICE", house.wish(preview=preview), **flags)
    refused_with(house, "U0ALICE", key)


def test_a_frozen_target_is_refused_and_names_who_froze_it(house: House) -> None:
    with house.store.transact() as work:
        house.lifecycle.freeze(work, "crm", None, house.actor("U0DAN"), house.now)
    before = snapshot(house)
    with pytest.raises(NotAllowed) as refused:
        house.file()
    assert refused.value.params == {"target": "crm", "user": "U0DAN"}
    assert snapshot(house) == before
    assert house.file(preview=True)


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE customers; --", "a\x00b", "%", "名前", "<!channel>", "x" * 10**6]
)
def test_a_strange_value_is_kept_exactly_and_only_in_the_erasable_table(house: House, value: str) -> None:
    request_id = house.file(values=(value,))
    assert house.view(request_id).personal.values == (value,)
    assert len({len(entry.entry) < 1000 for entry in house.log()}) == 1


def test_a_wish_that_is_in_order_waits_for_the_worker_without_number_or_card(house: House) -> None:
    request = house.request(house.file())
    assert (request.state, request.number, request.channel) == (State.PLANNING, None, CHANNEL)
    assert house.rows("outbox") == []


@pytest.mark.parametrize(
    ("sentence", "facts", "key"),
    [
        ("a worker that takes jobs is there", {"canary": "refused"}, "filing.accepted"),
        ("its gate was not proved yet", {"canary": "not-yet"}, "filing.accepted-no-worker"),
        ("it says nothing about its gate", {}, "filing.accepted-no-worker"),
        ("it was seen four minutes ago", {"canary": "refused", "age": 240}, "filing.accepted-no-worker"),
        (
            "it was stopped four minutes ago",
            {"canary": "refused", "age": 240, "left": True},
            "filing.accepted-no-worker",
        ),
        ("it was stopped a moment ago", {"canary": "refused", "left": True}, "filing.accepted-no-worker"),
        ("it was seen six minutes ago", {"canary": "refused", "age": 360}, "filing.nobody-serves"),
        (
            "it was stopped six minutes ago",
            {"canary": "refused", "age": 360, "left": True},
            "filing.nobody-serves",
        ),
        ("it serves another target", {"canary": "refused", "targets": ["shop"]}, "filing.nobody-serves"),
        ("it says not what it serves", {"canary": "refused", "targets": []}, "filing.nobody-serves"),
        ("its gate let something through", {"canary": "let-through"}, "filing.nobody-serves"),
        ("it could not prove its gate", {"canary": "unclear"}, "filing.nobody-serves"),
        ("there never was one", None, "filing.nobody-serves"),
    ],
)
def test_what_nobody_serves_is_refused_and_who_is_only_starting_again_is_waited_for(
    house: House, sentence: str, facts: dict[str, Any] | None, key: str
) -> None:
    said = {"targets": ["crm"], "host": None, **(facts or {})}
    seen = house.now - timedelta(seconds=said.pop("age", 0))
    left = said.pop("left", False)
    with house.store.transact() as work:
        work.connection.execute(delete(processes))
        if facts is not None:
            work.processes.beat("worker", "slot-0", said, seen)
        if left:
            work.processes.leave("worker", "slot-0")
    for preview, fits in ((False, key), (True, key.replace("accepted-no-worker", "accepted"))):
        with house.store.transact() as work:
            wish = house.wish(preview=preview)
            try:
                answer = house.lifecycle.file(work, wish, house.actor("U0ALICE"), "D0ASKING", house.now)
            except NotAllowed as no:
                assert (no.key, no.params) == (fits, {"target": "crm"}), sentence
                assert work.requests.in_states(list(State)) == []
                continue
        assert answer.key == ("filing.preview" if preview else fits), sentence


@pytest.mark.parametrize(
    ("sentence", "facts", "refused"),
    [
        ("its worker is there", {"host": "here", "targets": ["crm"]}, None),
        ("a worker of another host serves it by name", {"host": "there", "targets": ["crm"]}, "here"),
        ("the worker of its host serves others", {"host": "here", "targets": ["shop"]}, "here"),
    ],
)
def test_what_lives_on_a_host_is_for_the_worker_there(
    tmp_path: Path, sentence: str, facts: dict[str, Any], refused: str | None
) -> None:
    house = House(
        tmp_path,
        config(
            targets={"crm": {**SETTINGS["targets"]["crm"], "host": "here", "roots": ["/srv/crm"]}},
            rules=rules_with()[:1],
        ),
    )
    with house.store.transact() as work:
        work.processes.beat("worker", "slot-0", {"canary": "refused", **facts}, house.now)
    try:
        if refused is None:
            house.file()
            return
        with pytest.raises(NotAllowed) as no:
            house.file()
        assert (no.value.key, no.value.params["host"]) == ("filing.no-host", refused), sentence
    finally:
        house.close()


def test_a_preview_files_nothing(house: House) -> None:
    request_id = house.file(preview=True, reason="")
    house.plan(request_id)
    request = house.request(request_id)
    assert (request.state, request.number, request.preview) == (State.PLANNING, None, True)
    assert [(row["kind"], row["user"]) for row in house.rows("outbox")] == [("plan-preview", "U0ALICE")]
    assert house.reading.open_requests() == []
    assert house.rows("permits") == []
    assert house.kinds() == ["log-opened", "request-filed"]


def test_a_preview_can_never_be_voted_on(house: House) -> None:
    request_id = house.file(preview=True)
    house.plan(request_id)
    before = snapshot(house)
    with pytest.raises(Exception, match=r"vote\.closed"):
        house.vote(request_id, "U0DAN")
    assert snapshot(house) == before


def test_numbers_count_up_and_are_never_used_twice(house: House) -> None:
    ids = [house.pending() for _ in range(3)]
    with house.store.transact() as work:
        house.lifecycle.cancel(work, 3, house.actor("U0ALICE"), house.now)
    ids.append(house.pending())
    assert [house.request(one).number for one in ids] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        (["1 of dba", "2 of data-owner", "1 of dba"], "1 × "),
        (["1 of support"], ""),
    ],
)
def test_a_quorum_that_can_never_be_reached_is_said_at_once(
    house: House, rule: list[str], missing: str
) -> None:
    first, *rest = SETTINGS["rules"]
    roles = {**SETTINGS["roles"], "dba": {"users": ["U0BOB"]}, "support": {"users": ["U0ALICE"]}}
    house.configure(config(roles=roles, rules=[{**first, "approve": rule}, *rest]))
    request_id = house.file()
    with pytest.raises(NotAllowed) as refused:
        house.plan(request_id)
    assert refused.value.key == "filing.unreachable"
    assert missing in str(refused.value.params["missing"])


def test_more_rows_than_the_rule_allows_are_refused_after_planning(house: House) -> None:
    request_id = house.file()
    with pytest.raises(NotAllowed) as refused:
        house.plan(request_id, planned(rows=101))
    assert refused.value.key == "filing.too-many-rows"


# Promise 7: nothing personal outside the erasable table, and nothing at all once it is over.


def _everywhere_but(house: House, *tables: str) -> str:
    return json.dumps(snapshot(house, *tables), default=repr, ensure_ascii=False)


def _on_disk(house: House) -> bytes:
    """Every byte of a SQLite database; of a server, which empties its pages in its own time, every row."""
    if not house.database.is_sqlite:
        return _everywhere_but(house).encode()
    return b"".join(
        file.read_bytes() for file in house.folder.iterdir() if file.name.startswith("countersign.db")
    )


SECRETS = (VALUE, REASON, LABEL, "wrong-Lovelace", "cs1.secretreference")


def _story(house: House) -> int:
    request_id = house.file(operation=Operation.DELETE_RECORDS, reference="cs1.secretreference")
    house.plan(request_id)
    house.vote(request_id, "U0DAN")
    house.deny(request_id, "U0GINA")
    with house.store.transact() as work:
        house.lifecycle.deny_reason(work, request_id, "wrong-Lovelace", house.actor("U0GINA"), house.now)
    delivery = house.deliver("U0ZOE")
    house.desk.refuse(delivery, NotFound("filing.unknown-target", target=VALUE, known="crm"))
    return request_id


def test_no_personal_text_leaves_the_erasable_table(house: House) -> None:
    _story(house)
    elsewhere = _everywhere_but(house, "erasable")
    for secret in SECRETS:
        assert secret not in elsewhere
        assert secret in _everywhere_but(house)


@pytest.mark.parametrize("end", ["withdraw-and-cancel", "cancel", "reject", "refuse", "stop"])
def test_nothing_personal_is_on_the_disk_once_the_request_is_over(house: House, end: str) -> None:
    request_id = _story(house)
    assert all(secret.encode() in _on_disk(house) for secret in SECRETS)
    request = house.request(request_id)
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        if end == "reject":
            house.ground.change(work, locked, "reject", house.now)
        elif end in ("cancel", "withdraw-and-cancel"):
            if end != "cancel":
                house.lifecycle.withdraw(work, request_id, 1, house.actor("U0GINA"), house.now)
            house.lifecycle.cancel(work, request.number or 0, house.actor("U0ALICE"), house.now)
        else:
            work.requests.save(
                request_id, State.DENIED, state=State.PLANNING if end == "refuse" else State.RUNNING
            )
            house.ground.change(work, house.ground.lock(work, request_id), end, house.now)
    house.posted(request_id)
    for row in house.rows("outbox"):
        if row["kind"] == "private":
            with house.store.transact() as work:
                work.outbox.set(row["subject"], state="gone")
                work.erasable.erase(row["subject"])
    house.database.forget()
    left = _on_disk(house)
    assert left
    for secret in SECRETS:
        assert secret.encode() not in left
        assert json.dumps(secret)[1:-1].encode() not in left
    assert house.view(request_id).personal.label is None
