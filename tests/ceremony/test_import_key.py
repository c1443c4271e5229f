"""Importing a master key from components."""

import os
import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkcs11 import Attribute

from hsm.errors import ComponentInvalid, KeyExists, KeyNotFound
from hsm.importing import destroy_key
from hsm.keys import DES2, DES3, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.ceremony.keys import (
    FACTORY_16,
    FACTORY_24,
    FACTORY_32,
    check_value,
    exclusive_or,
)
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.import_key import (
    component_check_value,
    import_key,
    parse_component,
    shape_of,
)
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm

Wanted = Callable[..., WantedKey]

AES_128, AES_192, AES_256 = KeyAlgorithm.AES128, KeyAlgorithm.AES192, KeyAlgorithm.AES256
TRIPLE_DES = KeyAlgorithm.DES3
LENGTHS = [(AES_128, 16), (AES_192, 24), (AES_256, 32), (TRIPLE_DES, 16), (TRIPLE_DES, 24)]
FACTORY_KEYS = [
    (AES_128, FACTORY_16),
    (AES_192, FACTORY_24),
    (AES_192, FACTORY_16 + FACTORY_16[:8]),
    (AES_256, FACTORY_32),
    (AES_256, FACTORY_16 * 2),
    (TRIPLE_DES, FACTORY_16),
    (TRIPLE_DES, FACTORY_24),
    (TRIPLE_DES, FACTORY_16 + FACTORY_16[:8]),
]


def split(value: bytes, parts: int) -> list[Secret]:
    """Split a key into components, as a card maker would."""
    random = [os.urandom(len(value)) for _ in range(parts - 1)]
    return [Secret(part) for part in (*random, exclusive_or(value, *random))]


def flip_parity(value: bytes) -> bytes:
    return bytes(byte ^ 1 for byte in value)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize(("algorithm", "length"), LENGTHS)
def test_components_become_the_key_of_which_they_are_the_sum(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, length: int, parts: int
) -> None:
    value = os.urandom(length)
    made = import_key(hsm_token, wanted(algorithm), split(value, parts))
    assert made.check_value == check_value(value, algorithm)
    assert made.shape.length == length


@pytest.mark.parametrize(
    ("algorithm", "value", "published"),
    [
        (AES_128, "000102030405060708090a0b0c0d0e0f", "c35280"),
        (TRIPLE_DES, "404142434445464748494a4b4c4d4e4f", "8baf47"),
    ],
)
def test_published_check_values_come_out(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, value: str, published: str
) -> None:
    components = split(bytes.fromhex(value), 3)
    made = import_key(hsm_token, wanted(algorithm, factory=True), components)
    assert made.check_value is not None
    assert made.check_value.hex() == published


@pytest.mark.parametrize(("algorithm", "length"), LENGTHS)
def test_a_component_shows_its_own_check_value_and_leaves_nothing_in_the_token(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, length: int
) -> None:
    before = list(hsm_token.session.get_objects())
    first, second = os.urandom(length), os.urandom(length)
    components = [Secret(first), Secret(second)]
    shown = component_check_value(hsm_token, wanted(algorithm), components)
    assert shown == check_value(second, algorithm)
    assert len(list(hsm_token.session.get_objects())) == len(before)


@pytest.mark.parametrize(
    ("purpose", "powers"),
    [
        (Purpose.MASTER, {Attribute.ENCRYPT, Attribute.DERIVE}),
        (Purpose.UNDIVERSIFIED, {Attribute.ENCRYPT, Attribute.DERIVE, Attribute.WRAP}),
        (Purpose.TRANSPORT, {Attribute.ENCRYPT, Attribute.WRAP}),
    ],
)
def test_an_imported_key_shows_its_check_value_and_does_what_its_purpose_needs_and_no_more(
    hsm_token: Token, wanted: Wanted, purpose: Purpose, powers: set[Attribute]
) -> None:
    key = wanted(AES_256, purpose=purpose)
    value = os.urandom(32)
    made = import_key(hsm_token, key, [Secret(value)])
    assert made.check_value == check_value(value, AES_256)
    handle = hsm_token.find_key(key.reference).handle
    granted = powers | {Attribute.TOKEN, Attribute.PRIVATE, Attribute.SENSITIVE}
    denied = {Attribute.EXTRACTABLE, Attribute.MODIFIABLE, Attribute.DECRYPT, Attribute.UNWRAP}
    denied |= {Attribute.SIGN, Attribute.VERIFY, Attribute.DERIVE, Attribute.WRAP} - powers
    assert {name for name in granted | denied if handle[name]} == granted


@pytest.mark.parametrize(("algorithm", "value"), FACTORY_KEYS)
def test_a_factory_key_is_imported_only_where_the_key_set_says_so(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, value: bytes
) -> None:
    refused, allowed = wanted(algorithm), wanted(algorithm, factory=True)
    with pytest.raises(Refused, match="factory key"):
        import_key(hsm_token, refused, split(value, 2))
    with pytest.raises(KeyNotFound):
        hsm_token.find_key(refused.reference)
    made = import_key(hsm_token, allowed, split(value, 2))
    assert made.check_value == check_value(value, algorithm)


@pytest.mark.parametrize(("algorithm", "value"), FACTORY_KEYS[-3:])
def test_a_factory_key_of_triple_des_is_known_whatever_its_parity_bits(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, value: bytes
) -> None:
    with pytest.raises(Refused, match="factory key"):
        import_key(hsm_token, wanted(algorithm), [Secret(flip_parity(value))])


@pytest.mark.parametrize("factory", [True, False])
@pytest.mark.parametrize(("algorithm", "length"), LENGTHS)
def test_components_that_cancel_out_are_no_key(
    hsm_token: Token, wanted: Wanted, algorithm: KeyAlgorithm, length: int, factory: bool
) -> None:
    same = os.urandom(length)
    with pytest.raises(Refused, match="all zeros"):
        import_key(hsm_token, wanted(algorithm, factory=factory), [Secret(same), Secret(same)])


def test_parity_bits_alone_are_no_key(hsm_token: Token, wanted: Wanted) -> None:
    with pytest.raises(Refused, match="all zeros"):
        import_key(hsm_token, wanted(TRIPLE_DES), [Secret(b"\x01" * 16)])


@pytest.mark.parametrize("order", ["aa", "aab", "abb", "aaa"])
def test_single_des_in_the_form_of_triple_des_is_refused(
    hsm_token: Token, wanted: Wanted, order: str
) -> None:
    parts = {"a": os.urandom(8), "b": os.urandom(8)}
    value = b"".join(parts[name] for name in order)
    other_parity = value[:-1] + flip_parity(value[-1:])
    for form in (value, other_parity):
        with pytest.raises(Refused, match="single DES"):
            import_key(hsm_token, wanted(TRIPLE_DES, factory=True), split(form, 3))


def test_three_key_triple_des_may_repeat_its_first_key(hsm_token: Token, wanted: Wanted) -> None:
    value = os.urandom(16)
    made = import_key(hsm_token, wanted(TRIPLE_DES), [Secret(value + value[:8])])
    assert made.check_value == check_value(value, TRIPLE_DES)


def test_a_taken_label_and_version_is_refused_and_the_old_key_stays(
    hsm_token: Token, wanted: Wanted
) -> None:
    key = wanted(AES_128)
    first = import_key(hsm_token, key, [Secret(os.urandom(16))])
    with pytest.raises(KeyExists, match=re.escape(str(key.reference))):
        import_key(hsm_token, key, [Secret(os.urandom(16))])
    [(_, there)] = hsm_token.list_keys(key.reference.label)
    assert there.shape == first.shape
    destroy_key(hsm_token, key.reference)


@pytest.mark.parametrize("value", [FACTORY_16, FACTORY_32[16:], FACTORY_16[1:]])
def test_components_are_wiped_however_the_import_ends(
    hsm_token: Token, wanted: Wanted, value: bytes
) -> None:
    components = [Secret(value), Secret(bytes(len(value)))]
    with suppress(Refused, ComponentInvalid):
        import_key(hsm_token, wanted(AES_128), components)
    assert not any(any(component.reveal()) for component in components)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([15], "component 1 has 15 bytes; one of des3 has 16 or 24"),
        ([16, 24], "component 2 has 24 bytes, and those before it have 16"),
        ([24, 24, 0], "component 3 has 0 bytes; one of des3 has 16 or 24"),
        ([], "a key needs at least one component"),
    ],
)
def test_a_component_of_the_wrong_length_is_named_by_its_number(
    wanted: Wanted, lengths: list[int], words: str
) -> None:
    components = [Secret(bytes(length)) for length in lengths]
    with pytest.raises(ComponentInvalid) as caught:
        shape_of(wanted(TRIPLE_DES), components)
    assert str(caught.value) == words


@pytest.mark.parametrize(("length", "shape"), [(16, DES2), (24, DES3)])
def test_the_length_of_the_components_says_how_many_keys_triple_des_has(
    wanted: Wanted, length: int, shape: KeyShape
) -> None:
    assert shape_of(wanted(TRIPLE_DES), [Secret(bytes(length))]) == shape


@given(st.binary(max_size=40), st.data())
def test_hexadecimal_is_read_with_spaces_anywhere(value: bytes, data: st.DataObject) -> None:
    digits = value.hex().upper() if data.draw(st.booleans()) else value.hex()
    spaced = "".join(data.draw(st.sampled_from(["", " ", "\t"])) + digit for digit in digits)
    assert parse_component(f"{spaced}\r\n".encode(), 1).reveal() == value


@given(st.text().filter(lambda text: not re.fullmatch(r"\s*([0-9a-fA-F]\s*){0,99}", text)))
def test_what_is_not_hexadecimal_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ComponentInvalid) as caught:
        parse_component(text.encode(errors="surrogatepass"), 7)
    assert str(caught.value) == "component 7 must be hexadecimal digits, two for each byte"


def test_an_odd_digit_is_refused() -> None:
    with pytest.raises(ComponentInvalid, match="component 2 must be hexadecimal"):
        parse_component(b"40 41 4", 2)
