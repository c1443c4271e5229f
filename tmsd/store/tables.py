"""The tables as this release has them; migrations/ leads there from every release before."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    text,
)

METADATA = MetaData()

# Conditions of indexes that hold some rows only. A query must have the same words for its database
# to see that the index will do; a bound value is none of them.
IS_PREPARED = text("state = 'prepared'")
IS_REVOKED = text("revoked_ms IS NOT NULL")
HAS_CHANGED = text("changed > 0")
IS_DUE = text("due_ms IS NOT NULL")


def _index(name: str, *columns: str, where: TextClause | None = None) -> Index:
    return Index(f"ix_{name}", *columns, sqlite_where=where, postgresql_where=where)


def _holds(name: str, condition: str) -> CheckConstraint:
    return CheckConstraint(condition, f"ck_{name}")


# Host challenges are used once: the digests of tickets, until the tickets have expired.
USED_CHALLENGES = Table(
    "used_challenges",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

# Cards that failed, by caller and key set: how often, and until when they are not asked again.
CARD_FAILURES = Table(
    "card_failures",
    METADATA,
    Column("caller", String(64), primary_key=True),
    Column("key_set", String(64), primary_key=True),
    Column("diversification_data", LargeBinary(10), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until_ms", BigInteger, nullable=False, index=True),
)

# Cards that proved to hold keys of a key set: of which version, and when, as they were seen last.
CARDS_SEEN = Table(
    "cards_seen",
    METADATA,
    Column("key_set", String(64), primary_key=True),
    Column("diversification_data", LargeBinary(10), primary_key=True),
    Column("key_version", Integer, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    _holds("cards_seen_key_set", "length(key_set) BETWEEN 1 AND 64"),
    _holds("cards_seen_card", "length(diversification_data) = 10"),
    _holds("cards_seen_key_version", "key_version BETWEEN 1 AND 255"),
    _index("cards_seen_version", "key_set", "key_version", "diversification_data"),
)

# Challenges that TPSs of Dogtag were given: the tickets by whom they were for and their digests. A
# ticket has no place in what a TPS sends, and may have come from another daemon.
DOGTAG_CHALLENGES = Table(
    "dogtag_challenges",
    METADATA,
    Column("caller", String(64), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("ticket", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    _holds("dogtag_challenges_caller", "length(caller) BETWEEN 1 AND 64"),
    _holds("dogtag_challenges_digest", "length(digest) = 32"),
    _holds("dogtag_challenges_ticket", "length(ticket) BETWEEN 1 AND 256"),
)

# The latest voucher of each card of theirs: that it had session keys, for what is asked afterwards.
DOGTAG_VOUCHERS = Table(
    "dogtag_vouchers",
    METADATA,
    Column("caller", String(64), primary_key=True),
    Column("key_set", String(64), primary_key=True),
    Column("kdd", LargeBinary(10), primary_key=True),
    Column("cuid", LargeBinary(10), primary_key=True),
    Column("voucher", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    _holds("dogtag_vouchers_caller", "length(caller) BETWEEN 1 AND 64"),
    _holds("dogtag_vouchers_key_set", "length(key_set) BETWEEN 1 AND 64"),
    _holds("dogtag_vouchers_kdd", "length(kdd) = 10"),
    _holds("dogtag_vouchers_cuid", "length(cuid) = 10"),
    _holds("dogtag_vouchers_voucher", "length(voucher) BETWEEN 1 AND 256"),
)

# Keys of the token that daemons' workers may use: whose, and when it was said last.
HELD_KEYS = Table(
    "held_keys",
    METADATA,
    Column("daemon", String(32), primary_key=True),
    Column("label", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("host", String(255), nullable=False),
    Column("told_ms", BigInteger, nullable=False),
    _holds("held_keys_daemon", "length(daemon) = 32"),
    _holds("held_keys_label", "length(label) BETWEEN 1 AND 64"),
    _holds("held_keys_version", "version BETWEEN 1 AND 255"),
)

# Certificate authorities. Each change of a certificate's revocation has the next number of its CA.
AUTHORITIES = Table(
    "authorities",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("changes", BigInteger, nullable=False),
    _holds("authorities_name", "length(name) BETWEEN 1 AND 64"),
    _holds("authorities_changes", "changes >= 0"),
)

# Every certificate from before it was signed (RFC 5280), and whether it is revoked.
CERTIFICATES = Table(
    "certificates",
    METADATA,
    Column("ca", String(64), ForeignKey("authorities.name"), primary_key=True),
    Column("serial", LargeBinary(16), primary_key=True),
    Column("profile", String(64), nullable=False),
    Column("caller", String(64), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("public_key_sha256", LargeBinary(32), nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    Column("not_after_ms", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("idempotency_key", String(128), nullable=False),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("prepared_ms", BigInteger, nullable=False),
    Column("state", String(9), nullable=False),
    Column("prepared", LargeBinary),
    Column("certificate", LargeBinary),
    Column("revoked_ms", BigInteger),
    Column("reason", String(20)),
    Column("invalidity_ms", BigInteger),
    Column("changed", BigInteger, nullable=False),
    UniqueConstraint("caller", "idempotency_key", name="uq_certificates_idempotency"),
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
    # What an abandoned one would have been is kept: it may have been signed.
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
    _index("certificates_public_key", "public_key_sha256"),
    _index("certificates_prepared", "prepared_ms", where=IS_PREPARED),
    _index("certificates_changed", "ca", "changed", where=HAS_CHANGED),
    _index("certificates_revoked", "ca", "not_after_ms", "serial", where=IS_REVOKED),
    _index("certificates_partition", "ca", "partition", "not_after_ms", "serial", where=IS_REVOKED),
    _index("certificates_partition_changed", "ca", "partition", "changed", where=HAS_CHANGED),
    _index("certificates_partition_ends", "ca", "partition", "not_after_ms"),
    # For searches, in the order in which certificates end.
    _index("certificates_not_after", "ca", "not_after_ms", "serial"),
    _index("certificates_caller", "ca", "caller", "not_after_ms", "serial"),
    _index("certificates_profile", "ca", "profile", "not_after_ms", "serial"),
)

# CRLs by the scope that they share a sequence of numbers with (RFC 5280, section 5.2.3): of a whole
# CA (partition 0) or of a partition. One that has not been signed yet has a number only; of one
# that deltas alone still start from, the DER is empty. It comes last, as it can be megabytes.
CRLS = Table(
    "crls",
    METADATA,
    Column("ca", String(64), ForeignKey("authorities.name"), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("base", BigInteger),
    Column("is_scheduled", Boolean, nullable=False),
    Column("changes", BigInteger, nullable=False),
    Column("this_update_ms", BigInteger, nullable=False),
    Column("next_update_ms", BigInteger, nullable=False),
    Column("unexpired_ms", BigInteger),
    Column("since", BigInteger),
    Column("der", LargeBinary),
    _holds("crls_partition", "partition >= 0"),
    _holds("crls_number", "number > 0"),
    _holds("crls_base", "base > 0 AND base < number"),
    _holds("crls_changes", "changes >= 0"),
    _holds("crls_updates", "this_update_ms < next_update_ms"),
    # Which revoked certificates a complete CRL has.
    _holds("crls_unexpired", "(base IS NULL) = (unexpired_ms IS NOT NULL)"),
    _holds("crls_since", "(base IS NULL) = (since IS NOT NULL)"),
)

# Signed OCSP answers (RFC 6960), and when each certificate is to have its next.
OCSP_ANSWERS = Table(
    "ocsp_answers",
    METADATA,
    Column("ca", String(64), primary_key=True),
    Column("serial", LargeBinary(16), primary_key=True),
    Column("due_ms", BigInteger),
    Column("changed", BigInteger),
    Column("this_update_ms", BigInteger),
    Column("next_update_ms", BigInteger),
    Column("der", LargeBinary),
    Column("der_sha256", LargeBinary),
    ForeignKeyConstraint(["ca", "serial"], ["certificates.ca", "certificates.serial"]),
    _holds("ocsp_answers_der", "(der IS NULL) = (changed IS NULL)"),
    _holds("ocsp_answers_this_update", "(der IS NULL) = (this_update_ms IS NULL)"),
    _holds("ocsp_answers_next_update", "(der IS NULL) = (next_update_ms IS NULL)"),
    _holds("ocsp_answers_updates", "this_update_ms < next_update_ms"),
    _holds("ocsp_answers_length", "length(der) BETWEEN 1 AND 65536"),
    _index("ocsp_answers_due", "ca", "due_ms", "serial", where=IS_DUE),
)
