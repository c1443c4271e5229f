"""HMAC-SHA256 in the token, and keys that are filled up for it."""

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY
from hsm.errors import KeyUnsuitable
from hsm.hmac import filled_up, hmac_sha256
from hsm.importing import import_session_key
from hsm.keys import AES_256, SECRET_16, SECRET_24, SECRET_32, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.softhsm.each_token import needs, on_each_token

IN_SESSION = {**HMAC_MASTER_KEY, Attribute.TOKEN: False}


@on_each_token
@settings(deadline=None, max_examples=40)
@given(
    value=st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    data=st.binary(max_size=200),
)
def test_a_key_that_is_filled_up_with_zeros_makes_the_same_hmac(
    hsm_token: Token, value: bytes, data: bytes
) -> None:
    needs(hsm_token, "signs_hmac_sha256")
    with hsm_token.operation() as operation:
        key = import_session_key(operation, filled_up(Secret(value)), SECRET_32, IN_SESSION)

        assert hmac_sha256(key, data) == hmac.digest(value, data, "sha256")


@pytest.mark.parametrize("shape", [SECRET_16, SECRET_24], ids=["16 bytes", "24 bytes"])
def test_a_key_that_is_too_short_for_the_token_is_told_what_to_do(
    hsm_token: Token, shape: KeyShape
) -> None:
    with hsm_token.operation() as operation:
        key = import_session_key(operation, Secret(bytes(shape.length)), shape, IN_SESSION)

        with pytest.raises(KeyUnsuitable) as refusal:
            hmac_sha256(key, b"data")

    assert str(refusal.value) == (
        f"the token makes no HMAC-SHA256 with a key of {shape.length} bytes: import it anew,"
        " filled up with zeros to 32, which changes no HMAC"
    )


def test_filling_up_leaves_the_key_itself_as_it_is() -> None:
    key = Secret(bytes(range(16)))

    assert filled_up(key).reveal() == bytes(range(16)) + bytes(16)
    assert key.reveal() == bytes(range(16))


@on_each_token
def test_a_key_without_cka_sign_makes_none(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        template = {**MASTER_KEY, Attribute.TOKEN: False}
        key = import_session_key(operation, Secret(bytes(32)), AES_256, template)

        with pytest.raises(KeyUnsuitable, match="lacks CKA_SIGN"):
            hmac_sha256(key, b"data")
