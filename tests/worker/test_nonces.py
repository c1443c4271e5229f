"""The worker for nonces: a real token with its key alone, and a responder that is not believed."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import given, settings

from hsm.errors import TokenLost
from hsm.key_pairs import destroy_key_pair, generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tests.vault.samples import QUESTIONS
from tests.x509.authority import Authority, authority
from tests.x509.issuing import key_of
from tmsd.config.cas import NonceResponder
from tmsd.errors import Code, ServiceError
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.messages import Question
from tmsd.vault.nonce_messages import NonceQuestion, NonceReply, SignNonce
from tmsd.vault.worker_messages import Refused
from tmsd.worker.generations import Generations
from tmsd.worker.keyring import Keyring, PairName
from tmsd.worker.nonces import SERVICE, NonceContext, Repeating, sign_nonce
from tmsd.worker.serving import serve
from tmsd.x509.ocsp import CertId, CertIdDigest, Period, delegated, issuer_id, sign_answer
from tmsd.x509.public_keys import KeyKind

CA = authority()
SIGNER_KEY = key_of(KeyKind.P_256, "responder")
REPEATER = KeyReference("a nonce responder", 1)
NONCE = b"n" * 32
FAR_AWAY = 3600.0


@pytest.fixture(scope="module")
def context(hsm_token: Token) -> Iterator[NonceContext]:
    """A worker's, whose CA has its responder's key elsewhere."""
    pair = generate_key_pair(hsm_token, REPEATER, KeyPairAlgorithm.P256)
    keyring = Keyring(hsm_token)
    keyring.look_for([PairName(REPEATER)])
    certificates = [
        CA.issue("ocsp-signing", key) for key in (SIGNER_KEY.public_key(), pair.public_key)
    ]
    signer, repeater = (delegated(each, CA.certificate) for each in certificates)
    table = NonceResponder.model_construct(label=REPEATER.label, version=REPEATER.version)
    repeating = Repeating(signer, repeater, table)
    cas = {issuer_id(CA.certificate, digest): repeating for digest in CertIdDigest}
    yield NonceContext(hsm_token, keyring, cas)
    destroy_key_pair(hsm_token, REPEATER)


def signed(ca: Authority = CA, minutes: int = 60) -> bytes:
    """Return an answer that the CA's responder has signed, until so many minutes from now."""
    responder = delegated(ca.issue("ocsp-signing", SIGNER_KEY.public_key()), ca.certificate)
    period = Period(ca.now - timedelta(minutes=10), ca.now + timedelta(minutes=minutes))
    asked = CertId(issuer_id(ca.certificate, CertIdDigest.SHA_1), 7)
    return sign_answer(responder, SIGNER_KEY, asked, None, period)


def told(context: NonceContext, answer: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(sign_nonce(context, SignNonce(NONCE, answer)).answer)


def code(context: NonceContext, answer: bytes) -> Code:
    with pytest.raises(ServiceError) as refused:
        sign_nonce(context, SignNonce(NONCE, answer))
    return refused.value.code


def replies_to(context: NonceContext, written: bytes) -> list[NonceReply]:
    """Let a worker read what was written, and return what it says until it ends."""

    def reopen(*_: object) -> NonceContext:
        raise TokenLost("it stays away")

    here, there = socket.socketpair()
    with there:
        with here:
            there.sendall(written)
            there.shutdown(socket.SHUT_WR)
            serve(here, Generations(context, reopen), SERVICE)
        received = b"".join(iter(lambda: there.recv(65536), b""))
    return FrameReader(NonceReply).feed(received)


def question(number: int, answer: bytes) -> bytes:
    request = SignNonce(NONCE, answer)
    return encode(NonceQuestion(number, time.monotonic() + FAR_AWAY, request))


def test_what_the_responder_has_signed_is_repeated_with_the_nonce(context: NonceContext) -> None:
    answer = told(context, signed())
    assert [extension.value for extension in answer.extensions] == [x509.OCSPNonce(NONCE)]
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.serial_number == 7


def test_what_it_has_not_signed_is_refused(context: NonceContext) -> None:
    own = sign_nonce(context, SignNonce(NONCE, signed())).answer
    by_another = replace(
        context,
        repeating={
            name: replace(each, signer=each.repeater) for name, each in context.repeating.items()
        },
    )
    assert code(context, own) is Code.REQUEST_INVALID
    assert code(context, b"0") is Code.REQUEST_INVALID
    assert code(context, signed(minutes=-1)) is Code.REQUEST_INVALID  # it has run out
    assert code(by_another, signed()) is Code.REQUEST_INVALID


def test_the_answers_of_another_ca_are_refused(context: NonceContext) -> None:
    assert code(context, signed(Authority(name="Other"))) is Code.CA_UNKNOWN


def test_a_key_that_is_not_that_of_the_certificate_is_missing(context: NonceContext) -> None:
    other = delegated(CA.issue("ocsp-signing", SIGNER_KEY.public_key()), CA.certificate)
    wrong = {name: replace(each, repeater=other) for name, each in context.repeating.items()}
    assert code(replace(context, repeating=wrong), signed()) is Code.KEY_MISSING


def test_each_question_is_answered_over_the_socket_without_a_receipt(context: NonceContext) -> None:
    first, refused, second = replies_to(
        context, question(5, signed()) + question(6, b"0") + question(7, signed())
    )
    assert (first.number, refused.number, second.number) == (5, 6, 7)
    assert type(first.answer) is type(second.answer) is SignNonce.ANSWER
    assert isinstance(refused.answer, Refused)
    assert refused.answer.detail.startswith("no answer: ")


@settings(max_examples=30)
@given(asked=QUESTIONS)
def test_what_other_workers_are_asked_is_no_question(asked: Question) -> None:
    with pytest.raises(FrameError):
        FrameReader(NonceQuestion).feed(encode(asked))


def test_a_token_without_keys_of_the_daemon_is_probed_by_the_key_for_nonces(
    hsm_token: Token,
) -> None:
    reference = KeyReference("a nonce responder for a moment", 1)
    generate_key_pair(hsm_token, reference, KeyPairAlgorithm.P256)
    keyring = Keyring(hsm_token)
    with pytest.raises(TokenLost):
        keyring.probe()
    keyring.look_for([PairName(reference)])
    keyring.probe()
    destroy_key_pair(hsm_token, reference)
    with pytest.raises(TokenLost):
        keyring.probe()
