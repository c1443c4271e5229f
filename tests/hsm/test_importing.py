"""Keys from components and keys made in the token."""

from collections.abc import Iterator
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.attributes import DES_SESSION_MAC_KEY, HMAC_MASTER_KEY, MASTER_KEY
from hsm.check_values import key_check_value
from hsm.ciphers import encrypt_ecb
from hsm.cmac import exclusive_or
from hsm.errors import ComponentInvalid, KeyExists, KeyNotFound
from hsm.importing import (
    check_value_of_component,
    combine,
    destroy_key,
    generate_key,
    import_key,
    import_session_key,
    require_absent,
    set_odd_parity,
)
from hsm.keys import (
    AES_128,
    AES_256,
    CIPHER_SHAPES,
    DES2,
    DES3,
    SECRET_16,
    SECRET_24,
    SECRET_32,
    SHAPES,
    KeyReference,
    KeyShape,
)
from hsm.secret import Secret
from hsm.token import Token
from tests.vectors import Vector, each
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.worker.hsm_key import ALGORITHMS

each_cipher_shape = pytest.mark.parametrize(
    "shape", CIPHER_SHAPES, ids=lambda s: f"{s.key_type.name}-{s.length}"
)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.key_type.name}-{s.length}")


@pytest.fixture
def reference(hsm_token: Token) -> Iterator[KeyReference]:
    """A label and version that are free; a key under it ends with the test."""
    reference = KeyReference("a key of test_importing", 1)
    yield reference
    if hsm_token.find_keys(reference):
        destroy_key(hsm_token, reference)


@each_shape
@settings(deadline=None)
@given(data=st.data())
def test_components_are_added_bit_by_bit_and_triple_des_keys_get_odd_parity(
    shape: KeyShape, data: st.DataObject
) -> None:
    component = st.binary(min_size=shape.length, max_size=shape.length)
    components = data.draw(st.lists(component, min_size=1, max_size=5))

    combined = combine([Secret(value) for value in components], shape).reveal()

    total = reduce(exclusive_or, components)
    is_des = shape in (DES2, DES3)
    assert combined == (odd_parity(total) if is_des else total)


@each_shape
def test_combining_leaves_the_components_as_they_are(shape: KeyShape) -> None:
    components = [Secret(bytes([n]) * shape.length) for n in (1, 2)]

    combine(components, shape)

    assert [component.reveal()[0] for component in components] == [1, 2]


@each_shape
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_component_of_another_length_is_counted_and_told_what_it_should_have(
    shape: KeyShape, difference: int
) -> None:
    right, wrong = Secret(bytes(shape.length)), Secret(bytes(shape.length + difference))

    with pytest.raises(ComponentInvalid) as refusal:
        combine([right, wrong], shape)

    assert str(refusal.value) == (
        f"component 2 has {len(wrong)} bytes and should have {shape.length}"
    )


def test_no_components_make_no_key() -> None:
    with pytest.raises(ComponentInvalid, match="at least one component"):
        combine([], AES_128)


@each("key_check_values.json")
def test_a_component_shows_the_published_check_value_of_a_key_of_its_value(
    hsm_token: Token, vector: Vector
) -> None:
    value = vector.bytes("key")
    family = {"AES": (True,), "DES": (False,)}[vector["family"]]
    (shape,) = [s for s in CIPHER_SHAPES if s.length == len(value) and s.is_aes in family]
    before = len(list(hsm_token.session.get_objects()))

    assert check_value_of_component(hsm_token, Secret(value), shape).hex() == vector["kcv"]
    assert len(list(hsm_token.session.get_objects())) == before


@each_cipher_shape
def test_an_imported_key_is_found_and_computes_as_its_value(
    hsm_token: Token, reference: KeyReference, shape: KeyShape
) -> None:
    value = bytes(range(1, shape.length + 1))
    plain = PlainKey(ALGORITHMS[shape], value)

    import_key(hsm_token, reference, Secret(value), shape, MASTER_KEY)

    found = hsm_token.find_key(reference)
    assert found.shape == shape
    assert encrypt_ecb(found, bytes(16)) == plain.encrypt_ecb(bytes(16))


@settings(deadline=None, max_examples=20)
@given(values=st.lists(st.binary(min_size=24, max_size=24), min_size=2, max_size=4))
def test_a_key_of_components_has_the_check_value_of_their_sum(
    hsm_token: Token, values: list[bytes]
) -> None:
    combined = combine([Secret(value) for value in values], DES3)

    shown = check_value_of_component(hsm_token, combined, DES3)

    plain = PlainKey(ALGORITHMS[DES3], reduce(exclusive_or, values))
    assert shown == plain.encrypt_ecb(bytes(8))[:3]


@each_cipher_shape
def test_a_generated_key_is_found_and_is_not_the_one_before(
    hsm_token: Token, reference: KeyReference, shape: KeyShape
) -> None:
    shown = set()
    for _ in range(2):
        generate_key(hsm_token, reference, shape, MASTER_KEY)
        shown.add(key_check_value(hsm_token.find_key(reference)))
        destroy_key(hsm_token, reference)

    assert len(shown) == 2


@pytest.mark.parametrize("shape", [SECRET_16, SECRET_24, SECRET_32], ids=lambda s: s.length)
def test_a_generic_secret_is_imported_and_generated_like_any_key(
    hsm_token: Token, reference: KeyReference, shape: KeyShape
) -> None:
    import_key(hsm_token, reference, Secret(bytes(shape.length)), shape, HMAC_MASTER_KEY)
    assert hsm_token.find_key(reference).shape == shape
    destroy_key(hsm_token, reference)

    assert generate_key(hsm_token, reference, shape, HMAC_MASTER_KEY).shape == shape
    assert hsm_token.find_key(reference).shape == shape


@settings(deadline=None)
@given(value=st.binary(min_size=1, max_size=32))
def test_parity_is_set_in_place_and_odd_in_every_byte(value: bytes) -> None:
    key = Secret(value)

    set_odd_parity(key)

    assert key.reveal() == odd_parity(value)
    assert all(byte.bit_count() % 2 for byte in key.reveal())


def test_a_session_key_ends_with_its_operation(hsm_token: Token) -> None:
    before = len(list(hsm_token.session.get_objects()))
    value = bytes(range(1, 17))

    with hsm_token.operation() as operation:
        key = import_session_key(operation, Secret(value), DES2, DES_SESSION_MAC_KEY)
        assert encrypt_ecb(key, bytes(8)) == PlainKey(ALGORITHMS[DES2], value).encrypt_ecb(bytes(8))
        assert len(list(hsm_token.session.get_objects())) == before + 1

    assert len(list(hsm_token.session.get_objects())) == before


def test_a_label_and_version_that_are_taken_are_not_taken_again(
    hsm_token: Token, reference: KeyReference
) -> None:
    kept = key_check_value(generate_key(hsm_token, reference, AES_256, MASTER_KEY))
    taken = r"^key 'a key of test_importing' version 1 is in the token already$"

    with pytest.raises(KeyExists, match=taken):
        import_key(hsm_token, reference, Secret(bytes(16)), DES2, MASTER_KEY)
    with pytest.raises(KeyExists, match=taken):
        generate_key(hsm_token, reference, AES_128, MASTER_KEY)
    with pytest.raises(KeyExists, match=taken):
        require_absent(hsm_token, reference)

    assert key_check_value(hsm_token.find_key(reference)) == kept
    require_absent(hsm_token, KeyReference(reference.label, 2))


def test_a_destroyed_key_is_gone_and_cannot_be_destroyed_again(
    hsm_token: Token, reference: KeyReference
) -> None:
    generate_key(hsm_token, reference, AES_128, MASTER_KEY)

    destroy_key(hsm_token, reference)

    with pytest.raises(KeyNotFound):
        hsm_token.find_key(reference)
    with pytest.raises(KeyNotFound, match="it is not in the token"):
        destroy_key(hsm_token, reference)
