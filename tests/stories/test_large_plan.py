"""A plan of fifty kilobytes: nobody votes before all of it is there to be read, and it goes when its request does."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bot.sandbox.crm import ADA_EMAIL
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Json, Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("large-plan")]

TABLES = [f"appendix_{number:03}_" + "long_name_" * 10 for number in range(420)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"), retry_delays=(0.2, 0.5, 1.0))
    with closing(sqlite3.connect(rig.crm)) as crm:
        for name in TABLES:
            crm.execute(f'CREATE TABLE "{name}" (id INTEGER PRIMARY KEY, whose INTEGER REFERENCES customers)')
            crm.execute(f"INSERT INTO \"{name}\" (whose) SELECT id FROM customers WHERE email LIKE '%@%'")
        crm.commit()
    with rig:
        yield rig


@pytest.fixture
def rig(whole: Rig) -> Iterator[Rig]:
    yield whole
    whole.slack.faults.clear()
    assert not whole.slack.violations


def carriers(rig: Rig, thread: str) -> list[Message]:
    """The messages of a thread that carry a file somebody can open."""
    return [one for one in rig.thread(thread) if one.files and all("mode" not in file for file in one.files)]


def content(rig: Rig, file: Json) -> bytes:
    found: bytes = rig.slack.core.workspace.files[file["id"]]["content"]
    return found


def the_file(rig: Rig, ballot: Message) -> bytes:
    """The one file of a thread, which was there before the ballot."""
    (carrier,) = carriers(rig, ballot.thread_ts)
    assert carrier.ts < ballot.ts
    return content(rig, carrier.files[0])


def told_in(rig: Rig, ballot: Message, text: str) -> Message | None:
    return next((one for one in rig.thread(ballot.thread_ts) if text in shown_text(one)), None)


def test_all_of_it_can_be_read_and_what_is_read_is_what_is_voted_on(rig: Rig) -> None:
    ballot = rig.ask_to_delete(ADA_EMAIL)
    written = the_file(rig, ballot)
    text = written.decode()
    assert len(written) > 50_000
    for name in TABLES:
        assert f"{name}  1\n" in text
    assert ADA_EMAIL in text
    number = rig.row("SELECT max(number) FROM requests")[0]
    digest, request = rig.row(
        "SELECT v.digest, r.id FROM revisions v JOIN requests r ON r.id = v.request_id WHERE number = ?",
        number,
    )
    assert f"digest {digest}." in text
    sha256 = hashlib.sha256(written).hexdigest()
    plan = rig.slack.wait_for(lambda: told_in(rig, ballot, f"Plan of request #{number}"), PATIENCE)
    assert plan is not None
    assert sha256 in shown_text(plan)
    assert digest[:16] in shown_text(plan)
    rig.approve(ballot)
    rig.wait_state(number, "succeeded", patience=60)
    assert not rig.ada_is_there()
    rig.slack.wait_for(lambda: not carriers(rig, ballot.thread_ts), PATIENCE)
    rig.slack.wait_for(lambda: told_in(rig, ballot, "the file is deleted"), PATIENCE)
    assert rig.row("SELECT digest FROM permits WHERE request_id = ? AND state = 'consumed'", request) == (
        digest,
    )
    assert any(sha256 in entry for (entry,) in rig.rows("SELECT entry FROM audit_log"))
    assert ADA_EMAIL not in str(
        [file for file in rig.slack.core.workspace.files.values() if "content" in file]
    )


FAULTS = {
    "busy": lambda rig, method: rig.slack.faults.rate_limit(method, retry_after=1, times=2),
    "refusing for a while": lambda rig, method: rig.slack.faults.fail_next(method, "internal_error", times=2),
    "broken before": lambda rig, method: rig.slack.faults.break_next(method, 500, times=2),
    "broken after": lambda rig, method: rig.slack.faults.break_next(method, 503, done=True),
    "silent after": lambda rig, method: rig.slack.faults.lose_answer_next(method, times=1),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
def test_slack_fails_in_the_middle_and_there_is_one_file_and_then_one_ballot(
    rig: Rig, method: str, fault: str
) -> None:
    FAULTS[fault](rig, method)
    ballot = rig.ask_to_delete(rig.somebody())
    sha256 = hashlib.sha256(the_file(rig, ballot)).hexdigest()
    rig.slack.wait_for(lambda: sha256_on_plan(rig, ballot, sha256), PATIENCE)
    number = rig.row("SELECT max(number) FROM requests")[0]
    rig.slack.faults.fail_next("files.delete", "internal_error", times=1)
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")
    rig.slack.wait_for(lambda: not carriers(rig, ballot.thread_ts), PATIENCE)


def sha256_on_plan(rig: Rig, ballot: Message, sha256: str) -> bool:
    plan = told_in(rig, ballot, "Plan of request")
    return plan is not None and sha256 in shown_text(plan)


def test_the_bot_is_killed_while_the_file_is_on_its_way(rig: Rig) -> None:
    rig.slack.faults.delay("files.completeUploadExternal", 3.0)
    since = rig.command("U0ALICE", "/delete-records", f"crm customer {rig.somebody()} -- why")
    rig.slack.wait_for(lambda: [one for one in rig.room() if one.files and one.ts > since], PATIENCE)
    rig.kill("bot")
    rig.slack.faults.clear()
    rig.start_bot()
    ballot = rig.ballot(since)
    assert b"Plan of request" in the_file(rig, ballot)
    number = rig.row("SELECT max(number) FROM requests")[0]
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")
    rig.slack.wait_for(lambda: not carriers(rig, ballot.thread_ts), PATIENCE)
