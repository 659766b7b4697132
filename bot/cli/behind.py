"""What stands behind the commands. Imported late: most commands need only a part of it."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.errors import BadInput, Broken
from bot.settings import Settings, read_environment
from bot.store.database import Database
from bot.store.schema import is_current
from bot.store.unit_of_work import Store


def settings() -> Settings:
    """The environment of this process."""
    return read_environment()


def open_store(known: Settings) -> Store:
    """Our own database, as a worker left it; never creates or changes it.

    Raises:
        BadInput: there is none, or it belongs to another version.
        Broken: it cannot be reached.
    """
    try:
        url = make_url(known.database_url)
    except ArgumentError:
        raise BadInput("cli.database-url") from None
    if url.drivername == "sqlite" and not Path(url.database or "").is_file():
        raise BadInput("cli.no-database", path=str(url.database))
    database = Database(known.database_url)
    try:
        current = is_current(database)
    except SQLAlchemyError as error:
        raise Broken("store.unusable", code=type(error).__name__) from None
    if not current:
        raise BadInput("cli.database-version")
    return Store(database)
