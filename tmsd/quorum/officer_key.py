"""Officers' keys: of which kinds they may be, how they sign, and keys in files.

The scheme follows from the key, so that nobody can choose a weaker one: RSA signs with PKCS #1 v1.5
and SHA-256, as every card does; curves sign with ECDSA and the hash of their strength; Ed25519.
"""

from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from tmsd.quorum.refusal import ApprovalRefused, Rule

OfficerPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
OfficerPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_LEAST_RSA_BITS = 2048
_DIGESTS: dict[str, SHA256 | SHA384 | SHA512] = {
    "secp256r1": SHA256(),
    "secp384r1": SHA384(),
    "secp521r1": SHA512(),
}
_KINDS = f"RSA of {_LEAST_RSA_BITS} bits or more, P-256, P-384, P-521 or Ed25519"


class Signer(Protocol):
    """What signs for an officer: a card, or a key in a file."""

    @property
    def public_key(self) -> bytes:
        """The SubjectPublicKeyInfo, in DER."""

    def sign(self, message: bytes) -> bytes:
        """Sign a message by the scheme of the key."""


class KeyOfFile:
    """A key that was read from a file; for rehearsals, and where officers have no cards."""

    def __init__(self, key: OfficerPrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> bytes:
        """The SubjectPublicKeyInfo, in DER."""
        return spki(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Sign a message by the scheme of the key."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), SHA256())
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(_DIGESTS[self._key.curve.name]))
        return self._key.sign(message)


def key_of_file(content: bytes, password: bytes | None) -> KeyOfFile:
    """Read a private key in PEM.

    Raises:
        ApprovalRefused: `officer-key-unfit`: there is none, the password is wrong or missing, or
            it is of a kind that no officer may have.
    """
    try:
        key = load_pem_private_key(content, password=password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ApprovalRefused(
            Rule.OFFICER_KEY_UNFIT,
            "there is no private key in PEM that this password opens"
            if password
            else "there is no private key in PEM that opens without a password",
        ) from None
    accepted(spki(key.public_key()))
    if not isinstance(key, OfficerPrivateKey):
        raise TypeError("accepted() knows its public half")
    return KeyOfFile(key)


def accepted(public_key: bytes) -> OfficerPublicKey:
    """Return the key of a SubjectPublicKeyInfo in DER.

    Raises:
        ApprovalRefused: `officer-key-unfit`: it is of a kind that no officer may have.
    """
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise _unfit("it cannot be read") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise _unfit(f"it is RSA of {key.key_size} bits")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _DIGESTS:
            raise _unfit(f"it is on the curve {key.curve.name}")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise _unfit("it is of another kind")
    if spki(key) != public_key:
        raise _unfit("it is not in the one form that DER has")
    return key


def has_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature is that of a key over a message.

    Raises:
        ApprovalRefused: `officer-key-unfit`.
    """
    key = accepted(public_key)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(_DIGESTS[key.curve.name]))
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def spki(key: PublicKeyTypes) -> bytes:
    """Return a public key's SubjectPublicKeyInfo in DER (RFC 5280, 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unfit(words: str) -> ApprovalRefused:
    return ApprovalRefused(Rule.OFFICER_KEY_UNFIT, f"an officer's key is {_KINDS}; {words}")
