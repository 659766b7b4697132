"""What must answer, and what may be left over, as types: of a system, its neighbours, its successor."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.kinds import File, Frozen, Name, PositiveDuration, Text


class Check(Frozen):
    """Something that must answer: a page (``http``), a port (``port: host:port``) or a database (``sql``).

    ``sql`` must give exactly one row with one value that is true. ``database`` is where it is asked: an
    address; without it the database of the system itself. Holds a secret once it is resolved.
    """

    name: Name
    http: Annotated[str, AfterValidator(values.http)] | None = None
    port: Annotated[str, AfterValidator(values.address)] | None = None
    sql: Text | None = None
    database: Annotated[Text | None, Field(repr=False)] = None
    status: Annotated[StrictInt, Field(ge=100, le=599)] = 200
    timeout: PositiveDuration = timedelta(seconds=5)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.is_system:
            return self
        if sum(one is not None for one in (self.http, self.port, self.sql)) != 1:
            raise PydanticCustomError("config.check-kind", "config.check-kind")
        if self.database is not None and self.sql is None:
            raise PydanticCustomError("config.check-database", "config.check-database")
        return self

    @property
    def is_system(self) -> bool:
        """It stands for all checks of the system of its name: nothing was written but that name."""
        return not self.model_fields_set


def _successors(value: Any) -> Any:
    """A name may stand for a check, and one of either for a list."""
    many = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(many, list | tuple):
        return value
    # Which names there are is not known here: ``bot.config.references`` looks.
    return [Check.model_construct(set(), name=one) if isinstance(one, str) else one for one in many]


#: Checks of what takes a system's place, or the names of systems whose checks they are.
Successors = Annotated[tuple[Check, ...], BeforeValidator(_successors)]


#: Where what belongs to a system usually lies outside its own folders.
USUAL = (
    "/etc",
    "/run",
    "/usr/lib/systemd",
    "/usr/lib/tmpfiles.d",
    "/usr/local/lib/systemd",
    "/var/log",
    "/var/spool/cron",
)


class SystemResidue(Frozen):
    """What is looked for where, besides the parts: what bears one of the ``names`` (default: the target's).

    ``look_in``: folders that are looked through. ``files``: paths with ``*``, wherever they are.
    ``accounts``: whether a request may clear away roles and accounts of the database server that are this
    system's alone. ``machine_accounts``: the same of users and groups of the machine, in the ``etc`` of
    ``look_in``.
    """

    names: tuple[Name, ...] = ()
    look_in: Annotated[tuple[File, ...], Field(min_length=1)] = USUAL
    files: tuple[File, ...] = ()
    accounts: Literal["by-hand", "clear"] = "by-hand"
    machine_accounts: Literal["by-hand", "clear"] = "by-hand"

    @property
    def root(self) -> str:
        """Above the ``etc`` whose users and groups are meant: the machine's own where it is among them."""
        etc = [path for path in self.look_in if path.endswith("/etc")]
        return "/" if "/etc" in etc or not etc else etc[0].removesuffix("/etc")


def require_roles(residue: SystemResidue | None, scheme: str, *, whole: bool) -> None:
    """Return when roles are not to be cleared away, or may be; of a variable nobody knows the kind yet."""
    # Of a database that several systems share nobody can tell whose a role is; a file has none.
    if residue is not None and residue.accounts == "clear" and not (whole and scheme != "sqlite"):
        raise PydanticCustomError("config.accounts", "config.accounts")


def own(checks: tuple[Check, ...]) -> tuple[int, ...]:
    """The places of those that ask a database and do not say which."""
    return tuple(place for place, one in enumerate(checks) if one.sql is not None and one.database is None)
