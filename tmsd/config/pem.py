"""PEM files that tmsd.toml names: read whole, and refused without a word of what is in them."""

import re
import stat
from pathlib import Path

from cryptography.x509 import (
    Certificate,
    CertificateRevocationList,
    load_pem_x509_certificates,
    load_pem_x509_crl,
)

_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)  # RFC 7468


class UnfitFile(Exception):
    """A file that cannot serve; the text says why."""


def mode(file: Path) -> int:
    """Return the permission bits of a regular file.

    Raises:
        UnfitFile: it is not there, or is something else.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise UnfitFile(f"cannot be looked at: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFile("is not a regular file")
    return stat.S_IMODE(status.st_mode)


def content(file: Path) -> bytes:
    """Return what a regular file holds.

    Raises:
        UnfitFile: it cannot be read.
    """
    mode(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnfitFile(f"cannot be read: {error.strerror}") from None


def certificates(file: Path) -> list[Certificate]:
    """Return the certificates of a file, at least one.

    Raises:
        UnfitFile: it cannot be read, or holds none.
    """
    try:
        return load_pem_x509_certificates(content(file))
    except ValueError:
        raise UnfitFile("must hold certificates in PEM") from None


def revocation_lists(file: Path) -> list[CertificateRevocationList]:
    """Return the CRLs (RFC 5280, section 5) of a file, at least one.

    Raises:
        UnfitFile: it cannot be read, or holds none.
    """
    blocks = _CRL.findall(content(file))
    try:
        crls = [load_pem_x509_crl(block) for block in blocks]
    except ValueError:
        crls = []
    if not crls:
        raise UnfitFile("must hold certificate revocation lists in PEM (BEGIN X509 CRL)")
    return crls
