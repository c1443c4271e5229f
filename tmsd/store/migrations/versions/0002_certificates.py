"""Certificate authorities, certificates, CRLs, and OCSP answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IS_PREPARED = "state = 'prepared'"
IS_REVOKED = "revoked_ms IS NOT NULL"
HAS_CHANGED = "changed > 0"
IS_DUE = "due_ms IS NOT NULL"


def upgrade() -> None:
    """Lead from the revision before to this one."""
    op.create_table(
        "authorities",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("changes", sa.BigInteger, nullable=False),
        _holds("authorities_name", "length(name) BETWEEN 1 AND 64"),
        _holds("authorities_changes", "changes >= 0"),
    )
    op.create_table(
        "certificates",
        sa.Column("ca", sa.String(64), sa.ForeignKey("authorities.name"), primary_key=True),
        sa.Column("serial", sa.LargeBinary(16), primary_key=True),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(1024), nullable=False),
        sa.Column("public_key_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger, nullable=False),
        sa.Column("not_after_ms", sa.BigInteger, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("prepared_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("prepared", sa.LargeBinary),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("revoked_ms", sa.BigInteger),
        sa.Column("reason", sa.String(20)),
        sa.Column("invalidity_ms", sa.BigInteger),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("caller", "idempotency_key", name="uq_certificates_idempotency"),
        _holds("certificates_serial", "length(serial) = 16"),
        _holds("certificates_profile", "length(profile) BETWEEN 1 AND 64"),
        _holds("certificates_caller", "length(caller) BETWEEN 1 AND 64"),
        _holds("certificates_subject", "length(subject) <= 1024"),
        _holds("certificates_public_key", "length(public_key_sha256) = 32"),
        _holds("certificates_validity", "not_before_ms <= not_after_ms"),
        _holds("certificates_partition", "partition >= 0"),
        _holds("certificates_idempotency_key", "length(idempotency_key) BETWEEN 1 AND 128"),
        _holds("certificates_request_digest", "length(request_digest) = 32"),
        _holds("certificates_state", "state IN ('prepared', 'issued', 'abandoned')"),
        _holds("certificates_prepared", "(state = 'issued') = (prepared IS NULL)"),
        _holds("certificates_prepared_length", "length(prepared) BETWEEN 1 AND 65536"),
        _holds("certificates_issued", "(state = 'issued') = (certificate IS NOT NULL)"),
        _holds("certificates_length", "length(certificate) BETWEEN 1 AND 65536"),
        _holds("certificates_revoked", "revoked_ms IS NULL OR state = 'issued'"),
        _holds("certificates_reason", "(revoked_ms IS NULL) = (reason IS NULL)"),
        _holds("certificates_invalidity", "invalidity_ms IS NULL OR revoked_ms IS NOT NULL"),
        _holds("certificates_changed", "changed >= 0 AND (changed > 0 OR revoked_ms IS NULL)"),
        _holds(
            "certificates_reasons",
            "reason IN ('unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged',"
            " 'superseded', 'cessationOfOperation', 'certificateHold', 'privilegeWithdrawn',"
            " 'aACompromise')",
        ),
    )
    _index("certificates_public_key", "certificates", ["public_key_sha256"])
    _index("certificates_prepared", "certificates", ["prepared_ms"], IS_PREPARED)
    _index("certificates_changed", "certificates", ["ca", "changed"], HAS_CHANGED)
    _index("certificates_revoked", "certificates", ["ca", "not_after_ms", "serial"], IS_REVOKED)
    _index(
        "certificates_partition",
        "certificates",
        ["ca", "partition", "not_after_ms", "serial"],
        IS_REVOKED,
    )
    _index("certificates_not_after", "certificates", ["ca", "not_after_ms", "serial"])
    _index("certificates_caller", "certificates", ["ca", "caller", "not_after_ms", "serial"])
    _index("certificates_profile", "certificates", ["ca", "profile", "not_after_ms", "serial"])
    op.create_table(
        "crls",
        sa.Column("ca", sa.String(64), sa.ForeignKey("authorities.name"), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("base", sa.BigInteger),
        sa.Column("is_scheduled", sa.Boolean, nullable=False),
        sa.Column("changes", sa.BigInteger, nullable=False),
        sa.Column("this_update_ms", sa.BigInteger, nullable=False),
        sa.Column("next_update_ms", sa.BigInteger, nullable=False),
        sa.Column("der", sa.LargeBinary),
        _holds("crls_partition", "partition >= -1"),
        _holds("crls_number", "number > 0"),
        _holds("crls_base", "base > 0 AND base < number"),
        _holds("crls_changes", "changes >= 0"),
        _holds("crls_updates", "this_update_ms < next_update_ms"),
    )
    op.create_table(
        "ocsp_answers",
        sa.Column("ca", sa.String(64), primary_key=True),
        sa.Column("serial", sa.LargeBinary(16), primary_key=True),
        sa.Column("due_ms", sa.BigInteger),
        sa.Column("changed", sa.BigInteger),
        sa.Column("this_update_ms", sa.BigInteger),
        sa.Column("next_update_ms", sa.BigInteger),
        sa.Column("der", sa.LargeBinary),
        sa.ForeignKeyConstraint(["ca", "serial"], ["certificates.ca", "certificates.serial"]),
        _holds("ocsp_answers_der", "(der IS NULL) = (changed IS NULL)"),
        _holds("ocsp_answers_this_update", "(der IS NULL) = (this_update_ms IS NULL)"),
        _holds("ocsp_answers_next_update", "(der IS NULL) = (next_update_ms IS NULL)"),
        _holds("ocsp_answers_updates", "this_update_ms < next_update_ms"),
        _holds("ocsp_answers_length", "length(der) BETWEEN 1 AND 65536"),
    )
    _index("ocsp_answers_due", "ocsp_answers", ["ca", "due_ms", "serial"], IS_DUE)


def downgrade() -> None:
    """Lead back."""
    for table in ("ocsp_answers", "crls", "certificates", "authorities"):
        op.drop_table(table)


def _holds(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, f"ck_{name}")


def _index(name: str, table: str, columns: list[str], condition: str | None = None) -> None:
    where = None if condition is None else sa.text(condition)
    op.create_index(f"ix_{name}", table, columns, sqlite_where=where, postgresql_where=where)
