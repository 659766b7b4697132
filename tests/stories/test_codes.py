"""Approving with one-time codes, from the operator's command to the deletion, and everything that is no approval."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.phones import Phone, enrol, thread_text
from tests.stories.rig import NO, PATIENCE, YES, Rig

pytestmark = pytest.mark.slow

RULE = "    approve: [1 of dba, 1 of data-owner]\n    expires: 4h\n"
GRACE = "grace@example.com"


def by_code(text: str) -> str:
    assert RULE in text
    assert "data-owner: {users: [U0CAROL]" in text
    text = text.replace("data-owner: {users: [U0CAROL]", "data-owner: {users: [U0CAROL, U0ERIN]")
    return text.replace(RULE, f"{RULE}    proof: code\n")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("codes"), by_code) as rig:
        yield rig


@pytest.fixture(scope="module")
def phones(rig: Rig) -> dict[str, Phone]:
    made = {user: Phone(rig, user) for user in ("U0BOB", "U0DAN", "U0CAROL", "U0ERIN")}
    for phone in made.values():
        assert "count from now on" in phone.enrol()
    return made


def newest(rig: Rig) -> int:
    return int(rig.row("SELECT max(number) FROM requests")[0])


def votes(rig: Rig, number: int) -> list[tuple[str, str]]:
    query = "SELECT v.user, v.proof FROM votes v JOIN requests r ON r.id = v.request_id AND r.revision = v.revision WHERE r.number = ? ORDER BY v.user"
    return [(str(user), str(proof)) for user, proof in rig.rows(query, number)]


def cancelled(rig: Rig, number: int) -> None:
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


@pytest.fixture
def ballot(rig: Rig, phones: dict[str, Phone]) -> Iterator[Message]:
    """An open ballot whose request is taken back afterwards."""
    found = rig.ask_to_delete(GRACE)
    number = newest(rig)
    yield found
    if rig.state(number) in ("pending", "denied", "approved"):
        cancelled(rig, number)


def test_two_people_approve_with_codes_and_the_record_goes(rig: Rig, phones: dict[str, Phone]) -> None:
    ballot = rig.ask_to_delete()
    number = newest(rig)
    asked = phones["U0BOB"].wish(ballot)
    rig.slack.wait_for(lambda: "wants to approve; the code is missing" in thread_text(rig, ballot), PATIENCE)
    assert votes(rig, number) == []
    phones["U0BOB"].press(asked)
    assert "counts" in phones["U0BOB"].type(phones["U0BOB"].next())
    assert "completes" in phones["U0CAROL"].approve(ballot)
    rig.wait_state(number, "succeeded")
    assert not rig.ada_is_there()
    assert votes(rig, number) == [("U0BOB", "code"), ("U0CAROL", "code")]


def test_taps_alone_approve_nothing(rig: Rig, phones: dict[str, Phone], ballot: Message) -> None:
    rig.approve(ballot)
    for user in ("U0BOB", "U0CAROL"):
        rig.slack.as_user(user).click("C0DELETIONS", ballot.ts, "vote-approve")
        rig.told(user, ballot.ts, "one-time code")
    assert (rig.state(newest(rig)), votes(rig, newest(rig))) == ("pending", [])


def test_a_wrong_code_and_one_that_was_used_count_nothing(
    rig: Rig, phones: dict[str, Phone], ballot: Message
) -> None:
    bob = phones["U0BOB"]
    bob.press(bob.wish(ballot))
    assert "six digits" in bob.complaints(code="12345").errors["code"]
    code = bob.next()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert "not right" in bob.type(wrong)
    asked = rig.slack.as_user("U0BOB").wait_for_private("not right")
    bob.press(asked)
    assert "counts" in bob.type(code)
    other = rig.ask_to_delete(rig.somebody())
    bob.press(bob.wish(other))
    assert "used already" in bob.type(code)
    assert votes(rig, newest(rig)) == []
    cancelled(rig, newest(rig))


def test_a_wish_that_was_taken_back_before_the_code_came(
    rig: Rig, phones: dict[str, Phone], ballot: Message
) -> None:
    bob = phones["U0BOB"]
    bob.press(bob.wish(ballot))
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0BOB").unreact("C0DELETIONS", ballot.ts, YES)
    rig.told("U0BOB", since)
    assert "not looked at" in bob.type(bob.next())
    assert votes(rig, newest(rig)) == []


def test_a_denial_needs_no_code(rig: Rig, phones: dict[str, Phone], ballot: Message) -> None:
    rig.react("U0DAN", ballot, NO)
    rig.wait_state(newest(rig), "denied")


def test_whoever_holds_no_slot_is_asked_for_no_code(rig: Rig, ballot: Message) -> None:
    since = rig.react("U0FRANK", ballot)
    said = rig.told("U0FRANK", since)
    assert ("code" in said, "验证码" in said) == (False, False)
    since = rig.react("U0ALICE", ballot)
    assert "yourself" in rig.told("U0ALICE", since)


def test_a_form_opened_before_a_drift_approves_nothing_after_it(
    rig: Rig, phones: dict[str, Phone], ballot: Message
) -> None:
    bob, number = phones["U0BOB"], newest(rig)
    bob.press(bob.wish(ballot))
    (grace,) = [row[0] for row in rig.contents()["customers"] if row[1] == GRACE]
    with closing(sqlite3.connect(rig.crm, timeout=30)) as books:
        books.execute("INSERT INTO notes VALUES (900001, 'customer', ?, NULL, 'late')", (grace,))
        books.commit()
    for user in ("U0DAN", "U0CAROL"):
        phones[user].approve(ballot)
    rig.ballot(ballot.ts)
    rig.wait_state(number, "pending")
    assert "newest" in bob.type(bob.next())
    assert votes(rig, number) == []
    with closing(sqlite3.connect(rig.crm, timeout=30)) as books:
        books.execute("DELETE FROM notes WHERE id = 900001")
        books.commit()


def test_five_wrong_codes_lock_and_the_thread_hears_of_it(
    rig: Rig, phones: dict[str, Phone], ballot: Message
) -> None:
    dan = phones["U0ERIN"]
    asked = dan.wish(ballot)
    for _ in range(5):
        dan.press(asked)
        code = dan.next() if _ == 4 else "000001"
        said = dan.type(f"{(int(code) + 1) % 1_000_000:06}")
    assert "locked until" in said
    rig.slack.wait_for(lambda: "Five one-time codes" in thread_text(rig, ballot), PATIENCE)
    assert votes(rig, newest(rig)) == []


def test_a_worker_killed_between_opening_a_code_and_casting_its_vote_casts_it_once(
    rig: Rig, phones: dict[str, Phone], ballot: Message
) -> None:
    carol, number = phones["U0CAROL"], newest(rig)
    carol.press(carol.wish(ballot))
    rig.dies("code-used")
    living = "SELECT count(*) FROM processes WHERE kind = 'worker' AND json_extract(facts, '$.left') IS NULL"
    rig.wait(lambda: rig.row(living)[0], "the worker is back")
    code = carol.next()
    person = rig.slack.as_user("U0CAROL")
    since = rig.slack.core.stamp()
    person.submit(person.wait_for_view("Approve with a code").id, {"code": code})
    rig.comes_back()
    rig.told("U0CAROL", since, "counts")
    assert votes(rig, number) == [("U0CAROL", "code")]
    (request,) = rig.row("SELECT id FROM requests WHERE number = ?", number)
    entries = [one[0] for one in rig.rows("SELECT entry FROM audit_log")]
    mine = [
        one
        for one in entries
        if '"kind":"vote"' in one and '"by":"U0CAROL"' in one and f'"request":{request}' in one
    ]
    assert len(mine) == 1
    assert (
        code.encode() not in (rig.folder / "bot.log").read_bytes() + (rig.folder / "worker.log").read_bytes()
    )


def test_a_code_that_comes_when_the_job_runs_already(rig: Rig, phones: dict[str, Phone]) -> None:
    rig.dies("linger", "step.delete")
    ballot = rig.ask_to_delete(rig.somebody())
    number = newest(rig)
    dan, bob = phones["U0CAROL"], phones["U0BOB"]
    late = Phone(rig, "U0DAN")
    asked = late.wish(ballot)
    late.press(asked)
    for phone in (bob, dan):
        phone.approve(ballot)
    marker = rig.folder / "data" / "lingering"
    rig.wait(marker.exists, "the job runs")
    assert "running" in late.type("123456")
    marker.unlink()
    rig.wait_state(number, "succeeded")
    rig.stop("worker")
    rig.start_worker()


def test_whoever_has_no_codes_gets_them_with_a_ticket_and_a_wrong_one_is_void_after_three(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Rig(tmp_path_factory.mktemp("enrolment"), by_code) as rig:
        ballot = rig.ask_to_delete(GRACE)
        erin = Phone(rig, "U0ERIN")
        since = rig.react("U0ERIN", ballot)
        asked = rig.slack.as_user("U0ERIN").wait_for_private(
            "not set up yet", newer_than=since, timeout=PATIENCE
        )
        rig.slack.wait_for(lambda: "codes not set up yet" in thread_text(rig, ballot), PATIENCE)
        erin.ticket()
        for said in ("not right", "not right", "void"):
            since = rig.slack.core.stamp()
            rig.slack.as_user("U0ERIN").click(asked.channel, asked.ts, "enrol")
            assert said in erin.fill(since, {"ticket": "AAAA-BBBB-CCCC-DDDD", "code": erin.next()}, "Set up")
        since = rig.slack.core.stamp()
        rig.slack.as_user("U0ERIN").click(asked.channel, asked.ts, "enrol")
        values = {"ticket": erin.handed["ticket"], "code": erin.next()}
        assert "no ticket" in erin.fill(since, values, "Set up")
        since = rig.slack.core.stamp()
        erin.enrol()
        rig.told("U0ERIN", since, "count from now on")
        asked = rig.slack.as_user("U0ERIN").wait_for_private("Read the plan", timeout=PATIENCE)
        erin.press(asked)
        assert "counts" in erin.type(erin.next())
        new_phone(rig, erin)


def new_phone(rig: Rig, erin: Phone) -> None:
    """A second ticket: the channel hears of it, the new phone waits to be confirmed, and its owner cancels it."""

    def said(text: str) -> list[Message]:
        return [one for one in rig.room() if text in shown_text(one)]

    again = Phone(rig, "U0ERIN")
    since = rig.slack.core.stamp()
    again.ticket()
    rig.slack.wait_for(lambda: said("may get a new phone"), PATIENCE)
    rig.told("U0ERIN", since, "could move to a new phone")
    since = rig.command("U0ERIN", "/countersign", "enrol")
    values = {"ticket": again.handed["ticket"], "code": again.next()}
    assert "must confirm" in again.fill(since, values, "Set up your codes")
    rig.slack.wait_for(lambda: said("wants to use a new phone"), PATIENCE)
    (offer,) = said("wants to use a new phone")
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0ERIN").click("C0DELETIONS", offer.ts, "change-confirm")
    rig.told("U0ERIN", since, "Somebody else")
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0ERIN").click("C0DELETIONS", offer.ts, "change-cancel")
    rig.told("U0ERIN", since, "Cancelled")
    rig.slack.wait_for(lambda: said("has cancelled the new phone"), PATIENCE)


def test_the_command_needs_the_workers_folder_and_shows_everything_once(rig: Rig) -> None:
    shown = enrol(rig, "U0FRANK")
    assert shown.returncode == 0, shown.stderr
    assert "otpauth://totp/" in shown.stdout
    assert shown.stdout.count("-") > 30
    hidden = rig.folder / "data" / "worker" / "proof.key"
    away = hidden.with_suffix(".away")
    hidden.rename(away)
    try:
        refused = enrol(rig, "U0FRANK")
    finally:
        away.rename(hidden)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "proof.key" in refused.stderr
    assert enrol(rig, "carol").returncode == 2


def test_nothing_of_it_is_in_the_clear_anywhere(rig: Rig, phones: dict[str, Phone]) -> None:
    content = b"".join(path.read_bytes() for path in rig.folder.rglob("*") if path.is_file())
    for phone in phones.values():
        for secret in (phone.handed["key"], phone.handed["ticket"], *phone.handed["recovery"]):
            assert secret.encode() not in content
            assert secret.replace("-", "").encode() not in content
