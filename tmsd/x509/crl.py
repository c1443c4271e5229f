"""Certificate revocation lists: full, partitioned and delta (RFC 5280, section 5)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from cryptography import x509

from tmsd.x509.building import Issuer

# 5.2.3: relying parties must handle 20 octets, and a positive number has a zero bit before it.
_MOST_BITS = 159


class Covered(Enum):
    """The certificates that a CRL tells of, as its issuing distribution point says (5.2.5)."""

    ALL = "all"
    USER_CERTIFICATES = "onlyContainsUserCerts"
    CA_CERTIFICATES = "onlyContainsCACerts"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a CRL and its deltas tell of: all that the CA has issued, or a partition of it.

    Attributes:
        urls: where the CRL of a partition is, or was, as its certificates say: each names one of
            these (6.3.3, (b)(2)). None at all: not partitioned.
        covered: of which certificates it tells.
    """

    urls: tuple[str, ...] = ()
    covered: Covered = Covered.ALL


WHOLE = Scope()


@dataclass(frozen=True, slots=True)
class Heading:
    """What a CRL says beside its issuer and its entries.

    Attributes:
        number: which full CRLs and deltas of a scope count together (5.2.3).
        this_update: when it is issued.
        next_update: when the next one is issued, at the latest.
        scope: of which certificates it tells.
        base_number: of a delta: the number of the CRL that it completes (5.2.4); None elsewhere.
        delta_url: where deltas of this CRL are (5.2.6); None where there are none, and in deltas.
    """

    number: int
    this_update: datetime
    next_update: datetime
    scope: Scope = WHOLE
    base_number: int | None = None
    delta_url: str | None = None

    @property
    def is_delta(self) -> bool:
        """Whether it tells what has changed since another one."""
        return self.base_number is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate that is revoked or on hold (5.3); in a delta, also one that no longer is.

    Attributes:
        serial_number: of the certificate.
        revoked_at: when the CA revoked it.
        reason: why; `remove_from_crl` stands in deltas alone.
        invalid_since: from when on it is known or thought to be unsafe; None where that is
            `revoked_at`.
    """

    serial_number: int
    revoked_at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified
    invalid_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a CRL has to keep to.

    Attributes:
        now: the present.
        longest: how long a CRL may be good, from the present.
        most_entries: how many it may have.
        last_number: the highest of its scope that was signed before; None for the first. A full
            CRL and a delta that are issued at one time have one number.
    """

    now: datetime
    longest: timedelta
    most_entries: int
    last_number: int | None = None


class CrlRule(StrEnum):
    """What a CRL would have broken; docs/ocsp.md explains each."""

    ISSUER_MAY_NOT_SIGN = "issuer-may-not-sign"
    NUMBER_NOT_RISEN = "number-not-risen"
    NUMBER_TOO_LONG = "number-too-long"
    BASE_NOT_BEFORE = "base-not-before"
    DELTA_OF_A_DELTA = "delta-of-a-delta"
    THIS_UPDATE_IN_FUTURE = "this-update-in-future"
    NEXT_UPDATE_NOT_AFTER = "next-update-not-after"
    NEXT_UPDATE_TOO_LATE = "next-update-too-late"
    TOO_MANY_ENTRIES = "too-many-entries"
    SERIAL_NUMBER_TWICE = "serial-number-twice"
    SERIAL_NUMBER_MALFORMED = "serial-number-malformed"
    REVOKED_IN_FUTURE = "revoked-in-future"
    INVALID_AFTER_REVOCATION = "invalid-after-revocation"
    REMOVED_OUTSIDE_DELTA = "removed-outside-delta"


class CrlRefused(Exception):
    """A rule forbids it.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: CrlRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule


def builder(
    issuer: Issuer, heading: Heading, entries: Iterable[Entry], bounds: Bounds
) -> x509.CertificateRevocationListBuilder:
    """Return all of a CRL but its signature; the same arguments give the same bytes.

    Args:
        issuer: whose certificates it tells of, and who signs it.
        heading: what it says of itself.
        entries: each certificate once; they are read once, and stand in this order.
        bounds: what it has to keep to.

    Raises:
        CrlRefused: with the first rule that it would break.
    """
    if not issuer.may_issue:
        raise CrlRefused(CrlRule.ISSUER_MAY_NOT_SIGN, "its certificate is not that of a CA")
    for rule, is_kept, words in _RULES:
        if not is_kept(heading, bounds):
            raise CrlRefused(rule, words)
    # One by one, the builder would copy the whole list for each entry.
    unsigned = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject,
        extensions=[
            x509.Extension(value.oid, critical, value)
            for value, critical in _extensions(issuer, heading)
        ],
        revoked_certificates=list(_revoked(entries, heading, bounds)),
    )
    return unsigned.last_update(heading.this_update).next_update(heading.next_update)


def _extensions(issuer: Issuer, heading: Heading) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Yield extensions and whether they are critical, in the order of 5.2."""
    yield (
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier),
        False,
    )
    yield x509.CRLNumber(heading.number), False
    if heading.base_number is not None:
        yield x509.DeltaCRLIndicator(heading.base_number), True
    if heading.scope != WHOLE:
        yield _issuing_distribution_point(heading.scope), True
    if heading.delta_url is not None:
        place = _at([heading.delta_url])
        yield x509.FreshestCRL([x509.DistributionPoint(place, None, None, None)]), False


def _issuing_distribution_point(scope: Scope) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=_at(scope.urls) or None,
        relative_name=None,
        only_contains_user_certs=scope.covered is Covered.USER_CERTIFICATES,
        only_contains_ca_certs=scope.covered is Covered.CA_CERTIFICATES,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _at(urls: Iterable[str]) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(url) for url in urls]


# 5.3.1: `unspecified` is said by saying nothing.
_REASONS: dict[x509.ReasonFlags, list[x509.Extension[x509.ExtensionType]]] = {
    reason: []
    if reason is x509.ReasonFlags.unspecified
    else [x509.Extension(x509.CRLReason.oid, critical=False, value=x509.CRLReason(reason))]
    for reason in x509.ReasonFlags
}


def _revoked(
    entries: Iterable[Entry], heading: Heading, bounds: Bounds
) -> Iterator[x509.RevokedCertificate]:
    seen: set[int] = set()
    for entry in entries:
        _require_sound(entry, heading, bounds)
        if entry.serial_number in seen:
            raise CrlRefused(CrlRule.SERIAL_NUMBER_TWICE, f"{entry.serial_number:x}")
        seen.add(entry.serial_number)
        if len(seen) > bounds.most_entries:
            raise CrlRefused(CrlRule.TOO_MANY_ENTRIES, f"a CRL has at most {bounds.most_entries}")
        extensions = _REASONS[entry.reason]
        if entry.invalid_since is not None:
            since = x509.InvalidityDate(entry.invalid_since)
            extensions = [*extensions, x509.Extension(since.oid, critical=False, value=since)]
        unfinished = x509.RevokedCertificateBuilder(entry.serial_number, extensions=extensions)
        yield unfinished.revocation_date(entry.revoked_at).build()


def _require_sound(entry: Entry, heading: Heading, bounds: Bounds) -> None:
    serial = f"{entry.serial_number:x}"
    if not 0 < entry.serial_number < 1 << _MOST_BITS:
        raise CrlRefused(CrlRule.SERIAL_NUMBER_MALFORMED, f"{serial} has not 1 to 159 bits")
    if entry.revoked_at > bounds.now:
        raise CrlRefused(CrlRule.REVOKED_IN_FUTURE, f"{serial} is not revoked yet")
    if entry.invalid_since is not None and entry.invalid_since > entry.revoked_at:
        raise CrlRefused(
            CrlRule.INVALID_AFTER_REVOCATION, f"{serial} was revoked before it was invalid"
        )
    if entry.reason is x509.ReasonFlags.remove_from_crl and not heading.is_delta:
        raise CrlRefused(
            CrlRule.REMOVED_OUTSIDE_DELTA, f"{serial} is left out of a full CRL, not removed"
        )


def _has_risen(heading: Heading, bounds: Bounds) -> bool:
    return heading.number > (-1 if bounds.last_number is None else bounds.last_number)


def _is_short(heading: Heading, _: Bounds) -> bool:
    return heading.number.bit_length() <= _MOST_BITS


def _comes_after_its_base(heading: Heading, _: Bounds) -> bool:
    return heading.base_number is None or 0 <= heading.base_number < heading.number


def _has_no_deltas_of_its_own(heading: Heading, _: Bounds) -> bool:
    return not heading.is_delta or heading.delta_url is None


def _is_of_the_present(heading: Heading, bounds: Bounds) -> bool:
    return heading.this_update <= bounds.now


def _lasts(heading: Heading, bounds: Bounds) -> bool:
    return heading.next_update > max(heading.this_update, bounds.now)


def _ends_soon(heading: Heading, bounds: Bounds) -> bool:
    return heading.next_update <= bounds.now + bounds.longest


_RULES: tuple[tuple[CrlRule, Callable[[Heading, Bounds], bool], str], ...] = (
    (CrlRule.NUMBER_NOT_RISEN, _has_risen, "one of this number, or a higher one, was signed"),
    (CrlRule.NUMBER_TOO_LONG, _is_short, "its number has more than 20 bytes"),
    (CrlRule.BASE_NOT_BEFORE, _comes_after_its_base, "its number must be above that of its base"),
    (CrlRule.DELTA_OF_A_DELTA, _has_no_deltas_of_its_own, "a delta names no other deltas"),
    (CrlRule.THIS_UPDATE_IN_FUTURE, _is_of_the_present, "thisUpdate is not reached yet"),
    (CrlRule.NEXT_UPDATE_NOT_AFTER, _lasts, "nextUpdate is not after thisUpdate and the present"),
    (CrlRule.NEXT_UPDATE_TOO_LATE, _ends_soon, "nextUpdate is later than CRLs of this CA may say"),
)
