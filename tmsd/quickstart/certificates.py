"""Certificates of a development site: its own CA, the daemon's, and a caller's (RFC 5280).

EC keys on P-256. They are for one machine's TLS: callers are known by their public keys,
and these names identify nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tmsd import clock

AUTHORITY_LIFETIME = timedelta(days=3652)
LEAF_LIFETIME = timedelta(days=365)

_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and the certificate of its public key."""

    private_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def private_key_pem(self) -> bytes:
        """The private key, in PEM (PKCS #8), not encrypted."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, in lower-case hex: a caller's name."""
        public = self.private_key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(der).hexdigest()


def certificate_authority(common_name: str) -> Identity:
    """Make a CA for 10 years that certifies no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(name, name, key.public_key(), AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_issued_by(identifier), critical=False)
    )
    return Identity(key, builder.sign(key, SHA256()))


def server_identity(
    authority: Identity, common_name: str, hosts: Sequence[str], addresses: Sequence[str]
) -> Identity:
    """Make a TLS server's identity for 1 year.

    Args:
        authority: the CA.
        common_name: of the subject; TLS does not look at it.
        hosts: DNS names that it is reached by.
        addresses: IP addresses that it is reached by.
    """
    names: list[x509.GeneralName] = [
        *(x509.DNSName(host) for host in hosts),
        *(x509.IPAddress(ip_address(address)) for address in addresses),
    ]
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _leaf(authority, common_name, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(key, builder.sign(authority.private_key, SHA256()))


def client_identity(authority: Identity, common_name: str) -> Identity:
    """Make a TLS client's identity for 1 year."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _leaf(authority, common_name, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH)
    return Identity(key, builder.sign(authority.private_key, SHA256()))


def responder_identity(authority: Identity, common_name: str) -> Identity:
    """Make an OCSP responder's identity for 1 year."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _leaf(authority, common_name, key.public_key(), ExtendedKeyUsageOID.OCSP_SIGNING)
    return Identity(key, builder.sign(authority.private_key, SHA256()))


def _leaf(
    authority: Identity,
    common_name: str,
    public_key: ec.EllipticCurvePublicKey,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    issuer = authority.certificate
    issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return (
        _builder(_name(common_name), issuer.subject, public_key, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(_issued_by(issuer_identifier), critical=False)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + lifetime)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{**_NO_USAGE, **dict.fromkeys(granted, True)})


def _issued_by(identifier: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
