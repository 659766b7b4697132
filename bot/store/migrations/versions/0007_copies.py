"""What else holds copies of what a request removed, ticked off by people."""

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    rowid = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "copies",
        sa.Column("request_id", rowid, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("done_by", sa.String(length=32), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("reminded_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_copies_request_id")),
        sa.PrimaryKeyConstraint("request_id", "place", name=op.f("pk_copies")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("copies")
