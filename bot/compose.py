"""Where concrete parts meet; the worker's own meet in ``bot.worker``, which no other process loads."""

import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.approvals.desk import Desk
from bot.approvals.ground import Ground
from bot.approvals.letterbox import Letterbox
from bot.approvals.lifecycle import Lifecycle
from bot.approvals.reading import Reading
from bot.backups import keys
from bot.backups.storage import Storage, open_store
from bot.backups.vault import Vault
from bot.config.load import load
from bot.config.types import Config
from bot.schedules.clock import now
from bot.settings import Settings
from bot.store import schema
from bot.store.database import Database
from bot.store.ports import InboxPort, OutboxPort, RosterPort
from bot.store.sender import Sender
from bot.store.unit_of_work import Store


@dataclass(frozen=True)
class Services:
    """What the Slack door gets from behind it. Holds no secret of a target and no key."""

    config: Config
    clock: Callable[[], datetime]
    desk: Desk
    lifecycle: Lifecycle
    reading: Reading
    inbox: InboxPort
    outbox: OutboxPort
    roster: RosterPort
    letterbox: Letterbox
    store: Store
    process_id: str
    #: Of several bots one sends; a single one always does.
    sends: Callable[[], bool] = lambda: True

    def beat(self, facts: Mapping[str, Any]) -> None:
        """The bot is here."""
        with self.store.transact() as work:
            work.processes.beat("bot", self.process_id, facts, self.clock())

    def health(self) -> Mapping[str, Any]:
        """What /readyz is decided from, the sockets apart."""
        return self.reading.health()


def open_database(settings: Settings) -> Database:
    """Our own database.

    Raises:
        Refused: the URL is of an unknown kind.
    """
    return Database(settings.database_url)


def load_configuration(settings: Settings, resolve: bool) -> Config:
    """The configuration; ``resolve`` replaces ``${…}``, which only the worker and ``check`` do.

    Raises:
        BadInput: with every problem of the file.
    """
    return load(settings.config_file, settings.variables if resolve else None)


def backup_store(settings: Settings, config: Config) -> Storage:
    """Where backups lie."""
    url = config.backups.store or f"file:{settings.data_dir / 'backups'}"
    return open_store(url, settings.config_file.parent, *config.backups.bucket)


def open_vault(settings: Settings, config: Config) -> Vault:
    """The backups, with a master key that exists already.

    Raises:
        Broken: the key cannot be read.
    """
    return Vault(backup_store(settings, config), keys.load(settings.master_key_file), config.workspace)


def bot_services(settings: Settings) -> Services:
    """Everything for the bot process; the worker must have prepared the database."""
    config = load_configuration(settings, resolve=False)
    store = Store(open_database(settings))
    ground = Ground(config, secrets.token_bytes)
    return Services(
        config=config,
        clock=now,
        desk=Desk(store, ground, now),
        lifecycle=Lifecycle(ground),
        reading=Reading(store, ground, now),
        inbox=InboxPort(store),
        outbox=OutboxPort(store),
        roster=RosterPort(store),
        letterbox=Letterbox(store, secrets.token_bytes),
        store=store,
        sends=Sender(store.database, settings.data_dir).is_ours,
        process_id=f"{socket.gethostname()}-{secrets.token_hex(4)}",
    )


def is_prepared(settings: Settings) -> bool:
    """Whether a worker has brought the database up to date and opened the log."""
    database = open_database(settings)
    try:
        if not schema.is_current(database):
            return False
        with Store(database).read() as work:
            return work.audit.head() is not None
    finally:
        database.close()
