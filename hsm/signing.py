"""Private keys for cryptography's builders, whose signatures are made in the token.

The builders of certificates, requests, CRLs and OCSP responses take any subclass of
cryptography's private keys, and ask it for signatures alone. Data is hashed here and signed by
CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_ECDSA: tokens differ on the mechanisms that hash as well.
Ed25519 reads what it signs twice, and gets it whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, NoReturn, Self, TypeVar

from asn1crypto.algos import DigestInfo
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.utils import Buffer
from pkcs11 import MGF, Mechanism
from pkcs11.exceptions import MechanismInvalid

from hsm.errors import HsmError, MechanismUnavailable, TokenLost, UseRefused, hsm_errors
from hsm.key_pairs import KeyPair
from hsm.public_keys import PublicKey

Public = TypeVar("Public", bound=PublicKey)


@dataclass(frozen=True, slots=True)
class _Hash:
    """A hash function, in cryptography's words and in PKCS#11's.

    Attributes:
        algorithm: itself.
        mechanism: the same.
        mgf: MGF1 over it.
        before_digest: what a DigestInfo has before the digest (RFC 8017, section 9.2).
    """

    algorithm: HashAlgorithm
    mechanism: Mechanism
    mgf: MGF
    before_digest: bytes

    def digest(self, data: Buffer) -> bytes:
        """Hash data."""
        return hashlib.new(self.algorithm.name, data).digest()


def _hash(algorithm: HashAlgorithm, mechanism: Mechanism, mgf: MGF) -> _Hash:
    digest = bytes(algorithm.digest_size)
    info = DigestInfo({"digest_algorithm": {"algorithm": algorithm.name}, "digest": digest})
    return _Hash(algorithm, mechanism, mgf, info.dump().removesuffix(digest))


_HASHES: Mapping[str, _Hash] = {
    known.algorithm.name: known
    for known in (
        _hash(SHA256(), Mechanism.SHA256, MGF.SHA256),
        _hash(SHA384(), Mechanism.SHA384, MGF.SHA384),
        _hash(SHA512(), Mechanism.SHA512, MGF.SHA512),
    )
}


class _KeyInToken(Generic[Public]):
    """What private keys of all algorithms have in common: they stay where they are."""

    def __init__(self, pair: KeyPair, public_key: Public) -> None:
        self._pair = pair
        self._public_key = public_key

    def public_key(self) -> Public:
        """Return the public half."""
        return self._public_key

    def private_bytes(self, *_args: object, **_named: object) -> NoReturn:
        """Refuse.

        Raises:
            UseRefused: always; the value is in the token alone.
        """
        raise self._refusal("its private half does not leave the token")

    private_bytes_raw = private_bytes
    private_numbers = private_bytes

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise self._refusal(
            "its private half does not leave the token, nor its handle this process"
        )

    def __repr__(self) -> str:
        return f"<private half of {self._pair.reference}>"

    def _refusal(self, reason: str) -> UseRefused:
        return UseRefused(f"{self._pair.reference}: {reason}")

    def _signs_only(self) -> UseRefused:
        return self._refusal("it signs, and does nothing else")

    def _hash(self, algorithm: object) -> _Hash:
        """Return the hash function that a signature is asked with.

        Raises:
            UseRefused: it is another than SHA-256, SHA-384 or SHA-512, or none: a digest from
                outside is not signed.
        """
        if isinstance(algorithm, HashAlgorithm) and algorithm.name in _HASHES:
            return _HASHES[algorithm.name]
        name = algorithm.name if isinstance(algorithm, HashAlgorithm) else type(algorithm).__name__
        raise self._refusal(f"it signs with {', '.join(_HASHES)}, and not with {name}")


class RsaSigningKey(_KeyInToken[rsa.RSAPublicKey], rsa.RSAPrivateKey):
    """An RSA key in the token; it makes RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017)."""

    @property
    def key_size(self) -> int:
        """The length of the modulus, in bits."""
        return self._public_key.key_size

    def decrypt(self, _ciphertext: bytes, _padding: AsymmetricPadding) -> NoReturn:
        """Refuse.

        Raises:
            UseRefused: always.
        """
        raise self._signs_only()

    def sign(
        self,
        data: Buffer,
        padding: AsymmetricPadding,
        algorithm: Prehashed | HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """Sign data with SHA-256, SHA-384 or SHA-512; a PSS salt is as long as the hash.

        Raises:
            UseRefused: with another hash, padding, salt or mask than these.
            MechanismUnavailable, TokenLost: as they say.
        """
        with_hash = self._hash(algorithm)
        digest = with_hash.digest(data)
        if isinstance(padding, PKCS1v15):
            return _sign(self._pair, with_hash.before_digest + digest, Mechanism.RSA_PKCS)
        mask = MGF1(with_hash.algorithm)
        if padding not in (PSS(mask, PSS.DIGEST_LENGTH), PSS(mask, len(digest))):
            raise self._refusal(
                "its padding is PKCS#1 v1.5, or PSS with MGF1 and a salt by the signature's hash"
            )
        parameter = (with_hash.mechanism, with_hash.mgf, len(digest))
        return _sign(self._pair, digest, Mechanism.RSA_PKCS_PSS, parameter)


class EcSigningKey(_KeyInToken[ec.EllipticCurvePublicKey], ec.EllipticCurvePrivateKey):
    """An elliptic curve key in the token; it makes ECDSA (FIPS 186-5), by random nonces."""

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """The length of the curve's order, in bits."""
        return self._public_key.key_size

    def exchange(self, _algorithm: ec.ECDH, _peer: ec.EllipticCurvePublicKey) -> NoReturn:
        """Refuse.

        Raises:
            UseRefused: always.
        """
        raise self._signs_only()

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign data with SHA-256, SHA-384 or SHA-512; the signature is in DER (RFC 3279, 2.2.3).

        Raises:
            UseRefused: with another hash, or with nonces that are not random.
            MechanismUnavailable, TokenLost: as they say.
        """
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise self._refusal("it makes ECDSA signatures")
        if signature_algorithm.deterministic_signing:
            raise self._refusal("its nonces are the token's, and random")
        digest = self._hash(signature_algorithm.algorithm).digest(data)
        length = -(-self.key_size // 8)
        # Of a longer hash the leading bits count (FIPS 186-5, section 6.4.1); not every token
        # takes more than those.
        raw = _sign(self._pair, digest[:length], Mechanism.ECDSA)
        if len(raw) != 2 * length:
            raise HsmError(
                f"{self._pair.reference}: the token made an ECDSA signature of {len(raw)} bytes,"
                f" and one of {2 * length} was expected"
            )
        return encode_dss_signature(int.from_bytes(raw[:length]), int.from_bytes(raw[length:]))


class Ed25519SigningKey(_KeyInToken[ed25519.Ed25519PublicKey], ed25519.Ed25519PrivateKey):
    """An Ed25519 key in the token (RFC 8032)."""

    def sign(self, data: Buffer) -> bytes:
        """Sign data, which goes to the token whole.

        Raises:
            MechanismUnavailable, TokenLost: as they say.
        """
        return _sign(self._pair, bytes(data), Mechanism.EDDSA)


SigningKey = RsaSigningKey | EcSigningKey | Ed25519SigningKey


def signing_key(pair: KeyPair) -> SigningKey:
    """Return the private half of a key pair, as cryptography's builders take it."""
    public_key = pair.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        return RsaSigningKey(pair, public_key)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return EcSigningKey(pair, public_key)
    return Ed25519SigningKey(pair, public_key)


@hsm_errors
def _sign(pair: KeyPair, data: bytes, mechanism: Mechanism, parameter: object = None) -> bytes:
    if pair.token.abandoned:
        # The handle may be that of another key by now.
        raise TokenLost(f"{pair.reference} was found by a login that is lost")
    try:
        return bytes(pair.private.sign(data, mechanism=mechanism, mechanism_param=parameter))
    except MechanismInvalid as error:
        raise MechanismUnavailable(
            f"{pair.reference}: the token does not sign with CKM_{mechanism.name}"
        ) from error
