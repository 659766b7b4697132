"""Proof by code: wishes to approve, letters to the worker, its boxes, and the mark of a vote."""

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    rowid = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("votes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mark", sa.String(length=64), nullable=True))
    op.create_table(
        "intents",
        sa.Column("request_id", rowid, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=32), nullable=False),
        sa.Column("proof", sa.String(length=16), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_intents_request_id")),
        sa.PrimaryKeyConstraint("request_id", "revision", "user", name=op.f("pk_intents")),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=32), nullable=False),
        sa.Column("request_id", rowid, nullable=True),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_letters_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_table(
        "proof_boxes",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=32), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "user", name=op.f("pk_proof_boxes")),
    )
    op.create_table(
        "worker_keys",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("public", sa.String(length=200), nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_keys")),
    )


def downgrade() -> None:
    """Take back."""
    for name in ("worker_keys", "proof_boxes", "letters", "intents"):
        op.drop_table(name)
    with op.batch_alter_table("votes", schema=None) as batch_op:
        batch_op.drop_column("mark")
