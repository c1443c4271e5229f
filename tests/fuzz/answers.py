"""What the worker for nonces is handed: OCSP answers, from a responder that is not believed."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from tests.x509.authority import authority
from tests.x509.issuing import key_of
from tmsd.x509.ocsp import (
    AnswerRefused,
    CertId,
    CertIdDigest,
    Period,
    Responder,
    Revocation,
    Statement,
    delegated,
    issuer_id,
    sign_answer,
)
from tmsd.x509.ocsp_nonces import read_answer, require_genuine
from tmsd.x509.public_keys import KeyKind

_KEY = key_of(KeyKind.P_256, "responder")


def ocsp_answers() -> Iterator[bytes]:
    """Yield all that the responder has signed: for either hash, of a good and a revoked one."""
    for statement in _statements():
        said = (statement.certificate, statement.revocation, statement.period)
        yield sign_answer(_responder(), _KEY, *said)


def ocsp_answer(data: bytes) -> None:
    """An answer is refused, or is one that the responder has signed."""
    try:
        claimed = read_answer(data)
        genuine = require_genuine(claimed, _responder(), authority().now)
    except AnswerRefused:
        return
    assert genuine in _statements()


@cache
def _responder() -> Responder:
    ca = authority()
    return delegated(ca.issue("ocsp-signing", _KEY.public_key()), ca.certificate)


@cache
def _statements() -> list[Statement]:
    ca = authority()
    period = Period(ca.now, ca.now + timedelta(days=1))
    return [
        Statement(CertId(issuer_id(ca.certificate, digest), 7), revocation, period)
        for digest in CertIdDigest
        for revocation in (None, Revocation(ca.now))
    ]
