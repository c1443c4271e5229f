"""Looking for certificates: one by its serial number, or those that fit, page by page."""

from functools import partial

from tmsd.audit.trail import Trail
from tmsd.ca.revoking import Named
from tmsd.ca.service import Certification
from tmsd.errors import Code, ServiceError
from tmsd.store import certificate_search, certificates
from tmsd.store.certificate_search import Page, Position, Wanted
from tmsd.store.certificates import Record


async def find(ca: Certification, named: Named, trail: Trail) -> Record:
    """Return what is on record of a certificate that was issued.

    Raises:
        ServiceError: `ca-unknown`, `certificate-unknown`, `store-unavailable`.
    """
    ca.authority(named.ca)
    trail.details |= {"ca": named.ca, "serial_number": named.serial_number.hex()}
    job = partial(certificates.find, ca=named.ca, serial=named.serial_number)
    record = await ca.reader.run(job)
    if record is None or record.certificate is None:
        raise ServiceError(
            Code.CERTIFICATE_UNKNOWN, "the CA has issued no certificate of this serial number"
        )
    return record


async def search(ca: Certification, wanted: Wanted, after: Position | None, most: int) -> Page:
    """Return a page of certificates.

    Raises:
        ServiceError: `ca-unknown`, `store-unavailable`.
    """
    ca.authority(wanted.ca)
    return await ca.reader.run(
        partial(certificate_search.search, wanted=wanted, after=after, most=most)
    )
