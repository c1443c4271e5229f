"""What relying parties read: CRLs and OCSP answers; one function per message.

Which certificates are revoked is the front's word. A front that lies can tell a wrong status of a
certificate, and have nothing else signed by a CA's or a responder's key.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.clock import now
from tmsd.config.authorities import Authority
from tmsd.config.callers import APPLIANCE
from tmsd.config.cas import Ca
from tmsd.errors import Code, ServiceError
from tmsd.vault import certificate_messages
from tmsd.vault.certificate_messages import MAX_CRL_ENTRIES
from tmsd.vault.revoked_entries import unpack
from tmsd.worker import certificate_admission, issuing_keys
from tmsd.worker.context import Context
from tmsd.x509 import crl, ocsp
from tmsd.x509.distribution import WHOLE, crl_url
from tmsd.x509.ocsp import CertId, CertIdDigest, Period, Revocation


def sign_crl(
    context: Context, request: certificate_messages.SignCrl
) -> certificate_messages.SignedCrl:
    """Build a CRL, whole, of a partition, or delta, and sign it.

    Raises:
        ServiceError: `ca-unknown`, `caller-unknown`, `key-missing`; `request-invalid`, where the
            entries are none.
    """
    authority = _authority(context, request.caller, request.ca)
    present = now().replace(microsecond=0)
    is_delta = request.base_number is not None
    good_for = authority.table.crl_lasts(is_delta=is_delta)
    heading = crl.Heading(
        number=request.number,
        this_update=present,
        next_update=present + good_for,
        scope=_scope(authority.table, request.partition),
        base_number=request.base_number,
        delta_url=None if is_delta else _delta_url(authority.table, request.partition),
    )
    bounds = crl.Bounds(present, good_for, MAX_CRL_ENTRIES)
    try:
        built = crl.builder(authority.issuer, heading, _entries(request.entries), bounds)
    except (crl.CrlRefused, ValueError, OverflowError) as error:
        raise ServiceError(Code.REQUEST_INVALID, f"no CRL: {error}") from None
    scheme = issuing_keys.scheme_of(authority)
    signed = scheme.sign_crl(built, issuing_keys.ca_key(context, authority))
    return certificate_messages.SignedCrl(crl=signed.public_bytes(Encoding.DER))


def sign_statuses(
    context: Context, request: certificate_messages.SignStatuses
) -> certificate_messages.SignedStatuses:
    """Sign OCSP answers for certificates of a CA.

    They hold no longer than the responder's certificate.

    Raises:
        ServiceError: `ca-unknown`, `caller-unknown`, `key-missing`; `request-invalid`, where a
            status is none, or the responder's certificate has ended.
    """
    authority = _authority(context, request.caller, request.ca)
    if authority.responder is None or authority.table.ocsp is None:
        raise ServiceError(Code.REQUEST_INVALID, f"{request.ca} has no responder")
    present = now().replace(microsecond=0)
    good_until = present + timedelta(hours=authority.table.ocsp.hours)
    period = Period(present, min(good_until, authority.responder.not_valid_after_utc))
    key = issuing_keys.responder_key(context.keyring, authority.table.ocsp, authority.responder)
    try:
        responder = ocsp.delegated(authority.responder, authority.certificate)
        answers = {
            digest: [
                ocsp.sign_answer(
                    responder, key, _cert_id(authority, digest, status), _revocation(status), period
                )
                for status in request.statuses
            ]
            for digest in CertIdDigest
        }
    except (ocsp.AnswerRefused, ValueError, OverflowError) as error:
        raise ServiceError(Code.REQUEST_INVALID, f"no answer: {error}") from None
    return certificate_messages.SignedStatuses(
        this_update=int(period.this_update.timestamp()),
        next_update=int(period.next_update.timestamp()),
        by_sha1=answers[CertIdDigest.SHA_1],
        by_sha256=answers[CertIdDigest.SHA_256],
    )


def _authority(context: Context, caller: str, ca: str) -> Authority:
    if caller != APPLIANCE:
        raise ServiceError(Code.CALLER_UNKNOWN, "callers do not sign what relying parties read")
    return certificate_admission.authority_of(context, ca)


def _scope(ca: Ca, partition: int) -> crl.Scope:
    """Return what a CRL says that it is of: the same place that certificates of it name."""
    if partition == WHOLE:
        return crl.WHOLE
    if ca.crl_url is None:
        raise ServiceError(
            Code.REQUEST_INVALID, f"no CRL: {ca.name} has no crl_url for its partitions"
        )
    urls = (ca.crl_url, *ca.crl_former_urls)
    return crl.Scope(tuple(crl_url(url, partition) for url in urls))


def _delta_url(ca: Ca, partition: int) -> str | None:
    """Return where a complete CRL says that its deltas are; None where none come by themselves."""
    if ca.crl_url is None or ca.crl_delta_minutes is None:
        return None
    return crl_url(ca.crl_url, partition, is_delta=True)


def _entries(packed: bytes) -> Iterator[crl.Entry]:
    for entry in unpack(packed):
        since = entry.invalid_since
        yield crl.Entry(
            serial_number=int.from_bytes(entry.serial_number),
            revoked_at=datetime.fromtimestamp(entry.revoked_at, UTC),
            reason=x509.ReasonFlags(entry.reason),
            invalid_since=None if since is None else datetime.fromtimestamp(since, UTC),
        )


def _cert_id(
    authority: Authority, digest: CertIdDigest, status: certificate_messages.Status
) -> CertId:
    issuer = ocsp.issuer_id(authority.certificate, digest)
    return CertId(issuer, int.from_bytes(status.serial_number))


def _revocation(status: certificate_messages.Status) -> Revocation | None:
    if status.revoked_at is None:
        return None
    reason = x509.ReasonFlags(status.reason or "unspecified")
    return Revocation(datetime.fromtimestamp(status.revoked_at, UTC), reason)
