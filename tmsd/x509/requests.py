"""Certificate signing requests (PKCS #10, RFC 2986): what they prove, and what they ask for.

The signature proves that who asks holds the private key. The names are taken as fields, of which
the profile makes what it allows; nothing else of a request gets into a certificate.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import NameOID

from tmsd.x509.names import AlternativeName, AttributeType, kind_and_value
from tmsd.x509.public_keys import require_known, spki
from tmsd.x509.refusal import CertificateRefused, Rule

MAX_CSR = 16 * 1024
"""The longest request, in bytes of PEM or DER."""

HASHES = (SHA256, SHA384, SHA512)
"""Those by which a signature proves anything; Ed25519 has one of its own."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises over requests and certificates that it cannot read."""

_PEM = b"-----BEGIN"
# RFC 2985's e-mail address belongs into an alternative name (RFC 5280, 4.1.2.6).
_FIELDS: Mapping[x509.ObjectIdentifier, str] = {
    **{kind.oid: kind.name.lower() for kind in AttributeType},
    NameOID.EMAIL_ADDRESS: AlternativeName.EMAIL,
}


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A request whose signature is right.

    Attributes:
        public_key: which the asker has the private key of.
        fields: the names that it asks for, by the field that profiles know them by; others by
            their object identifier or their kind, which no profile has as a field.
    """

    public_key: PublicKeyTypes
    fields: Mapping[str, Sequence[str]]


def parse(content: bytes) -> CertificateRequest:
    """Read a request.

    Args:
        content: PEM or DER, at most `MAX_CSR` bytes.

    Raises:
        CertificateRefused: one of the rules `csr-…`, or `key-kind-not-allowed` where no profile
            can allow the key.
    """
    if len(content) > MAX_CSR:
        raise CertificateRefused(Rule.CSR_TOO_LARGE, f"a request has at most {MAX_CSR} bytes")
    try:
        return _parsed(_read(content))
    except UNREADABLE:
        raise CertificateRefused(
            Rule.CSR_MALFORMED, "it is no PKCS #10 request in PEM or DER, or has unknown parts"
        ) from None


def _read(content: bytes) -> x509.CertificateSigningRequest:
    if content.lstrip().startswith(_PEM):
        return x509.load_pem_x509_csr(content)
    return x509.load_der_x509_csr(content)


def _parsed(csr: x509.CertificateSigningRequest) -> CertificateRequest:
    key = csr.public_key()
    # Before the signature is looked at: some of the other kinds are slow to verify.
    require_known(key)
    if spki(key) not in csr.tbs_certrequest_bytes:
        raise CertificateRefused(
            Rule.CSR_MALFORMED,
            "its public key must be written as rsaEncryption, or as an uncompressed point",
        )
    hashed = csr.signature_hash_algorithm
    if hashed is not None and not isinstance(hashed, HASHES):
        raise CertificateRefused(
            Rule.CSR_SIGNATURE_WEAK,
            f"it is signed with {hashed.name}; use SHA-256, SHA-384 or SHA-512",
        )
    if not _is_signed(csr):
        raise CertificateRefused(
            Rule.CSR_SIGNATURE_WRONG, "it is not signed by the private key of its public key"
        )
    fields: dict[str, list[str]] = defaultdict(list)
    for name, value in _subject(csr):
        fields[name].append(value)
    for name, value in _alternative_names(csr):
        # An e-mail address often stands in both.
        if value not in fields[name]:
            fields[name].append(value)
    return CertificateRequest(key, {name: tuple(values) for name, values in fields.items()})


def _is_signed(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return csr.is_signature_valid
    except InvalidSignature:
        return False


def _subject(csr: x509.CertificateSigningRequest) -> Iterator[tuple[str, str]]:
    for attribute in csr.subject:
        oid, value = attribute.oid, attribute.value
        yield _FIELDS.get(oid, oid.dotted_string), value if isinstance(value, str) else value.hex()


def _alternative_names(csr: x509.CertificateSigningRequest) -> Iterator[tuple[str, str]]:
    for extension in csr.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise CertificateRefused(
                Rule.CSR_ASKS_FOR_CA, "a request does not make a CA: the profile does"
            )
        if isinstance(value, x509.SubjectAlternativeName):
            yield from map(kind_and_value, value)
