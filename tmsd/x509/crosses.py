"""Cross-certificates: another certificate for a CA that has one (RFC 5280, 3.2; RFC 4210, 4.4).

Who trusts the issuer of the new one trusts what the CA issued, without a word of it changed.
"""

from cryptography import x509

from tmsd.x509.building import Issuer, Names, Terms, assembled
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import accepted
from tmsd.x509.refusal import CertificateRefused, Rule


def cross_builder(
    issuer: Issuer, profile: Profile, crossed: x509.Certificate, terms: Terms
) -> x509.CertificateBuilder:
    """Return all of a cross-certificate but its signature.

    Args:
        issuer: of the new certificate.
        profile: a CA's; of its templates none is used.
        crossed: a certificate of the other CA, whose subject, to the byte, and key are taken.
        terms: serial number and validity.

    Raises:
        CertificateRefused: `issuer-not-ca` where one of the two is none; `key-…` where the
            profile does not allow the key, or it is weak; `key-identifiers-wrong` or
            `subject-differs` where what the CA issued would not be found to be of it.
    """
    other = Issuer(crossed)
    if not profile.is_ca or not other.may_issue:
        raise CertificateRefused(
            Rule.ISSUER_NOT_CA, "a cross-certificate is for a CA, by a profile of CAs"
        )
    key = accepted(crossed.public_key(), profile.keys)
    # As children name it in their authority key identifiers.
    if other.key_identifier != x509.SubjectKeyIdentifier.from_public_key(key):
        raise CertificateRefused(
            Rule.KEY_IDENTIFIERS_WRONG, "the CA's key identifier is not the SHA-1 of its key"
        )
    return assembled(issuer, profile, key, Names(other.subject), terms)
