"""What a teardown needs: the end of its grace period, and several kinds of jobs."""

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("grace_until", Instant(), nullable=True))
        batch_op.add_column(sa.Column("noticed_at", Instant(), nullable=True))
        batch_op.add_column(sa.Column("put_back_by", sa.String(length=32), nullable=True))
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), server_default="run", nullable=False))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("kind")
    with op.batch_alter_table("requests", schema=None) as batch_op:
        for name in ("put_back_by", "noticed_at", "grace_until"):
            batch_op.drop_column(name)
