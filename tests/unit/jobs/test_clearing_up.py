"""What a teardown has left is cleared away: exactly that, by a process that may be killed, or not at all."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.config.types import Target
from bot.errors import CannotProve, NotAllowed
from bot.jobs.parts import Surroundings, open_system
from bot.model.requests import Operation, State
from bot.operations.clearing import Leftover, leftovers
from bot.targets.system import System
from bot.texts import say
from tests.fakes.rooms import House
from tests.fakes.site import Site, house_says
from tests.unit.jobs.test_put_back_killed import killed


@dataclass
class Untidy(Site):
    """Its system leaves a cron entry, a link, a folder of logs, and something of a name that is only like it."""

    def configure(self, grace: str = "7d", **more: object) -> None:
        super().configure(grace, residue={"look_in": [f"{self.srv}/etc", f"{self.srv}/log"]}, **more)
        for path in ("etc/cron.d/crm", "etc/cron.d/crm-new", "log/crm/one.log"):
            (self.srv / path).parent.mkdir(parents=True, exist_ok=True)
            (self.srv / path).write_text(f"of {path}")
        (self.srv / "etc/nginx/sites-enabled").mkdir(parents=True)
        (self.srv / "etc/nginx/sites-enabled/crm").symlink_to("/nowhere")

    def system(self, spec: Target, targets: Mapping[str, Target], parts: Sequence[Leftover] = ()) -> System:
        return self.around(open_system(spec, targets, parts, Surroundings({}, self.folder / "exports")))

    def left(self) -> dict[str, object]:
        """Every file and link outside the quarantine."""
        found = (one for one in self.srv.rglob("*") if one.is_symlink() or one.is_file())
        return {
            str(one.relative_to(self.srv)): one.readlink() if one.is_symlink() else one.read_bytes()
            for one in found
            if ".countersign-quarantine" not in one.parts
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Untidy]:
    made = Untidy.build(House(tmp_path), tmp_path)
    assert isinstance(made, Untidy)
    yield made
    made.house.close()


KEPT = {"etc/cron.d/crm-new"}


def test_exactly_what_was_left_goes_and_comes_back(site: Untidy) -> None:
    site.gone()
    before = site.left()
    request_id = site.asked_to_clear()
    plan = site.house.view(request_id).revision.plan["system"]  # type: ignore[union-attr]  # it was planned
    assert {path for _, path, _ in plan["parts"]} == {
        str(site.srv / path) for path in ("etc/cron.d/crm", "etc/nginx/sites-enabled/crm", "log/crm")
    }
    assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
    assert set(site.left()) == KEPT
    with site.house.store.transact() as work:
        site.house.lifecycle.put_back(work, 2, site.house.actor("U0ERIN"), site.house.now)
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    assert site.left() == before
    request_id = site.asked_to_clear()
    assert site.go() is State.SET_ASIDE
    site.grace_is_over()
    assert site.go() is State.SUCCEEDED, house_says(site.house, request_id)
    assert set(site.left()) == KEPT
    assert not (site.srv / ".countersign-quarantine").exists()


def test_while_the_system_is_there_again_what_it_left_stays(site: Untidy) -> None:
    site.gone()
    before = site.left()
    request_id = site.asked_to_clear()
    (site.srv / "uploads").mkdir()
    with pytest.raises(CannotProve, match="is-back") as caught:
        site.crew().hands.plan(site.house.request(request_id))
    assert "uploads" in say(caught.value.key, **caught.value.params)
    assert site.go() is State.FAILED, house_says(site.house, request_id)
    assert site.left() == before


#: In every run the last two of each half; with all of the kill matrix the others, too.
MOMENTS = (
    ("inside step.preflight", State.SET_ASIDE),
    ("after step.back-up", State.SET_ASIDE),
    ("before set_aside of {link}", State.SET_ASIDE),
    ("inside step.rehearse", State.SET_ASIDE),
    ("after set_aside of {link}", State.SET_ASIDE),
    ("inside step.remove", State.SUCCEEDED),
    ("after remove of {link}", State.SUCCEEDED),
    ("inside step.certificate", State.SUCCEEDED),
)


@pytest.mark.parametrize(
    ("moment", "state"), MOMENTS if os.environ.get("KILL_MATRIX") == "all" else (*MOMENTS[3:5], *MOMENTS[6:])
)
def test_killed_at_any_moment_it_goes_on_and_touches_nothing_else(
    site: Untidy, moment: str, state: State
) -> None:
    site.gone()
    request_id = site.asked_to_clear()
    (link,) = [one.name for one in leftovers([(str(site.srv / "etc/nginx/sites-enabled/crm"), False)])]
    if state is State.SUCCEEDED:
        assert site.go() is State.SET_ASIDE
        site.grace_is_over()
    (job,) = site.due()
    killed(site, job, moment.format(link=link))
    assert site.run(job) is state, house_says(site.house, request_id)
    assert set(site.left()) == KEPT


@pytest.mark.parametrize("swap", ["another link", "a folder of somebody", "edited"])
def test_what_was_exchanged_after_the_vote_is_not_touched(site: Untidy, swap: str, tmp_path: Path) -> None:
    site.gone()
    victim = tmp_path / "victim"
    victim.write_text("of somebody else")
    request_id = site.asked_to_clear()
    cron = site.srv / "etc/cron.d/crm"
    if swap == "edited":
        # Its identity is the same, its content is what the backup takes.
        cron.write_text("edited")
        assert site.go() is State.SET_ASIDE
        return
    cron.rename(site.srv / "moved")
    if swap == "another link":
        cron.symlink_to(victim)
    else:
        cron.mkdir()
        (cron / "file").write_text("of somebody else")
    before = site.left()
    assert site.go() in (State.PENDING, State.PLANNING, State.FAILED), house_says(site.house, request_id)
    assert site.left() == before
    assert victim.read_text() == "of somebody else"


def test_nothing_is_asked_for_that_was_not_left_by_a_teardown_that_is_done(site: Untidy) -> None:
    asked: dict[str, Any] = {"operation": Operation.TEARDOWN, "record": None, "values": (), "undoes": 1}
    site.torn_down()
    with pytest.raises(NotAllowed) as caught:
        site.house.file(**asked)
    assert caught.value.key == "clearing.not-done"
    site.grace_is_over()
    for path in ("etc/cron.d/crm", "etc/nginx/sites-enabled/crm", "log/crm/one.log"):
        (site.srv / path).unlink()
    (site.srv / "log/crm").rmdir()
    assert site.go() is State.SUCCEEDED
    with pytest.raises(NotAllowed) as caught:
        site.house.file(**asked)
    assert caught.value.key == "clearing.nothing"
