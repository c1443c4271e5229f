"""Why no certificate comes of a request: each rule has a name, which callers and records see."""

from enum import StrEnum


class Rule(StrEnum):
    """What a request or a certificate broke; docs/profiles.md explains each."""

    # The request
    CSR_TOO_LARGE = "csr-too-large"
    CSR_MALFORMED = "csr-malformed"
    CSR_SIGNATURE_WRONG = "csr-signature-wrong"
    CSR_SIGNATURE_WEAK = "csr-signature-weak"
    CSR_ASKS_FOR_CA = "csr-asks-for-ca"
    PROOF_NOT_ALLOWED = "proof-not-allowed"
    CARD_KEY_MALFORMED = "card-key-malformed"
    CARD_PROOF_WRONG = "card-proof-wrong"
    CROSSED_MALFORMED = "crossed-malformed"
    CROSSED_NOT_PROVEN = "crossed-not-proven"

    # The public key
    KEY_KIND_NOT_ALLOWED = "key-kind-not-allowed"
    KEY_EXPONENT_UNSAFE = "key-exponent-unsafe"
    KEY_HAS_SMALL_FACTOR = "key-has-small-factor"
    KEY_FACTORS_ARE_CLOSE = "key-factors-are-close"
    KEY_OF_BROKEN_GENERATOR = "key-of-broken-generator"
    KEY_POINT_UNSAFE = "key-point-unsafe"
    KEY_BLOCKED = "key-blocked"
    KEY_OF_ISSUER = "key-of-issuer"
    KEY_OF_CALLER = "key-of-caller"
    KEY_IN_USE = "key-in-use"

    # Names and other fields
    FIELD_MISSING = "field-missing"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_NOT_SINGLE = "field-not-single"
    FIELD_TOO_LONG = "field-too-long"
    FIELD_NOT_PLAIN_TEXT = "field-not-plain-text"
    FIELD_NOT_PRINTABLE_STRING = "field-not-printable-string"
    COUNTRY_MALFORMED = "country-malformed"
    DOMAIN_COMPONENT_MALFORMED = "domain-component-malformed"
    DNS_NAME_MALFORMED = "dns-name-malformed"
    DNS_NAME_IS_WILDCARD = "dns-name-is-wildcard"
    DNS_NAME_NOT_A_LABELS = "dns-name-not-a-labels"
    EMAIL_MALFORMED = "email-malformed"
    URI_MALFORMED = "uri-malformed"
    IP_ADDRESS_MALFORMED = "ip-address-malformed"
    UPN_MALFORMED = "upn-malformed"
    NAME_OF_CALLER = "name-of-caller"
    NAME_NOT_PERMITTED = "name-not-permitted"
    NAME_EXCLUDED = "name-excluded"

    # The validity
    VALIDITY_TOO_SHORT = "validity-too-short"
    VALIDITY_TOO_LONG = "validity-too-long"
    VALIDITY_BEYOND_ISSUER = "validity-beyond-issuer"
    VALIDITY_BEYOND_CROSSED = "validity-beyond-crossed"

    # The finished certificate (RFC 5280, section 4)
    CERTIFICATE_TOO_LARGE = "certificate-too-large"
    CERTIFICATE_DIFFERS = "certificate-differs"
    SERIAL_NUMBER_SHORT = "serial-number-short"
    ISSUER_DIFFERS = "issuer-differs"
    ISSUER_NOT_CA = "issuer-not-ca"
    PATH_TOO_LONG = "path-too-long"
    KEY_IDENTIFIERS_WRONG = "key-identifiers-wrong"
    BASIC_CONSTRAINTS_WRONG = "basic-constraints-wrong"
    KEY_USAGE_WRONG = "key-usage-wrong"
    EXTENDED_KEY_USAGE_WRONG = "extended-key-usage-wrong"
    POLICIES_WRONG = "policies-wrong"
    SUBJECT_MISSING = "subject-missing"
    SUBJECT_DIFFERS = "subject-differs"
    SERVER_NAME_MISSING = "server-name-missing"
    REVOCATION_POINTERS_WRONG = "revocation-pointers-wrong"
    EXTENSION_NOT_EXPECTED = "extension-not-expected"


class CertificateRefused(Exception):
    """A rule forbids it.

    Attributes:
        rule: which one.
        words: what was wrong, and what would be right.
        field: the field of the request at fault; None where it is none of them alone.
    """

    def __init__(self, rule: Rule, words: str, field: str | None = None) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
        self.words = words
        self.field = field
