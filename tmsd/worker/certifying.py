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
from tmsd.vault import certificate_messages, message
from tmsd.worker import certificate_admission, issuing_keys, prepared
from tmsd.worker.context import Context
from tmsd.worker.prepared import Prepared
from tmsd.x509 import building, linting, requests
from tmsd.x509.building import Terms, Wanted
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import spki, spki_sha256
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.reservations import require_unreserved

SERIAL_NUMBER_LENGTH = 16
# Long enough for a front that ended before it was signed to come back and have it signed.
_PREPARED_FOR_MS = 3_600_000


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
        asked = requests.parse(request.request)
        given = {name: values for name, values in asked.fields.items() if name in profile.fields}
        wanted = building.wanted(profile, asked.public_key, given | request.fields)
        not_before, not_after = building.validity(profile, authority.issuer, now(), request.days)
        serial_number = context.token.random(SERIAL_NUMBER_LENGTH)
        terms = Terms(int.from_bytes(serial_number), not_before, not_after)
        trial = _looked_over(context, authority, wanted, terms)
    value = Prepared(
        caller=request.caller,
        ca=request.ca,
        profile=request.profile,
        public_key=spki(wanted.public_key),
        fields={name: list(values) for name, values in sorted(wanted.fields.items())},
        serial_number=serial_number,
        not_before=int(not_before.timestamp()),
        not_after=int(not_after.timestamp()),
        tbs_sha256=sha256(trial.tbs_certificate_bytes).digest(),
        expires=now_ms() + _PREPARED_FOR_MS,
    )
    return certificate_messages.PreparedCertificate(
        prepared=prepared.seal(context.keyring, version, value),
        serial_number=serial_number,
        subject=trial.subject.rfc4514_string()[: message.LONGEST_TEXT],
        public_key_sha256=spki_sha256(wanted.public_key),
        not_before=value.not_before,
        not_after=value.not_after,
        unique_key=profile.unique_key,
        left_out=sorted(asked.fields.keys() - profile.fields),
    )


def sign_certificate(
    context: Context, request: certificate_messages.SignCertificate
) -> certificate_messages.SignedCertificate:
    """Build a prepared certificate again, make sure that it is the same, and sign it in the token.

    Raises:
        ServiceError: `prepared-invalid`; `issuance-refused`, where the policy has changed
            meanwhile; `key-missing`.
    """
    value = prepared.unseal(context.keyring, request.prepared, request.caller, now_ms())
    authority, profile = certificate_admission.admitted(
        context, request.caller, value.ca, value.profile
    )
    with _refusals():
        wanted = _wanted(profile, value)
        terms = Terms(
            int.from_bytes(value.serial_number),
            datetime.fromtimestamp(value.not_before, UTC),
            datetime.fromtimestamp(value.not_after, UTC),
        )
        trial = _looked_over(context, authority, wanted, terms)
        _require_prepared(trial, value)
        built = building.builder(authority.issuer, wanted, terms)
        certificate = issuing_keys.scheme_of(authority).sign_certificate(
            built, issuing_keys.ca_key(context, authority)
        )
        linting.require_same(trial, certificate)
    return certificate_messages.SignedCertificate(
        certificate=certificate.public_bytes(Encoding.DER)
    )


def _wanted(profile: Profile, value: Prepared) -> Wanted:
    return building.wanted(profile, load_der_public_key(value.public_key), value.fields)


def _looked_over(
    context: Context, authority: Authority, wanted: Wanted, terms: Terms
) -> x509.Certificate:
    built = building.builder(authority.issuer, wanted, terms)
    issuer_key, scheme = issuing_keys.public_key_of(authority), issuing_keys.scheme_of(authority)
    trial = linting.signed_for_trial(built, issuer_key, scheme)
    linting.lint(trial, wanted.profile, authority.issuer)
    taken = certificate_admission.reserved(context.policy)
    require_unreserved(trial, authority.certificate, taken)
    return trial


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
