"""What there is, who decides, and what can be brought back: asked for and chosen from."""

from collections.abc import Iterator

import pytest

from tests.stories.rig import Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lists")]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def test_a_responder_without_the_reference_finds_the_backup_and_chooses_it(rig: Rig) -> None:
    before = rig.contents()
    email = rig.somebody()
    since = rig.command("U0ERIN", "/countersign", "backups crm")
    assert "no backup" in rig.told("U0ERIN", since)
    rig.approve(rig.ask_to_delete(email))
    rig.wait_state(1, "succeeded")
    since = rig.command("U0ERIN", "/countersign", "backups")
    listed = rig.told("U0ERIN", since)
    assert "/restore #1 -- reason" in listed
    assert "<@U0ALICE>" in listed
    assert email not in listed
    since = rig.command("U0ERIN", "/restore", "")
    erin = rig.slack.as_user("U0ERIN")
    form = erin.wait_for_view("Restore")
    both = erin.submit(form.id, {"recent": "#1", "backup": "#1", "reason": "why"})
    assert list(both.errors) == ["backup"]
    assert not erin.submit(form.id, {"recent": "#1", "backup": " ", "reason": "the wrong account"}).errors
    rig.approve(rig.ballot(since), "U0BOB")
    rig.wait_state(2, "succeeded")
    assert rig.contents() == before


def test_anybody_here_sees_the_systems_and_the_rules_and_a_guest_does_not(rig: Rig) -> None:
    for words, seen in {
        "targets": "记录类型：customer",
        "targets crm": "中决定",
        "policy": "批准人",
        "policy crm": "1 名 *dba*",
        "policy erp": "没有名为“erp”的系统",
    }.items():
        since = rig.command("U0FRANK", "/countersign", words)
        assert seen in rig.told("U0FRANK", since), words
    for words in ("backups", "targets", "policy"):
        since = rig.command("U0GUS", "/countersign", words)
        assert "Only members" in rig.told("U0GUS", since)
