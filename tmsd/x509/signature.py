"""How issuers sign: the scheme follows from the key, but for RSA's padding."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from tmsd.x509.public_keys import PublicKey

_DIGESTS: dict[int, SHA256 | SHA384 | SHA512] = {256: SHA256(), 384: SHA384(), 521: SHA512()}


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A hash, which Ed25519 has of its own, and RSA's padding."""

    digest: SHA256 | SHA384 | SHA512 | None
    rsa_padding: padding.PSS | padding.PKCS1v15 | None

    def sign_certificate(
        self, builder: x509.CertificateBuilder, key: CertificateIssuerPrivateKeyTypes
    ) -> x509.Certificate:
        """Sign a certificate."""
        return builder.sign(key, self.digest, rsa_padding=self.rsa_padding)

    def sign_crl(
        self, builder: x509.CertificateRevocationListBuilder, key: CertificateIssuerPrivateKeyTypes
    ) -> x509.CertificateRevocationList:
        """Sign a CRL."""
        return builder.sign(key, self.digest, rsa_padding=self.rsa_padding)

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> None:
        """Verify a signature of a key that signs by this scheme, and by no other.

        Raises:
            InvalidSignature: it is none.
        """
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif self.digest is None:
            raise InvalidSignature
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(self.digest))
        elif self.rsa_padding is not None:
            key.verify(signature, data, self.rsa_padding, self.digest)
        else:
            raise InvalidSignature


def scheme_for(key: PublicKey, *, pss: bool = False) -> SignatureScheme:
    """Return the scheme of an issuer's key (hashes: NIST SP 800-57 part 1 rev. 5, 5.6.1).

    Args:
        key: the issuer's.
        pss: RSA signs with PSS and a salt as long as the hash, not with PKCS #1 v1.5.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return SignatureScheme(None, None)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return SignatureScheme(_DIGESTS[key.curve.key_size], None)
    digest = SHA256()
    if not pss:
        return SignatureScheme(digest, padding.PKCS1v15())
    salted = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    return SignatureScheme(digest, salted)
