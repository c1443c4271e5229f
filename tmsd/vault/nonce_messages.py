"""What the worker for nonces answers: a boundary of its own, of one request.

The responder asks it, which anybody may ask over plain HTTP. What else workers are asked is neither
named here nor understood there.
"""

from typing import Annotated, ClassVar, get_args

from msgspec import Meta, Struct

from tmsd.vault.message import HEADING, Answer, Request
from tmsd.vault.worker_messages import Condition, Refused, Started, StartFailed
from tmsd.x509.ocsp import MAX_ANSWER
from tmsd.x509.ocsp_nonces import MAX_NONCE

OcspAnswer = Annotated[bytes, Meta(min_length=1, max_length=MAX_ANSWER)]


class NonceSigned(Answer, frozen=True, tag="nonce-signed"):
    """An OCSP answer in DER that has the nonce."""

    LARGEST = MAX_ANSWER + HEADING
    answer: OcspAnswer


class SignNonce(Request[NonceSigned], frozen=True, tag="sign-nonce"):
    """Sign an OCSP answer anew that a CA's responder has signed, with a nonce.

    What it says, whom of and until when is the responder's word, and nobody else's.
    """

    ANSWER = NonceSigned
    LARGEST = MAX_ANSWER + HEADING
    nonce: Annotated[bytes, Meta(min_length=1, max_length=MAX_NONCE)]
    answer: OcspAnswer


NonceAnswer = NonceSigned | Refused | Started | StartFailed | Condition


class NonceQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """The request on its way: its number, and when its asker stops waiting (monotonic clock)."""

    LARGEST: ClassVar[int] = SignNonce.LARGEST
    number: Annotated[int, Meta(ge=1, lt=2**53)]
    deadline: float
    request: SignNonce

    @property
    def largest(self) -> int:
        """How many bytes it may come to."""
        return self.LARGEST


class NonceReply(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer on its way back; number 0 is what the worker says unasked.

    There is no receipt: it says what an answer says that has one, and the token has no other key.
    """

    LARGEST: ClassVar[int] = max(kind.LARGEST for kind in get_args(NonceAnswer))
    number: Annotated[int, Meta(ge=0, lt=2**53)]
    answer: NonceAnswer

    @property
    def largest(self) -> int:
        """How many bytes one with such an answer may come to."""
        return self.answer.LARGEST
