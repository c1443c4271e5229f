"""[cas.NAME] of policy.toml: certificate authorities, and what each may issue."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import Complaint, shown
from tmsd.config.values import DISTINCT, Name, Place
from tmsd.x509.distribution import CRL_SUFFIX, MOST_PARTITIONS

# In certificates, and so for good: a scheme that needs no certificate (RFC 5280, section 8).
_URL = re.compile(r"http://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_LONGEST_URL = 256


def _check_url(url: str) -> str:
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        raise ValueError(f"must be an http URL without a query, not {shown(url)}")
    return url


_NEEDS_URL = f"needs a crl_url that ends in {CRL_SUFFIX}, beside which the further CRLs are"

Url = Annotated[str, AfterValidator(_check_url)]


class NonceResponder(Table):
    """[cas.NAME.ocsp.nonces]: the key that repeats answers with the nonce of who asks (RFC 9654).

    It is in a token of its own, which `[ocsp.nonces.hsm]` of tmsd.toml names.

    Attributes:
        certificate: of this key, issued by the CA as the responder's is; a PEM file.
        label: of the key in that token.
        version: the key's CKA_ID, 1 to 255.
    """

    certificate: Place = Field(description="the certificate of the key for nonces, a PEM file")
    label: KeyLabel = Field(description="the label of the key for nonces in its token")
    version: Annotated[int, Field(ge=1, le=255)] = 1


class Responder(Table):
    """[cas.NAME.ocsp]: the key that answers for the CA (RFC 6960, 4.2.2.2).

    Attributes:
        certificate: of the responder, issued by the CA; a PEM file.
        label: of its key in the HSM.
        version: the key's CKA_ID, 1 to 255.
        url: where it is asked; certificates say so.
        hours: how long an answer is good.
        nonces: what answers those who insist on a nonce; None where nobody is answered so.
    """

    certificate: Place = Field(description="the responder's certificate, a PEM file")
    label: KeyLabel = Field(description="the label of the responder's key in the HSM")
    version: Annotated[int, Field(ge=1, le=255)] = 1
    url: Url | None = None
    hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24
    nonces: NonceResponder | None = None


class Ca(Table):
    """A certificate authority whose key is in the HSM.

    Attributes:
        name: the table's name.
        certificate: a PEM file: the CA's own, then those of its issuers up to the root.
        label: of its key in the HSM.
        version: the key's CKA_ID, 1 to 255.
        pss: RSA signs with PSS, not with PKCS #1 v1.5.
        profiles: that it issues by: files in profiles/.
        crl_url: where its CRL is; certificates say so, or where that of their partition is.
        certificate_url: where its certificate is; certificates say so.
        crl_hours: how long a CRL is good.
        crl_delta_minutes: how long a delta is good; None where none come by themselves.
        crl_partitions: how many CRLs certificates are spread over; 1 for none but the whole one.
        crl_whole: whether there is one of all certificates beside those of partitions.
        crl_former_urls: what `crl_url` was before, as certificates of partitions still say.
        ocsp: its responder; None where it has none.
    """

    name: Annotated[Name, BY_LOADER]
    certificate: Place = Field(description="the CA's certificate and its issuers', a PEM file")
    label: KeyLabel = Field(
        default_factory=lambda validated: validated["name"], validate_default=True
    )
    version: Annotated[int, Field(ge=1, le=255)] = 1
    pss: bool = False
    profiles: Annotated[tuple[Name, ...], TOML, DISTINCT] = ()
    crl_url: Url | None = None
    certificate_url: Url | None = None
    crl_hours: Annotated[int, Field(ge=1, le=24 * 400)] = 24
    crl_delta_minutes: Annotated[int, Field(ge=10, le=60 * 24 * 7)] | None = None
    crl_partitions: Annotated[int, Field(ge=1, le=MOST_PARTITIONS)] = 1
    crl_whole: bool = True
    crl_former_urls: Annotated[tuple[Url, ...], TOML, DISTINCT] = ()
    ocsp: Responder | None = None

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions that new certificates are spread over; none where there is one CRL."""
        return range(1, self.crl_partitions + 1) if self.crl_partitions > 1 else ()

    def crl_lasts(self, *, is_delta: bool) -> timedelta:
        """Return how long a CRL is good, or a delta."""
        if is_delta and self.crl_delta_minutes is not None:
            return timedelta(minutes=self.crl_delta_minutes)
        return timedelta(hours=self.crl_hours)

    def complaints(self) -> Iterator[Complaint]:
        """Yield what keys about CRLs have against each other."""
        if not (self.crl_url or "").endswith(CRL_SUFFIX):
            if self.partitions:
                yield Complaint(("crl_partitions",), _NEEDS_URL)
            if self.crl_delta_minutes is not None:
                yield Complaint(("crl_delta_minutes",), _NEEDS_URL)
        if not (self.crl_whole or self.partitions):
            yield Complaint(
                ("crl_whole",), "must be true without partitions: there would be no CRL at all"
            )
        if (self.crl_delta_minutes or 0) >= self.crl_hours * 60:
            yield Complaint(
                ("crl_delta_minutes",),
                f"must be less than the {self.crl_hours} hours of crl_hours: a delta that is good"
                " for as long as a CRL saves nobody from fetching that",
            )
