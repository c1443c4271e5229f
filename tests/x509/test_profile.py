"""Which usages a key of each kind has of a profile's."""

from dataclasses import replace

import pytest

from tests.x509.issuing import shipped
from tmsd.x509.profile import KeyUsage
from tmsd.x509.public_keys import KeyKind

EVERY_USAGE = replace(shipped("tls-client"), key_usage=tuple(KeyUsage))
SIGNING = {
    KeyUsage.DIGITAL_SIGNATURE,
    KeyUsage.CONTENT_COMMITMENT,
    KeyUsage.KEY_CERT_SIGN,
    KeyUsage.CRL_SIGN,
}


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.RSA_3072, KeyKind.RSA_4096])
def test_rsa_keys_sign_and_encipher(kind: KeyKind) -> None:
    """RFC 3279, 2.3.1."""
    usages = SIGNING | {KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT}
    assert set(EVERY_USAGE.usages_of(kind)) == usages


@pytest.mark.parametrize("kind", [KeyKind.P_256, KeyKind.P_384, KeyKind.P_521])
def test_keys_on_curves_sign_and_agree(kind: KeyKind) -> None:
    """RFC 8813, 3."""
    assert set(EVERY_USAGE.usages_of(kind)) == SIGNING | {KeyUsage.KEY_AGREEMENT}


def test_ed25519_keys_sign() -> None:
    """RFC 8410, 5."""
    assert set(EVERY_USAGE.usages_of(KeyKind.ED25519)) == SIGNING


def test_usages_stay_in_the_order_of_the_profile() -> None:
    profile = replace(EVERY_USAGE, key_usage=tuple(reversed(KeyUsage)))
    assert profile.usages_of(KeyKind.ED25519) == (
        KeyUsage.CRL_SIGN,
        KeyUsage.KEY_CERT_SIGN,
        KeyUsage.CONTENT_COMMITMENT,
        KeyUsage.DIGITAL_SIGNATURE,
    )
