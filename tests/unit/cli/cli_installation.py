"""An installation in a folder: configuration, a small CRM, our own database with a log, one backup."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.audit.opening import open_log, sign_log
from bot.audit.signing import public_key
from bot.backups import keys
from bot.backups.storage import open_store
from bot.backups.vault import Vault
from bot.model.backups import Column
from bot.model.jobs import Backup
from bot.model.quorums import SlotSpec, simple
from bot.model.requests import Choice, Proof, Revision, RuleSpec, State, Vote
from bot.settings import read_environment
from bot.store import schema
from bot.store.database import Database
from bot.store.unit_of_work import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = b"\x07" * 32
BACKUP = "b20260301-aaaaaaaaaa"

CONFIGURATION = """\
workspace: T0ACME
channel: C0DELETIONS
roles:
  support: {users: [U0ALICE, U0BOB], owner: U0CAROL}
  dba: {users: [U0BOB, U0DAVE], owner: U0CAROL}
  data-owner: {users: [U0CAROL], owner: U0CAROL}
  responder: {usergroup: S0ONCALL, users: [U0ERIN], owner: U0CAROL}
targets:
  crm:
    environment: production
    database: {url: "${CRM_URL}"}
    records:
      customer: {table: customers, find_by: [id, email], label: "{name}"}
    soft_references:
      - {from: notes.subject_id, to: customers.id, where: "subject_type = 'customer'"}
rules:
  - name: small erasure
    when: {operation: delete-records, target: crm, rows: {at_most: 100}}
    request: [support]
    approve: [1 of dba, 1 of data-owner]
  - name: large erasure
    when: {operation: delete-records, target: crm}
    request: [dba]
    approve: [2 of dba, 1 of data-owner]
  - name: way back
    when: {operation: restore}
    request: [responder, dba]
    approve: [1 of dba]
"""

CRM = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE);
CREATE TABLE notes (id INTEGER PRIMARY KEY, subject_type TEXT, subject_id INTEGER, body TEXT);
CREATE INDEX notes_subject ON notes (subject_id);
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com');
"""


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass
class Installation:
    """The folder, and a way to type commands in it."""

    folder: Path
    command: Callable[..., Answer]

    @property
    def config(self) -> Path:
        return self.folder / "countersign.yml"

    def store(self) -> Store:
        return Store(Database(read_environment().database_url))

    def prepare(self) -> None:
        """As a worker leaves it: tables, an opened log, two votes."""
        store = self.store()
        schema.upgrade(store.database)
        with store.transact() as work:
            open_log(work.audit, public_key(SECRET), NOW)
            for number in range(3):
                work.audit.append("vote", NOW, number, {"user": "U0DAVE"})
            sign_log(work.audit, SECRET, NOW)
        store.database.close()

    def head(self) -> str:
        store = self.store()
        with store.read() as work:
            head = work.audit.head()
        store.database.close()
        assert head is not None
        return head

    def add_request(self, number: int, state: State = State.PENDING) -> int:
        store = self.store()
        with store.transact() as work:
            request_id = work.requests.add(
                number=number,
                operation="delete-records",
                target="crm",
                record="customer",
                requester="U0ALICE",
                origin_channel="C0DELETIONS",
                channel="C0DELETIONS",
                state=state,
                revision=1,
                created_at=NOW,
            )
            rule = RuleSpec("small erasure", ("support",), (simple(SlotSpec(1, "dba")),), 3600, 10, 0)
            work.requests.add_revision(Revision(request_id, 1, "d" * 64, {}, rule, NOW))
            vote = Vote(request_id, 1, "U0DAVE", Choice.APPROVE, Proof.REACTION, NOW, ("dba",))
            work.votes.put(vote)
        store.database.close()
        return request_id

    def add_backup(self, request_id: int, csv: Mapping[str, bytes] = MappingProxyType({})) -> str:
        """Seal one backup and enter it into the books; returns its reference. ``csv``: streams of CSV in it."""
        known = read_environment()
        master, _ = keys.load_or_create(known.master_key_file, any_backup_exists=False)
        vault = Vault(open_store(f"file:{known.data_dir / 'backups'}", self.folder), master, "T0ACME")
        columns = [Column("id", "sqlite-1"), Column("name", "sqlite-1")]
        with vault.sealing(BACKUP) as sealing:
            sealing.table("rows", "customers", columns, [(1, "Ada"), (2, None), (3, "")])
            for name, data in csv.items():
                with sealing.blob(name) as out:
                    out.write(data)
            listed = [{"stream": name} for name in csv]
            sealed = sealing.finish({"why": "test", "holdings": {"database": {"csv": listed}}})
        reference = vault.reference(sealed)
        store = self.store()
        with store.transact() as work:
            work.backups.add(
                Backup(
                    BACKUP,
                    request_id,
                    "crm",
                    "customer",
                    sealed.sha256,
                    sealed.size,
                    3,
                    "kept",
                    reference,
                    NOW,
                    NOW + timedelta(days=30),
                    12,
                )
            )
        store.database.close()
        return reference
