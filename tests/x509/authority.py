"""A CA at the present, with certificates by our own profiles: what others look at with a clock."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from secrets import randbits

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.x509.issuing import key_of, shipped
from tmsd import clock
from tmsd.x509.building import Issuer, Terms, builder, wanted
from tmsd.x509.public_keys import KeyKind, PublicKey
from tmsd.x509.roots import root_builder
from tmsd.x509.signature import scheme_for


class Authority:
    """A root CA, which is a day old.

    Args:
        kind: of its key.
        pss: an RSA key signs with PSS.
        name: each has a key of its own.
    """

    def __init__(
        self, kind: KeyKind = KeyKind.P_256, *, pss: bool = False, name: str = "Root"
    ) -> None:
        self.key = key_of(kind, name)
        self.scheme = scheme_for(self.key.public_key(), pss=pss)
        self.now = clock.now().replace(microsecond=0)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {kind}")])
        root = root_builder(subject, self.key.public_key(), self._terms(days=3650), None)
        self.issuer = Issuer(self.scheme.sign_certificate(root, self.key))

    @property
    def certificate(self) -> x509.Certificate:
        """Its own."""
        return self.issuer.certificate

    def issue(
        self,
        profile: str = "tls-client",
        key: PublicKey | None = None,
        *,
        crl_url: str | None = None,
        days: int = 30,
    ) -> x509.Certificate:
        """Return a new certificate.

        Args:
            profile: by which it is made; one that needs a common name alone.
            key: that it is for; one of a holder unless told.
            crl_url: where it says that its CRL is.
            days: how long it is valid.
        """
        asked = wanted(
            shipped(profile),
            key or key_of(KeyKind.P_256).public_key(),
            {"common_name": ("somebody",)},
        )
        built = builder(replace(self.issuer, crl_url=crl_url), asked, self._terms(days=days))
        return self.scheme.sign_certificate(built, self.key)

    def _terms(self, days: int) -> Terms:
        born = self.now - timedelta(days=1)
        return Terms(randbits(127) | 1 << 127, born, self.now + timedelta(days=days))


def authority(kind: KeyKind = KeyKind.P_256, *, pss: bool = False) -> Authority:
    """Return the CA of this test process with such a key."""
    return _authority(kind, pss)


@cache
def _authority(kind: KeyKind, pss: bool) -> Authority:
    return Authority(kind, pss=pss)


def pem(what: x509.Certificate | x509.CertificateRevocationList, file: Path) -> Path:
    """Write something to a file, and return it."""
    file.write_bytes(what.public_bytes(Encoding.PEM))
    return file
