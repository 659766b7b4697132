"""When a permit was issued, how many rows the requester expects, and whether people were reminded."""

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("expected", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("reminded_at", Instant(), nullable=True))
    with op.batch_alter_table("permits", schema=None) as batch_op:
        batch_op.add_column(sa.Column("issued_at", Instant(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("permits", schema=None) as batch_op:
        batch_op.drop_column("issued_at")
    with op.batch_alter_table("requests", schema=None) as batch_op:
        for name in ("reminded_at", "expected"):
            batch_op.drop_column(name)
