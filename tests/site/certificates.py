"""Asking for certificates: the calls, and what goes with them."""

from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.site.authority import CA
from tests.site.caller import Caller
from tests.site.channels import JsonObject
from tests.site.contract import JSON, Answer

CERTIFICATES = "/v1/ca/{ca}/certificates"
CERTIFICATE = f"{CERTIFICATES}/{{serial_number}}"
REVOKE, HOLD, RELEASE = (f"{CERTIFICATE}/{change}" for change in ("revoke", "hold", "release"))
CHAIN = "/v1/ca/{ca}/chain"
CRL = "/v1/ca/{ca}/crl"


def at(path: str, serial_number: str = "00" * 16, ca: str = CA) -> str:
    """Return a path with its parameters filled in."""
    return path.format(ca=ca, serial_number=serial_number)


def headers(key: str | None = None) -> dict[str, str]:
    """Return the headers of a request for a certificate; another wish unless a key is given."""
    return {"Content-Type": JSON, "Idempotency-Key": key or uuid4().hex}


def csr(common_name: str = "Alice", key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """Return a request for signing, in PEM, for a new key unless one is given."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def wanted(profile: str = "token-authentication", request: str | None = None) -> JsonObject:
    """Return the body that asks for a certificate."""
    return {"profile": profile, "csr": request or csr()}


def issue(caller: Caller, body: JsonObject | None = None, key: str | None = None) -> Answer:
    """Ask for a certificate."""
    return caller.post(at(CERTIFICATES), body or wanted(), headers(key))


def issued(caller: Caller) -> str:
    """Have a certificate issued; return its serial number."""
    answer = issue(caller)
    assert answer.status == 200, answer.document
    serial_number: str = answer.document["serial_number"]
    return serial_number
