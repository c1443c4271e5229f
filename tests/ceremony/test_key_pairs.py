"""Generating, listing and destroying the key pairs of CAs and responders."""

from collections.abc import Iterator

import pytest
from pkcs11 import Attribute, ObjectClass

from hsm.errors import KeyExists, KeyNotFound
from hsm.identity import key_pair_identity
from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.hsm.half_pairs import half, replace_public_half
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.signing_key import ca_key_pair, responder_key_pair
from tmsd.ceremony.steps.destroy_key_pair import destroy_key_pair
from tmsd.ceremony.steps.generate_key_pair import generate_key_pair
from tmsd.ceremony.steps.list_key_pairs import list_key_pairs

ROOT = ca_key_pair("root", 1)


@pytest.fixture
def empty_token(fresh_token: TokenAddress) -> Iterator[Token]:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        yield token


def test_a_ca_and_its_responder_have_labels_of_their_own() -> None:
    assert ca_key_pair("demo", 3).reference == KeyReference("demo", 3)
    assert responder_key_pair("demo", 1).reference == KeyReference("demo-ocsp", 1)
    assert ca_key_pair("demo", 1, "The Root").reference == KeyReference("The Root", 1)


@pytest.mark.parametrize(
    ("label", "reason"),
    [("tmsd-channel", "must not begin with tmsd-"), ("x" * 65, "64 bytes"), ("a\n", "plain text")],
)
def test_what_is_no_label_is_refused(label: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        ca_key_pair("demo", 1, label)


def test_a_pair_is_made_and_known_by_its_public_key(empty_token: Token) -> None:
    made = generate_key_pair(empty_token, ROOT, KeyPairAlgorithm.P384)

    found = find_key_pair(empty_token, ROOT.reference)
    assert made == DescribedKeyPair(ROOT.reference, key_pair_identity(found), fault=None)
    assert found.algorithm is KeyPairAlgorithm.P384
    with pytest.raises(KeyExists):
        generate_key_pair(empty_token, ROOT, KeyPairAlgorithm.P384)


def test_pairs_are_listed_by_name_with_what_is_wrong_with_them(empty_token: Token) -> None:
    wanted = [ca_key_pair("c", 1), responder_key_pair("a", 1), ca_key_pair("b", 2), ROOT]
    for pair in wanted:
        generate_key_pair(empty_token, pair, KeyPairAlgorithm.P256)
    half(empty_token, wanted[0].reference, ObjectClass.PRIVATE_KEY).destroy()
    half(empty_token, wanted[1].reference, ObjectClass.PRIVATE_KEY).copy({})
    foreign = half(empty_token, ROOT.reference, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
    replace_public_half(empty_token, wanted[2].reference, {Attribute.EC_POINT: foreign})

    listed = list_key_pairs(empty_token)

    assert [(str(pair.reference), pair.fault) for pair in listed] == [
        ("key 'a-ocsp' version 1", "2 private keys fit"),
        ("key 'b' version 2", "its halves do not belong together"),
        ("key 'c' version 1", "its private half is not in the token"),
        ("key 'root' version 1", None),
    ]
    assert [pair.identity is None for pair in listed] == [True, True, True, False]


def test_a_destroyed_pair_leaves_nothing_behind(empty_token: Token) -> None:
    made = generate_key_pair(empty_token, ROOT, KeyPairAlgorithm.P256)

    assert destroy_key_pair(empty_token, ROOT) == made

    assert list(empty_token.session.get_objects()) == []
    with pytest.raises(KeyNotFound, match="'root' version 1: it is not in the token"):
        destroy_key_pair(empty_token, ROOT)


@pytest.mark.parametrize("left", [ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY])
def test_what_an_interruption_left_of_a_pair_is_destroyed(
    empty_token: Token, left: ObjectClass
) -> None:
    generate_key_pair(empty_token, ROOT, KeyPairAlgorithm.P256)
    other = {ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY} - {left}
    half(empty_token, ROOT.reference, other.pop()).destroy()

    assert describe_key_pair(empty_token, ROOT.reference).fault is not None
    destroy_key_pair(empty_token, ROOT)

    assert list(empty_token.session.get_objects()) == []
