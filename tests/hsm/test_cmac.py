"""CMAC and its pieces, put together, against `cryptography` and the token's mechanism."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.attributes import AES_SESSION_MAC_KEY, SERVICE_MAC_KEY_IN_STEPS, SESSION_ENC_KEY
from hsm.cmac import (
    cmac,
    cmac_by_encryption,
    exclusive_or,
    masked_last_block,
    service_cmac,
    subkey,
)
from hsm.errors import KeyUnsuitable
from hsm.module import TokenAddress
from hsm.token import Token
from tests.hsm.session_keys import session_key
from tests.softhsm.each_token import needs, on_each_token
from tests.softhsm.tokens import without_mechanisms
from tests.vectors import Vector, each
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey

KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
BLOCK = 16
ROOT = Path(__file__).parents[2]
BY_LENGTH = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}


@settings(deadline=None)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_pieces_make_the_cmac(value: bytes, message: bytes) -> None:
    assert _from_pieces(value, message) == _reference(value, message)


@each("aes_cmac.json")
def test_the_pieces_make_the_published_cmacs(vector: Vector) -> None:
    mac = _from_pieces(vector.bytes("key"), vector.bytes("message"))

    assert mac.hex() == vector["mac"]


@on_each_token
@settings(deadline=None, max_examples=50)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_token_computes_the_same(hsm_token: Token, value: bytes, message: bytes) -> None:
    needs(hsm_token, "signs_aes_cmac")
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, AES_SESSION_MAC_KEY)

        assert cmac(key, message) == _reference(value, message)


@on_each_token
@settings(deadline=None, max_examples=50)
@given(value=KEYS, message=st.binary(max_size=80))
def test_the_token_computes_the_same_in_steps(
    hsm_token: Token, value: bytes, message: bytes
) -> None:
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, SESSION_ENC_KEY)

        assert cmac_by_encryption(key, message) == _reference(value, message)


@on_each_token
def test_a_service_key_that_may_encrypt_and_not_sign_makes_the_same_cmac(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, bytes(32), SERVICE_MAC_KEY_IN_STEPS)

        with pytest.raises(KeyUnsuitable, match="CKA_SIGN"):
            cmac(key, b"")
        assert service_cmac(key, b"in three steps: one, two and three") == _reference(
            bytes(32), b"in three steps: one, two and three"
        )


def test_a_token_without_the_mechanism_makes_the_same_with_its_services_keys(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    configuration = without_mechanisms(fresh_token, tmp_path, "CKM_AES_CMAC")

    done = subprocess.run(
        [sys.executable, "-m", "tests.hsm.making_macs", fresh_token.module, fresh_token.label],
        cwd=ROOT,
        env={"SOFTHSM2_CONF": str(configuration), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == {
        "signs": False,
        "service key": True,
        "may sign and encrypt": _reference(bytes(16), b"message").hex(),
        "may only sign": "MechanismUnavailable",
    }


def test_subkeys_are_those_that_the_standard_prints() -> None:
    # NIST SP 800-38B, D.1: CIPH_K(0), K1 and K2 of the AES-128 example
    first = subkey(bytes.fromhex("7df76b0c1ab899b33e42f047b91b546f"))
    second = subkey(first)

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
