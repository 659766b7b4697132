"""``check`` on systems that may be torn down: each right that is missing, with its statement; never a guess."""

import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.fakes import machine
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database
from tests.unit.cli.cli_installation import Answer, Installation

SYSTEM = """
targets:
  old:
    environment: production
    database: {database}
    host: {host}
    roots: [{root}]
    files:
      - {{name: uploads, path: {root}/uploads}}
{services}
rules:
  - name: teardowns
    when: {{operation: teardown, target: old}}
    request: [support]
    approve: [1 of dba]
"""
WORD = "For a teardown of old the worker lacks a right"
ROLES = "To clear roles and accounts of old away the worker lacks a right"
FINE = "A teardown of old would find every right"


@dataclass(frozen=True)
class Server:
    """A database with a worker that may read it and nothing more; ``admin`` runs what was said."""

    address: str
    kind: str
    admin: Callable[[list[str]], object]
    first: tuple[str, ...]


@contextmanager
def postgresql(part: str) -> Iterator[Server]:
    with postgresql_database() as url:
        worker, owner = (f"cs_{kind}_{secrets.token_hex(4)}" for kind in ("worker", "owner"))
        there = urlsplit(url)

        def admin(statements: list[str]) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in statements:
                    connection.execute(statement.encode())

        admin(
            [
                f"CREATE ROLE {worker} LOGIN",
                f"CREATE ROLE {owner}",
                f"CREATE SCHEMA crm AUTHORIZATION {owner}",
            ]
        )
        admin(["CREATE TABLE crm.t (id int PRIMARY KEY)", f"ALTER TABLE crm.t OWNER TO {owner}"])
        admin([f"ALTER DATABASE {there.path[1:]} OWNER TO {owner}"] if not part else [])
        try:
            yield Server(
                f"postgresql://{worker}@{there.hostname}:{there.port}{there.path}",
                part,
                admin,
                (f'GRANT "{owner}" TO "{worker}"', f'ALTER ROLE "{worker}" CREATEDB'),
            )
        finally:
            admin(
                [
                    f"ALTER DATABASE {there.path[1:]} OWNER TO postgres",
                    f"DROP OWNED BY {owner}, {worker} CASCADE",
                ]
            )
            admin([f"DROP ROLE {worker}", f"DROP ROLE {owner}"])


@contextmanager
def on_mysql(kind: str, _: str) -> Iterator[Server]:
    with mysql_database(SERVERS[kind]()) as url:
        worker, there = f"cs_{secrets.token_hex(4)}", urlsplit(url)

        def admin(statements: list[str]) -> None:
            with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

        admin([f"CREATE USER {worker}@'%'", f"GRANT SELECT ON {there.path[1:]}.* TO {worker}"])
        try:
            address = f"mysql://{worker}@{there.hostname}:{there.port}{there.path}"
            # Something that runs in the name of root, whom not everybody may stand in for.
            admin(["CREATE VIEW seen AS SELECT 1 AS n"])
            yield Server(address, "", admin, (f"GRANT PROCESS ON *.* TO `{worker}`@`%`",))
        finally:
            admin([f"DROP USER {worker}@'%'"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "srv"
    (folder / "uploads").mkdir(parents=True)
    (folder / "uploads" / "offer").write_text("an offer")
    return folder


def configure(
    installation: Installation, database: str, root: Path, services: str = "", host: str = ""
) -> Answer:
    text = installation.config.read_text(encoding="utf-8").split("targets:")[0]
    here = host or socket.gethostname()
    text += SYSTEM.format(database=database, host=here, root=root, services=services)
    installation.config.write_text(text, encoding="utf-8")
    return installation.command("check", "--json")


def said(answer: Answer, level: str) -> list[str]:
    return [one["text"] for one in answer.data["items"] if one["level"] == level]


@pytest.mark.parametrize(
    ("server", "part"),
    [(postgresql, ""), (postgresql, "crm"), *((partial(on_mysql, kind), "") for kind in SERVERS)],
    ids=["whole", "part", *SERVERS],
)
def test_each_missing_right_is_a_line_and_all_of_them_are_enough(
    installation: Installation,
    root: Path,
    server: Callable[[str], AbstractContextManager[Server]],
    part: str,
) -> None:
    with server(part) as one:
        schemas = f", schemas: [{part}]" if part else ""
        database = f'{{url: "{one.address}"{schemas}}}'
        answer = configure(installation, database, root)
        lines = [text for text in said(answer, "error") if text.startswith(WORD)]
        grants = [text.partition("must run: ")[2].removesuffix(";") for text in lines]
        assert answer.code == 1
        assert tuple(grants[: len(one.first)]) == one.first
        assert len(grants) == len(set(grants)) > 1
        assert not [text for text in said(answer, "ok") if text.startswith(FINE)]
        one.admin(grants)
        answer = installation.command("check", "--json")
        assert not said(answer, "error")
        assert [text for text in said(answer, "ok") if text.startswith(FINE)]


@pytest.mark.parametrize(
    ("server", "first"),
    [
        (postgresql, ("CREATEROLE", "pg_signal_backend")),
        (partial(on_mysql, "mariadb"), ("CREATE USER", "CONNECTION ADMIN")),
        (partial(on_mysql, "mysql"), ("CREATE USER", "CONNECTION_ADMIN")),
    ],
    ids=["postgresql", *SERVERS],
)
def test_what_clearing_roles_away_needs_is_asked_for_only_where_it_is_wanted(
    installation: Installation,
    root: Path,
    server: Callable[[str], AbstractContextManager[Server]],
    first: tuple[str, ...],
) -> None:
    with server("") as one:
        database = f'{{url: "{one.address}"}}'
        assert ROLES not in str(said(configure(installation, database, root), "error"))
        answer = configure(installation, database, root, "    residue: {accounts: clear}")
        lines = [text for text in said(answer, "error") if text.startswith(ROLES)]
        grants = [text.partition("must run: ")[2].removesuffix(";") for text in lines]
        assert all(any(word in grant for grant in grants) for word in first)
        one.admin(grants)
        assert ROLES not in str(said(installation.command("check", "--json"), "error"))


@pytest.mark.parametrize(
    "database", ["postgresql://nobody@127.0.0.1:1/crm", "mysql://nobody@127.0.0.1:1/crm"]
)
def test_what_does_not_answer_is_said_and_never_fine(
    installation: Installation, root: Path, database: str
) -> None:
    socket_path = root / "no-supervisor.sock"
    services = f"    services: [{{name: web, supervisor: {socket_path}, program: web}}]"
    answer = configure(installation, f'{{url: "{database}"}}', root, services)
    errors = said(answer, "error")
    assert answer.code == 1
    assert any("Whoever runs web does not answer" in text for text in errors)
    assert any("old" in text and "reach" in text for text in errors), errors
    assert not [text for text in said(answer, "ok") if text.startswith(FINE)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_folder_and_a_file_of_a_database_are_looked_at_too(installation: Installation, root: Path) -> None:
    with closing(sqlite3.connect(root / "old.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    database = f'{{url: "sqlite:///{root}/old.db"}}'
    answer = configure(installation, database, root)
    assert [text for text in said(answer, "ok") if text.startswith(FINE)]
    os.mkfifo(root / "uploads" / "pipe")
    (root / "uploads").rename(root / "elsewhere")
    (root / "uploads").symlink_to(root / "elsewhere")
    answer = installation.command("check", "--json")
    assert answer.code == 1
    assert any(str(root / "uploads") in text for text in said(answer, "error"))
    assert not [text for text in said(answer, "ok") if text.startswith(FINE)]


def test_what_clearing_users_away_needs_is_asked_for_where_it_is_wanted(
    installation: Installation, root: Path
) -> None:
    with closing(sqlite3.connect(root / "old.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    database = f'{{url: "sqlite:///{root}/old.db"}}'
    shadow = machine.machine(root) / "etc/shadow"
    residue = f"    residue: {{look_in: [{root}/etc], machine_accounts: clear}}"
    answer = configure(installation, database, root, residue)
    assert [text for text in said(answer, "ok") if text.startswith(FINE)]
    shadow.unlink()
    shadow.mkdir()
    answer = installation.command("check", "--json")
    assert any(f"cannot read {shadow}" in text for text in said(answer, "error"))
    assert not [text for text in said(answer, "ok") if text.startswith(FINE)]


def test_a_system_of_another_machine_is_not_judged_from_here(installation: Installation, root: Path) -> None:
    database = f'{{url: "sqlite:///{root}/old.db"}}'
    with closing(sqlite3.connect(root / "old.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    answer = configure(installation, database, root, host="another-machine")
    notes = said(answer, "note")
    assert any("another-machine" in text and "run the same check there" in text for text in notes)
    assert not [text for text in said(answer, "ok") if text.startswith(FINE)]
