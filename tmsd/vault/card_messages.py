"""What a worker is asked about cards and their keys, and what it answers.

A message names a caller, a key set and a card; it never names a scheme, a protocol or a key,
which the worker reads from its own policy. Bytes that stand for a card's words have the lengths
of GlobalPlatform Card Specification 2.3.1, and of Amendment D for SCP03.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.vault.message import Answer, Byte, CardData, Lane, Name, Request, Ticket

# Lengths in bytes, of the specifications or of this API.
MAX_APDU = 261
MAX_APDUS = 64
MAX_RANDOM = 1024
MAX_SESSION = 8 * 1024
MAX_RESPONSE = 256 + 16 + 2
MAX_ENCRYPTED = 256

InitializeUpdateResponse = Annotated[bytes, Meta(min_length=12, max_length=50)]
HostChallenge = Annotated[bytes, Meta(min_length=8, max_length=16)]
Session = Annotated[bytes, Meta(min_length=1, max_length=MAX_SESSION)]
Apdu = Annotated[bytes, Meta(min_length=1, max_length=MAX_APDU)]
Apdus = Annotated[list[Apdu], Meta(min_length=1, max_length=MAX_APDUS)]
CheckValue = Annotated[bytes, Meta(min_length=3, max_length=3)]
Cryptogram = Annotated[bytes, Meta(min_length=8, max_length=16)]
Response = Annotated[bytes, Meta(min_length=2, max_length=MAX_RESPONSE)]
WrappedKey = Annotated[bytes, Meta(min_length=16, max_length=40)]


class ChallengeIssued(Answer, frozen=True, tag="challenge-issued"):
    """A random host challenge, and the ticket that proves where it came from."""

    host_challenge: HostChallenge
    ticket: Ticket


class IssueChallenge(Request[ChallengeIssued], frozen=True, tag="issue-challenge"):
    """Make a host challenge for a caller."""

    ANSWER = ChallengeIssued
    caller: Name
    length: Literal[8, 16]


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """A card's answer to INITIALIZE UPDATE, and the challenge that it answers to.

    Either `ticket` or `host_challenge` is given.
    """

    initialize_update: InitializeUpdateResponse
    ticket: Ticket | None = None
    host_challenge: HostChallenge | None = None
    scp_i: Byte | None = None
    cuid: Annotated[bytes, Meta(min_length=10, max_length=10)] | None = None


class ChannelOpened(Answer, frozen=True, tag="channel-opened"):
    """A channel whose card proved its keys; `session` holds its state and no key.

    `newest_key_version` is the version that cards of the key set get now.
    """

    scp: Byte
    i: Byte
    key_set: Name
    key_version: Byte
    newest_key_version: Byte
    host_cryptogram: Cryptogram
    external_authenticate: Apdu
    session: Session
    key_material_in_worker: bool


class OpenChannel(Request[ChannelOpened], frozen=True, tag="open-channel"):
    """Verify a card's cryptogram and make the host's."""

    ANSWER = ChannelOpened
    caller: Name
    key_set: Name
    card: Card
    security_level: Byte


class DeliveredKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """Session keys wrapped under a transport key; the DEK only where permitted."""

    transport_key: Name
    mechanism: Literal["aes-key-wrap", "des3-ecb"]
    enc: WrappedKey | None
    mac: WrappedKey
    rmac: WrappedKey | None
    dek: WrappedKey | None


class KeysDelivered(Answer, frozen=True, tag="keys-delivered"):
    """A channel whose card proved its keys; the caller goes on by itself."""

    scp: Byte
    i: Byte
    key_set: Name
    key_version: Byte
    newest_key_version: Byte
    host_cryptogram: Cryptogram
    external_authenticate: Apdu
    keys: DeliveredKeys
    key_material_in_worker: bool


class DeliverKeys(Request[KeysDelivered], frozen=True, tag="deliver-keys"):
    """Open a channel and hand its keys to the caller under its transport key."""

    ANSWER = KeysDelivered
    caller: Name
    key_set: Name
    card: Card
    security_level: Byte


class CryptogramVerified(Answer, frozen=True, tag="cryptogram-verified"):
    """Whether the card holds the keys."""

    valid: bool
    key_material_in_worker: bool = False


class VerifyCryptogram(Request[CryptogramVerified], frozen=True, tag="verify-cryptogram"):
    """Verify a card's cryptogram and open nothing."""

    ANSWER = CryptogramVerified
    caller: Name
    key_set: Name
    card: Card


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """A session after a step; which card's it is, and how its keys were made, for the record."""

    session: Session
    key_set: Name
    key_version: Byte
    diversification_data: CardData
    key_material_in_worker: bool = False


class CommandsWrapped(Answer, frozen=True, tag="commands-wrapped"):
    """Protected commands, in the order asked."""

    channel: Channel
    apdus: Apdus


class WrapCommands(Request[CommandsWrapped], frozen=True, tag="wrap-commands"):
    """Put secure messaging on commands, in order: all of them or none."""

    ANSWER = CommandsWrapped
    caller: Name
    session: Session
    apdus: Apdus


class UnwrappedResponse(Struct, frozen=True, forbid_unknown_fields=True):
    """A response (data ‖ SW) without protection, and whether an R-MAC vouches for it."""

    response: Response
    protected: bool


class ResponsesUnwrapped(Answer, frozen=True, tag="responses-unwrapped"):
    """Responses, in the order asked; `closed` after the card gave the channel up."""

    channel: Channel
    responses: Annotated[list[UnwrappedResponse], Meta(min_length=1, max_length=MAX_APDUS)]
    closed: bool


class UnwrapResponses(Request[ResponsesUnwrapped], frozen=True, tag="unwrap-responses"):
    """Check R-MACs and remove R-ENC, in order: all of them or none."""

    ANSWER = ResponsesUnwrapped
    caller: Name
    session: Session
    responses: Annotated[list[Response], Meta(min_length=1, max_length=MAX_APDUS)]


class PutKeyMade(Answer, frozen=True, tag="put-key-made"):
    """A protected PUT KEY, and the check values of the keys ENC, MAC, DEK, or of a base key."""

    channel: Channel
    apdu: Apdu
    key_check_values: Annotated[list[CheckValue], Meta(min_length=1, max_length=3)]
    key_material_in_worker: bool


class PutKey(Request[PutKeyMade], frozen=True, tag="put-key"):
    """Make the command that changes a card over to other keys."""

    ANSWER = PutKeyMade
    caller: Name
    session: Session
    new_key_set: Name | None
    new_key_version: Annotated[int, Meta(ge=1, le=127)]
    mode: Literal["add", "replace"]


class PutKeyConfirmed(Answer, frozen=True, tag="put-key-confirmed"):
    """The card answered that it holds the new keys; `protected` if an R-MAC vouches for it."""

    channel: Channel
    new_key_version: Byte
    protected: bool


class ConfirmPutKey(Request[PutKeyConfirmed], frozen=True, tag="confirm-put-key"):
    """Check a card's answer to PUT KEY."""

    ANSWER = PutKeyConfirmed
    caller: Name
    session: Session
    response: Response


class DataEncrypted(Answer, frozen=True, tag="data-encrypted"):
    """Data under the card's DEK.

    For a proof of presence also what was encrypted; for a proof of possession, which nobody but
    the card is told, the ticket that tells the worker again.
    """

    channel: Channel
    encrypted: Annotated[bytes, Meta(min_length=8, max_length=MAX_ENCRYPTED)]
    challenge: Annotated[bytes, Meta(min_length=16, max_length=16)] | None
    ticket: Ticket | None = None


class EncryptData(Request[DataEncrypted], frozen=True, tag="encrypt-data"):
    """Encrypt under the card's DEK, for one purpose."""

    ANSWER = DataEncrypted
    caller: Name
    session: Session
    purpose: Literal["proof-of-presence", "proof-of-possession", "pin", "object"]
    data: Annotated[bytes, Meta(min_length=8, max_length=MAX_ENCRYPTED)] | None


class RandomMade(Answer, frozen=True, tag="random-made"):
    """Bytes of the token's random number generator."""

    random: Annotated[bytes, Meta(min_length=1, max_length=MAX_RANDOM)]


class MakeRandom(Request[RandomMade], frozen=True, tag="make-random"):
    """Ask the token for random bytes."""

    ANSWER = RandomMade
    caller: Name
    length: Annotated[int, Meta(ge=1, le=MAX_RANDOM)]


class KeyVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a key set: its state, and its check value if the key is in the token.

    Of a retired one the worker holds nothing, and has no check value either.
    """

    version: Byte
    state: Literal["pre-active", "active", "retired"]
    key_check_value: CheckValue | None


class KeySetDescribed(Answer, frozen=True, tag="key-set-described"):
    """The versions of a key set, and which one cards get now."""

    versions: Annotated[list[KeyVersion], Meta(max_length=255)]
    newest_key_version: Byte | None = None


class DescribeKeySet(Request[KeySetDescribed], frozen=True, tag="describe-key-set"):
    """Ask for the versions of a key set and their check values.

    Slow: it searches the token for each version.
    """

    ANSWER = KeySetDescribed
    LANE = Lane.SLOW
    caller: Name
    key_set: Name
