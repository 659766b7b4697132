"""What a system keeps, of every kind that makes the promise of ``Holding``, and hands that reach it behind its back."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql

from bot.targets.files import FolderHolding
from bot.targets.machine_holdings import MachineGroup, MachineUser
from bot.targets.machine_people import Machine
from bot.targets.mysql_account_facts import Who
from bot.targets.mysql_accounts import escaped
from bot.targets.mysql_part import TablesHolding
from bot.targets.mysql_users import UserHolding
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.postgresql_accounts import RoleHolding
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_tables import PostgresqlTablesHolding
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.single import FileHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.system import Holding, User
from tests.contracts.test_services import eventually
from tests.fakes import machine, places
from tests.fakes.servers import mysql_connect, mysql_database, oracle_url, postgresql_database
from tests.fakes.systems import FakeHolding, Thing


@dataclass
class Held:
    """A holding and hands that reach it behind its back.

    ``read``: what it holds, in its place. ``edit`` changes what it holds, where it lies now. ``occupy``: a
    program takes hold of it while the block lasts. ``block`` puts something else into its place, and
    ``unblock`` takes that away. ``gone``: what stands in its place is removed, whatever it is. ``stays``: it is set
    aside where it is, so that nothing else can take its place.
    """

    one: Holding
    read: Callable[[], object]
    edit: Callable[[str], object]
    occupy: Callable[[str], AbstractContextManager[int]]
    block: Callable[[], object]
    unblock: Callable[[], object]
    gone: Callable[[], object]
    stays: bool = False


@contextmanager
def program_that_reads(path: Path) -> Iterator[int]:
    code = "import sys; f = open(sys.argv[1], 'rb'); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
        child.communicate(b"")


def a_folder(root: Path) -> Held:
    place = root / "part"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "offer").write_text("an offer")
    (place / "link").symlink_to("/etc/passwd")

    def lies(operation: str) -> Path:
        aside = root / ".countersign-quarantine" / operation / "part"
        return (aside if operation else place) / "sub" / "offer"

    def read() -> object:
        return {one.relative_to(place): one.is_file() and one.read_bytes() for one in place.rglob("*")}

    return Held(
        FolderHolding("part", str(place), [str(root)]),
        read,
        lambda operation: lies(operation).write_text("another offer"),
        lambda operation: program_that_reads(lies(operation)),
        place.mkdir,
        place.rmdir,
        lambda: shutil.rmtree(place),
    )


def a_file(root: Path) -> Held:
    place = root / "cron.d" / "crm"
    place.parent.mkdir()
    place.write_text("an offer")
    place.chmod(0o640)

    def lies(operation: str) -> Path:
        return root / ".countersign-quarantine" / operation / "part" if operation else place

    return Held(
        FileHolding("part", str(place), [str(root)]),
        lambda: (place.read_bytes(), place.stat().st_mode, place.stat().st_mtime_ns),
        lambda operation: lies(operation).write_text("another offer"),
        lambda operation: program_that_reads(lies(operation)),
        place.mkdir,
        place.rmdir,
        place.unlink,
    )


def a_database(root: Path) -> Held:
    place = root / "part"

    def lies(operation: str) -> Path:
        return root / ".countersign-quarantine" / operation / "part" / "part" if operation else place

    def edit(operation: str) -> None:
        with closing(sqlite3.connect(lies(operation))) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
            connection.execute("INSERT INTO t VALUES ('another')")
            connection.commit()

    def read() -> object:
        with closing(sqlite3.connect(place)) as connection:
            return connection.execute("SELECT * FROM t").fetchall()

    edit("")
    return Held(
        SqliteHolding("part", str(place), [str(root)]),
        read,
        edit,
        lambda operation: program_that_reads(lies(operation)),
        place.touch,
        place.unlink,
        place.unlink,
    )


def a_postgresql_database(root: Path) -> Held:
    url = root.parent.joinpath("url").read_text()
    server, _, database = url.rpartition("/")
    aside = f"{database}__countersign_"

    def run(*statements: str, at: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(f"{server}/{at}", autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    @contextmanager
    def opened(operation: str) -> Iterator[str]:
        """The way in of somebody who may do everything."""
        name = aside + operation if operation else database
        run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        yield name
        if operation:
            run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')

    def edit(operation: str) -> None:
        with opened(operation) as name:
            run("INSERT INTO t (x) VALUES ('another')", at=name)

    @contextmanager
    def occupy(operation: str) -> Iterator[int]:
        with opened(operation) as name:
            connection = psycopg.connect(f"{server}/{name}")
        with closing(connection):
            yield connection.info.backend_pid
        until = time.monotonic() + 10
        while run("SELECT FROM pg_stat_activity WHERE datname = '" + name + "'") and time.monotonic() < until:
            time.sleep(0.01)

    run(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x text)",
        "INSERT INTO t (x) VALUES ('one')",
        at=database,
    )
    return Held(
        PostgresqlHolding("part", "crm", url, [str(root)]),
        lambda: run("SELECT * FROM t ORDER BY id", at=database),
        edit,
        occupy,
        lambda: run(f'CREATE DATABASE "{database}"'),
        lambda: run(f'DROP DATABASE "{database}"'),
        lambda: run(f'DROP DATABASE "{database}" WITH (FORCE)'),
    )


def a_postgresql_role(root: Path) -> Held:
    url = root.parent.joinpath("url").read_text()
    server = url.rpartition("/")[0].rpartition("@")[2]
    run = partial(places.run, url)
    role, group = f"app_{url[-8:]}", f"group_{url[-8:]}"

    def lies(operation: str) -> str:
        return f"{role}__countersign_{operation}_l" if operation else role

    @contextmanager
    def occupy(operation: str) -> Iterator[int]:
        name = lies(operation)
        run(f"ALTER ROLE {name} LOGIN")
        with psycopg.connect(f"postgresql://{name}@{server}/postgres") as connection:
            run(f"ALTER ROLE {name} NOLOGIN")
            yield connection.info.backend_pid
        eventually(lambda: not run(f"SELECT FROM pg_stat_activity WHERE usename = '{name}'"))

    run(
        f"CREATE ROLE {group}",
        f"CREATE ROLE {role} LOGIN CREATEDB NOINHERIT CONNECTION LIMIT 7 VALID UNTIL '2031-05-05' PASSWORD 'secret'",
        f"GRANT {group} TO {role} WITH ADMIN OPTION",
        f'ALTER ROLE {role} SET search_path TO crm, "Billing 2"',
        f"ALTER ROLE {role} SET application_name TO E'the \\'app\\' \\\\'",
        f"COMMENT ON ROLE {role} IS 'of the CRM'",
    )
    return Held(
        RoleHolding("part", "crm", url, role),
        lambda: run(
            "SELECT to_jsonb(a) - 'oid', r.rolconfig, shobj_description(a.oid, 'pg_authid'),"
            " (SELECT jsonb_agg(jsonb_build_array(roleid, admin_option)) FROM pg_auth_members WHERE member = a.oid)"
            f" FROM pg_authid a JOIN pg_roles r ON r.oid = a.oid WHERE a.rolname = '{role}'"
        ),
        lambda operation: run(f"ALTER ROLE {lies(operation)} SET work_mem TO '9MB'"),
        occupy,
        lambda: run(f"CREATE ROLE {role}"),
        lambda: run(f"DROP ROLE {role}"),
        lambda: run(f"DROP ROLE {role}"),
    )


def _lies(operation: str) -> str:
    return f'"crm__countersign_{operation}"' if operation else "crm"


def _occupied(url: str) -> Callable[[str], AbstractContextManager[int]]:
    @contextmanager
    def occupy(operation: str) -> Iterator[int]:
        with psycopg.connect(url) as connection:
            connection.execute(f"LOCK TABLE {_lies(operation)}.t IN ROW EXCLUSIVE MODE".encode())
            yield connection.info.backend_pid

    return occupy


def some_schemas(root: Path) -> Held:
    url = root.parent.joinpath("url").read_text()
    run = partial(places.run, url)
    run(
        "CREATE SCHEMA crm",
        'CREATE SCHEMA "Billing ""2"""',
        "CREATE TABLE crm.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x text)",
        "INSERT INTO crm.t (x) VALUES ('one')",
        'CREATE TABLE "Billing ""2""".u (id int REFERENCES crm.t)',
        "CREATE TABLE public.neighbour AS SELECT 'stays' AS x",
    )
    return Held(
        SchemasHolding("part", "crm", url, ["crm", 'Billing "2"'], [str(root)]),
        lambda: run("SELECT * FROM crm.t ORDER BY id"),
        lambda operation: run(f"INSERT INTO {_lies(operation)}.t (x) VALUES ('another')"),
        _occupied(url),
        lambda: run("CREATE SCHEMA crm"),
        lambda: run("DROP SCHEMA crm"),
        lambda: run('DROP SCHEMA crm, "Billing ""2""" CASCADE'),
    )


def some_tables(root: Path) -> Held:
    url = root.parent.joinpath("url").read_text()
    run = partial(places.run, url)
    run(
        "CREATE SCHEMA crm",
        "CREATE TABLE crm.neighbour (x text PRIMARY KEY)",
        "INSERT INTO crm.neighbour VALUES ('stays')",
        "CREATE TABLE crm.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x text, n text REFERENCES crm.neighbour)",
        "INSERT INTO crm.t (x, n) VALUES ('one', 'stays')",
        'CREATE TABLE "Order ""2""" (id int REFERENCES crm.t)',
    )
    return Held(
        PostgresqlTablesHolding("part", "crm", url, ["crm.t", 'public.Order "2"'], [str(root)]),
        lambda: run("SELECT * FROM crm.t ORDER BY id"),
        lambda operation: run(f"INSERT INTO {_lies(operation)}.t (x) VALUES ('another')"),
        _occupied(url),
        lambda: run("CREATE TABLE crm.t (x int)"),
        lambda: run("DROP TABLE crm.t"),
        lambda: run('DROP TABLE "Order ""2""", crm.t'),
    )


def a_mariadb_database(root: Path) -> Held:
    return _on_mysql(root, None)


def some_mariadb_tables(root: Path) -> Held:
    return _on_mysql(root, ["t", "u"])


def a_mysql_database(root: Path) -> Held:
    return _on_mysql(root, None)


def _on_mysql(root: Path, tables: list[str] | None) -> Held:
    """A whole database, or some tables of it beside those of somebody else who works there all the while."""
    url = root.parent.joinpath("url").read_text()
    server, _, database = url.rpartition("/")

    def run(*statements: str, at: str = "mysql") -> list[tuple[object, ...]]:
        with closing(mysql_connect(f"{server}/{at}")) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def lies(operation: str) -> str:
        return f"{database}__countersign_{operation}" if operation else database

    names = tables or ["t", "u", "v"]
    view = (
        "CREATE VIEW v AS SELECT count(*) FROM t"
        if tables is None
        else "CREATE TABLE v AS SELECT 'stays' AS x"
    )

    @contextmanager
    def occupy(operation: str) -> Iterator[int]:
        with closing(mysql_connect(f"{server}/{lies(operation)}")) as inside, inside.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            yield int(cursor.fetchone()[0])
        here = f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{lies(operation)}'"
        eventually(lambda: not run(here))

    run(
        "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, x text)",
        "CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t (id))",
        "CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW SET NEW.x = UPPER(NEW.x)",
        view,
        "INSERT INTO t (x) VALUES ('one')",
        at=database,
    )
    return Held(
        TablesHolding("part", "crm", url, tables, [str(root)])
        if tables
        else MariadbHolding("part", "crm", url, [str(root)]),
        lambda: [run(f"SELECT * FROM {name}", at=database) for name in names],
        lambda operation: run("INSERT INTO t (x) VALUES ('another')", at=lies(operation)),
        occupy,
        lambda: run(
            "CREATE TABLE t (id int)" if tables else f"CREATE DATABASE {database}",
            at=database if tables else "mysql",
        ),
        lambda: run(f"DROP TABLE {database}.t" if tables else f"DROP DATABASE {database}"),
        lambda: run(f"DROP TABLE {database}.u, {database}.t" if tables else f"DROP DATABASE {database}"),
    )


def a_thing_in_memory(_: Path) -> Held:
    one = FakeHolding("part", b"an offer")

    def edit(operation: str) -> None:
        was = one.aside[operation] if operation else one.place
        assert was is not None
        now = Thing(b"another offer", was.inode)
        if operation:
            one.aside[operation] = now
        else:
            one.place = now

    @contextmanager
    def occupy(_: str) -> Iterator[int]:
        one.holders.append(User(7, "python3", "open", "part"))
        yield 7
        one.holders.clear()

    def put(thing: Thing | None) -> None:
        one.place = thing

    return Held(
        one,
        lambda: one.place and one.place.content,
        edit,
        occupy,
        lambda: put(Thing(b"")),
        lambda: put(None),
        lambda: put(None),
    )


def a_mariadb_account(root: Path) -> Held:
    return _of_mysql(root, "'app {end}'@'127.0.0.%'")


def a_mysql_account(root: Path) -> Held:
    return _of_mysql(root, "'o''b {end}'@'127.0.0.1'")


def _of_mysql(root: Path, called: str) -> Held:
    url = root.parent.joinpath("url").read_text()
    end, where = url[-8:], urlsplit(url)
    account = called.format(end=end)
    database = url.rpartition("/")[2]
    run = partial(places.run_on_mysql, url)
    one = UserHolding("part", "crm", url, account)

    def lies(operation: str) -> Who:
        found = [
            user for (user,) in run(f"SELECT User FROM mysql.user WHERE User LIKE 'countersign_{operation}%'")
        ]
        return Who(str(found[0]), Who.of(account).host) if operation else Who.of(account)

    @contextmanager
    def occupy(operation: str) -> Iterator[int]:
        who = lies(operation)
        run(f"ALTER USER {who.quoted} ACCOUNT UNLOCK")
        with closing(
            pymysql.connect(host="127.0.0.1", port=where.port or 0, user=who.user, password="secret")
        ) as inside:
            if operation:
                run(f"ALTER USER {who.quoted} ACCOUNT LOCK")
            with inside.cursor() as cursor:
                cursor.execute("SELECT CONNECTION_ID()")
                (number,) = cursor.fetchone() or (0,)
                yield int(number)
        eventually(lambda: not [row for row in run("SHOW PROCESSLIST") if row[1] == who.user])

    run(
        f"CREATE USER {account} IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 7 PASSWORD EXPIRE INTERVAL 90 DAY",
        f"GRANT SELECT, INSERT ON {database}.* TO {account} WITH GRANT OPTION",
        f"GRANT ALL ON {escaped(database)}.* TO {account}",
    )
    return Held(
        one,
        lambda: [run(f"SHOW CREATE USER {account}"), run(f"SHOW GRANTS FOR {account}")],
        lambda operation: run(f"GRANT UPDATE ON {database}.* TO {lies(operation).quoted}"),
        occupy,
        lambda: run(f"CREATE USER {account}"),
        lambda: run(f"DROP USER {account}"),
        lambda: run(f"DROP USER {account}"),
    )


@contextmanager
def running_as(root: Path, user: int = 0, group: int = 0) -> Iterator[int]:
    machine.processes(root, (4711, user, group))
    yield 4711
    machine.processes(root)


def a_machine_user(root: Path) -> Held:
    machine.machine(root)
    proc = machine.processes(root)
    own = Machine(root, users=frozenset({"app"}), proc=proc)

    return Held(
        MachineUser("part", own, "app"),
        lambda: machine.lines(root, "app"),
        lambda _: machine.run(root, "usermod", "--comment", "another", "app"),
        lambda _: running_as(root, user=31999),
        lambda: machine.run(root, "useradd", "-M", "-g", "daemon", "app"),
        lambda: machine.run(root, "userdel", "app"),
        lambda: machine.run(root, "userdel", "app"),
        stays=True,
    )


def a_machine_group(root: Path) -> Held:
    machine.machine(root)
    proc = machine.processes(root)
    own = Machine(root, groups=frozenset({"old"}), proc=proc)

    return Held(
        MachineGroup("part", own, "old"),
        lambda: machine.lines(root, "old"),
        # A password would stand where the mark is.
        lambda operation: machine.run(
            root, "groupmod", *(["--gid", "31995"] if operation else ["--password", "!"]), "old"
        ),
        lambda _: running_as(root, group=31996),
        lambda: machine.run(root, "groupadd", "old"),
        lambda: machine.run(root, "groupdel", "old"),
        lambda: machine.run(root, "groupdel", "old"),
        stays=True,
    )


HOLDINGS = [
    a_machine_user,
    a_machine_group,
    a_folder,
    a_file,
    a_database,
    a_postgresql_database,
    some_schemas,
    some_tables,
    a_postgresql_role,
    a_mariadb_account,
    a_mysql_account,
    a_mariadb_database,
    some_mariadb_tables,
    a_mysql_database,
    a_thing_in_memory,
]

SERVERS: dict[object, Callable[[], AbstractContextManager[str]]] = {
    a_postgresql_database: postgresql_database,
    some_schemas: postgresql_database,
    some_tables: postgresql_database,
    a_postgresql_role: postgresql_database,
    a_mariadb_account: mysql_database,
    a_mysql_account: lambda: mysql_database(oracle_url()),
    a_mariadb_database: mysql_database,
    some_mariadb_tables: mysql_database,
    a_mysql_database: lambda: mysql_database(oracle_url()),
}
