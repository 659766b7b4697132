"""Whose accounts a database server keeps when a database is gone: only those that have to do with nothing else are told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from bot.model.remains import Remain
from bot.targets.mysql_roles import ServerAccounts
from bot.targets.postgresql_roles import DatabaseRoles
from bot.targets.remains import Roles
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database


@dataclass
class Server:
    """Two databases of one server, ``here`` and ``there``, each with a table ``customers``; ``names``: of roles.

    ``stays``: rights on a database that is gone stay in the server.
    """

    ask: Callable[[Sequence[str]], Roles]
    run: Callable[[str], object]
    here: str
    there: str
    names: dict[str, str]
    drop: Callable[[], object]
    nowhere: Roles
    url: str
    stays: bool = False


def named(database: str) -> dict[str, str]:
    return {kind: f"{kind}_{database[-8:]}" for kind in ("owner", "reader", "both", "lent", "named", "idle")}


@contextmanager
def on_postgresql() -> Iterator[Server]:
    with postgresql_database() as url, postgresql_database() as other:
        name = url.rpartition("/")[2]
        made = named(name)

        def run(statement: str, at: str = url) -> None:
            with psycopg.connect(at, autocommit=True) as connection:
                connection.execute(statement.replace("there.customers", "customers").encode())

        def anywhere(statement: str) -> None:
            run(statement, other if "there." in statement else url)

        for one in (url, other):
            run("CREATE TABLE customers (id integer)", one)
        for role in made.values():
            run(f"CREATE ROLE {role} LOGIN")
        run(f'ALTER DATABASE "{name}" OWNER TO {made["owner"]}')
        try:
            yield Server(
                lambda names: DatabaseRoles("crm", url, names),
                anywhere,
                "customers",
                "there.customers",
                made,
                lambda: run(f'DROP DATABASE "{name}" WITH (FORCE)', other),
                DatabaseRoles("crm", "postgresql://nobody@127.0.0.1:1/crm", []),
                url,
            )
        finally:
            run("DROP TABLE customers", other)
            for role in made.values():
                run(f"DROP ROLE {role}", other)


@contextmanager
def on_mysql(on: str) -> Iterator[Server]:
    where = SERVERS[on]()
    with mysql_database(where) as url, mysql_database(where) as other:
        name, beside = (one.rpartition("/")[2] for one in (url, other))
        made = named(name)

        def run(statement: str) -> None:
            with closing(mysql_connect(other)) as connection, connection.cursor() as cursor:
                cursor.execute(statement)

        for one in (name, beside):
            run(f"CREATE TABLE {one}.customers (id INT)")
        for kind, role in made.items():
            run(f"CREATE {'ROLE' if kind == 'lent' else 'USER'} {role}")
        run(f"GRANT ALL PRIVILEGES ON {name}.* TO {made['owner']}")
        try:
            yield Server(
                lambda names: ServerAccounts("crm", url, names),
                run,
                f"{name}.customers",
                f"{beside}.customers",
                made,
                lambda: run(f"DROP DATABASE {name}"),
                ServerAccounts("crm", "mysql://nobody@127.0.0.1:1/crm", []),
                url,
                stays=True,
            )
        finally:
            for kind, role in made.items():
                run(f"DROP {'ROLE' if kind == 'lent' else 'USER'} {role}")
            run(f"CREATE DATABASE IF NOT EXISTS {name}")


@pytest.fixture(params=["postgresql", *SERVERS])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    opened: AbstractContextManager[Server]
    opened = on_postgresql() if request.param == "postgresql" else on_mysql(request.param)
    with opened as one:
        yield one


def told(found: tuple[Sequence[Remain], str]) -> tuple[set[str], str]:
    """The names alone; an account of MariaDB is 'name'@'%'."""
    return {one.place.split("@")[0].strip("'") for one in found[0]}, found[1]


def test_only_roles_that_have_to_do_with_nothing_else_are_the_databases_own(server: Server) -> None:
    names = server.names
    for kind in ("reader", "both", "lent"):
        server.run(f"GRANT SELECT ON {server.here} TO {names[kind]}")
    server.run(f"GRANT SELECT ON {server.there} TO {names['both']}")
    server.run(f"GRANT {names['lent']} TO {names['idle']}")
    ask = server.ask([names["named"]])
    known = ask([])
    own = {names["owner"], names["reader"], names["named"]}
    # Who has a role of this database alone, and nothing else, is of MariaDB no more than a name.
    assert told(known) == (own, "")
    server.drop()
    # Rights in another database since then keep a role from being told as nobody's.
    server.run(f"GRANT SELECT ON {server.there} TO {names['reader']}")
    left = {names["owner"], names["named"]}
    assert told(ask([one.place for one in known[0]])) == (left, "")
    assert told(ask([])) == (left if server.stays else {names["named"]}, "")
    assert server.nowhere([]) == ((), "no-answer")


def test_where_the_configuration_says_so_a_request_may_clear_roles_but_none_that_copies_servers() -> None:
    with on_postgresql() as server:
        owner, reader = server.names["owner"], server.names["reader"]
        server.run(f"GRANT SELECT ON customers TO {reader}")
        server.run(f"ALTER ROLE {reader} REPLICATION")
        found = DatabaseRoles("crm", server.url, [], clear=True)([])[0]
        assert {one.place: one.hand for one in found} == {owner: "", reader: "role"}
        assert {one.hand for one in DatabaseRoles("crm", server.url, [])([])[0]} == {"role"}
        server.drop()


@pytest.mark.parametrize("kind", SERVERS)
def test_of_accounts_a_request_clears_those_that_a_backup_brings_back_and_the_rest_is_told_with_the_reason(
    kind: str,
) -> None:
    with on_mysql(kind) as server:
        name, names = server.here.partition(".")[0], server.names
        server.run(f"GRANT SELECT ON {server.here} TO {names['reader']}")
        server.run(f"GRANT SELECT ON {name}.* TO {names['both']}")
        server.run(f"GRANT SELECT ON {name}.* TO {names['named']}")
        server.run(f"CREATE DEFINER={names['named']} VIEW {name}.v AS SELECT 1")
        server.run(f"CREATE USER {names['both']}@localhost")
        try:
            ask = ServerAccounts("crm", server.url, [], clear=True)
            hands = {"owner": "", "reader": "account.parts", "both": "account.twin", "named": "account.runs"}
            told = {one.place: one.hand for one in ask([])[0]}
            assert told == {f"'{names[one]}'@'%'": hand for one, hand in hands.items()}
            # Of two of one name, both may go.
            server.run(f"GRANT SELECT ON {name}.* TO {names['both']}@localhost")
            told = {one.place: one.hand for one in ask([])[0]}
            assert [told[f"'{names['both']}'@'{host}'"] for host in ("%", "localhost")] == ["", ""]
            assert {one.hand for one in server.ask([])([])[0]} == {"account"}
        finally:
            server.run(f"DROP USER {names['both']}@localhost")


def test_that_our_own_user_is_a_member_keeps_no_role_from_being_told() -> None:
    with on_postgresql() as server:
        worker, lent = f"worker_{server.url[-8:]}", server.names["lent"]
        server.run(f"CREATE ROLE {worker} LOGIN")
        try:
            server.run(f"GRANT {server.names['owner']}, {lent} TO {worker}")
            server.run(f"GRANT {lent} TO {server.names['idle']}")
            ask = DatabaseRoles("crm", f"postgresql://{worker}@{server.url.rpartition('@')[2]}", [lent])
            assert told(ask([])) == ({server.names["owner"]}, "")
        finally:
            server.run(f"DROP ROLE {worker}")
            server.drop()


def test_in_a_database_of_several_systems_nobody_is_this_ones_alone() -> None:
    with postgresql_database() as url, psycopg.connect(url, autocommit=True) as connection:
        names = [f"{kind}_{url[-8:]}" for kind in ("named", "reader")]
        connection.execute("CREATE TABLE customers (id integer)")
        for name in names:
            connection.execute(f"CREATE ROLE {name}".encode())
        connection.execute(f"GRANT SELECT ON customers TO {names[1]}".encode())
        try:
            assert told(DatabaseRoles("crm", url, names, whole=False)([]))[0] == {names[0]}
        finally:
            connection.execute(f"DROP OWNED BY {', '.join(names)}".encode())
            connection.execute(f"DROP ROLE {', '.join(names)}".encode())


#: What somebody has besides a right on this database, and whether he is told all the same.
BESIDES = {
    "nothing": ("SELECT 1", True),
    "a right on all databases": ("GRANT SELECT ON *.* TO {who}", False),
    "a pattern that means others too": ("GRANT SELECT ON `countersign%`.* TO {who}", False),
    "a right on a column elsewhere": ("GRANT SELECT (id) ON {there} TO {who}", False),
    "a view elsewhere": ("CREATE DEFINER={who} VIEW {other}.v AS SELECT 1", False),
    "a trigger elsewhere": (
        "CREATE DEFINER={who} TRIGGER {other}.t BEFORE INSERT ON {there} FOR EACH ROW SET @a = 1",
        False,
    ),
    "a routine elsewhere": ("CREATE DEFINER={who} PROCEDURE {other}.p() SELECT 1", False),
    "an event elsewhere": (
        "CREATE DEFINER={who} EVENT {other}.e ON SCHEDULE EVERY 9 YEAR DO SELECT 1",
        False,
    ),
    "a view here": ("CREATE DEFINER={who} VIEW {mine}.v AS SELECT 1", True),
    "a role that reaches elsewhere": (
        "CREATE ROLE {role}; GRANT SELECT ON {there} TO {role}; GRANT {role} TO {who}",
        False,
    ),
    "a role of this database": (
        "CREATE ROLE {role}; GRANT SELECT ON {here} TO {role}; GRANT {role} TO {who}",
        True,
    ),
    "it stands in for somebody": (
        "INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, Grantor)"
        " VALUES ('10.%', {name}, 'localhost', 'somebody', ''); FLUSH PRIVILEGES",
        False,
    ),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_whoever_has_to_do_with_anything_else_is_not_told(kind: str) -> None:
    with on_mysql(kind) as server:
        end = server.names["named"][-8:]
        mine, other = (one.partition(".")[0] for one in (server.here, server.there))
        places = {"here": server.here, "there": server.there, "mine": mine, "other": other}
        names = {besides: f"'o''brien {number} {end}'" for number, besides in enumerate(BESIDES)}
        roles = {besides: f"role{number}_{end}" for number, besides in enumerate(BESIDES)}
        try:
            for besides, (statements, _) in BESIDES.items():
                who = f"{names[besides]}@'10.%'"
                server.run(f"CREATE USER {who}")
                server.run(f"GRANT SELECT ON {server.here} TO {who}")
                filled = statements.format(**places, who=who, name=names[besides], role=roles[besides])
                for one in filled.split("; "):
                    server.run(one)
            found = {one.place: one.hand for one in server.ask([])([])[0]}
            wanted = {f"{names[besides]}@'10.%'" for besides, (_, is_told) in BESIDES.items() if is_told}
            role = f"'{roles['a role of this database']}'"
            if kind == "mysql":
                # There, a role is an account like any other.
                role = f"{role}@'%'"
                wanted.add(role)
            assert {one for one, hand in found.items() if hand == "account" and end in one} - {
                f"'{server.names['owner']}'@'%'"
            } == wanted
            # A role that only somebody has who goes too.
            assert role in found
            assert [one for one, hand in found.items() if hand == "mariadb-role"] == [role] * (
                kind == "mariadb"
            )
            for one, hand in found.items():
                server.run(f"DROP {'USER' if hand == 'account' else 'ROLE'} {one}")
            server.run(f"CREATE USER {server.names['owner']}")
        finally:
            for besides in BESIDES:
                server.run(f"DROP USER IF EXISTS {names[besides]}@'10.%'")
                server.run(f"DROP ROLE IF EXISTS {roles[besides]}")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_worker_that_may_not_see_everything_says_so(kind: str) -> None:
    with on_mysql(kind) as server:
        worker = "worker" + server.names["named"][-8:]
        database = server.here.partition(".")[0]
        server.run(f"CREATE USER {worker} IDENTIFIED BY 'secret'")
        try:
            server.run(f"GRANT ALL ON {database}.* TO {worker}")
            # The address of the server, without the account.
            at = server.url.rpartition("@")[2]
            ask = ServerAccounts("crm", f"mysql://{worker}:secret@{at}", [])
            assert ask([]) == ((), "no-right")
            server.run(f"GRANT SELECT ON mysql.* TO {worker}")
            assert told(ask([])) == ({server.names["owner"]}, "definers")
            server.run(f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO {worker}")
            assert told(ask([])) == ({server.names["owner"]}, "")
        finally:
            server.run(f"DROP USER {worker}")
