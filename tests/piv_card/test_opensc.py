"""OpenSC's own tools read the card, sign with it and block it: none of that was written here."""

import subprocess
from collections.abc import Iterator
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


@cache
def keys() -> dict[KeyReference, PrivateKey]:
    return {
        KeyReference.AUTHENTICATION: ec.generate_private_key(ec.SECP256R1()),
        KeyReference.SIGNATURE: rsa.generate_private_key(65537, 2048),
        KeyReference.CARD_AUTHENTICATION: ec.generate_private_key(ec.SECP384R1()),
    }


def signers() -> Iterator[tuple[str, str, str, PrivateKey]]:
    """Yield the id that OpenSC shows each key under, how it signs, the hash, and the key."""
    yield "01", "ECDSA-SHA256", "sha256", keys()[KeyReference.AUTHENTICATION]
    yield "02", "SHA256-RSA-PKCS", "sha256", keys()[KeyReference.SIGNATURE]
    yield "04", "ECDSA-SHA384", "sha384", keys()[KeyReference.CARD_AUTHENTICATION]


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
    keys = pkcs11_tool("--list-objects", "--type", "privkey").stdout.split("Private Key Object")[1:]

    assert named.stdout == "Personal Identity Verification Card\n"
    assert "PKCS#15 Card [Anna Example]" in shown.stdout
    assert f"Serial number  : {GUID.hex()}" in shown.stdout
    assert len(keys) == 3
    assert ["SIGN key" in key for key in keys] == ["always authenticate" in key for key in keys]


def test_openssl_verifies_what_it_signed_through_opensc(card: PivCard, tmp_path: Path) -> None:
    message, signature, public = (str(tmp_path / name) for name in ("message", "signed", "public"))
    Path(message).write_bytes(b"message")
    files = ("--input-file", message, "--output-file", signature, "--signature-format", "openssl")
    for key_id, mechanism, digest, key in signers():
        encoded = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        Path(public).write_bytes(encoded)

        signed = pkcs11_tool("--sign", "--id", key_id, "--mechanism", mechanism, *files)
        check = ("-verify", public, "-signature", signature, message)
        verified = run("openssl", "dgst", f"-{digest}", *check)

        assert (signed.returncode, verified.stdout) == (0, "Verified OK\n"), signed.stderr
    assert card.signatures == 3


def test_wrong_pins_block_it(card: PivCard) -> None:
    said = [pkcs11_tool("--list-objects", pin="999999").stderr for _ in range(4)]

    assert ["CKR_PIN_INCORRECT" in words for words in said] == [True, True, True, False]
    assert "CKR_PIN_LOCKED" in said[3]
    assert card.tries_left == 0
