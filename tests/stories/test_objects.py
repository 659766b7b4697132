"""A customer's documents in a bucket go with the customer and come back, through Slack, also through kill -9.

The server of objects is a process of its own, and the worker dies at every request that changes something there,
before it and after it: both ways the rows say what must be true of the objects.
"""

import os
import re
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint, faults
from tests.fakes.operations import Bench, make_bench
from tests.stories.rig import PATIENCE, Rig
from tests.stories.test_documents import DONE, said
from tests.unit.operations.test_attached_files import SCHEMA
from tests.unit.operations.test_attached_objects import filled

pytestmark = pytest.mark.slow

RECORDS = """\
    records:
      customer: {{table: customers, find_by: [id], label: "{{name}}"}}
    attachments:
      - column: documents.path
        object:
          bucket: {bucket}
          prefix: "crm/"
          endpoint: "{endpoint}"
          key_id: "${{CRM_S3_KEY_ID}}"
          secret: "${{CRM_S3_SECRET}}"
rules:
"""
NOTE = ".countersign-quarantine/"


def rig_of(folder: Path, pail: Pail, bench: Bench) -> Rig:
    records = RECORDS.format(bucket=pail.name, endpoint=endpoint())
    rig = Rig(
        folder, lambda text: re.sub(r"    records:\n.*?rules:\n", lambda _: records, text, flags=re.DOTALL)
    )
    rig.secrets["CRM_DATABASE_URL"] = bench.spec.address
    rig.secrets |= {"CRM_S3_KEY_ID": KEY_ID, "CRM_S3_SECRET": SECRET, "BUCKETS": endpoint()}
    return rig


def bench_in(folder: Path) -> Bench:
    folder.mkdir()
    return make_bench(folder, SCHEMA)


def test_the_objects_go_and_come_back(tmp_path: Path) -> None:
    bench, pail = bench_in(tmp_path / "crm"), filled(Pail("crm/", versions=True))
    with rig_of(tmp_path, pail, bench) as rig:
        rows, before = bench.dump(), pail.contents()
        ballot = rig.ballot(rig.command("U0ALICE", "/delete-records", "crm customer 1 -- GDPR 4711"))
        plan = said(rig, ballot)
        assert "2 files go with them (8.0 kB)" in plan
        assert f"s3://{pail.name}/crm/" in plan
        assert "keeps older versions" in plan
        rig.approve(ballot)
        assert rig.wait_state(1, *DONE) == "succeeded"
        assert set(pail.contents()) == {"crm/b/contract.pdf"}
        (receipt,) = rig.slack.wait_for(rig.receipts, PATIENCE)
        assert "2 files went with them (8.0 kB)" in shown_text(receipt)
        assert "their versions stay until somebody removes them" in shown_text(receipt)
        assert "contract" not in said(rig, ballot)
        ballot = rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- the wrong one"))
        assert "2 files come back with them (8.0 kB)" in said(rig, ballot)
        rig.approve(ballot, "U0DAN")
        assert rig.wait_state(2, *DONE) == "succeeded"
        assert (bench.dump(), pail.contents()) == (rows, before)


def test_the_bot_is_given_nothing_of_the_store(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, Pail("crm/"), bench_in(tmp_path / "crm"))
    assert KEY_ID not in rig._environment_of("bot").values()
    assert SECRET in rig._environment_of("worker").values()


def test_a_store_that_is_down_refuses_the_request_in_one_sentence(tmp_path: Path) -> None:
    bench, pail = bench_in(tmp_path / "crm"), filled(Pail("crm/"))
    with rig_of(tmp_path, pail, bench) as rig, faults({"method": "*", "contains": pail.name, "status": 403}):
        since = rig.command("U0ALICE", "/delete-records", "crm customer 1 -- GDPR 4711")
        assert "does not let the worker" in rig.told("U0ALICE", since, "does not let")


DELETING: dict[str, tuple[str, str]] = {
    "before the try of the rights": ("asking", f"PUT {NOTE}"),
    "after the try of the rights": ("answered", "DELETE .probe"),
    "the note, not written": ("before", "step.objects-noted"),
    "the note, written": ("after", "step.objects-noted"),
    "after COMMIT": ("after", "step.commit"),
    "before it was noted": ("before-note", ""),
    "before the first removal": ("asking", "DELETE crm/a/"),
    "after the first removal": ("answered", "DELETE crm/a/"),
    "before the last removal": ("asking", "DELETE crm/a/photo.jpg"),
    "after the last removal": ("after", "step.files-remove"),
}
RESTORING: dict[str, tuple[str, str]] = {
    "before the note": ("asking", f"PUT {NOTE}back-"),
    "after the note": ("answered", f"PUT {NOTE}back-"),
    "before the first object": ("asking", "PUT crm/a/contract.pdf"),
    "after the first object": ("answered", "PUT crm/a/contract.pdf"),
    "before the last object": ("asking", "PUT crm/a/photo.jpg"),
    "after the last object": ("after", "step.insert"),
    "after COMMIT": ("after", "step.commit"),
    "before it was noted": ("before-note", ""),
    "before the note goes": ("asking", f"DELETE {NOTE}back-"),
    "after the note went": ("answered", f"DELETE {NOTE}back-"),
}
ALL = os.environ.get("KILL_MATRIX") == "all"
CASES = [
    pytest.param(deleting, restoring, id=f"{first} / {second}")
    for (first, deleting), (second, restoring) in list(zip(DELETING.items(), RESTORING.items(), strict=True))[
        :: 1 if ALL else 3
    ]
]


@pytest.mark.parametrize(("deleting", "restoring"), CASES)
def test_kill_9_at_every_arrow_loses_no_object_and_leaves_none(
    tmp_path: Path, deleting: tuple[str, str], restoring: tuple[str, str]
) -> None:
    bench, pail = bench_in(tmp_path / "crm"), filled(Pail("crm/"))
    with rig_of(tmp_path, pail, bench) as rig:
        rows, before = bench.dump(), pail.contents()
        rig.dies(*deleting)
        rig.approve(rig.ballot(rig.command("U0ALICE", "/delete-records", "crm customer 1 -- GDPR 4711")))
        rig.comes_back()
        assert rig.wait_state(1, *DONE) == "succeeded"
        assert set(pail.contents()) == {"crm/b/contract.pdf"}
        rig.dies(*restoring)
        rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- the wrong one")), "U0DAN")
        rig.comes_back()
        assert rig.wait_state(2, *DONE) == "succeeded"
        assert (bench.dump(), pail.contents()) == (rows, before)
