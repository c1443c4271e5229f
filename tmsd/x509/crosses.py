"""Cross-certificates: another certificate for a CA that has one (RFC 5280, 3.2; RFC 4210, 4.4).

Who trusts the issuer of the new one trusts what the CA issued, without a word of it changed.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tmsd.x509 import requests
from tmsd.x509.building import Issuer, Names, Terms, assembled, validity
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import PublicKey, accepted, require_known, spki
from tmsd.x509.refusal import CertificateRefused, Rule


@dataclass(frozen=True, slots=True)
class Crossing:
    """A cross-certificate as it is asked for.

    Attributes:
        profile: a CA's; of its templates none is used.
        crossed: a certificate of the other CA, whose subject, to the byte, and key are taken.
    """

    profile: Profile
    crossed: x509.Certificate

    @property
    def public_key(self) -> PublicKey:
        """The other CA's key.

        Raises:
            CertificateRefused: `key-…` where the profile does not allow it, or it is weak.
        """
        return accepted(self.crossed.public_key(), self.profile.keys)


def crossed_ca(content: bytes, csr: bytes | None) -> x509.Certificate:
    """Read a certificate of the other CA, and see that who asks holds its key.

    Args:
        content: the certificate in DER.
        csr: a request for signing by the same key, in PEM or DER; None for a certificate that is
            signed by its own key, as a root's is.

    Raises:
        CertificateRefused: `crossed-malformed`, `crossed-not-proven`, `key-kind-not-allowed`; or
            what the request is refused by.
    """
    try:
        crossed = x509.load_der_x509_certificate(content)
        key = crossed.public_key()
        is_read = spki(key) in crossed.tbs_certificate_bytes and bool(crossed.extensions)
    except requests.UNREADABLE:
        is_read = False
    if not is_read:
        raise CertificateRefused(
            Rule.CROSSED_MALFORMED, "it is no certificate of a CA, or has unknown parts"
        )
    require_known(key)
    if csr is None and not _signs_itself(crossed):
        raise CertificateRefused(
            Rule.CROSSED_NOT_PROVEN,
            "it is not signed by its own key with SHA-256, SHA-384 or SHA-512: send a request for "
            "signing by that key as well",
        )
    if csr is not None and spki(requests.parse(csr).public_key) != spki(key):
        raise CertificateRefused(
            Rule.CROSSED_NOT_PROVEN, "the request for signing is for another key than it"
        )
    return crossed


def _signs_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
        hashed = certificate.signature_hash_algorithm
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return hashed is None or isinstance(hashed, requests.HASHES)


def crossed_validity(
    asked: Crossing, issuer: Issuer, now: datetime, days: int | None = None
) -> tuple[datetime, datetime]:
    """Return the first and the last second of a cross-certificate that is issued now.

    The other CA's own certificate bounds it as its issuer's does: no key gets more time by it.

    Raises:
        CertificateRefused: as `building.validity` does, or `validity-beyond-crossed`.
    """
    not_before, not_after = validity(asked.profile, issuer, now, days)
    begins, ends = asked.crossed.not_valid_before_utc, asked.crossed.not_valid_after_utc
    if not begins <= now < ends:
        raise CertificateRefused(
            Rule.VALIDITY_BEYOND_CROSSED, "the certificate of the other CA is not valid now"
        )
    if days is not None and not_after > ends:
        raise CertificateRefused(
            Rule.VALIDITY_BEYOND_CROSSED,
            f"the certificate of the other CA ends {ends:%Y-%m-%d}",
            "days",
        )
    return not_before, min(not_after, ends)


def cross_builder(issuer: Issuer, asked: Crossing, terms: Terms) -> x509.CertificateBuilder:
    """Return all of a cross-certificate but its signature.

    Args:
        issuer: of the new certificate.
        asked: which CA is certified, and by which profile.
        terms: serial number and validity.

    Raises:
        CertificateRefused: `issuer-not-ca` where one of the two is none; `key-…` where the
            profile does not allow the key, or it is weak; `key-identifiers-wrong` or
            `subject-differs` where what the CA issued would not be found to be of it.
    """
    other = Issuer(asked.crossed)
    if not asked.profile.is_ca or not other.may_issue:
        raise CertificateRefused(
            Rule.ISSUER_NOT_CA, "a cross-certificate is for a CA, by a profile of CAs"
        )
    key = asked.public_key
    # As children name it in their authority key identifiers.
    if other.key_identifier != x509.SubjectKeyIdentifier.from_public_key(key):
        raise CertificateRefused(
            Rule.KEY_IDENTIFIERS_WRONG, "the CA's key identifier is not the SHA-1 of its key"
        )
    return assembled(issuer, asked.profile, key, Names(other.subject), terms)
