"""Findings: each situation gives exactly its own, at its line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.config.check import advice, findings, shown_person
from bot.config.load import load
from bot.config.types import Config
from bot.model.people import PersonFacts, RosterFacts

GOOD = """\
workspace: T0ACME
channel: C0DELETIONS
roles:
  support: {users: [U0ALICE], owner: U0CAROL}
  dba: {usergroup: S0DBA, owner: U0CAROL}
  spare: {users: [U0CAROL], owner: U0CAROL}
targets:
  crm:
    database: {url: "${CRM}"}
    records:
      customer: {table: customers, find_by: [id]}
rules:
  - name: erasure
    when: {operation: delete-records}
    request: [support]
    approve: [1 of dba]
  - name: rest
    when: {operation: [restore, unfreeze]}
    request: [support, dba]
    approve: [1 of dba, 1 of spare]
"""
PEOPLE = {
    user: PersonFacts(user, "T0ACME", user[2:].title()) for user in ("U0ALICE", "U0BOB", "U0CAROL", "U0DAVE")
} | {
    "U0BOT": PersonFacts("U0BOT", "T0ACME", "Robot", is_bot=True),
    "U0GUEST": PersonFacts("U0GUEST", "T0ACME", "Guest", is_guest=True),
    "U0GONE": PersonFacts("U0GONE", "T0ACME", "Gone", is_deactivated=True),
    "U0OUT": PersonFacts("U0OUT", "T0OTHER", "Stranger"),
}
ROSTER = RosterFacts(PEOPLE, {"S0DBA": ("U0BOB", "U0DAVE")})


def config_of(folder: Path, text: str) -> Config:
    (folder / "countersign.yml").write_text(text)
    return load(folder / "countersign.yml", None)


#: The end of one rule and the beginning of the next; the next takes over what stood under the first.
MORE = "\n    request: [support, dba]\n    approve: [1 of dba]\n  - name: another\n"
SMALL = "    when: {operation: delete-records, rows: {at_most: 9}}"

CASES = [
    ("a bot with a role", "[U0ALICE]", "[U0ALICE, U0BOT]", [(4, "finding.person-bot")]),
    ("a guest with a role", "[U0ALICE]", "[U0ALICE, U0GUEST]", [(4, "finding.person-guest")]),
    ("somebody who left", "[U0ALICE]", "[U0ALICE, U0GONE]", [(4, "finding.person-deactivated")]),
    ("somebody of another company", "[U0ALICE]", "[U0ALICE, U0OUT]", [(4, "finding.person-outsider")]),
    ("somebody Slack does not know", "[U0ALICE]", "[U0ALICE, U0ZZZ]", [(4, "finding.person-unknown")]),
    (
        "a role held only by a guest",
        "[U0ALICE]",
        "[U0GUEST]",
        [(4, "finding.person-guest"), (4, "finding.role-nobody")],
    ),
    (
        "a user group that Slack does not know",
        "S0DBA",
        "S0OLD",
        [
            (5, "finding.group-unknown"),
            (5, "finding.role-nobody"),
            (16, "finding.quorum-never"),
            (20, "finding.quorum-never"),
        ],
    ),
    (
        "a role that only freezes",
        "targets:\n",
        "  idle: {users: [U0BOB], owner: U0CAROL}\ntargets:\n",
        [(7, "finding.role-unused")],
    ),
    ("a role with nobody to ask", "[U0ALICE], owner: U0CAROL", "[U0ALICE]", [(4, "finding.role-no-owner")]),
    (
        "an owner who left",
        "[U0ALICE], owner: U0CAROL",
        "[U0ALICE], owner: U0GONE",
        [(4, "finding.owner-deactivated")],
    ),
    (
        "a target where nothing can be deleted",
        "    records:\n      customer: {table: customers, find_by: [id]}\n",
        "",
        [(8, "finding.target-no-records"), (11, "finding.rule-empty")],
    ),
    (
        "a second record type under the same rule",
        "rules:\n",
        "      deal: {table: deals, find_by: [id]}\nrules:\n",
        [],
    ),
    (
        "a record type that the rules leave out",
        "operation: delete-records}",
        "operation: delete-records, record: deal}",
        [(11, "finding.record-no-rule")],
    ),
    (
        "nobody could bring anything back",
        "[restore, unfreeze]",
        "unfreeze",
        [(8, "finding.target-no-restore")],
    ),
    ("nobody could unfreeze", "[restore, unfreeze]", "restore", [(8, "finding.target-no-unfreeze")]),
    (
        "only small things can be brought back",
        "    when: {operation: [restore, unfreeze]}",
        "    when: {operation: restore, rows: {at_most: 5}}" + MORE + "    when: {operation: unfreeze}",
        [(8, "finding.restore-limited")],
    ),
    (
        "two targets on one database",
        "rules:\n",
        '  shop: {database: {url: "${CRM}"}, records: {customer: {table: c, find_by: [id]}}}\nrules:\n',
        [(12, "finding.same-database")],
    ),
    (
        "targets with parts of one database, two of which may delete records at once",
        "rules:\n",
        '  a: {database: {url: "${TILL}", schemas: [a]}, records: {customer: {table: c, find_by: [id]}}}\n'
        '  b: {database: {url: "${TILL}", schemas: [b]}}\n'
        '  c: {database: {url: "${TILL}", schemas: [c]}, records: {customer: {table: c, find_by: [id]}}}\nrules:\n',
        [(13, "finding.target-no-records"), (14, "finding.same-database")],
    ),
    (
        "a rule behind one that takes everything",
        "    when: {operation: delete-records}",
        "    when: {operation: delete-records}" + MORE + SMALL,
        [(17, "finding.rule-shadowed")],
    ),
    (
        "a rule for larger deletions behind one for small ones",
        "    when: {operation: delete-records}",
        SMALL + MORE + "    when: {operation: delete-records}",
        [],
    ),
    ("more approvals than people", "[1 of dba]\n", "[3 of dba]\n", [(16, "finding.quorum-never")]),
    (
        "the only approver is who asks",
        "request: [support]\n    approve: [1 of dba]",
        "request: [spare]\n    approve: [1 of spare]",
        [(16, "finding.quorum-self")],
    ),
    (
        "one of those who may ask is needed to approve",
        "request: [support]\n    approve: [1 of dba]",
        "request: [support, spare]\n    approve: [1 of spare]",
        [(16, "finding.quorum-some")],
    ),
    (
        "everybody who may ask is one of two that are needed",
        "request: [support]\n    approve: [1 of dba]",
        "request: [dba]\n    approve: [2 of dba]",
        [(16, "finding.quorum-self")],
    ),
]

DEAL = "      customer: {table: customers, find_by: [id]}\n"


@pytest.mark.parametrize(("before", "after", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_situation_has_its_finding(
    tmp_path: Path, before: str, after: str, expected: list[tuple[int, str]]
) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after, 1)
    if "record: deal" in after:
        text = text.replace(DEAL, f"{DEAL[:-1]}\n      deal: {{table: deals, find_by: [id]}}\n")
    found = findings(config_of(tmp_path, text), ROSTER)
    assert [(one.line, one.key) for one in found] == expected
    for one in found:
        assert f"line {one.line}: " in one.sentence()


NOW = datetime(2026, 12, 1, tzinfo=UTC)
SATURDAYS = 'window: {days: sat, from: "22:00", to: "05:00", zone: Europe/Berlin}'
CLOSED = "calendar: {{zone: UTC, closed: [{{from: {}, to: {}}}]}}\nrules:"
#: case -> what the rule says besides, from and to of a closed period, the findings
TIMES: dict[str, tuple[str, tuple[str, str] | None, list[str]]] = {
    "a window that opens": (SATURDAYS, None, []),
    "a window that is closed for months": (SATURDAYS, ("2026-11-01", "2027-03-01"), ["finding.window-never"]),
    "a window that opens when the calendar does": (SATURDAYS, ("2026-11-01", "2026-12-31"), []),
    "a window that lies in the hour that is skipped, and opens on other days": (
        SATURDAYS,
        ("2026-12-24", "2026-12-26"),
        [],
    ),
    "a closed period without windows": ("", ("2026-11-01", "2027-03-01"), []),
    "a closed period that is over": (SATURDAYS, ("2026-11-01", "2026-11-30"), ["finding.closed-past"]),
    "one that ends today": (SATURDAYS, ("2026-11-01", "2026-12-01"), []),
}


@pytest.mark.parametrize("case", TIMES)
def test_what_is_never_open_and_what_is_over_is_found(tmp_path: Path, case: str) -> None:
    line, closed, expected = TIMES[case]
    text = (
        GOOD.replace("    request: [support]\n", f"    request: [support]\n    {line}\n", 1) if line else GOOD
    )
    if closed:
        text = text.replace("rules:", CLOSED.format(*closed), 1)
    config = config_of(tmp_path, text)
    found = findings(config, ROSTER, NOW)
    assert [one.key for one in found] == expected
    assert all(one.line for one in found)
    assert findings(config, ROSTER) == ()


def test_a_good_policy_has_no_findings(tmp_path: Path) -> None:
    assert findings(config_of(tmp_path, GOOD), ROSTER) == ()


def test_without_a_roster_nothing_is_guessed_about_user_groups(tmp_path: Path) -> None:
    text = GOOD.replace("[U0ALICE]", "[U0ZZZ]").replace("1 of dba]", "20 of dba]")
    assert findings(config_of(tmp_path, text), None) == ()


def test_a_quorum_of_named_people_is_checked_without_a_roster(tmp_path: Path) -> None:
    text = GOOD.replace("1 of dba]\n  - name: rest", "2 of spare]\n  - name: rest")
    assert [one.key for one in findings(config_of(tmp_path, text), None)] == ["finding.quorum-never"]


def test_people_of_two_roles_fill_one_slot(tmp_path: Path) -> None:
    text = GOOD.replace("approve: [1 of dba]", "approve: [1 of dba, 1 of spare]").replace(
        "spare: {users: [U0CAROL]", "spare: {users: [U0BOB]"
    )
    both = RosterFacts(PEOPLE, {"S0DBA": ("U0BOB",)})
    keys = {one.key for one in findings(config_of(tmp_path, text), both)}
    assert keys == {"finding.quorum-never"}
    assert findings(config_of(tmp_path, text.replace("[support, dba]", "[support]")), ROSTER) == ()


def test_a_finding_names_people_beside_their_ids(tmp_path: Path) -> None:
    found = findings(config_of(tmp_path, GOOD.replace("[U0ALICE]", "[U0ALICE, U0GUEST]")), ROSTER)
    assert "Guest (U0GUEST)" in found[0].sentence()


def test_a_name_from_slack_cannot_steer_a_terminal() -> None:
    roster = RosterFacts({"U0E": PersonFacts("U0E", "T0ACME", "Eve\x1b[2J\n\u202eadmin" + "x" * 99)}, {})
    shown = shown_person("U0E", roster)
    assert shown.isprintable()
    assert len(shown) < 80
    assert shown_person("U0NOBODY", roster) == "U0NOBODY"


def test_a_password_in_the_clear_is_found_and_not_repeated(tmp_path: Path) -> None:
    config = config_of(tmp_path, GOOD)
    source = config.source
    leaky = type(source)(source.file, source.lines, frozenset({"crm"}))
    found = findings(config.with_source(leaky), None)
    assert [(one.line, one.key) for one in found] == [(9, "finding.password-in-clear")]


def test_a_rule_that_one_absence_blocks_is_told_with_the_people_and_what_they_leave_open(
    tmp_path: Path,
) -> None:
    found = advice(config_of(tmp_path, GOOD), ROSTER)
    assert [(one.line, one.key) for one in found] == [(20, "finding.quorum-absence")]
    assert "Carol (U0CAROL)" in found[0].sentence()
    assert "1 × spare" in found[0].sentence()
    more = GOOD.replace("spare: {users: [U0CAROL]", "spare: {users: [U0CAROL, U0ALICE]")
    assert advice(config_of(tmp_path, more), ROSTER) == ()
    assert advice(config_of(tmp_path, GOOD), None) == ()
