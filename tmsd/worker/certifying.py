"""Certificates: built and looked over by one message, signed by another; one function per message.

Whoever asks, what is signed comes from a profile of this process's own policy. Between the two
messages the front puts on record what will be signed, so that no signature is unrecorded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from tmsd.clock import now, now_ms
from tmsd.config.authorities import Authority
from tmsd.errors import Code, ServiceError
from tmsd.quorum import canonical
from tmsd.quorum.certificate_approval import Draft, require_request_for
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.request import Request
from tmsd.vault import certificate_messages, message
from tmsd.worker import (
    certificate_admission,
    certificate_approval,
    issuing_keys,
    possession,
    prepared,
)
from tmsd.worker.context import Context
from tmsd.worker.prepared import Prepared
from tmsd.x509 import building, crosses, linting
from tmsd.x509.building import Issuer, Terms, Wanted
from tmsd.x509.crosses import Crossing
from tmsd.x509.distribution import partition_of
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import spki, spki_sha256
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.reservations import require_unreserved
from tmsd.x509.templates import Fields

SERIAL_NUMBER_LENGTH = 16
# Long enough for a front that ended before it was signed to come back and have it signed.
_PREPARED_FOR_MS = 3_600_000


def draft_certificate(
    context: Context, request: certificate_messages.DraftCertificate
) -> certificate_messages.DraftedCertificate:
    """Build a certificate for the officers who have to approve it.

    Raises:
        ServiceError: as prepare_certificate does.
    """
    authority, profile = certificate_admission.admitted(
        context, request.caller, request.ca, request.profile
    )
    with _refusals():
        governed = certificate_approval.asked_quorum(context, profile)
        asked = possession.proven(context, profile, request).asked
        terms = _new_terms(context, authority, asked, request.days)
        trial = _looked_over(context, authority, _partition(authority, terms), asked, terms)
    return certificate_messages.DraftedCertificate(
        certificate=trial.public_bytes(Encoding.DER),
        quorum=canonical.encode(governed.quorum),
        policy_version=governed.policy.version,
    )


def prepare_certificate(
    context: Context, request: certificate_messages.PrepareCertificate
) -> certificate_messages.PreparedCertificate:
    """Build a certificate, have it signed by a throw-away key, and look it over.

    Raises:
        ServiceError: `ca-unknown`, `profile-not-allowed`, or `issuance-refused` with the
            name of the rule.
    """
    authority, profile = certificate_admission.admitted(
        context, request.caller, request.ca, request.profile
    )
    version = prepared.key_version(context)
    with _refusals():
        approved = certificate_approval.approved(context, profile, request.approval)
        proven = possession.proven(context, profile, request)
        asked = proven.asked
        if approved is None:
            terms = _new_terms(context, authority, asked, request.days)
        else:
            at_most = _validity(asked, authority.issuer, None)
            terms = certificate_approval.approved_terms(approved, at_most)
        partition = _partition(authority, terms)
        trial = _looked_over(context, authority, partition, asked, terms)
        _require_approved(approved, Draft(request.ca, request.profile, trial))
    serial_number = _serial_number(terms)
    value = Prepared(
        caller=request.caller,
        ca=request.ca,
        profile=request.profile,
        public_key=spki(asked.public_key),
        crossed=asked.crossed.public_bytes(Encoding.DER) if isinstance(asked, Crossing) else b"",
        fields={} if isinstance(asked, Crossing) else _sorted(asked.fields),
        serial_number=serial_number,
        partition=partition,
        not_before=int(terms.not_before.timestamp()),
        not_after=int(terms.not_after.timestamp()),
        tbs_sha256=sha256(trial.tbs_certificate_bytes).digest(),
        expires=now_ms() + _PREPARED_FOR_MS,
    )
    return certificate_messages.PreparedCertificate(
        prepared=prepared.seal(context.keyring, version, value),
        serial_number=serial_number,
        subject=trial.subject.rfc4514_string()[: message.LONGEST_TEXT],
        public_key_sha256=spki_sha256(asked.public_key),
        not_before=value.not_before,
        not_after=value.not_after,
        partition=partition,
        # A cross-certificate is for a key that has a certificate already.
        unique_key=profile.unique_key and not isinstance(asked, Crossing),
        left_out=list(proven.left_out),
        card=proven.card,
    )


def sign_certificate(
    context: Context, request: certificate_messages.SignCertificate
) -> certificate_messages.SignedCertificate:
    """Build a prepared certificate again, make sure that it is the same, and sign it in the token.

    Raises:
        ServiceError: `prepared-invalid`; `issuance-refused`, where the policy has changed
            meanwhile, or the quorum has not approved it; `key-missing`.
    """
    value = prepared.unseal(context.keyring, request.prepared, request.caller, now_ms())
    authority, profile = certificate_admission.admitted(
        context, request.caller, value.ca, value.profile
    )
    with _refusals():
        approved = certificate_approval.approved(context, profile, request.approval)
        asked = _asked(profile, value)
        terms = Terms(
            int.from_bytes(value.serial_number),
            datetime.fromtimestamp(value.not_before, UTC),
            datetime.fromtimestamp(value.not_after, UTC),
        )
        trial = _looked_over(context, authority, value.partition, asked, terms)
        _require_prepared(trial, value)
        _require_approved(approved, Draft(value.ca, value.profile, trial))
        built = _built(authority.issuer_in(value.partition), asked, terms)
        certificate = issuing_keys.scheme_of(authority).sign_certificate(
            built, issuing_keys.ca_key(context, authority)
        )
        linting.require_same(trial, certificate)
    return certificate_messages.SignedCertificate(
        certificate=certificate.public_bytes(Encoding.DER)
    )


def _asked(profile: Profile, value: Prepared) -> Wanted | Crossing:
    """Return what was asked for when it was prepared."""
    if value.crossed:
        return Crossing(profile, x509.load_der_x509_certificate(value.crossed))
    return building.wanted(profile, load_der_public_key(value.public_key), value.fields)


def _new_terms(
    context: Context, authority: Authority, asked: Wanted | Crossing, days: int | None
) -> Terms:
    not_before, not_after = _validity(asked, authority.issuer, days)
    serial_number = context.token.random(SERIAL_NUMBER_LENGTH)
    return Terms(int.from_bytes(serial_number), not_before, not_after)


def _serial_number(terms: Terms) -> bytes:
    return terms.serial_number.to_bytes(SERIAL_NUMBER_LENGTH)


def _partition(authority: Authority, terms: Terms) -> int:
    return partition_of(_serial_number(terms), authority.table.crl_partitions)


def _validity(
    asked: Wanted | Crossing, issuer: Issuer, days: int | None
) -> tuple[datetime, datetime]:
    if isinstance(asked, Crossing):
        return crosses.crossed_validity(asked, issuer, now(), days)
    return building.validity(asked.profile, issuer, now(), days)


def _built(issuer: Issuer, asked: Wanted | Crossing, terms: Terms) -> x509.CertificateBuilder:
    if isinstance(asked, Crossing):
        return crosses.cross_builder(issuer, asked, terms)
    return building.builder(issuer, asked, terms)


def _looked_over(
    context: Context,
    authority: Authority,
    partition: int,
    asked: Wanted | Crossing,
    terms: Terms,
) -> x509.Certificate:
    issuer = authority.issuer_in(partition)
    built = _built(issuer, asked, terms)
    issuer_key, scheme = issuing_keys.public_key_of(authority), issuing_keys.scheme_of(authority)
    trial = linting.signed_for_trial(built, issuer_key, scheme)
    linting.lint(trial, asked.profile, issuer)
    taken = certificate_admission.reserved(context.policy)
    require_unreserved(trial, authority.certificate, taken)
    return trial


def _sorted(fields: Fields) -> dict[str, list[str]]:
    return {name: list(values) for name, values in sorted(fields.items())}


def _require_approved(approved: Request | None, draft: Draft) -> None:
    if approved is not None:
        require_request_for(approved, draft)


def _require_prepared(trial: x509.Certificate, value: Prepared) -> None:
    if sha256(trial.tbs_certificate_bytes).digest() != value.tbs_sha256:
        raise CertificateRefused(
            Rule.CERTIFICATE_DIFFERS, "the policy has changed since it was prepared"
        )


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell of a rule that was broken in the words of the API."""
    try:
        yield
    except CertificateRefused as refused:
        pointer = None if refused.field is None else f"/fields/{refused.field}"
        raise ServiceError(
            Code.ISSUANCE_REFUSED,
            str(refused),
            pointer="/days" if refused.field == "days" else pointer,
        ) from None
    except ApprovalRefused as refused:
        raise ServiceError(Code.ISSUANCE_REFUSED, str(refused)) from None
