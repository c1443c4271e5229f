"""CRLs: what they say of themselves and of certificates, and what is never signed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags
from hypothesis import given
from hypothesis import strategies as st

from tests.x509.authority import authority
from tmsd.x509.building import Issuer
from tmsd.x509.crl import (
    WHOLE,
    Bounds,
    Covered,
    CrlRefused,
    CrlRule,
    Entry,
    Heading,
    Scope,
    builder,
)

CA = authority()
NOW = CA.now
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)
URL = "http://crl.example/ca-0.crl"
DELTA_URL = "http://crl.example/ca-0-delta.crl"
USERS = Scope((URL,), Covered.USER_CERTIFICATES)

HEADING = Heading(number=5, this_update=NOW, next_update=NOW + WEEK)
BOUNDS = Bounds(now=NOW, longest=WEEK, most_entries=100, last_number=4)

KINDS = {
    "full": HEADING,
    "full with deltas": replace(HEADING, delta_url=DELTA_URL),
    "partition": replace(HEADING, scope=USERS, delta_url=DELTA_URL),
    "delta": replace(HEADING, base_number=4),
    "delta of a partition": replace(HEADING, scope=USERS, base_number=4),
}
in_full = [reason for reason in ReasonFlags if reason is not ReasonFlags.remove_from_crl]

serial_numbers = st.integers(1, (1 << 159) - 1)
moments = st.integers(0, 3 * 365 * 24 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    revoked_at = draw(moments)
    since = draw(st.none() | st.integers(0, 10**8).map(lambda s: revoked_at - timedelta(seconds=s)))
    return Entry(draw(serial_numbers), revoked_at, draw(st.sampled_from(in_full)), since)


def signed(
    heading: Heading = HEADING, *listed: Entry, bounds: Bounds = BOUNDS
) -> x509.CertificateRevocationList:
    return CA.scheme.sign_crl(builder(CA.issuer, heading, listed, bounds), CA.key)


def entry_read(revoked: x509.RevokedCertificate) -> Entry:
    def said(kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
        try:
            return revoked.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    reason, since = said(x509.CRLReason), said(x509.InvalidityDate)
    return Entry(
        revoked.serial_number,
        revoked.revocation_date_utc,
        reason.reason if isinstance(reason, x509.CRLReason) else ReasonFlags.unspecified,
        since.invalidity_date_utc if isinstance(since, x509.InvalidityDate) else None,
    )


def refused(
    heading: Heading = HEADING, *listed: Entry, bounds: Bounds = BOUNDS, issuer: Issuer = CA.issuer
) -> CrlRule:
    with pytest.raises(CrlRefused) as refusal:
        builder(issuer, heading, listed, bounds)
    return refusal.value.rule


def extensions_of(crl: x509.CertificateRevocationList) -> dict[type[x509.ExtensionType], bool]:
    return {type(extension.value): extension.critical for extension in crl.extensions}


@given(st.lists(entries(), unique_by=lambda entry: entry.serial_number, max_size=20))
def test_a_crl_lists_what_it_was_made_of(listed: list[Entry]) -> None:
    assert [entry_read(revoked) for revoked in signed(HEADING, *listed)] == listed


@given(st.lists(entries(), unique_by=lambda entry: entry.serial_number, max_size=5))
def test_the_same_arguments_are_signed_as_the_same_bytes(listed: list[Entry]) -> None:
    first, second = signed(HEADING, *listed), signed(HEADING, *listed)
    assert first.tbs_certlist_bytes == second.tbs_certlist_bytes


def test_a_crl_says_who_signs_it_and_when_the_next_one_comes() -> None:
    crl = signed()
    assert crl.issuer == CA.certificate.subject
    assert crl.is_signature_valid(CA.key.public_key())
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + WEEK)
    identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == CA.issuer.key_identifier.digest
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 5


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("full", {}),
        ("full with deltas", {x509.FreshestCRL: False}),
        ("partition", {x509.IssuingDistributionPoint: True, x509.FreshestCRL: False}),
        ("delta", {x509.DeltaCRLIndicator: True}),
        (
            "delta of a partition",
            {x509.DeltaCRLIndicator: True, x509.IssuingDistributionPoint: True},
        ),
    ],
)
def test_each_kind_has_its_extensions_and_no_other(
    kind: str, more: dict[type[x509.ExtensionType], bool]
) -> None:
    common = {x509.AuthorityKeyIdentifier: False, x509.CRLNumber: False}
    assert extensions_of(signed(KINDS[kind])) == common | more


@pytest.mark.parametrize("covered", Covered)
@pytest.mark.parametrize(
    "urls",
    [(URL,), (URL, "http://former.example/ca-0.crl"), ()],
    ids=["at a place", "at a place that was another", "without a place"],
)
def test_a_partition_says_where_it_is_and_what_it_covers(
    urls: tuple[str, ...], covered: Covered
) -> None:
    scope = Scope(urls, covered)
    if scope == WHOLE:
        assert x509.IssuingDistributionPoint not in extensions_of(signed())
        return
    crl = signed(replace(HEADING, scope=scope))
    point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    assert point.full_name == ([x509.UniformResourceIdentifier(url) for url in urls] or None)
    assert point.only_contains_user_certs == (covered is Covered.USER_CERTIFICATES)
    assert point.only_contains_ca_certs == (covered is Covered.CA_CERTIFICATES)
    assert not point.indirect_crl
    assert point.only_some_reasons is None


def test_a_delta_names_the_number_of_its_base() -> None:
    delta = signed(KINDS["delta"])
    indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value
    assert indicator.crl_number == 4


def test_a_crl_says_where_its_deltas_are() -> None:
    crl = signed(KINDS["full with deltas"])
    (point,) = crl.extensions.get_extension_for_class(x509.FreshestCRL).value
    assert point.full_name == [x509.UniformResourceIdentifier(DELTA_URL)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", in_full)
@pytest.mark.parametrize("since", [None, NOW - WEEK], ids=["at once", "a week before"])
def test_every_reason_can_stand_in_every_kind(
    kind: str, reason: ReasonFlags, since: datetime | None
) -> None:
    entry = Entry(17, NOW, reason, since)
    (revoked,) = signed(KINDS[kind], entry)
    assert entry_read(revoked) == entry


@pytest.mark.parametrize("kind", KINDS)
def test_no_reason_is_said_where_it_is_unspecified(kind: str) -> None:
    (revoked,) = signed(KINDS[kind], Entry(17, NOW))
    assert not list(revoked.extensions)


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_delta_removes(kind: str) -> None:
    removed = Entry(17, NOW, ReasonFlags.remove_from_crl)
    if KINDS[kind].is_delta:
        (revoked,) = signed(KINDS[kind], removed)
        assert entry_read(revoked) == removed
    else:
        assert refused(KINDS[kind], removed) is CrlRule.REMOVED_OUTSIDE_DELTA


@given(last=st.integers(0, 2**158), step=st.integers(-3, 3), is_delta=st.booleans())
def test_numbers_rise(last: int, step: int, *, is_delta: bool) -> None:
    bounds = replace(BOUNDS, last_number=last)
    number = max(last + step, 0)
    heading = replace(HEADING, number=number, base_number=number - 1 if is_delta else None)
    if number > last:
        assert builder(CA.issuer, heading, (), bounds)
    else:
        assert refused(heading, bounds=bounds) is CrlRule.NUMBER_NOT_RISEN


def test_the_first_number_may_be_0() -> None:
    crl = signed(replace(HEADING, number=0), bounds=replace(BOUNDS, last_number=None))
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 0


@pytest.mark.parametrize(
    ("heading", "rule"),
    [
        (replace(HEADING, number=1 << 159), CrlRule.NUMBER_TOO_LONG),
        (replace(HEADING, base_number=5), CrlRule.BASE_NOT_BEFORE),
        (replace(HEADING, base_number=-1), CrlRule.BASE_NOT_BEFORE),
        (replace(HEADING, base_number=4, delta_url=DELTA_URL), CrlRule.DELTA_OF_A_DELTA),
        (replace(HEADING, this_update=NOW + SECOND), CrlRule.THIS_UPDATE_IN_FUTURE),
        (replace(HEADING, next_update=NOW), CrlRule.NEXT_UPDATE_NOT_AFTER),
        (
            replace(HEADING, this_update=NOW - WEEK, next_update=NOW - SECOND),
            CrlRule.NEXT_UPDATE_NOT_AFTER,
        ),
        (replace(HEADING, next_update=NOW + WEEK + SECOND), CrlRule.NEXT_UPDATE_TOO_LATE),
    ],
)
def test_a_heading_that_is_wrong_is_refused_by_name(heading: Heading, rule: CrlRule) -> None:
    assert refused(heading) is rule


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (Entry(0, NOW), CrlRule.SERIAL_NUMBER_MALFORMED),
        (Entry(-1, NOW), CrlRule.SERIAL_NUMBER_MALFORMED),
        (Entry(1 << 159, NOW), CrlRule.SERIAL_NUMBER_MALFORMED),
        (Entry(17, NOW + SECOND), CrlRule.REVOKED_IN_FUTURE),
        (
            Entry(17, NOW - WEEK, invalid_since=NOW - WEEK + SECOND),
            CrlRule.INVALID_AFTER_REVOCATION,
        ),
    ],
)
def test_an_entry_that_is_wrong_is_refused_by_name(entry: Entry, rule: CrlRule) -> None:
    assert refused(HEADING, Entry(1, NOW), entry) is rule


def test_a_serial_number_stands_once() -> None:
    twice = (Entry(17, NOW - WEEK), Entry(18, NOW), Entry(17, NOW, ReasonFlags.superseded))
    assert refused(HEADING, *twice) is CrlRule.SERIAL_NUMBER_TWICE


def test_a_crl_has_as_many_entries_as_it_may_and_no_more() -> None:
    listed = [Entry(serial, NOW) for serial in range(1, 102)]
    assert len(signed(HEADING, *listed[:100])) == 100
    assert refused(HEADING, *listed) is CrlRule.TOO_MANY_ENTRIES


def test_entries_are_not_read_further_than_the_first_that_is_too_many() -> None:
    endless = (Entry(serial, NOW) for serial in range(1, 10**9))
    with pytest.raises(CrlRefused):
        builder(CA.issuer, HEADING, endless, BOUNDS)
    assert next(endless).serial_number == 102


def test_only_a_ca_signs_crls() -> None:
    assert refused(issuer=Issuer(CA.issue())) is CrlRule.ISSUER_MAY_NOT_SIGN


def test_a_hundred_thousand_entries_are_one_list() -> None:
    listed = (Entry(serial, NOW, ReasonFlags.superseded) for serial in range(1, 100_001))
    bounds = replace(BOUNDS, most_entries=100_000)
    assert len(CA.scheme.sign_crl(builder(CA.issuer, HEADING, listed, bounds), CA.key)) == 100_000
