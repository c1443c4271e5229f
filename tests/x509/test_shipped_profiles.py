"""The profiles of config/profiles/: what programs that no one here wrote make of each."""

from pathlib import Path

import pytest

from tests.x509.issuing import (
    SERIAL_NUMBER,
    SHIPPED,
    fields_of,
    issuing,
    key_of,
    root,
    root_of,
    shipped,
)
from tests.x509.relying_parties import certtool_reads, openssl_verify, pkilint_finds
from tmsd.x509.building import wanted
from tmsd.x509.linting import lint
from tmsd.x509.profile import ExtendedKeyUsage, Holder
from tmsd.x509.public_keys import KeyKind

# As `openssl verify` calls what a certificate is for, where it knows it.
PURPOSES = {
    ExtendedKeyUsage.CLIENT_AUTH: "sslclient",
    ExtendedKeyUsage.SERVER_AUTH: "sslserver",
    ExtendedKeyUsage.OCSP_SIGNING: "ocsphelper",
}
EACH = [(name, kind) for name in SHIPPED for kind in shipped(name).keys]


@pytest.mark.parametrize(("name", "kind"), EACH)
def test_certificates_of_it_are_right_to_everyone(name: str, kind: KeyKind, tmp_path: Path) -> None:
    profile = shipped(name)
    asked = wanted(profile, key_of(kind).public_key(), fields_of(profile))
    ca = root() if profile.is_ca else issuing()
    certificate = ca.issue(asked)
    chain = [certificate, root().certificate]
    if not profile.is_ca:
        chain.insert(1, ca.certificate)

    lint(certificate, profile, ca.issuer)
    for purpose in [PURPOSES[each] for each in profile.extended_key_usage if each in PURPOSES]:
        assert openssl_verify(chain, tmp_path, "-purpose", purpose) == ""
    assert openssl_verify(chain, tmp_path) == ""
    assert pkilint_finds(certificate, tmp_path, ca.certificate) == ""
    assert f"{SERIAL_NUMBER:x}" in certtool_reads(certificate, tmp_path)


@pytest.mark.parametrize("kind", KeyKind)
def test_roots_with_every_kind_of_key_are_right_to_everyone(kind: KeyKind, tmp_path: Path) -> None:
    ca = root_of(key_of(kind, "root"))
    below = ca.issue_ca("Below", key_of(KeyKind.P_256)).certificate
    assert openssl_verify([below, ca.certificate], tmp_path) == ""
    assert pkilint_finds(ca.certificate, tmp_path) == ""
    assert pkilint_finds(below, tmp_path, ca.certificate) == ""
    assert "Certificate Authority (CA): TRUE" in certtool_reads(ca.certificate, tmp_path)


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.RSA_3072, KeyKind.RSA_4096])
def test_roots_that_sign_with_pss_are_right_to_everyone(kind: KeyKind, tmp_path: Path) -> None:
    ca = root_of(key_of(kind, "root"), pss=True)
    below = ca.issue_ca("Below", key_of(KeyKind.P_256)).certificate
    assert openssl_verify([below, ca.certificate], tmp_path) == ""
    assert pkilint_finds(below, tmp_path) == ""
    assert "Signature Algorithm: RSA-PSS-SHA256" in certtool_reads(below, tmp_path)


FROM_APPLIANCE = ["subordinate-ca", "cross-certificate", "ocsp-signing", "officer"]


@pytest.mark.parametrize("name", FROM_APPLIANCE)
def test_what_comes_from_the_appliance_alone_is_for_no_caller(name: str) -> None:
    assert not shipped(name).holder.from_api
    assert shipped(name).issue_by == ()


def test_all_others_are_for_end_entities() -> None:
    names = {name for name in SHIPPED if shipped(name).holder is Holder.END_ENTITY}
    assert names == {*SHIPPED} - {*FROM_APPLIANCE}
