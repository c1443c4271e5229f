"""`HsmKey` is `PlainKey` with the value out of reach; every use has its template."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.check_values import key_check_value as token_check_value
from hsm.errors import HsmError, KeyUnsuitable, MechanismUnavailable
from hsm.keys import CIPHER_SHAPES, KeyShape
from hsm.reading import read_value
from hsm.token import Token
from tests.globalplatform.key_stores import TokenKeys, shows
from tests.softhsm.each_token import asked, needs, on_each_token
from tmsd.globalplatform.keys import Algorithm, CounterInput, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.worker.exposed import ReadableKey
from tmsd.worker.hsm_key import ALGORITHMS, DeliverableKey
from tmsd.worker.hsm_key import SHAPES as BY_ALGORITHM

AES = [algorithm for algorithm in Algorithm if algorithm.family == "AES"]
DES = [algorithm for algorithm in Algorithm if algorithm.family == "DES"]


def _values(algorithm: Algorithm) -> st.SearchStrategy[tuple[Algorithm, bytes]]:
    value = st.binary(min_size=algorithm.length, max_size=algorithm.length)
    return st.tuples(st.just(algorithm), value)


AES_KEYS = st.sampled_from(AES).flatmap(_values)
DES_KEYS = st.sampled_from(DES).flatmap(_values)
POWERS = (
    Attribute.EXTRACTABLE,
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)
BLOCK = bytes(16)
# What a key may not do for want of an attribute, by its use; and arguments to try it with.
FORBIDDEN = {
    Use.CARD_KEY: ["cmac", "decrypt_cbc"],
    Use.NEW_CARD_KEY: ["cmac", "decrypt_cbc", "derive_ecb"],
    Use.SESSION_ENC: ["cmac", "derive_ecb"],
    Use.SESSION_MAC: ["encrypt_ecb", "encrypt_cbc", "decrypt_cbc", "derive_ecb"],
    Use.DEK: ["cmac", "decrypt_cbc", "derive_ecb"],
}
ARGUMENTS = {
    "cmac": (BLOCK,),
    "encrypt_ecb": (BLOCK,),
    "encrypt_cbc": (BLOCK, BLOCK),
    "decrypt_cbc": (BLOCK, BLOCK),
    "derive_ecb": (BLOCK, Algorithm.AES_128, Use.DEK),
}
INPUTS = st.lists(
    st.builds(CounterInput, st.binary(max_size=40), st.binary(max_size=40)), min_size=1, max_size=3
)


def test_algorithms_and_shapes_are_two_names_of_the_same() -> None:
    assert BY_ALGORITHM.keys() == set(Algorithm)
    assert ALGORITHMS.keys() == set(CIPHER_SHAPES)
    for algorithm, shape in BY_ALGORITHM.items():
        assert (shape.length, shape.is_aes) == (algorithm.length, algorithm.family == "AES")


@on_each_token
@pytest.mark.parametrize("shape", CIPHER_SHAPES, ids=lambda s: ALGORITHMS[s].name)
def test_every_use_has_a_template_that_grants_what_the_use_says(
    hsm_token: Token, shape: KeyShape
) -> None:
    with hsm_token.operation() as operation:
        key = TokenKeys(hsm_token, operation).key(Algorithm.AES_128, BLOCK, Use.CARD_KEY)
    templates = {use: key.template(shape, use) for use in Use}
    granted = {
        use: {name.name for name in POWERS if template[name]} for use, template in templates.items()
    }

    assert granted == {
        Use.CARD_KEY: {"DERIVE", "ENCRYPT"} if shape.is_aes else {"DERIVE"},
        Use.NEW_CARD_KEY: {"EXTRACTABLE", "ENCRYPT"},
        Use.SESSION_ENC: {"ENCRYPT", "DECRYPT"},
        Use.SESSION_MAC: {"SIGN"} if shape.is_aes else {"ENCRYPT"},
        Use.DEK: {"ENCRYPT", "WRAP"},
    }
    assert not any(template[Attribute.TOKEN] for template in templates.values())
    assert all(template[Attribute.SENSITIVE] for template in templates.values())


@on_each_token
@settings(deadline=None, max_examples=60)
@given(key=AES_KEYS, into=st.sampled_from(AES), inputs=INPUTS)
def test_the_counter_kdf_is_the_plain_one(
    hsm_token: Token, key: tuple[Algorithm, bytes], into: Algorithm, inputs: list[CounterInput]
) -> None:
    plain = PlainKey(*key).derive_counter(inputs, into, Use.CARD_KEY)
    with hsm_token.operation() as operation:
        base = TokenKeys(hsm_token, operation).key(*key, Use.CARD_KEY)

        made = base.derive_counter(inputs, into, Use.CARD_KEY)

        assert all(
            shows(key, Use.CARD_KEY, twin.value) for key, twin in zip(made, plain, strict=True)
        )


@on_each_token
@settings(deadline=None, max_examples=40)
@given(key=DES_KEYS, data=st.binary(min_size=16, max_size=16))
@pytest.mark.parametrize("use", Use)
def test_triple_des_derivations_are_the_plain_ones(
    hsm_token: Token, key: tuple[Algorithm, bytes], data: bytes, use: Use
) -> None:
    plain = PlainKey(*key)
    with hsm_token.operation() as operation:
        base = TokenKeys(hsm_token, operation).key(*key, Use.CARD_KEY)

        by_ecb = base.derive_ecb(data, Algorithm.DES2, use)
        by_cbc = base.derive_cbc(data, Algorithm.DES2, use)

        assert shows(by_ecb, use, plain.derive_ecb(data, Algorithm.DES2, use).value)
        assert shows(by_cbc, use, plain.derive_cbc(data, Algorithm.DES2, use).value)


@on_each_token
@settings(deadline=None, max_examples=40)
@given(key=AES_KEYS | DES_KEYS)
def test_check_values_are_the_plain_ones_in_both_layers(
    hsm_token: Token, key: tuple[Algorithm, bytes]
) -> None:
    with hsm_token.operation() as operation:
        master = TokenKeys(hsm_token, operation).master_key(*key)

        assert key_check_value(master) == key_check_value(PlainKey(*key))
        assert token_check_value(master.key) == key_check_value(master)


@on_each_token
@settings(deadline=None, max_examples=40)
@given(
    dek=st.sampled_from(AES).flatmap(_values),
    master=st.sampled_from(AES).flatmap(_values),
    into=st.sampled_from(AES),
    fixed=st.builds(CounterInput, st.binary(max_size=20), st.binary(max_size=20)),
)
def test_new_aes_keys_are_wrapped_in_the_token_as_they_are_in_memory(
    hsm_token: Token,
    dek: tuple[Algorithm, bytes],
    master: tuple[Algorithm, bytes],
    into: Algorithm,
    fixed: CounterInput,
) -> None:
    # AES-192 keys go out with the 8 bytes of the KDF's output that come after them.
    (plain,) = PlainKey(*master).derive_counter(
        [fixed], Algorithm.AES_256 if into is Algorithm.AES_192 else into, Use.NEW_CARD_KEY
    )
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        (new,) = store.master_key(*master).derive_counter([fixed], into, Use.NEW_CARD_KEY)

        wrapped = store.key(*dek, Use.DEK).wrap_key(new)

        assert wrapped == PlainKey(*dek).wrap_key(plain)
        assert key_check_value(new) == key_check_value(PlainKey(into, plain.value[: into.length]))


@on_each_token
def test_several_new_aes_192_keys_are_each_filled_up_with_their_own_bytes(
    hsm_token: Token,
) -> None:
    inputs = [CounterInput(b"", bytes([n])) for n in range(3)]
    plain = PlainKey(Algorithm.AES_192, bytes(24)).derive_counter(
        inputs, Algorithm.AES_256, Use.NEW_CARD_KEY
    )
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        dek = store.key(Algorithm.AES_128, BLOCK, Use.DEK)
        master = store.master_key(Algorithm.AES_192, bytes(24))

        new = master.derive_counter(inputs, Algorithm.AES_192, Use.NEW_CARD_KEY)

        twin = PlainKey(Algorithm.AES_128, BLOCK)
        assert [dek.wrap_key(key) for key in new] == [twin.wrap_key(key) for key in plain]


@on_each_token
@pytest.mark.parametrize("into", AES)
@pytest.mark.parametrize("use", [Use.CARD_KEY, Use.SESSION_ENC, Use.SESSION_MAC, Use.DEK])
def test_only_what_goes_to_a_card_is_made_twice(
    hsm_token: Token, into: Algorithm, use: Use
) -> None:
    with hsm_token.operation() as operation:
        base = TokenKeys(hsm_token, operation).key(Algorithm.AES_128, BLOCK, Use.CARD_KEY)
        before = len(list(hsm_token.session.get_objects()))

        (made,) = base.derive_counter([CounterInput(b"", b"")], into, use)

        assert made.filled_up is None
        assert len(list(hsm_token.session.get_objects())) == before + 1


@on_each_token
def test_a_token_wraps_triple_des_keys_as_they_are_in_memory_or_says_that_it_does_not(
    hsm_token: Token,
) -> None:
    value = odd_parity(BLOCK)
    with hsm_token.operation() as operation:
        store = TokenKeys(hsm_token, operation)
        dek = store.key(Algorithm.DES2, value, Use.DEK)
        new = store.key(Algorithm.DES2, value, Use.NEW_CARD_KEY)

        if asked(hsm_token).wraps_des3_ecb:
            twin = PlainKey(Algorithm.DES2, value)
            assert dek.wrap_key(new) == twin.wrap_key(twin)
        else:
            with pytest.raises(MechanismUnavailable):
                dek.wrap_key(new)


@on_each_token
@pytest.mark.parametrize(
    ("use", "name"), [(use, name) for use, names in FORBIDDEN.items() for name in names]
)
def test_a_derived_key_does_nothing_that_its_use_does_not_need(
    hsm_token: Token, use: Use, name: str
) -> None:
    with hsm_token.operation() as operation:
        base = TokenKeys(hsm_token, operation).key(Algorithm.AES_128, BLOCK, Use.CARD_KEY)
        key = base.derive_ecb(BLOCK, Algorithm.AES_128, use)

        with pytest.raises(KeyUnsuitable, match="lacks CKA_"):
            getattr(key, name)(*ARGUMENTS[name])


@on_each_token
@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("into", [Algorithm.AES_128, Algorithm.DES2])
def test_what_a_deliverable_key_derives_leaves_wrapped_and_does_nothing_here(
    hsm_token: Token, use: Use, into: Algorithm
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    with hsm_token.operation() as operation:
        plain = TokenKeys(hsm_token, operation).key(Algorithm.AES_128, BLOCK, Use.CARD_KEY)
        base = DeliverableKey(operation, plain.key)

        made = base.derive_ecb(BLOCK, into, use)

        assert type(made) is DeliverableKey
        handle = made.key.handle
        assert {name for name in POWERS if handle[name]} == {Attribute.EXTRACTABLE}
        assert handle[Attribute.SENSITIVE] is True


@on_each_token
@pytest.mark.parametrize("use", Use)
def test_what_a_readable_key_derives_can_be_read_and_nothing_else_can(
    hsm_token: Token, use: Use
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    with hsm_token.operation() as operation:
        plain = TokenKeys(hsm_token, operation).key(Algorithm.AES_128, BLOCK, Use.CARD_KEY)

        readable = ReadableKey(operation, plain.key).derive_ecb(BLOCK, Algorithm.DES2, use)
        usual = plain.derive_ecb(BLOCK, Algorithm.DES2, use)

        twin = PlainKey(Algorithm.AES_128, BLOCK).derive_ecb(BLOCK, Algorithm.DES2, use)
        assert read_value(readable.key).reveal() == twin.value
        assert {name for name in POWERS if readable.key.handle[name]} == {
            Attribute.EXTRACTABLE,
            Attribute.ENCRYPT,
        }
        with pytest.raises(HsmError, match="AttributeSensitive"):
            read_value(usual.key)
