"""CRLs of partitions and their deltas, of certificates that were issued, as OpenSSL takes them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cryptography import x509

from tests.ca.asking import issued, named, revoked, trail
from tests.site.authority import CA, have_crls
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.x509.relying_parties import openssl_judges
from tmsd.ca.finding import find
from tmsd.ca.publishing import publish_crl
from tmsd.ca.revoking import hold, release
from tmsd.ca.service import Certification
from tmsd.ca.turns import turns
from tmsd.cli.appliance import certification
from tmsd.store.crls import Scope
from tmsd.x509.distribution import WHOLE

PARTITIONS_AND_DELTAS = "crl_partitions = 3\ncrl_delta_minutes = 60\n"
Crl = x509.CertificateRevocationList


async def crl(ca: Certification, partition: int = WHOLE, *, delta: bool = False) -> Crl:
    published = await publish_crl(ca, Scope(CA, partition), trail("ca.crl"), delta=delta)
    return x509.load_der_x509_crl(published.der)


async def partition_of(ca: Certification, certificate: x509.Certificate) -> int:
    return (await find(ca, named(certificate), trail())).partition


async def by_partition(ca: Certification, count: int) -> Mapping[int, list[x509.Certificate]]:
    """Issue certificates until each of three partitions has so many."""
    found: dict[int, list[x509.Certificate]] = {1: [], 2: [], 3: []}
    while any(len(certificates) < count for certificates in found.values()):
        certificate = await issued(ca)
        found[await partition_of(ca, certificate)].append(certificate)
    return found


def serials(listed: Crl) -> set[int]:
    return {entry.serial_number for entry in listed}


def urls(certificate: x509.Certificate | Crl) -> list[str]:
    """Return where a certificate says that its CRL is, or where a CRL says that it is itself."""
    if isinstance(certificate, Crl):
        kind = x509.IssuingDistributionPoint
        points = [certificate.extensions.get_extension_for_class(kind).value]
        return [name.value for point in points for name in point.full_name or ()]
    told = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return [name.value for point in told for name in point.full_name or ()]


async def test_openssl_relies_on_the_crl_of_a_certificate_s_own_partition_alone(
    ca_site: Site, tmp_path: Path
) -> None:
    have_crls(ca_site.policy, PARTITIONS_AND_DELTAS)
    async with certification(ca_site.configuration) as ca:
        root = ca.authority(CA).certificate
        certificates = await by_partition(ca, 2)
        for bad, *_ in certificates.values():
            await revoked(ca, bad)
        crls = {partition: await crl(ca, partition) for partition in certificates}

        for partition, (bad, good, *_) in certificates.items():
            own, other = crls[partition], crls[partition % 3 + 1]
            assert urls(good) == urls(own) == [f"http://pki.example/{CA}~{partition}.crl"]
            assert openssl_judges(good, [own], root, tmp_path) == "OK"
            assert openssl_judges(bad, [own], root, tmp_path) == "certificate revoked"
            assert openssl_judges(good, [other], root, tmp_path) == "different CRL scope"
            assert openssl_judges(bad, list(crls.values()), root, tmp_path) == "certificate revoked"
            assert openssl_judges(good, list(crls.values()), root, tmp_path) == "OK"
        whole = await crl(ca)
        # Whole and partitions tell the same of the same certificates, each of them once.
        assert serials(whole) == set().union(*map(serials, crls.values()))
        assert len(whole) == sum(map(len, crls.values())) == 3
        for every in certificates.values():
            verdicts = [openssl_judges(each, [whole], root, tmp_path) for each in every]
            assert verdicts == ["certificate revoked", *["OK"] * (len(every) - 1)]


async def test_openssl_follows_a_certificate_that_is_held_and_released_through_deltas(
    make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(ca=True)
    have_crls(site.policy, PARTITIONS_AND_DELTAS)
    async with certification(site.configuration) as ca:
        root = ca.authority(CA).certificate
        certificate = await issued(ca)
        before_all = await issued(ca)
        await revoked(ca, before_all)
        partition = await partition_of(ca, certificate)
        for scope in (WHOLE, partition):
            base = await crl(ca, scope)
            assert openssl_judges(certificate, [base], root, tmp_path) == "OK"
            await hold(ca, named(certificate), trail("ca.hold"))
            held = await crl(ca, scope, delta=True)
            newer = await crl(ca, scope)
            await release(ca, named(certificate), trail("ca.release"))
            released = await crl(ca, scope, delta=True)

            def judged(*given: Crl) -> str:
                return openssl_judges(certificate, given, root, tmp_path)

            held_is = "certificate revoked"
            assert [judged(base, held), judged(newer), judged(newer, held)] == [held_is] * 3
            # It starts from the older one, and goes with either.
            assert [judged(base, released), judged(newer, released)] == ["OK"] * 2
            later = await issued(ca)
            while await partition_of(ca, later) != partition:
                later = await issued(ca)
            await revoked(ca, later)
            delta = await crl(ca, scope, delta=True)
            assert openssl_judges(later, [newer], root, tmp_path) == "OK"
            assert openssl_judges(later, [newer, delta], root, tmp_path) == held_is


async def test_a_certificate_is_told_of_where_it_says_whatever_becomes_of_the_partitions(
    make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(ca=True)
    every: list[tuple[int, x509.Certificate]] = []
    for lines in ("", "crl_partitions = 2\ncrl_whole = false\n", "crl_partitions = 1\n"):
        have_crls(site.policy, lines)
        async with certification(site.configuration) as ca:
            table, root = ca.authority(CA).table, ca.authority(CA).certificate
            certificate = await issued(ca)
            every.append((await partition_of(ca, certificate), certificate))
            due = await ca.reader.run(partial(turns, ca=table))
            for partition, each in every:
                assert Scope(CA, partition) in {turn.scope for turn in due}
                listed = await crl(ca, partition)
                assert openssl_judges(each, [listed], root, tmp_path) == "OK"
    assert [partition == WHOLE for partition, _ in every] == [True, False, True]
