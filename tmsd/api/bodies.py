"""The bodies of requests and answers; the OpenAPI document is made from them."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from tmsd.api.values import Hex, Opaque
from tmsd.config.callers import Delivery, EncryptPurpose
from tmsd.errors import Code, ServiceError
from tmsd.vault.card_messages import (
    MAX_APDU,
    MAX_APDUS,
    MAX_ENCRYPTED,
    MAX_RANDOM,
    MAX_RESPONSE,
    MAX_SESSION,
)
from tmsd.vault.message import MAX_TICKET

B = TypeVar("B", bound="Body")

Byte = Annotated[bytes, Hex(1)]
Cryptogram = Annotated[bytes, Hex(8, 16)]
CheckValue = Annotated[bytes, Hex(3)]
Challenge = Annotated[bytes, Hex(8, 16)]
Apdu = Annotated[bytes, Hex(4, MAX_APDU)]
Response = Annotated[bytes, Hex(2, MAX_RESPONSE)]
WrappedKey = Annotated[bytes, Hex(16, 40)]
Ticket = Annotated[bytes, Opaque(MAX_TICKET)]
Session = Annotated[bytes, Opaque(MAX_SESSION)]
KeySetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Body(BaseModel):
    """A JSON object; unknown fields are refused."""

    # A fault in an answer of ours must not show its values in the log.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class ChallengeRequest(Body):
    """How long the host challenge shall be."""

    length: Literal[8, 16] = Field(description="bytes: 8, or 16 for SCP03 in S16 mode")


class ChallengeAnswer(Body):
    """A host challenge, and the ticket to present with the card's answer to it."""

    host_challenge: Challenge
    challenge: Ticket = Field(description="opaque; good once, for a minute")


class CardBody(Body):
    """A card's answer to INITIALIZE UPDATE, and the challenge that it answers to."""

    initialize_update: Annotated[bytes, Hex(12, 50)] = Field(
        description="28 bytes of SCP01 or SCP02; 29, 32, 45 or 48 of SCP03; a trailing 9000 is "
        "removed"
    )
    challenge: Ticket | None = Field(default=None, description="from POST /v1/tks/challenges")
    host_challenge: Challenge | None = Field(
        default=None, description="one's own; for key sets that do not require an issued one"
    )
    key_set: KeySetName | None = None
    cuid: Annotated[bytes, Hex(10)] | None = Field(
        default=None, description="for key sets that diversify by it"
    )
    scp_i: Byte | None = Field(
        default=None, description="implementation option i, where the card does not tell it"
    )

    @model_validator(mode="after")
    def _one_challenge(self) -> Self:
        if (self.challenge is None) == (self.host_challenge is None):
            raise ValueError("must hold either challenge or host_challenge")
        return self


class SessionRequest(Body):
    """The channel that is wanted."""

    card: CardBody
    security_level: Byte = Field(description="01 C-MAC, 02 C-ENC, 10 R-MAC, 20 R-ENC: their sum")
    delivery: Annotated[Delivery, Field(strict=False)] = Delivery.SEALED


class DeliveredKeysBody(Body):
    """Session keys wrapped under the caller's transport key."""

    transport_key: KeySetName
    mechanism: Literal["aes-key-wrap", "des3-ecb"] = Field(description="RFC 3394, or 3DES-ECB")
    enc: WrappedKey | None
    mac: WrappedKey
    rmac: WrappedKey | None
    dek: WrappedKey | None = Field(description="only for callers that may have it")


class SessionAnswer(Body):
    """An open channel: `session`, which goes with the next request and holds no key, or `keys`."""

    scp: Byte
    i: Byte
    key_set: KeySetName
    key_version: int
    newest_key_version: int = Field(
        description="the version that cards of this key set get now; where it is another, "
        "the card is due for key changeover"
    )
    host_cryptogram: Cryptogram
    external_authenticate: Apdu = Field(description="the command to send to the card next")
    session: Session | None = Field(default=None, description="with delivery sealed")
    keys: DeliveredKeysBody | None = Field(default=None, description="with delivery transport")


class WrapRequest(Body):
    """Commands to protect, in order."""

    session: Session
    apdus: Annotated[list[Apdu], Field(min_length=1, max_length=MAX_APDUS)]


class WrapAnswer(Body):
    """The protected commands, and the session after them."""

    session: Session
    apdus: list[Apdu]


class UnwrapRequest(Body):
    """Responses of the card, data and status word, in the order they came."""

    session: Session
    responses: Annotated[list[Response], Field(min_length=1, max_length=MAX_APDUS)]


class UnwrappedBody(Body):
    """A response without protection."""

    response: Response
    protected: bool = Field(description="whether an R-MAC vouches for it")


class UnwrapAnswer(Body):
    """The responses without protection, and the session after them."""

    session: Session
    responses: list[UnwrappedBody]
    closed: bool = Field(description="the card has given the channel up")


class PutKeyRequest(Body):
    """To which keys the card shall be changed over."""

    session: Session
    new_key_version: Annotated[int, Field(ge=1, le=127)]
    new_key_set: KeySetName | None = Field(
        default=None, description="the card's present key set unless given"
    )
    mode: Literal["add", "replace"]


class PutKeyAnswer(Body):
    """The command to send to the card, and the check values of the keys in it."""

    session: Session
    apdu: Apdu
    key_check_values: list[CheckValue] = Field(
        min_length=1, max_length=3, description="of ENC, MAC and DEK, or of a card's one base key"
    )


class ConfirmRequest(Body):
    """The card's answer to PUT KEY."""

    session: Session
    response: Response


class ConfirmAnswer(Body):
    """The card holds the new keys."""

    session: Session
    new_key_version: int
    protected: bool = Field(description="whether an R-MAC vouches for the card's answer")


class EncryptRequest(Body):
    """What shall be encrypted under the card's DEK; nothing for a proof."""

    session: Session
    purpose: Annotated[EncryptPurpose, Field(strict=False)]
    data: Annotated[bytes, Hex(8, MAX_ENCRYPTED)] | None = Field(
        default=None, description="whole blocks of 8 (3DES) or 16 bytes (AES)"
    )


class EncryptAnswer(Body):
    """What was encrypted; for a proof of presence also the challenge that it contains."""

    session: Session
    encrypted: Annotated[bytes, Hex(8, MAX_ENCRYPTED)]
    challenge: Annotated[bytes, Hex(16)] | None = None
    ticket: Ticket | None = Field(
        default=None, description="for a proof of possession, to ask for a certificate with"
    )


class VerifyRequest(Body):
    """A card whose cryptogram is to be verified."""

    card: CardBody


class VerifyAnswer(Body):
    """Whether the card holds the keys of its key set and version."""

    valid: bool


class RandomRequest(Body):
    """How many random bytes are wanted."""

    length: Annotated[int, Field(ge=1, le=MAX_RANDOM)]


class RandomAnswer(Body):
    """Bytes of the HSM's random number generator."""

    random: Annotated[bytes, Hex(1, MAX_RANDOM)]


class KeyVersionBody(Body):
    """A version of a master key."""

    version: int
    state: Literal["pre-active", "active", "retired"]
    key_check_value: CheckValue | None = Field(
        description="null while the HSM lacks the key, and once the version is retired"
    )


class KeySetBody(Body):
    """A key set that the caller may use."""

    name: KeySetName
    scp: Literal["01", "02", "03"]
    algorithm: str
    diversification: str
    versions: list[KeyVersionBody]
    newest_key_version: int | None = Field(
        description="the version that cards get now; null while none is active"
    )


class KeySetsAnswer(Body):
    """The key sets that the caller may use."""

    key_sets: list[KeySetBody]


def parse(model: type[B], content: bytes) -> B:
    """Read a request's body.

    Raises:
        ServiceError: `request-invalid`, pointing at the first field at fault.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise ServiceError(
            Code.REQUEST_INVALID, _in_words(fault), pointer=_pointer(fault)
        ) from None


def _pointer(fault: ErrorDetails) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in fault["loc"])
    return "".join(f"/{part}" for part in parts)


def _in_words(fault: ErrorDetails) -> str:
    field = str(fault["loc"][-1]) if fault["loc"] else "the body"
    match fault["type"]:
        case "missing":
            return f"{field} is missing"
        case "extra_forbidden":
            # It is the caller's text, and it goes into the log as well.
            return f"{field[:64]!a} is not a field of this request"
        case "json_invalid":
            return "the body is not JSON"
        case "value_error":
            return f"{field} {fault['ctx']['error']}"
    return f"{field}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
