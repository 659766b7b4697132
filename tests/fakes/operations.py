"""A target in a file, a vault in a folder, and a gate that writes down what passes."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from bot.backups.ids import backup_id
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.config.database_types import Database
from bot.config.record_types import Attachment, Record, SoftReference
from bot.config.types import Target
from bot.errors import Halted
from bot.model.backups import SealedBackup
from bot.model.choices import EVERYTHING, RestoreChoice, RestorePreview
from bot.model.meter import Stage, Unit
from bot.model.plans import Plan, Subject
from bot.operations import delete_records, restore
from bot.operations.choosing import Naming
from bot.operations.gate import DeleteOrder, DeleteOutcome, RestoreOrder, RestoreOutcome
from bot.targets import open_target
from bot.targets.base import RecordTarget
from bot.targets.postgresql import PostgresqlTarget
from bot.targets.reporting import SILENT, Report
from tests.fakes.backups import master_key
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database

HASH_KEY = b"a key for hashes, 32 bytes long."
_NUMBERS = Random(7)


@dataclass
class RecordingGate:
    """Lets everything pass except what ``halt_at`` names, and calls ``on`` hooks when a step begins."""

    halt_at: str | None = None
    on: dict[str, Callable[[], None]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    committed_with: tuple[str, str, str] | None = None
    measured: list[tuple[str, str]] = field(default_factory=list)
    report: Report = SILENT

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.events.append(name)
        self._meet(name)
        yield
        self._meet(f"leave {name}")

    def progress(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def measure(self, part: str, stage: Stage, expected: Mapping[Unit, int], /) -> Report:
        assert all(one >= 0 for one in expected.values())
        self.measured.append((part, stage))
        return self.report

    def pass_on(self) -> None:
        self.check()

    def check(self) -> None:
        self.events.append("check")
        self._meet("check")

    def backup_started(self, backup_id: str) -> None:
        self.events.append("backup-started")

    def committing(self, transaction: str, backup_id: str, sha256: str) -> None:
        self.events.append("committing")
        self._meet("committing")
        self.committed_with = (transaction, backup_id, sha256)

    def calling(self, backup_id: str, sha256: str) -> None:
        self.events.append("calling")
        self._meet("calling")

    def removing(self) -> None:
        self.events.append("removing")
        self._meet("removing")

    def _meet(self, name: str) -> None:
        if name in self.on:
            self.on[name]()
        if name == self.halt_at:
            raise Halted("request.stopped")


@dataclass(frozen=True)
class Bench:
    """One database with one kind of record, and everything needed to delete and restore."""

    path: Path
    spec: Target
    target: RecordTarget
    vault: Vault
    storage: LocalStorage

    def plan(self, *values: str, record: str = "customer", heir: str | None = None) -> tuple[Plan, Subject]:
        return delete_records.plan(self.target, self.spec, record, values, HASH_KEY, heir)

    def order(
        self, *values: str, allowance: int = 0, record: str = "customer", heir: str | None = None
    ) -> DeleteOrder:
        made, subject = self.plan(*values, record=record, heir=heir)
        return DeleteOrder(made, subject, self.spec, new_backup_id(), HASH_KEY, allowance)

    def run(self, order: DeleteOrder, gate: RecordingGate | None = None) -> DeleteOutcome:
        return delete_records.run(order, self.target, self.vault, gate or RecordingGate())

    def delete(self, *values: str, record: str = "customer", heir: str | None = None) -> DeleteOutcome:
        return self.run(self.order(*values, record=record, heir=heir))

    def plan_restore(self, outcome: DeleteOutcome) -> tuple[Plan, RestorePreview]:
        backup = outcome.backup
        with self.vault.open(backup.backup_id, backup.sha256) as opened:
            return restore.plan(self.target, opened, backup.sha256, HASH_KEY, self.spec.attachments)[:2]

    def restore(self, outcome: DeleteOutcome, gate: RecordingGate | None = None) -> RestoreOutcome:
        return restore.run(
            self.order_restore(outcome.backup), self.target, self.vault, gate or RecordingGate()
        )

    def order_restore(self, backup: SealedBackup, choice: RestoreChoice = EVERYTHING) -> RestoreOrder:
        """What a choice means for a backup, as an order."""
        kind, files = self.spec.records.get("customer"), self.spec.attachments
        naming = Naming(kind.table, tuple(kind.find_by)) if kind else None
        with self.vault.open(backup.backup_id, backup.sha256) as opened:
            made, _, wanted = restore.plan(
                self.target, opened, backup.sha256, HASH_KEY, files, choice, naming
            )
        return RestoreOrder(made, backup.backup_id, backup.sha256, HASH_KEY, files, wanted, new_backup_id())

    def choose(
        self, backup: SealedBackup, choice: RestoreChoice, gate: RecordingGate | None = None
    ) -> RestoreOutcome:
        """Plan and carry out a restore by a choice."""
        order = self.order_restore(backup, choice)
        return restore.run(order, self.target, self.vault, gate or RecordingGate())

    def settle(self, backup: str, transaction: str = "") -> str:
        with self.vault.open(backup) as opened:
            return delete_records.settle(self.target, opened, transaction)

    def sql(self, script: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(script)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.text_factory = bytes
            return connection.execute(query, values).fetchall()

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table, each cell with its kind and bytes, in an order of its own."""
        return dump(self.path)


def dump(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda raw: ("text", raw)
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        tables = [name[0][1].decode() for name in names]
        return {
            name: sorted(
                repr(row)
                for row in connection.execute(f'SELECT * FROM "{name.replace(chr(34), chr(34) * 2)}"')
            )
            for name in tables
        }


def new_backup_id() -> str:
    return backup_id(datetime(2026, 11, 23, tzinfo=UTC), _NUMBERS.randbytes(7))


def make_bench(folder: Path, schema: str, **how: Any) -> Bench:
    """A database made by an SQL script; ``how`` as in ``open_bench``."""
    with closing(sqlite3.connect(folder / "crm.db")) as connection:
        connection.executescript(schema)
    return open_bench(folder, **how)


def open_bench(
    folder: Path,
    *,
    table: str = "customers",
    find_by: Sequence[str] = ("id",),
    label: str | None = None,
    soft: Sequence[tuple[str, str, str | None]] = (),
    declared: Sequence[SoftReference] = (),
    max_lock: float = 30.0,
    url: str | None = None,
    person: str | None = None,
    policies: Mapping[str, str] | None = None,
    attachments: Sequence[Mapping[str, str]] = (),
) -> Bench:
    """The database and the backups that lie in a folder; ``url``: a database elsewhere."""
    path = folder / "crm.db"
    url = url or f"sqlite:///{path}"
    links = [{"from": child, "to": parent, "where": where} for child, parent, where in soft]
    spec = Target(
        name="crm",
        max_lock=timedelta(seconds=max_lock),
        database=Database(url=url),
        records={
            "customer": Record.model_validate(
                {
                    "table": table,
                    "find_by": tuple(find_by),
                    "label": label,
                    "person": person,
                    "links": policies or {},
                }
            )
        },
        attachments=tuple(Attachment.model_validate(one) for one in attachments),
        soft_references=(*(SoftReference.model_validate(link) for link in links), *declared),
    )
    storage = LocalStorage(folder / "backups")
    vault = Vault(storage, master_key(), "T0ACME")
    return Bench(path, spec, open_target("crm", url, spec.max_lock), vault, storage)


@dataclass(frozen=True)
class PostgresqlBench(Bench):
    """The same on a PostgreSQL database of its own; ``path`` only says where the backups lie beside."""

    @property
    def database(self) -> str:
        return self.spec.address.rpartition("/")[2]

    @property
    def user(self) -> str:
        """Whom the target logs in as."""
        assert isinstance(self.target, PostgresqlTarget)
        return str(self.target._parts["user"])

    def sql(self, script: str) -> None:
        with psycopg.connect(self.spec.address) as connection:
            connection.execute(script.encode())

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.spec.address) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def dump(self) -> dict[str, list[str]]:
        with psycopg.connect(self.spec.address) as connection:
            connection.execute(
                "SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET search_path = pg_catalog"
            )
            names = connection.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') AND relpersistence <> 't'"
                " AND relnamespace::regnamespace::text !~ '^pg_|information_schema'"
            ).fetchall()
            return {
                name: sorted(
                    row[0] for row in connection.execute(f"SELECT t::text FROM ONLY {name} t".encode())
                )
                for (name,) in names
            }


@contextmanager
def postgresql_bench(folder: Path, schema: str, **how: Any) -> Iterator[PostgresqlBench]:
    """A new database made by an SQL script; ``how`` as in ``open_bench``."""
    with postgresql_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(schema.encode())
        made = open_bench(folder, url=url, **how)
        yield PostgresqlBench(made.path, made.spec, made.target, made.vault, made.storage)


@dataclass(frozen=True)
class MysqlBench(Bench):
    """The same on a MariaDB or MySQL database of its own; ``path`` only says where the backups lie beside."""

    def sql(self, script: str) -> None:
        with closing(mysql_connect(self.spec.address)) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
            for statement in filter(str.strip, script.split(";\n")):
                cursor.execute(statement)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(mysql_connect(self.spec.address)) as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def dump(self) -> dict[str, list[str]]:
        return mysql_dump(self.spec.address)


def mysql_dump(url: str) -> dict[str, list[str]]:
    """Every row of every table of the database, and of the one made beside it, to the bit."""
    with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
        name = url.rpartition("/")[2]
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(
            "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE FROM information_schema.COLUMNS c"
            " JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)"
            " WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA IN (%s, %s) ORDER BY 1, 2, ORDINAL_POSITION",
            (name, f"{name}_beside"),
        )
        columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column, kind in cursor.fetchall():
            cell = "`" + column.replace("`", "``") + "`"
            exact = f"CAST({cell} AS DOUBLE)" if kind == "float" else cell
            columns.setdefault((schema, table), []).append(f"HEX(CAST({exact} AS BINARY))")
        found = {}
        for (schema, table), cells in columns.items():
            place = f"`{schema}`." + "`" + table.replace("`", "``") + "`"
            cursor.execute(f"SELECT {', '.join(cells)} FROM {place}")
            key = table if schema == name else f"{schema}.{table}"
            found[key] = sorted(repr(row) for row in cursor.fetchall())
        return found


def mysql_bench(folder: Path, schema: str, **how: Any) -> AbstractContextManager[MysqlBench]:
    """A new database made by an SQL script, a statement to a line's end; ``how`` as in ``open_bench``."""
    return bench_on("mariadb", folder, schema, **how)


def oracle_bench(folder: Path, schema: str, **how: Any) -> AbstractContextManager[MysqlBench]:
    """The same on a server of MySQL itself."""
    return bench_on("mysql", folder, schema, **how)


@contextmanager
def bench_on(server: str, folder: Path, schema: str, /, **how: Any) -> Iterator[MysqlBench]:
    """The same on a server of this kind; see ``SERVERS``."""
    with mysql_database(SERVERS[server]()) as url:
        made = open_bench(folder, url=url, **how)
        bench = MysqlBench(made.path, made.spec, made.target, made.vault, made.storage)
        bench.sql(schema)
        yield bench
