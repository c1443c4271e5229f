"""Key pairs are made in the token, found as exactly one, and destroyed with both halves."""

import re
from collections.abc import Iterator

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from hsm.attributes import MASTER_KEY, SIGNING_KEY, TRANSPORT_KEY, VERIFYING_KEY
from hsm.errors import KeyExists, KeyNotFound, KeyUnsuitable
from hsm.importing import destroy_key, generate_key, generate_session_key, naming
from hsm.key_pairs import (
    destroy_key_pair,
    find_key_pair,
    generate_key_pair,
    list_key_pairs,
)
from hsm.keys import AES_128, AES_256, KeyReference
from hsm.public_keys import RSA_BITS, KeyPairAlgorithm
from hsm.token import Token
from tests.hsm.conftest import PairOf
from tests.hsm.half_pairs import half, make_on_curve, replace_public_half

pytestmark = pytest.mark.xdist_group("key pairs")

each_algorithm = pytest.mark.parametrize("algorithm", KeyPairAlgorithm)

LABEL = "a key pair of test_key_pairs"
NAME = KeyReference(LABEL, 1)
MISSING = re.escape(f"key '{LABEL}' version 1: it is not in the token")


@pytest.fixture(autouse=True)
def _whatever_has_the_label_ends_with_the_test(hsm_token: Token) -> Iterator[None]:
    yield
    for handle in hsm_token.session.get_objects({Attribute.LABEL: LABEL}):
        handle.destroy()


@each_algorithm
def test_a_key_pair_is_found_as_it_was_made(
    hsm_token: Token, pair_of: PairOf, algorithm: KeyPairAlgorithm
) -> None:
    made = pair_of(algorithm)

    found = find_key_pair(hsm_token, made.reference)

    assert (found.algorithm, found.reference) == (algorithm, made.reference)
    assert found.public_key == made.public_key
    public = found.public_key
    if isinstance(public, rsa.RSAPublicKey):
        assert (public.key_size, public.public_numbers().e) == (RSA_BITS[algorithm], 65537)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        assert public.curve.name == algorithm.replace("p", "secp") + "r1"
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)
        assert algorithm is KeyPairAlgorithm.ED25519


def test_no_pair_is_the_one_before(hsm_token: Token) -> None:
    first = generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)
    destroy_key_pair(hsm_token, NAME)
    second = generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)

    assert first.public_key != second.public_key


def test_pairs_are_listed_by_label_and_version_and_secret_keys_are_not(hsm_token: Token) -> None:
    for version in (2, 1):
        generate_key_pair(hsm_token, KeyReference(LABEL, version), KeyPairAlgorithm.P256)
    generate_key(hsm_token, KeyReference(LABEL, 3), AES_128, MASTER_KEY)

    listed = [name for name in list_key_pairs(hsm_token) if name.label == LABEL]

    assert listed == [KeyReference(LABEL, 1), KeyReference(LABEL, 2)]
    assert [name.version for name, _ in hsm_token.list_keys(LABEL)] == [3]


def test_a_name_is_given_once(hsm_token: Token) -> None:
    taken = re.escape(f"key '{LABEL}' version 1 is in the token already")
    kept = generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)

    with pytest.raises(KeyExists, match=taken):
        generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P384)
    assert find_key_pair(hsm_token, NAME).public_key == kept.public_key

    half(hsm_token, NAME, ObjectClass.PRIVATE_KEY).destroy()
    with pytest.raises(KeyExists, match=taken):
        generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)


def test_a_secret_key_of_the_same_name_is_another_key(hsm_token: Token) -> None:
    pair = generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)
    generate_key(hsm_token, NAME, AES_128, MASTER_KEY)

    assert hsm_token.find_key(NAME).shape is AES_128
    assert find_key_pair(hsm_token, NAME).public_key == pair.public_key
    destroy_key(hsm_token, NAME)
    assert find_key_pair(hsm_token, NAME).public_key == pair.public_key


@pytest.mark.parametrize(
    ("of", "named"), [(ObjectClass.PRIVATE_KEY, "private"), (ObjectClass.PUBLIC_KEY, "public")]
)
def test_two_pairs_of_one_name_are_neither(hsm_token: Token, of: ObjectClass, named: str) -> None:
    generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)
    half(hsm_token, NAME, of).copy({})
    twice = re.escape(f"key '{LABEL}' version 1: 2 {named} keys fit")

    with pytest.raises(KeyNotFound, match=twice):
        find_key_pair(hsm_token, NAME)
    with pytest.raises(KeyNotFound, match=twice):
        destroy_key_pair(hsm_token, NAME)

    assert NAME in list_key_pairs(hsm_token)


@pytest.mark.parametrize(
    ("of", "named"), [(ObjectClass.PRIVATE_KEY, "private"), (ObjectClass.PUBLIC_KEY, "public")]
)
def test_half_a_pair_is_said_to_be_half_a_pair_and_can_be_destroyed(
    hsm_token: Token, of: ObjectClass, named: str
) -> None:
    generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)
    half(hsm_token, NAME, of).destroy()

    with pytest.raises(KeyNotFound, match=rf"version 1: its {named} half is not in the token$"):
        find_key_pair(hsm_token, NAME)
    assert NAME in list_key_pairs(hsm_token)

    destroy_key_pair(hsm_token, NAME)
    assert NAME not in list_key_pairs(hsm_token)


def test_a_half_under_another_id_is_pointed_at(hsm_token: Token) -> None:
    make_on_curve(hsm_token, NAME, "secp256r1", public={Attribute.ID: b"\x02"})

    with pytest.raises(
        KeyNotFound,
        match=r"its public half is not in the token, but with CKA_ID 02 and not 01$",
    ):
        find_key_pair(hsm_token, NAME)


def test_a_destroyed_pair_is_gone_with_both_halves(hsm_token: Token) -> None:
    generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)

    destroy_key_pair(hsm_token, NAME)

    assert list(hsm_token.session.get_objects({Attribute.LABEL: LABEL})) == []
    with pytest.raises(KeyNotFound, match=rf"^{MISSING}$"):
        find_key_pair(hsm_token, NAME)
    with pytest.raises(KeyNotFound, match=rf"^{MISSING}$"):
        destroy_key_pair(hsm_token, NAME)


@each_algorithm
def test_each_half_has_the_attributes_of_its_template_and_was_never_elsewhere(
    hsm_token: Token, pair_of: PairOf, algorithm: KeyPairAlgorithm
) -> None:
    made = pair_of(algorithm)
    public = half(hsm_token, made.reference, ObjectClass.PUBLIC_KEY)

    for handle, template in ((made.private, SIGNING_KEY), (public, VERIFYING_KEY)):
        assert {name: handle[name] for name in template} == template
        assert handle[Attribute.LOCAL] is True
    assert made.private[Attribute.ALWAYS_SENSITIVE] is True
    assert made.private[Attribute.NEVER_EXTRACTABLE] is True


def test_a_private_half_grants_signatures_alone_and_a_public_half_their_verification() -> None:
    powers = {"SIGN", "SIGN_RECOVER", "DECRYPT", "UNWRAP", "DERIVE"}
    assert powers | {"SENSITIVE", "EXTRACTABLE", "PRIVATE"} < {name.name for name in SIGNING_KEY}
    assert {name.name for name in SIGNING_KEY if SIGNING_KEY[name] is True} == {
        *("TOKEN", "PRIVATE", "SENSITIVE", "SIGN")
    }
    assert {name.name for name in VERIFYING_KEY if VERIFYING_KEY[name] is True} == {
        *("TOKEN", "VERIFY")
    }


@each_algorithm
def test_no_part_of_a_private_half_is_read(pair_of: PairOf, algorithm: KeyPairAlgorithm) -> None:
    private = pair_of(algorithm).private
    parts = [Attribute.PRIVATE_EXPONENT, Attribute.PRIME_1, Attribute.PRIME_2]

    for part in parts if algorithm in RSA_BITS else [Attribute.VALUE]:
        with pytest.raises(pkcs11.AttributeSensitive):
            private[part]


@each_algorithm
def test_a_private_half_is_not_wrapped(
    hsm_token: Token, pair_of: PairOf, algorithm: KeyPairAlgorithm
) -> None:
    private = pair_of(algorithm).private
    with hsm_token.operation() as operation:
        template = {**TRANSPORT_KEY, Attribute.TOKEN: False}
        wrapping = generate_session_key(operation, AES_256, template)

        for mechanism in (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD):
            with pytest.raises(pkcs11.KeyUnextractable):
                wrapping.handle.wrap_key(private, mechanism=mechanism)


@each_algorithm
@pytest.mark.parametrize(
    "wish",
    [
        {Attribute.EXTRACTABLE: True},
        {Attribute.SENSITIVE: False},
        {Attribute.DECRYPT: True},
        {Attribute.DERIVE: True},
        {Attribute.UNWRAP: True},
        {Attribute.MODIFIABLE: True},
    ],
    ids=lambda wish: next(iter(wish)).name,
)
def test_neither_a_private_half_nor_a_copy_of_it_gets_another_power(
    pair_of: PairOf, algorithm: KeyPairAlgorithm, wish: dict[Attribute, bool]
) -> None:
    private = pair_of(algorithm).private

    for attribute, value in wish.items():
        with pytest.raises(pkcs11.PKCS11Error):
            private[attribute] = value
        with pytest.raises(pkcs11.PKCS11Error):
            private.copy(wish)
        assert private[attribute] is not value


@pytest.mark.parametrize("curve", ["secp256k1", "brainpoolp256r1", "secp224r1"])
def test_a_key_on_another_curve_is_refused(hsm_token: Token, curve: str) -> None:
    make_on_curve(hsm_token, NAME, curve)

    with pytest.raises(KeyUnsuitable, match=r"CKA_EC_PARAMS [0-9a-f]+ are those of another curve"):
        find_key_pair(hsm_token, NAME)


def test_an_rsa_key_of_another_length_is_refused(hsm_token: Token) -> None:
    hsm_token.session.generate_keypair(
        KeyType.RSA,
        1024,
        mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
        store=True,
        public_template={**VERIFYING_KEY, **naming(NAME)},
        private_template={**SIGNING_KEY, **naming(NAME)},
    )

    with pytest.raises(KeyUnsuitable, match=r"has 1024 bits, and not one of 2048, 3072, 4096$"):
        find_key_pair(hsm_token, NAME)


def test_a_key_that_may_not_sign_is_refused(hsm_token: Token) -> None:
    make_on_curve(
        hsm_token, NAME, "secp256r1", private={Attribute.SIGN: False, Attribute.DERIVE: True}
    )

    with pytest.raises(KeyUnsuitable, match=r"version 1: its private half lacks CKA_SIGN$"):
        find_key_pair(hsm_token, NAME)


def test_halves_of_two_algorithms_are_refused(hsm_token: Token) -> None:
    generate_key_pair(hsm_token, NAME, KeyPairAlgorithm.P256)
    other = KeyReference(LABEL, 2)
    generate_key_pair(hsm_token, other, KeyPairAlgorithm.P384)
    foreign = half(hsm_token, other, ObjectClass.PUBLIC_KEY)

    replace_public_half(
        hsm_token,
        NAME,
        {name: foreign[name] for name in (Attribute.EC_PARAMS, Attribute.EC_POINT)},
    )

    with pytest.raises(KeyUnsuitable, match=r"version 1: its halves are keys of two algorithms$"):
        find_key_pair(hsm_token, NAME)
