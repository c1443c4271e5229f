"""Used challenges, and cards that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lead from nothing to this revision."""
    op.create_table(
        "used_challenges",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_used_challenges_expires_ms", "used_challenges", ["expires_ms"])
    op.create_table(
        "card_failures",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key_set", sa.String(64), primary_key=True),
        sa.Column("diversification_data", sa.LargeBinary(10), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_card_failures_until_ms", "card_failures", ["until_ms"])


def downgrade() -> None:
    """Lead back to nothing."""
    op.drop_table("card_failures")
    op.drop_table("used_challenges")
