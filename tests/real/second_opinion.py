"""Request Tracker's own ``rt-shredder`` beside our plan: which rows each would take, table by table, on a copy."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.config.types import Target
from bot.operations import delete_records
from bot.targets.base import RecordTarget
from tests.real.loop import counts
from tests.real.systems import System

_KEY = b"\x05" * 32
#: What it is asked to shred, and the same for us.
_ASKED = {
    "ticket": ("Tickets=query,id = {id};status,any", "SELECT id, id FROM tickets WHERE status <> 'deleted' ORDER BY id LIMIT 3"),
    "user": ("Users=name,{name};status,any;replace_relations,Nobody", "SELECT id, name FROM users WHERE name LIKE 'cust%' ORDER BY id LIMIT 2"),
}  # fmt: skip


@dataclass(frozen=True)
class Opinion:
    """Rows by table: ours from the plan, theirs as the copy lost them."""

    record: str
    value: str
    ours: Mapping[str, int]
    theirs: Mapping[str, int]
    failed: str = ""


def asked(spec: Target, target: RecordTarget, system: System, env: Mapping[str, str]) -> Iterator[Opinion]:
    """A few tickets and users, each on a fresh copy of the database."""
    for record, (plugin, query) in _ASKED.items():
        for identifier, name in _records(system, query, env):
            value = identifier if record == "ticket" else name
            heir = "Nobody" if record == "user" else None
            plan, _ = delete_records.plan(target, spec, record, [value], _KEY, heir)
            ours = {part.name: part.rows for part in plan.tables}
            yield _shredded(system, record, value, plugin.format(id=identifier, name=name), ours, env)


def _shredded(
    system: System, record: str, value: str, plugin: str, ours: dict[str, int], env: Mapping[str, str]
) -> Opinion:
    database = system.url.rpartition("/")[2]
    copy = f"{database}_copy"
    for statement in (f'DROP DATABASE IF EXISTS "{copy}"', f'CREATE DATABASE "{copy}" TEMPLATE "{database}"'):
        _psql("postgres", statement, env)
    url = f"{system.url.rpartition('/')[0]}/{copy}"
    before = counts(url)
    done = subprocess.run(
        ["rt-shredder-5", "--force", "--sqldump", str(system.work / "shredded.sql"), "--plugin", plugin],
        env={**env, **_site(system, database, copy)},
        check=False,
        capture_output=True,
        text=True,
    )
    after = counts(url)
    theirs = {table: before[table] - after[table] for table in before if before[table] != after[table]}
    failed = "" if done.returncode == 0 else "rt-shredder gave up"
    return Opinion(record, value, ours, theirs, failed)


def _site(system: System, database: str, copy: str) -> dict[str, str]:
    """The configuration of Request Tracker, for the copy."""
    folder = system.work / "pg"
    text = (folder / "RT_SiteConfig.pm").read_text(encoding="utf-8")
    file: Path = system.work / "copy" / "RT_SiteConfig.pm"
    file.parent.mkdir(exist_ok=True)
    (system.work / "shredded.sql").unlink(missing_ok=True)
    file.write_text(re.sub(rf"DatabaseName, '{database}'", f"DatabaseName, '{copy}'", text), encoding="utf-8")
    return {"RT_SITE_CONFIG": str(file), "RT_SITE_CONFIG_DIR": str(folder / "site.d")}


def _records(system: System, query: str, env: Mapping[str, str]) -> list[tuple[str, str]]:
    said = _psql(system.url.rpartition("/")[2], query, env)
    return [(one, other) for one, _, other in (line.partition("|") for line in said.splitlines())]


def _psql(database: str, statement: str, env: Mapping[str, str]) -> str:
    return subprocess.run(
        ["psql", "-XqAt", "-d", database, "-c", statement],
        env={**os.environ, **env},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
