"""Who was deleted is named nowhere of ours any more: database, data folder, logs, Slack. What is left is offered."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.fakes.servers import postgresql_database
from tests.stories.rig import PATIENCE, Rig

# Twice it waits for a sweep that comes once a minute.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

NAME, MAIL, PHONE = "Ada Lovelace", "ada@example.com", "+44 1815 1852"
REASON = "Löschwunsch-4711-der-Gräfin"
CUSTOMER = '      customer: {table: customers, find_by: [id, email], label: "{name}"}\n'
WITH_RESIDUE = """\
      customer:
        table: customers
        find_by: [id, email]
        label: "{name}"
        residue: {identifiers: [email, phone], look_in: [notes.body, users.email, gone.mail]}
      note: {table: notes, find_by: [id], label: "note {id}"}
"""
DATABASES = ("sqlite", "postgresql")


def change(text: str) -> str:
    assert CUSTOMER in text
    return text.replace(CUSTOMER, WITH_RESIDUE)


def prepared(rig: Rig) -> list[int]:
    """Ada has a phone, and two notes about others name her; their keys."""
    with closing(sqlite3.connect(rig.crm)) as connection, connection:
        connection.execute("UPDATE customers SET phone = ?, name = ? WHERE email = ?", (PHONE, NAME, MAIL))
        other = connection.execute("SELECT min(id) FROM customers WHERE email <> ?", (MAIL,)).fetchone()[0]
        last = connection.execute("SELECT max(id) FROM notes").fetchone()[0]
        for number, body in enumerate((f"see {MAIL.upper()}", f"ring {PHONE}"), start=last + 1):
            connection.execute(
                "INSERT INTO notes (id, subject_type, subject_id, body) VALUES (?, 'customer', ?, ?)",
                (number, other, body),
            )
    return [last + 1, last + 2]


@contextmanager
def rig_on(kind: str, folder: Path) -> Iterator[Rig]:
    if kind == "sqlite":
        with Rig(folder, change) as rig:
            yield rig
        return
    with postgresql_database() as url, Rig(folder, change, url) as rig:
        yield rig


def forms(text: str) -> list[bytes]:
    """A text as it may be written down."""
    return sorted({text.encode(), text.lower().encode(), json.dumps(text)[1:-1].encode()})


def files(rig: Rig) -> dict[str, bytes]:
    """Everything that lies beside the CRM: our database with its journals, keys, backups, logs."""
    return {
        str(path.relative_to(rig.folder)): path.read_bytes()
        for path in rig.folder.rglob("*")
        if path.is_file() and not path.name.startswith("crm.db")
    }


def tables(rig: Rig) -> dict[str, bytes]:
    """Every row of every table, those of the engine included."""
    if not rig.database:
        return {}
    names = rig.rows(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    found = {name: rig.rows(f"SELECT t::text FROM {name} t") for (name,) in names}
    # A row as text writes each backslash of JSON twice.
    return {
        name: "\n".join(row[0] for row in rows).replace("\\\\", "\\").encode() for name, rows in found.items()
    }


def slack(rig: Rig) -> dict[str, bytes]:
    """Every message that is still there, with its blocks, its text and its files."""
    room = rig.slack.core.workspace
    found = {}
    for channel, messages in room.messages.items():
        for ts, message in messages.items():
            text = json.dumps(dataclasses.asdict(message), ensure_ascii=False, default=str)
            found[f"{channel}/{ts}"] = text.encode()
    return found


def leaks(rig: Rig, *places: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (name, text)
        for place in places
        for name, content in place.items()
        for text in (NAME, MAIL, PHONE, REASON)
        if any(form in content or form in content.lower() for form in forms(text))
    ]


def receipt(rig: Rig) -> Message:
    (found, *_) = rig.slack.wait_for(rig.receipts, PATIENCE)
    return found


@pytest.mark.parametrize("kind", DATABASES)
def test_who_was_deleted_is_named_nowhere_of_ours(kind: str, tmp_path: Path) -> None:
    with rig_on(kind, tmp_path) as rig:
        keys = prepared(rig)
        ask_in_vain(rig)
        since = rig.command("U0ALICE", "/delete-records", f"crm customer {MAIL} -- {REASON}")
        ballot = rig.ballot(since)
        shown = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
        assert "`notes.body`  2 rows" in shown
        assert "`users.email`  0 rows" in shown
        assert "`gone.mail`  unknown: there is no such column" in shown
        # While it is open, people are shown whom it is about, and we know it.
        assert {text for _, text in leaks(rig, slack(rig))} == {NAME, MAIL, REASON}
        assert {text for _, text in leaks(rig, files(rig), tables(rig))} == {NAME, MAIL, PHONE, REASON}
        rig.approve(ballot)
        rig.wait_state(1, "succeeded")
        rig.wait(lambda: not leaks(rig, slack(rig)), "Slack should forget")
        a_day_passes(rig)
        rig.wait(lambda: not leaks(rig, files(rig), tables(rig)), "everything should be forgotten", 150)
        assert "`notes.body`  2 rows, as in the plan" in shown_text(receipt(rig))
        follow_up(rig, keys)
        assert not leaks(rig, slack(rig), tables(rig))


def ask_in_vain(rig: Rig) -> None:
    """A look at the plan alone, and a refusal that can be tried again: both are kept for a while."""
    since = rig.command("U0ALICE", "/countersign", f"plan crm customer {MAIL}")
    assert NAME in rig.told("U0ALICE", since, NAME)
    since = rig.command("U0ALICE", "/delete-records", f"crm custmer {MAIL} -- {REASON}")
    assert "custmer" in rig.told("U0ALICE", since, "custmer")


def a_day_passes(rig: Rig) -> None:
    """For what is kept for a day, except for the keys of the follow-up, which the story needs still."""
    day = 25 * 3600 * 1_000_000
    for statement in (
        f"UPDATE erasable SET created_at = created_at - {day} WHERE subject NOT LIKE 'follow:%'",
        f"UPDATE requests SET created_at = created_at - {day} WHERE number IS NULL",
    ):
        if rig.database:
            rig.rows(f"{statement} RETURNING 1")
        else:
            path = rig.folder / "data" / "countersign.db"
            with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute(statement)


def follow_up(rig: Rig, keys: list[int]) -> None:
    """The button opens the form, for whoever may ask; the rows go by the usual way."""
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0BOB").click(DELETIONS, receipt(rig).ts, "follow-up")
    assert "one of these roles for this: support" in rig.told("U0BOB", since)
    alice = rig.slack.as_user("U0ALICE")
    alice.click(DELETIONS, receipt(rig).ts, "follow-up")
    form = alice.wait_for_view(timeout=PATIENCE)
    assert "\n".join(map(str, keys)) in json.dumps(form.body).replace("\\n", "\n")
    since = rig.slack.core.stamp()
    assert not alice.submit(form.id, {}).errors
    rig.approve(rig.ballot(since))
    rig.wait_state(2, "succeeded")
    assert not [row for row in rig.contents()["notes"] if row[0] in keys]


def test_keys_that_are_no_longer_kept_are_said_to_be_gone(tmp_path: Path) -> None:
    with rig_on("sqlite", tmp_path) as rig:
        prepared(rig)
        rig.approve(rig.ask_to_delete())
        rig.wait_state(1, "succeeded")
        rig.slack.wait_for(lambda: "follow-up" in str(receipt(rig).blocks), PATIENCE)
        path = rig.folder / "data" / "countersign.db"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            assert connection.execute("DELETE FROM erasable WHERE subject LIKE 'follow:%'").rowcount
        since = rig.slack.core.stamp()
        rig.slack.as_user("U0ALICE").click(DELETIONS, receipt(rig).ts, "follow-up")
        assert "kept for a day only" in rig.told("U0ALICE", since)


def test_a_worker_that_dies_before_the_last_look_still_looks(tmp_path: Path) -> None:
    with rig_on("sqlite", tmp_path) as rig:
        prepared(rig)
        ballot = rig.ask_to_delete()
        rig.dies("before", "step.elsewhere")
        rig.approve(ballot)
        rig.comes_back()
        rig.wait_state(1, "succeeded")
        assert "`notes.body`  2 rows, as in the plan" in shown_text(receipt(rig))
        assert not rig.ada_is_there()
        rig.wait(lambda: not leaks(rig, slack(rig), files(rig)), "everything should be forgotten", 90)
