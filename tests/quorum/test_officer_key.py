"""Keys in files sign for their officers, and are opened by their password alone."""

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from tests.quorum.officers import pem, private_key, public_hex
from tmsd.quorum.officer_key import has_signed, key_of_file
from tmsd.quorum.refusal import ApprovalRefused, Rule

PASSWORD = b"correct horse"
ENCRYPTED = private_key("anna").private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD)
)


@pytest.mark.parametrize("name", ["anna", "berta", "carl", "dora"])
def test_keys_of_every_kind_sign(name: str) -> None:
    signature = key_of_file(pem(name), None).sign(b"message")

    assert has_signed(bytes.fromhex(public_hex(name)), b"message", signature)
    assert not has_signed(bytes.fromhex(public_hex(name)), b"massage", signature)


def test_an_encrypted_key_is_opened_by_its_password() -> None:
    assert key_of_file(ENCRYPTED, PASSWORD).public_key.hex() == public_hex("anna")


@pytest.mark.parametrize("password", [b"wrong", None])
def test_without_its_password_it_stays_shut(password: bytes | None) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        key_of_file(ENCRYPTED, password)

    assert refused.value.rule is Rule.OFFICER_KEY_UNFIT


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ApprovalRefused, match="no private key in PEM"):
        key_of_file(b"-----BEGIN PRIVATE KEY-----\n", None)
