"""The user and the group that a torn down system leaves on its machine: cleared away by a process that may be killed, or kept."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.config.types import Target
from bot.jobs.parts import Surroundings, open_system
from bot.model.requests import State
from bot.operations.clearing import Leftover, parts_in, people, to_data
from bot.targets.system import System
from tests.fakes import machine
from tests.fakes.rooms import House
from tests.fakes.site import Site, house_says
from tests.unit.jobs.test_put_back_killed import killed


@dataclass
class Manned(Site):
    """Its machine has a user and a group of its name, and a cron entry that names them."""

    accounts: str = "clear"

    def configure(self, grace: str = "7d", **more: object) -> None:
        residue = {
            "names": ["crm", "old"],
            "look_in": [f"{self.srv}/etc"],
            "machine_accounts": self.accounts,
        }
        super().configure(grace, residue=residue, **more)

    def system(self, spec: Target, targets: Mapping[str, Target], parts: Sequence[Leftover] = ()) -> System:
        return self.around(open_system(spec, targets, parts, Surroundings({}, self.folder / "exports")))

    def lines(self) -> list[str]:
        return machine.lines(self.srv, "crm", "old")

    def clearing(self) -> int:
        """The system is gone, and the request that clears up after it has all its approvals."""
        self.gone()
        return self.asked_to_clear()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Manned]:
    made = Manned.build(House(tmp_path), tmp_path)
    assert isinstance(made, Manned)
    machine.machine(made.srv)
    cron = made.srv / "etc/cron.d/crm"
    cron.parent.mkdir()
    cron.write_text("0 3 * * * crm /srv/crm/nightly\n")
    yield made
    made.house.close()


USER, CRM, OLD = people([("user", "crm"), ("group", "crm"), ("group", "old")])


def test_exactly_the_systems_own_goes_and_comes_back(site: Manned) -> None:
    before, others = site.lines(), machine.lines(site.srv, "root", "daemon", "app")
    request_id = site.clearing()
    plan = site.house.view(request_id).revision.plan["system"]  # type: ignore[union-attr]  # it was planned
    assert [one.path for one in parts_in(plan)] == [
        f"{site.srv}/etc/cron.d/crm",
        "user crm",
        "group crm",
        "group old",
    ]
    assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
    assert site.lines() != before
    with site.house.store.transact() as work:
        site.house.lifecycle.put_back(work, 2, site.house.actor("U0ERIN"), site.house.now)
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    assert site.lines() == before
    request_id = site.asked_to_clear()
    assert site.go() is State.SET_ASIDE
    site.grace_is_over()
    assert site.go() is State.SUCCEEDED, house_says(site.house, request_id)
    assert site.lines() == []
    assert machine.lines(site.srv, "root", "daemon", "app") == others


#: In every run one of each half; with all of the kill matrix the others, too.
MOMENTS = (
    ("inside step.preflight", State.SET_ASIDE),
    ("after step.back-up", State.SET_ASIDE),
    (f"before set_aside of {USER.name}", State.SET_ASIDE),
    (f"after set_aside of {USER.name}", State.SET_ASIDE),
    (f"after set_aside of {CRM.name}", State.SET_ASIDE),
    ("inside step.remove", State.SUCCEEDED),
    (f"after remove of {USER.name}", State.SUCCEEDED),
    (f"before remove of {OLD.name}", State.SUCCEEDED),
)


@pytest.mark.parametrize(
    ("moment", "state"), MOMENTS if os.environ.get("KILL_MATRIX") == "all" else (MOMENTS[3], MOMENTS[6])
)
def test_killed_at_any_moment_they_go_and_come_back(site: Manned, moment: str, state: State) -> None:
    before = site.lines()
    request_id = site.clearing()
    if state is State.SUCCEEDED:
        assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
        site.grace_is_over()
    (job,) = site.due()
    killed(site, job, moment)
    assert site.run(job) is state, house_says(site.house, request_id)
    if state is State.SUCCEEDED:
        assert site.lines() == []
        return
    with site.house.store.transact() as work:
        site.house.lifecycle.put_back(work, 2, site.house.actor("U0ERIN"), site.house.now)
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    assert site.lines() == before


def no_more(site: Manned) -> None:
    site.accounts = "by-hand"
    site.configure()


def names_it(site: Manned) -> None:
    unit = site.srv / "etc/systemd/system/other.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nUser=crm\n")


MEANWHILE: dict[str, Callable[[Manned], object]] = {
    "the configuration lets nobody any more": no_more,
    "somebody became a member": lambda site: machine.run(site.srv, "usermod", "-aG", "old", "ada"),
    "somebody may log in": lambda site: machine.run(site.srv, "usermod", "--password", "$6$salt$x", "crm"),
    "a unit names it": names_it,
    "it lives elsewhere": lambda site: machine.run(site.srv, "usermod", "--home", "/elsewhere", "crm"),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_happened_since_the_vote_keeps_them(site: Manned, meanwhile: str) -> None:
    request_id = site.clearing()
    MEANWHILE[meanwhile](site)
    now = site.lines()
    assert site.go() in (State.FAILED, State.PENDING, State.PLANNING), house_says(site.house, request_id)
    assert site.lines() == now


@pytest.mark.parametrize("meanwhile", ["a unit names it", "it lives elsewhere"])
def test_what_happened_in_the_grace_keeps_them(site: Manned, meanwhile: str) -> None:
    request_id = site.clearing()
    assert site.go() is State.SET_ASIDE
    MEANWHILE[meanwhile](site)
    site.grace_is_over()
    now = site.lines()
    assert site.go() is not State.SUCCEEDED, house_says(site.house, request_id)
    assert site.lines() == now


def test_one_that_stays_keeps_no_other_from_going(site: Manned) -> None:
    names_it(site)
    request_id = site.clearing()
    plan = site.house.view(request_id).revision.plan["system"]  # type: ignore[union-attr]  # it was planned
    assert [one.path for one in parts_in(plan)] == [f"{site.srv}/etc/cron.d/crm", "group old"]
    assert ["user", "crm", 1, "user.named"] in plan["residue"]["found"]


def test_they_are_not_cleared_without_the_word(site: Manned) -> None:
    no_more(site)
    request_id = site.clearing()
    plan = site.house.view(request_id).revision.plan["system"]  # type: ignore[union-attr]  # it was planned
    assert [one.kind for one in parts_in(plan)] == [""]
    assert ["user", "crm", 1, "user"] in plan["residue"]["found"]


def test_files_roles_and_people_are_told_apart_in_plans_and_backups_of_any_release() -> None:
    both = people([("group", "crm"), ("user", "crm")])
    assert parts_in({"parts": to_data(both)}) == both
    assert [one.kind for one in both] == ["user", "group"]
    assert len({one.name for one in both}) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_files_of_theirs_keep_them_unless_they_go_in_the_same_request(site: Manned, elsewhere: bool) -> None:
    before, cron, other = site.lines(), site.srv / "etc/cron.d/crm", site.srv / "other"
    os.chown(cron, 31998, 31997)
    request_id = site.clearing()
    assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
    if elsewhere:
        other.touch()
        os.chown(other, 31998, 0)
    site.grace_is_over()
    assert (site.go() is State.SUCCEEDED) is not elsewhere, house_says(site.house, request_id)
    # The file went first, and what is left is closed and whole.
    assert not cron.exists()
    assert [line.split()[0] for line in site.lines()] == [line.split()[0] for line in before if elsewhere]
