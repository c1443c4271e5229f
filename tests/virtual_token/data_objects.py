"""What GET DATA, GET STATUS and SELECT say about the card: CS231 11.3, 11.4, 11.9, H.2."""

from tests.pcsc import tlv
from tests.virtual_token.keyring import Keyring
from tests.virtual_token.memory import SequenceCounter
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


def computed(
    tag: int, production_data: bytes, keyring: Keyring, counter: SequenceCounter
) -> bytes | None:
    """Return the value of a data object in `COMPUTED`, or None where the card has none.

    `counter` is that of the first key version, which CS231 calls the default one.
    """
    if tag == PRODUCTION_DATA:
        return production_data
    if tag == CARD_DATA:
        return _card_recognition_data(keyring)
    if tag == KEY_INFORMATION:
        return _key_information(keyring)
    default = keyring.groups[0]
    return counter.value if PROTOCOLS[default.scp].counts_sessions(default.i) else None


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


def _card_recognition_data(keyring: Keyring) -> bytes:
    """CS231 table H-1: specification 2.3.1, identified by IIN and CIN, protocols and their i."""
    protocols = dict.fromkeys((group.scp, group.i) for group in keyring.groups)
    return tlv.encode(
        0x73,
        _oid(1),
        tlv.encode(0x60, _oid(2, 2, 3, 1)),
        tlv.encode(0x63, _oid(3)),
        *(tlv.encode(0x64, _oid(4, scp, i)) for scp, i in protocols),
    )


def _key_information(keyring: Keyring) -> bytes:
    """CS231 table 11-28: identifier, version, type and length of each key."""
    return b"".join(
        tlv.encode(0xC0, bytes([identifier, group.version, key.key_type, len(key.value)]))
        for group in keyring.groups
        for identifier, key in group.keys.items()
    )


def _oid(*arcs: int) -> bytes:
    """An OID under GlobalPlatform's; every arc used here is below 128 and so one byte."""
    return tlv.encode(_OID, _GLOBALPLATFORM + bytes(arcs))
