"""The card's answer to INITIALIZE UPDATE, in the layouts of SCP01, SCP02 and SCP03.

Open Platform 2.1.1, table D-4 (SCP01); Card Specification 2.3.1, table E-8 (SCP02);
Amendment D 1.1.1, table 7-2 (SCP03), and with 16-byte challenges Amendment D 1.2.
"""

from dataclasses import dataclass

from tmsd.errors import Code, ServiceError

SCP01 = 0x01
SCP02 = 0x02
SCP03 = 0x03

_TRIPLE_DES_LENGTH = 28
# With or without a sequence counter of three bytes
_S8_LENGTHS = (29, 32)
_S16_LENGTHS = (45, 48)
_LENGTHS = (_TRIPLE_DES_LENGTH, *_S8_LENGTHS, *_S16_LENGTHS)
_S16 = 0x01


@dataclass(frozen=True, slots=True)
class InitializeUpdateResponse:
    """What a card says of itself when a channel begins; all of it is the card's claim.

    Attributes:
        diversification_data: 10 bytes, the KDD.
        key_version: version of the static keys that the card answered with, 1 byte.
        scp: secure channel protocol number, 01, 02 or 03.
        i: the SCP03 implementation byte; None where cards do not tell it.
        sequence_counter: 2 bytes in SCP02; 3 bytes or none in SCP03; none in SCP01.
        card_challenge: 6 bytes in SCP02; 8 bytes in SCP01; 8 or 16 bytes in SCP03.
        card_cryptogram: 8 bytes; as long as the challenge in SCP03.
    """

    diversification_data: bytes
    key_version: int
    scp: int
    i: int | None
    sequence_counter: bytes
    card_challenge: bytes
    card_cryptogram: bytes


def parse(response: bytes) -> InitializeUpdateResponse:
    """Read a response of 28, 29, 32, 45 or 48 bytes; a trailing 9000 is removed.

    Raises:
        ServiceError: `initialize-update-invalid`, or `protocol-mismatch` for a protocol
            that is not served.
    """
    body = _without_status(response)
    if len(body) < 12:
        raise _invalid(f"it is {len(body)} bytes long; the shortest form has {_TRIPLE_DES_LENGTH}")
    scp = body[11]
    if scp == SCP01:
        return _parse_scp01(body)
    if scp == SCP02:
        return _parse_scp02(body)
    if scp == SCP03:
        return _parse_scp03(body)
    raise ServiceError(
        Code.PROTOCOL_MISMATCH, f"the card speaks SCP{scp:02x}; SCP01, SCP02 and SCP03 are served"
    )


def _without_status(response: bytes) -> bytes:
    if response.endswith(b"\x90\x00") and len(response) - 2 in _LENGTHS:
        return response[:-2]
    return response


def _parse_scp01(body: bytes) -> InitializeUpdateResponse:
    _require_length(body, "SCP01")
    return InitializeUpdateResponse(
        diversification_data=body[0:10],
        key_version=body[10],
        scp=SCP01,
        i=None,
        sequence_counter=b"",
        card_challenge=body[12:20],
        card_cryptogram=body[20:28],
    )


def _parse_scp02(body: bytes) -> InitializeUpdateResponse:
    _require_length(body, "SCP02")
    return InitializeUpdateResponse(
        diversification_data=body[0:10],
        key_version=body[10],
        scp=SCP02,
        i=None,
        sequence_counter=body[12:14],
        card_challenge=body[14:20],
        card_cryptogram=body[20:28],
    )


def _require_length(body: bytes, protocol: str) -> None:
    if len(body) != _TRIPLE_DES_LENGTH:
        raise _invalid(f"{protocol} answers with {_TRIPLE_DES_LENGTH} bytes, not {len(body)}")


def _parse_scp03(body: bytes) -> InitializeUpdateResponse:
    i = body[12] if len(body) > 12 else 0
    length, forms = (16, _S16_LENGTHS) if i & _S16 else (8, _S8_LENGTHS)
    if len(body) not in forms:
        expected = " or ".join(map(str, forms))
        raise _invalid(f"SCP03 with i={i:02x} answers with {expected} bytes, not {len(body)}")
    counter_at = 13 + 2 * length
    return InitializeUpdateResponse(
        diversification_data=body[0:10],
        key_version=body[10],
        scp=SCP03,
        i=i,
        sequence_counter=body[counter_at:],
        card_challenge=body[13 : 13 + length],
        card_cryptogram=body[13 + length : counter_at],
    )


def _invalid(reason: str) -> ServiceError:
    return ServiceError(
        Code.INITIALIZE_UPDATE_INVALID, f"not an answer to INITIALIZE UPDATE: {reason}"
    )
