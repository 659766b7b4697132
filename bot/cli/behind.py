"""What the commands open: settings, configuration, database, backups.

What the worker is made of is imported where it is used: most commands, the parent process of ``serve`` among
them, do not need that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bot.backups.storage import Storage
from bot.backups.vault import Vault
from bot.config.load import load as load_file
from bot.config.load import variables
from bot.config.types import Config
from bot.errors import BadInput
from bot.settings import Settings, read_environment
from bot.store.database import Database, file_behind
from bot.store.schema import is_current
from bot.store.unit_of_work import Store

if TYPE_CHECKING:
    from bot.targets.system import System


def settings() -> Settings:
    """The environment of this process."""
    return read_environment()


def load(known: Settings, resolve: bool) -> Config:
    """The configuration; with ``resolve`` the ``${…}`` are replaced.

    Raises:
        BadInput: with every problem of the file.
    """
    return load_file(known.config_file, known.variables if resolve else None)


def config_variables(known: Settings) -> frozenset[str]:
    """The names of the variables that the configuration mentions; only the worker may see them."""
    return variables(known.config_file)


def database_is_there(known: Settings) -> bool:
    """Whether there is anything to open; a database that is not a file is assumed to be there.

    An empty file, made beforehand for its mode and owner, is none yet.

    Raises:
        BadInput: its address is none.
    """
    file = file_behind(known.database_url)
    return file is None or (file.is_file() and file.stat().st_size > 0)


@contextmanager
def open_store(known: Settings) -> Iterator[Store]:
    """Our own database, as a worker left it; never creates or changes it.

    Raises:
        BadInput: there is none, or it belongs to another version.
        Broken: it cannot be reached.
    """
    if not database_is_there(known):
        raise BadInput("cli.no-database", path=str(file_behind(known.database_url)))
    database = Database(known.database_url)
    try:
        if not is_current(database):
            raise BadInput("cli.database-version")
        yield Store(database)
    finally:
        database.close()


def backup_store(known: Settings, config: Config) -> Storage:
    """Where backups lie.

    Raises:
        StorageDown: it cannot be opened.
    """
    from bot import compose  # noqa: PLC0415 - see above

    return compose.backup_store(known, config)


def parts_of(known: Settings, config: Config, target: str) -> "System":
    """The parts of a system, to be looked at; its own uninstall is not meant to be called.

    Raises:
        CannotProve: its database is of a kind that is not set aside.
    """
    from bot.jobs import parts  # noqa: PLC0415 - see above

    around = parts.Surroundings.of(known, public_key="")
    return parts.open_system(config.targets[target], config.targets, (), around)


def open_vault(known: Settings) -> Vault:
    """The backups, for who may read the worker's secrets.

    Raises:
        Broken: the master key cannot be read.
    """
    config = load(known, resolve=False)
    if "${" in (config.backups.store or ""):
        config = load(known, resolve=True)
    from bot import compose  # noqa: PLC0415 - see above

    return compose.open_vault(known, config)
