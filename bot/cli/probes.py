"""What ``check`` tries out on this machine: systems, backup store, keys, database. Changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from bot.backups import keys
from bot.backups.vault import any_backup_exists
from bot.cli.behind import backup_store, database_is_there, open_store, open_vault
from bot.config.check import shown_person
from bot.config.problems import Source
from bot.config.record_types import Record, SoftReference
from bot.config.types import Config, Target
from bot.errors import CountersignError
from bot.model.people import RosterFacts
from bot.operations.attachment_stores import stores_of
from bot.operations.lookalikes import lookalikes
from bot.operations.policies import wrong_links
from bot.operations.preflight import edge_of, survey
from bot.operations.suggesting import own, settled_places
from bot.settings import Settings
from bot.store.proofs import SECRET
from bot.targets import open_target
from bot.targets.attachment_store import AttachmentStore
from bot.targets.base import Catalogue, Session
from bot.texts import say

#: So many lookalikes stand in the sentence.
_SHOWN = 5


class Level(StrEnum):
    """How much a finding matters; the first two make the answer no."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True)
class Item:
    """One thing that ``check`` says."""

    level: Level
    text: str
    file: str | None = None
    line: int | None = None


def item(level: Level, key: str, **params: str | int) -> Item:
    """An item from the catalogue."""
    return Item(level, say(key, "en", **params))


def attempt(probe: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """What a probe says; an error of ours is one more item."""
    try:
        yield from probe()
    except CountersignError as error:
        yield item(Level.ERROR, error.key, **error.params)


def of_target(name: str, target: Target, source: Source | None = None) -> Iterator[Item]:
    """Open one system read-only and look for what the configuration names; ``source``: where it stands."""
    if target.database is None:
        return
    opened = open_target(name, target.database.url, target.max_lock)
    with opened.reading() as session:
        catalogue = session.catalogue()
        found = [*_records(name, target, catalogue), *_soft_references(name, target, session, catalogue)]
        if all(one.level is not Level.ERROR for one in found):
            found += _links(name, target, session, source or Source())
        if all(one.level is not Level.ERROR for one in found):
            found += _rights(name, target, session)
        yield from found
        yield from _lookalikes(name, target, own(catalogue, opened.identity))
    yield from _attachments(name, target, catalogue)
    if all(one.level is not Level.ERROR for one in found):
        yield item(
            Level.OK,
            "cli.check.target",
            target=name,
            tables=len(catalogue.tables),
            records=len(target.records),
        )


def of_store(settings: Settings, config: Config) -> Iterator[Item]:
    """Begin to write into the backup store, and leave no trace."""
    backup_store(settings, config).try_out()
    yield item(Level.OK, "cli.check.store")


def of_master_key(settings: Settings, config: Config) -> Iterator[Item]:
    """Read the master key and open the newest backup's key file with it."""
    path = str(settings.master_key_file)
    storage = backup_store(settings, config)
    if not settings.master_key_file.exists() and not any_backup_exists(storage):
        yield item(Level.NOTE, "cli.check.key-later", path=path)
        return
    keys.load(settings.master_key_file)
    open_vault(settings).check_master()
    yield item(Level.OK, "cli.check.key", path=path)


def of_database(settings: Settings) -> Iterator[Item]:
    """Look at our own database, if a worker has made it."""
    if not database_is_there(settings):
        yield item(Level.NOTE, "cli.check.database-later")
        return
    with open_store(settings):
        yield item(Level.OK, "cli.check.database")


def of_codes(settings: Settings, config: Config, roster: RosterFacts | None) -> Iterator[Item]:
    """Who could approve under a rule that asks for a code, and has none."""
    roles = {role: None for rule in config.rules if rule.proof == "code" for role in rule.quorum.roles}
    for role in roles:
        if config.roles[role].usergroup is not None:
            yield item(Level.NOTE, "cli.check.codes-by-group", role=role)
    if not roles or not database_is_there(settings):
        return
    with open_store(settings) as store, store.read() as work:
        enrolled = work.boxes.users(SECRET)
    groups = roster.groups if roster else {}
    for role in roles:
        people = config.roles[role].people(groups) - enrolled
        if people:
            names = ", ".join(shown_person(user, roster) for user in sorted(people))
            yield item(Level.WARNING, "cli.check.no-codes", role=role, people=names)


def _records(name: str, target: Target, catalogue: Catalogue) -> Iterator[Item]:
    for record, spec in target.records.items():
        yield from _columns(name, record, spec, catalogue)


def _columns(name: str, record: str, spec: Record, catalogue: Catalogue) -> Iterator[Item]:
    table = catalogue.tables.get(spec.table)
    if table is None:
        yield item(
            Level.ERROR,
            "cli.check.no-table",
            target=name,
            what=record,
            table=spec.table,
            known=_known(catalogue),
        )
        return
    if not table.key:
        yield item(Level.ERROR, "cli.check.no-key", target=name, what=record, table=spec.table)
    identifiers = spec.residue.identifiers if spec.residue else ()
    for column in (*spec.find_by, *spec.label_columns, *identifiers):
        if table.column(column) is None:
            yield _no_column(name, record, spec.table, column, catalogue)
    for place in spec.residue.look_in if spec.residue else ():
        yield from _elsewhere(name, record, place, catalogue)


def _elsewhere(name: str, record: str, place: str, catalogue: Catalogue) -> Iterator[Item]:
    """A column in which somebody may be named."""
    table, _, column = place.rpartition(".")
    there = catalogue.tables.get(table)
    if there is None:
        known = _known(catalogue)
        yield item(Level.ERROR, "cli.check.no-table", target=name, what=record, table=table, known=known)
    elif there.column(column) is None:
        yield _no_column(name, record, table, column, catalogue)


def _soft_references(name: str, target: Target, session: Session, catalogue: Catalogue) -> Iterator[Item]:
    for reference in target.soft_references:
        missing = [*_ends(name, reference, catalogue)]
        yield from missing
        if not missing:
            yield from _condition(reference, session)


def _ends(name: str, reference: SoftReference, catalogue: Catalogue) -> Iterator[Item]:
    for table, column in (reference.child, reference.parent):
        what = f"{reference.from_} -> {reference.to}"
        if table not in catalogue.tables:
            yield item(
                Level.ERROR,
                "cli.check.no-table",
                target=name,
                what=what,
                table=table,
                known=_known(catalogue),
            )
        elif catalogue.tables[table].column(column) is None:
            yield _no_column(name, what, table, column, catalogue)


def _condition(reference: SoftReference, session: Session) -> Iterator[Item]:
    edge = edge_of(reference)
    try:
        checked = session.check(edge)
    except CountersignError as error:
        yield item(Level.ERROR, error.key, **error.params)
        return
    if not checked.indexed:
        yield item(Level.NOTE, "cli.check.no-index", link=edge.label)


def _links(name: str, target: Target, session: Session, source: Source) -> Iterator[Item]:
    """What the schema does not allow of what is said about links, with the line where it is said."""
    catalogue = session.catalogue()
    edges = [*catalogue.edges, *map(edge_of, target.soft_references)]
    for record, spec in target.records.items():
        for wrong in wrong_links(catalogue, name, edges, spec.links):
            place = ("targets", name, "records", record, "links", str(wrong.params["link"]))
            problem = source.problem(place, wrong.key, **wrong.params)
            yield Item(Level.ERROR, problem.sentence(), problem.file, problem.line)


def _attachments(name: str, target: Target, catalogue: Catalogue) -> Iterator[Item]:
    """Columns that are there, and places where everything a deletion and a restore do is possible."""
    for one in target.attachments:
        table, column = one.place
        if table not in catalogue.tables:
            known = _known(catalogue)
            yield item(
                Level.ERROR, "cli.check.no-table", target=name, what=one.column, table=table, known=known
            )
        elif catalogue.tables[table].column(column) is None:
            yield _no_column(name, one.column, table, column, catalogue)
    # What is sealed here is read by nobody.
    for store in stores_of(target.attachments, b""):
        yield from attempt(partial(_place, name, store))


def _place(name: str, store: AttachmentStore) -> Iterator[Item]:
    health = store.inspect()
    for level, told in ((Level.ERROR, health.fatal), (Level.WARNING, health.told)):
        for key, params in told:
            yield item(level, key, **params)
    if not health.fatal:
        yield item(Level.OK, "cli.check.attachments", target=name, root=store.path)


def _rights(name: str, target: Target, session: Session) -> Iterator[Item]:
    """Everything that a deletion of each kind of record would need, tried with the worker's own user."""
    grants: dict[str, None] = {}
    for spec in target.records.values():
        try:
            ground = survey(session, name, spec.table, target.soft_references, spec.links)
            grants |= dict.fromkeys(session.rights(ground.needs))
        except CountersignError as error:
            yield item(Level.ERROR, error.key, **error.params)
    for grant in grants:
        yield item(Level.ERROR, "cli.check.missing-right", target=name, grant=grant)


def _lookalikes(name: str, target: Target, catalogue: Catalogue) -> Iterator[Item]:
    """Columns that look like references and about which nobody has said anything, and how many."""
    settled = settled_places(target.soft_references, target.ignored_references)
    found = lookalikes(catalogue, settled)
    if found:
        listed = "; ".join(f"{one.place} -> {one.meant}" for one in found[:_SHOWN])
        more = "; …" if len(found) > _SHOWN else ""
        yield item(Level.NOTE, "cli.check.lookalikes", target=name, n=len(found), columns=listed + more)


def _no_column(name: str, what: str, table: str, column: str, catalogue: Catalogue) -> Item:
    known = ", ".join(one.name for one in catalogue.tables[table].columns)
    return item(
        Level.ERROR,
        "cli.check.no-column",
        target=name,
        what=what,
        table=table,
        column=column,
        known=known[:300],
    )


def _known(catalogue: Catalogue) -> str:
    return ", ".join(sorted(catalogue.tables))[:300] or "-"
