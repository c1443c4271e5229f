"""Answers with the nonce of who asks (RFC 9654): what was signed before is signed once more.

Who holds the key for that believes nobody. It repeats what the CA's responder has signed, while
that holds, so that nobody who asks can make up how a certificate is, or for how long.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509 import ocsp

from tmsd.x509.ocsp import (
    AnswerRefused,
    OcspRefused,
    Period,
    Responder,
    Revocation,
    Statement,
    answer_builder,
    cert_id_of,
    public_key_of,
    signed,
)
from tmsd.x509.signature import scheme_for

MAX_NONCE = 128
"""The longest nonce, in bytes (RFC 9654, 2.1); the shortest has one."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An answer from somebody who is not believed, and what it says."""

    answer: ocsp.OCSPResponse
    statement: Statement


def read_answer(der: bytes) -> Claimed:
    """Return what an answer says, which need not be so.

    Raises:
        AnswerRefused: it is none that a responder of ours signs before anybody asks.
    """
    try:
        answer = ocsp.load_der_ocsp_response(der)
        statement = _statement(answer)
        is_bare = not list(answer.extensions) and not list(answer.single_extensions)
    except (ValueError, UnsupportedAlgorithm, OcspRefused) as error:
        raise AnswerRefused(f"it is no answer about a certificate: {error}") from None
    if not is_bare:
        raise AnswerRefused("an answer that is signed before anybody asks has no extension")
    return Claimed(answer, statement)


def require_genuine(claimed: Claimed, responder: Responder, present: datetime) -> Statement:
    """Return what an answer says, once it is shown to be so.

    Args:
        claimed: the answer.
        responder: who must have signed it.
        present: when it must hold.

    Raises:
        AnswerRefused: somebody else signed it, or it does not hold.
    """
    period = claimed.statement.period
    if not period.this_update <= present < period.next_update:
        raise AnswerRefused("the answer does not hold now")
    key = public_key_of(responder)
    try:
        scheme_for(key).verify(key, claimed.answer.signature, claimed.answer.tbs_response_bytes)
    except InvalidSignature:
        raise AnswerRefused("the CA's responder has not signed the answer") from None
    return claimed.statement


def sign_with_nonce(
    responder: Responder,
    key: CertificateIssuerPrivateKeyTypes,
    statement: Statement,
    nonce: bytes,
    present: datetime,
) -> bytes:
    """Return a signed answer (DER) that says the same, and has a nonce.

    It holds no longer than the certificate of who signs it.

    Args:
        responder: whose certificate goes with the answer.
        key: the responder's.
        statement: what was signed before.
        nonce: of who asks, 1 to `MAX_NONCE` bytes.
        present: when it is signed.

    Raises:
        AnswerRefused: the responder's certificate is not valid.
    """
    certificate, period = responder.certificate, statement.period
    if not certificate.not_valid_before_utc <= present < certificate.not_valid_after_utc:
        raise AnswerRefused("the certificate of the nonce responder is not valid now")
    end = min(period.next_update, certificate.not_valid_after_utc)
    bounded = replace(statement, period=Period(period.this_update, end))
    bare = answer_builder(responder, bounded)
    unsigned = bare.add_extension(x509.OCSPNonce(nonce), critical=False)
    return signed(unsigned, responder, key)


def _statement(answer: ocsp.OCSPResponse) -> Statement:
    if answer.next_update_utc is None:
        raise ValueError("it has no nextUpdate")
    revocation = None
    if answer.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        if answer.revocation_time_utc is None:
            raise ValueError("it is neither good nor revoked")
        reason = answer.revocation_reason or x509.ReasonFlags.unspecified
        revocation = Revocation(answer.revocation_time_utc, reason)
    period = Period(answer.this_update_utc, answer.next_update_utc)
    return Statement(cert_id_of(answer), revocation, period)
