"""OpenSC's own tools read the card, sign with it and block it: none of that was written here."""

import subprocess
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.pcsc.fixtures import PutInReader
from tests.piv_card.card import PivCard
from tests.piv_card.keys import KeyReference, PrivateKey
from tests.piv_card.opensc import opensc_module
from tests.piv_card.personalisation import personalise
from tests.piv_card.pin import Pin

GUID = bytes.fromhex("00112233445566778899aabbccddeeff")
IDS = {
    KeyReference.AUTHENTICATION: "01",
    KeyReference.SIGNATURE: "02",
    KeyReference.CARD_AUTHENTICATION: "04",
}
"""Under which ids OpenSC shows keys."""


@cache
def keys() -> dict[KeyReference, PrivateKey]:
    return {
        KeyReference.AUTHENTICATION: ec.generate_private_key(ec.SECP256R1()),
        KeyReference.SIGNATURE: rsa.generate_private_key(65537, 2048),
        KeyReference.CARD_AUTHENTICATION: ec.generate_private_key(ec.SECP384R1()),
    }


@pytest.fixture
def card(put_in_reader: PutInReader) -> PivCard:
    """A card in a reader, whose PIN is 123456."""
    made = PivCard(personalise("Anna Example", GUID, Pin("123456"), keys()))
    put_in_reader(made)
    return made


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def pkcs11_tool(*options: str, pin: str = "123456") -> subprocess.CompletedProcess[str]:
    return run("pkcs11-tool", "--module", str(opensc_module()), "--login", "--pin", pin, *options)


@pytest.mark.usefixtures("card")
def test_opensc_takes_it_for_a_piv_card() -> None:
    named = run("opensc-tool", "--name")
    shown = run("pkcs15-tool", "--dump")

    assert named.stdout == "Personal Identity Verification Card\n"
    assert "PKCS#15 Card [Anna Example]" in shown.stdout
    assert f"Serial number  : {GUID.hex()}" in shown.stdout
    assert "Private RSA Key [SIGN key]" in shown.stdout


@pytest.mark.usefixtures("card")
def test_the_signature_key_alone_asks_for_the_pin_each_time() -> None:
    shown = pkcs11_tool("--list-objects", "--type", "privkey").stdout

    found = shown.split("Private Key Object")[1:]
    assert len(found) == 3
    assert ["SIGN key" in key for key in found] == ["always authenticate" in key for key in found]


@pytest.mark.parametrize(
    ("reference", "mechanism", "digest"),
    [
        (KeyReference.AUTHENTICATION, "ECDSA-SHA256", "-sha256"),
        (KeyReference.SIGNATURE, "SHA256-RSA-PKCS", "-sha256"),
        (KeyReference.CARD_AUTHENTICATION, "ECDSA-SHA384", "-sha384"),
    ],
)
def test_openssl_verifies_what_it_signed_through_opensc(
    card: PivCard, tmp_path: Path, reference: KeyReference, mechanism: str, digest: str
) -> None:
    message, signature, public = (str(tmp_path / name) for name in ("message", "signed", "public"))
    Path(message).write_bytes(b"message")
    public_key = keys()[reference].public_key()
    Path(public).write_bytes(
        public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    what = ("--sign", "--id", IDS[reference], "--mechanism", mechanism)
    files = ("--input-file", message, "--output-file", signature, "--signature-format", "openssl")

    signed = pkcs11_tool(*what, *files)
    verified = run("openssl", "dgst", digest, "-verify", public, "-signature", signature, message)

    assert signed.returncode == 0, signed.stderr
    assert verified.stdout == "Verified OK\n"
    assert card.signatures == 1


def test_wrong_pins_block_it(card: PivCard) -> None:
    said = [pkcs11_tool("--list-objects", pin="999999").stderr for _ in range(4)]

    assert ["CKR_PIN_INCORRECT" in words for words in said] == [True, True, True, False]
    assert "CKR_PIN_LOCKED" in said[3]
    assert card.tries_left == 0
