"""OCSP: what requests ask, what answers say, and what neither may."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags, ocsp
from hypothesis import given
from hypothesis import strategies as st

from tests.x509.authority import Authority, authority
from tests.x509.issuing import key_of
from tmsd.x509.ocsp import (
    MAX_REQUEST,
    AnswerRefused,
    Asked,
    CertId,
    CertIdDigest,
    OcspRefused,
    Period,
    Refusal,
    Revocation,
    delegated,
    issuer_id,
    parse_request,
    period_of,
    sign_answer,
)
from tmsd.x509.public_keys import KeyKind

CA = authority()
NOW = CA.now
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
PERIOD = Period(NOW, NOW + DAY)
KEY = key_of(KeyKind.P_256, "responder")
RESPONDER = delegated(CA.issue("ocsp-signing", KEY.public_key()), CA.certificate)
ASKED = CertId(issuer_id(CA.certificate, CertIdDigest.SHA_256), 0x1234)
REVOKING = [
    reason
    for reason in ReasonFlags
    if reason not in (ReasonFlags.unspecified, ReasonFlags.remove_from_crl)
]

serial_numbers = st.integers(1, (1 << 159) - 1)


def request(asked: CertId = ASKED, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    named = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        asked.issuer.name_hash,
        asked.issuer.key_hash,
        asked.serial_number,
        asked.issuer.digest.algorithm,
    )
    for extension, critical in extensions:
        named = named.add_extension(extension, critical)
    return named.build().public_bytes(Encoding.DER)


def refusal(der: bytes) -> Refusal:
    with pytest.raises(OcspRefused) as refused:
        parse_request(der)
    return refused.value.refusal


def answer(
    revocation: Revocation | None = None, period: Period = PERIOD, asked: CertId = ASKED
) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(sign_answer(RESPONDER, KEY, asked, revocation, period))


# Requests


@pytest.mark.parametrize("digest", CertIdDigest)
@given(serial=serial_numbers)
def test_a_request_asks_about_the_certificate_that_it_names(
    digest: CertIdDigest, serial: int
) -> None:
    asked = CertId(issuer_id(CA.certificate, digest), serial)
    assert parse_request(request(asked)) == Asked(asked)


@pytest.mark.parametrize("digest", CertIdDigest)
def test_a_ca_has_its_own_name_and_key_and_not_those_of_its_issuer(digest: CertIdDigest) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subordinate = CA.issue("subordinate-ca", key.public_key())
    held = x509.CertificateBuilder(
        subordinate.subject, subordinate.subject, key.public_key(), 17, NOW, NOW + DAY
    ).sign(key, hashes.SHA256())
    asked = ocsp.OCSPRequestBuilder().add_certificate(held, subordinate, digest.algorithm).build()
    named = parse_request(asked.public_bytes(Encoding.DER)).certificate.issuer
    assert named == issuer_id(subordinate, digest)
    assert named != issuer_id(CA.certificate, digest)


@pytest.mark.parametrize("nonce", [b"", b"n", b"n" * 32, b"n" * 129])
def test_a_nonce_is_read_whatever_its_length(nonce: bytes) -> None:
    for critical in (False, True):
        der = request(ASKED, (x509.OCSPNonce(nonce), critical))
        assert parse_request(der) == Asked(ASKED, nonce)


def test_an_unknown_extension_is_passed_over_unless_it_is_critical() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert parse_request(request(ASKED, (unknown, False))) == Asked(ASKED)
    assert refusal(request(ASKED, (unknown, True))) is Refusal.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "der",
    [b"", b"\x30", b"\x30\x00", b"GET / HTTP/1.1", request()[:-1], request() + b"\x00"],
    ids=["nothing", "a tag", "an empty sequence", "text", "cut off", "followed by something"],
)
def test_what_is_no_request_is_malformed(der: bytes) -> None:
    assert refusal(der) is Refusal.MALFORMED_REQUEST


def test_a_request_has_4_kib_at_most() -> None:
    def padded(length: int) -> bytes:
        oid = x509.ObjectIdentifier("1.2.3.4")
        return request(ASKED, (x509.UnrecognizedExtension(oid, b"\x00" * length), False))

    most = next(n for n in range(3800, MAX_REQUEST) if len(padded(n)) == MAX_REQUEST)
    assert parse_request(padded(most)) == Asked(ASKED)
    assert refusal(padded(most + 1)) is Refusal.MALFORMED_REQUEST


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA384(), hashes.SHA512()])
def test_no_answer_is_made_for_other_hashes(algorithm: hashes.HashAlgorithm) -> None:
    asked = ocsp.OCSPRequestBuilder().add_certificate(CA.certificate, CA.certificate, algorithm)
    der = asked.build().public_bytes(Encoding.DER)
    assert refusal(der) is Refusal.UNAUTHORIZED


@pytest.mark.parametrize("serial", [0, 1 << 159, 1 << 4000])
def test_a_serial_number_that_no_certificate_has_is_unauthorized(serial: int) -> None:
    assert refusal(request(replace(ASKED, serial_number=serial))) is Refusal.UNAUTHORIZED


def test_a_negative_serial_number_is_unauthorized() -> None:
    negative = request().replace(b"\x02\x02\x12\x34", b"\x02\x02\x92\x34")
    assert negative != request()
    assert refusal(negative) is Refusal.UNAUTHORIZED


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(OcspRefused):
        assert request(parse_request(data).certificate)


# Answers


@pytest.mark.parametrize("digest", CertIdDigest)
@given(serial=serial_numbers, seconds=st.integers(1, 10**6))
def test_an_answer_is_about_what_was_asked_and_says_how_long_it_holds(
    digest: CertIdDigest, serial: int, seconds: int
) -> None:
    issuer = issuer_id(CA.certificate, digest)
    period = Period(NOW, NOW + timedelta(seconds=seconds))
    told = answer(None, period, CertId(issuer, serial))
    assert told.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert told.serial_number == serial
    assert told.hash_algorithm.name == digest.value
    assert (told.issuer_name_hash, told.issuer_key_hash) == (issuer.name_hash, issuer.key_hash)
    assert (told.this_update_utc, told.next_update_utc) == (period.this_update, period.next_update)
    assert period_of(sign_answer(RESPONDER, KEY, ASKED, None, period)) == period


@pytest.mark.parametrize("reason", REVOKING)
def test_an_answer_says_since_when_and_why_a_certificate_is_revoked(reason: ReasonFlags) -> None:
    told = answer(Revocation(NOW - DAY, reason))
    assert told.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert told.revocation_time_utc == NOW - DAY
    assert told.revocation_reason is reason


def test_no_reason_is_said_where_it_is_unspecified() -> None:
    told = answer(Revocation(NOW))
    assert told.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert told.revocation_reason is None


def test_an_answer_names_its_responder_by_key_and_brings_its_certificate() -> None:
    told = answer()
    own = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    assert told.responder_key_hash == own.digest
    assert told.responder_name is None
    assert told.certificates == [RESPONDER.certificate]
    assert isinstance(KEY, ec.EllipticCurvePrivateKey)
    signed_with = ec.ECDSA(hashes.SHA256())
    KEY.public_key().verify(told.signature, told.tbs_response_bytes, signed_with)


def test_an_answer_never_holds_a_nonce_or_another_extension() -> None:
    told = answer()
    assert not list(told.extensions)
    assert not list(told.single_extensions)


@pytest.mark.parametrize(
    "period",
    [
        Period(NOW, NOW),
        Period(NOW, NOW - SECOND),
        Period(NOW - 2 * DAY, NOW),
        Period(NOW, NOW + 31 * DAY),
    ],
    ids=["no time", "backwards", "before the responder", "after the responder"],
)
def test_an_answer_holds_for_a_time_within_the_validity_of_its_responder(period: Period) -> None:
    with pytest.raises(AnswerRefused):
        answer(None, period)


@pytest.mark.parametrize(
    "revocation",
    [Revocation(NOW + SECOND), Revocation(NOW - DAY, ReasonFlags.remove_from_crl)],
    ids=["in the future", "a released hold"],
)
def test_a_revocation_that_is_none_is_not_told(revocation: Revocation) -> None:
    with pytest.raises(AnswerRefused):
        answer(revocation)


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.P_256, KeyKind.P_384])
def test_a_responder_may_have_a_key_of_each_kind_of_its_profile(kind: KeyKind) -> None:
    key = key_of(kind, "responder")
    responder = delegated(CA.issue("ocsp-signing", key.public_key()), CA.certificate)
    assert period_of(sign_answer(responder, key, ASKED, None, PERIOD)) == PERIOD


def _foreign() -> x509.Certificate:
    return Authority(name="Other").issue("ocsp-signing")


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (CA.certificate, "has no extended key usage"),
        (CA.issue("tls-client"), "must be for OCSP signing"),
        (_foreign(), "the CA itself must have issued"),
    ],
    ids=["the CA", "a client", "of another CA"],
)
def test_a_ca_delegates_answering_by_a_certificate_for_it(
    certificate: x509.Certificate, words: str
) -> None:
    with pytest.raises(AnswerRefused, match=words):
        delegated(certificate, CA.certificate)


# Refusals


@pytest.mark.parametrize("told", Refusal)
def test_a_refusal_is_an_answer_with_a_status_alone(told: Refusal) -> None:
    read = ocsp.load_der_ocsp_response(told.der)
    assert read.response_status is told.value
    assert len(told.der) == 5


def test_a_refusal_holds_at_no_time() -> None:
    with pytest.raises(ValueError, match="status"):
        period_of(Refusal.TRY_LATER.der)
