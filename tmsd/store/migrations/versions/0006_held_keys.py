"""Held keys: which keys the workers of each daemon may use."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lead from the revision before to this one."""
    op.create_table(
        "held_keys",
        sa.Column("daemon", sa.String(32), primary_key=True),
        sa.Column("label", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("told_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(daemon) = 32", "ck_held_keys_daemon"),
        sa.CheckConstraint("length(label) BETWEEN 1 AND 64", "ck_held_keys_label"),
        sa.CheckConstraint("version BETWEEN 1 AND 255", "ck_held_keys_version"),
    )


def downgrade() -> None:
    """Lead back."""
    op.drop_table("held_keys")
