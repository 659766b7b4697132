"""A step that could not write down its end is not the job's last word, whoever stops in between."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import schema
from bot.store.database import Database

PART = Path(__file__).with_name("engine_part.py")
ROOT = Path(__file__).parents[3]


def run(url: str, how: str) -> str:
    done = subprocess.run(
        [sys.executable, str(PART), url, how],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_step_that_fails_goes_again_even_after_a_restart_and_its_error_is_kept_nowhere(
    tmp_path: Path,
) -> None:
    path = tmp_path / "countersign.db"
    url = f"sqlite:///{path}"
    database = Database(url)
    schema.upgrade(database)
    database.close()

    def state() -> str:
        with closing(sqlite3.connect(path)) as books:
            return str(books.execute("SELECT status FROM workflow_status").fetchone()[0])

    run(url, "fails")
    assert state() == "PENDING"
    assert "done job-1-001" in run(url, "works")
    assert state() == "SUCCESS"
    assert not any(b"Lovelace" in one.read_bytes() for one in tmp_path.iterdir())
