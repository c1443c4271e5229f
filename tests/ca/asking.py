"""Asking the service, as the API and tmsctl do."""

from uuid import uuid4

from cryptography import x509

from tests.site.authority import CA
from tests.site.certificates import csr
from tests.site.identities import TPS
from tmsd.audit.trail import Trail
from tmsd.ca.issuing import CertificateWanted, issue
from tmsd.ca.revoking import Named, revoke
from tmsd.ca.service import Certification
from tmsd.store.certificates import Reason
from tmsd.vault.certificate_messages import SignedRequest


def trail(operation: str = "ca.issue") -> Trail:
    """Return a record that is to be filled in."""
    return Trail(operation, request_id=uuid4().hex, caller=TPS)


def wish(key: str | None = None) -> CertificateWanted:
    """Return a wish like no other, unless its key is given."""
    request = SignedRequest(csr().encode())
    return CertificateWanted(CA, "token-authentication", request, {}, None, key or uuid4().hex)


async def issued(ca: Certification, wanted: CertificateWanted | None = None) -> x509.Certificate:
    """Have a certificate issued to a caller."""
    return await issue(ca, TPS, wanted or wish(), trail())


def named(certificate: x509.Certificate) -> Named:
    """Return how a certificate is named."""
    return Named(CA, certificate.serial_number.to_bytes(16))


async def revoked(ca: Certification, certificate: x509.Certificate) -> None:
    """Have a certificate revoked."""
    change = trail("ca.revoke")
    await revoke(ca, named(certificate), Reason.SUPERSEDED, None, change)
