"""Backups in a bucket, through Slack: a deletion and its restore by reference, a teardown, a store lost on the way.

Also kill -9 of the worker at requests to the bucket: nothing is deleted before the backup is there and read back.
"""

import re
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint, faults
from tests.stories.rig import PATIENCE, Rig
from tests.stories.test_documents import DONE
from tests.stories.test_ordinary_system import asked, ends, on_postgresql, site
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow


def into(pail: Pail, text: str, more: str = "") -> str:
    """The configuration with its backups in a bucket."""
    found, count = re.subn(r"(?m)^backups: .*$", f"backups: {place(pail, more)}", text)
    assert count == 1
    return found


def place(pail: Pail, more: str = "") -> str:
    """A bucket for backups, as the configuration names it."""
    return f'{{store: "s3://{pail.name}/kept", endpoint: "{endpoint()}", keep: 30d{more}}}'


#: Of three records each goes by itself.
IN_PARTS = "    segments: {above: 5}\n    soft_references:\n"
SECRETS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


def rig_of(folder: Path, pail: Pail, more: str = "") -> Rig:
    rig = Rig(folder, lambda text: into(pail, text, more))
    rig.secrets |= {**SECRETS, "BUCKETS": endpoint()}
    return rig


def kept(pail: Pail) -> set[str]:
    """What there is besides notes of what was shredded, and what was never finished."""
    found = pail.client.list_object_versions(Bucket=pail.name)
    names = {one["Key"] for one in found.get("Versions", ())} | {
        one["Key"] for one in pail.client.list_multipart_uploads(Bucket=pail.name).get("Uploads", ())
    }
    return {name for name in names if not name.endswith(".shredded.txt")}


@pytest.mark.parametrize("lock", ["", ", lock: compliance"], ids=["plain", "locked"])
def test_a_customer_goes_and_comes_back_by_reference(tmp_path: Path, lock: str) -> None:
    pail = Pail("kept/", lock=bool(lock))
    with rig_of(tmp_path, pail, lock) as rig:
        before = rig.contents()
        rig.approve(rig.ask_to_delete())
        assert rig.wait_state(1, *DONE) == "succeeded", rig.log("worker")
        assert not rig.ada_is_there()
        backup, reference = rig.row("SELECT id, reference FROM backups WHERE state = 'kept'")
        assert kept(pail) == {f"kept/{backup}{end}" for end in (".age", ".key.age", ".README.txt")}
        assert not (rig.folder / "data" / "backups").exists()
        rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", f"{reference} -- the wrong one")), "U0DAN")
        assert rig.wait_state(2, *DONE) == "succeeded", rig.log("worker")
        assert rig.contents() == before


def test_a_deletion_in_parts_comes_back_and_is_undone_out_of_the_bucket(tmp_path: Path) -> None:
    pail = Pail("kept/")

    def change(text: str) -> str:
        return into(pail, text.replace("    soft_references:\n", IN_PARTS))

    rig = Rig(tmp_path, change)
    rig.secrets |= {**SECRETS, "BUCKETS": endpoint()}
    with rig:
        before = rig.contents()
        three = [row[1] for row in before["customers"] if row[1]][:3]
        rig.approve(rig.ask_to_delete(",".join(three)))
        assert rig.wait_state(1, *DONE) == "succeeded", rig.log("worker")
        after = rig.contents()
        assert len([name for name in kept(pail) if name.endswith(".key.age")]) == 3
        rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- the wrong ones")), "U0DAN")
        assert rig.wait_state(2, *DONE) == "succeeded", rig.log("worker")
        assert rig.contents() == before
        rig.approve(rig.ballot(rig.command("U0ALICE", "/countersign", "undo 2 -- the right ones")))
        assert rig.wait_state(3, *DONE) == "succeeded", rig.log("worker")
        assert rig.contents() == after


@pytest.mark.timeout(240)
def test_a_system_goes_for_good_and_comes_back_elsewhere_out_of_the_bucket(tmp_path: Path) -> None:
    pail = Pail("kept/", lock=True)
    with site(
        tmp_path,
        on_postgresql,
        f"backups: {place(pail, ', lock: compliance')}\n",
        {**SECRETS, "BUCKETS": endpoint()},
    ) as (rig, around):
        said = around.page()
        assert said is not None
        ballot = asked(rig)
        rig.approve(ballot)
        ends(rig, 1, ballot, "succeeded")
        assert around.page() is None
        assert not [one for one in around.home.rglob("*") if one.is_file()]
        backup, reference = rig.row("SELECT id, reference FROM backups WHERE state = 'kept'")
        assert kept(pail) == {f"kept/{backup}{end}" for end in (".age", ".key.age", ".README.txt")}
        assert not (rig.folder / "data" / "backups").exists()
        ballot = rig.ballot(rig.command("U0ERIN", "/restore", f"{reference} into site-new -- the new server"))
        rig.approve(ballot, "U0BOB")
        ends(rig, 2, ballot, "succeeded")
        assert rig.wait(around.other, "the new page") == said
        assert (around.new / "uploads/2026/offer.pdf").read_bytes() == bytes(range(256))


def test_a_system_goes_into_the_bucket_and_while_that_is_silent_a_worker_starts_and_puts_it_back(
    tmp_path: Path,
) -> None:
    pail = Pail("kept/")
    with town(tmp_path, change=lambda text: into(pail, text), secrets=SECRETS) as (rig, page):
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
        assert page() is None
        (backup,) = rig.row("SELECT id FROM backups WHERE state = 'kept'")
        assert f"kept/{backup}.age" in kept(pail)
        rig.kill("worker")
        with faults({"method": "*", "contains": pail.name, "status": 503}):
            rig.start_worker()
            rig.command("U0ERIN", "/countersign", "put-back #1")
            assert rig.wait_state(1, "stopped", "failed", "held") == "stopped", thread(rig, ballot)
            assert rig.wait(page, "the page is back")
            assert f"s3://{pail.name}/kept/ does not answer" in rig.log("worker")


@pytest.mark.parametrize(
    "rule",
    [
        {"method": "PUT", "contains": "/kept/b", "status": 500},
        {"method": "PUT", "contains": "/kept/b", "status": 403, "code": "AccessDenied"},
        {"method": "GET", "contains": "/kept/b", "cut": 0},
    ],
    ids=["lost", "forbidden", "not read back"],
)
def test_a_store_lost_on_the_way_deletes_nothing_and_is_told(
    tmp_path: Path, rule: dict[str, str | int]
) -> None:
    pail = Pail("kept/")
    with rig_of(tmp_path, pail) as rig:
        before = rig.contents()
        ballot = rig.ask_to_delete()
        with faults({**rule, "contains": f"{pail.name}{rule['contains']}"}):
            rig.approve(ballot)
            assert rig.wait_state(1, *DONE) == "failed", rig.log("worker")
        assert rig.contents() == before
        rig.slack.wait_for(
            lambda: any(f"s3://{pail.name}/kept/" in shown_text(one) for one in rig.room()), PATIENCE
        )
        rig.wait(lambda: not kept(pail), "what the attempt has left is removed")


def test_a_restore_says_where_it_looked(tmp_path: Path) -> None:
    pail = Pail("kept/")
    with rig_of(tmp_path, pail) as rig:
        rig.approve(rig.ask_to_delete())
        assert rig.wait_state(1, *DONE) == "succeeded"
        for name in kept(pail):
            pail.client.delete_object(Bucket=pail.name, Key=name)
        since = rig.command("U0ERIN", "/restore", "#1 -- the wrong one")
        assert f"s3://{pail.name}/kept/" in rig.told("U0ERIN", since, "backup")


@pytest.mark.parametrize(
    ("moment", "request_"),
    [("asking", "PUT /kept/b"), ("answered", "PUT /kept/b"), ("asking", "GET .age")],
    ids=["before the archive", "after the archive", "before it is read back"],
)
def test_kill_9_during_the_upload_deletes_nothing_and_leaves_one_backup(
    tmp_path: Path, moment: str, request_: str
) -> None:
    pail = Pail("kept/")
    with rig_of(tmp_path, pail) as rig:
        ballot = rig.ask_to_delete()
        rig.dies(moment, request_)
        rig.approve(ballot)
        worker = rig.processes["worker"]
        rig.wait(lambda: worker.poll() is not None, "the worker should have killed itself")
        assert rig.ada_is_there()
        rig.comes_back()
        assert rig.wait_state(1, *DONE) == "succeeded", rig.log("worker")
        (backup,) = rig.row("SELECT id FROM backups WHERE state = 'kept'")
        assert kept(pail) == {f"kept/{backup}{end}" for end in (".age", ".key.age", ".README.txt")}
