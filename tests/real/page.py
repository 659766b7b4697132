"""The page with the results: what was measured, with what was refused and what went wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.real.loop import Look, Tried
from tests.real.second_opinion import Opinion

ENGINES = {"pg": "PostgreSQL", "sqlite": "SQLite", "maria": "MariaDB"}

_HEAD = """\
# Real systems

Measured by the code behind `make real-systems`, the systems one after the other as the code grew, on {day}. Each system is raised and filled by scripts of its own that lie beside the project
(`REAL_SYSTEMS` names their folder), from packages of Debian and PyPI. `countersign check --suggest` then writes its configuration; **nothing in it is corrected by
hand**. For each kind of record that was suggested, records are planned, deleted and restored, by the code that the worker runs, and every row of
every table is compared before and after, byte for byte; the application's own checks are asked in between. Seconds are those of the slowest record, on two cores shared with other work.

Two of them run with every `make test`, raised by [scripts of the project's own](../tests/real/quick): Roundcube on all three engines, and Zabbix with
its own templates on PostgreSQL, out of Debian's packages, which are downloaded and not installed.

"""
_TABLE = """\
| system | engine | kind of record | tried | back to the byte | refused | most rows | in tables | others changed | plan | delete | restore |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
_NOTHING = """\
Nothing failed and every byte came back. What this does not tell: whether *enough* went (see the second opinion: for Request Tracker the suggestion
alone takes too little), nor how the suggestion does on systems that nobody looked at while it was written; it was tuned on these.
"""
_SAID = """
## What the applications say themselves

For the first record of each kind the application's own programs look at the whole database three times: before, after the deletion, after the restore. What each of
them tells, and does not:

- **Request Tracker**: `rt-validator --check`, which follows every link it knows between its tables. The complaints after a deletion are rows that the suggestion
  leaves behind (roles and principals, see the second opinion). Tried once on PostgreSQL with the ten links by hand: none after a user, a ticket and a queue.
- **Creme CRM**: Django's own checks, then every row of every model as an instance: each relation and each generic relation must lead to an instance, and each
  entity to its real one. It does not draw a page. The one complaint after an address went is a finding: a contact named it as its billing address, through a key that may
  be empty and is NO ACTION in the database (Django would have emptied it). We follow such a key, as the plan says with its count; the contact's row went, its half in
  the table of all entities stayed. `block` on that link refuses such a deletion; nothing suggests it.
- **Tryton**: every record of every model is validated as when it is saved (required, size, selection, domain), and each reference must lead to a record. It runs no
  workflow. Its complaints on SQLite, where it declares no key, are links that no name tells: `party_relation.from_`, and `line` and `tax` of the tables between
  lines, categories and taxes. On PostgreSQL they are keys. The 13 from the beginning on PostgreSQL are years and
  periods of accounts: to validate them it wants to lock their table, which our read-only look does not let it.
- **Roundcube**: every account that is left, with identities, searches, groups and contacts through its own classes. Its complaints from the beginning are
  contacts in groups of other accounts, which the filling script made. Nobody logs in, and there is no mail server.
- **Zabbix**: its server starts on a copy and reads its whole configuration; what it complains of from the beginning are rows that were filled at random. It tells that
  the schema and the configuration can be used (only the reader of the configuration and the database's errors are heard), little of single rows. There is no server for SQLite, so nothing is asked there.

| system | engine | kind of record | complaints before | new ones after the deletion | after the restore | rows read before, after the deletion, after the restore |
|---|---|---|---|---|---|---|
"""
_LOOKS = """
## What the names tell

The foreign keys of these schemas were hidden, and the lint of `countersign check` had to find them by names and types alone. What is found beyond
the foreign keys is not always wrong: Tryton keeps `create_uid` and `write_uid` in every table without a key, Zabbix the items of its history. Request Tracker declares no foreign key at all.

| system | engine | tables | foreign keys' columns | found by name | of them keys | of all keys | links suggested beyond the keys | doubtful | seconds |
|---|---|---|---|---|---|---|---|---|---|
"""
_OPINIONS = """
## A second opinion

Request Tracker brings `rt-shredder`, which knows its own links. On a copy of the database it removes the same record. Where the two differ, the table
is named with our rows and theirs. What no name tells is a list of principals that shares its keys with users and groups, and their memberships: ten
more `soft_references`, written by hand, say it (`tests/real/second_opinion.py`).

| kind | our rows | rt-shredder's rows | difference | our rows with ten links by hand | difference |
|---|---|---|---|---|---|
"""


@dataclass
class Run:
    """What came of one system on one engine."""

    name: str
    engine: str
    seconds: float = 0.0
    look: Look | None = None
    named: tuple[int, int, int] | None = None
    tried: list[Tried] = field(default_factory=list)
    opinions: list[Opinion] = field(default_factory=list)
    failed: str = ""


def written(runs: Iterable[Run], now: datetime) -> str:
    """The whole page."""
    known = list(runs)
    text = _HEAD.format(day=f"{now:%Y-%m-%d}") + _TABLE
    text += "".join(_tried(run, one) for run in known for one in run.tried)
    failures = [*_failures(known)]
    text += "\n## What went wrong\n\n" + ("".join(failures) or _NOTHING)
    text += _SAID + "".join(_said(run, one) for run in known for one in run.tried if len(one.said) == 3)
    text += _LOOKS + "".join(_look(run) for run in known if run.look)
    opinions = [one for run in known for one in run.opinions]
    if opinions:
        text += _OPINIONS
        for one in opinions:
            ours, theirs, told = (sum(part.values()) for part in (one.ours, one.theirs, one.told))
            cells = [one.record, ours, one.failed or theirs, _difference(one.ours, one.theirs)]
            cells += [told, _difference(one.told, one.theirs)]
            text += f"| {' | '.join(map(str, cells))} |\n"
    return text


def line(run: Run) -> str:
    """One run, for whoever waits."""
    if run.failed:
        return f"{run.name} {run.engine}: {run.failed}"
    tried, same = sum(one.tried for one in run.tried), sum(one.same for one in run.tried)
    return (
        f"{run.name} {run.engine}: raised in {run.seconds:.0f} s, {same} of {tried} records back to the byte"
    )


def _tried(run: Run, one: Tried) -> str:
    refused = ", ".join(f"{count} × {key}" for key, count in sorted(one.refused.items())) or "-"
    cells = [run.name, ENGINES[run.engine], f"{one.record} (`{one.table}`)", one.tried, one.same, refused]
    cells += [f"{one.rows:,}", one.tables, f"{one.changed:,}"]
    cells += [f"{seconds:.2f} s" for seconds in (one.plan, one.delete, one.restore)]
    return f"| {' | '.join(map(str, cells))} |\n"


def _said(run: Run, one: Tried) -> str:
    before, after, again = one.said
    cells = [
        run.name,
        ENGINES[run.engine],
        one.record,
        len(before.complaints),
        len(after.complaints - before.complaints),
    ]
    cells.append("as before" if again == before else "**not as before**")
    cells.append("-" if before.read is None else ", ".join(f"{said.read:,}" for said in one.said))
    return f"| {' | '.join(map(str, cells))} |\n"


def _failures(runs: Iterable[Run]) -> Iterable[str]:
    for run in runs:
        place = f"{run.name} on {ENGINES[run.engine]}"
        if run.failed:
            yield f"- {place}: {run.failed}.\n"
        for one in run.tried:
            for wrong in one.wrong:
                yield f"- {place}, {one.record}: {wrong}.\n"


def _look(run: Run) -> str:
    look = run.look
    assert look is not None
    found, right, keys = run.named or (0, 0, 0)
    share = f"{right / keys:.0%}" if keys else "-"
    cells = [run.name, ENGINES[run.engine], look.tables, keys, found or "-", right or "-", share]
    cells += [look.links, look.doubtful, f"{look.seconds:.1f}"]
    return f"| {' | '.join(map(str, cells))} |\n"


def _difference(ours: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    tables = sorted({*ours, *theirs})
    pairs = [(name, ours.get(name, 0), theirs.get(name, 0)) for name in tables]
    parts = [f"`{name}` {mine}:{other}" for name, mine, other in pairs if mine != other]
    return ", ".join(parts) if parts else "none"
