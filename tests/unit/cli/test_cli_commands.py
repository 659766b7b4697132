"""The commands as an administrator types them, over a real installation in a folder."""

import json
import os
import stat
import subprocess
import sys

import pytest
from sqlalchemy import update

from bot.audit.export import verify_export
from bot.audit.signing import public_key
from bot.cli.console import exit_code
from bot.errors import (
    BadInput,
    Broken,
    CannotProve,
    CountersignError,
    Halted,
    NotAllowed,
    NotFound,
    NotOurs,
    Stale,
    StorageDown,
    TargetDown,
)
from bot.model.requests import State
from bot.store.tables import audit_log
from tests.unit.cli.cli_installation import BACKUP, SECRET, Installation


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput, 2),
        (NotAllowed, 1),
        (NotFound, 1),
        (Stale, 1),
        (CannotProve, 1),
        (NotOurs, 1),
        (Halted, 1),
        (Broken, 70),
        (TargetDown, 70),
        (StorageDown, 70),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: type[CountersignError], code: int) -> None:
    assert exit_code(error("any.key")) == code


def test_the_real_program_answers_with_sentences_and_codes(installation: Installation) -> None:
    """Through ``python -m bot``, as people run it."""

    def type_in(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments], capture_output=True, text=True, check=False
        )

    version = type_in("--version")
    assert (version.returncode, version.stdout.split()[0], version.stderr) == (0, "countersign", "")
    assert type_in("no-such-command").returncode == 2
    missing = type_in("audit", "verify")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "Traceback" not in missing.stderr
    assert missing.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("request", "show"),
        ("request", "show", "1", "2"),
        ("backup", "open", BACKUP),
        ("policy", "simulate", "delete-records"),
        ("policy", "simulate", "delete-records", "crm", "--rows", "-1"),
        ("serve", "--only", "nobody"),
        ("sandbox", "--port", "70000"),
        ("audit", "verify", "--no-such-option"),
    ],
)
def test_bad_usage_is_two(installation: Installation, arguments: tuple[str, ...]) -> None:
    assert installation.command(*arguments).code == 2


def test_an_unexpected_error_tells_its_kind_and_nothing_it_says(installation: Installation) -> None:
    """A database file that is none: the driver's own text may hold anything, so it is never shown."""
    (installation.folder / "var").mkdir()
    (installation.folder / "var" / "countersign.db").write_bytes(b"no database" * 500)
    answer = installation.command("audit", "verify")
    assert answer.code == 70
    assert "Traceback" not in answer.err
    assert "no database" not in answer.err


def test_debug_shows_the_trace(installation: Installation) -> None:
    assert "Traceback" in installation.command("request", "list", "--debug").err


# The log


def test_a_whole_log_is_told_as_whole(installation: Installation) -> None:
    installation.prepare()
    answer = installation.command("audit", "verify", "--head", installation.head(), "--json")
    assert answer.code == 0
    assert answer.data["ok"] is True
    assert answer.data["entries"] == 4
    assert answer.data["head"] == installation.head()
    assert "whole" in installation.command("audit", "verify").out


def test_a_changed_entry_is_a_no_with_its_number(installation: Installation) -> None:
    installation.prepare()
    head = installation.head()
    store = installation.store()
    with store.transact() as work:
        work.connection.execute(update(audit_log).where(audit_log.c.seq == 2).values(entry="{}"))
    store.database.close()
    answer = installation.command("audit", "verify", "--head", head)
    assert answer.code == 1
    assert "Entry 2 was changed" in answer.out
    data = installation.command("audit", "verify", "--json").data
    assert [(problem["key"], problem["seq"]) for problem in data["problems"]] == [("audit.changed", 2)]


def test_an_export_is_checked_with_nothing_else(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.prepare()
    file = installation.folder / "log.jsonl"
    assert installation.command("audit", "export", "--to", str(file)).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify_export(file.read_text().splitlines(), installation.head()).ok
    head = installation.head()
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(installation.folder / "elsewhere"))
    arguments = ("audit", "verify", "--file", str(file), "--head", head, "--key", public_key(SECRET))
    assert installation.command(*arguments).code == 0
    file.write_bytes(file.read_bytes().replace(b"U0DAVE", b"U0EVE0", 1))
    assert installation.command(*arguments).code == 1


def test_an_export_goes_to_standard_output_too(installation: Installation) -> None:
    installation.prepare()
    assert verify_export(installation.command("audit", "export").out.splitlines(), None).ok


def test_an_export_never_writes_over_a_file(installation: Installation) -> None:
    installation.prepare()
    file = installation.folder / "log.jsonl"
    file.write_text("mine")
    answer = installation.command("audit", "export", "--to", str(file))
    assert (answer.code, file.read_text()) == (2, "mine")


@pytest.mark.parametrize("arguments", [("--head", "nonsense"), ("--file", "no-such-file")])
def test_a_question_that_makes_no_sense_is_two(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    installation.prepare()
    assert installation.command("audit", "verify", *arguments).code == 2


# Requests


def test_requests_are_listed_and_shown(installation: Installation) -> None:
    installation.prepare()
    installation.add_request(42)
    installation.add_request(41, State.SUCCEEDED)
    listed = installation.command("request", "list", "--json")
    assert [one["number"] for one in listed.data] == [42]
    assert {one["number"] for one in installation.command("request", "list", "--all", "--json").data} == {
        41,
        42,
    }
    shown = installation.command("request", "show", "#42", "--json")
    assert shown.data["rule"] == "small erasure"
    assert shown.data["votes"][0]["user"] == "U0DAVE"
    text = installation.command("request", "show", "42").out
    assert "U0ALICE" in text
    assert "small erasure" in text


@pytest.mark.parametrize(
    ("number", "code"), [("7", 1), ("9" * 30, 1), ("#", 2), ("x", 2), ("²", 2), ("-1", 2), ("##7", 2)]
)
def test_a_request_that_is_not_there_is_a_no_and_what_is_no_number_is_bad_usage(
    installation: Installation, number: str, code: int
) -> None:
    installation.prepare()
    answer = installation.command("request", "show", "--", number)
    assert (answer.code, answer.out) == (code, "")
    assert number in answer.err


def test_nothing_to_list_is_a_sentence_or_an_empty_list(installation: Installation) -> None:
    installation.prepare()
    assert installation.command("request", "list").out == "There are no requests here.\n"
    assert installation.command("request", "list", "--json").data == []
    assert installation.command("backup", "list").out == "There are no backups.\n"
    assert installation.command("backup", "list", "--json").data == []


def test_control_characters_never_reach_the_terminal(installation: Installation) -> None:
    installation.prepare()
    request_id = installation.add_request(42)
    store = installation.store()
    with store.transact() as work:
        work.requests.save(request_id, State.PENDING, record="evil\x1b[2J[bold]")
    store.database.close()
    for arguments in (("request", "list"), ("request", "show", "42")):
        out = installation.command(*arguments).out
        assert "\x1b" not in out
        assert "[bold]" in out


# Backups


def test_a_backup_is_listed_verified_and_opened(installation: Installation) -> None:
    installation.prepare()
    reference = installation.add_backup(installation.add_request(42))
    listed = installation.command("backup", "list", "--json").data
    assert [(one["id"], one["rows"]) for one in listed] == [(BACKUP, 3)]
    assert installation.command("backup", "verify", BACKUP, "--json").data["rows"] == 3
    assert installation.command("backup", "verify", f"`{reference}`").code == 0
    folder = installation.folder / "opened"
    answer = installation.command("backup", "open", BACKUP, "--to", str(folder))
    assert answer.code == 0
    rows = (folder / "rows" / "customers.csv").read_text().splitlines()
    assert rows == ['"id","name"', '"i1","tAda"', '"i2",', '"i3","t"']
    assert json.loads((folder / "MANIFEST.json").read_text())["backup"] == BACKUP
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "rows")}
    assert modes == {0o700}
    assert stat.S_IMODE((folder / "rows" / "customers.csv").stat().st_mode) == 0o600


def test_a_backup_gives_out_its_csv_and_no_name_leads_out_of_the_folder(installation: Installation) -> None:
    installation.prepare()
    data = b'"a"\r\n"=x"\r\n'
    streams = {"database.public.a.csv": data, "../../x.csv": data, "database.A b/\u00e4.csv": b""}
    installation.add_backup(installation.add_request(42), streams)
    folder = installation.folder / "opened"
    assert installation.command("backup", "open", BACKUP, "--to", str(folder)).code == 0
    found = {path.name: path for path in (folder / "csv").rglob("*")}
    assert found.keys() == {"database.public.a.csv", "%2E.%2F..%2Fx.csv", "database.A%20b%2F%C3%A4.csv"}
    assert found["database.public.a.csv"].read_bytes() == data
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o600}


def test_opening_a_backup_leaves_an_entry(installation: Installation) -> None:
    installation.prepare()
    installation.add_backup(installation.add_request(42))
    installation.command("backup", "open", BACKUP, "--to", str(installation.folder / "opened"))
    store = installation.store()
    with store.read() as work:
        last = json.loads(work.audit.entries()[-1].entry)
    store.database.close()
    assert (last["kind"], last["body"]) == ("backup-opened", {"backup": BACKUP, "uid": os.getuid()})
    assert installation.command("audit", "verify").code == 0


def test_a_damaged_backup_is_a_no_and_leaves_nothing_behind(installation: Installation) -> None:
    installation.prepare()
    installation.add_backup(installation.add_request(42))
    archive = next((installation.folder / "var" / "backups").rglob(f"{BACKUP}.age"))
    archive.chmod(0o600)
    whole = bytearray(archive.read_bytes())
    whole[-1] ^= 1
    archive.write_bytes(whole)
    folder = installation.folder / "opened"
    assert installation.command("backup", "verify", BACKUP).code == 1
    assert installation.command("backup", "open", BACKUP, "--to", str(folder)).code == 1
    assert not folder.exists()


def test_a_backup_is_never_opened_into_a_folder_that_is_there(installation: Installation) -> None:
    installation.prepare()
    installation.add_backup(installation.add_request(42))
    assert installation.command("backup", "open", BACKUP, "--to", str(installation.folder)).code == 2
    assert (installation.folder / "crm.db").exists()


@pytest.mark.parametrize("name", ["b20260301-zzzzzzzzzz", "../../etc/passwd", "", "cs1.AAAA", "42"])
def test_a_backup_that_is_not_there_is_refused(installation: Installation, name: str) -> None:
    installation.prepare()
    installation.add_backup(installation.add_request(42))
    assert installation.command("backup", "verify", name).code in (1, 2)
