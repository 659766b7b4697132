"""The systems that records are deleted from: one promise (``base``), one module per kind, one table."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from bot.errors import BadInput
from bot.targets.base import RecordTarget
from bot.targets.mysql import MysqlTarget
from bot.targets.postgresql import PostgresqlTarget
from bot.targets.sqlite import SqliteTarget

KINDS: Mapping[str, Callable[[str, str, timedelta], RecordTarget]] = {
    "postgresql": PostgresqlTarget,
    "mysql": MysqlTarget,
    "mariadb": MysqlTarget,
    "sqlite": SqliteTarget,
}


def kind_of(url: str) -> str:
    """What a target behind this URL calls its kind of database; empty for none that we know."""
    scheme = url.partition("://")[0].lower()
    return {"mysql": "mariadb"}.get(scheme, scheme) if scheme in KINDS else ""


def open_target(name: str, url: str, max_lock: timedelta) -> RecordTarget:
    """The target behind a database URL; nothing is read yet.

    Raises:
        BadInput: no implementation for this kind of URL, or the URL cannot be understood.
    """
    scheme, separator, _ = url.partition("://")
    kind = KINDS.get(scheme.lower()) if separator else None
    if kind is None:
        known = ", ".join(f"{one}://…" for one in KINDS)
        raise BadInput("target.scheme", target=name, known=known)
    return kind(name, url, max_lock)
