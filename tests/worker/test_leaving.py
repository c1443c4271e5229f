"""Keys leave the token wrapped in it, or by a named exception, or not at all."""

from functools import partial

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.attributes import TRANSPORT_KEY
from hsm.errors import HsmError, MechanismUnavailable
from hsm.operation import Operation
from hsm.reading import read_value
from hsm.token import Token
from tests.globalplatform.key_stores import TokenKeys
from tests.softhsm.each_token import asked, needs, on_each_token
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.worker import leaving
from tmsd.worker.hsm_key import HsmKey

VALUE = bytes(range(1, 17))
DEK = bytes(range(0x21, 0x31))
DATA = bytes(range(16))
SETTING = "key_sets.pilot"


def new_key(
    store: TokenKeys, master: Algorithm, into: Algorithm, data: bytes, base: type[HsmKey]
) -> HsmKey:
    """Derive a new card key over a class of base keys."""
    inside = store.master_key(master, VALUE)
    return base(store.operation, inside.key).derive_ecb(data, into, Use.NEW_CARD_KEY)


def under_dek(
    token: Token, algorithm: Algorithm, into: Algorithm, data: bytes, *, may_be_read: bool
) -> tuple[bytes, bool]:
    """Wrap a new card key under a DEK of the same algorithm as its master key."""
    with token.operation() as operation:
        store = TokenKeys(token, operation)
        dek = store.key(algorithm, DEK, Use.DEK)
        derive = partial(new_key, store, algorithm, into, data)
        return leaving.under_dek(dek, derive, may_be_read=may_be_read, setting=SETTING)


def session_keys(store: TokenKeys, base: type[HsmKey]) -> dict[str, HsmKey]:
    """Derive two keys over a class of base keys."""
    over = base(store.operation, store.key(Algorithm.DES2, VALUE, Use.CARD_KEY).key)
    return {
        "enc": over.derive_ecb(DATA, Algorithm.DES2, Use.SESSION_ENC),
        "mac": over.derive_ecb(DATA[::-1], Algorithm.DES2, Use.SESSION_MAC),
    }


@on_each_token
@settings(deadline=None, max_examples=30)
@given(data=st.binary(min_size=32, max_size=32))
@pytest.mark.parametrize("into", [Algorithm.AES_128, Algorithm.AES_256])
@pytest.mark.parametrize("may_be_read", [False, True])
def test_an_aes_key_is_wrapped_in_the_token_exception_or_not(
    hsm_token: Token, into: Algorithm, may_be_read: bool, data: bytes
) -> None:
    needs(hsm_token, "derives_aes_ecb", "wraps_aes_cbc")
    plain = PlainKey(Algorithm.AES_128, VALUE).derive_ecb(data, into, Use.NEW_CARD_KEY)

    wrapped = under_dek(hsm_token, Algorithm.AES_128, into, data, may_be_read=may_be_read)

    assert wrapped == (PlainKey(Algorithm.AES_128, DEK).wrap_key(plain), False)


@pytest.mark.parametrize("into", [Algorithm.DES2, Algorithm.AES_128])
def test_under_triple_des_softhsm_wraps_nothing_and_the_refusal_names_mechanism_and_setting(
    hsm_token: Token, into: Algorithm
) -> None:
    with pytest.raises(ServiceError) as refusal:
        under_dek(hsm_token, Algorithm.DES2, into, DATA, may_be_read=False)

    assert refusal.value.code is Code.MECHANISM_UNAVAILABLE
    assert refusal.value.detail == (
        "the token does not wrap keys with CKM_DES3_ECB; key_sets.pilot would have to say"
        " allow_key_material_in_worker = true"
    )


@on_each_token
@settings(deadline=None, max_examples=30)
@given(data=st.binary(min_size=16, max_size=16))
@pytest.mark.parametrize("into", [Algorithm.DES2, Algorithm.AES_128])
def test_with_the_exception_the_ciphertext_is_right_and_the_answer_says_how_it_came(
    hsm_token: Token, into: Algorithm, data: bytes
) -> None:
    needs(hsm_token, "derives_des3_ecb")
    plain = PlainKey(Algorithm.DES2, VALUE).derive_ecb(data, into, Use.NEW_CARD_KEY)

    wrapped = under_dek(hsm_token, Algorithm.DES2, into, data, may_be_read=True)

    was_read = not asked(hsm_token).wraps_des3_ecb
    assert wrapped == (PlainKey(Algorithm.DES2, DEK).wrap_key(plain), was_read)


@on_each_token
def test_a_token_that_wraps_under_triple_des_needs_no_exception(hsm_token: Token) -> None:
    needs(hsm_token, "derives_des3_ecb", "wraps_des3_ecb")

    made = [
        under_dek(hsm_token, Algorithm.DES2, Algorithm.DES2, DATA, may_be_read=may_be_read)
        for may_be_read in (False, True)
    ]

    plain = PlainKey(Algorithm.DES2, VALUE).derive_ecb(DATA, Algorithm.DES2, Use.NEW_CARD_KEY)
    assert made == [(PlainKey(Algorithm.DES2, DEK).wrap_key(plain), False)] * 2


def test_without_the_exception_no_key_is_ever_made_that_can_be_read(hsm_token: Token) -> None:
    made: list[HsmKey] = []

    def derive(store: TokenKeys, base: type[HsmKey]) -> HsmKey:
        made.append(new_key(store, Algorithm.DES2, Algorithm.DES2, DATA, base))
        return made[-1]

    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        dek = store.key(Algorithm.DES2, DEK, Use.DEK)
        with pytest.raises(ServiceError):
            leaving.under_dek(dek, partial(derive, store), may_be_read=False, setting=SETTING)

        assert [type(key) for key in made] == [HsmKey]
        with pytest.raises(HsmError, match="AttributeSensitive"):
            read_value(made[0].key)


@on_each_token
@pytest.mark.parametrize("length", [16, 24, 32])
def test_session_keys_go_under_an_aes_transport_key_by_rfc_3394(
    hsm_token: Token, length: int
) -> None:
    needs(hsm_token, "derives_des3_ecb", "wraps_aes_key_wrap")
    shared = bytes(range(length))
    algorithm = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}[length]
    plain = PlainKey(Algorithm.DES2, VALUE)
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        wrapping = store.imported(algorithm, shared, TRANSPORT_KEY).key

        wrapped, exposed = leaving.under_transport_key(
            wrapping, partial(session_keys, store), may_be_read=False, setting=SETTING
        )

    assert not exposed
    assert {name: aes_key_unwrap(shared, key) for name, key in wrapped.items()} == {
        "enc": plain.derive_ecb(DATA, Algorithm.DES2, Use.SESSION_ENC).value,
        "mac": plain.derive_ecb(DATA[::-1], Algorithm.DES2, Use.SESSION_MAC).value,
    }


def test_under_a_triple_des_transport_key_session_keys_leave_by_exception_alone(
    hsm_token: Token,
) -> None:
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        wrapping = store.imported(Algorithm.DES2, DEK, TRANSPORT_KEY).key
        derive = partial(session_keys, store)

        wrapped, exposed = leaving.under_transport_key(
            wrapping, derive, may_be_read=True, setting=SETTING
        )
        with pytest.raises(ServiceError) as refusal:
            leaving.under_transport_key(
                wrapping, derive, may_be_read=False, setting="transport_keys.tps"
            )

    plain = PlainKey(Algorithm.DES2, VALUE)
    shared = PlainKey(Algorithm.DES2, DEK)
    assert exposed
    assert wrapped == {
        "enc": shared.wrap_key(plain.derive_ecb(DATA, Algorithm.DES2, Use.SESSION_ENC)),
        "mac": shared.wrap_key(plain.derive_ecb(DATA[::-1], Algorithm.DES2, Use.SESSION_MAC)),
    }
    assert refusal.value.code is Code.MECHANISM_UNAVAILABLE
    assert "CKM_DES3_ECB; transport_keys.tps would have to say" in refusal.value.detail


def test_no_exception_makes_up_for_a_token_that_does_not_wrap_under_aes(
    hsm_token: Token,
) -> None:
    def unavailable(_base: type[HsmKey]) -> HsmKey:
        raise MechanismUnavailable("the token does not wrap keys with CKM_AES_CBC")

    def all_unavailable(base: type[HsmKey]) -> dict[str, HsmKey]:
        return {"mac": unavailable(base)}

    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        dek = store.key(Algorithm.AES_128, DEK, Use.DEK)

        with pytest.raises(ServiceError) as for_a_card:
            leaving.under_dek(dek, unavailable, may_be_read=True, setting=SETTING)
        with pytest.raises(ServiceError) as for_a_caller:
            leaving.under_transport_key(dek.key, all_unavailable, may_be_read=True, setting=SETTING)

    for refusal in (for_a_card, for_a_caller):
        assert refusal.value.code is Code.MECHANISM_UNAVAILABLE
        assert refusal.value.detail == "the token does not wrap keys with CKM_AES_CBC"


def test_nothing_stays_in_the_token_after_a_key_has_left(hsm_token: Token) -> None:
    before = len(list(hsm_token.session.get_objects()))

    def leave(operation: Operation) -> None:
        store = TokenKeys(hsm_token, operation)
        dek = store.key(Algorithm.DES2, DEK, Use.DEK)
        derive = partial(new_key, store, Algorithm.DES2, Algorithm.DES2, DATA)
        leaving.under_dek(dek, derive, may_be_read=True, setting=SETTING)

    with hsm_token.operation() as operation:
        leave(operation)

    assert len(list(hsm_token.session.get_objects())) == before
