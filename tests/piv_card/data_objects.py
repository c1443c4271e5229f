"""What GET DATA reads: the data objects of SP73 part 1, chapter 3 and appendix A."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from tests.pcsc import tlv
from tests.piv_card.keys import Algorithm, KeyReference

RID = bytes.fromhex("A000000308")  # of NIST
PIX = bytes.fromhex("000010000100")  # of the PIV card application, version 01.00
AID = RID + PIX

DISCOVERY = bytes.fromhex("7E")
CAPABILITIES = bytes.fromhex("5FC107")
CHUID = bytes.fromhex("5FC102")
PRINTED_INFORMATION = bytes.fromhex("5FC109")
CERTIFICATES: Mapping[KeyReference, bytes] = {
    KeyReference.AUTHENTICATION: bytes.fromhex("5FC105"),
    KeyReference.SIGNATURE: bytes.fromhex("5FC10A"),
    KeyReference.KEY_MANAGEMENT: bytes.fromhex("5FC10B"),
    KeyReference.CARD_AUTHENTICATION: bytes.fromhex("5FC101"),
}

_CONTAINER, _ERROR_DETECTION_CODE = 0x53, 0xFE
# An agency of 9999 says that the GUID is the card's number: SP73 part 1, 3.1.2.
_FASC_N = bytes.fromhex("D4E739DA739CED39CE739DA1685A1082108CE73984108257FC")
_EXPIRES = b"20501231"


@dataclass(frozen=True, slots=True)
class DataObject:
    """A data object as GET DATA returns it, and whether the PIN must have been verified."""

    encoded: bytes
    needs_pin: bool = False


def application_property_template() -> bytes:
    """Return what SELECT answers: SP73 part 2, table 3."""
    authority = tlv.encode(0x79, tlv.encode(0x4F, RID))
    algorithms = tlv.encode(
        0xAC, *(tlv.encode(0x80, bytes([a])) for a in Algorithm), tlv.encode(0x06)
    )
    return tlv.encode(0x61, tlv.encode(0x4F, PIX), authority, algorithms)


def discovery() -> DataObject:
    """Return the discovery object: the AID, and that the PIV PIN alone is used (5F2F)."""
    return DataObject(
        tlv.encode(0x7E, tlv.encode(0x4F, AID), tlv.encode(0x5F2F, bytes.fromhex("4000")))
    )


def card_holder_unique_identifier(guid: bytes) -> DataObject:
    """Return the CHUID, which is not signed.

    Args:
        guid: the card's number, 16 bytes.
    """
    return _container(
        tlv.encode(0x30, _FASC_N),
        tlv.encode(0x34, guid),
        tlv.encode(0x35, _EXPIRES),
        tlv.encode(0x3E),
    )


def card_capability_container(guid: bytes) -> DataObject:
    """Return the CCC: nothing but who issued the card, and that it is one of PIV."""
    identifier = RID + b"\x01\x02" + guid[:14]
    versions = tlv.encode(0xF1, b"\x21") + tlv.encode(0xF2, b"\x21")
    empty = b"".join(tlv.encode(tag) for tag in (0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD))
    return _container(
        tlv.encode(0xF0, identifier),
        versions,
        tlv.encode(0xF3),
        tlv.encode(0xF4, b"\x00"),
        tlv.encode(0xF5, b"\x10"),
        empty,
    )


def printed_information(name: str) -> DataObject:
    """Return what is printed on the card: the name alone."""
    return _container(
        tlv.encode(0x01, name.encode("ascii")),
        tlv.encode(0x04, b"2050DEC31"),
        tlv.encode(0x05, b"0000000001"),
        tlv.encode(0x06, b"TEST"),
        needs_pin=True,
    )


def certificate(issued: Certificate) -> DataObject:
    """Return a certificate, not compressed."""
    der = issued.public_bytes(Encoding.DER)
    return _container(tlv.encode(0x70, der), tlv.encode(0x71, b"\x00"))


def _container(*parts: bytes, needs_pin: bool = False) -> DataObject:
    return DataObject(tlv.encode(_CONTAINER, *parts, tlv.encode(_ERROR_DETECTION_CODE)), needs_pin)
