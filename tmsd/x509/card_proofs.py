"""What a card signs when it makes a key pair: proof that it holds the private key.

The CoolKey applet answers START ENROLLMENT with the public key as a *key blob*, and a signature by
the private key over that and the 16 bytes of a challenge:

    00 01 ‖ bits (2) ‖ length (2) ‖ modulus ‖ length (2) ‖ exponent       RSA
    00 0a ‖ bits (2) ‖ length (2) ‖ point, uncompressed                   on a NIST curve

It signs by RSASSA-PKCS1-v1_5 or ECDSA with SHA-1, and knows nothing else. That is enough here:
the HSM chooses the challenge, so that who would pass a signature off needs a second preimage.
"""

from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1

from tmsd.x509.public_keys import require_known
from tmsd.x509.refusal import CertificateRefused, Rule

MAX_KEY_BLOB = 1024
"""The longest key blob, in bytes; one of RSA with 4096 bits has 525."""

MAX_SIGNATURE = 512
"""The longest signature, in bytes: of RSA with 4096 bits."""

CHALLENGE_LENGTH = 16

_PLAIN_RSA, _PLAIN_EC = b"\x00\x01", b"\x00\x0a"
_HEADER = 2
_CURVES: dict[int, ec.EllipticCurve] = {
    256: ec.SECP256R1(),
    384: ec.SECP384R1(),
    521: ec.SECP521R1(),
}

CardKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def proven_key(blob: bytes, challenge: bytes, signature: bytes) -> CardKey:
    """Return the public key of a key blob, once its private key has proved to be there.

    Args:
        blob: at most `MAX_KEY_BLOB` bytes.
        challenge: 16 bytes, which the card was told under its data encryption key.
        signature: by the private key over blob and challenge, at most `MAX_SIGNATURE` bytes.

    Raises:
        CertificateRefused: `card-key-malformed`, `key-kind-not-allowed` where no profile can
            allow the key, or `card-proof-wrong`.
    """
    try:
        key = _public_key(blob)
    except ValueError:
        raise CertificateRefused(
            Rule.CARD_KEY_MALFORMED, "it is no key blob of RSA or of a NIST curve"
        ) from None
    require_known(key)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, blob + challenge, padding.PKCS1v15(), SHA1())  # noqa: S303  see above
        else:
            key.verify(signature, blob + challenge, ec.ECDSA(SHA1()))  # noqa: S303  see above
    except InvalidSignature:
        raise CertificateRefused(
            Rule.CARD_PROOF_WRONG,
            "it is not signed by the private key of this key blob over this challenge",
        ) from None
    return key


def _public_key(blob: bytes) -> CardKey:
    """Read a key blob, whole; ValueError where it is none."""
    kind, bits = blob[:_HEADER], int.from_bytes(blob[_HEADER : 2 * _HEADER])
    parts = list(_parts(blob[2 * _HEADER :]))
    if kind == _PLAIN_RSA and len(parts) == 2:
        modulus, exponent = map(int.from_bytes, parts)
        if modulus.bit_length() != bits:
            raise ValueError
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if kind == _PLAIN_EC and len(parts) == 1 and bits in _CURVES and parts[0][:1] == b"\x04":
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[bits], parts[0])
    raise ValueError


def _parts(rest: bytes) -> Iterator[bytes]:
    """Yield parts that each have their length, two bytes, before them."""
    while rest:
        end = _HEADER + int.from_bytes(rest[:_HEADER])
        if len(rest) < end:
            raise ValueError
        yield rest[_HEADER:end]
        rest = rest[end:]
