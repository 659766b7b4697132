"""``countersign enrol`` and what ``check`` says about codes."""

import pytest
from pyotp import TOTP, parse_uri

from bot.proofs.codes import Tally
from bot.proofs.opening import open_safe, publish
from bot.proofs.safe import Safe
from bot.proofs.tickets import issue
from bot.settings import read_environment
from tests.unit.cli.cli_installation import NOW, Installation


@pytest.fixture
def safe(installation: Installation) -> Safe:
    """What a worker leaves behind after its first start."""
    installation.prepare()
    made = open_safe(read_environment().worker_dir, "T0ACME")
    store = installation.store()
    with store.transact() as work:
        publish(work, made.key.public, NOW)
    store.database.close()
    return made


def enrolled(installation: Installation, safe: Safe, user: str) -> None:
    ticket, _ = issue(safe.entropy, NOW)
    store = installation.store()
    with store.transact() as work:
        safe.activate(work, user, ticket.secret, Tally(), NOW)
    store.database.close()


def told(installation: Installation) -> list[str]:
    """Whom the command tells something in Slack."""
    store = installation.store()
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT kind, channel, user FROM outbox ORDER BY kind").all()
    store.database.close()
    return [f"{kind} {user or channel}" for kind, channel, user in rows]


def test_a_ticket_is_printed_once_and_kept_only_locked(installation: Installation, safe: Safe) -> None:
    answer = installation.command("enrol", "U0CAROL", "--json")
    assert answer.code == 0, answer.err
    data = answer.data
    assert (data["user"], data["again"], len(data["recovery"])) == ("U0CAROL", False, 10)
    found = parse_uri(data["uri"])
    assert isinstance(found, TOTP)
    assert (found.secret, found.name, found.issuer) == (data["key"], "U0CAROL", "Countersign T0ACME")
    content = b"".join(path.read_bytes() for path in installation.folder.rglob("*") if path.is_file())
    for secret in (data["ticket"], data["key"], *data["recovery"]):
        assert secret.encode() not in content
        assert secret.replace("-", "").encode() not in content
    assert told(installation) == []


def test_people_see_the_ticket_the_key_the_picture_and_what_to_do(
    installation: Installation, safe: Safe
) -> None:
    answer = installation.command("enrol", "U0CAROL")
    assert answer.code == 0, answer.err
    for part in ("Ticket:", "otpauth://totp/", "▄", "Recovery codes", "/countersign enrol"):
        assert part in answer.out


def test_for_somebody_whose_codes_count_the_channel_and_the_person_hear_of_it(
    installation: Installation, safe: Safe
) -> None:
    enrolled(installation, safe, "U0CAROL")
    answer = installation.command("enrol", "U0CAROL")
    assert answer.code == 0, answer.err
    assert "another approver must confirm" in answer.out
    assert told(installation) == ["direct U0CAROL", "note C0DELETIONS"]


def key_gone(installation: Installation) -> None:
    (read_environment().worker_dir / "proof.key").unlink()


def key_of_others(installation: Installation) -> None:
    (read_environment().worker_dir / "proof.key").write_text("0a" * 32 + "\n")


def key_for_everybody(installation: Installation) -> None:
    (read_environment().worker_dir / "proof.key").chmod(0o644)


def nothing(installation: Installation) -> None:
    pass


NO = {
    "no key of the worker here": (key_gone, "U0CAROL", "proof.key"),
    "the key of another installation": (key_of_others, "U0CAROL", "not the one"),
    "a key that others can read": (key_for_everybody, "U0CAROL", "proof.key"),
    "no Slack id": (nothing, "carol", "no Slack user id"),
    "a group": (nothing, "S0DBA", "no Slack user id"),
}


@pytest.mark.parametrize("case", NO)
def test_what_it_refuses_is_one_sentence_and_changes_nothing(
    installation: Installation, safe: Safe, case: str
) -> None:
    act, user, sentence = NO[case]
    act(installation)
    answer = installation.command("enrol", user)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
    assert sentence in answer.err
    store = installation.store()
    with store.read() as work:
        assert work.boxes.users("ticket") == frozenset()
    store.database.close()


def by_code(installation: Installation) -> None:
    text = installation.config.read_text()
    line = "    approve: [1 of dba, 1 of data-owner]\n"
    installation.config.write_text(text.replace(line, f"{line}    proof: code\n", 1))


def items(installation: Installation, level: str) -> str:
    return "\n".join(
        one["text"] for one in installation.command("check", "--json").data["items"] if one["level"] == level
    )


def test_check_names_who_could_approve_with_a_code_and_has_none(
    installation: Installation, safe: Safe
) -> None:
    assert "one-time codes" not in items(installation, "warning")
    by_code(installation)
    found = items(installation, "warning")
    assert "of data-owner for one-time codes, and these have none: U0CAROL" in found
    assert "U0BOB, U0DAVE" in found
    for user in ("U0CAROL", "U0BOB", "U0DAVE"):
        enrolled(installation, safe, user)
    assert "one-time codes" not in items(installation, "warning")


def test_check_notes_a_role_by_group_that_approves_with_codes(installation: Installation, safe: Safe) -> None:
    by_code(installation)
    text = installation.config.read_text().replace("dba: {users: [U0BOB, U0DAVE]", "dba: {usergroup: S0DBA")
    installation.config.write_text(text)
    assert "Role dba approves with codes and is held by a user group" in items(installation, "note")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("    proof: fingerprint\n", "“fingerprint” proves nothing here; there are: reaction, code."),
        ("    confirm: true\n", "“confirm: true” needs “proof: code” in the same rule."),
        ("    proof: reaction\n    confirm: true\n", "“confirm: true” needs “proof: code” in the same rule."),
        ("    proof: code\n    confirm: yes\n", "confirm"),
        ("    prove: code\n", "prove"),
    ],
)
def test_what_the_file_may_not_say_about_proof(installation: Installation, lines: str, sentence: str) -> None:
    line = "    approve: [1 of dba, 1 of data-owner]\n"
    installation.config.write_text(installation.config.read_text().replace(line, line + lines, 1))
    answer = installation.command("check")
    assert answer.code == 2
    assert sentence in answer.out + answer.err
