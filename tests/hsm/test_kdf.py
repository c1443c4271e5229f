"""Derivation inside the token gives what the same derivation over bytes gives."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsm.attributes import AES_CARD_KEY, DES_CARD_KEY, SERVICE_MAC_KEY
from hsm.ciphers import encrypt_ecb
from hsm.errors import KeyUnsuitable, MechanismUnavailable
from hsm.kdf import derive_cbc, derive_cmac_counter, derive_ecb
from hsm.keys import AES_128, AES_192, AES_256, CIPHER_SHAPES, DES2, DES3, KeyShape, TokenKey
from hsm.token import Token
from tests.hsm.session_keys import session_key
from tests.hsm.sp800_108 import derive_by_the_tokens_own_kdf
from tests.softhsm.each_token import needs, on_each_token
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.worker.hsm_key import ALGORITHMS

pytestmark = on_each_token

AES_SHAPES = (AES_128, AES_192, AES_256)
DES_SHAPES = (DES2, DES3)


def _values(shapes: Sequence[KeyShape]) -> st.SearchStrategy[bytes]:
    lengths = st.sampled_from([shape.length for shape in shapes])
    return lengths.flatmap(lambda n: st.binary(min_size=n, max_size=n))


def _message_groups(shape: KeyShape) -> st.SearchStrategy[list[list[bytes]]]:
    """One to four groups of as many messages as make a key of this shape."""
    messages = st.binary(min_size=1, max_size=80)
    blocks = -(-shape.length // 16)
    return st.lists(st.lists(messages, min_size=blocks, max_size=blocks), min_size=1, max_size=4)


@settings(deadline=None, max_examples=150)
@given(
    value=_values(AES_SHAPES),
    wanted=st.sampled_from(AES_SHAPES).flatmap(
        lambda shape: st.tuples(st.just(shape), _message_groups(shape))
    ),
)
@example(value=bytes(16), wanted=(AES_128, [[b""]]))
@example(value=bytes(24), wanted=(AES_192, [[bytes(16), bytes(17)], [bytes(1), bytes(80)]]))
def test_the_cmac_kdf_is_the_plain_one_whatever_the_lengths(
    hsm_token: Token, value: bytes, wanted: tuple[KeyShape, list[list[bytes]]]
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    shape, groups = wanted
    plain = PlainKey(_algorithm(value), value)
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, value, AES_CARD_KEY)

        made = derive_cmac_counter(operation, base, groups, shape, AES_CARD_KEY)

        expected = [b"".join(plain.cmac(message) for message in group) for group in groups]
        assert len(made) == len(groups)
        for key, material in zip(made, expected, strict=True):
            _require_value(key, material[: shape.length])


@settings(deadline=None, max_examples=60)
@given(value=_values(DES_SHAPES), data=st.binary(min_size=24, max_size=24))
@pytest.mark.parametrize("shape", DES_SHAPES, ids=["DES2", "DES3"])
def test_triple_des_ecb_derivation_is_the_plain_one(
    hsm_token: Token, value: bytes, data: bytes, shape: KeyShape
) -> None:
    needs(hsm_token, "derives_des3_ecb")
    base_shape = DES2 if len(value) == 16 else DES3
    plain = PlainKey(ALGORITHMS[base_shape], value)
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, value, DES_CARD_KEY, base_shape)

        made = derive_ecb(operation, base, data, shape, AES_CARD_KEY)

        _require_value(made, odd_parity(plain.encrypt_ecb(data)[: shape.length]))


@settings(deadline=None, max_examples=60)
@given(value=_values(DES_SHAPES), data=st.binary(min_size=16, max_size=16))
def test_triple_des_cbc_derivation_is_the_plain_one(
    hsm_token: Token, value: bytes, data: bytes
) -> None:
    needs(hsm_token, "derives_des3_cbc")
    base_shape = DES2 if len(value) == 16 else DES3
    plain = PlainKey(ALGORITHMS[base_shape], value)
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, value, DES_CARD_KEY, base_shape)

        made = derive_cbc(operation, base, data, DES2, AES_CARD_KEY)

        _require_value(made, odd_parity(plain.encrypt_cbc(data, bytes(8))))


@settings(deadline=None, max_examples=60)
@given(value=_values(AES_SHAPES), data=st.binary(min_size=32, max_size=32))
@pytest.mark.parametrize("shape", CIPHER_SHAPES, ids=lambda shape: ALGORITHMS[shape].name)
def test_aes_ecb_and_cbc_derivation_are_the_plain_ones(
    hsm_token: Token, value: bytes, data: bytes, shape: KeyShape
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    plain = PlainKey(_algorithm(value), value)
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, value, AES_CARD_KEY)

        by_ecb = derive_ecb(operation, base, data, shape, AES_CARD_KEY)
        by_cbc = derive_cbc(operation, base, data, shape, AES_CARD_KEY)

        _require_value(by_ecb, plain.encrypt_ecb(data)[: shape.length])
        _require_value(by_cbc, plain.encrypt_cbc(data, bytes(16))[: shape.length])


@pytest.mark.parametrize("shape", AES_SHAPES, ids=lambda shape: ALGORITHMS[shape].name)
def test_the_cmac_kdf_is_the_tokens_own_where_it_has_one(hsm_token: Token, shape: KeyShape) -> None:
    before, after = bytes(11) + b"\x04\x00\x00\x80", bytes(range(16))
    messages = [before + bytes([i]) + after for i in range(1, -(-shape.length // 16) + 1)]
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(range(16)), AES_CARD_KEY)
        try:
            own = derive_by_the_tokens_own_kdf(operation, base, before, after, shape)
        except MechanismUnavailable as refusal:
            pytest.skip(f"the token was asked for its own KDF: {refusal}")

        (made,) = derive_cmac_counter(operation, base, [messages], shape, AES_CARD_KEY)

        assert encrypt_ecb(made, bytes(16)) == encrypt_ecb(own, bytes(16))


def test_a_key_that_may_not_derive_is_named_with_what_it_lacks(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        base = session_key(hsm_token, operation, bytes(16), SERVICE_MAC_KEY)

        with pytest.raises(KeyUnsuitable, match=r"^key 'session key \d+' lacks CKA_DERIVE$"):
            derive_ecb(operation, base, bytes(16), AES_128, AES_CARD_KEY)


def _algorithm(value: bytes) -> Algorithm:
    return next(
        algorithm
        for algorithm in Algorithm
        if (algorithm.family, algorithm.length) == ("AES", len(value))
    )


def _require_value(key: TokenKey, value: bytes) -> None:
    plain = PlainKey(ALGORITHMS[key.shape], value)
    assert encrypt_ecb(key, bytes(16)) == plain.encrypt_ecb(bytes(16))
