"""Repeating answers with nonces: what was signed before, of whom, and for how long."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags, ocsp
from hypothesis import given
from hypothesis import strategies as st
from pkilint.bin import lint_ocsp_response

from tests.x509.authority import Authority, authority
from tests.x509.issuing import key_of
from tmsd.x509.ocsp import (
    MAX_ANSWER,
    AnswerRefused,
    CertId,
    CertIdDigest,
    Period,
    Refusal,
    Responder,
    Revocation,
    Statement,
    delegated,
    issuer_id,
    sign_answer,
)
from tmsd.x509.ocsp_nonces import MAX_NONCE, read_answer, require_genuine, sign_with_nonce
from tmsd.x509.public_keys import KeyKind

CA = authority()
NOW = CA.now
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NONCE = b"n" * 32
KEY = key_of(KeyKind.P_256, "responder")
SIGNER = delegated(CA.issue("ocsp-signing", KEY.public_key()), CA.certificate)
REPEATER_KEY = key_of(KeyKind.P_256, "nonce responder")
REPEATER = delegated(CA.issue("ocsp-signing", REPEATER_KEY.public_key(), days=7), CA.certificate)
ASKED = CertId(issuer_id(CA.certificate, CertIdDigest.SHA_256), 0x1234)
GOOD = Statement(ASKED, None, Period(NOW - HOUR, NOW + DAY))


def signed(statement: Statement = GOOD) -> bytes:
    return sign_answer(SIGNER, KEY, statement.certificate, statement.revocation, statement.period)


def genuine(answer: bytes) -> Statement:
    return require_genuine(read_answer(answer), SIGNER, NOW)


def repeated(answer: bytes, nonce: bytes = NONCE) -> ocsp.OCSPResponse:
    der = sign_with_nonce(REPEATER, REPEATER_KEY, genuine(answer), nonce, NOW)
    return ocsp.load_der_ocsp_response(der)


@pytest.mark.parametrize("digest", CertIdDigest)
@pytest.mark.parametrize(
    "revocation",
    [
        None,
        *(
            Revocation(NOW - DAY, reason)
            for reason in (
                ReasonFlags.unspecified,
                ReasonFlags.certificate_hold,
                ReasonFlags.key_compromise,
            )
        ),
    ],
    ids=["good", "revoked", "held", "compromised"],
)
def test_an_answer_is_repeated_as_it_was_signed(
    digest: CertIdDigest, revocation: Revocation | None
) -> None:
    asked = CertId(issuer_id(CA.certificate, digest), 0x1234)
    statement = replace(GOOD, certificate=asked, revocation=revocation)
    assert genuine(signed(statement)) == statement
    told = repeated(signed(statement))
    assert read_again(told) == statement
    assert told.certificates == [REPEATER.certificate]
    assert told.responder_key_hash == key_hash(REPEATER)


def read_again(told: ocsp.OCSPResponse) -> Statement:
    """Return what an answer with a nonce says, as one without would."""
    reason = told.revocation_reason or ReasonFlags.unspecified
    at, end = told.revocation_time_utc, told.next_update_utc
    assert end is not None
    digest = CertIdDigest(told.hash_algorithm.name)
    assert issuer_id(CA.certificate, digest).key_hash == told.issuer_key_hash
    return Statement(
        CertId(issuer_id(CA.certificate, digest), told.serial_number),
        Revocation(at, reason) if at else None,
        Period(told.this_update_utc, end),
    )


def key_hash(responder: Responder) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(responder.certificate.public_key()).digest


@given(nonce=st.binary(min_size=1, max_size=MAX_NONCE))
def test_the_nonce_is_that_of_who_asks_and_the_only_extension(nonce: bytes) -> None:
    told = repeated(signed(), nonce)
    assert [extension.value for extension in told.extensions] == [x509.OCSPNonce(nonce)]
    assert not list(told.single_extensions)
    assert len(told.public_bytes(Encoding.DER)) <= MAX_ANSWER


def test_pkilint_finds_nothing_in_an_answer_with_a_nonce(tmp_path: Path) -> None:
    file = tmp_path / "answer.der"
    file.write_bytes(repeated(signed()).public_bytes(Encoding.DER))
    with redirect_stdout(io.StringIO()) as found:
        assert lint_ocsp_response.main(["lint", "-s", "NOTICE", str(file)]) == 0
    assert found.getvalue().strip() == ""


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.P_256, KeyKind.P_384])
def test_signer_and_repeater_may_have_keys_of_each_kind(kind: KeyKind) -> None:
    key = key_of(kind, "responder")
    signer = delegated(CA.issue("ocsp-signing", key.public_key()), CA.certificate)
    answer = read_answer(sign_answer(signer, key, ASKED, None, GOOD.period))
    statement = require_genuine(answer, signer, NOW)
    assert sign_with_nonce(signer, key, statement, NONCE, NOW)


def by_somebody_else() -> bytes:
    key = key_of(KeyKind.P_256, "somebody")
    other = delegated(CA.issue("ocsp-signing", key.public_key()), CA.certificate)
    return sign_answer(other, key, ASKED, None, GOOD.period)


def by_the_repeater() -> bytes:
    return sign_answer(REPEATER, REPEATER_KEY, ASKED, None, Period(NOW, NOW + HOUR))


def made_good() -> bytes:
    """Return the answer of a revoked certificate, with the words of one that is good."""
    good, revoked = (
        ocsp.load_der_ocsp_response(signed(replace(GOOD, revocation=told)))
        for told in (None, Revocation(NOW - DAY))
    )
    whole = good.public_bytes(Encoding.DER)
    if len(good.signature) != len(revoked.signature):
        return made_good()  # ECDSA's are of 70 to 72 bytes
    return whole.replace(good.signature, revoked.signature)


def of_another_ca() -> bytes:
    other = Authority(name="Other")
    key = key_of(KeyKind.P_256, "responder of another CA")
    responder = delegated(other.issue("ocsp-signing", key.public_key()), other.certificate)
    return sign_answer(responder, key, ASKED, None, GOOD.period)


def of_another_key_kind() -> bytes:
    key = key_of(KeyKind.RSA_2048, "responder")
    other = delegated(CA.issue("ocsp-signing", key.public_key()), CA.certificate)
    return sign_answer(other, key, ASKED, None, GOOD.period)


@pytest.mark.parametrize(
    "forged",
    [
        by_somebody_else,
        by_the_repeater,
        made_good,
        of_another_ca,
        of_another_key_kind,
    ],
)
def test_what_the_responder_has_not_signed_is_not_repeated(forged: Callable[[], bytes]) -> None:
    with pytest.raises(AnswerRefused, match="the CA's responder has not signed the answer"):
        genuine(forged())


@pytest.mark.parametrize(
    "period",
    [Period(NOW - DAY, NOW), Period(NOW + timedelta(seconds=1), NOW + DAY)],
    ids=["has run out", "is of the future"],
)
def test_an_answer_that_does_not_hold_is_not_repeated(period: Period) -> None:
    with pytest.raises(AnswerRefused, match="does not hold now"):
        genuine(signed(replace(GOOD, period=period)))


def test_an_answer_with_a_nonce_is_not_repeated_with_another() -> None:
    told = repeated(signed()).public_bytes(Encoding.DER)
    with pytest.raises(AnswerRefused, match="has no extension"):
        read_answer(told)


def answer_of(status: ocsp.OCSPCertStatus, end: datetime | None) -> bytes:
    """Return an answer as no responder of ours signs one."""
    asked = ASKED.issuer
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        *(asked.name_hash, asked.key_hash, ASKED.serial_number, SHA256(), status, NOW, end),
        revocation_time=None,
        revocation_reason=None,
    )
    named = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, SIGNER.certificate)
    return named.sign(KEY, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x30\x00",
        Refusal.TRY_LATER.der,
        answer_of(ocsp.OCSPCertStatus.GOOD, None),
        answer_of(ocsp.OCSPCertStatus.UNKNOWN, NOW + DAY),
    ],
    ids=["nothing", "no answer", "a refusal", "no end", "unknown"],
)
def test_what_is_no_answer_about_a_certificate_is_not_repeated(answer: bytes) -> None:
    with pytest.raises(AnswerRefused, match="it is no answer about a certificate"):
        read_answer(answer)


ANSWER = signed()


@given(place=st.integers(0, len(ANSWER) - 1), bit=st.integers(0, 7))
def test_one_bit_less_is_refused_or_says_the_same(place: int, bit: int) -> None:
    changed = bytearray(ANSWER)
    changed[place] ^= 1 << bit
    try:
        # The certificate that goes with an answer is not signed with it, and is not looked at.
        assert genuine(bytes(changed)) == GOOD
    except AnswerRefused:
        return


def test_an_answer_is_repeated_for_no_longer_than_the_repeaters_certificate() -> None:
    long = replace(GOOD, period=Period(NOW - HOUR, NOW + 20 * DAY))
    told = repeated(signed(long))
    assert told.next_update_utc == REPEATER.certificate.not_valid_after_utc


def test_a_repeater_whose_certificate_is_newer_than_the_answer_can_repeat_it() -> None:
    before = REPEATER.certificate.not_valid_before_utc - HOUR
    statement = replace(GOOD, period=Period(before, NOW + DAY))
    der = sign_with_nonce(REPEATER, REPEATER_KEY, statement, NONCE, NOW)
    assert ocsp.load_der_ocsp_response(der).this_update_utc == before


@pytest.mark.parametrize("days", [-2, 7])
def test_a_repeater_whose_certificate_is_not_valid_repeats_nothing(days: int) -> None:
    with pytest.raises(AnswerRefused, match="is not valid now"):
        sign_with_nonce(REPEATER, REPEATER_KEY, GOOD, NONCE, NOW + days * DAY)
