"""CRLs of partitions: which certificates each complete CRL has, and which partitions are in use."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HAS_CHANGED = "changed > 0"


def upgrade() -> None:
    """Lead from the revision before to this one; whole CRLs are of partition 0, no longer of -1."""
    # SQLite would read through what can be megabytes to come to a column behind it.
    before = "der" if op.get_bind().dialect.name == "sqlite" else None
    with op.batch_alter_table("crls") as crls:
        crls.drop_constraint("ck_crls_partition", type_="check")
        for name in ("unexpired_ms", "since"):
            crls.add_column(sa.Column(name, sa.BigInteger), insert_before=before)
    op.execute("DELETE FROM crls WHERE partition >= 0")  # no release had any
    op.execute("UPDATE crls SET partition = 0")
    # What they have for certain; they may have more, which is for the next complete one to drop.
    op.execute("UPDATE crls SET unexpired_ms = this_update_ms, since = changes WHERE base IS NULL")
    with op.batch_alter_table("crls") as crls:
        crls.create_check_constraint("ck_crls_partition", "partition >= 0")
        crls.create_check_constraint(
            "ck_crls_unexpired", "(base IS NULL) = (unexpired_ms IS NOT NULL)"
        )
        crls.create_check_constraint("ck_crls_since", "(base IS NULL) = (since IS NOT NULL)")
    op.create_index(
        "ix_certificates_partition_changed",
        "certificates",
        ["ca", "partition", "changed"],
        sqlite_where=sa.text(HAS_CHANGED),
        postgresql_where=sa.text(HAS_CHANGED),
    )
    op.create_index(
        "ix_certificates_partition_ends", "certificates", ["ca", "partition", "not_after_ms"]
    )


def downgrade() -> None:
    """Lead back; CRLs of partitions are gone, as no release before had any."""
    op.drop_index("ix_certificates_partition_ends", "certificates")
    op.drop_index("ix_certificates_partition_changed", "certificates")
    op.execute("DELETE FROM crls WHERE partition > 0")
    with op.batch_alter_table("crls") as crls:
        for name in ("since", "unexpired", "partition"):
            crls.drop_constraint(f"ck_crls_{name}", type_="check")
        crls.drop_column("since")
        crls.drop_column("unexpired_ms")
    op.execute("UPDATE crls SET partition = -1")
    with op.batch_alter_table("crls") as crls:
        crls.create_check_constraint("ck_crls_partition", "partition >= -1")
