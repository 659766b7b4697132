"""Objects that rows name go and come back with the rows; nothing that anybody changed goes with them."""

import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.config.record_types import Attachment
from bot.errors import Broken, CannotProve, CountersignError, NotAllowed, NotOurs, TargetDown
from bot.model.plans import Plan
from bot.operations import attached
from bot.operations.attachment_stores import stores_of
from bot.operations.gate import Drifted
from bot.texts import say
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint, faults
from tests.fakes.faults import order_faults
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, make_bench
from tests.unit.operations.link_bench import Make
from tests.unit.operations.test_attached_files import SCHEMA

ABOUT: dict[str, Any] = {
    "ContentType": "application/pdf",
    "Metadata": {"author": "ada", "pages": "7"},
    "Tagging": "kind=contract&year=20%2026",
}
CONTRACT = b"signed\0\xff" * 1000
ROOT = Path(__file__).resolve().parents[3]


def filled(pail: Pail) -> Pail:
    pail.put("a/contract.pdf", CONTRACT, **ABOUT)
    pail.put("a/photo.jpg", b"")
    pail.put("b/contract.pdf", b"Bob's")
    return pail


def objects_in(pail: Pail, **more: str) -> list[dict[str, Any]]:
    place = {
        "bucket": pail.name,
        "prefix": pail.prefix,
        "endpoint": endpoint(),
        "key_id": KEY_ID,
        "secret": SECRET,
        **more,
    }
    return [{"column": name, "object": place} for name in ("documents.path", "logos.path")]


def bench_of(folder: Path, pail: Pail, **more: str) -> Bench:
    return make_bench(folder, SCHEMA, label="{name}", attachments=objects_in(pail, **more))


@pytest.fixture
def pail() -> Pail:
    return filled(Pail("crm/"))


@pytest.fixture
def bench(tmp_path: Path, pail: Pail) -> Bench:
    return bench_of(tmp_path, pail)


def warned(plan: Plan) -> dict[str, Mapping[str, Any]]:
    return {
        told.key: told.params for told in plan.warnings if told.key.startswith(("told.files", "told.objects"))
    }


def test_the_objects_of_the_rows_go_and_come_back_with_them(make: Make, pail: Pail) -> None:
    bench = make(
        SCHEMA,
        table="customers",
        find_by=("id",),
        label="{name}",
        policies={},
        soft=(),
        attachments=objects_in(pail),
    )
    bench.sql("UPDATE documents SET path = 'b/contract.pdf' WHERE id = 2")
    rows, before = bench.dump(), pail.contents()
    plan, _ = bench.plan("1")
    name = f"s3://{pail.name}/crm/"
    assert [(one.root, one.files, one.size) for one in plan.files] == [(name, 1, 8000)]
    assert warned(plan) == {"told.files-shared": {"root": name, "n": 1}}
    assert "step.objects-noted" in plan.steps
    assert "contract" not in str(plan.to_data())
    outcome = bench.delete("1")
    assert outcome.problem is None
    assert set(pail.contents()) == {"crm/a/photo.jpg", "crm/b/contract.pdf"}
    bench.restore(outcome)
    assert (bench.dump(), pail.contents()) == (rows, before)


def test_fifty_megabytes_pass_through_little_memory(tmp_path: Path, pail: Pail) -> None:
    content = bytes(range(256)) * (50 * 4096)
    pail.put("a/photo.jpg", content, ContentType="image/jpeg")
    before = pail.contents()
    bench = bench_of(tmp_path, pail)
    bench.restore(bench.delete("2"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = bench.delete("1")
    assert "crm/a/photo.jpg" not in pail.contents()
    bench.restore(outcome)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert pail.contents() == before
    # Several times over it would be 50 MB; parts on their way and buffers of the sealing are some.
    assert grown < 45 * 1024, f"{grown} KB"


def test_a_name_that_steps_or_cannot_be_listed_leads_nowhere(bench: Bench, pail: Pail) -> None:
    for name in (
        "../secret",
        "a/../a/photo.jpg",
        "./a/photo.jpg",
        "a\nb",
        ".countersign-quarantine/x",
        "x" * 1100,
    ):
        bench.sql(f"UPDATE documents SET path = '{name}' WHERE id = 2")
        assert list(warned(bench.plan("1")[0])) == ["told.objects-odd"]
    pail.client.put_object(Bucket=pail.name, Key="secret", Body=b"not yours")
    bench.sql("UPDATE documents SET path = '../secret' WHERE id = 2")
    before = pail.contents()
    outcome = bench.delete("1")
    assert pail.contents() == {key: what for key, what in before.items() if key != "crm/a/contract.pdf"}
    bench.restore(outcome)
    assert pail.contents() == before


@pytest.mark.parametrize("name", ["/a", "//a", "a//b", "a/", "%2e%2e/x", "+", "ü 文🎉"])
def test_a_key_is_taken_literally(bench: Bench, pail: Pail, name: str) -> None:
    pail.put(name, name.encode())
    bench.sql(f"UPDATE documents SET path = '{name}' WHERE id = 2")
    before = pail.contents()
    outcome = bench.delete("1")
    assert set(pail.contents()) == {"crm/a/photo.jpg", "crm/b/contract.pdf"}
    bench.restore(outcome)
    assert pail.contents() == before


# Changed, locked, out of reach.


CHANGES: dict[str, Callable[[Pail], None]] = {
    "gone": lambda pail: pail.drop("a/contract.pdf"),
    "longer": lambda pail: pail.put("a/contract.pdf", CONTRACT + b"!"),
    "other bytes": lambda pail: pail.put("a/contract.pdf", CONTRACT[::-1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("moment", ["leave step.copy", "step.objects-noted"])
def test_what_changes_after_it_was_copied_undoes_everything(
    bench: Bench, pail: Pail, change: Callable[[Pail], None], moment: str
) -> None:
    order, rows = bench.order("1"), bench.dump()
    with pytest.raises(CannotProve, match=r"attached\.changed"):
        bench.run(order, RecordingGate(on={moment: lambda: change(pail)}))
    assert bench.dump() == rows
    assert len(pail.contents()) in (2, 3)
    assert bench.vault.ids() == []


def test_fewer_objects_than_approved_are_another_plan(bench: Bench, pail: Pail) -> None:
    order, rows = bench.order("1"), bench.dump()
    pail.drop("a/photo.jpg")
    with pytest.raises(Drifted):
        bench.run(order)
    assert bench.dump() == rows


@pytest.mark.parametrize("change", list(CHANGES.values())[1:], ids=list(CHANGES)[1:])
def test_what_somebody_writes_after_commit_stays_and_is_told(
    bench: Bench, pail: Pail, change: Callable[[Pail], None]
) -> None:
    order = bench.order("1")
    outcome = bench.run(order, RecordingGate(on={"leave step.commit": lambda: change(pail)}))
    assert outcome.problem is not None
    assert (outcome.problem.key, outcome.problem.params["n"]) == ("attached.objects-left", 1)
    assert set(pail.contents()) == {"crm/a/contract.pdf", "crm/b/contract.pdf"}


def test_what_somebody_writes_between_our_look_and_our_removal_stays(bench: Bench, pail: Pail) -> None:
    order = bench.order("1")
    with faults({"method": "DELETE", "contains": "crm/a/contract.pdf", "put": "new", "times": 1}):
        outcome = bench.run(order)
    assert outcome.problem is not None
    assert pail.contents()["crm/a/contract.pdf"][0] == b"new"


def test_nothing_is_overwritten_that_appears_between_our_look_and_our_writing(
    bench: Bench, pail: Pail
) -> None:
    outcome = bench.delete("1")
    gone = bench.dump()
    with (
        faults({"method": "PUT", "contains": "crm/a/contract.pdf", "put": "new", "times": 1}),
        pytest.raises(CannotProve),
    ):
        bench.restore(outcome)
    assert bench.dump() == gone
    assert pail.contents()["crm/a/contract.pdf"][0] == b"new"


def test_an_answer_that_was_lost_is_asked_for_again(bench: Bench, pail: Pail) -> None:
    rows, before = bench.dump(), pail.contents()
    with faults(
        {"method": "DELETE", "contains": "crm/a/", "lost": True, "times": 2},
        {"method": "GET", "contains": "crm/a/", "status": 503, "code": "SlowDown", "times": 2},
    ):
        outcome = bench.delete("1")
    assert outcome.problem is None
    bench.restore(outcome)
    assert (bench.dump(), pail.contents()) == (rows, before)


DEAF: dict[str, dict[str, Any]] = {
    "forbidden": {"method": "*", "contains": "crm/", "status": 403, "code": "AccessDenied"},
    "broken": {"method": "*", "contains": "bucket-", "status": 500},
}


@pytest.mark.parametrize("rule", DEAF.values(), ids=DEAF)
def test_a_store_that_says_no_stops_the_plan_and_the_run(
    bench: Bench, pail: Pail, rule: dict[str, Any]
) -> None:
    order, rows, before = bench.order("1"), bench.dump(), pail.contents()
    with faults(rule):
        acts: list[Callable[[], object]] = [lambda: bench.plan("1"), lambda: bench.run(order)]
        for act in acts:
            with pytest.raises(TargetDown) as caught:
                act()
            for language in ("en", "zh-CN"):
                assert "secret key" not in say(caught.value.key, language, **caught.value.params)
    assert (bench.dump(), pail.contents()) == (rows, before)
    assert bench.vault.ids() == []


def test_a_store_that_is_not_there_stops_the_plan(tmp_path: Path, pail: Pail) -> None:
    bench = bench_of(tmp_path, pail, endpoint="http://127.0.0.1:1")
    with pytest.raises(TargetDown, match=r"objects\.unreachable"):
        bench.plan("1")


def test_without_the_right_to_remove_nothing_is_committed(bench: Bench, pail: Pail) -> None:
    order, rows, before = bench.order("1"), bench.dump(), pail.contents()
    with (
        faults({"method": "DELETE", "status": 403, "code": "AccessDenied"}),
        pytest.raises(TargetDown, match=r"objects\.no-right"),
    ):
        bench.run(order)
    assert bench.dump() == rows
    assert {key: what for key, what in pail.contents().items() if "quarantine" not in key} == before


def test_a_store_that_goes_away_after_commit_is_told_and_the_sweep_finishes(bench: Bench, pail: Pail) -> None:
    order = bench.order("1")
    stores = stores_of(bench.spec.attachments, HASH_KEY)
    down = [{"method": "DELETE", "status": 503}]
    with faults():
        outcome = bench.run(order, RecordingGate(on={"step.verify": lambda: order_faults(endpoint(), down)}))
    assert outcome.problem is not None
    assert outcome.problem.key == "attached.not-removed"
    assert "crm/a/contract.pdf" in pail.contents()
    attached.clean(stores, lambda _: False, lambda _: None)
    assert "crm/a/contract.pdf" in pail.contents()
    attached.clean(stores, lambda backup: backup == order.backup_id, lambda _: None)
    assert set(pail.contents()) == {"crm/b/contract.pdf"}


def test_a_note_that_somebody_else_wrote_removes_nothing(bench: Bench, pail: Pail) -> None:
    first = bench.order("1")
    gate = RecordingGate(halt_at="committing")
    note = f".countersign-quarantine/{first.backup_id}"
    kept: list[bytes] = []

    def keep() -> None:
        kept.append(pail.contents()[f"crm/{note}"][0])

    gate.on["step.commit"] = keep
    with pytest.raises(CountersignError):
        bench.run(first, gate)
    (store,) = stores_of(bench.spec.attachments, HASH_KEY)
    before = pail.contents()
    for name, content in (
        (note, kept[0].replace(b"a/contract", b"b/contract")),
        ("other", kept[0]),
        ("x", b""),
    ):
        operation = name.rpartition("/")[2]
        pail.put(f".countersign-quarantine/{operation}", content)
        with pytest.raises(NotOurs):
            store.remove(operation)
        pail.drop(f".countersign-quarantine/{operation}")
    assert pail.contents() == before


def test_versions_stay_and_that_is_told(tmp_path: Path) -> None:
    pail = filled(Pail(versions=True))
    bench = bench_of(tmp_path, pail)
    assert set(warned(bench.plan("1")[0])) == {"told.objects-versions"}
    pail.client.put_bucket_lifecycle_configuration(
        Bucket=pail.name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                }
            ]
        },
    )
    plan, _ = bench.plan("1")
    assert warned(plan)["told.objects-versions-days"]["days"] == 30
    before = pail.contents()
    outcome = bench.delete("1")
    assert set(pail.contents()) == {"b/contract.pdf"}
    assert pail.versions("a/contract.pdf") == [CONTRACT]
    bench.restore(outcome)
    assert pail.contents() == before


def test_a_lock_is_told_and_a_hold_refuses(tmp_path: Path) -> None:
    pail = filled(Pail(lock=True))
    until = datetime.now(UTC) + timedelta(days=3)
    pail.put("a/photo.jpg", b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    bench = bench_of(tmp_path, pail)
    told = warned(bench.plan("1")[0])
    assert told["told.objects-locked"] == {
        "root": f"s3://{pail.name}/",
        "n": 1,
        "until": until.date().isoformat(),
    }
    outcome = bench.delete("1")
    assert pail.versions("a/photo.jpg") == [b"", b""]
    bench.restore(outcome)
    pail.put("a/contract.pdf", CONTRACT, ObjectLockLegalHoldStatus="ON")
    with pytest.raises(NotAllowed, match=r"objects\.held"):
        bench.plan("1")


def test_a_hold_that_comes_after_the_vote_undoes_everything(tmp_path: Path) -> None:
    pail = filled(Pail(lock=True))
    bench = bench_of(tmp_path, pail)
    order, rows = bench.order("1"), bench.dump()

    def hold() -> None:
        pail.client.put_object_legal_hold(Bucket=pail.name, Key="a/photo.jpg", LegalHold={"Status": "ON"})

    with pytest.raises(CannotProve):
        bench.run(order, RecordingGate(on={"step.objects-noted": hold}))
    assert bench.dump() == rows
    assert len(pail.contents()) == 3


def test_tags_that_may_not_be_read_are_told(bench: Bench) -> None:
    with faults({"method": "GET", "contains": "tagging", "status": 403, "code": "AccessDenied"}):
        # Whether the other one has any is not known either: without the right, no count comes along.
        assert warned(bench.plan("1")[0])["told.objects-bare"]["n"] == 2


def test_what_lies_in_an_archive_cannot_be_backed_up(bench: Bench, pail: Pail) -> None:
    pail.put("a/photo.jpg", b"x", StorageClass="GLACIER")
    with pytest.raises(TargetDown, match=r"objects\.archived"):
        bench.plan("1")


def test_a_bucket_that_is_configured_no_more_keeps_its_objects_in_the_backup(bench: Bench) -> None:
    outcome = bench.delete("1")
    with bench.vault.open(outcome.backup.backup_id) as opened, pytest.raises(CannotProve):
        attached.meet(opened, (), "crm", HASH_KEY)


def test_another_endpoint_under_the_same_name_is_another_place(bench: Bench, pail: Pail) -> None:
    (one, *_) = stores_of(bench.spec.attachments, HASH_KEY)
    elsewhere = Attachment.model_validate(objects_in(pail, endpoint="http://localhost:1")[0])
    (other,) = stores_of([elsewhere], HASH_KEY)
    assert one.path == other.path
    assert one.identity != other.identity


def test_without_the_library_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from bot.targets.object_store import ObjectStore\nfrom bot.buckets.client import Address\n"
        "from bot.errors import Broken\nfrom bot.texts import say\n"
        "try: ObjectStore(Address('bucket'), b'').look(['x'])\n"
        "except Broken as error: print(say(error.key, 'en'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "pip install countersign[s3]" in done.stdout
    assert done.stdout.count("\n") == 1
    assert issubclass(TargetDown, Broken)
