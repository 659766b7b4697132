"""Request Tracker's own ``rt-shredder`` beside our plan: which rows each would take, table by table, on a copy."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.config.record_types import SoftReference
from bot.config.types import Target
from bot.operations import delete_records
from bot.targets.base import RecordTarget
from tests.real.loop import counts
from tests.real.systems import System

_KEY = b"\x05" * 32
#: What it is asked to shred, and the same for us.
_ASKED = {
    "ticket": ("Tickets=query,id = {id}", "SELECT id, id FROM tickets WHERE status <> 'deleted' ORDER BY id LIMIT 3"),
    "user": ("Users=name,{name};status,any;replace_relations,Nobody", "SELECT id, name FROM users WHERE name LIKE 'cust%' ORDER BY id LIMIT 2"),
}  # fmt: skip


#: What no name tells: a list of principals that shares its keys with users and groups, and their memberships.
_BY_HAND = (
    {"from": "principals.id", "to": "users.id", "where": "principaltype = 'User'"},
    {"from": "principals.id", "to": "groups.id", "where": "principaltype = 'Group'"},
    {"from": "groups.instance", "to": "users.id", "where": "domain = 'ACLEquivalence'"},
    {"from": "groups.instance", "to": "tickets.id", "where": "domain = 'RT::Ticket-Role'"},
    {"from": "groups.instance", "to": "queues.id", "where": "domain = 'RT::Queue-Role'"},
    {"from": "groupmembers.memberid", "to": "principals.id"},
    {"from": "groupmembers.groupid", "to": "principals.id"},
    {"from": "cachedgroupmembers.memberid", "to": "principals.id"},
    {"from": "cachedgroupmembers.groupid", "to": "principals.id"},
    {"from": "cachedgroupmembers.immediateparentid", "to": "principals.id"},
)


@dataclass(frozen=True)
class Opinion:
    """Rows by table: ours from the plan, theirs as the copy lost them; ``told``: ours with ten links by hand."""

    record: str
    value: str
    ours: Mapping[str, int]
    theirs: Mapping[str, int]
    told: Mapping[str, int]
    failed: str = ""


def asked(spec: Target, target: RecordTarget, system: System, env: Mapping[str, str]) -> Iterator[Opinion]:
    """A few tickets and users, each on a fresh copy of the database."""
    by_hand = tuple(SoftReference.model_validate(link) for link in _BY_HAND)
    told = spec.model_copy(update={"soft_references": (*spec.soft_references, *by_hand)})
    for record, (plugin, query) in _ASKED.items():
        for identifier, name in _records(system, query, env):
            value = identifier if record == "ticket" else name
            heir = "Nobody" if record == "user" else None
            plans = [delete_records.plan(target, one, record, [value], _KEY, heir)[0] for one in (spec, told)]
            ours, more = ({part.name: part.rows for part in plan.tables} for plan in plans)
            theirs, failed = _shredded(system, plugin.format(id=identifier, name=name), env)
            yield Opinion(record, value, ours, theirs, more, failed)


def _shredded(system: System, plugin: str, env: Mapping[str, str]) -> tuple[dict[str, int], str]:
    """What a copy lost, and what went wrong."""
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
    return theirs, "" if done.returncode == 0 else "rt-shredder gave up"


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
