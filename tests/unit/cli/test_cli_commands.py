"""The commands as an administrator types them, over a real installation in a folder."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_installation import BACKUP, SECRET, Installation
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


@pytest.mark.parametrize("number", ["7", "#", "x", "²", "-1", "9" * 30])
def test_a_request_that_is_not_there_is_a_no(installation: Installation, number: str) -> None:
    installation.prepare()
    answer = installation.command("request", "show", "--", number)
    assert (answer.code, answer.out) == (1, "")


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


# Policy


def simulate(installation: Installation, *arguments: str) -> tuple[int, dict[str, object]]:
    answer = installation.command("policy", "simulate", *arguments, "--json")
    return answer.code, answer.data


@pytest.mark.parametrize(
    ("sentence", "arguments", "code", "rule", "possible"),
    [
        ("few rows", ("delete-records", "crm", "--rows", "5"), 0, "small erasure", ["small erasure"]),
        ("many rows", ("delete-records", "crm", "--rows", "101"), 0, "large erasure", ["large erasure"]),
        ("rows not known", ("delete-records", "crm"), 0, None, ["small erasure", "large erasure"]),
        ("no rule at all", ("unfreeze", "crm"), 1, None, []),
        ("somebody who may", ("restore", "crm", "--user", "U0BOB"), 0, "way back", ["way back"]),
        ("somebody who may not", ("restore", "crm", "--user", "U0CAROL"), 1, "way back", ["way back"]),
    ],
)
def test_the_rule_that_would_decide(
    installation: Installation,
    sentence: str,
    arguments: tuple[str, ...],
    code: int,
    rule: str | None,
    possible: list[str],
) -> None:
    got, data = simulate(installation, *arguments)
    assert (got, data["rule"]) == (code, rule)
    assert isinstance(data["possible"], list)
    assert [one["name"] for one in data["possible"]] == possible
    assert installation.command("policy", "simulate", *arguments).code == code


@pytest.mark.parametrize(
    "arguments",
    [("drop-everything", "crm"), ("restore", "no-such-system"), ("delete-records", "crm", "--record", "dog")],
)
def test_a_simulation_of_what_is_not_there_is_two(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    assert installation.command("policy", "simulate", *arguments).code == 2


# Check


def levels(installation: Installation) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in installation.command("check", "--json").data["items"]:
        found.setdefault(one["level"], []).append(one["text"])
    return found


def test_check_reads_the_system_and_the_store(installation: Installation) -> None:
    said = levels(installation)
    assert "error" not in said
    assert any(text.startswith("crm can be read") for text in said["ok"])
    assert "Backups can be written." in said["ok"]
    assert any("no master key yet" in text for text in said["note"])


def test_check_changes_nothing(installation: Installation) -> None:
    def files() -> set[Path]:
        return {path for path in installation.folder.rglob("*") if path.is_file()}

    before = files()
    installation.command("check")
    assert files() == before


def test_check_finds_every_wrong_name_in_the_system_at_once(installation: Installation) -> None:
    wrong = installation.config.read_text()
    wrong = wrong.replace("find_by: [id, email]", "find_by: [id, mail]").replace("{name}", "{nick}")
    wrong = wrong.replace("notes.subject_id", "notice.subject_id")
    installation.config.write_text(wrong)
    answer = installation.command("check")
    assert answer.code == 1
    assert {"mail", "nick", "notice"} <= {word.strip("“”,.") for word in answer.out.split()}


def test_check_says_every_problem_of_the_file_with_its_line(installation: Installation) -> None:
    lines = installation.config.read_text().replace("[1 of dba]", "[1 of dbaa]")
    installation.config.write_text(f"{lines}surprise: true\n")
    answer = installation.command("check", "--json")
    assert answer.code == 2
    errors = [one for one in answer.data["items"] if one["level"] == "error"]
    assert len(errors) == 2
    assert all(one["line"] for one in errors)


def test_check_names_a_missing_variable_and_goes_on(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRM_URL")
    answer = installation.command("check", "--json")
    assert answer.code == 2
    assert any("CRM_URL" in one["text"] for one in answer.data["items"])
    assert answer.data["roles"]


def test_check_tells_a_system_that_is_not_there(installation: Installation) -> None:
    (installation.folder / "crm.db").unlink()
    answer = installation.command("check")
    assert answer.code == 1
    assert "error: " in answer.out


def test_check_survives_a_slack_that_is_down(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-not-a-token")
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    said = levels(installation)
    assert any(text.startswith("crm can be read") for text in said["ok"])
    assert not any("xoxb" in text for texts in said.values() for text in texts)


def test_check_tells_a_backup_store_that_cannot_be_written(installation: Installation) -> None:
    (installation.folder / "var").mkdir()
    (installation.folder / "var" / "backups").write_text("a file where the folder should be")
    assert installation.command("check").code == 1


def test_check_tells_a_master_key_that_others_can_read(installation: Installation) -> None:
    installation.prepare()
    installation.add_backup(installation.add_request(42))
    assert "error" not in levels(installation)
    key = installation.folder / "var" / "worker" / "master.key"
    key.chmod(0o644)
    assert levels(installation)["error"]
    key.unlink()
    assert levels(installation)["error"]


def test_an_installation_without_a_configuration_is_one_sentence(installation: Installation) -> None:
    installation.config.unlink()
    answer = installation.command("check", "--json")
    assert answer.code == 2
    assert len(answer.data["items"]) == 1


def test_a_database_of_another_version_is_told(installation: Installation) -> None:
    (installation.folder / "var").mkdir()
    sqlite3.connect(installation.folder / "var" / "countersign.db").executescript("CREATE TABLE x (y);")
    answer = installation.command("request", "list")
    assert answer.code == 2
    assert "worker" in answer.err
