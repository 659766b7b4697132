"""A customer's documents go with the customer and come back to the byte, through Slack, also through kill -9."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench
from tests.stories.rig import PATIENCE, Rig
from tests.unit.operations.test_attached_files import SCHEMA, tree, write

pytestmark = pytest.mark.slow

RECORDS = """\
    records:
      customer: {{table: customers, find_by: [id], label: "{{name}}"}}
    attachments: [{{column: documents.path, file: "{root}"}}]
rules:
"""
DONE = ("succeeded", "failed", "held", "refused")


@contextmanager
def _sqlite(folder: Path) -> Iterator[Bench]:
    yield make_bench(folder, SCHEMA)


def _postgresql(folder: Path) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, SCHEMA)


def _mysql(server: str, folder: Path) -> AbstractContextManager[Bench]:
    return bench_on(server, folder, SCHEMA.strip())


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": partial(_mysql, "mariadb"),
    "mysql": partial(_mysql, "mysql"),
}


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    for name, content in (
        ("a/contract.pdf", b"signed\0" * 300_000),
        ("a/photo.jpg", b""),
        ("b/contract.pdf", b"2"),
    ):
        write(root / name, content)
    return root


def rig_of(folder: Path, root: Path, bench: Bench) -> Rig:
    records = RECORDS.format(root=root)
    rig = Rig(
        folder, lambda text: re.sub(r"    records:\n.*?rules:\n", lambda _: records, text, flags=re.DOTALL)
    )
    rig.secrets["CRM_DATABASE_URL"] = bench.spec.address
    return rig


def said(rig: Rig, ballot: Any) -> str:
    return "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_documents_go_and_come_back(tmp_path: Path, uploads: Path, engine: str) -> None:
    (tmp_path / "crm").mkdir()
    with ENGINES[engine](tmp_path / "crm") as bench, rig_of(tmp_path, uploads, bench) as rig:
        rows, files = bench.dump(), tree(uploads)
        ballot = rig.ballot(rig.command("U0ALICE", "/delete-records", "crm customer 1 -- GDPR 4711"))
        assert "2 files go with them (2.1 MB)" in said(rig, ballot)
        rig.approve(ballot)
        assert rig.wait_state(1, *DONE) == "succeeded"
        assert set(tree(uploads)) == {"a", "b", "b/contract.pdf"}
        (receipt,) = rig.slack.wait_for(rig.receipts, PATIENCE)
        assert "2 files went with them (2.1 MB)" in shown_text(receipt)
        assert "contract" not in said(rig, ballot)
        ballot = rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- the wrong one"))
        assert "2 files come back with them (2.1 MB)" in said(rig, ballot)
        rig.approve(ballot, "U0DAN")
        assert rig.wait_state(2, *DONE) == "succeeded"
        assert (bench.dump(), tree(uploads)) == (rows, files)


@pytest.mark.parametrize(
    ("deleting", "restoring"),
    [
        (("after", "step.files-aside"), ("after", "step.insert")),
        (("after", "step.commit"), ("after", "step.commit")),
        (("before-note", ""), ("before-note", "")),
    ],
    ids=["before COMMIT", "after COMMIT", "before it was noted"],
)
def test_kill_9_around_commit_loses_no_file_and_leaves_none(
    tmp_path: Path, uploads: Path, deleting: tuple[str, str], restoring: tuple[str, str]
) -> None:
    (tmp_path / "crm").mkdir()
    with _sqlite(tmp_path / "crm") as bench, rig_of(tmp_path, uploads, bench) as rig:
        rows, files = bench.dump(), tree(uploads)
        rig.dies(*deleting)
        rig.approve(rig.ballot(rig.command("U0ALICE", "/delete-records", "crm customer 1 -- GDPR 4711")))
        rig.comes_back()
        assert rig.wait_state(1, *DONE) == "succeeded"
        assert set(tree(uploads)) == {"a", "b", "b/contract.pdf"}
        rig.dies(*restoring)
        rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", "#1 -- the wrong one")), "U0DAN")
        rig.comes_back()
        assert rig.wait_state(2, *DONE) == "succeeded"
        assert (bench.dump(), tree(uploads)) == (rows, files)
