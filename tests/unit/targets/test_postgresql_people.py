"""Roles that a database needs and a server lacks: named with what makes them, never made; no password kept."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bot.errors import CannotProve
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_people import Role, statements
from bot.targets.postgresql_whole import PostgresqlHolding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import own_postgresql, postgresql_database

PEOPLE = """
SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname LIKE 'cs\\_%' ORDER BY 1
"""
GROUPS = """
SELECT g.rolname::text, m.rolname::text, a.admin_option FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
  JOIN pg_roles m ON m.oid = a.member WHERE m.rolname LIKE 'cs\\_%' ORDER BY 1, 2
"""
SETTINGS = """
SELECT r.rolname::text, s.setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = current_database() ORDER BY 1 NULLS FIRST
"""
GIVEN = "SELECT defaclacl::text FROM pg_default_acl ORDER BY 1"
PASSWORD = "correct horse"


def run(url: str, *queries: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        for query in queries:
            found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


def at(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@contextmanager
def people(url: str) -> Iterator[tuple[str, ...]]:
    """An owner, a group, one of its members, one whose name is odd, and a stranger in the group."""
    mark = secrets.token_hex(3)
    owner, group, member, setter = (f"cs_{one}_{mark}" for one in ("owner", "group", "member", "setter"))
    odd, stranger = f'"cs_odd ""{mark}"', f"cs_z_stranger_{mark}"
    database = url.rpartition("/")[2]
    run(
        url,
        f"CREATE ROLE {owner} LOGIN CREATEDB PASSWORD '{PASSWORD}'",
        f"CREATE ROLE {group} NOINHERIT CONNECTION LIMIT 3",
        f"CREATE ROLE {member} LOGIN VALID UNTIL '2031-02-03' IN ROLE {group}, pg_monitor",
        f"CREATE ROLE {odd} BYPASSRLS REPLICATION",
        f"CREATE ROLE {setter}",
        f"CREATE ROLE {stranger} IN ROLE {group}",
        f"GRANT {group} TO {odd} WITH ADMIN OPTION",
        f"ALTER DATABASE {database} OWNER TO {owner}",
        f"CREATE SCHEMA crm AUTHORIZATION {owner}",
        "CREATE TABLE crm.t (id int PRIMARY KEY)",
        f"ALTER TABLE crm.t OWNER TO {member}",
        f"GRANT SELECT ON crm.t TO {odd}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA crm GRANT SELECT ON TABLES TO {group}",
        f"ALTER DATABASE {database} SET work_mem = '8MB'",
        f"ALTER ROLE {setter} IN DATABASE {database} SET statement_timeout = '7s'",
    )
    names = (owner, group, member, odd, setter, stranger)
    try:
        yield names
    finally:
        with psycopg.connect(at(url, "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE {', '.join(names)}".encode())


def kept(one: PostgresqlHolding | SchemasHolding) -> tuple[MemoryBackup, dict[str, Any]]:
    backup = MemoryBackup()
    said = dict(one.copy(backup))
    # As it comes back out of a manifest, which takes nothing else.
    assert json.loads(json.dumps(said)) == said
    return backup.sealed(), said


def said(caught: pytest.ExceptionInfo[CannotProve]) -> list[str]:
    return [one for one in str(caught.value.params["statements"]).removesuffix(";").split("; ") if one]


def test_another_server_is_told_what_makes_them_and_then_everything_comes_back_alike() -> None:
    other = own_postgresql().start()
    try:
        with postgresql_database() as url, people(url) as names:
            backup, manifest = kept(PostgresqlHolding("database", "crm", url))
            there = PostgresqlHolding("database", "crm", at(other.url, url.rpartition("/")[2]))
            before = run(other.url, PEOPLE)
            with pytest.raises(CannotProve, match=r"whole\.no-role") as caught:
                there.require_accounts(manifest)
            assert run(other.url, PEOPLE) == before == []
            assert caught.value.params["n"] == 5
            assert names[-1] not in str(caught.value.params["statements"])
            run(other.url, *said(caught))
            there.require_accounts(manifest)
            there.prepare("r1", backup)
            there.appear("r1")
            mine = [one for one in run(url, PEOPLE) if one[0] != names[-1]]
            assert run(other.url, PEOPLE) == mine
            assert run(other.url, GROUPS) == [one for one in run(url, GROUPS) if one[1] != names[-1]]
            back = at(other.url, url.rpartition("/")[2])
            assert (run(back, SETTINGS), run(back, GIVEN)) == (run(url, SETTINGS), run(url, GIVEN))
            written = b"".join(backup.streams.values()) + json.dumps(manifest).encode()
            for (secret,) in run(url, "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"):
                assert str(secret).encode() not in written
            assert PASSWORD.encode() not in written
    finally:
        other.remove()


def test_schemas_of_a_database_say_so_too() -> None:
    with postgresql_database() as url, people(url) as names:
        one = SchemasHolding("database", "crm", url, ["crm"])
        _, manifest = kept(one)
        one.require_accounts(manifest)
        run(url, f"REVOKE ALL ON crm.t FROM {names[3]}", f"ALTER ROLE {names[3]} RENAME TO cs_elsewhere")
        try:
            with pytest.raises(CannotProve, match=r"whole\.no-role") as caught:
                one.require_accounts(manifest)
            assert said(caught) == [
                f"CREATE ROLE {names[3]} REPLICATION BYPASSRLS",
                f'GRANT "{names[1]}" TO {names[3]} WITH ADMIN OPTION',
            ]
        finally:
            run(url, f"ALTER ROLE cs_elsewhere RENAME TO {names[3]}")


def test_a_backup_made_before_roles_were_written_down_still_comes_back() -> None:
    with postgresql_database() as url, people(url):
        one = PostgresqlHolding("database", "crm", url)
        backup, manifest = kept(one)
        del manifest["roles"]
        facts = json.loads(backup.streams["database.database.json"])
        del facts["people"]
        backup.streams["database.database.json"] = json.dumps(facts).encode()
        one.require_accounts(manifest)
        one.rehearse("t1", backup)
        one.set_aside("t1", backup)
        one.verify("t1", backup)
        one.remove("t1", backup)
        one.prepare("r1", backup)
        one.appear("r1")
        assert run(url, "SELECT count(*) FROM crm.t") == [(0,)]


def test_what_newer_servers_say_of_a_membership_is_said_again() -> None:
    """Pure: servers before 16 know none of it."""
    b = Role("b", {"rolinherit": True}, (("a", True, False, False), ("there", False, True, True)))
    c = Role("c", {"rolinherit": False}, (("a", False, True, True), ("gone", True, True, True)))
    assert list(statements([b, c], [Role("a", {}), b, c], ["a", "there"])) == [
        'CREATE ROLE "b"',
        'CREATE ROLE "c" NOINHERIT',
        'GRANT "a" TO "b" WITH ADMIN OPTION, INHERIT FALSE, SET FALSE',
        'GRANT "there" TO "b"',
        'GRANT "a" TO "c" WITH INHERIT TRUE',
    ]


def test_very_many_are_told_as_far_as_they_fit_and_the_rest_next_time() -> None:
    with postgresql_database() as url:
        one = PostgresqlHolding("database", "crm", url)
        mark = secrets.token_hex(3)
        many = [{"name": f"cs_many_{mark}_{n:03}", "options": {}, "groups": []} for n in range(90)]
        ran: list[str] = []
        try:
            while True:
                try:
                    one.require_accounts({"roles": many})
                    break
                except CannotProve as error:
                    told = str(error.params["statements"])
                    assert len(told) < 1400
                    ran += [part for part in told.removesuffix(" …").split(";") if part.strip()]
                    run(url, *ran[-told.count("CREATE") :])
            assert len(ran) == 90
        finally:
            run(url, *(f'DROP ROLE IF EXISTS "{role["name"]}"' for role in many))
