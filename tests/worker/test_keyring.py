"""Finding the token's keys; a key that is not there as it should be is `key-missing`."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY
from hsm.errors import KeyNotFound
from hsm.importing import destroy_key, generate_key
from hsm.keys import (
    AES_128,
    AES_192,
    AES_256,
    DES2,
    DES3,
    SHAPES,
    KeyReference,
    KeyShape,
)
from hsm.token import Token
from tests.worker.key_sets import made
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.diversification import Role
from tmsd.worker.keyring import Keyring

LABEL = "master of test_keyring"
ALLOWED = {
    KeyAlgorithm.AES128: (AES_128,),
    KeyAlgorithm.AES192: (AES_192,),
    KeyAlgorithm.AES256: (AES_256,),
    KeyAlgorithm.DES3: (DES2, DES3),
}


@pytest.fixture
def generate(hsm_token: Token) -> Iterator["Generate"]:
    with ExitStack() as stack:
        yield Generate(hsm_token, stack)


class Generate:
    """Makes master keys that end with the test."""

    def __init__(self, token: Token, stack: ExitStack) -> None:
        self._token = token
        self._stack = stack

    def __call__(self, shape: KeyShape, version: int = 1) -> None:
        reference = KeyReference(LABEL, version)
        generate_key(self._token, reference, shape, MASTER_KEY)
        self._stack.callback(destroy_key, self._token, reference)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.key_type.name}-{s.length}")
def test_a_master_key_is_of_its_key_sets_algorithm_or_missing(
    hsm_token: Token, generate: Generate, algorithm: KeyAlgorithm, shape: KeyShape
) -> None:
    generate(shape)
    key_set = made(algorithm, master_key=LABEL)

    if shape in ALLOWED[algorithm]:
        assert Keyring(hsm_token).master_key(key_set, 1, Role.ENC).shape == shape
    else:
        with pytest.raises(ServiceError, match=f"is not of {algorithm}") as refusal:
            Keyring(hsm_token).master_key(key_set, 1, Role.ENC)
        assert refusal.value.code is Code.KEY_MISSING


def test_a_key_that_is_not_in_the_token_is_missing(hsm_token: Token, generate: Generate) -> None:
    generate(AES_256, version=1)
    key_set = made(KeyAlgorithm.AES256, master_key=LABEL, versions={1: "active", 2: "active"})

    with pytest.raises(ServiceError) as refusal:
        Keyring(hsm_token).master_key(key_set, 2, Role.ENC)

    assert refusal.value.code is Code.KEY_MISSING
    assert refusal.value.detail == (
        "version 2 of key set pilot cannot be used:"
        f" key {LABEL!r} version 2: it is not in the token"
    )


def test_a_key_that_is_there_twice_is_missing(hsm_token: Token, generate: Generate) -> None:
    generate(AES_256)
    naming = {Attribute.LABEL: LABEL, Attribute.ID: b"\x01"}
    with hsm_token.operation() as operation:
        twin = hsm_token.session.generate_key(KeyType.AES, 256, template=naming)
        operation.own(twin, AES_256)

        with pytest.raises(ServiceError, match="2 keys fit") as refusal:
            Keyring(hsm_token).master_key(made(KeyAlgorithm.AES256, master_key=LABEL), 1, Role.ENC)

    assert refusal.value.code is Code.KEY_MISSING


def test_a_key_of_another_kind_is_missing(hsm_token: Token) -> None:
    other = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
        Attribute.VALUE: bytes(20),
        Attribute.LABEL: LABEL,
        Attribute.ID: b"\x01",
    }
    with hsm_token.operation() as operation:
        operation.own(hsm_token.session.create_object(other), AES_256)

        with pytest.raises(
            ServiceError, match="neither an AES, a triple DES nor a generic key"
        ) as refusal:
            Keyring(hsm_token).master_key(made(KeyAlgorithm.AES256, master_key=LABEL), 1, Role.ENC)

    assert refusal.value.code is Code.KEY_MISSING


def test_a_key_that_was_found_is_not_searched_for_again(
    hsm_token: Token, generate: Generate
) -> None:
    generate(AES_256)
    key_set = made(KeyAlgorithm.AES256, master_key=LABEL)
    keyring = Keyring(hsm_token)

    assert keyring.master_key(key_set, 1, Role.ENC) is keyring.master_key(key_set, 1, Role.ENC)


def test_a_key_that_comes_later_is_found_then(hsm_token: Token, generate: Generate) -> None:
    key_set = made(KeyAlgorithm.AES256, master_key=LABEL)
    keyring = Keyring(hsm_token)
    with pytest.raises(ServiceError):
        keyring.master_key(key_set, 1, Role.ENC)

    generate(AES_256)

    assert keyring.master_key(key_set, 1, Role.ENC).shape == AES_256


def test_the_highest_version_of_a_service_key_is_the_latest(keyring: Keyring) -> None:
    assert keyring.latest_version(CHANNEL_KEY) == 2


def test_keys_of_others_do_not_keep_a_service_key_from_being_found(
    hsm_token: Token, keyring: Keyring
) -> None:
    stranger = hsm_token.session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: bytes(32),
            Attribute.TOKEN: True,
            Attribute.LABEL: "of somebody else",
            Attribute.ID: b"\x01",
        }
    )
    try:
        assert keyring.latest_version(CHANNEL_KEY) == 2
    finally:
        stranger.destroy()


def test_a_missing_service_key_says_how_to_make_it(keyring: Keyring) -> None:
    with pytest.raises(KeyNotFound, match="tmsctl key generate --service"):
        keyring.latest_version("tmsd-missing")
    with pytest.raises(KeyNotFound):
        keyring.service_mac(CHANNEL_KEY, 3, b"data")


def test_service_macs_depend_on_label_version_and_data(keyring: Keyring) -> None:
    macs = {
        keyring.service_mac(label, version, data)
        for label in (CHANNEL_KEY, "tmsd-challenge")
        for version in (1, 2)
        for data in (b"", b"data")
    }

    assert len(macs) == 8
    assert {len(mac) for mac in macs} == {16}


def test_service_keys_sign_and_do_nothing_else() -> None:
    granted = {name for name, value in SERVICE_MAC_KEY.items() if value is True}

    assert granted == {
        Attribute.TOKEN,
        Attribute.PRIVATE,
        Attribute.SENSITIVE,
        Attribute.SIGN,
    }
