"""The worker process: lock, database, keys, engine and sweeps, put together."""

import hashlib
import hmac
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bot.approvals.ground import Ground
from bot.audit.opening import open_log
from bot.audit.signing import public_key
from bot.backups import keys
from bot.backups.storage import Storage
from bot.backups.vault import Vault, any_backup_exists
from bot.compose import backup_store, load_configuration, open_database
from bot.config.types import Config
from bot.errors import BooksDown, Broken, StorageDown
from bot.jobs import canary
from bot.jobs.crew import Crew
from bot.jobs.dispatch import Dispatcher
from bot.jobs.engine import Engine
from bot.jobs.lock import WorkerLock, become_a_worker
from bot.jobs.parts import Surroundings, open_system
from bot.jobs.proving import Prover
from bot.jobs.system_hands import SystemHands
from bot.jobs.work_orders import Hands
from bot.model.jobs import UNFINISHED, Canary, Job
from bot.operations.teardown import Host
from bot.proofs import opening as proofs
from bot.schedules import reminding, sweeps
from bot.schedules.clock import now
from bot.schedules.runner import Ticker
from bot.schedules.watch import Watch, renew
from bot.settings import Settings
from bot.store import schema
from bot.store.database import Database, reachable
from bot.store.proofs import PROOF_KEY
from bot.store.unit_of_work import Store
from bot.targets.machine import machine_mark

TICK = 0.1
#: Between the last vote and the first step people wait; two looks of this sweep lie in there.
SOON = 0.04
#: The exit code of a worker that ended itself; ``serve`` starts it anew.
LOST = 70
PATIENCE = 60.0
#: It may answer later. Whoever is sent away, or finds no bucket, is set up wrongly and hears it at once.
_SILENT = frozenset({"backups.bucket_unreachable", "backups.bucket_failed"})


def _wait_for(database: Database, tell: Callable[[str, str], None]) -> None:
    """Until the database answers: servers restart, and start later than we do.

    Raises:
        BooksDown: it does not let us in or cannot be written, or did not answer in time.
    """
    deadline = time.monotonic() + PATIENCE
    told = False
    while True:
        try:
            reachable(database)
        except BooksDown as down:
            if down.key != "store.unreachable" or time.monotonic() > deadline:
                raise
        else:
            return
        if not told:
            tell("worker.waiting", f"{PATIENCE:g}")
            told = True
        time.sleep(0.2)


def _prepared(database: Database, data_dir: Path, tell: Callable[[str, str], None]) -> WorkerLock:
    """The worker's lock, and a database that is up to date."""
    if database.is_sqlite:
        # The lock comes first: opening the file already sets its journal.
        lock = become_a_worker(database, data_dir)
        reachable(database)
    else:
        _wait_for(database, tell)
        lock = become_a_worker(database, data_dir)
    schema.upgrade(database)
    return lock


def _marks(master: keys.MasterKey, hash_key: bytes) -> Mapping[str, str]:
    """What shows that two workers have the same keys, and nothing else about them."""
    mark = hmac.new(hash_key, b"countersign/1/mark", hashlib.sha256).hexdigest()
    return {"master.key": master.key_id, "hash.key": mark}


def served(config: Config, host: str, chosen: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The targets a worker serves: those it was started for, without those that live on another host.

    None: all there are, now and later.
    """
    elsewhere = {name for name, target in config.targets.items() if target.host not in (None, host)}
    if chosen is None and not elsewhere:
        return None
    return tuple(name for name in chosen or config.targets if name not in elsewhere)


class Worker:
    """The worker process: lock, database, keys, engine, sweeps, in this order."""

    #: What makes the crew and the prover; the kill tests put some here that die at a chosen moment.
    crew: Callable[..., Crew] = Crew
    prover: Callable[..., Prover] = Prover
    _canary = Canary.NOT_YET

    def __init__(
        self, settings: Settings, targets: tuple[str, ...] | None, tell: Callable[[str, str], None]
    ) -> None:
        self._config = load_configuration(settings, resolve=True)
        self._tell = tell
        database = open_database(settings)
        self._lock = _prepared(database, settings.data_dir, tell)
        self._store = Store(database)
        self._keys_are_here(settings)
        self._host = settings.host
        targets = served(self._config, settings.host, targets)
        self._served = self._targets(targets)
        self._beat()  # What nobody serves is refused, and the bot takes requests from now on.
        storage = backup_store(settings, self._config)
        # A store that is down has no say where there is a key already.
        in_use = not keys.is_there(settings.master_key_file) and any_backup_exists(storage)
        master, created = keys.load_or_create(settings.master_key_file, any_backup_exists=in_use)
        if created:
            tell("worker.new-master-key", str(settings.master_key_file))
        vault = Vault(storage, master, self._config.workspace)
        self._look_into(vault, storage)
        self._sign_key = keys.load_or_create_secret(settings.worker_dir / "audit.key")
        hash_key = keys.load_or_create_secret(settings.worker_dir / "hash.key")
        safe = proofs.open_safe(settings.worker_dir, self._config.workspace)
        self._ground = Ground(self._config, secrets.token_bytes, safe.key)
        self._prover = self.prover(self._store, self._ground, safe)
        self._open_log(_marks(master, hash_key), safe.key.public)
        systems = SystemHands(
            store=self._store,
            ground=self._ground,
            vault=vault,
            host=Host(settings.host, machine_mark(), socket.gethostname()),
            open_system=partial(open_system, around=Surroundings.of(settings, public_key(self._sign_key))),
            sign_key=self._sign_key,
            certificates=settings.data_dir / "certificates",
            clock=now,
        )
        hands = Hands(self._store, self._ground, vault, storage, hash_key, now, systems)
        self._crew = crew = self.crew(self._store, self._ground, hands, self._sign_key, now)
        self._engine = Engine(database, self._lock.name, crew.run, self._served, self._hold)
        self._dispatcher = Dispatcher(
            self._store,
            self._ground,
            hands.plan,
            lambda work, job, target: self._engine.enqueue(work.connection, job, target),
            targets,
            self._lock,
        )
        self._vault = vault
        self._ticker = Ticker(self._store.database.mark)

    def start(self) -> None:
        """Take up what an earlier worker left and look for work, once the gate has proved itself."""
        self._beat()
        self._ticker.every(1, self._hold, "hold")
        self._ticker.every(2, self._beat, "beat")
        self._ticker.every(2, lambda: sweeps.sign(self._store, self._sign_key, now()), "sign")
        if self._gate_holds():
            self._work()
        self._ticker.start()

    def _gate_holds(self) -> bool:
        """Whether the gate refuses what must never run. A worker whose gate does not takes no work at all."""
        finding = canary.prove(self._store, self._config, self._crew.take, now())
        self._canary = finding.found
        if finding.found is not Canary.REFUSED:
            self._tell(f"worker.canary.{finding.found}", ", ".join(finding.cases))
            with self._store.transact() as work:
                body = {"worker": self._lock.name, "found": str(finding.found), "cases": list(finding.cases)}
                self._ground.log(work, "canary", None, body, now())
        self._beat()
        return finding.found is Canary.REFUSED

    def _work(self) -> None:
        renew(self._store, self._ground, now())
        self._engine.launch()
        self._revive()
        tick, soon = self._ticker.every, self._ticker.when_changed
        soon(TICK, lambda: self._dispatcher.plan_waiting(now), "plan")
        soon(SOON, lambda: self._dispatcher.start_due(now), "start")
        soon(0.15, lambda: self._prover.sweep(now), "prove")
        tick(5, lambda: self._prover.changes(now()), "changes")
        tick(0.5, lambda: self._dispatcher.end_grace(now), "end-grace")
        tick(1, Watch(self._store, self._ground, now).look, "watch")
        tick(0.5, lambda: sweeps.grace(self._store, self._ground, now()), "grace")
        tick(0.5, lambda: sweeps.expire(self._store, self._ground, now()), "expire")
        tick(0.5, lambda: sweeps.reject(self._store, self._ground, now()), "reject")
        tick(1, lambda: reminding.remind(self._store, self._ground, now()), "remind")
        tick(60, lambda: reminding.remind_of_copies(self._store, self._ground, now()), "remind-copies")
        tick(5, self._adopt, "adopt")
        tick(30, self._revive, "revive")
        tick(60, lambda: sweeps.prune(self._store, now()), "prune")
        tick(10, lambda: sweeps.shred(self._store, self._ground, self._vault, now()), "shred")
        tick(60, self._crew.sweep, "tidy")

    def stop(self) -> None:
        """Let steps that run finish, then let go."""
        self._ticker.stop()
        self._dispatcher.close()
        self._engine.stop()
        with self._store.transact() as work:
            work.processes.leave("worker", self._lock.name)
        self._store.database.close()
        self._lock.release()

    def _open_log(self, marks: Mapping[str, str], proof_key: str) -> None:
        with self._store.transact() as work:
            work.audit.alone()
            open_log(work.audit, public_key(self._sign_key), now(), marks)
            proofs.publish(work, proof_key, now())

    def _beat(self) -> None:
        facts = {"targets": list(self._served), "host": self._host, "canary": str(self._canary)}
        with self._store.transact() as work:
            work.processes.beat("worker", self._lock.name, facts, now())

    def _targets(self, chosen: tuple[str, ...] | None) -> tuple[str, ...]:
        """The targets this worker serves; one that serves all also ends jobs on targets that were removed."""
        if chosen is not None:
            return chosen
        return tuple(dict.fromkeys([*self._config.targets, *(job.target for job in self._begun())]))

    def _look_into(self, vault: Vault, storage: Storage) -> None:
        """Whether the backups are ours. In its silence what needs none of them goes on."""
        try:
            vault.check_master()
            storage.sweep()
        except StorageDown as down:
            if down.key not in _SILENT:
                raise
            self._tell("worker.store-down", storage.where)

    def _keys_are_here(self, settings: Settings) -> None:
        """Workers on one database share their keys; a second one must not begin by making others."""
        with self._store.read() as work:
            if work.audit.first_entry is None:
                return
            published = work.public_keys.get(PROOF_KEY)
        places = [
            settings.worker_dir / "hash.key",
            settings.worker_dir / "audit.key",
            settings.master_key_file,
            *([settings.worker_dir / proofs.FILE] if published is not None else []),
        ]
        for path in places:
            if not keys.is_there(path):
                raise Broken("worker.keys-missing", path=str(path))

    def _hold(self) -> None:
        """Whoever has lost its number may have lost its jobs: it must not go on with them."""
        if not self._lock.held():
            self._tell("worker.lost", self._lock.name)
            os._exit(LOST)

    def _adopt(self) -> None:
        """Take over what dead workers had begun."""
        for name in self._engine.pending():
            if self._lock.bury(name):
                try:
                    self._engine.adopt(name)
                finally:
                    self._lock.buried(name)

    def _revive(self) -> None:
        """Go on with what somebody cancelled behind our back."""
        self._engine.revive({job.id: job.target for job in self._begun() if job.target in self._served})

    def _begun(self) -> list[Job]:
        with self._store.read() as work:
            return [job for state in UNFINISHED for job in work.jobs.in_state(state)]


def run_worker(
    settings: Settings,
    targets: tuple[str, ...] | None,
    tell: Callable[[str, str], None],
    kind: type[Worker] = Worker,
) -> int:
    """Run a worker until SIGTERM or SIGINT. ``tell(key, path)`` hears what a person must know."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    worker = kind(settings, targets, tell)
    worker.start()
    ended.wait()
    worker.stop()
    return 0
