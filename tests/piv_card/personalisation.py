"""Cards of persons: keys, their certificates, a PIN and a number."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.piv_card import data_objects
from tests.piv_card.data_objects import DataObject
from tests.piv_card.keys import CardKey, KeyReference, PrivateKey
from tests.piv_card.pin import Pin

_BEGIN, _END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Personalisation:
    """What makes one card another card.

    Attributes:
        keys: by their references.
        objects: what can be read, by the tags that GET DATA names.
        pin: the PIV Card Application PIN.
    """

    keys: Mapping[KeyReference, CardKey]
    objects: Mapping[bytes, DataObject]
    pin: Pin


def personalise(
    name: str, guid: bytes, pin: Pin, keys: Mapping[KeyReference, PrivateKey]
) -> Personalisation:
    """Return the card of a person.

    Args:
        name: the person's, in ASCII.
        guid: the card's number, 16 bytes, which are not all zero.
        pin: theirs.
        keys: each gets a certificate that it signs itself.
    """
    certificates = {
        data_objects.CERTIFICATES[reference]: data_objects.certificate(
            _certificate(name, reference, key)
        )
        for reference, key in keys.items()
    }
    objects = {
        data_objects.DISCOVERY: data_objects.discovery(),
        data_objects.CAPABILITIES: data_objects.card_capability_container(guid),
        data_objects.CHUID: data_objects.card_holder_unique_identifier(guid),
        data_objects.PRINTED_INFORMATION: data_objects.printed_information(name),
        **certificates,
    }
    return Personalisation(
        {reference: CardKey(key) for reference, key in keys.items()}, objects, pin
    )


def _certificate(name: str, reference: KeyReference, key: PrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=reference is not KeyReference.KEY_MANAGEMENT,
        content_commitment=reference is KeyReference.SIGNATURE,
        key_encipherment=reference is KeyReference.KEY_MANAGEMENT,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(reference)
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )
