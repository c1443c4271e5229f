"""Cards seen: which version of its key set's master keys each card proved to hold last."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lead from the revision before to this one."""
    op.create_table(
        "cards_seen",
        sa.Column("key_set", sa.String(64), primary_key=True),
        sa.Column("diversification_data", sa.LargeBinary(10), primary_key=True),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(key_set) BETWEEN 1 AND 64", "ck_cards_seen_key_set"),
        sa.CheckConstraint("length(diversification_data) = 10", "ck_cards_seen_card"),
        sa.CheckConstraint("key_version BETWEEN 1 AND 255", "ck_cards_seen_key_version"),
    )
    op.create_index(
        "ix_cards_seen_version", "cards_seen", ["key_set", "key_version", "diversification_data"]
    )


def downgrade() -> None:
    """Lead back."""
    op.drop_table("cards_seen")
