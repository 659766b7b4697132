"""A role of a PostgreSQL server, attacked: whose else it may be, what must be noticed, what must come back."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bot.errors import CannotProve, CountersignError, NotOurs
from bot.targets.postgresql_accounts import RoleHolding
from bot.targets.postgresql_sql import quote
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes import places
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import killed_everywhere
from tests.fakes.servers import postgresql_database
from tests.fakes.systems import restored, there_and_back

OP = "t7"
READ = """SELECT to_jsonb(a) - 'oid', r.rolconfig, shobj_description(a.oid, 'pg_authid')
  FROM pg_authid a JOIN pg_roles r ON r.oid = a.oid WHERE a.rolname = '{role}'"""


@dataclass(frozen=True)
class Place:
    """A database ``url`` that is somebody else's, a role, and a superuser's hands; ``end``: of other names."""

    url: str
    role: str
    end: str

    @property
    def one(self) -> RoleHolding:
        return RoleHolding("part", "crm", self.url, self.role)

    def by(self, user: str) -> str:
        return f"postgresql://{user}@{self.url.rpartition('@')[2]}"

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        filled = (one.replace("ROLE_X", quote(self.role)).replace("_END", self.end) for one in statements)
        return places.run(self.url, *filled)

    def read(self) -> list[tuple[object, ...]]:
        return places.run(self.url, READ.format(role=self.role.replace("'", "''")))

    def copied(self, one: RoleHolding | None = None) -> MemoryBackup:
        backup = MemoryBackup()
        (one or self.one).copy(backup)
        return backup.sealed()


@contextmanager
def made(name: str = "app {end}") -> Iterator[Place]:
    with postgresql_database() as url:
        end = "_" + secrets.token_hex(4)
        place = Place(url, name.format(end=end), end)
        place.run("CREATE ROLE ROLE_X LOGIN PASSWORD 'secret'", "CREATE TABLE t (id int)")
        try:
            yield place
        finally:
            ours = f"SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%{end}%'"
            for (role,) in place.run(ours):
                place.run(f"DROP OWNED BY {quote(str(role))}", f"DROP ROLE {quote(str(role))}")


@pytest.fixture
def place() -> Iterator[Place]:
    with made() as one:
        yield one


def prepared(place: Place) -> None:
    with closing(psycopg.connect(place.by(quote(place.role).strip('"').replace(" ", "%20")))) as connection:
        connection.tpc_begin(connection.xid(1, "a transfer", ""))
        connection.execute("SELECT 1")
        connection.tpc_prepare()


#: What makes a role more than a left-over: what is done, the sentence, and whether it is still so once aside.
MORE: dict[str, tuple[Callable[[Place], object], str]] = {
    "a table": (lambda place: place.run("ALTER TABLE t OWNER TO ROLE_X"), "accounts.owns"),
    "a right": (lambda place: place.run("GRANT SELECT ON t TO ROLE_X"), "accounts.owns"),
    "a right by default": (
        lambda place: place.run("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ROLE_X"),
        "accounts.owns",
    ),
    "a member": (
        lambda place: place.run("CREATE ROLE member_END", "GRANT ROLE_X TO member_END"),
        "accounts.members",
    ),
    "a setting elsewhere": (
        lambda place: place.run(f"ALTER ROLE ROLE_X IN DATABASE {place.url[-20:]} SET work_mem TO '9MB'"),
        "accounts.settings",
    ),
}
ONLY_BEFORE: dict[str, tuple[Callable[[Place], object], str]] = {
    "everything": (lambda place: place.run("ALTER ROLE ROLE_X SUPERUSER"), "accounts.powerful"),
    "replication": (lambda place: place.run("ALTER ROLE ROLE_X REPLICATION"), "accounts.powerful"),
    "a prepared transaction": (prepared, "accounts.prepared"),
}


@pytest.mark.parametrize("more", [*MORE, *ONLY_BEFORE])
def test_a_role_that_is_not_the_systems_alone_is_not_touched(place: Place, more: str) -> None:
    backup, (do, key) = place.copied(), {**MORE, **ONLY_BEFORE}[more]
    do(place)
    try:
        for attempt in (place.one.survey, place.copied, lambda: place.one.set_aside(OP, backup)):
            with pytest.raises(CannotProve) as caught:
                attempt()
            assert caught.value.key == key
            assert place.role in say(key, **caught.value.params)
        assert place.one.whereabouts(OP) == "in-place"
    finally:
        for (name,) in place.run("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            place.run(f"ROLLBACK PREPARED '{name}'")


@pytest.mark.parametrize("more", MORE)
def test_what_it_got_while_it_was_set_aside_keeps_it_from_being_removed(place: Place, more: str) -> None:
    backup, (do, key) = place.copied(), MORE[more]
    place.one.set_aside(OP, backup)
    do(Place(place.url, f"{place.role}__countersign_{OP}_l", place.end))
    for attempt in (place.one.verify, place.one.remove):
        with pytest.raises(CannotProve) as caught:
            attempt(OP, backup)
        assert caught.value.key == key
    assert place.one.whereabouts(OP) == "set-aside"
    place.one.put_back(OP)
    assert place.run("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + place.role + "'") == [(True,)]


def test_we_never_touch_whoever_we_work_as(place: Place) -> None:
    mine = RoleHolding("part", "crm", place.url, "postgres")
    with pytest.raises(CannotProve, match="ours"):
        mine.survey()
    with pytest.raises(CannotProve, match="ours"):
        RoleHolding("part", "crm", place.url, place.role, [place.role]).survey()


def test_a_role_that_was_made_anew_is_another_one(place: Place) -> None:
    backup, known = place.copied(), place.one.survey().identity
    place.run("DROP ROLE ROLE_X", "CREATE ROLE ROLE_X LOGIN PASSWORD 'secret'")
    before = place.read()
    assert place.one.survey().identity != known
    with pytest.raises(CannotProve, match="another"):
        place.one.set_aside(OP, backup)
    assert place.read() == before


def test_whoever_works_as_it_is_thrown_out_and_nobody_comes_in(place: Place) -> None:
    address = partial(psycopg.connect, f"postgresql://{place.url.rpartition('@')[2]}")
    backup = place.copied()
    with closing(address(user=place.role)) as inside:
        assert [told for told, _ in place.one.survey().warnings].count("told.role-sessions") == 1
        place.one.set_aside(OP, backup)
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")
    for name in (place.role, f"{place.role}__countersign_{OP}_l"):
        with pytest.raises(psycopg.OperationalError):
            address(user=name)
    place.one.put_back(OP)
    address(user=place.role).close()


def test_two_long_names_that_begin_alike_stay_two() -> None:
    with made("a" * 52 + "{end}é") as place:
        other = Place(place.url, place.role.removesuffix("é") + "z", place.end)
        other.run("CREATE ROLE ROLE_X NOLOGIN CONNECTION LIMIT 3")
        backups = {one: (one.copied(), one.read()) for one in (place, other)}
        for one, (backup, _) in backups.items():
            one.one.rehearse(OP, backup)
            one.one.set_aside(OP, backup)
        for one, (backup, before) in backups.items():
            one.one.remove(OP, backup)
            restored(one.one, "r8", backup)
            assert one.read() == before


def test_odd_names_settings_and_passwords_of_the_old_kind_come_back() -> None:
    with made("o'b \"x\\ é{end}") as place:
        place.run(
            "SET password_encryption = 'md5'; ALTER ROLE ROLE_X PASSWORD 'it''s'",
            "ALTER ROLE ROLE_X SET \"crm.tenant\" TO E'it''s \\\\ x'",
            "COMMENT ON ROLE ROLE_X IS E'a \\\\ \\'comment\\''",
        )
        assert "'rolpassword': 'md5" in str(place.read())
        backup = place.copied()
        place.one.rehearse(OP, backup)
        there_and_back(place.one, OP, backup, place.read)


def test_what_it_was_a_member_of_must_be_there_for_a_restore(place: Place) -> None:
    place.run("CREATE ROLE group_END", "GRANT group_END TO ROLE_X")
    backup = MemoryBackup()
    kept = place.one.copy(backup)
    place.one.set_aside(OP, backup.sealed())
    place.one.remove(OP, backup)
    place.run("DROP ROLE group_END")
    attempts: list[Callable[[], object]] = [
        lambda: place.one.require_accounts(kept),
        lambda: place.one.prepare("r8", backup),
    ]
    for attempt in attempts:
        with pytest.raises(CannotProve, match="no-group") as caught:
            attempt()
        assert f"group{place.end}" in say(caught.value.key, **caught.value.params)
    assert place.one.whereabouts("r8") == "gone"


def test_a_changed_backup_makes_no_role(place: Place) -> None:
    backup = place.copied()
    backup.streams["part.role.json"] = (
        backup.streams["part.role.json"]
        .replace(b"secret", b"x")
        .replace(b'"rolcreaterole": false', b'"rolcreaterole": true')
    )
    with pytest.raises(NotOurs):
        place.one.rehearse(OP, backup)


def test_a_worker_that_is_no_superuser_says_what_it_lacks_and_what_a_restore_cannot_bring(
    place: Place,
) -> None:
    place.run("CREATE ROLE worker_END LOGIN")
    worker = RoleHolding("part", "crm", place.by(f"worker{place.end}"), place.role)
    with pytest.raises(RightsMissing) as lacking:
        worker.survey()
    assert len(lacking.value.grants) == 2
    assert say(lacking.value.key, **lacking.value.params)
    # The worker itself is a member of the owner, as whoever tears a database down has to be.
    place.run(*lacking.value.grants, "GRANT ROLE_X TO worker_END")
    before, backup = place.read(), place.copied(worker)
    assert "told.role-no-password" in [told for told, _ in worker.survey().warnings]
    worker.rehearse(OP, backup)
    worker.set_aside(OP, backup)
    worker.put_back(OP)
    assert place.read() == before
    # The table is the whole server's, and rights on it are each database's own.
    central = f"{place.url.rpartition('/')[0]}/postgres"
    right = f"SELECT (rolname, rolpassword) ON pg_authid {{}} worker{place.end}"
    places.run(central, f"GRANT {right.format('TO')}")
    try:
        backup = place.copied(worker)
        worker.set_aside(OP, backup)
        worker.remove(OP, backup)
        restored(worker, "r8", backup)
        assert place.read() == before
        assert place.run(f"SELECT pg_has_role('worker{place.end}', '{place.role}', 'MEMBER')") == [(True,)]
    finally:
        places.run(central, f"REVOKE {right.format('FROM')}")


def test_a_password_that_the_server_would_forget_and_nobody_of_us_can_read_keeps_the_role(
    place: Place,
) -> None:
    """Of a password of the old kind the server keeps nothing when the role gets another name."""
    place.run("CREATE ROLE worker_END LOGIN CREATEROLE", "GRANT pg_signal_backend TO worker_END")
    worker = RoleHolding("part", "crm", place.by(f"worker{place.end}"), place.role)
    place.run("SET password_encryption = 'md5'; ALTER ROLE ROLE_X PASSWORD 'old'")
    before, backup = place.read(), place.copied(worker)
    for attempt in (worker.rehearse, worker.set_aside):
        with pytest.raises(CannotProve, match="old-password"):
            attempt(OP, backup)
    assert place.read() == before


# kill -9 before each statement


@pytest.mark.parametrize("step", ["rehearsed", "set aside", "put back", "removed", "restored"])
def test_every_step_may_die_before_any_statement(place: Place, step: str) -> None:
    before = place.read()

    def whole() -> None:
        assert place.read() == before

    killed_everywhere(place.one, place.copied, step, "Connection.execute", whole)
    left = f"SELECT count(*) FROM pg_roles WHERE rolname LIKE '{place.role}\\_\\_%\\_new%'"
    assert place.run(left) == [(0,)]


def test_nothing_is_looked_up_where_nobody_answers(tmp_path: Path) -> None:
    one = RoleHolding("part", "crm", "postgresql://nobody@127.0.0.1:1/crm", "crm")
    for attempt in (one.survey, one.require_room, lambda: one.whereabouts(OP)):
        with pytest.raises(CountersignError):
            attempt()
    assert not list(tmp_path.iterdir())
