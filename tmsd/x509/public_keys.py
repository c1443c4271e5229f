"""Public keys that a certificate may be for: their kinds, and what makes one unsafe.

NIST SP 800-56B rev. 2, 6.4.1.1 (exponents); FIPS 186-5, A.1.3 (distance of the factors);
CVE-2017-15361 (the generator of Infineon's library); RFC 8032, 5.1 (points). That a point is on
its NIST curve, and is not at infinity, is seen to where keys are read.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from hashlib import sha256
from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tmsd.x509.refusal import CertificateRefused, Rule

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_EXPONENTS = range((1 << 16) + 1, 1 << 256, 2)
_SMALL_FACTORS_BELOW = 1 << 16
# In these steps Fermat finds factors that agree in a little more than their upper half.
_FERMAT_STEPS = 100
_ED25519_P = (1 << 255) - 19
_ED25519_D = -121665 * pow(121666, -1, _ED25519_P) % _ED25519_P
_RESIDUES_OF = 16 * 9 * 5 * 7 * 11
# The moduli of the broken generator are powers of 65537 modulo each of these primes.
_GENERATOR = 65537
_FINGERPRINT_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89),
    *(97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)


class KeyKind(StrEnum):
    """A kind of key, as profiles name it."""

    RSA_2048 = "rsa2048"
    RSA_3072 = "rsa3072"
    RSA_4096 = "rsa4096"
    P_256 = "p256"
    P_384 = "p384"
    P_521 = "p521"
    ED25519 = "ed25519"


_CURVES = {"secp256r1": KeyKind.P_256, "secp384r1": KeyKind.P_384, "secp521r1": KeyKind.P_521}
_RSA_LENGTHS = {2048: KeyKind.RSA_2048, 3072: KeyKind.RSA_3072, 4096: KeyKind.RSA_4096}


def spki(key: PublicKeyTypes) -> bytes:
    """Return a key's SubjectPublicKeyInfo in DER (RFC 5280, 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_sha256(key: PublicKeyTypes) -> str:
    """Return the SHA-256 of a key's SubjectPublicKeyInfo, 64 lower-case hex digits."""
    return sha256(spki(key)).hexdigest()


def kind_of(key: PublicKeyTypes) -> KeyKind | None:
    """Return a key's kind; None where no profile can allow it."""
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA_LENGTHS.get(key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name)
    return KeyKind.ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else None


def accepted(key: PublicKeyTypes, allowed: Sequence[KeyKind]) -> PublicKey:
    """Return a key of an allowed kind that has none of the known weaknesses.

    Raises:
        CertificateRefused: the rule says which it has.
    """
    if kind_of(key) not in allowed or not isinstance(key, PublicKey):
        raise _not_allowed(key, allowed)
    if isinstance(key, rsa.RSAPublicKey):
        _require_sound(key.public_numbers())
    if isinstance(key, ed25519.Ed25519PublicKey) and not _is_sound(key.public_bytes_raw()):
        raise CertificateRefused(
            Rule.KEY_POINT_UNSAFE,
            "the key is no point of the curve, or one under which anybody can sign",
        )
    return key


def require_known(key: PublicKeyTypes) -> None:
    """Refuse a key of a kind that no profile can allow.

    Raises:
        CertificateRefused: `key-kind-not-allowed`.
    """
    if kind_of(key) is None:
        raise _not_allowed(key, tuple(KeyKind))


def _not_allowed(key: PublicKeyTypes, allowed: Sequence[KeyKind]) -> CertificateRefused:
    described = kind_of(key) or _described(key)
    return CertificateRefused(
        Rule.KEY_KIND_NOT_ALLOWED, f"the key is {described}; allowed: {', '.join(allowed)}"
    )


def _described(key: PublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"on the curve {key.curve.name}"
    return "of another kind"


def _require_sound(numbers: rsa.RSAPublicNumbers) -> None:
    modulus, exponent = numbers.n, numbers.e
    if exponent not in _EXPONENTS:
        raise CertificateRefused(
            Rule.KEY_EXPONENT_UNSAFE, "the exponent must be odd, above 2^16 and below 2^256"
        )
    if gcd(modulus, _small_primes_product() % modulus) != 1:
        raise CertificateRefused(
            Rule.KEY_HAS_SMALL_FACTOR, f"the modulus has a factor below {_SMALL_FACTORS_BELOW}"
        )
    if _has_close_factors(modulus):
        raise CertificateRefused(
            Rule.KEY_FACTORS_ARE_CLOSE, "the modulus can be factored by Fermat's method"
        )
    if all(modulus % prime in powers for prime, powers in _fingerprint()):
        raise CertificateRefused(
            Rule.KEY_OF_BROKEN_GENERATOR,
            "the key is of a generator whose keys can be factored (CVE-2017-15361)",
        )


def _is_sound(point: bytes) -> bool:
    """Say whether 32 bytes are a point of edwards25519, and of an order above 8.

    The points of small order have x = 0 (1, 2), y = 0 (4) or x^2 + y^2 = 0 (8): these double to
    one with y = 0. What is signed by the key of one can be signed without any.
    """
    p = _ED25519_P
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    y_squared = y * y % p
    x_squared = (y_squared - 1) * pow(_ED25519_D * y_squared + 1, -1, p) % p
    return 0 < y < p and pow(x_squared, (p - 1) // 2, p) == 1 and (x_squared + y_squared) % p != 0


def _has_close_factors(modulus: int) -> bool:
    middle = isqrt(modulus - 1) + 1
    candidates = range(middle, middle + _FERMAT_STEPS)
    return any(_is_square(candidate * candidate - modulus) for candidate in candidates)


def _is_square(number: int) -> bool:
    # One number in fifty is a square by its residue, and only these roots are taken.
    return number % _RESIDUES_OF in _squares() and isqrt(number) ** 2 == number


@cache
def _squares() -> frozenset[int]:
    return frozenset(root * root % _RESIDUES_OF for root in range(_RESIDUES_OF))


@cache
def _small_primes_product() -> int:
    sieve = bytearray([1]) * _SMALL_FACTORS_BELOW
    for number in range(2, isqrt(_SMALL_FACTORS_BELOW) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
    return prod(number for number in range(2, _SMALL_FACTORS_BELOW) if sieve[number])


@cache
def _fingerprint() -> tuple[tuple[int, frozenset[int]], ...]:
    return tuple((prime, _powers(prime)) for prime in _FINGERPRINT_PRIMES)


def _powers(prime: int) -> frozenset[int]:
    power, powers = 1, set()
    while power not in powers:
        powers.add(power)
        power = power * _GENERATOR % prime
    return frozenset(powers)
