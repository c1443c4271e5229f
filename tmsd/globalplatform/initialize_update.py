"""The card's answer to INITIALIZE UPDATE, in the layouts of SCP02 and SCP03.

Card Specification 2.3.1, table E-8 (SCP02); Amendment D 1.1.1, table 7-2 (SCP03).
"""

from dataclasses import dataclass

from tmsd.errors import Code, ServiceError

SCP02 = 0x02
SCP03 = 0x03

_SCP02_LENGTH = 28
_SCP03_LENGTHS = (29, 32)
_SCP03_S16_LENGTHS = (45, 48)


@dataclass(frozen=True, slots=True)
class InitializeUpdateResponse:
    """What a card says of itself when a channel begins; all of it is the card's claim.

    Attributes:
        diversification_data: 10 bytes, the KDD.
        key_version: version of the static keys that the card answered with, 1 byte.
        scp: secure channel protocol number, 02 or 03.
        i: the SCP03 implementation byte; None for SCP02, whose cards do not tell it.
        sequence_counter: 2 bytes in SCP02; 3 bytes or none in SCP03.
        card_challenge: 6 bytes in SCP02, 8 bytes in SCP03.
        card_cryptogram: 8 bytes.
    """

    diversification_data: bytes
    key_version: int
    scp: int
    i: int | None
    sequence_counter: bytes
    card_challenge: bytes
    card_cryptogram: bytes


def parse(response: bytes) -> InitializeUpdateResponse:
    """Read a response: 28 bytes of SCP02, 29 or 32 of SCP03; a trailing 9000 is removed.

    Raises:
        ServiceError: `initialize-update-invalid`, or `protocol-mismatch` for a protocol
            or form that is not served.
    """
    body = _without_status(response)
    if len(body) < 12:
        raise _invalid(f"it is {len(body)} bytes long; the shortest form has {_SCP02_LENGTH}")
    scp = body[11]
    if scp == SCP02:
        return _parse_scp02(body)
    if scp == SCP03:
        return _parse_scp03(body)
    raise ServiceError(
        Code.PROTOCOL_MISMATCH, f"the card speaks SCP{scp:02x}; SCP02 and SCP03 are served"
    )


def _without_status(response: bytes) -> bytes:
    forms = (_SCP02_LENGTH, *_SCP03_LENGTHS, *_SCP03_S16_LENGTHS)
    if response.endswith(b"\x90\x00") and len(response) - 2 in forms:
        return response[:-2]
    return response


def _parse_scp02(body: bytes) -> InitializeUpdateResponse:
    if len(body) != _SCP02_LENGTH:
        raise _invalid(f"SCP02 answers with {_SCP02_LENGTH} bytes, not {len(body)}")
    return InitializeUpdateResponse(
        diversification_data=body[0:10],
        key_version=body[10],
        scp=SCP02,
        i=None,
        sequence_counter=body[12:14],
        card_challenge=body[14:20],
        card_cryptogram=body[20:28],
    )


def _parse_scp03(body: bytes) -> InitializeUpdateResponse:
    if len(body) in _SCP03_S16_LENGTHS:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH, "the card uses 16-byte challenges; 8-byte ones are served"
        )
    if len(body) not in _SCP03_LENGTHS:
        raise _invalid(f"SCP03 answers with 29 or 32 bytes, not {len(body)}")
    return InitializeUpdateResponse(
        diversification_data=body[0:10],
        key_version=body[10],
        scp=SCP03,
        i=body[12],
        sequence_counter=body[29:],
        card_challenge=body[13:21],
        card_cryptogram=body[21:29],
    )


def _invalid(reason: str) -> ServiceError:
    return ServiceError(
        Code.INITIALIZE_UPDATE_INVALID, f"not an answer to INITIALIZE UPDATE: {reason}"
    )
