"""The role or account that a torn down database leaves: cleared away by a process that may be killed, or kept."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.config.types import Target
from bot.jobs.parts import Surroundings, open_system
from bot.model.requests import State
from bot.operations.clearing import Leftover, leftovers, parts_in, roles, to_data
from bot.targets import kind_of
from bot.targets.system import System
from tests.fakes.places import run, run_on_mysql
from tests.fakes.rooms import House
from tests.fakes.servers import SERVERS, mysql_database, postgresql_database
from tests.fakes.site import Site, house_says
from tests.unit.jobs.test_put_back_killed import killed

READ = """SELECT rolcanlogin, rolconnlimit, rolpassword FROM pg_authid WHERE rolname = '{role}'"""


@dataclass
class WithRole(Site):
    """Its database is on a server, with an owner that has nothing else."""

    url: str = ""
    accounts: str = "clear"
    neighbours: list[dict[str, str]] = field(default_factory=list)
    before: list[tuple[object, ...]] = field(default_factory=list)

    def configure(self, grace: str = "7d", **more: object) -> None:
        super().configure(
            grace,
            database={"url": self.url or "${CRM_DATABASE_URL}"},
            residue={"look_in": [f"{self.srv}/etc"], "accounts": self.accounts},
            neighbours=self.neighbours,
            **more,
        )

    def system(self, spec: Target, targets: Mapping[str, Target], parts: Sequence[Leftover] = ()) -> System:
        return self.around(open_system(spec, targets, parts, Surroundings({}, self.folder / "exports")))

    @property
    def role(self) -> str:
        return f"app_{self.url[-8:]}"

    @property
    def typed(self) -> str:
        return self.role

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        return run(f"{self.url.rpartition('/')[0]}/postgres", *statements)

    def read(self) -> list[tuple[object, ...]]:
        return self.sql(READ.format(role=self.role))

    def begin(self) -> None:
        self.sql(f"CREATE ROLE {self.role} LOGIN CONNECTION LIMIT 5 PASSWORD 'secret'")
        run(self.url, "CREATE TABLE t (id int)", f"ALTER TABLE t OWNER TO {self.role}")

    def end(self) -> None:
        self.sql("DROP TABLE IF EXISTS cs_role_test")
        for (name,) in self.sql(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{self.role}%'"):
            self.sql(f"DROP ROLE {name}")

    def owns(self) -> object:
        return self.sql(
            "CREATE TABLE cs_role_test (id int)", f"ALTER TABLE cs_role_test OWNER TO {self.role}"
        )

    def may_more(self) -> object:
        return self.sql(f"ALTER ROLE {self.role} CREATEDB")

    def clearing(self) -> int:
        """The system is gone, and the request that clears up after it has all its approvals."""
        self.gone()
        return self.asked_to_clear()


@dataclass
class WithAccount(WithRole):
    """Its database is of MariaDB or MySQL."""

    @property
    def typed(self) -> str:
        return f"'{self.role}'@'127.0.0.%'"

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        return run_on_mysql(self.url, *statements)

    def read(self) -> list[tuple[object, ...]]:
        if not self.sql(f"SELECT User FROM mysql.user WHERE User = '{self.role}'"):
            return []
        return self.sql(f"SHOW CREATE USER {self.typed}") + self.sql(f"SHOW GRANTS FOR {self.typed}")

    def begin(self) -> None:
        database = self.url.rpartition("/")[2]
        self.sql(
            f"CREATE TABLE {database}.t (id INT PRIMARY KEY)",
            f"CREATE USER {self.typed} IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 5",
            f"GRANT ALL ON {database}.* TO {self.typed}",
        )

    def end(self) -> None:
        self.sql(f"DROP USER IF EXISTS {self.typed}", "DROP DATABASE IF EXISTS cs_role_test")
        assert self.sql("SELECT User FROM mysql.user WHERE User LIKE 'countersign%'") == []

    def owns(self) -> object:
        return self.sql("CREATE DATABASE cs_role_test", f"GRANT SELECT ON cs_role_test.* TO {self.typed}")

    def may_more(self) -> object:
        return self.sql(f"ALTER USER {self.typed} WITH MAX_USER_CONNECTIONS 6")


@pytest.fixture(params=["postgresql", *SERVERS])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WithRole]:
    where, kind = (
        (postgresql_database(), WithRole)
        if request.param == "postgresql"
        else (mysql_database(SERVERS[request.param]()), WithAccount)
    )
    with where as url:
        one = kind.build(House(tmp_path), tmp_path)
        assert isinstance(one, WithRole)
        one.url = url
        one.configure()
        one.begin()
        one.before = one.read()
        yield one
        one.house.close()
        one.end()


MOMENTS = (
    ("inside step.preflight", State.SET_ASIDE),
    ("after step.back-up", State.SET_ASIDE),
    ("before set_aside of {part}", State.SET_ASIDE),
    ("after set_aside of {part}", State.SET_ASIDE),
    ("inside step.remove", State.SUCCEEDED),
    ("after remove of {part}", State.SUCCEEDED),
)


@pytest.mark.parametrize(
    ("moment", "state"), MOMENTS if os.environ.get("KILL_MATRIX") == "all" else (MOMENTS[3], MOMENTS[5])
)
def test_killed_at_any_moment_the_role_goes_and_comes_back(site: WithRole, moment: str, state: State) -> None:
    request_id = site.clearing()
    (part,) = roles([site.typed], kind_of(site.url))
    if state is State.SUCCEEDED:
        assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
        site.grace_is_over()
    (job,) = site.due()
    killed(site, job, moment.format(part=part.name))
    assert site.run(job) is state, house_says(site.house, request_id)
    assert site.read() == []
    if state is State.SET_ASIDE:
        with site.house.store.transact() as work:
            site.house.lifecycle.put_back(work, 2, site.house.actor("U0ERIN"), site.house.now)
        assert site.go() is State.STOPPED, house_says(site.house, request_id)
        assert site.read() == site.before


def no_more(site: WithRole) -> None:
    site.accounts = "by-hand"
    site.configure()


def asks_as_it(site: WithRole) -> None:
    kind, at = site.url.partition("://")[0], site.url.rpartition("@")[2]
    check = {"name": "shop", "sql": "SELECT 1", "database": f"{kind}://{site.role}:secret@{at}"}
    site.neighbours = [check]
    site.configure()


MEANWHILE: dict[str, Callable[[WithRole], object]] = {
    "the configuration lets nobody any more": no_more,
    "we ask another system as it": asks_as_it,
    "it owns something": lambda site: site.owns(),
    "it may more than the plan says": lambda site: site.may_more(),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_happened_since_the_vote_keeps_the_role(site: WithRole, meanwhile: str) -> None:
    request_id = site.clearing()
    MEANWHILE[meanwhile](site)
    now = site.read()
    assert site.go() in (State.FAILED, State.PENDING, State.PLANNING), house_says(site.house, request_id)
    assert site.read() == now


def test_files_and_roles_are_told_apart_in_plans_and_backups_of_any_release() -> None:
    accounts = roles(["'crm'@'%'", "'crm'@'localhost'"], "mariadb")
    both = (*leftovers([("/etc/cron.d/crm", False)]), *roles(["crm", "crm "]), *accounts)
    assert parts_in({"parts": to_data(both)}) == both
    assert len({one.name for one in both}) == 5
    # What was written before there were roles.
    assert parts_in({"parts": [["cron", "/etc/cron.d/crm", False]]}) == (
        Leftover("cron", "/etc/cron.d/crm", False),
    )
