"""A smart card shows its keys to everybody, and signs for who knows its PIN; here SoftHSM is one.

What real cards add to that, OpenSC shows in tests/ceremony/test_officer_card.py.
"""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import Attribute, CertificateType, ObjectClass

from hsm.errors import KeyNotFound, PinRefused
from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress, load_module
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.signing import EcSigningKey, signing_key
from hsm.smart_card import PinTries, SmartCard, smart_cards
from hsm.token import open_token
from tests.hsm.half_pairs import half
from tests.softhsm.tokens import USER_PIN

NAME = KeyReference("an officer's", 7)
MESSAGE = b"what they approve"


def card_at(address: TokenAddress) -> SmartCard:
    module = load_module(address.module, address.environment)
    [card] = smart_cards(module, address.label, address.serial)
    return card


def make_pair(address: TokenAddress, algorithm: KeyPairAlgorithm) -> None:
    with open_token(address, Secret(USER_PIN), writable=True) as token:
        generate_key_pair(token, NAME, algorithm)


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.P521, KeyPairAlgorithm.ED25519])
def test_it_signs_by_the_scheme_of_its_key(
    fresh_token: TokenAddress, algorithm: KeyPairAlgorithm
) -> None:
    make_pair(fresh_token, algorithm)
    card = card_at(fresh_token)

    [key] = card.keys()
    signature = card.sign(key, MESSAGE, Secret(USER_PIN))

    assert (key.id, key.label) == (NAME.id, NAME.label)
    if isinstance(key.public_key, ed25519.Ed25519PublicKey):
        key.public_key.verify(signature, MESSAGE)
    else:
        assert isinstance(key.public_key, ec.EllipticCurvePublicKey)
        key.public_key.verify(signature, MESSAGE, ec.ECDSA(SHA512()))


def test_a_key_is_known_by_its_certificate_where_its_public_half_is_not_there(
    fresh_token: TokenAddress,
) -> None:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        pair = generate_key_pair(token, NAME, KeyPairAlgorithm.P256)
        key = signing_key(pair)
        assert isinstance(key, EcSigningKey)
        certificate = self_signed(key)
        half(token, NAME, ObjectClass.PUBLIC_KEY).destroy()
        token.session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: False,
                Attribute.LABEL: "their certificate",
                Attribute.ID: NAME.id,
                Attribute.SUBJECT: certificate.subject.public_bytes(),
                Attribute.VALUE: certificate.public_bytes(Encoding.DER),
            }
        )
    card = card_at(fresh_token)

    [found] = card.keys()
    signature = card.sign(found, MESSAGE, Secret(USER_PIN))

    assert found.label == "their certificate"
    assert isinstance(found.public_key, ec.EllipticCurvePublicKey)
    found.public_key.verify(signature, MESSAGE, ec.ECDSA(SHA256()))


def test_a_wrong_pin_is_refused_and_wiped(fresh_token: TokenAddress) -> None:
    make_pair(fresh_token, KeyPairAlgorithm.P256)
    card = card_at(fresh_token)
    pin = Secret(b"wrong-pin")

    with pytest.raises(PinRefused, match="few tries are left"):
        card.sign(card.keys()[0], MESSAGE, pin)

    assert bytes(pin.reveal()) == bytes(9)
    assert card_at(fresh_token).tries is PinTries.FEW


def test_a_key_without_its_private_half_is_missed(fresh_token: TokenAddress) -> None:
    make_pair(fresh_token, KeyPairAlgorithm.P256)
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        half(token, NAME, ObjectClass.PRIVATE_KEY).destroy()
    card = card_at(fresh_token)

    with pytest.raises(KeyNotFound, match="the private half"):
        card.sign(card.keys()[0], MESSAGE, Secret(USER_PIN))


def self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Anna Example")])
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2031, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2032, 1, 1, tzinfo=UTC))
        .sign(key, SHA256())
    )
