"""A system is torn down; the user and the group of its machine are cleared away, and are what they were when they are restored."""

from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.fakes.machine import lines, machine, run
from tests.stories.test_left_over import asked_to_clear, done, receipt
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

DECLARED = """    residue: {{names: [crm, app], look_in: ["{root}/etc"], machine_accounts: clear}}
    tell: ["""


def test_a_user_and_its_group_are_cleared_away_and_are_the_same_when_they_are_restored(
    tmp_path: Path,
) -> None:
    root = tmp_path / "home"

    def change(text: str) -> str:
        return text.replace("    tell: [", DECLARED.format(root=root), 1)

    with town(tmp_path, grace="1s", change=change) as (rig, _):
        machine(root)
        run(root, "usermod", "--password", "$6$salt$hash", "app")
        before, others = lines(root, "crm"), lines(root, "app", "root")
        ballot = ask(rig)
        assert "userdel crm" not in thread(rig, ballot)
        done(rig, 1, ballot)
        told = receipt(rig, 1, "Looked for again: 3 things are still there")
        assert "userdel app" in shown_text(told)
        assert "it has a password, so somebody may log in with it" in shown_text(told)

        ballot = asked_to_clear(rig, told)
        plan = thread(rig, ballot)
        for said in (
            "The user crm has the number 31998, the groups crm, www, the home /nonexistent",
            "The group crm has the number 31997",
            f"no file with its number was found on {root}",
            "2 files, folders and accounts",
        ):
            assert said in plan
        done(rig, 2, ballot)
        assert lines(root, "crm") == []
        receipt(rig, 2, "has left was removed for good")

        reference = rig.row("SELECT reference FROM backups WHERE request_id = 2")[0]
        run(root, "useradd", "-M", "-g", "daemon", "--uid", "31998", "eve")
        since = rig.command("U0ERIN", "/restore", f"{reference} -- another program used it")
        assert rig.told("U0ERIN", since, "belongs to eve by now")
        run(root, "userdel", "eve")
        since = rig.command("U0ERIN", "/restore", f"{reference} -- another program used it")
        done(rig, 3, rig.ballot(since), "U0BOB")
        assert lines(root, "crm") == before
        assert lines(root, "app", "root") == others
