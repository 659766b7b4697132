"""Delete and bring back, record by record, with the configuration that ``--suggest`` writes; nothing is corrected by hand."""

import hashlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.cli import stanza
from bot.config.database_types import Database
from bot.config.load import load
from bot.config.record_types import Record
from bot.config.types import Target
from bot.errors import CountersignError
from bot.operations.gate import DeleteOutcome
from bot.operations.lookalikes import lookalikes
from bot.operations.suggesting import own, suggest
from bot.targets import open_target
from bot.targets.base import Catalogue, RecordTarget
from tests.fakes.backups import master_key
from tests.fakes.operations import Bench, dump, mysql_dump
from tests.real.checks import Ask, Said

_AROUND = """\
workspace: T0ACME
channel: C0DELETIONS
roles: {dba: {users: [U0BOB]}}
STANZA
    max_lock: 120s
    database: {url: "URL"}
rules: [{name: all, when: {operation: restore}, request: [dba], approve: [1 of dba]}]
"""


@dataclass
class Tried:
    """What came of one kind of record; seconds are of the slowest."""

    record: str
    table: str
    tried: int = 0
    same: int = 0
    rows: int = 0
    tables: int = 0
    changed: int = 0
    plan: float = 0.0
    delete: float = 0.0
    restore: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    #: What the application said before, after the first deletion, and after its restore.
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """What the schema is like, and what was suggested for it."""

    tables: int
    keys: int
    links: int
    doubtful: int
    seconds: float


def looked(url: str, folder: Path) -> tuple[Look, Target, RecordTarget, str]:
    """The suggestion as YAML, loaded by our own loader."""
    target = open_target("crm", url, timedelta(seconds=120))
    started = time.monotonic()
    found = suggest(target, Target(name="crm", database=Database(url=url)))
    seconds = time.monotonic() - started
    text = stanza.as_yaml("crm", found)
    file = folder / "countersign.yml"
    file.write_text(_AROUND.replace("STANZA\n", text).replace("URL", url), encoding="utf-8")
    spec = load(file, {}).targets["crm"]
    with target.reading() as session:
        catalogue = own(session.catalogue(), target.identity)
    look = Look(len(catalogue.tables), len(catalogue.edges), len(found.links), len(found.doubtful), seconds)
    return look, spec, target, text


def hidden(url: str) -> tuple[int, int, int]:
    """How well names alone tell the foreign keys, were they not declared: found, of them right, all there are."""
    target = open_target("crm", url, timedelta(seconds=120))
    with target.reading() as session:
        catalogue = own(session.catalogue(), target.identity)
    truth = {f"{edge.child}.{name}" for edge in catalogue.edges for name in edge.child_columns}
    found = {one.place for one in lookalikes(Catalogue(catalogue.tables, ()))}
    return len(found), len(found & truth), len(truth)


def bench_of(spec: Target, target: RecordTarget, folder: Path) -> Bench:
    """The operations as the worker runs them, with a vault of its own."""
    storage = LocalStorage(folder / "backups")
    return Bench(Path("/"), spec, target, Vault(storage, master_key(), "T0ACME"), storage)


def try_all(
    spec: Target, target: RecordTarget, url: str, most: int, ask: Ask | None = None
) -> Iterator[Tried]:
    """Each kind of record that was suggested, on ``most`` of its records; ``ask`` asks the application itself."""
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_of(spec, target, Path(folder))
        before = ask() if ask else None
        for name, record in spec.records.items():
            found = Tried(name, record.table, said=[before] if before else [])
            _try_kind(bench, found, record, url, most, ask)
            yield found


def _try_kind(bench: Bench, found: Tried, record: Record, url: str, most: int, ask: Ask | None) -> None:
    before = content(url)
    names = _names(bench, record)
    for value in names[:most]:
        found.tried += 1
        heir = next((other for other in names if other != value), None)
        try:
            _try_one(bench, value, heir, found, ask if len(found.said) == 1 else None)
        except CountersignError as error:
            found.refused[error.key] += 1
            if content(url) != before:
                found.wrong.append(f"{error.key} and something changed")
                break
            continue
        after = content(url)
        if after == before:
            found.same += 1
        else:
            found.wrong.append("not the same: " + ", ".join(t for t in before if after.get(t) != before[t]))
            break


def _try_one(bench: Bench, value: str, heir: str | None, found: Tried, ask: Ask | None) -> None:
    name, needed = found.record, None
    started = time.monotonic()
    try:
        order = bench.order(value, record=name)
    except CountersignError as error:
        if error.key != "operations.nobody-named" or heir is None:
            raise
        needed, started = heir, time.monotonic()
        order = bench.order(value, record=name, heir=needed)
    planned = time.monotonic()
    done = bench.run(order)
    deleted = time.monotonic()
    if done.problem:
        found.wrong.append(str(done.problem))
    if ask:
        found.said.append(ask())
    again = time.monotonic()
    restored = bench.restore(done)
    ended = time.monotonic()
    if ask:
        found.said.append(ask())
        if found.said[2] != found.said[0]:
            found.wrong.append("the application does not say what it said before")
    if restored.problem:
        found.wrong.append(str(restored.problem))
    found.plan = max(found.plan, planned - started)
    found.delete = max(found.delete, deleted - planned)
    found.restore = max(found.restore, ended - again)
    _count(found, done)


def _count(found: Tried, done: DeleteOutcome) -> None:
    found.rows = max(found.rows, sum(done.rows.values()))
    found.tables = max(found.tables, len(done.rows))
    found.changed = max(found.changed, sum(done.nullified.values()) + sum(done.reassigned.values()))


def _names(bench: Bench, record: Record) -> list[str]:
    """What a person would type, some of all there is; the same each time."""
    column = record.find_by[-1]
    with bench.target.reading() as session:
        texts = [str(row[0]) for row in session.sample(record.table, [column], 200) if row[0]]
        usable = [text for text in sorted(texts) if len(session.find(record.table, column, text, 2)) == 1]
    random.Random(7).shuffle(usable)
    return usable


def content(url: str) -> Mapping[str, str]:
    """A hash of every row of every table, byte for byte, by table."""
    if url.startswith("sqlite"):
        return {name: _hash(rows) for name, rows in dump(Path(url.removeprefix("sqlite:///"))).items()}
    if url.startswith(("mysql", "mariadb")):
        return {name: _hash(rows) for name, rows in mysql_dump(url).items()}
    with psycopg.connect(url) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET search_path = pg_catalog")
        names = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text !~ '^pg_|information_schema'"
        ).fetchall()
        return {name: _hash(_rows(connection, name)) for (name,) in names}


def _rows(connection: "psycopg.Connection[Any]", table: str) -> list[str]:
    return sorted(row[0] for row in connection.execute(f"SELECT t::text FROM ONLY {table} t".encode()))


def _hash(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def counts(url: str) -> dict[str, int]:
    """How many rows each table has."""
    if url.startswith("sqlite"):
        return {name: len(rows) for name, rows in dump(Path(url.removeprefix("sqlite:///"))).items()}
    if url.startswith(("mysql", "mariadb")):
        return {name: len(rows) for name, rows in mysql_dump(url).items()}
    with closing(psycopg.connect(url)) as connection:
        names = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text !~ '^pg_|information_schema'"
        ).fetchall()
        return {
            name.strip('"'): connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()[0]  # type: ignore[index]  # an aggregate has a row
            for (name,) in names
        }
