"""A server of MariaDB or MySQL that dies in the middle of it, and starts again: nothing is lost, and whoever comes next goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.mysql_whole import MariadbHolding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.kills import STRIDE, at_statement
from tests.fakes.servers import MariaDB, MySQL, MysqlServer, mysql_connect, own_mariadb

OP, AGAIN = "t7", "r8"
#: What has been committed is not forgotten: a server that is asked for that is the usual one.
DURABLE = "--innodb-flush-log-at-trx-commit=1"
SCHEMA = (
    "CREATE TABLE t (id int PRIMARY KEY, x text)",
    "CREATE TABLE parent (id int PRIMARY KEY)",
    "CREATE TABLE child (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES parent (id))",
    "CREATE TRIGGER `up` BEFORE INSERT ON `t` FOR EACH ROW SET NEW.x = UPPER(NEW.x)",
    "CREATE VIEW v AS SELECT * FROM t",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t",
    "CREATE PROCEDURE p() SELECT 1",
    "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO parent VALUES (1)",
    "INSERT INTO child VALUES (1, 1)",
)
LOOKS = (
    "SELECT * FROM t ORDER BY id",
    "SELECT * FROM child",
    "SELECT * FROM parent",
    "SELECT * FROM v ORDER BY id",
    "SHOW CREATE TABLE child",
    "SHOW CREATE TRIGGER up",
    "SHOW CREATE EVENT e",
    "SHOW CREATE PROCEDURE p",
    "SHOW CREATE DATABASE crm",
)
#: What MariaDB alone has.
MORE = (
    "CREATE SEQUENCE s START WITH 7",
    "CREATE TABLE aria (id int) ENGINE=Aria",
    "INSERT INTO aria VALUES (5)",
)
MORE_LOOKS = ("SELECT * FROM aria", "SELECT NEXT_NOT_CACHED_VALUE FROM s")
OWN = {"mariadb": own_mariadb, "mysql": MySQL}
#: Each of the servers takes part in turn, and is started once.
MARIADB_ALONE = pytest.mark.parametrize("server", ["mariadb"], indirect=True)


@dataclass(frozen=True)
class Place:
    """A database on a server of its own, and its holding."""

    server: MysqlServer
    one: MariadbHolding
    stride: int

    @property
    def is_mariadb(self) -> bool:
        return isinstance(self.server, MariaDB)

    def run(self, *statements: str, at: str = "crm") -> list[tuple[object, ...]]:
        url = f"{self.server.url.rpartition('/')[0]}/{at}"
        with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def look(self) -> list[object]:
        # Without the time at which a trigger was made: it is made anew.
        looks = (*LOOKS, *(MORE_LOOKS if self.is_mariadb else ()))
        return [[row[:6] for row in self.run(one)] for one in looks]

    def data(self, database: str) -> Path:
        """Where the server keeps it."""
        return self.server.folder / "data" / database

    def restart(self) -> None:
        self.server.kill()
        self.server.start(DURABLE)


@pytest.fixture(scope="module", params=OWN)
def server(request: pytest.FixtureRequest) -> Iterator[MysqlServer]:
    server = OWN[request.param]().start(DURABLE)
    yield server
    server.remove()


@pytest.fixture
def place(server: MysqlServer) -> Iterator[Place]:
    url = f"{server.url.rpartition('/')[0]}/crm"
    # A MySQL takes long to start.
    stride = 1 if isinstance(server, MariaDB) or STRIDE == 1 else 3
    place = Place(server, MariadbHolding("database", "crm", url), stride)
    comment = " COMMENT 'ours'" if place.is_mariadb else ""
    place.run(f"CREATE DATABASE crm CHARACTER SET latin1{comment}", at="mysql")
    place.run(*(MORE if place.is_mariadb else ()), *SCHEMA)
    yield place
    for (name,) in place.run("SHOW DATABASES LIKE 'crm%'", at="mysql"):
        place.run(f"DROP DATABASE {name}", at="mysql")


@pytest.fixture
def backup(place: Place) -> MemoryBackup:
    made = MemoryBackup()
    place.one.copy(made)
    return made.sealed()


def dies(place: Place, work: Callable[[], object], nth: int) -> bool:
    """Whether the work came to its ``nth`` statement, at which the server died: before it, or a moment later."""
    later = threading.Timer(0.001 * (nth % 3), place.server.kill)
    with at_statement(nth, later.start if nth % 3 else place.server.kill, "Cursor.execute") as reached:
        try:
            work()
        except CountersignError as error:
            assert isinstance(error, TargetDown), error.key
    if not reached():
        return False
    if nth % 3:
        later.join()
    place.server.start(DURABLE)
    return True


def test_setting_aside_goes_on_after_the_server_died(place: Place, backup: MemoryBackup) -> None:
    before, nth = place.look(), 1
    while dies(place, lambda: place.one.set_aside(OP, backup), nth):
        if nth % 2:
            place.one.set_aside(OP, backup)
            place.one.verify(OP, backup)
        if place.one.whereabouts(OP) != "in-place":
            place.one.put_back(OP)
        assert place.look() == before
        nth += place.stride * (3 * STRIDE - 2)
    assert nth > 60


def test_putting_back_goes_on_after_the_server_died(place: Place, backup: MemoryBackup) -> None:
    before, nth = place.look(), 1
    place.one.set_aside(OP, backup)
    while dies(place, lambda: place.one.put_back(OP), nth):
        if place.one.whereabouts(OP) != "in-place":
            place.one.put_back(OP)
        assert place.look() == before
        place.one.set_aside(OP, backup)
        nth += place.stride * (3 * STRIDE - 2)
    assert nth > 40


def test_a_removal_and_a_restore_go_on_after_the_server_died(place: Place, backup: MemoryBackup) -> None:
    before, nth = place.look(), 80

    def away_and_back() -> None:
        place.one.set_aside(OP, backup)
        place.one.remove(OP, backup)
        place.one.prepare(AGAIN, backup)
        place.one.appear(AGAIN)

    while dies(place, away_and_back, nth):
        if place.one.whereabouts(OP) == "set-aside":
            try:
                place.one.put_back(OP)
            except CannotProve as error:
                assert error.key == "files.is-gone"
                place.one.remove(OP, backup)
        if place.one.whereabouts(AGAIN) == "gone":
            place.one.prepare(AGAIN, backup)
        place.one.discard(AGAIN) if place.one.whereabouts(OP) == "in-place" else place.one.appear(AGAIN)
        assert place.look() == before
        nth += place.stride * (12 * STRIDE - 8)
    assert place.look() == before


@MARIADB_ALONE
def test_what_a_server_forgets_that_dies_in_alter_or_drop_is_known_all_the_same(
    place: Place, backup: MemoryBackup
) -> None:
    """The file of a database's options goes first, or is written anew from nothing."""
    before = place.look()
    place.one.set_aside(OP, backup)
    (place.data("crm__countersign_t7") / "db.opt").unlink()
    place.restart()
    place.one.verify(OP, backup)
    place.one.put_back(OP)
    assert place.look() == before


@MARIADB_ALONE
def test_a_place_that_lost_its_options_on_the_way_gets_them_back(place: Place, backup: MemoryBackup) -> None:
    before = place.look()
    place.one.set_aside(OP, backup)
    place.run("ALTER DATABASE crm__countersign_t7 COMMENT 'countersign: returning'", at="mysql")
    place.data("crm").mkdir()
    place.data("crm").chmod(0o777)
    place.restart()
    place.one.put_back(OP)
    assert place.look() == before


@MARIADB_ALONE
def test_the_file_of_a_trigger_that_is_gone_is_in_nobodys_way(place: Place, backup: MemoryBackup) -> None:
    before = place.look()
    place.one.set_aside(OP, backup)
    place.run("ALTER DATABASE crm__countersign_t7 COMMENT 'countersign: returning'", at="mysql")
    place.run("CREATE DATABASE crm CHARACTER SET latin1 COMMENT 'ours'", at="mysql")
    litter = place.data("crm") / "up.TRN"
    litter.write_text("TYPE=TRIGGERNAME\ntrigger_table=t\n")
    litter.chmod(0o666)
    place.one.put_back(OP)
    assert place.look() == before
