"""A quorum is one where nobody acts alone and somebody can be spared."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.quorum.officers import officer, public_hex, quorum
from tmsd.quorum import canonical
from tmsd.quorum import quorum as quorums
from tmsd.quorum.quorum import Officer, Quorum, require_sound
from tmsd.quorum.refusal import ApprovalRefused, Rule

ANNA, BERTA, CARL = (officer(name) for name in ("anna", "berta", "carl"))


def refusal(unsound: Quorum) -> Rule:
    """Return the rule that a quorum breaks."""
    with pytest.raises(ApprovalRefused) as refused:
        require_sound(unsound)
    return refused.value.rule


def with_key(key: PublicKeyTypes) -> Quorum:
    """Return a quorum in which anna has another key."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    return quorum(Officer("anna", "Anna Example", spki), BERTA, CARL)


def test_two_of_three_is_a_quorum() -> None:
    require_sound(quorum())


def test_nobody_acts_alone() -> None:
    assert refusal(quorum(approvals=1)) is Rule.QUORUM_OF_ONE


def test_somebody_can_be_spared() -> None:
    assert refusal(quorum(ANNA, BERTA)) is Rule.QUORUM_WITHOUT_SPARE
    assert refusal(quorum(approvals=3)) is Rule.QUORUM_WITHOUT_SPARE


def test_a_person_with_two_keys_is_one() -> None:
    dora = officer("dora", person="Anna Example")

    assert refusal(quorum(ANNA, dora, BERTA)) is Rule.QUORUM_WITHOUT_SPARE


def test_a_rehearsal_may_be_of_one() -> None:
    require_sound(msgspec.structs.replace(quorum(ANNA, approvals=1), rehearsal=True))


def test_names_and_keys_are_there_once() -> None:
    assert refusal(quorum(ANNA, BERTA, CARL, ANNA)) is Rule.OFFICER_TWICE
    copy = Officer("emil", "Emil Example", public_hex("anna"))
    assert refusal(quorum(ANNA, BERTA, CARL, copy)) is Rule.OFFICER_KEY_TWICE


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505  is refused
        ec.generate_private_key(ec.SECP224R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
    ],
    ids=["rsa1024", "p224", "secp256k1", "x25519"],
)
def test_weak_keys_and_keys_that_do_not_sign_are_refused(key: PublicKeyTypes) -> None:
    assert refusal(with_key(key)) is Rule.OFFICER_KEY_UNFIT


def test_a_refusal_names_the_officer() -> None:
    weak = ec.generate_private_key(ec.SECP224R1()).public_key()

    with pytest.raises(ApprovalRefused, match=r"^officer-key-unfit: anna: .*secp224r1"):
        require_sound(with_key(weak))


def test_a_quorum_is_read_as_it_was_written() -> None:
    assert quorums.decode(canonical.encode(quorum())) == quorum()


def test_a_quorum_in_another_form_is_refused() -> None:
    spaced = canonical.encode(quorum()).replace(b",", b", ")

    with pytest.raises(ApprovalRefused, match="canonical"):
        quorums.decode(spaced)


@given(st.binary(max_size=300))
def test_what_is_no_quorum_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        quorums.decode(document)

    assert refused.value.rule is Rule.QUORUM_MALFORMED
