"""What is wrong about the world, not about the words: the data moved, the database is away, the backup is not theirs.

Each gets one clear sentence to the right person, and nothing changes.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from bot.backups import keys, reference
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wrong-and-late")]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    with Rig(folder, lambda text: text.replace("find_by: [id, email]", "find_by: [id, email, name]")) as rig:
        yield rig


def sql(rig: Rig, script: str) -> None:
    with closing(sqlite3.connect(rig.crm, timeout=30)) as connection:
        connection.executescript(script)


def newest(rig: Rig) -> int:
    return int(rig.row("SELECT max(number) FROM requests")[0])


def voters(rig: Rig, number: int, revision: int) -> list[str]:
    query = "SELECT v.user FROM votes v JOIN requests r ON r.id = v.request_id WHERE r.number = ? AND v.revision = ?"
    with rig.books() as books:
        return [row[0] for row in books.execute(query, (number, revision))]


def cancelled(rig: Rig, number: int) -> None:
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def is_a_sentence(said: str) -> None:
    assert re.search(r"[.!?…`)]\s*$", said.strip()), said


def test_a_name_that_several_have_is_refused_with_their_number(rig: Rig) -> None:
    before = rig.contents()
    shared, many = Counter(str(row[2]) for row in before["customers"]).most_common(1)[0]
    since = rig.command("U0ALICE", "/delete-records", f'crm customer "{shared}" -- why')
    said = rig.told("U0ALICE", since, str(many))
    is_a_sentence(said)
    assert rig.contents() == before


@contextmanager
def moved_away(rig: Rig) -> Iterator[None]:
    away = rig.crm.with_suffix(".away")
    rig.crm.rename(away)
    try:
        yield
    finally:
        away.rename(rig.crm)


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    with closing(sqlite3.connect(rig.crm, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def overwritten(rig: Rig) -> Iterator[None]:
    content = rig.crm.read_bytes()
    rig.crm.write_bytes(b"this was a database once" * 100)
    try:
        yield
    finally:
        rig.crm.write_bytes(content)


AWAY = {"away": moved_away, "locked": locked, "no database any more": overwritten}


@pytest.mark.parametrize("case", AWAY)
def test_a_database_that_cannot_be_used_is_told_to_whoever_asks(rig: Rig, case: str) -> None:
    before = rig.contents()
    with AWAY[case](rig):
        since = rig.command("U0ALICE", "/delete-records", "crm customer grace@example.com -- why")
        rig.told("U0ALICE", since)
        rig.wait(
            lambda: rig.row("SELECT state FROM requests ORDER BY id DESC LIMIT 1")[0] == "refused", "refused"
        )
        is_a_sentence(rig.told("U0ALICE", since, "crm"))
    assert rig.contents() == before


@pytest.mark.parametrize("case", ["away", "no database any more"])
def test_a_database_that_went_away_after_the_vote_ends_the_request(rig: Rig, case: str) -> None:
    before = rig.contents()
    ballot = rig.ask_to_delete("grace@example.com")
    number = newest(rig)
    with AWAY[case](rig):
        rig.approve(ballot)
        assert rig.wait_state(number, "failed", "held", "succeeded", "refused") == "failed"
    assert rig.contents() == before
    rig.slack.wait_for(lambda: any("nothing was changed" in m.text for m in texts(rig, ballot)), PATIENCE)


def texts(rig: Rig, ballot: Message) -> list[Message]:
    return [rig.card(ballot), *rig.thread(ballot.thread_ts)]


#: What happens in the database between the plan and the run, and how it is undone.
DRIFT = {
    "a row appeared": (
        "INSERT INTO notes VALUES (900001, 'customer', {id}, NULL, 'late')",
        "DELETE FROM notes WHERE id = 900001",
    ),
    "a row got another key": (
        "UPDATE notes SET id = id + 900000 WHERE subject_type = 'customer' AND subject_id = {id}",
        "UPDATE notes SET id = id - 900000 WHERE id > 900000",
    ),
    "the person was renamed": (
        "UPDATE customers SET name = 'Somebody Else' WHERE id = {id}",
        "UPDATE customers SET name = 'Grace Hopper' WHERE id = {id}",
    ),
}


@pytest.mark.parametrize("case", DRIFT)
def test_what_moved_since_the_vote_opens_a_new_ballot_and_voids_the_old(rig: Rig, case: str) -> None:
    before = rig.contents()
    grace = next(row for row in before["customers"] if row[1] == "grace@example.com")
    if "key" in case:
        sql(rig, f"INSERT INTO notes VALUES (77777, 'customer', {grace[0]}, NULL, 'x')")
    change, undo = (text.format(id=grace[0]) for text in DRIFT[case])
    old = rig.ask_to_delete("grace@example.com")
    number = newest(rig)
    sql(rig, change)
    rig.approve(old)
    new = rig.ballot(old.ts)
    rig.wait_state(number, "pending")
    assert rig.row("SELECT revision FROM requests WHERE number = ?", number) == (2,)
    assert any("no longer count" in one.text + str(one.blocks) for one in rig.thread(old.thread_ts))
    assert next(row for row in rig.contents()["customers"] if row[0] == grace[0])

    since = rig.react("U0DAN", old)
    assert "newest" in rig.told("U0DAN", since)
    assert voters(rig, number, 2) == []
    rig.react("U0BOB", new)
    rig.wait(lambda: voters(rig, number, 2) == ["U0BOB"], "a vote on the new ballot")
    assert rig.state(number) == "pending"
    cancelled(rig, number)
    sql(rig, undo.replace("Grace Hopper", grace[2].replace("'", "''")))
    sql(rig, "DELETE FROM notes WHERE id = 77777")
    assert rig.contents() == before


def test_twice_from_one_person_is_once_and_a_machine_has_no_vote(rig: Rig) -> None:
    ballot = rig.ask_to_delete("grace@example.com")
    number = newest(rig)
    rig.react("U0ROBOT", ballot)
    rig.react("U0BOB", ballot)
    rig.wait(lambda: voters(rig, number, 1), "a vote")
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0BOB").click("C0DELETIONS", ballot.ts, "vote-approve")
    rig.told("U0BOB", since, "already")
    assert rig.state(number) == "pending"
    assert voters(rig, number, 1) == ["U0BOB"]
    cancelled(rig, number)


def deleted(rig: Rig, email: str) -> tuple[str, str, int]:
    """Reference, backup and number of a finished deletion; nothing restores it."""
    ballot = rig.ask_to_delete(email)
    number = newest(rig)
    rig.approve(ballot)
    rig.wait_state(number, "succeeded")
    query = "SELECT reference, id FROM backups WHERE request_id = (SELECT id FROM requests WHERE number = ?)"
    token, backup = rig.row(query, number)
    return str(token), str(backup), number


@pytest.fixture(scope="module")
def receipt(rig: Rig) -> tuple[str, str, int]:
    return deleted(rig, "ada@example.com")


def of_another_workspace(rig: Rig, token: str) -> str:
    master = keys.load(rig.folder / "data" / "worker" / "master.key")
    here = Vault(LocalStorage(rig.folder / "backups"), master, "T0ACME")
    payload = here.unseal(token)
    return reference.seal(
        master.derive("reference"),
        master.key_id,
        type(payload)(payload.backup_id, payload.sha256, "T0OTHER"),
        b"\0" * 12,
    )


REFERENCES: dict[str, tuple[Callable[[Rig, str], str], str]] = {
    "cut": (lambda _, token: token[:-7], "cut off or altered"),
    "one letter altered": (
        lambda _, token: token[:60] + ("A" if token[60] != "A" else "B") + token[61:],
        "cut off or altered",
    ),
    "another workspace's": (of_another_workspace, "another Slack workspace"),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_a_reference_that_is_not_right_restores_nothing(
    rig: Rig, receipt: tuple[str, str, int], case: str
) -> None:
    before = rig.contents()
    make, sentence = REFERENCES[case]
    since = rig.command("U0ERIN", "/restore", f"{make(rig, receipt[0])} -- why")
    is_a_sentence(rig.told("U0ERIN", since, sentence))
    assert rig.contents() == before


#: What somebody did after the deletion, how it is undone, and what stands in the way of the way back.
CONFLICTS = {
    "a stranger has the key": (
        "INSERT INTO customers (id, name) VALUES (1815, 'Stranger')",
        "DELETE FROM customers WHERE id = 1815",
        "customers",
    ),
    "another has the address": (
        "INSERT INTO customers (id, name, email) VALUES (900001, 'Twin', 'ada@example.com')",
        "DELETE FROM customers WHERE id = 900001",
        "customers",
    ),
    "a column is gone": (
        "ALTER TABLE customers RENAME COLUMN phone TO telephone",
        "ALTER TABLE customers RENAME COLUMN telephone TO phone",
        "phone",
    ),
    "a new column wants a value": (
        "ALTER TABLE customer_tags ADD COLUMN since TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE customer_tags DROP COLUMN since",
        "",
    ),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_what_stands_in_the_way_of_a_restore_is_told_before_anybody_votes(
    rig: Rig, receipt: tuple[str, str, int], case: str
) -> None:
    change, undo, named = CONFLICTS[case]
    sql(rig, change)
    before = rig.contents()
    since = rig.command("U0ERIN", "/restore", f"#{receipt[2]} -- why")
    if named:
        # Below the sentence: counts by table, and buttons with what can be chosen instead.
        is_a_sentence(rig.told("U0ERIN", since, named).split("\n")[0])
    else:
        # A default is there: no obstacle.
        rig.ballot(since)
        rig.command("U0ERIN", "/countersign", f"cancel {newest(rig)}")
        rig.wait_state(newest(rig), "cancelled")
    assert rig.contents() == before
    sql(rig, undo)


def test_a_shredded_backup_says_so_by_reference_and_by_number(rig: Rig) -> None:
    known = ("ada@example.com", "grace@example.com")
    other = next(row[1] for row in rig.contents()["customers"] if row[1] and row[1] not in known)
    token, backup, number = deleted(rig, other)
    before = rig.contents()
    with closing(sqlite3.connect(rig.folder / "data" / "countersign.db", timeout=30)) as books:
        books.execute("UPDATE backups SET keep_until = created_at WHERE id = ?", (backup,))
        books.commit()
    rig.wait(lambda: rig.row("SELECT state FROM backups WHERE id = ?", backup) == ("gone",), "shredded")
    for what in (f"`{token}`", f"#{number}"):
        since = rig.command("U0ERIN", "/restore", f"{what} -- why")
        is_a_sentence(rig.told("U0ERIN", since, "shredded"))
    assert rig.contents() == before
