"""Logging in, finding keys, random bytes; and what each refusal says."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY
from hsm.ciphers import encrypt_ecb
from hsm.errors import HsmError, KeyNotFound, KeyUnsuitable, PinRefused
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, SHAPES, KeyReference, KeyShape
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN

WRONG_PIN = b"not the PIN at all"


@contextmanager
def _generated(token: Token, keys: Sequence[tuple[KeyReference, KeyShape]]) -> Iterator[None]:
    with ExitStack() as stack:
        for reference, shape in keys:
            generate_key(token, reference, shape, MASTER_KEY)
            stack.callback(destroy_key, token, reference)
        yield


def test_a_login_reaches_what_an_earlier_login_left(fresh_token: TokenAddress) -> None:
    reference = KeyReference("master", 7)
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        made = encrypt_ecb(generate_key(token, reference, AES_256, MASTER_KEY), bytes(16))

    with open_token(fresh_token, Secret(USER_PIN)) as token:
        assert encrypt_ecb(token.find_key(reference), bytes(16)) == made


def test_a_wrong_pin_is_refused_with_the_tokens_name_and_without_the_pin(
    fresh_token: TokenAddress,
) -> None:
    pin = Secret(WRONG_PIN)

    with pytest.raises(PinRefused) as refusal, open_token(fresh_token, pin):
        pass

    assert str(refusal.value).startswith(f"token {fresh_token.label!r}, serial")
    assert "correct it before the next try" in str(refusal.value)
    assert WRONG_PIN.decode() not in repr(refusal.value) + repr(refusal.value.__cause__)


@pytest.mark.parametrize("value", [USER_PIN, WRONG_PIN])
def test_the_pin_is_wiped_once_the_token_has_seen_it(
    fresh_token: TokenAddress, value: bytes
) -> None:
    pin = Secret(value)
    try:
        with open_token(fresh_token, pin):
            assert not any(pin.reveal())
    except PinRefused:
        assert not any(pin.reveal())


def test_a_login_that_is_not_writable_makes_no_persistent_key(fresh_token: TokenAddress) -> None:
    with open_token(fresh_token, Secret(USER_PIN)) as token:
        with pytest.raises(HsmError, match="ReadOnly"):
            generate_key(token, KeyReference("master", 1), AES_128, MASTER_KEY)
        assert token.list_keys() == []


def test_the_login_ends_with_its_scope(fresh_token: TokenAddress) -> None:
    for _ in range(2):
        with open_token(fresh_token, Secret(USER_PIN)) as token:
            assert token.list_keys() == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.key_type.name}-{s.length}")
def test_a_key_is_found_by_label_and_version_with_its_shape(
    hsm_token: Token, shape: KeyShape
) -> None:
    reference = KeyReference("found", 3)
    with _generated(hsm_token, [(reference, shape)]):
        assert hsm_token.find_key(reference).shape == shape
        for other in (KeyReference("found", 4), KeyReference("foun", 3), KeyReference("", 3)):
            with pytest.raises(KeyNotFound) as refusal:
                hsm_token.find_key(other)
            assert str(refusal.value) == f"{other}: it is not in the token"


def test_two_keys_of_one_label_and_version_are_none(hsm_token: Token) -> None:
    reference = KeyReference("twice", 1)
    naming = {Attribute.LABEL: reference.label, Attribute.ID: reference.id}
    with _generated(hsm_token, [(reference, AES_128)]), hsm_token.operation() as operation:
        # The token itself has nothing against it.
        twin = hsm_token.session.generate_key(KeyType.AES, 128, template=naming)
        operation.own(twin, AES_128)

        with pytest.raises(KeyNotFound, match=r"^key 'twice' version 1: 2 keys fit$"):
            hsm_token.find_key(reference)


def test_keys_are_listed_by_label_and_version(hsm_token: Token) -> None:
    keys = [
        (KeyReference("b", 1), AES_192),
        (KeyReference("a", 9), DES2),
        (KeyReference("a", 200), DES3),
        (KeyReference("a", 10), AES_128),
    ]
    with _generated(hsm_token, keys):
        listed = [(reference, key.shape) for reference, key in hsm_token.list_keys()]
        of_a = [reference.version for reference, _ in hsm_token.list_keys("a")]

    ours = [entry for entry in listed if entry[0].label in ("a", "b")]
    assert ours == sorted(keys, key=lambda entry: (entry[0].label, entry[0].version))
    assert of_a == [9, 10, 200]


def test_a_key_of_another_kind_is_named_and_does_not_hide_the_others(hsm_token: Token) -> None:
    stranger = hsm_token.session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: bytes(20),
            Attribute.TOKEN: True,
            Attribute.LABEL: "of somebody else",
            Attribute.ID: b"\x01",
        }
    )
    reference = KeyReference("ours", 1)
    try:
        with _generated(hsm_token, [(reference, AES_128)]):
            assert [found for found, _ in hsm_token.list_keys("ours")] == [reference]
        with pytest.raises(KeyUnsuitable, match="neither an AES, a triple DES nor a generic key"):
            hsm_token.find_key(KeyReference("of somebody else", 1))
    finally:
        stranger.destroy()


@pytest.mark.parametrize("length", [1, 8, 16, 1024])
def test_random_bytes_are_as_many_as_asked_and_differ(hsm_token: Token, length: int) -> None:
    drawn = [hsm_token.random(length) for _ in range(12)]

    assert {len(value) for value in drawn} == {length}
    assert len(set(drawn)) > 1


def test_a_key_without_the_attribute_for_an_operation_is_named(hsm_token: Token) -> None:
    reference = KeyReference("mac alone", 1)
    key = generate_key(hsm_token, reference, AES_128, SERVICE_MAC_KEY)
    try:
        with pytest.raises(KeyUnsuitable, match=r"^key 'mac alone' lacks CKA_ENCRYPT$"):
            encrypt_ecb(key, bytes(16))
    finally:
        destroy_key(hsm_token, reference)
