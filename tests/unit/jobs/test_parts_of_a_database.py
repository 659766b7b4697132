"""From `database` in the configuration to what a teardown takes: all of it, some of it, or nothing at all."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bot.config.types import Target
from bot.errors import CannotProve, CountersignError, TargetDown
from bot.jobs.parts import Surroundings, open_system
from bot.targets.mysql_part import TablesHolding
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_tables import PostgresqlTablesHolding
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.system import Holding, System
from bot.texts import say
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import mysql_connect, mysql_database, postgresql_database


def systems(folder: Path, **databases: Mapping[str, object]) -> Mapping[str, Target]:
    parts = {"host": "here", "roots": [str(folder)], "files": [{"name": "files", "path": f"{folder}/files"}]}
    return {
        name: Target.model_validate({**parts, "database": database}).model_copy(update={"name": name})
        for name, database in databases.items()
    }


def opened(targets: Mapping[str, Target], name: str, folder: Path) -> System:
    return open_system(targets[name], targets, (), Surroundings({}, folder))


def database_of(targets: Mapping[str, Target], name: str, folder: Path) -> Holding:
    return opened(targets, name, folder).holdings[0]


def test_csv_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    url = f"sqlite:///{tmp_path}/crm.db"
    for csv in (True, False):
        backup = MemoryBackup()
        database_of(systems(tmp_path, crm={"url": url, "csv": csv}), "crm", tmp_path).copy(backup)
        assert ("database.t.csv" in backup.streams) is csv


def test_systems_share_a_database_only_when_each_says_which_part_is_its_own(tmp_path: Path) -> None:
    with postgresql_database() as url:
        place = Path(tmp_path)
        apart = systems(place, crm={"url": url, "schemas": ["crm"]}, till={"url": url, "schemas": ["till"]})
        one = database_of(apart, "crm", place)
        assert isinstance(one, SchemasHolding)
        with pytest.raises(Exception, match="missing"):
            one.survey()
        overlapping = [["crm", "till"], None]
        for schemas in overlapping:
            both = systems(place, crm={"url": url, "schemas": ["crm"]}, till={"url": url, "schemas": schemas})
            for name in both:
                with pytest.raises(CannotProve, match=r"whole\.shared"):
                    database_of(both, name, place).survey()
        assert isinstance(database_of(both, "till", place), PostgresqlHolding)
        beside = systems(
            place, crm={"url": url, "tables": ["orders"]}, till={"url": url, "schemas": ["till"]}
        )
        one = database_of(beside, "crm", place)
        assert isinstance(one, PostgresqlTablesHolding)
        with pytest.raises(TargetDown, match=r"part\.no-table"):
            one.survey()


def test_systems_share_a_mariadb_database_by_tables(tmp_path: Path) -> None:
    with mysql_database() as url:
        apart = systems(
            tmp_path, crm={"url": url, "tables": ["orders"]}, till={"url": url, "tables": ["shops"]}
        )
        one = database_of(apart, "crm", tmp_path)
        assert isinstance(one, TablesHolding)
        with pytest.raises(TargetDown, match="missing"):
            one.survey()
        for tables in (["Orders", "shops"], None):
            both = systems(
                tmp_path, crm={"url": url, "tables": ["orders"]}, till={"url": url, "tables": tables}
            )
            with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS orders (id int)")
            for name in both:
                with pytest.raises(CountersignError) as caught:
                    database_of(both, name, tmp_path).survey()
                assert caught.value.key == "files.missing" if tables and name == "till" else "whole.shared"


@pytest.mark.parametrize(
    ("database", "key"),
    [
        ({"url": "MySQL://h/crm", "schemas": ["crm"]}, "teardown.schemas-kind"),
        ({"url": "SQLite:///crm.db", "schemas": ["crm"]}, "teardown.schemas-kind"),
        ({"url": "MySQL://h/crm", "tables": ["crm"]}, "teardown.tables-kind"),
        ({"url": "SQLite:///crm.db", "tables": ["crm"]}, "teardown.tables-kind"),
        ({"url": "MySQL://h/crm", "csv": True}, "teardown.database-kind"),
    ],
)
def test_what_slips_past_the_configuration_is_refused_by_the_plan(
    tmp_path: Path, database: Mapping[str, object], key: str
) -> None:
    made = systems(tmp_path, crm=database)
    with pytest.raises(CannotProve) as caught:
        opened(made, "crm", tmp_path)
    assert caught.value.key == key
    assert say(caught.value.key, **caught.value.params)
