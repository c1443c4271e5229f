"""TPSs of Dogtag: the challenges that they were given, and the vouchers of their cards."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lead from the revision before to this one."""
    op.create_table(
        "dogtag_challenges",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("ticket", sa.LargeBinary, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(caller) BETWEEN 1 AND 64", "ck_dogtag_challenges_caller"),
        sa.CheckConstraint("length(digest) = 32", "ck_dogtag_challenges_digest"),
        sa.CheckConstraint("length(ticket) BETWEEN 1 AND 256", "ck_dogtag_challenges_ticket"),
    )
    op.create_index("ix_dogtag_challenges_expires_ms", "dogtag_challenges", ["expires_ms"])
    op.create_table(
        "dogtag_vouchers",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key_set", sa.String(64), primary_key=True),
        sa.Column("kdd", sa.LargeBinary(10), primary_key=True),
        sa.Column("cuid", sa.LargeBinary(10), primary_key=True),
        sa.Column("voucher", sa.LargeBinary, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(caller) BETWEEN 1 AND 64", "ck_dogtag_vouchers_caller"),
        sa.CheckConstraint("length(key_set) BETWEEN 1 AND 64", "ck_dogtag_vouchers_key_set"),
        sa.CheckConstraint("length(kdd) = 10", "ck_dogtag_vouchers_kdd"),
        sa.CheckConstraint("length(cuid) = 10", "ck_dogtag_vouchers_cuid"),
        sa.CheckConstraint("length(voucher) BETWEEN 1 AND 256", "ck_dogtag_vouchers_voucher"),
    )
    op.create_index("ix_dogtag_vouchers_expires_ms", "dogtag_vouchers", ["expires_ms"])


def downgrade() -> None:
    """Lead back."""
    op.drop_table("dogtag_vouchers")
    op.drop_table("dogtag_challenges")
