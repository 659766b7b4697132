"""The configuration as types: frozen, complete, and nothing that this version does not carry out.

A name that is mapped to a value is the key of the mapping; a rule carries its own. Lists are tuples, mappings
are read-only. What is wrong with a value is said with a key of the catalogue (``bot.config.values``);
``bot.config.load`` adds file and line.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bot.config import store_values, values
from bot.config.database_types import Database
from bot.config.kinds import (
    Channel,
    Command,
    File,
    Frozen,
    Group,
    Language,
    Listener,
    Many,
    Name,
    Port,
    PositiveDuration,
    Table,
    Text,
    User,
    Workspace,
)
from bot.config.leftovers import Copies
from bot.config.problems import Source
from bot.config.record_types import Attachment, Record, SoftReference, is_inside
from bot.config.rule_types import Rule
from bot.config.system_types import Check, Successors, SystemResidue, own, require_roles
from bot.config.times import Calendar
from bot.model.calendar import Closed


class Role(Frozen):
    """Who holds a role: people by Slack id, a user group, or both. ``owner`` is whom to ask for it."""

    users: tuple[User, ...] = ()
    usergroup: Group | None = None
    owner: User | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.users and self.usergroup is None:
            raise PydanticCustomError("config.role-empty", "config.role-empty")
        return self

    def people(self, groups: Mapping[str, Collection[str]]) -> frozenset[str]:
        """Everybody who holds the role. A user group that is not in ``groups`` is unknown: nobody."""
        members = groups.get(self.usergroup, ()) if self.usergroup is not None else ()
        return frozenset(self.users) | frozenset(members)


class Commands(Frozen):
    """How a program is started, stopped and asked for, as lists of words; ``status`` ends with 0 or 3."""

    start: Command
    stop: Command
    status: Command


class Service(Frozen):
    """A program that listens on ``ports``, kept running by a supervisor (its socket) or by ``commands``.

    It counts as stopped when it has not come back for ``stays_down``.
    """

    name: Name
    supervisor: File | None = None
    program: Text | None = None
    commands: Commands | None = None
    ports: tuple[Port, ...] = ()
    wait: PositiveDuration = timedelta(seconds=30)
    stays_down: PositiveDuration = timedelta(seconds=2)

    @model_validator(mode="after")
    def _one(self) -> Self:
        supervised = self.supervisor is not None and self.program is not None
        if supervised == (self.commands is not None) or (self.supervisor is None) != (self.program is None):
            raise PydanticCustomError("config.service-kind", "config.service-kind")
        if self.commands is not None and not self.ports:
            # Its processes are known by the ports they listen on.
            raise PydanticCustomError("config.service-ports", "config.service-ports")
        return self


class Folder(Frozen):
    """A folder that belongs to a system, with everything in it."""

    name: Name
    path: File


class Call(Frozen):
    """Something the system does when it is asked: a page (``http``, with its ``verb``), or a ``command``."""

    http: Annotated[str, AfterValidator(values.endpoint)] | None = None
    verb: Annotated[str, AfterValidator(values.verb)] | None = None
    command: Command | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.http is None) == (self.command is None) or (self.verb is not None and self.http is None):
            raise PydanticCustomError("config.call-kind", "config.call-kind")
        return self


class Requires(Frozen):
    """What must be there, besides the credential and the programs of the calls, for a builtin uninstall."""

    programs: tuple[File, ...] = ()
    checks: tuple[Name, ...] = ()


class Builtin(Frozen):
    """The system's own uninstall, and what it can give of itself before. ``credential`` names a variable.

    ``running``: its services must run while it is called. ``leaves``: the parts it does not remove.
    """

    uninstall: Call
    export: Call | None = None
    credential: Annotated[str, AfterValidator(values.credential)] | None = None
    running: StrictBool = True
    requires: Requires = Requires()
    timeout: PositiveDuration = timedelta(seconds=60)
    leaves: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _in_secret(self) -> Self:
        calls = [one.http for one in (self.uninstall, self.export) if one is not None and one.http]
        if self.credential is not None and any(values.goes_in_clear(url) for url in calls):
            raise PydanticCustomError("config.credential-clear", "config.credential-clear")
        return self


class Segments(Frozen):
    """How a set of more than ``above`` rows is deleted: record by record, at most ``pace`` rows a second.

    ``lag``: between two of them, wait while a replica is further behind than this.
    """

    above: Annotated[StrictInt, Field(ge=1)] = 100_000
    pace: Annotated[StrictInt, Field(ge=1)] | None = None
    lag: PositiveDuration | None = None


class Target(Frozen):
    """A configured system. ``name`` is its key in ``targets``, filled in by ``Config``.

    What a teardown is about: the ``host`` it lives on, its ``services`` and ``files`` (only under ``roots``),
    its database if it has one, ``checks`` of its own, of its ``neighbours`` and of what it is
    ``replaced_by``, whom to ``tell``, and for how long everything stays set aside (``grace``). ``method``:
    how, in the order in which it is tried. ``residue``: what else is looked for, before and after.
    """

    name: str = ""
    environment: Name | None = None
    support: Text | None = None
    channel: Channel | None = None
    max_lock: PositiveDuration = timedelta(seconds=30)
    database: Database | None = None
    records: Table[Record] = Field(default_factory=lambda: MappingProxyType({}))
    soft_references: tuple[SoftReference, ...] = ()
    segments: Segments = Segments()
    ignored_references: tuple[Annotated[str, AfterValidator(values.place)], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    copies: Copies = ()
    checklist: Copies = ()
    host: Name | None = None
    services: tuple[Service, ...] = ()
    files: tuple[Folder, ...] = ()
    roots: tuple[File, ...] = ()
    checks: tuple[Check, ...] = ()
    neighbours: tuple[Check, ...] = ()
    replaced_by: Successors = ()
    residue: SystemResidue | None = None
    tell: tuple[Listener, ...] = ()
    grace: PositiveDuration = timedelta(days=7)
    method: Many[Annotated[str, AfterValidator(values.method)]] | None = None
    builtin: Builtin | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of a teardown, the first one first."""
        return self.method or (("builtin",) if self.builtin else ()) + ("by-steps",)

    @property
    def is_system(self) -> bool:
        """Whether it can be torn down: it says where it lives and what belongs to it."""
        return self.host is not None and bool(self.services or self.files)

    @property
    def address(self) -> str:
        """The URL of its database; empty when it has none."""
        return self.database.url if self.database is not None else ""

    def is_apart(self, other: Self) -> bool:
        """Whether each is sure to have a database, or its own part of one, that the other has not."""
        if self.database is None or other.database is None:
            return True
        return self.database.is_apart(other.database)

    @model_validator(mode="after")
    def _rows(self) -> Self:
        """Without a database there must be files, and nothing may be said about rows."""
        if self.database is not None:
            return self
        if not self.files:
            # A service that is stopped is nothing to back up, nor to remove.
            raise PydanticCustomError("config.no-database", "config.no-database")
        rows = ("records", "soft_references", "ignored_references", "attachments", "segments")
        said = next((key for key in rows if key in self.model_fields_set), "")
        if said or own(self.checks) or (self.residue is not None and self.residue.accounts == "clear"):
            said = said or ("checks" if own(self.checks) else "accounts")
            raise PydanticCustomError("config.needs-database", "config.needs-database", {"value": said})
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if own(self.neighbours) or own(self.replaced_by):
            # The database of this system says nothing about another one.
            raise PydanticCustomError("config.check-whose", "config.check-whose")
        for parts in (self.services, self.files, (*self.checks, *self.neighbours), self.replaced_by):
            names = [part.name for part in parts]
            if len(set(names)) != len(names):
                raise PydanticCustomError("config.part-twice", "config.part-twice")
        if any(part.name == "database" for part in self.files):
            raise PydanticCustomError("config.part-twice", "config.part-twice")
        if (self.services or self.files) and self.host is None:
            raise PydanticCustomError("config.no-host", "config.no-host")
        if self.host is not None and not self.roots:
            raise PydanticCustomError("config.no-roots", "config.no-roots")
        return self

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        if self.database is None:
            return self
        scheme = self.database.url.partition("://")[0].lower()  # A variable is looked at once it is known.
        if self.segments.lag is not None and scheme in ("mysql", "mariadb", "sqlite"):
            raise PydanticCustomError("config.lag-unknown", "config.lag-unknown")
        require_roles(self.residue, scheme, whole=self.database.is_whole)
        return self

    @model_validator(mode="after")
    def _attachments(self) -> Self:
        """One folder, one spelling: else a file could go that another row names in other words."""
        columns = [one.column for one in self.attachments]
        spelled = {(one.root, one.prefix, one.object) for one in self.attachments}
        roots = sorted(root for root, _, _ in spelled)
        if len(set(columns)) != len(columns) or len(set(roots)) != len(roots):
            raise PydanticCustomError("config.attachment-twice", "config.attachment-twice")
        if any(is_inside(inner, outer) for inner in roots for outer in roots if inner != outer):
            raise PydanticCustomError("config.attachment-nested", "config.attachment-nested")
        return self

    @model_validator(mode="after")
    def _method(self) -> Self:
        if len(set(self.methods)) != len(self.methods) or ("builtin" in self.methods) != (
            self.builtin is not None
        ):
            raise PydanticCustomError("config.method-builtin", "config.method-builtin")
        if self.builtin is None:
            return self
        parts = {part.name for part in self.files} | ({"database"} if self.database is not None else set())
        unknown = set(self.builtin.leaves) - parts
        unknown |= set(self.builtin.requires.checks) - {check.name for check in self.checks}
        if unknown:
            raise PydanticCustomError("config.builtin-part", "config.builtin-part", {"value": min(unknown)})
        return self


class Backups(Frozen):
    """Where backups lie, and how long.

    ``store``: ``file:`` and a folder, or ``s3://bucket/prefix``; None is ``backups/`` in the data directory.
    Of a bucket only: ``endpoint``, ``region``, and ``lock``, which locks each object for ``keep``.
    """

    store: Annotated[str, AfterValidator(values.text), AfterValidator(store_values.backup_bucket)] | None = (
        None
    )
    endpoint: Annotated[str, AfterValidator(values.endpoint)] | None = None
    region: Annotated[str, AfterValidator(store_values.region)] | None = None
    lock: Literal["governance", "compliance"] | None = None
    keep: PositiveDuration = timedelta(days=30)

    @model_validator(mode="after")
    def _of_a_bucket(self) -> Self:
        of_bucket = {"endpoint": self.endpoint, "region": self.region, "lock": self.lock}
        given = [name for name, value in of_bucket.items() if value is not None]
        if given and not (self.store or "").startswith(("s3:", "${")):
            raise PydanticCustomError(
                "config.store-bucket-only", "config.store-bucket-only", {"value": given[0]}
            )
        return self

    @property
    def bucket(self) -> tuple[str | None, str | None, str | None, timedelta]:
        """What a bucket needs besides its address."""
        return self.endpoint, self.region, self.lock, self.keep

    @property
    def folder(self) -> str | None:
        """The folder of the store, absolute after loading; None: it has none, or a default one."""
        kind, _, rest = (self.store or "").partition(":")
        return rest if kind == "file" else None


def _named(targets: Mapping[str, Target]) -> Mapping[str, Target]:
    return MappingProxyType(
        {name: target.model_copy(update={"name": name}) for name, target in targets.items()}
    )


class Config(Frozen):
    """The whole file."""

    workspace: Workspace
    channel: Channel
    language: Language = "en"
    roles: Annotated[Table[Role], Field(min_length=1)]
    targets: Annotated[Table[Target], Field(min_length=1), AfterValidator(_named)]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    backups: Backups = Backups()
    calendar: Calendar | None = None

    _source: Source = PrivateAttr(default=Source())

    @property
    def source(self) -> Source:
        """Where everything stands in the file."""
        return self._source

    def with_source(self, source: Source) -> Self:
        """The same configuration, knowing where it stands."""
        config = self.model_copy()
        config._source = source  # noqa: SLF001 - its own copy, not handed out yet
        return config

    def closed_for(self, target: str) -> tuple[Closed, ...]:
        """The periods in which nothing may start on a target."""
        return self.calendar.closed_for(target) if self.calendar is not None else ()

    @property
    def usergroups(self) -> tuple[str, ...]:
        """The user groups that roles name, sorted: the only ones anybody may ask Slack about."""
        return tuple(sorted({role.usergroup for role in self.roles.values() if role.usergroup}))

    @property
    def users(self) -> tuple[str, ...]:
        """The people that roles name, owners included, sorted."""
        named = {user for role in self.roles.values() for user in role.users}
        return tuple(sorted(named | {role.owner for role in self.roles.values() if role.owner}))
