"""The PIV card by itself: what it lets out, what it signs, and how often it takes a wrong PIN."""

from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from tests.pcsc import tlv
from tests.pcsc.apdu import Command, StatusWord
from tests.piv_card.card import GENERAL_AUTHENTICATE, GET_DATA, GET_RESPONSE, VERIFY, PivCard
from tests.piv_card.data_objects import AID, CERTIFICATES, CHUID, PRINTED_INFORMATION
from tests.piv_card.keys import Algorithm, KeyReference, PrivateKey
from tests.piv_card.personalisation import personalise
from tests.piv_card.pin import Pin

DIGEST = bytes(range(32))


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def card() -> PivCard:
    """A card whose PIN is 123456, with its application selected."""
    keys: dict[KeyReference, PrivateKey] = {
        KeyReference.AUTHENTICATION: rsa_key(),
        KeyReference.SIGNATURE: ec_key(),
    }
    made = PivCard(personalise("Anna Example", bytes(15) + b"\x01", Pin("123456"), keys))
    assert send(made, 0xA4, 0x04, 0x00, AID[:9])[1] == StatusWord.OK
    return made


def send(card: PivCard, ins: int, p1: int, p2: int, data: bytes = b"") -> tuple[bytes, int]:
    """Send a command, in as many links and with as many responses as it takes."""
    while len(data) > 255:
        link, data = data[:255], data[255:]
        assert card.transmit(Command(0x10, ins, p1, p2, link).encode()) == b"\x90\x00"
    answer = card.transmit(Command(0x00, ins, p1, p2, data, 256).encode())
    found = answer[:-2]
    while answer[-2] == 0x61:
        answer = card.transmit(Command(0x00, GET_RESPONSE, 0, 0, b"", answer[-1] or 256).encode())
        found += answer[:-2]
    return found, int.from_bytes(answer[-2:])


def verify(card: PivCard, pin: bytes) -> int:
    return send(card, VERIFY, 0x00, 0x80, pin.ljust(8, b"\xff"))[1]


def read(card: PivCard, tag: bytes) -> tuple[bytes, int]:
    return send(card, GET_DATA, 0x3F, 0xFF, tlv.encode(0x5C, tag))


def sign(
    card: PivCard, reference: KeyReference, algorithm: Algorithm, challenge: bytes
) -> tuple[bytes, int]:
    template = tlv.encode(0x7C, tlv.encode(0x82), tlv.encode(0x81, challenge))
    answer, status_word = send(card, GENERAL_AUTHENTICATE, algorithm, reference, template)
    return (tlv.parse(tlv.parse(answer)[0].value)[0].value if answer else b""), status_word


def sign_by_ec(card: PivCard, digest: bytes = DIGEST) -> tuple[bytes, int]:
    return sign(card, KeyReference.SIGNATURE, Algorithm.P256, digest)


def test_it_signs_a_digest_by_a_key_on_a_curve(card: PivCard) -> None:
    verify(card, b"123456")

    signature, status_word = sign_by_ec(card)

    assert status_word == StatusWord.OK
    ec_key().public_key().verify(signature, DIGEST, ec.ECDSA(Prehashed(SHA256())))


def test_it_signs_by_rsa_what_the_host_has_padded(card: PivCard) -> None:
    hashed = Hash(SHA256())
    hashed.update(b"message")
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashed.finalize()
    padded = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
    verify(card, b"123456")

    signature, status_word = sign(card, KeyReference.AUTHENTICATION, Algorithm.RSA_2048, padded)

    assert status_word == StatusWord.OK
    rsa_key().public_key().verify(signature, b"message", padding.PKCS1v15(), SHA256())


def test_nothing_is_signed_without_the_pin(card: PivCard) -> None:
    assert sign_by_ec(card) == (b"", StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def test_the_signature_key_takes_the_pin_immediately_before_each_signature(card: PivCard) -> None:
    verify(card, b"123456")
    assert sign_by_ec(card)[1] == StatusWord.OK
    assert sign_by_ec(card)[1] == StatusWord.SECURITY_STATUS_NOT_SATISFIED

    verify(card, b"123456")
    read(card, CHUID)
    assert sign_by_ec(card)[1] == StatusWord.SECURITY_STATUS_NOT_SATISFIED


def test_the_authentication_key_takes_the_pin_once(card: PivCard) -> None:
    verify(card, b"123456")
    read(card, CHUID)

    answers = [
        sign(card, KeyReference.AUTHENTICATION, Algorithm.RSA_2048, bytes(255) + b"\x02")[1]
        for _ in range(2)
    ]

    assert answers == [StatusWord.OK, StatusWord.OK]


def test_a_reset_forgets_the_pin(card: PivCard) -> None:
    verify(card, b"123456")
    card.reset()
    send(card, 0xA4, 0x04, 0x00, AID)

    assert sign_by_ec(card)[1] == StatusWord.SECURITY_STATUS_NOT_SATISFIED


def test_wrong_pins_are_counted_and_block_it_for_good(card: PivCard) -> None:
    assert [verify(card, b"999999") for _ in range(3)] == [0x63C2, 0x63C1, 0x63C0]

    assert verify(card, b"123456") == StatusWord.AUTHENTICATION_METHOD_BLOCKED
    card.reset()
    send(card, 0xA4, 0x04, 0x00, AID)
    assert verify(card, b"123456") == StatusWord.AUTHENTICATION_METHOD_BLOCKED


def test_the_right_pin_gives_all_tries_back(card: PivCard) -> None:
    verify(card, b"999999")
    verify(card, b"123456")

    assert card.tries_left == 3


def test_what_can_be_no_pin_costs_no_try(card: PivCard) -> None:
    for pin in (b"12345", b"abcdef", b"1234567890"):
        assert verify(card, pin) == StatusWord.INCORRECT_VALUES_IN_DATA
    assert card.tries_left == 3


def test_it_says_whether_the_pin_is_needed(card: PivCard) -> None:
    assert send(card, VERIFY, 0x00, 0x80)[1] == 0x63C3
    verify(card, b"123456")
    assert send(card, VERIFY, 0x00, 0x80)[1] == StatusWord.OK
    assert send(card, VERIFY, 0xFF, 0x80)[1] == StatusWord.OK
    assert send(card, VERIFY, 0x00, 0x80)[1] == 0x63C3


def test_what_is_printed_on_it_is_for_who_knows_the_pin(card: PivCard) -> None:
    assert read(card, PRINTED_INFORMATION)[1] == StatusWord.SECURITY_STATUS_NOT_SATISFIED
    verify(card, b"123456")
    assert b"Anna Example" in read(card, PRINTED_INFORMATION)[0]


def test_objects_that_are_not_there_are_not_found(card: PivCard) -> None:
    absent = CERTIFICATES[KeyReference.KEY_MANAGEMENT]

    assert read(card, absent) == (b"", StatusWord.DATA_OBJECT_NOT_FOUND)


@pytest.mark.parametrize(
    ("reference", "algorithm", "digest", "status_word"),
    [
        (KeyReference.KEY_MANAGEMENT, Algorithm.P256, DIGEST, StatusWord.INCORRECT_P1_P2),
        (KeyReference.SIGNATURE, Algorithm.P384, DIGEST, StatusWord.INCORRECT_P1_P2),
        (
            KeyReference.SIGNATURE,
            Algorithm.P256,
            DIGEST[1:],
            StatusWord.INCORRECT_VALUES_IN_DATA,
        ),
    ],
)
def test_keys_sign_by_their_own_algorithm_alone(
    card: PivCard,
    reference: KeyReference,
    algorithm: Algorithm,
    digest: bytes,
    status_word: StatusWord,
) -> None:
    verify(card, b"123456")

    assert sign(card, reference, algorithm, digest) == (b"", status_word)


def test_a_chain_is_of_one_command(card: PivCard) -> None:
    link = Command(0x10, GENERAL_AUTHENTICATE, Algorithm.P256, KeyReference.SIGNATURE, b"\x7c")
    assert card.transmit(link.encode()) == b"\x90\x00"

    _, status_word = read(card, CHUID)

    assert status_word == StatusWord.LAST_COMMAND_OF_CHAIN_EXPECTED
    assert read(card, CHUID)[1] == StatusWord.OK


def test_before_its_application_is_selected_it_knows_no_instruction(card: PivCard) -> None:
    card.reset()

    assert read(card, CHUID)[1] == StatusWord.INVALID_INSTRUCTION
    assert send(card, 0xA4, 0x04, 0x00, AID[:5])[1] == StatusWord.APPLICATION_NOT_FOUND
