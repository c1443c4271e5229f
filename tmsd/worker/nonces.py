"""Nonces of OCSP requests (RFC 9654): the one thing that the responder has a worker do.

The responder is not believed. It hands over an answer that was signed before, and who signed that,
of which CA and until when is looked at here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hsm.token import Token
from tmsd.clock import now
from tmsd.config.cas import NonceResponder
from tmsd.errors import Code, ServiceError
from tmsd.vault import nonce_messages
from tmsd.vault.nonce_messages import NonceQuestion, NonceReply
from tmsd.worker.issuing_keys import responder_key
from tmsd.worker.keyring import Keyring
from tmsd.worker.service import Service
from tmsd.x509.ocsp import AnswerRefused, IssuerId, Responder
from tmsd.x509.ocsp_nonces import read_answer, require_genuine, sign_with_nonce


@dataclass(frozen=True, slots=True)
class Repeating:
    """How answers of a CA are repeated.

    Attributes:
        signer: who has signed them before anybody asked.
        repeater: whose certificate goes with a nonce.
        key: the repeater's.
    """

    signer: Responder
    repeater: Responder
    key: NonceResponder


@dataclass(frozen=True, slots=True)
class NonceContext:
    """What a worker for nonces works with.

    Attributes:
        token: its own, logged in.
        keyring: the keys for nonces.
        repeating: by CA, as certIDs name it.
    """

    token: Token
    keyring: Keyring
    repeating: Mapping[IssuerId, Repeating]


def sign_nonce(
    context: NonceContext, request: nonce_messages.SignNonce
) -> nonce_messages.NonceSigned:
    """Sign an answer anew, with a nonce.

    Raises:
        ServiceError: `ca-unknown`; `request-invalid`, where the CA's responder has not signed
            the answer, or it does not hold now, or the repeater's certificate does not;
            `key-missing`.
    """
    present = now()
    try:
        claimed = read_answer(request.answer)
        repeating = context.repeating.get(claimed.statement.certificate.issuer)
        if repeating is None:
            raise ServiceError(Code.CA_UNKNOWN, "no answers of this CA are repeated with nonces")
        statement = require_genuine(claimed, repeating.signer, present)
        repeater = repeating.repeater
        key = responder_key(context.keyring, repeating.key, repeater.certificate)
        signed = sign_with_nonce(repeater, key, statement, request.nonce, present)
    except AnswerRefused as refused:
        raise ServiceError(Code.REQUEST_INVALID, f"no answer: {refused}") from None
    return nonce_messages.NonceSigned(answer=signed)


SERVICE: Service[NonceContext] = Service(
    question=NonceQuestion,
    reply=NonceReply,
    answers={nonce_messages.SignNonce: sign_nonce},
)
"""What a worker for nonces is there for, and nothing else."""
