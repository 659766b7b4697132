"""Deleted, brought back, deleted again and brought back again: by two words and one button, and nobody alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.fakes.operations import Bench, postgresql_bench
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow

MANY = "    segments: {above: 5}\n    soft_references:\n"
FIRMS = """
CREATE TABLE firms (id BIGINT PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL);
CREATE TABLE orders (id BIGINT PRIMARY KEY, firm BIGINT NOT NULL REFERENCES firms, total NUMERIC(9, 2));
CREATE TABLE visits (id BIGINT PRIMARY KEY, firm BIGINT REFERENCES firms ON DELETE SET NULL);
INSERT INTO firms SELECT n, 'f' || n || '@x.example', 'Firm ' || n FROM generate_series(1, 6) n;
INSERT INTO orders SELECT n, 1 + n % 6, n / 7.0 FROM generate_series(1, 30) n;
INSERT INTO visits SELECT n, 1 + n % 6 FROM generate_series(1, 12) n;
"""
FIRM = """\
    records:
      customer: {table: firms, find_by: [id, email], label: "{name}"}
rules:
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path, lambda text: text.replace("    soft_references:\n", MANY)) as rig:
        yield rig


def brought_back(rig: Rig, number: int, becomes: int) -> None:
    rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", f"#{number} -- the wrong account")), "U0DAN")
    rig.wait_state(becomes, "succeeded")


def pressed(rig: Rig) -> Message:
    """*Undo…* on the receipt of the restore, which asks for a reason; the ballot."""
    receipt = rig.slack.wait_for(lambda: rig.receipts()[1:], PATIENCE)[0]
    alice, since = rig.slack.as_user("U0ALICE"), rig.slack.core.stamp()
    assert alice.click(DELETIONS, receipt.ts, "undo").acked
    form = alice.wait_for_view("Undo a restore", timeout=PATIENCE)
    assert list(alice.submit(form.id, {"reason": " "}).errors) == ["reason"]
    assert not alice.submit(form.id, {"reason": "it was the right one"}).errors
    return rig.ballot(since)


def test_a_restore_in_parts_is_undone_and_done_again_to_the_byte(rig: Rig) -> None:
    before = rig.contents()
    three = [row[1] for row in before["customers"] if row[1]][:3]
    rig.approve(rig.ask_to_delete(",".join(three)))
    rig.wait_state(1, "succeeded")
    after = rig.contents()
    brought_back(rig, 1, 2)
    assert rig.contents() == before

    # Whoever may restore may not delete: the private answer names the role.
    since = rig.command("U0ERIN", "/countersign", "undo 2 -- it was the right one")
    assert "support" in rig.told("U0ERIN", since)
    ballot = pressed(rig)
    card = shown_text(rig.card(ballot))
    assert "restore #2" in card
    assert "Deletion #3" in card
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "takes back restore #2" in plan
    assert "goes in 3 parts" in plan
    rig.approve(ballot)
    rig.wait_state(3, "succeeded")
    assert rig.contents() == after
    assert "taken back already" in rig.told(
        "U0ALICE", rig.command("U0ALICE", "/countersign", "undo 2 -- again")
    )

    brought_back(rig, 3, 4)
    assert rig.contents() == before
    # And typed, of a restore of what was undone.
    rig.approve(rig.ballot(rig.command("U0ALICE", "/countersign", "undo #4 \u2014 once more")))
    rig.wait_state(5, "succeeded")
    assert rig.contents() == after


@pytest.fixture
def firms(tmp_path: Path) -> Iterator[tuple[Rig, Bench]]:
    folder = tmp_path / "firms"
    folder.mkdir()

    def change(text: str) -> str:
        return re.sub(r"    records:\n.*?rules:\n", lambda _: FIRM, text, flags=re.DOTALL)

    with postgresql_bench(folder, FIRMS, table="firms") as bench:
        rig = Rig(tmp_path, change)
        rig.secrets["CRM_DATABASE_URL"] = bench.spec.address
        with rig:
            yield rig, bench


def test_two_of_five_and_what_they_overwrote_are_undone_in_two_requests(firms: tuple[Rig, Bench]) -> None:
    rig, bench = firms
    rig.approve(rig.ask_to_delete(",".join(f"f{n}@x.example" for n in range(1, 6))))
    rig.wait_state(1, "succeeded")
    # Somebody else's order has the number of one that comes back.
    bench.sql("INSERT INTO firms VALUES (9, 'new@x.example', 'New'); INSERT INTO orders VALUES (1, 9, 5)")
    before = bench.dump()
    since = rig.command("U0ERIN", "/restore", "#1 only f2@x.example,f4@x.example overwrite -- these two")
    rig.approve(rig.ballot(since), "U0DAN")
    rig.wait_state(2, "succeeded")
    assert len(bench.dump()["public.firms"]) == len(before["public.firms"]) + 2
    for table in ("erasable", "revisions", "audit_log", "requests", "jobs"):
        assert "f2@x" not in str(rig.rows(f"SELECT * FROM {table}"))

    ballot = rig.ballot(rig.command("U0ERIN", "/countersign", "undo 2 -- too many"))
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "the first of two steps" in plan
    rig.approve(ballot, "U0DAN")
    rig.wait_state(3, "succeeded")
    receipt = rig.slack.wait_for(lambda: rig.receipts()[2:], PATIENCE)[0]
    assert "`/countersign undo 2 -- reason`" in shown_text(receipt)
    ballot = pressed(rig)
    assert "Deletion #4" in shown_text(rig.card(ballot))
    rig.approve(ballot)
    rig.wait_state(4, "succeeded")
    assert bench.dump() == before
    assert not rig.slack.violations
