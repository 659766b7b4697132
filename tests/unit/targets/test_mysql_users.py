"""An account of MariaDB and of MySQL, attacked: whose else it may be, what must be noticed, what must come back."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pymysql
import pytest

from bot.errors import CannotProve, CountersignError, NotOurs, Stale
from bot.targets.mysql_account_facts import Who
from bot.targets.mysql_accounts import escaped
from bot.targets.mysql_users import UserHolding
from bot.targets.system import RightsMissing
from bot.texts import say
from tests.fakes import places
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import killed_everywhere
from tests.fakes.servers import SERVERS, mysql_database
from tests.fakes.systems import restored, there_and_back

OP = "t7"


@dataclass(frozen=True)
class Place:
    """An account whose database is gone, and root's hands; ``there``: somebody else's database."""

    url: str
    there: str
    who: Who
    kind: str
    end: str

    @property
    def database(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def one(self) -> UserHolding:
        return UserHolding("part", "crm", self.url, self.who.typed)

    def by(self, user: str) -> str:
        return f"mysql://{user}:secret@{self.url.rpartition('@')[2]}"

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        names = {"WHO": self.who.quoted, "_END": self.end, "THERE": self.there, "GONE": self.database}
        for name, value in names.items():
            statements = tuple(one.replace(name, value) for one in statements)
        return places.run_on_mysql(self.url, *statements)

    def read(self) -> list[list[tuple[object, ...]]]:
        return [self.run("SHOW CREATE USER WHO"), self.run("SHOW GRANTS FOR WHO")]

    def copied(self, one: UserHolding | None = None) -> MemoryBackup:
        backup = MemoryBackup()
        (one or self.one).copy(backup)
        return backup.sealed()

    def enter(self, user: str = "", password: str = "secret") -> "pymysql.Connection[pymysql.cursors.Cursor]":
        port = urlsplit(self.url).port or 0
        return pymysql.connect(host="127.0.0.1", port=port, user=user or self.who.user, password=password)

    @property
    def aside(self) -> Who:
        ours = self.run("SELECT User FROM mysql.user WHERE User LIKE 'countersign%'")
        return Who(str(ours[0][0]), self.who.host)


@contextmanager
def made(kind: str, name: str = "app{end}", host: str = "127.0.0.%") -> Iterator[Place]:
    with mysql_database(SERVERS[kind]()) as url, mysql_database(SERVERS[kind]()) as other:
        end = "_" + secrets.token_hex(4)
        place = Place(url, other.rpartition("/")[2], Who(name.format(end=end), host), kind, end)
        place.run(
            "CREATE TABLE THERE.t (id INT, name TEXT)",
            "CREATE USER WHO IDENTIFIED BY 'secret'",
            "GRANT SELECT, INSERT ON GONE.* TO WHO WITH GRANT OPTION",
            "DROP DATABASE GONE",
        )
        try:
            yield place
        finally:
            every = place.run("SELECT User, Host FROM mysql.user")
            for user, at in every:
                if end in str(user) or str(user).startswith("countersign_") or user == place.who.user:
                    is_role = kind == "mariadb" and not at
                    who = Who(str(user), str(at))
                    place.run(f"DROP {'ROLE' if is_role else 'USER'} IF EXISTS {who.quoted}")
            place.run("CREATE DATABASE IF NOT EXISTS GONE")


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with made(request.param) as one:
        yield one


#: What makes an account more than a left-over: the statements, the sentence, whether it may happen aside too.
MORE: dict[str, tuple[list[str], str]] = {
    "a right elsewhere": (["GRANT SELECT ON THERE.* TO WHO"], "accounts.owns"),
    "a right on everything": (["GRANT SELECT ON *.* TO WHO"], "accounts.owns"),
    "it copies the server": (["GRANT REPLICATION SLAVE ON *.* TO WHO"], "accounts.owns"),
    "a table": (["GRANT SELECT ON THERE.t TO WHO"], "accounts.parts"),
    "a column": (["GRANT SELECT (name) ON THERE.t TO WHO"], "accounts.parts"),
    "a view": (["CREATE DEFINER=WHO VIEW THERE.v AS SELECT 1"], "accounts.runs"),
    "a trigger": (
        ["CREATE DEFINER=WHO TRIGGER THERE.tr BEFORE INSERT ON THERE.t FOR EACH ROW SET @a = 1"],
        "accounts.runs",
    ),
    "a routine": (["CREATE DEFINER=WHO PROCEDURE THERE.p() SELECT 1"], "accounts.runs"),
    "an event": (["CREATE DEFINER=WHO EVENT THERE.e ON SCHEDULE EVERY 9 YEAR DO SELECT 1"], "accounts.runs"),
    "a role": (["CREATE ROLE role_END", "GRANT role_END TO WHO"], "accounts.roles"),
    "it stands in for somebody": (
        ["CREATE USER boss_END", "GRANT PROXY ON boss_END TO WHO"],
        "accounts.stands-in",
    ),
}
ON_MYSQL: dict[str, tuple[list[str], str]] = {
    "it is a role": (["CREATE USER holder_END", "GRANT WHO TO holder_END"], "accounts.roles"),
    "a right of a new kind": (["GRANT BACKUP_ADMIN ON *.* TO WHO"], "accounts.owns"),
    "a second password": (
        ["ALTER USER WHO IDENTIFIED BY 'secret' RETAIN CURRENT PASSWORD"],
        "accounts.unkept",
    ),
    "a text that the server does not escape": (
        ["ALTER USER WHO REQUIRE SUBJECT '/CN=o''b'"],
        "accounts.unkept",
    ),
}
ALL = [(kind, more) for kind in SERVERS for more in (*MORE, *(ON_MYSQL if kind == "mysql" else ()))]


@pytest.mark.parametrize(("kind", "more"), ALL)
def test_an_account_that_is_not_the_systems_alone_is_not_touched(kind: str, more: str) -> None:
    with made(kind) as place:
        backup, (statements, key) = place.copied(), {**MORE, **ON_MYSQL}[more]
        place.run(*statements)
        before = place.read()
        for attempt in (place.one.survey, place.copied):
            with pytest.raises(CannotProve) as caught:
                attempt()
            assert caught.value.key == key
            assert place.who.user in say(key, **caught.value.params)
        with pytest.raises(CannotProve):
            place.one.set_aside(OP, backup)
        assert place.one.whereabouts(OP) == "in-place"
        assert place.read() == before


@pytest.mark.parametrize(("kind", "more"), [one for one in ALL if MORE.get(one[1])])
def test_what_it_got_while_it_was_set_aside_keeps_it_from_being_removed(kind: str, more: str) -> None:
    with made(kind) as place:
        before, backup, (statements, key) = place.read(), place.copied(), MORE[more]
        place.one.set_aside(OP, backup)
        Place(place.url, place.there, place.aside, kind, place.end).run(*statements)
        for attempt in (place.one.verify, place.one.remove):
            with pytest.raises(CannotProve) as caught:
                attempt(OP, backup)
            assert caught.value.key == key
        assert place.one.whereabouts(OP) == "set-aside"
        place.one.put_back(OP)
        assert place.read()[0] == before[0]
        place.enter().close()


def test_we_never_touch_whoever_we_work_as(place: Place) -> None:
    theirs = (
        UserHolding("part", "crm", place.url, "'root'@'localhost'"),
        UserHolding("part", "crm", place.url, place.who.typed, [place.who.user]),
    )
    for one in theirs:
        with pytest.raises(CannotProve, match="ours"):
            one.survey()


@pytest.mark.parametrize("password", ["secret", "another"])
def test_an_account_that_was_made_anew_is_another_one(place: Place, password: str) -> None:
    backup = place.copied()
    # A server keeps when a password was set to the second.
    changed = f"ALTER USER WHO IDENTIFIED BY '{password}'"
    place.run("DO SLEEP(1.1)", "DROP USER WHO", f"CREATE USER WHO IDENTIFIED BY '{password}'", changed)
    place.run("GRANT SELECT, INSERT ON GONE.* TO WHO WITH GRANT OPTION")
    before = place.read()
    with pytest.raises(CannotProve, match="another"):
        place.one.set_aside(OP, backup)
    assert place.read() == before


def test_whoever_works_as_it_is_thrown_out_and_nobody_comes_in(place: Place) -> None:
    backup = place.copied()
    with closing(place.enter()) as inside:
        assert [told for told, _ in place.one.survey().warnings].count("told.account-sessions") == 1
        assert len(place.one.users(OP).users) == 1
        place.one.set_aside(OP, backup)
        with pytest.raises(pymysql.Error):
            inside.ping(reconnect=False)
    for user in (place.who.user, place.aside.user):
        with pytest.raises(pymysql.OperationalError):
            place.enter(user)
    place.one.put_back(OP)
    place.enter().close()


def test_a_locked_account_is_locked_when_it_is_back(place: Place) -> None:
    place.run("ALTER USER WHO ACCOUNT LOCK")
    there_and_back(place.one, OP, place.copied(), place.read)


def test_accounts_of_one_name_go_together_or_not_at_all(place: Place) -> None:
    other = Who(place.who.user, "localhost")
    place.run(
        f"CREATE USER {other.quoted} IDENTIFIED BY 'secret'", f"GRANT SELECT ON GONE.* TO {other.quoted}"
    )
    with pytest.raises(CannotProve, match="twin"):
        place.one.survey()
    along = [place.who.typed, other.typed]
    both = [UserHolding("part", "crm", place.url, one, (), along) for one in along]
    backups = [place.copied(one) for one in both]
    with closing(place.enter()) as inside:
        for one, backup in zip(both, backups, strict=True):
            one.rehearse(OP, backup)
            one.set_aside(OP, backup)
        with pytest.raises(pymysql.Error):
            inside.ping(reconnect=False)
    for one, backup in zip(both, backups, strict=True):
        one.remove(OP, backup)
        restored(one, "r8", backup)
    place.enter().close()


def test_whoever_took_the_name_since_keeps_his_sessions(place: Place) -> None:
    backup = place.copied()
    place.one.set_aside(OP, backup)
    place.run(f"CREATE USER '{place.who.user}'@'127.0.0.1' IDENTIFIED BY 'secret'")
    with closing(place.enter()) as theirs:
        with pytest.raises(CannotProve, match="twin"):
            place.one.set_aside(OP, backup)
        place.one.verify(OP, backup)
        place.one.remove(OP, backup)
        theirs.ping(reconnect=False)


def test_somebody_who_works_as_what_is_set_aside_keeps_it_from_being_removed(place: Place) -> None:
    backup = place.copied()
    place.one.set_aside(OP, backup)
    place.run(f"ALTER USER {place.aside.quoted} ACCOUNT UNLOCK")
    with closing(place.enter(place.aside.user)):
        place.run(f"ALTER USER {place.aside.quoted} ACCOUNT LOCK")
        with pytest.raises(Stale):
            place.one.remove(OP, backup)


#: What an account may be like, beside having a password; what only one of the servers knows.
LIKE: dict[str, tuple[str, ...]] = {
    "conditions": ("ALTER USER WHO REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 9 MAX_USER_CONNECTIONS 4",),
    "a certificate": ("ALTER USER WHO REQUIRE ISSUER '/CN=ca' AND SUBJECT '/CN=crm'",),
    "a password that ends": ("ALTER USER WHO PASSWORD EXPIRE INTERVAL 9 DAY",),
    "a password that has ended": ("ALTER USER WHO PASSWORD EXPIRE",),
    "a pattern": ("GRANT DELETE ON `" + r"GONE".replace("GONE", "{escaped}") + "`.* TO WHO",),
}
ONLY: dict[str, dict[str, tuple[str, ...]]] = {
    "mariadb": {
        "two ways in": (
            "ALTER USER WHO IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('x')",
        ),
        "a longest statement": ("ALTER USER WHO WITH MAX_STATEMENT_TIME 1.5",),
    },
    "mysql": {
        "words": ("ALTER USER WHO COMMENT 'o''b \\\\ \"q\"'",),
        "more words": ("""ALTER USER WHO ATTRIBUTE '{"a": "it''s"}'""",),
        "tries": ("ALTER USER WHO FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED",),
        "old passwords": (
            "ALTER USER WHO PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 3 DAY PASSWORD REQUIRE CURRENT",
        ),
    },
}


@pytest.mark.parametrize(
    ("kind", "like"), [(kind, like) for kind in SERVERS for like in (*LIKE, *ONLY[kind])]
)
def test_all_that_an_account_is_comes_back(kind: str, like: str) -> None:
    with made(kind, "o'b `x\\ é{end}") as place:
        for statement in {**LIKE, **ONLY[kind]}[like]:
            place.run(statement.replace("{escaped}", place.database.replace("_", "\\_")))
        before, known, backup = place.read(), place.one.survey().identity, place.copied()
        place.one.rehearse(OP, backup)
        place.one.set_aside(OP, backup)
        place.one.put_back(OP)
        assert place.read() == before
        assert place.one.survey().identity == known
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        restored(place.one, "r8", backup)
        assert place.read() == before


CHANGES = (
    "GRANT UPDATE ON GONE.* TO WHO",
    "ALTER USER WHO ACCOUNT LOCK",
    "ALTER USER WHO WITH MAX_USER_CONNECTIONS 3",
    "ALTER USER WHO REQUIRE SUBJECT '/CN=a'",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_changes_with_the_account_and_tells_no_password(place: Place, change: str) -> None:
    known = place.one.survey()
    place.run("ALTER USER WHO IDENTIFIED BY 'secret'")
    assert place.one.survey().identity["what"] == known.identity["what"]
    place.run(change)
    assert place.one.survey().identity["what"] != known.identity["what"]


def test_a_changed_backup_makes_no_account(place: Place) -> None:
    backup = place.copied()
    name = "part.account.json"
    backup.streams[name] = backup.streams[name].replace(b"SELECT", b"UPDATE")
    with pytest.raises(NotOurs):
        place.one.rehearse(OP, backup)
    assert place.run("SELECT User FROM mysql.user WHERE User LIKE 'countersign%'") == []


def test_a_worker_says_what_it_lacks_and_needs_no_more_than_that(place: Place) -> None:
    place.run("CREATE USER worker_END IDENTIFIED BY 'secret'", "GRANT SELECT ON mysql.* TO worker_END")
    worker = UserHolding("part", "crm", place.by(f"worker{place.end}"), place.who.typed)
    with pytest.raises(RightsMissing) as lacking:
        worker.survey()
    assert say(lacking.value.key, **lacking.value.params)
    place.run(*lacking.value.grants)
    before, backup = place.read(), place.copied(worker)
    worker.rehearse(OP, backup)
    with closing(place.enter()):
        worker.set_aside(OP, backup)
    worker.put_back(OP)
    assert place.read() == before
    worker.set_aside(OP, backup)
    worker.remove(OP, backup)
    restored(worker, "r8", backup)
    assert place.read() == before


@pytest.mark.parametrize("right", ["PROCESS", "SHOW VIEW", "CREATE USER"])
def test_a_worker_that_lost_a_right_since_calls_nothing_alone_or_free(place: Place, right: str) -> None:
    sees = "EVENT, " if place.kind == "mysql" else ""
    ends = "CONNECTION_ADMIN" if place.kind == "mysql" else "CONNECTION ADMIN"
    place.run(
        "CREATE USER worker_END IDENTIFIED BY 'secret'",
        f"GRANT CREATE USER, PROCESS, SELECT, TRIGGER, {sees}SHOW VIEW ON *.* TO worker_END",
        f"GRANT {ends} ON *.* TO worker_END",
        "GRANT ALL PRIVILEGES ON GONE.* TO worker_END WITH GRANT OPTION",
        f"GRANT ALL PRIVILEGES ON {escaped(place.database)}.* TO worker_END WITH GRANT OPTION",
    )
    worker = UserHolding("part", "crm", place.by(f"worker{place.end}"), place.who.typed)
    backup = place.copied(worker)
    worker.set_aside(OP, backup)
    place.run(f"REVOKE {right} ON *.* FROM worker_END")
    for attempt in (worker.verify, worker.remove):
        with pytest.raises(RightsMissing):
            attempt(OP, backup)
    with pytest.raises(RightsMissing):
        worker.users(OP)
    assert place.one.whereabouts(OP) == "set-aside"


# kill -9 before each statement


@pytest.mark.parametrize("step", ["rehearsed", "set aside", "put back", "removed", "restored"])
def test_every_step_may_die_before_any_statement(place: Place, step: str) -> None:
    before = place.read()

    def whole() -> None:
        assert place.read() == before
        place.enter().close()
        assert place.run("SELECT User FROM mysql.user WHERE User LIKE 'countersign%'") == []

    killed_everywhere(place.one, place.copied, step, "Cursor.execute", whole)


def test_nothing_is_looked_up_where_nobody_answers() -> None:
    one = UserHolding("part", "crm", "mysql://nobody@127.0.0.1:1/crm", "'crm'@'%'")
    for attempt in (one.survey, one.require_room, lambda: one.whereabouts(OP)):
        with pytest.raises(CountersignError):
            attempt()
