"""All of a certificate but its signature, in a form in which each part can be spoiled."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from cryptography import x509

from tests.x509.issuing import Ca
from tmsd.x509.public_keys import PublicKey

Extensions = dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate before it is signed."""

    serial_number: int
    issuer: x509.Name
    subject: x509.Name
    not_before: datetime
    not_after: datetime
    key: PublicKey
    extensions: Extensions

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Self:
        """Return the draft that comes to a certificate."""
        key = certificate.public_key()
        assert isinstance(key, PublicKey)
        return cls(
            certificate.serial_number,
            certificate.issuer,
            certificate.subject,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            key,
            {type(each.value): (each.value, each.critical) for each in certificate.extensions},
        )

    def having(self, *values: x509.ExtensionType, critical: bool) -> Self:
        """Return it with these extensions instead of those of their kind."""
        changed: Extensions = {type(value): (value, critical) for value in values}
        return replace(self, extensions=self.extensions | changed)

    def lacking(self, *kinds: type[x509.ExtensionType]) -> Self:
        """Return it without the extensions of these kinds."""
        kept = {kind: value for kind, value in self.extensions.items() if kind not in kinds}
        return replace(self, extensions=kept)

    def signed(self, ca: Ca) -> x509.Certificate:
        """Return the certificate."""
        built = (
            x509.CertificateBuilder()
            .serial_number(self.serial_number)
            .issuer_name(self.issuer)
            .subject_name(self.subject)
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
            .public_key(self.key)
        )
        for value, critical in self.extensions.values():
            built = built.add_extension(value, critical)
        return ca.sign(built)
