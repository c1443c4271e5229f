"""A certificate authority whose key is in the token, and one of each kind of what it signs.

Everything is built by cryptography's builders and judged by cryptography and by openssl(1).
"""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsm.signing import SigningKey

Signed = (
    x509.Certificate
    | x509.CertificateSigningRequest
    | x509.CertificateRevocationList
    | ocsp.OCSPResponse
)

NOW = datetime.now(UTC).replace(microsecond=0)
_DAY = timedelta(days=1)
_REVOKED = 0x1234


@dataclass(frozen=True, slots=True)
class Scheme:
    """How something is signed: by which hash and, for RSA, with which padding."""

    hash: SHA256 | SHA384 | SHA512 | None
    padding: PKCS1v15 | PSS | None = None

    def __str__(self) -> str:
        name = self.hash.name if self.hash else "whole"
        return f"{type(self.padding).__name__}-{name}" if self.padding else name


@dataclass(frozen=True)
class Authority:
    """A self-signed CA by one key and one scheme."""

    key: SigningKey
    scheme: Scheme

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The root, which is a responder of its own as well."""
        public = self.key.public_key()
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            self._validity(x509.CertificateBuilder())
            .subject_name(_name("root"))
            .serial_number(1)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        return builder.sign(self.key, self.scheme.hash, rsa_padding=self.scheme.padding)

    def issue(self) -> x509.Certificate:
        """Issue a certificate for a software key."""
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            self._validity(x509.CertificateBuilder())
            .subject_name(_name("leaf"))
            .serial_number(2)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        return builder.sign(self.key, self.scheme.hash, rsa_padding=self.scheme.padding)

    def request(self) -> x509.CertificateSigningRequest:
        """Ask for a certificate for the CA's own key."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name("root"))
        return builder.sign(self.key, self.scheme.hash, rsa_padding=self.scheme.padding)

    def crl(self) -> x509.CertificateRevocationList:
        """Sign a CRL with one entry."""
        entry = (
            x509.RevokedCertificateBuilder().serial_number(_REVOKED).revocation_date(NOW).build()
        )
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=[entry])
            .issuer_name(_name("root"))
            .last_update(NOW - _DAY)
            .next_update(NOW + _DAY)
            .add_extension(x509.CRLNumber(7), critical=False)
        )
        return builder.sign(self.key, self.scheme.hash, rsa_padding=self.scheme.padding)

    def ocsp_response(self, leaf: x509.Certificate) -> ocsp.OCSPResponse:
        """Say that a certificate is good; the builder signs with PKCS#1 v1.5 where it is RSA."""
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=leaf,
                issuer=self.certificate,
                algorithm=SHA256(),
                cert_status=ocsp.OCSPCertStatus.GOOD,
                this_update=NOW,
                next_update=NOW + _DAY,
                revocation_time=None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        )
        return builder.sign(self.key, self.scheme.hash)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise cryptography's InvalidSignature unless the CA's key made it by its scheme."""
        public, algorithm = self.key.public_key(), self.scheme.hash
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            assert algorithm
            public.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(public, rsa.RSAPublicKey):
            assert algorithm
            assert self.scheme.padding
            public.verify(signature, data, self.scheme.padding, algorithm)

    def _validity(self, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        return (
            builder.issuer_name(_name("root"))
            .not_valid_before(NOW - _DAY)
            .not_valid_after(NOW + 30 * _DAY)
        )


def openssl(*arguments: str | Path) -> str:
    """Run openssl(1) and return what it says, on either channel."""
    done = subprocess.run(
        ["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(directory: Path, signed: Signed) -> Path:
    """Write something to a file of its own, as openssl(1) reads it."""
    file = directory / f"{type(signed).__name__}-{id(signed)}"
    encoding = Encoding.DER if isinstance(signed, ocsp.OCSPResponse) else Encoding.PEM
    file.write_bytes(signed.public_bytes(encoding))
    return file


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
