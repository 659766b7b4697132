"""The tables of our own database.

Personal texts (labels, identifiers, reasons, command texts, payloads) live in ``erasable`` and nowhere else.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds: the same order and exactness on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        """To microseconds since 1970."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Back to an aware datetime."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ROWID = BigInteger().with_variant(Integer, "sqlite")

requests = Table(
    "requests",
    metadata,
    Column("id", _ROWID, primary_key=True, autoincrement=True),
    Column("number", Integer, unique=True),
    Column("operation", String(32), nullable=False),
    Column("target", String(200), nullable=False),
    Column("record", String(200)),
    Column("backup_id", String(64)),
    Column("requester", String(32), nullable=False),
    Column("origin_channel", String(32), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("starts_at", Instant),
    Column("denied_by", String(32)),
    Column("denied_until", Instant),
    Column("closed_at", Instant),
    Column("outcome", String(100)),
    Column("outcome_params", JSON, nullable=False),
    Column("preview", Boolean, nullable=False),
    Column("nonce", String(64)),
    Column("grace_until", Instant),
    Column("noticed_at", Instant),
    Column("put_back_by", String(32)),
    Column("expected", BigInteger),
    Column("reminded_at", Instant),
    Column("undoes", Integer),
    Index("ix_requests_state", "state"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("plan", JSON, nullable=False),
    Column("rule", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("user", String(32), primary_key=True),
    Column("choice", String(16), nullable=False),
    Column("proof", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("mark", String(64)),
)

#: Who wants to approve and has not proven it yet. Not votes.
intents = Table(
    "intents",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("user", String(32), primary_key=True),
    Column("proof", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("roles", JSON, nullable=False),
)

#: Sealed to the worker's key, by the door; they lie here for a moment.
letters = Table(
    "letters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user", String(32), nullable=False),
    Column("request_id", ForeignKey("requests.id")),
    Column("channel", String(32), nullable=False),
    Column("blob", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

#: Locked by the worker with a key of its own: secrets of people, tickets.
proof_boxes = Table(
    "proof_boxes",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("user", String(32), primary_key=True),
    Column("box", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

worker_keys = Table(
    "worker_keys",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("public", String(200), nullable=False),
    Column("published_at", Instant, nullable=False),
)

#: What Slack shows on a ballot, by the latest event we know; repairs compare Slack with this, not with votes.
reactions = Table(
    "reactions",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Column("user", String(32), primary_key=True),
    Column("emoji", String(64), primary_key=True),
    Column("present", Boolean, nullable=False),
    Column("event_ts", String(32), nullable=False),
)

permits = Table(
    "permits",
    metadata,
    Column("id", _ROWID, primary_key=True, autoincrement=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("nonce", String(64)),
    Column("job_id", String(100), unique=True),
    Column("issued_at", Instant),
    Index("ix_permits_request_id", "request_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("target", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("backup_id", String(64)),
    Column("transaction", String(100)),
    Column("facts", JSON, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("kind", String(16), nullable=False, server_default="run"),
    Index("ix_jobs_request_id", "request_id"),
    Index("ix_jobs_target_state", "target", "state"),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("progress", JSON),
)

backups = Table(
    "backups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("target", String(200), nullable=False),
    Column("record", String(200)),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("keep_until", Instant, nullable=False),
    Column("test_restore_ms", Integer, nullable=False),
)

#: What else holds copies, by its place in the plan: who has seen to it, and when.
copies = Table(
    "copies",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("done_by", String(32)),
    Column("done_at", Instant),
    Column("reminded_at", Instant),
)

#: One row per target that was ever locked on; PostgreSQL locks it while a permit is consumed.
targets = Table(
    "targets",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("frozen_by", String(32)),
    Column("frozen_at", Instant),
)

inbox = Table(
    "inbox",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index("ix_inbox_state", "state"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("subject", String(200), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("request_id", ForeignKey("requests.id")),
    Column("revision", Integer),
    Column("channel", String(32), nullable=False),
    Column("user", String(32)),
    Column("ts", String(32)),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("file", String(64)),
    Column("sha256", String(64)),
    Index("ix_outbox_channel_ts", "channel", "ts"),
    Index("ix_outbox_request_id", "request_id"),
)

erasable = Table(
    "erasable",
    metadata,
    Column("subject", String(200), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

roster_questions = Table(
    "roster_questions",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("asked_at", Instant, nullable=False),
    Column("users", JSON, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("answered_at", Instant),
    Column("answer", JSON),
)

#: Who held each role when it was last looked at: Slack ids with blanks between them.
role_members = Table(
    "role_members",
    metadata,
    Column("role", String(200), primary_key=True),
    Column("users", Text, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Column("facts", JSON, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("entry", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(200), nullable=False),
    Column("at", Instant, nullable=False),
)
