"""What is done outside the token by exception: right, put back or wiped, and nothing more."""

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, READABLE_KEY
from hsm.errors import HsmError
from hsm.hmac import filled_up
from hsm.importing import import_session_key
from hsm.keys import DES2, SECRET_32
from hsm.operation import Operation
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.token import Token
from tests.globalplatform.key_stores import TokenKeys, shows
from tests.softhsm.each_token import needs, on_each_token
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.worker.exposed import ReadableKey, card_keys_by_hmac, under_triple_des
from tmsd.worker.hsm_key import DeliverableKey, HsmKey

pytestmark = on_each_token

MASTERS = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
# Some tokens give the keys that they get odd parity.
KEYS = st.binary(min_size=16, max_size=16).map(odd_parity)
DATA = bytes(range(10))


def master_of(operation: Operation, value: bytes, base: type[HsmKey] = HsmKey) -> HsmKey:
    """Return an HMAC master key of this value as a base key of a class."""
    template = {**HMAC_MASTER_KEY, Attribute.TOKEN: False}
    key = import_session_key(operation, filled_up(Secret(value)), SECRET_32, template)
    return base(operation, key)


@settings(deadline=None, max_examples=30)
@given(master=MASTERS, data=st.binary(min_size=10, max_size=10))
def test_card_keys_are_the_48_bytes_of_two_hmacs_with_odd_parity(
    hsm_token: Token, master: bytes, data: bytes
) -> None:
    needs(hsm_token, "signs_hmac_sha256", "derives_des3_ecb")
    fixed = b"\x04\x00" + data + b"\x01\x80"
    material = b"".join(hmac.digest(master, bytes([i]) + fixed, "sha256") for i in (1, 2))
    with hsm_token.operation() as operation:
        masters = dict.fromkeys(Role, master_of(operation, master))

        keys = card_keys_by_hmac(masters, data, Use.CARD_KEY)

        for role, key in keys.items():
            assert key.algorithm is Algorithm.DES2
            value = material[16 * (role - 1) : 16 * role]
            assert shows(key, Use.CARD_KEY, odd_parity(value))


def test_each_role_comes_from_its_own_master_key(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        masters = {role: master_of(operation, bytes([role]) * 24) for role in Role}

        keys = card_keys_by_hmac(masters, DATA, Use.CARD_KEY)

        for role, key in keys.items():
            alone = card_keys_by_hmac({role: masters[role]}, DATA, Use.DEK)[role]
            again = card_keys_by_hmac({role: masters[role]}, DATA, Use.DEK)[role]
            assert alone.encrypt_ecb(bytes(8)) == again.encrypt_ecb(bytes(8))
            assert not alone.key.handle[Attribute.EXTRACTABLE]
            assert key.operation is operation


@pytest.mark.parametrize("use", [Use.CARD_KEY, Use.DEK, Use.NEW_CARD_KEY])
def test_what_is_put_back_can_be_read_again_only_over_a_readable_base(
    hsm_token: Token, use: Use
) -> None:
    with hsm_token.operation() as operation:
        made = {
            base: card_keys_by_hmac({Role.DEK: master_of(operation, bytes(24), base)}, DATA, use)
            for base in (HsmKey, DeliverableKey, ReadableKey)
        }

        assert [type(keys[Role.DEK]) for keys in made.values()] == list(made)
        assert len(read_value(made[ReadableKey][Role.DEK].key)) == 16
        for base in (HsmKey, DeliverableKey):
            with pytest.raises(HsmError, match="AttributeSensitive"):
                read_value(made[base][Role.DEK].key)
        assert made[DeliverableKey][Role.DEK].key.handle[Attribute.EXTRACTABLE]


@settings(deadline=None, max_examples=30)
@given(value=KEYS, dek=KEYS)
def test_a_readable_key_comes_out_encrypted_as_the_token_would_have_wrapped_it(
    hsm_token: Token, value: bytes, dek: bytes
) -> None:
    with hsm_token.operation() as operation:
        wrapping = TokenKeys(hsm_token, operation).key(Algorithm.DES2, dek, Use.DEK)
        readable = import_session_key(operation, Secret(value), DES2, READABLE_KEY)

        encrypted = under_triple_des(wrapping.key, HsmKey(operation, readable))

    assert encrypted == PlainKey(Algorithm.DES2, dek).encrypt_ecb(value)


@pytest.mark.parametrize("use", [Use.NEW_CARD_KEY, Use.DEK, Use.CARD_KEY])
def test_a_key_that_was_not_made_readable_does_not_come_out(hsm_token: Token, use: Use) -> None:
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        wrapping = store.key(Algorithm.DES2, bytes(range(16)), Use.DEK)

        with pytest.raises(HsmError, match="AttributeSensitive"):
            under_triple_des(wrapping.key, store.key(Algorithm.DES2, bytes(16), use))
