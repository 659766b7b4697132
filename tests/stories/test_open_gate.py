"""A worker whose gate is open, with real processes: it takes no job, and everybody is told."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stories.rig import Rig

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def readyz(rig: Rig) -> tuple[int, Any]:
    found = re.search(r"http://(127\.0\.0\.1:\d+)/readyz", rig.log("bot"))
    assert found
    try:
        with urllib.request.urlopen(f"http://{found[1]}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def beat(rig: Rig) -> int:
    return int(rig.row("SELECT max(seen_at) FROM processes WHERE kind = 'worker'")[0])


def test_a_worker_whose_gate_is_open_takes_no_job_and_readyz_says_why(rig: Rig) -> None:
    rig.wait(lambda: readyz(rig)[0] == 200, "ready")
    ballot = rig.ask_to_delete()
    rig.stop("worker")
    rig.approve(ballot)
    rig.wait_state(1, "approved")

    rig.start_worker("open-gate")
    rig.wait(lambda: "let through a job" in readyz(rig)[1]["why"].get("gate", ""), "the reason is told")
    status, said = readyz(rig)
    assert (status, said["parts"]["worker"], said["parts"]["gate"]) == (503, True, False)
    rig.wait(lambda: "THE GATE IS OPEN" in rig.log("worker"), "the worker's log says so")
    entry = json.loads(rig.row('SELECT entry FROM audit_log WHERE entry LIKE \'%"kind":"canary"%\'')[0])
    assert entry["body"]["found"] == "let-through"
    assert set(entry["body"]["cases"]) >= {"no-permit", "used-permit", "other-digest"}
    # Many turns of every sweep that a worker has.
    seen = beat(rig)
    rig.wait(lambda: beat(rig) > seen + 3_000_000, "it lives on")
    assert rig.state(1) == "approved"
    assert rig.row("SELECT count(*) FROM jobs")[0] == 0
    assert rig.ada_is_there()

    rig.stop("worker")
    rig.start_worker()
    assert rig.wait_state(1, "succeeded", "failed", "held") == "succeeded"
    rig.wait(lambda: readyz(rig)[0] == 200, "ready again")
    assert not rig.ada_is_there()
