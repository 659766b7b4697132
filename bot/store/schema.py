"""Bringing our own database up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from bot.store.database import Database, what_is_wrong

_FOLDER = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def upgrade(database: Database) -> None:
    """Apply every migration that is missing, under one lock. The worker does this before anything else."""
    config = _config()
    with database.transact() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raise when the tables differ from the code (used by tests)."""
    config = _config()
    with database.transact() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def is_current(database: Database) -> bool:
    """Whether the worker has prepared this database for this version.

    Raises:
        BooksDown: it cannot be read.
    """
    try:
        with database.read() as connection:
            have = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise what_is_wrong(error) from None
    return have == ScriptDirectory.from_config(_config()).get_current_head()
