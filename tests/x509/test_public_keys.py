"""Which public keys are certified: none of an unknown kind, none with a known weakness."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from math import gcd, isqrt, prod

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import Vector, each
from tests.x509.issuing import key_of
from tmsd.x509.public_keys import KeyKind, accepted, kind_of, require_known, spki, spki_sha256
from tmsd.x509.refusal import CertificateRefused, Rule

ANY = tuple(KeyKind)


def rsa_key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def sound_modulus() -> int:
    key = key_of(KeyKind.RSA_2048).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key.public_numbers().n


def rule_against(key: PublicKeyTypes) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        accepted(key, ANY)
    return caught.value.rule


def primes_below(limit: int) -> list[int]:
    return [n for n in range(2, limit) if all(n % divisor for divisor in range(2, isqrt(n) + 1))]


@cache
def product_of_small_primes() -> int:
    return prod(primes_below(1 << 16))


def without_small_factors(number: int, step: int = 2) -> int:
    while gcd(number, product_of_small_primes()) != 1:
        number += step
    return number


@pytest.mark.parametrize("kind", KeyKind)
def test_a_sound_key_of_an_allowed_kind_is_accepted(kind: KeyKind) -> None:
    key = key_of(kind).public_key()
    assert kind_of(key) is kind
    assert accepted(key, [kind]) is key
    require_known(key)


@pytest.mark.parametrize("kind", KeyKind)
def test_a_kind_that_the_profile_does_not_allow_is_refused(kind: KeyKind) -> None:
    others = [other for other in KeyKind if other is not kind]
    with pytest.raises(CertificateRefused) as caught:
        accepted(key_of(kind).public_key(), others)
    assert caught.value.rule is Rule.KEY_KIND_NOT_ALLOWED
    assert caught.value.words == f"the key is {kind}; allowed: {', '.join(others)}"


@pytest.mark.parametrize(
    ("make", "described"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA of 1024 bits"),  # noqa: S505  to be refused
        (lambda: rsa.generate_private_key(65537, 2056), "RSA of 2056 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "on the curve secp256k1"),
        (lambda: dsa.generate_private_key(1024), "of another kind"),  # noqa: S505  as above
        (x25519.X25519PrivateKey.generate, "of another kind"),
    ],
    ids=["rsa1024", "rsa2056", "secp256k1", "dsa", "x25519"],
)
def test_a_kind_that_no_profile_knows_is_refused_and_described(
    make: Callable[[], rsa.RSAPrivateKey], described: str
) -> None:
    key = make().public_key()
    assert kind_of(key) is None
    assert rule_against(key) is Rule.KEY_KIND_NOT_ALLOWED
    with pytest.raises(CertificateRefused, match=described):
        require_known(key)


@pytest.mark.parametrize("exponent", [3, 17, 257, 65535, (1 << 256) + 1])
def test_an_exponent_that_is_small_or_huge_is_refused(exponent: int) -> None:
    assert rule_against(rsa_key(sound_modulus(), exponent)) is Rule.KEY_EXPONENT_UNSAFE


@pytest.mark.parametrize("exponent", [65537, 65539, (1 << 256) - 1])
def test_an_odd_exponent_between_2_to_the_16th_and_2_to_the_256th_is_accepted(
    exponent: int,
) -> None:
    accepted(rsa_key(sound_modulus(), exponent), ANY)


@each("weak_rsa_moduli.json")
def test_published_weak_moduli_are_refused(vector: Vector) -> None:
    assert rule_against(rsa_key(int(vector["modulus"], 16))) == vector["rule"]


@pytest.mark.parametrize("factor", [3, 167, 65521])
def test_a_modulus_with_a_factor_below_2_to_the_16th_is_refused(factor: int) -> None:
    modulus = factor * ((1 << 2047) // factor + (1 << 1024) | 1)
    assert modulus.bit_length() == 2048
    assert rule_against(rsa_key(modulus)) is Rule.KEY_HAS_SMALL_FACTOR


@pytest.mark.parametrize("distance", [0, 2, 1 << 64, 1 << 512])
def test_a_modulus_of_close_factors_is_refused(distance: int) -> None:
    factor = without_small_factors((3 << 1022) + 12345)
    modulus = factor * without_small_factors(factor + distance)
    assert modulus.bit_length() == 2048
    assert rule_against(rsa_key(modulus)) is Rule.KEY_FACTORS_ARE_CLOSE


def test_a_modulus_of_the_broken_generator_s_structure_is_refused() -> None:
    """Factors are k * M + (65537^a mod M), M the product of the first 126 primes (CCS 2017)."""
    product = prod(primes_below(702))
    first, second = (
        without_small_factors(k * product + pow(65537, a, product), step=product)
        for k, a in (((3 << 1022) // product, 123_456_789), ((7 << 1021) // product, 987_654_321))
    )
    assert (first * second).bit_length() == 2048
    assert rule_against(rsa_key(first * second)) is Rule.KEY_OF_BROKEN_GENERATOR


P = (1 << 255) - 19
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)


def ed25519_key(y: int, sign: int = 0) -> ed25519.Ed25519PublicKey:
    return ed25519.Ed25519PublicKey.from_public_bytes((y | sign << 255).to_bytes(32, "little"))


def y_of_order_8() -> int:
    """A point with x^2 = -y^2 on -x^2 + y^2 = 1 + d x^2 y^2: 2y^2 = 1 - d y^4."""
    d = -121665 * pow(121666, -1, P)
    root = square_root(1 + d)
    candidates = ((-1 + sign * root) * pow(d, -1, P) % P for sign in (1, -1))
    return next(y for y in map(square_root, candidates) if y)


def square_root(number: int) -> int:
    """A root modulo P (RFC 8032, 5.1.3); 0 where there is none."""
    root = pow(number, (P + 3) // 8, P)
    roots = (root, root * SQRT_MINUS_ONE % P)
    return next((each for each in roots if (each * each - number) % P == 0), 0)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    "y",
    [1, P - 1, 0, y_of_order_8(), P - y_of_order_8(), P, P + 1],
    ids=["1", "2", "4", "8", "8-negative", "4-not-reduced", "1-not-reduced"],
)
def test_a_point_under_which_anybody_can_sign_is_refused(y: int, sign: int) -> None:
    assert rule_against(ed25519_key(y, sign)) is Rule.KEY_POINT_UNSAFE


def test_a_signature_without_a_key_is_right_under_such_a_point() -> None:
    """Why it matters: a request for signing would prove nothing."""
    ed25519_key(1).verify((1).to_bytes(32, "little") + bytes(32), b"whatever")


@pytest.mark.parametrize("y", [2, P - 2])
def test_what_is_no_point_of_the_curve_is_refused(y: int) -> None:
    assert rule_against(ed25519_key(y)) is Rule.KEY_POINT_UNSAFE


@given(st.binary(min_size=32, max_size=32))
def test_keys_as_they_are_made_are_points_that_are_accepted(secret: bytes) -> None:
    accepted(ed25519.Ed25519PrivateKey.from_private_bytes(secret).public_key(), ANY)


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_s_hash_is_of_its_subject_public_key_info(kind: KeyKind) -> None:
    key = key_of(kind).public_key()
    assert load_der_public_key(spki(key)) == key
    assert spki_sha256(key) == sha256(spki(key)).hexdigest()
