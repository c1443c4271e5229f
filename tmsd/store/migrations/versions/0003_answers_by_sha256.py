"""OCSP answers for certIDs by SHA-256, beside those by SHA-1."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lead from the revision before to this one."""
    op.add_column("ocsp_answers", sa.Column("der_sha256", sa.LargeBinary))


def downgrade() -> None:
    """Lead back."""
    op.drop_column("ocsp_answers", "der_sha256")
