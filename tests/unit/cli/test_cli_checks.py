"""``check`` and ``policy simulate``: what can be known before the start."""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.unit.cli.cli_installation import Installation

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


def test_an_empty_file_made_beforehand_is_no_database_yet_and_stays_empty(installation: Installation) -> None:
    file = installation.folder / "var" / "countersign.db"
    file.parent.mkdir(exist_ok=True)
    file.touch(mode=0o660)
    said = levels(installation)
    assert "error" not in said
    assert any("There is no database yet" in text for text in said["note"])
    assert file.stat().st_size == 0


def test_check_finds_every_wrong_name_in_the_system_at_once(installation: Installation) -> None:
    wrong = installation.config.read_text()
    wrong = wrong.replace("find_by: [id, email]", "find_by: [id, mail]").replace("{name}", "{nick}")
    wrong = wrong.replace("notes.subject_id", "notice.subject_id")
    installation.config.write_text(wrong)
    answer = installation.command("check")
    assert answer.code == 1
    assert {"mail", "nick", "notice"} <= {word.strip("“”,.") for word in answer.out.split()}


def test_columns_in_which_somebody_may_be_named_are_looked_for(installation: Installation) -> None:
    text = installation.config.read_text(encoding="utf-8")
    wrong = "residue: {identifiers: [mail], look_in: [notes.nobody, memos.body, notes.body]}"
    changed = re.sub(r"(customer: \{table: customers, find_by: \[[^]]*\])", rf"\1, {wrong}", text, count=1)
    assert changed != text
    installation.config.write_text(changed, encoding="utf-8")
    errors = " ".join(levels(installation)["error"])
    for missing in ("“customers” has no column “mail”", "“notes” has no column “nobody”", "“memos”"):
        assert missing in errors
    assert "“body”" not in errors


def test_check_finds_what_the_schema_does_not_allow_of_links_with_its_line(
    installation: Installation,
) -> None:
    text = installation.config.read_text()
    links = (
        'links: {"deals.nobody -> customers.id": block,\n        "notes.subject_id -> customers.id": nullify}'
    )
    installation.config.write_text(text.replace('label: "{name}"', f'label: "{{name}}", {links}'))
    answer = installation.command("check", "--json")
    assert answer.code == 1
    errors = {one["line"]: one["text"] for one in answer.data["items"] if one["level"] == "error"}
    assert any(
        "deals.nobody -> customers.id" in text and "neither a foreign key" in text for text in errors.values()
    )
    assert None not in errors
    assert all(f"line {line}" in text for line, text in errors.items())


def test_check_counts_what_looks_like_a_reference_and_names_the_first_few(installation: Installation) -> None:
    """One note, however many there are, and it is no reason to say no."""
    code = installation.command("check").code
    with sqlite3.connect(installation.folder / "crm.db") as connection:
        for number in range(7):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, customer_id INTEGER)")
    said = [text for text in levels(installation)["note"] if "look like references" in text]
    assert len(said) == 1
    assert "7 columns" in said[0]
    assert "t4.customer_id -> customers.id; …" in said[0]
    assert "t5" not in said[0]
    assert installation.command("check").code == code
    ignored = "ignored_references: [" + ", ".join(f"t{number}.customer_id" for number in range(7)) + "]"
    text = installation.config.read_text().replace(
        "    soft_references:", f"    {ignored}\n    soft_references:"
    )
    installation.config.write_text(text)
    assert not [text for text in levels(installation)["note"] if "look" in text and "reference" in text]


def test_a_suggestion_goes_to_standard_output_and_nothing_else_does(installation: Installation) -> None:
    with sqlite3.connect(installation.folder / "crm.db") as connection:
        connection.executescript(
            "CREATE TABLE deals (id INTEGER PRIMARY KEY, customer_id INTEGER);"
            "CREATE TABLE tasks (id INTEGER PRIMARY KEY, customer_id INTEGER);"
        )
    answer = installation.command("check", "--suggest", "crm")
    assert (answer.code, answer.err) == (0, "")
    assert "- {from: deals.customer_id, to: customers.id}" in answer.out
    assert 'label: "{name}"' in answer.out
    data = installation.command("check", "--suggest", "crm", "--json").data
    assert [one["from"] for one in data["soft_references"]] == ["deals.customer_id", "tasks.customer_id"]
    assert data["records"]["customer"]["find_by"] == ["id", "email", "name"]


def test_a_suggestion_for_a_system_that_is_not_there_is_two(installation: Installation) -> None:
    answer = installation.command("check", "--suggest", "no-such-system")
    assert (answer.code, answer.out) == (2, "")


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
    answer = installation.command("check")
    assert answer.code == 1
    assert answer.out.count("error: ") == 1


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
