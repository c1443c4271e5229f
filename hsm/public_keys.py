"""Public keys as a token holds them: from PKCS#11's attributes to cryptography's objects.

Elliptic curves are named by an object identifier in CKA_EC_PARAMS. CKA_EC_POINT should be an
OCTET STRING (PKCS#11 2.40, section 2.3.3); some tokens give the point as it is.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from asn1crypto.core import ObjectIdentifier, OctetString, PrintableString
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType

from hsm.errors import KeyUnsuitable, hsm_errors

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeyPairAlgorithm(StrEnum):
    """What a key pair is one of; ECDSA over the curves of FIPS 186-5, Ed25519 of RFC 8032."""

    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
    ED25519 = "ed25519"


RSA_BITS: Mapping[KeyPairAlgorithm, int] = {
    KeyPairAlgorithm.RSA2048: 2048,
    KeyPairAlgorithm.RSA3072: 3072,
    KeyPairAlgorithm.RSA4096: 4096,
}

# What CKA_EC_PARAMS says of each curve (SEC 2, section 2; RFC 8410, section 3).
EC_PARAMETERS: Mapping[KeyPairAlgorithm, bytes] = {
    KeyPairAlgorithm.P256: ObjectIdentifier("1.2.840.10045.3.1.7").dump(),
    KeyPairAlgorithm.P384: ObjectIdentifier("1.3.132.0.34").dump(),
    KeyPairAlgorithm.P521: ObjectIdentifier("1.3.132.0.35").dump(),
    KeyPairAlgorithm.ED25519: ObjectIdentifier("1.3.101.112").dump(),
}
_CURVES: Mapping[KeyPairAlgorithm, ec.EllipticCurve] = {
    KeyPairAlgorithm.P256: ec.SECP256R1(),
    KeyPairAlgorithm.P384: ec.SECP384R1(),
    KeyPairAlgorithm.P521: ec.SECP521R1(),
}
_BY_BITS = {bits: algorithm for algorithm, bits in RSA_BITS.items()}
_BY_PARAMETERS = {
    **{parameters: algorithm for algorithm, parameters in EC_PARAMETERS.items()},
    # The name that PKCS#11 3.0 has for it, section 2.3.5.
    PrintableString("edwards25519").dump(): KeyPairAlgorithm.ED25519,
}
_ED25519_LENGTH = 32


def algorithm_of_public_key(key: object) -> KeyPairAlgorithm:
    """Return what a public key of a certificate is a key of.

    Raises:
        KeyUnsuitable: nothing that tmsd signs with.
    """
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _BY_BITS:
        return _BY_BITS[key.key_size]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyPairAlgorithm.ED25519
    for algorithm, curve in _CURVES.items():
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == curve.name:
            return algorithm
    raise KeyUnsuitable("it is a key of no algorithm that tmsd signs with")


@hsm_errors
def algorithm_of(handle: Any) -> KeyPairAlgorithm:  # noqa: ANN401  see TokenKey
    """Return what a public or a private key object is a key of.

    Raises:
        KeyUnsuitable: nothing that tmsd signs with; the message says what it is.
        TokenLost: the object is gone.
    """
    key_type = handle[Attribute.KEY_TYPE]
    if key_type is KeyType.RSA:
        bits = int.from_bytes(handle[Attribute.MODULUS]).bit_length()
        if bits not in _BY_BITS:
            allowed = ", ".join(map(str, _BY_BITS))
            raise KeyUnsuitable(f"its modulus has {bits} bits, and not one of {allowed}")
        return _BY_BITS[bits]
    if key_type not in (KeyType.EC, KeyType.EC_EDWARDS):
        raise KeyUnsuitable(f"it is a key of type {key_type.name}, neither RSA, EC nor Ed25519")
    parameters = bytes(handle[Attribute.EC_PARAMS])
    algorithm = _BY_PARAMETERS.get(parameters)
    if algorithm is None or (algorithm in _CURVES) is not (key_type is KeyType.EC):
        raise KeyUnsuitable(
            f"CKA_EC_PARAMS {parameters.hex()} are those of another curve than P-256, P-384,"
            " P-521 and Ed25519"
        )
    return algorithm


@hsm_errors
def public_key_of(handle: Any, algorithm: KeyPairAlgorithm) -> PublicKey:  # noqa: ANN401  see TokenKey
    """Return the public key that a public key object is.

    Raises:
        KeyUnsuitable: what it holds is no public key of the algorithm.
        TokenLost: the object is gone.
    """
    try:
        if algorithm in RSA_BITS:
            exponent = int.from_bytes(handle[Attribute.PUBLIC_EXPONENT])
            modulus = int.from_bytes(handle[Attribute.MODULUS])
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        point = bytes(handle[Attribute.EC_POINT])
        if algorithm in _CURVES:
            curve = _CURVES[algorithm]
            length = 1 + 2 * -(-curve.key_size // 8)  # uncompressed: 04, x, y
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, _unwrapped(point, length))
        return ed25519.Ed25519PublicKey.from_public_bytes(_unwrapped(point, _ED25519_LENGTH))
    except ValueError as error:
        raise KeyUnsuitable(f"it holds no public key of {algorithm}: {error}") from error


def kind_of(key: PublicKey) -> KeyPairAlgorithm:
    """Return what a public key is one of.

    Raises:
        KeyUnsuitable: nothing that tmsd signs with.
    """
    match key:
        case rsa.RSAPublicKey() if key.key_size in _BY_BITS:
            return _BY_BITS[key.key_size]
        case ec.EllipticCurvePublicKey():
            for algorithm, curve in _CURVES.items():
                if curve.name == key.curve.name:
                    return algorithm
        case ed25519.Ed25519PublicKey():
            return KeyPairAlgorithm.ED25519
    raise KeyUnsuitable("it is no key of RSA, EC or Ed25519 that tmsd signs with")


def attributes_of(key: PublicKey) -> Mapping[Attribute, Any]:
    """Return the attributes that a public key object has of its key."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            Attribute.MODULUS: numbers.n.to_bytes(key.key_size // 8),
            Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes(3),
        }
    if isinstance(key, ed25519.Ed25519PublicKey):
        point = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        Attribute.EC_PARAMS: EC_PARAMETERS[kind_of(key)],
        Attribute.EC_POINT: OctetString(point).dump(),
    }


def spki_sha256(key: PublicKey) -> bytes:
    """Return the SHA-256 (32 bytes) of the SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7)."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def _unwrapped(point: bytes, length: int) -> bytes:
    """Return a point of `length` bytes that is an OCTET STRING's content, or comes without one.

    Raises:
        ValueError: it is neither.
    """
    if len(point) == length:
        return point
    return bytes(OctetString.load(point, strict=True).native)
