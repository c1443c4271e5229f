"""The security boundary: every request that a worker answers, and every answer, bounded.

The set is closed: tmsd/worker answers exactly these, and a test checks that none is missing or
extra. Decoding checks every type and length again, whoever sent it, and refuses unknown fields.
What a worker reads from its own policy, no message names.
"""

from typing import Annotated, ClassVar, get_args

from msgspec import Meta, Struct

from tmsd.vault.card_messages import (
    ChallengeIssued,
    ChannelOpened,
    CommandsWrapped,
    ConfirmPutKey,
    CryptogramVerified,
    DataEncrypted,
    DeliverKeys,
    DescribeKeySet,
    EncryptData,
    IssueChallenge,
    KeysDelivered,
    KeySetDescribed,
    MakeRandom,
    OpenChannel,
    PutKey,
    PutKeyConfirmed,
    PutKeyMade,
    RandomMade,
    ResponsesUnwrapped,
    UnwrapResponses,
    VerifyCryptogram,
    WrapCommands,
)
from tmsd.vault.certificate_messages import (
    DraftCertificate,
    DraftedCertificate,
    PrepareCertificate,
    PreparedCertificate,
    SignCertificate,
    SignCrl,
    SignedCertificate,
    SignedCrl,
    SignedStatuses,
    SignStatuses,
)
from tmsd.vault.dogtag_messages import (
    ChallengeEncrypted,
    EncryptChallenge,
    KeySetDataMade,
    MakeKeySetData,
    MakeScp02Key,
    MakeSessionKeys,
    Scp02KeyMade,
    SessionKeysMade,
)
from tmsd.vault.worker_messages import Condition, Receipt, Refused, Started, StartFailed

AnyRequest = (
    IssueChallenge
    | OpenChannel
    | DeliverKeys
    | VerifyCryptogram
    | WrapCommands
    | UnwrapResponses
    | PutKey
    | ConfirmPutKey
    | EncryptData
    | MakeRandom
    | DescribeKeySet
    | MakeSessionKeys
    | MakeScp02Key
    | MakeKeySetData
    | EncryptChallenge
    | DraftCertificate
    | PrepareCertificate
    | SignCertificate
    | SignCrl
    | SignStatuses
)
AnyAnswer = (
    ChallengeIssued
    | ChannelOpened
    | KeysDelivered
    | CryptogramVerified
    | CommandsWrapped
    | ResponsesUnwrapped
    | PutKeyMade
    | PutKeyConfirmed
    | DataEncrypted
    | RandomMade
    | KeySetDescribed
    | SessionKeysMade
    | Scp02KeyMade
    | KeySetDataMade
    | ChallengeEncrypted
    | DraftedCertificate
    | PreparedCertificate
    | SignedCertificate
    | SignedCrl
    | SignedStatuses
    | Refused
    | Started
    | StartFailed
    | Condition
)


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A request on its way: its number, and when its asker stops waiting.

    `deadline` is in seconds of the machine's monotonic clock, which both processes share.
    """

    LARGEST: ClassVar[int] = max(kind.LARGEST for kind in get_args(AnyRequest))
    number: Annotated[int, Meta(ge=1, lt=2**53)]
    deadline: float
    request: AnyRequest

    @property
    def largest(self) -> int:
        """How many bytes one with such a request may come to."""
        return self.request.LARGEST


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer on its way back; number 0 is what the worker says unasked, without a receipt."""

    LARGEST: ClassVar[int] = max(kind.LARGEST for kind in get_args(AnyAnswer))
    number: Annotated[int, Meta(ge=0, lt=2**53)]
    answer: AnyAnswer
    receipt: Receipt | None = None

    @property
    def largest(self) -> int:
        """How many bytes one with such an answer may come to."""
        return self.answer.LARGEST
