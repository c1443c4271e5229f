"""What GET DATA, GET STATUS and SELECT say about the card: CS231 11.3, 11.4, 11.9, H.2."""

from tests.virtual_token import tlv
from tests.virtual_token.keys import DEK, ENC, MAC
from tests.virtual_token.memory import SequenceCounter
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.protocols import PROTOCOLS

PRODUCTION_DATA = 0x9F7F
CARD_DATA = 0x0066
KEY_INFORMATION = 0x00E0
SEQUENCE_COUNTER = 0x00C1

# What the card says of itself cannot be written by STORE DATA (CS231 11.11.2.3).
COMPUTED = frozenset({PRODUCTION_DATA, CARD_DATA, KEY_INFORMATION, SEQUENCE_COUNTER})

_GLOBALPLATFORM = bytes.fromhex("2A864886FC6B")  # the OID 1.2.840.114283
_OID = 0x06
_SECURED = 0x0F  # life cycle state of the card, CS231 table 11-6
_ISSUER_PRIVILEGES = bytes.fromhex("9EFE80")


def computed(tag: int, profile: CardProfile, counter: SequenceCounter) -> bytes | None:
    """Return the value of a data object in `COMPUTED`, or None where the card has none."""
    if tag == PRODUCTION_DATA:
        return profile.production_data
    if tag == CARD_DATA:
        return _card_recognition_data(profile)
    if tag == KEY_INFORMATION:
        return _key_information(profile)
    return counter.value if PROTOCOLS[profile.scp].counts_sessions(profile.i) else None


def file_control_information(aid: bytes) -> bytes:
    """Return the answer to SELECT: CS231 table 11-82, data fields of up to 255 bytes."""
    maximum_data_field = tlv.encode(0x9F65, b"\xff")
    return tlv.encode(0x6F, tlv.encode(0x84, aid), tlv.encode(0xA5, maximum_data_field))


def issuer_security_domain_status(aid: bytes) -> bytes:
    """Return the registry entry of the issuer security domain: CS231 table 11-36."""
    return tlv.encode(
        0xE3,
        tlv.encode(0x4F, aid),
        tlv.encode(0x9F70, bytes([_SECURED])),
        tlv.encode(0xC5, _ISSUER_PRIVILEGES),
    )


def _card_recognition_data(profile: CardProfile) -> bytes:
    """CS231 table H-1: specification 2.3.1, identified by IIN and CIN, protocol and i."""
    return tlv.encode(
        0x73,
        _oid(1),
        tlv.encode(0x60, _oid(2, 2, 3, 1)),
        tlv.encode(0x63, _oid(3)),
        tlv.encode(0x64, _oid(4, profile.scp, profile.i)),
    )


def _key_information(profile: CardProfile) -> bytes:
    """CS231 table 11-28: identifier, version, type and length of each key."""
    key_type = PROTOCOLS[profile.scp].KEY_TYPE
    return b"".join(
        tlv.encode(0xC0, bytes([identifier, profile.key_version, key_type, len(profile.enc)]))
        for identifier in (ENC, MAC, DEK)
    )


def _oid(*arcs: int) -> bytes:
    """An OID under GlobalPlatform's; every arc used here is below 128 and so one byte."""
    return tlv.encode(_OID, _GLOBALPLATFORM + bytes(arcs))
