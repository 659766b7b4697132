"""What the commands open: settings, configuration, database, backups."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot import compose
from bot.backups.vault import Vault
from bot.config.load import variables
from bot.config.types import Config
from bot.errors import BadInput, Broken
from bot.settings import Settings, read_environment
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
    database = compose.open_database(known)
    try:
        current = is_current(database)
    except SQLAlchemyError as error:
        raise Broken("store.unusable", code=type(error).__name__) from None
    if not current:
        raise BadInput("cli.database-version")
    return Store(database)


def load(known: Settings, resolve: bool) -> Config:
    """The configuration; with ``resolve`` the ``${…}`` are replaced.

    Raises:
        BadInput: with every problem of the file.
    """
    return compose.load_configuration(known, resolve)


def open_vault(known: Settings, config: Config) -> Vault:
    """The backups, for who may read the worker's secrets.

    Raises:
        Broken: the master key cannot be read.
    """
    return compose.open_vault(known, config)


def config_variables(known: Settings) -> frozenset[str]:
    """The names of the variables that the configuration mentions; only the worker may see them."""
    return variables(known.config_file)
