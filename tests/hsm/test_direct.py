"""Past python-pkcs11, the token does the same to the byte and makes the same keys."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.attributes import (
    AES_CARD_KEY,
    AES_SESSION_MAC_KEY,
    DELIVERED_KEY,
    SESSION_ENC_KEY,
    Template,
)
from hsm.ciphers import decrypt_cbc, encrypt_cbc, encrypt_ecb
from hsm.cmac import cmac
from hsm.direct import METHODS, Direct, FreshKey
from hsm.errors import KeyUnsuitable, TokenLost
from hsm.kdf import derive_cbc, derive_ecb
from hsm.keys import AES_128, AES_256, DES2, KeyShape, TokenKey
from hsm.module import TokenAddress
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token, open_token
from hsm.wrapping import wrap_for_transport, wrap_key
from tests.hsm.session_keys import session_key
from tests.softhsm.each_token import needs, on_each_token
from tests.softhsm.tokens import USER_PIN

Derivation = Callable[[Operation, TokenKey, bytes, KeyShape, Template], TokenKey]

AES_VALUES = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
BLOCKS = st.integers(1, 40).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))
LOOKED_AT = (*METHODS.values(), Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.MODIFIABLE)
LOOKED_AT_TOO = (Attribute.CLASS, Attribute.KEY_TYPE, Attribute.TOKEN, Attribute.PRIVATE)


@pytest.fixture(autouse=True)
def _has_a_way_past_the_library(hsm_token: Token) -> None:
    assert hsm_token.direct is not None


def long_way(key: TokenKey) -> TokenKey:
    return replace(key, direct=None)


@on_each_token
@settings(deadline=None, max_examples=60)
@given(value=AES_VALUES, data=BLOCKS, iv=st.binary(min_size=16, max_size=16))
def test_blocks_are_encrypted_and_decrypted_alike(
    hsm_token: Token, value: bytes, data: bytes, iv: bytes
) -> None:
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, SESSION_ENC_KEY)
        encrypted = encrypt_cbc(key, data, iv)

        assert encrypt_ecb(key, data) == encrypt_ecb(long_way(key), data)
        assert encrypted == encrypt_cbc(long_way(key), data, iv)
        assert decrypt_cbc(key, encrypted, iv) == data == decrypt_cbc(long_way(key), encrypted, iv)


@on_each_token
@settings(deadline=None, max_examples=60)
@given(value=AES_VALUES, data=st.binary(max_size=700))
def test_macs_are_alike(hsm_token: Token, value: bytes, data: bytes) -> None:
    needs(hsm_token, "signs_aes_cmac")
    with hsm_token.operation() as operation:
        key = session_key(hsm_token, operation, value, AES_SESSION_MAC_KEY)

        assert cmac(key, data) == cmac(long_way(key), data)


@on_each_token
@pytest.mark.parametrize("template", [AES_CARD_KEY, SESSION_ENC_KEY, DELIVERED_KEY])
@pytest.mark.parametrize("shape", [AES_128, AES_256, DES2])
@pytest.mark.parametrize("derive", [derive_ecb, derive_cbc])
def test_derived_keys_have_the_same_attributes_and_the_same_value(
    hsm_token: Token, template: Template, shape: KeyShape, derive: Derivation
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    comparable = {**template, Attribute.ENCRYPT: True}
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(range(32)), AES_CARD_KEY)

        fresh = derive(operation, base, bytes(range(32)), shape, comparable)
        known = derive(operation, long_way(base), bytes(range(32)), shape, comparable)

        assert isinstance(fresh.handle, FreshKey)
        assert not isinstance(known.handle, FreshKey)
        for name in (*LOOKED_AT, *LOOKED_AT_TOO):
            assert fresh.handle[name] == known.handle[name], name
        assert [fresh.may(name) for name in METHODS] == [known.may(name) for name in METHODS]
        assert encrypt_ecb(fresh, bytes(16)) == encrypt_ecb(known, bytes(16))


def test_fresh_keys_are_wrapped_alike(hsm_token: Token) -> None:
    wrapping_key = {**AES_CARD_KEY, Attribute.WRAP: True}
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(16), AES_CARD_KEY)
        wrapping = derive_ecb(operation, base, bytes(16), AES_128, wrapping_key)
        leaving = derive_ecb(operation, base, bytes(range(16)), AES_128, DELIVERED_KEY)

        assert isinstance(wrapping.handle, FreshKey)
        assert wrap_for_transport(wrapping, leaving) == wrap_for_transport(
            long_way(wrapping), leaving
        )
        assert wrap_key(wrapping, leaving) == wrap_key(long_way(wrapping), leaving)


@on_each_token
def test_a_fresh_key_does_what_its_attributes_say_and_no_more(hsm_token: Token) -> None:
    needs(hsm_token, "derives_aes_ecb")
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(16), AES_CARD_KEY)
        key = derive_ecb(operation, base, bytes(16), AES_128, AES_SESSION_MAC_KEY)

        with pytest.raises(KeyUnsuitable, match="CKA_ENCRYPT"):
            encrypt_ecb(key, bytes(16))


def test_a_fresh_key_that_is_gone_is_not_destroyed_twice_in_silence(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(16), AES_CARD_KEY)
        with pytest.raises(TokenLost, match="HandleInvalid"), hsm_token.operation() as inner:
            derive_ecb(inner, base, bytes(16), AES_128, AES_CARD_KEY).handle.destroy()


def test_there_is_no_way_in_a_module_that_is_not_loaded_nor_in_a_session_that_is_over(
    hsm_token: Token, fresh_token: TokenAddress
) -> None:
    assert Direct.of(hsm_token.session, Path("/usr/lib/no-such-module.so")) is None
    with open_token(fresh_token, Secret(USER_PIN)) as token:
        session = token.session
        assert Direct.of(session, fresh_token.module) is not None

    assert Direct.of(session, fresh_token.module) is None
