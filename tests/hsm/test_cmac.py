"""CMAC and its pieces, put together, against `cryptography` and the token's mechanism."""

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.attributes import AES_SESSION_MAC_KEY, SESSION_ENC_KEY
from hsm.cmac import cmac, cmac_by_encryption, exclusive_or, masked_last_block, subkeys
from hsm.token import Token
from tests.hsm.session_keys import session_key
from tests.vectors import Vector, each
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey

KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
BLOCK = 16
BY_LENGTH = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}


@settings(deadline=None)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_pieces_make_the_cmac(value: bytes, message: bytes) -> None:
    assert _from_pieces(value, message) == _reference(value, message)


@each("aes_cmac.json")
def test_the_pieces_make_the_published_cmacs(vector: Vector) -> None:
    mac = _from_pieces(vector.bytes("key"), vector.bytes("message"))

    assert mac.hex() == vector["mac"]


@settings(deadline=None, max_examples=50)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_token_computes_the_same(hsm_token: Token, value: bytes, message: bytes) -> None:
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, AES_SESSION_MAC_KEY)

        assert cmac(key, message) == _reference(value, message)


@settings(deadline=None, max_examples=50)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_token_computes_the_same_in_steps(
    hsm_token: Token, value: bytes, message: bytes
) -> None:
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, SESSION_ENC_KEY)

        assert cmac_by_encryption(key, message) == _reference(value, message)


def test_subkeys_are_those_that_the_standard_prints() -> None:
    # NIST SP 800-38B, D.1: CIPH_K(0), K1 and K2 of the AES-128 example
    first, second = subkeys(bytes.fromhex("7df76b0c1ab899b33e42f047b91b546f"))

    assert first.hex() == "fbeed618357133667c85e08f7236a8de"
    assert second.hex() == "f7ddac306ae266ccf90bc11ee46d513b"


def test_strings_of_different_lengths_have_no_sum() -> None:
    with pytest.raises(ValueError, match="shorter"):
        exclusive_or(bytes(2), bytes(1))


def _reference(value: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(value))
    mac.update(message)
    return mac.finalize()


def _from_pieces(value: bytes, message: bytes) -> bytes:
    key = PlainKey(BY_LENGTH[len(value)], value)
    chain = bytes(BLOCK)
    for at in range(0, max(len(message) - 1, 0) // BLOCK * BLOCK, BLOCK):
        chain = key.encrypt_ecb(exclusive_or(chain, message[at : at + BLOCK]))
    last = masked_last_block(message, key.encrypt_ecb(bytes(BLOCK)))
    return key.encrypt_ecb(exclusive_or(chain, last))
