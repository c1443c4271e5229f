"""A key is told from another of its shape by whatever its attributes allow."""

from collections.abc import Callable

import pytest
from pkcs11 import Attribute, ObjectClass

from hsm.attributes import (
    DELIVERED_KEY,
    DES_CARD_KEY,
    MASTER_KEY,
    SERVICE_MAC_KEY,
    Template,
)
from hsm.errors import KeyUnsuitable
from hsm.identity import KeyIdentity, identity, key_pair_identity
from hsm.importing import import_session_key
from hsm.key_pairs import destroy_key_pair, find_key_pair, generate_key_pair
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyReference, KeyShape
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from hsm.secret import Secret
from hsm.token import Token
from tests.hsm.conftest import PairOf
from tests.hsm.half_pairs import half, replace_public_half

Identify = Callable[[Template, KeyShape, int], KeyIdentity]


@pytest.fixture
def identify(hsm_token: Token) -> Identify:
    """Put a key of repeated bytes into the token for a moment, and say what it is."""

    def of(template: Template, shape: KeyShape, byte: int) -> KeyIdentity:
        template = {key: value for key, value in template.items() if key.name != "TOKEN"}
        with hsm_token.operation() as operation:
            value = Secret(bytes([byte]) * shape.length)
            return identity(hsm_token, import_session_key(operation, value, shape, template))

    return of


@pytest.mark.parametrize("shape", [AES_128, AES_192, AES_256, DES2, DES3], ids=str)
@pytest.mark.parametrize(
    "template", [MASTER_KEY, DES_CARD_KEY], ids=["encrypts and derives", "derives only"]
)
def test_two_keys_of_one_shape_differ_and_one_key_is_itself(
    identify: Identify, template: Template, shape: KeyShape
) -> None:
    one, same, other = (identify(template, shape, byte) for byte in (0x01, 0x01, 0x02))

    assert one == same
    assert one != other
    assert len(one.check_value) == 3


def test_so_do_keys_that_only_sign(identify: Identify) -> None:
    assert identify(SERVICE_MAC_KEY, AES_256, 1) != identify(SERVICE_MAC_KEY, AES_256, 2)


def test_a_key_that_computes_nothing_is_known_by_its_shape_alone(identify: Identify) -> None:
    assert identify(DELIVERED_KEY, AES_128, 1) == KeyIdentity(AES_128, b"")


@pytest.mark.xdist_group("key pairs")
@pytest.mark.parametrize("algorithm", KeyPairAlgorithm)
def test_a_key_pair_is_known_by_its_algorithm_and_its_public_half(
    hsm_token: Token, pair_of: PairOf, algorithm: KeyPairAlgorithm
) -> None:
    pair = pair_of(algorithm)

    one, again = (
        key_pair_identity(find_key_pair(hsm_token, pair.reference)) for _ in ("one", "again")
    )

    assert one == again
    assert (one.algorithm, one.spki_sha256) == (algorithm, spki_sha256(pair.public_key))


@pytest.mark.parametrize("algorithm", ["rsa2048", "p256", "ed25519"])
def test_a_pair_whose_public_half_is_another_s_has_no_identity(
    hsm_token: Token, algorithm: str
) -> None:
    names = [KeyReference("a key pair of test_identity", version) for version in (1, 2)]
    for name in names:
        generate_key_pair(hsm_token, name, KeyPairAlgorithm(algorithm))
    value = Attribute.MODULUS if algorithm == "rsa2048" else Attribute.EC_POINT
    foreign = half(hsm_token, names[1], ObjectClass.PUBLIC_KEY)[value]
    replace_public_half(hsm_token, names[0], {value: foreign})

    with pytest.raises(KeyUnsuitable, match="version 1: its halves do not belong together"):
        key_pair_identity(find_key_pair(hsm_token, names[0]))

    for name in names:
        destroy_key_pair(hsm_token, name)
