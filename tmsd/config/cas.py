"""[cas.NAME] of policy.toml: certificate authorities, and what each may issue."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import shown
from tmsd.config.values import DISTINCT, Name, Place

# In certificates, and so for good: a scheme that needs no certificate (RFC 5280, section 8).
_URL = re.compile(r"http://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_LONGEST_URL = 256


def _check_url(url: str) -> str:
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        raise ValueError(f"must be an http URL without a query, not {shown(url)}")
    return url


Url = Annotated[str, AfterValidator(_check_url)]


class Responder(Table):
    """[cas.NAME.ocsp]: the key that answers for the CA (RFC 6960, 4.2.2.2).

    Attributes:
        certificate: of the responder, issued by the CA; a PEM file.
        label: of its key in the HSM.
        version: the key's CKA_ID, 1 to 255.
        url: where it is asked; certificates say so.
        hours: how long an answer is good.
    """

    certificate: Place = Field(description="the responder's certificate, a PEM file")
    label: KeyLabel = Field(description="the label of the responder's key in the HSM")
    version: Annotated[int, Field(ge=1, le=255)] = 1
    url: Url | None = None
    hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24


class Ca(Table):
    """A certificate authority whose key is in the HSM.

    Attributes:
        name: the table's name.
        certificate: a PEM file: the CA's own, then those of its issuers up to the root.
        label: of its key in the HSM.
        version: the key's CKA_ID, 1 to 255.
        pss: RSA signs with PSS, not with PKCS #1 v1.5.
        profiles: that it issues by: files in profiles/.
        crl_url: where its CRL is; certificates say so.
        certificate_url: where its certificate is; certificates say so.
        crl_hours: how long a CRL is good.
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
    ocsp: Responder | None = None
