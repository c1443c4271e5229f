"""The table of certificates: each is on record before it is signed, and issued once.

A signature that was made is one of a row that was there before: `prepared`, then `issued`, or
`abandoned` where nobody came back for it. Serial numbers have 16 bytes.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from tmsd.store.tables import AUTHORITIES, CERTIFICATES, IS_PREPARED, OCSP_ANSWERS

MOST_LIVE = 16
_COLUMNS = CERTIFICATES.c


class State(StrEnum):
    """How far a certificate has come."""

    PREPARED = "prepared"
    ISSUED = "issued"
    ABANDONED = "abandoned"


class Reason(StrEnum):
    """Why a certificate is revoked, as RFC 5280, section 5.3.1 names it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"


class Status(StrEnum):
    """How a certificate is: its state, and once it is issued what was made of it."""

    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"
    PREPARED = "prepared"
    ABANDONED = "abandoned"


class Refusal(Exception):
    """What was asked does not go with what is on record; nothing was changed."""


class UnknownCertificate(Refusal):
    """There is no such certificate of this CA, or it was never issued."""


class IdempotencyConflict(Refusal):
    """The caller has used the same idempotency key for another request."""


class SerialTaken(Refusal):
    """The CA has a certificate of this serial number: choose another."""


class Abandoned(Refusal):
    """The certificate was given up before it was signed: prepare another."""


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate that is to be signed. Times are milliseconds of Unix time.

    Attributes:
        ca, profile, caller: their names, of 1 to 64 characters.
        serial: 16 bytes.
        subject: as text (RFC 4514), of 1024 characters at most.
        public_key_sha256: SHA-256 of the SubjectPublicKeyInfo, 32 bytes.
        partition: of the CA's CRLs in which it will be, should it be revoked.
        idempotency_key: the caller's, of 1 to 128 characters.
        request_digest: of all that the caller asked for, 32 bytes.
        prepared: what the worker sealed, of 1 to 65,536 bytes.
    """

    ca: str
    serial: bytes
    profile: str
    caller: str
    subject: str
    public_key_sha256: bytes
    not_before_ms: int
    not_after_ms: int
    partition: int
    idempotency_key: str
    request_digest: bytes
    prepared: bytes


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a certificate is revoked, or on hold if that is the reason.

    Attributes:
        revoked_ms: since when.
        reason: why.
        invalidity_ms: since when it was no good, where that is known (section 5.3.2).
    """

    revoked_ms: int
    reason: Reason
    invalidity_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A certificate on record.

    Attributes:
        prepared: what the worker sealed, until it is issued.
        certificate: in DER, once it is issued.
        revocation: None while it is good.
        changed: which change of the CA's was the last of its revocation; 0 if there was none.
    """

    ca: str
    serial: bytes
    profile: str
    caller: str
    subject: str
    public_key_sha256: bytes
    not_before_ms: int
    not_after_ms: int
    partition: int
    state: State
    prepared: bytes | None
    certificate: bytes | None
    revocation: Revocation | None
    changed: int

    @property
    def status(self) -> Status:
        """How it is."""
        if self.state is not State.ISSUED:
            return Status(self.state)
        if self.revocation is None:
            return Status.GOOD
        on_hold = self.revocation.reason is Reason.CERTIFICATE_HOLD
        return Status.HOLD if on_hold else Status.REVOKED


def open_authority(connection: Connection, ca: str) -> None:
    """Make a CA known, which has to be before anything of it is on record."""
    if not connection.execute(select(exists().where(AUTHORITIES.c.name == ca))).scalar_one():
        connection.execute(insert(AUTHORITIES).values(name=ca, changes=0))


def prepare(connection: Connection, request: Request, now_ms: int) -> Record:
    """Put a certificate on record that is to be signed.

    Asked again with the same idempotency key, return what is on record for it.

    Raises:
        IdempotencyConflict: that was another request.
        SerialTaken: another certificate has the serial number.
    """
    # Who looks first is told by PostgreSQL that it lost, and not that a key is taken.
    known = find_by_key(connection, request.caller, request.idempotency_key, request.request_digest)
    if known is not None:
        return known
    if find(connection, request.ca, request.serial) is not None:
        raise SerialTaken
    row = connection.execute(
        insert(CERTIFICATES)
        .values(**asdict(request), state=State.PREPARED, prepared_ms=now_ms, changed=0)
        .returning(CERTIFICATES)
    ).one()
    return to_record(row)


def issue(connection: Connection, ca: str, serial: bytes, certificate: bytes, now_ms: int) -> bytes:
    """Record the signed certificate of a prepared one; return what is to be given out.

    Where two have signed at once, that is what the first of them recorded. From now on OCSP
    answers for it are due.

    Raises:
        UnknownCertificate: none was prepared.
        Abandoned: it was given up.
    """
    record = find(connection, ca, serial)
    if record is None:
        raise UnknownCertificate
    if record.certificate is not None:
        return record.certificate
    if record.state is State.ABANDONED:
        raise Abandoned
    connection.execute(
        update(CERTIFICATES)
        .where(of(ca, serial))
        .values(state=State.ISSUED, prepared=None, certificate=certificate)
    )
    connection.execute(insert(OCSP_ANSWERS).values(ca=ca, serial=serial, due_ms=now_ms))
    return certificate


def abandon_before(connection: Connection, ms: int) -> int:
    """Give up what was prepared before a time and not issued; return how many these are."""
    return connection.execute(
        update(CERTIFICATES)
        .where(IS_PREPARED, _COLUMNS.prepared_ms < ms)
        .values(state=State.ABANDONED)
    ).rowcount


def find_by_key(
    connection: Connection, caller: str, idempotency_key: str, request_digest: bytes
) -> Record | None:
    """Return what is on record for a caller's idempotency key.

    Raises:
        IdempotencyConflict: it stands for another request.
    """
    same_key = and_(_COLUMNS.caller == caller, _COLUMNS.idempotency_key == idempotency_key)
    row = connection.execute(select(CERTIFICATES).where(same_key)).one_or_none()
    if row is None:
        return None
    if row.request_digest != request_digest:
        raise IdempotencyConflict
    return to_record(row)


def find(connection: Connection, ca: str, serial: bytes) -> Record | None:
    """Return what is on record under a serial number."""
    row = connection.execute(select(CERTIFICATES).where(of(ca, serial))).one_or_none()
    return to_record(row) if row else None


def live_with_key(connection: Connection, public_key_sha256: bytes, now_ms: int) -> list[Record]:
    """Return the certificates, of any CA, that a public key has; 16 at most.

    Those are live that are prepared or issued, have not ended, and are not revoked but for
    a hold.
    """
    rows = connection.execute(
        select(CERTIFICATES)
        .where(
            _COLUMNS.public_key_sha256 == public_key_sha256,
            _COLUMNS.state != State.ABANDONED,
            _COLUMNS.not_after_ms >= now_ms,
            or_(_COLUMNS.reason.is_(None), _COLUMNS.reason == Reason.CERTIFICATE_HOLD),
        )
        .limit(MOST_LIVE)
    )
    return [to_record(row) for row in rows]


def is_compromised(connection: Connection, public_key_sha256: bytes) -> bool:
    """Tell whether a certificate of a public key was revoked since others may have its key."""
    query = exists().where(
        _COLUMNS.public_key_sha256 == public_key_sha256,
        _COLUMNS.reason.in_((Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE, Reason.AA_COMPROMISE)),
    )
    return connection.execute(select(query)).scalar_one()


def last_end(connection: Connection, ca: str, partition: int) -> int | None:
    """Return when the last certificate of a partition of the CRLs ends, in ms of Unix time."""
    of_partition = and_(_COLUMNS.ca == ca, _COLUMNS.partition == partition)
    query = select(func.max(_COLUMNS.not_after_ms)).where(of_partition)
    end: int | None = connection.execute(query).scalar_one()
    return end


def partitions_above(connection: Connection, ca: str, number: int) -> list[int]:
    """Return the partitions of the CRLs above a number that certificates have, ascending."""
    found: list[int] = []
    query = select(func.min(_COLUMNS.partition)).where(_COLUMNS.ca == ca)
    # One after the other, from an index: asked for all, a database reads every certificate.
    while (
        above := connection.execute(query.where(_COLUMNS.partition > number)).scalar()
    ) is not None:
        found.append(above)
        number = above
    return found


def of(ca: str, serial: bytes) -> ColumnElement[bool]:
    """Return the condition that a row is of this certificate."""
    return and_(_COLUMNS.ca == ca, _COLUMNS.serial == serial)


def to_record(row: Row[*tuple[object, ...]]) -> Record:
    """Return a whole row of the table."""
    return Record(
        ca=row.ca,
        serial=row.serial,
        profile=row.profile,
        caller=row.caller,
        subject=row.subject,
        public_key_sha256=row.public_key_sha256,
        not_before_ms=row.not_before_ms,
        not_after_ms=row.not_after_ms,
        partition=row.partition,
        state=State(row.state),
        prepared=row.prepared,
        certificate=row.certificate,
        revocation=to_revocation(row),
        changed=row.changed,
    )


def to_revocation(row: Row[*tuple[object, ...]]) -> Revocation | None:
    """Return what the columns of a row say of its revocation."""
    if row.revoked_ms is None:
        return None
    return Revocation(row.revoked_ms, Reason(row.reason), row.invalidity_ms)
