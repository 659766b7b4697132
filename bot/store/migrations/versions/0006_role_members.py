"""Who held each role when it was last looked at."""

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "role_members",
        sa.Column("role", sa.String(length=200), nullable=False),
        sa.Column("users", sa.Text(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_role_members")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("role_members")
