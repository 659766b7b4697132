"""What went wrong in other products, tried on ours, each by the name of its case.

``docs/safeguards.md`` lists every case with the tests that try it here, in this file or in others.
"""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from bot.jobs.permit import Gate
from bot.model.requests import Choice, Operation, State
from bot.schedules import sweeps
from bot.store import tables as t
from handlers import door
from tests.fakes.rooms import config, planned, rules_with
from tests.unit.handlers.doorway import Doorway, opened

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "safeguards.md"
PEOPLE = ("U0DAN", "U0CAROL")


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    with opened(tmp_path) as found:
        yield found


def drifted(doorway: Doorway, request_id: int) -> None:
    """The plan is another one now."""
    with doorway.house.store.transact() as work:
        request = doorway.house.ground.lock(work, request_id)
        work.permits.void(request_id)
        work.requests.save(request_id, request.state, state=State.PLANNING)
    doorway.house.plan(request_id, planned(salt="drifted"))
    doorway.deliver()


def test_openclaw_78415_a_job_without_any_decision_does_not_run(doorway: Doorway) -> None:
    request_id, _, _ = doorway.pending()
    job = doorway.house.enqueue(request_id)
    assert doorway.house.take(job) is Gate.NO
    with doorway.house.store.transact() as work:
        work.connection.execute(update(t.requests).values(state="approved", starts_at=doorway.house.now))
        revision = work.requests.revision(request_id, 1)
        assert revision is not None
        now = doorway.house.now
        work.permits.issue(request_id, 1, revision.digest, now + timedelta(hours=1), now)
    assert doorway.house.take(doorway.house.enqueue(request_id)) is Gate.NO, (
        "not even with a permit nobody earned"
    )


def test_gitlab_cve_2023_4812_an_approval_does_not_survive_a_change(doorway: Doorway) -> None:
    request_id, _, old = doorway.pending()
    doorway.react(old["ts"], "U0DAN")
    drifted(doorway, request_id)
    doorway.react(old["ts"], "U0CAROL")
    assert doorway.house.votes(request_id) == {}
    assert doorway.house.state(request_id) is State.PENDING
    assert "has changed since this ballot" in doorway.last("U0CAROL")
    new = doorway.slack.of_kind("ballot")[-1]
    for user in PEOPLE:
        doorway.react(new["ts"], user)
    assert doorway.house.state(request_id) is State.APPROVED


def test_atlantis_1508_an_approval_covers_no_other_plan(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    for user in PEOPLE:
        doorway.react(ballot["ts"], user)
    doorway.house.wait(seconds=11)
    job = doorway.house.enqueue(request_id)
    with doorway.house.store.transact() as work:
        work.connection.execute(update(t.revisions).values(plan=planned(rows=8, salt="more").data))
    assert doorway.house.take(job) is Gate.NO
    assert doorway.house.state(request_id) is State.CANCELLED


def test_cider_and_rubrik_no_bot_app_or_service_counts_as_a_reviewer(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    for user in PEOPLE:
        doorway.slack.people[user] = {"is_bot": True}
        doorway.react(ballot["ts"], user)
        doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], user)
    assert doorway.house.votes(request_id) == {}
    assert doorway.house.state(request_id) is State.PENDING


@pytest.mark.parametrize("nobody", [[], None, ["0 of dba"], [{"any": []}], [{"all": []}]])
def test_n8n_an_empty_list_of_approvers_is_an_error_and_not_everybody(nobody: object) -> None:
    with pytest.raises(ValidationError):
        config(rules=rules_with(approve=nobody))


def test_hermes_80283_what_a_button_says_is_not_believed(doorway: Doorway) -> None:
    first, _, ballot = doorway.pending()
    second = doorway.house.pending()
    doorway.click("vote-approve", f"{second}.1", ballot["ts"], "U0DAN")
    assert doorway.house.votes(first) == doorway.house.votes(second) == {}
    assert "changed nothing" in doorway.last("U0DAN")


def test_openclaw_71023_and_hermes_100408_a_click_is_not_lost_with_the_process(doorway: Doorway) -> None:
    """It was acknowledged, and then the process died before anybody looked at it."""
    request_id, _, ballot = doorway.pending()
    payload = {
        "user": "U0DAN",
        "team": "T0ACME",
        "action": "vote-approve",
        "value": f"{request_id}.1",
        "channel": "C0DELETIONS",
        "ts": ballot["ts"],
    }
    doorway.services.inbox.accept("click:lost", "click", payload, doorway.house.now)
    doorway.house.wait(seconds=6)
    assert door.replay(doorway.front, doorway.house.now) == 1
    assert doorway.house.votes(request_id) == {"U0DAN": Choice.APPROVE}
    assert "counts" in doorway.last("U0DAN")
    assert door.replay(doorway.front, doorway.house.now + timedelta(hours=1)) == 0


def test_gitlab_425759_people_of_several_groups_neither_block_nor_count_twice(doorway: Doorway) -> None:
    """Bob is a dba and a data owner: alone he is one of two, and with either of the others he takes the other seat."""
    for other in PEOPLE:
        request_id, _, ballot = doorway.pending()
        doorway.react(ballot["ts"], "U0BOB")
        assert doorway.house.state(request_id) is State.PENDING
        doorway.react(ballot["ts"], other)
        assert doorway.house.state(request_id) is State.APPROVED


def test_sso_elevator_47_a_double_click_is_one_vote(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    for _ in range(2):
        for user in PEOPLE:
            doorway.click("vote-approve", f"{request_id}.1", ballot["ts"], user)
    assert doorway.house.permits(request_id) == ["ready"]
    assert len(doorway.house.votes(request_id)) == 2


def test_sso_elevator_175_what_nobody_can_approve_is_refused_and_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path, config(rules=rules_with(approve=["4 of data-owner"]))) as doorway:
        request_id = doorway.house.file()
        with pytest.raises(Exception, match="unreachable"):
            doorway.house.plan(request_id)
        doorway.deliver()
        assert doorway.slack.of_kind("card") == []


def test_yearning_189_a_way_back_has_its_own_rule_lighter_and_never_none(doorway: Doorway) -> None:
    """The limit of rows of the deletion does not stand in its way; a second person does."""
    with doorway.house.store.transact() as work:
        request_id = work.requests.add(
            operation=Operation.RESTORE,
            target="crm",
            record="customer",
            requester="U0ALICE",
            origin_channel="C0ASKING",
            channel="C0DELETIONS",
            created_at=doorway.house.now,
        )
    doorway.house.plan(request_id, planned(rows=100_000))
    assert doorway.house.state(request_id) is State.PENDING
    doorway.deliver()
    ballot = doorway.slack.of_kind("ballot")[-1]
    doorway.react(ballot["ts"], "U0ALICE")
    assert doorway.house.state(request_id) is State.PENDING
    doorway.react(ballot["ts"], "U0DAN")
    assert doorway.house.state(request_id) is State.APPROVED


@pytest.mark.parametrize("wait", [timedelta(hours=4), timedelta(hours=72), timedelta(days=4000)])
def test_veritas_strongdm_and_cohesity_silence_approves_nothing(doorway: Doorway, wait: timedelta) -> None:
    """Approved by itself after 72 hours, elsewhere."""
    request_id, _, ballot = doorway.pending()
    doorway.react(ballot["ts"], "U0DAN")
    doorway.house.now += wait
    for _ in range(2):
        sweeps.expire(doorway.house.store, doorway.house.ground, doorway.house.now)
    assert doorway.house.state(request_id) is State.EXPIRED
    doorway.house.now -= wait
    doorway.react(ballot["ts"], "U0CAROL")
    assert doorway.house.state(request_id) is State.EXPIRED
    assert doorway.house.permits(request_id) == []


def test_twitter_2017_who_left_between_the_vote_and_the_job_counts_no_more(doorway: Doorway) -> None:
    request_id, _, ballot = doorway.pending()
    for user in PEOPLE:
        doorway.react(ballot["ts"], user)
    doorway.house.wait(seconds=11)
    left = doorway.house.roster(flags={"U0DAN": {"is_deactivated": True}})
    assert doorway.house.take(doorway.house.enqueue(request_id, left)) is Gate.NO
    assert doorway.house.state(request_id) is State.PENDING


def test_openclaw_ghsa_796m_no_shell_reads_what_was_approved() -> None:
    """One parser, one plan: no program of ours is started through a shell, and no text is run."""
    found = []
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            shell = [one for one in node.keywords if one.arg == "shell" and ast.unparse(one.value) != "False"]
            if shell or name in ("eval", "exec", "os.system", "os.popen", "subprocess.getoutput"):
                found.append(f"{path.name}:{node.lineno} {name}")
    assert found == []


def test_every_test_that_the_list_of_cases_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).is_file()
        or (test and f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_every_story_of_this_file_is_in_the_list() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stories = re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    assert [one for one in stories if not one.startswith("test_every_") and one not in page] == []
