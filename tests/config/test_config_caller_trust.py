"""The callers' CAs and their CRLs: what is fit for it, and whom they vouch for."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.site.crls import HOUR, crl, crl_builder, signed
from tmsd.clock import now
from tmsd.config.api import ApiConfig
from tmsd.config.caller_trust import CallerTrust, UnfitTrust, load_caller_trust
from tmsd.quickstart.certificates import Identity, certificate_authority, client_identity

CA = certificate_authority("callers")
OTHER = certificate_authority("others")
CALLER = client_identity(CA, "caller")
COLLEAGUE = client_identity(CA, "colleague")

Load = Callable[..., CallerTrust]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the trust in these CAs, with these files of CRLs."""

    def loaded(*crls: bytes, authorities: Sequence[Identity] = (CA,)) -> CallerTrust:
        bundle = tmp_path / "ca.pem"
        bundle.write_bytes(b"".join(one.certificate_pem for one in authorities))
        files = [tmp_path / f"{number}.crl" for number in range(len(crls))]
        for file, content in zip(files, crls, strict=True):
            file.write_bytes(content)
        nothing = tmp_path / "none"
        return load_caller_trust(
            ApiConfig(
                certificate=nothing,
                private_key=nothing,
                caller_trust=bundle,
                caller_crls=tuple(files),
            )
        )

    return loaded


def objection(trust: CallerTrust, caller: Identity, after: timedelta = timedelta()) -> str:
    der = caller.certificate.public_bytes(Encoding.DER)
    return trust.judge(der).objection_at(now() + after)


def certified(by: Identity, common_name: str, key: ec.EllipticCurvePrivateKey) -> Identity:
    """Make a CA that another one certifies."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder(by.certificate.subject, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now())
        .not_valid_after(now() + 48 * HOUR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(by.private_key, SHA256())
    )
    return Identity(key, certificate)


def intermediate(by: Identity, common_name: str = "intermediate") -> Identity:
    return certified(by, common_name, ec.generate_private_key(ec.SECP256R1()))


def test_a_caller_of_a_trusted_ca_is_vouched_for_and_no_other_is(load: Load) -> None:
    trust = load()

    assert objection(trust, CALLER) == ""
    assert objection(trust, client_identity(OTHER, "stranger")).startswith("no CA of caller_trust")


def test_a_ca_of_the_same_name_vouches_for_nobody_but_its_own(load: Load) -> None:
    namesake = client_identity(certificate_authority("callers"), "caller")

    assert "no CA" in objection(load(), namesake)


def test_what_a_ca_revoked_is_not_vouched_for(load: Load) -> None:
    trust = load(crl(CA, [CALLER.certificate]))

    assert objection(trust, CALLER) == "CN=callers has revoked the certificate"
    assert objection(trust, COLLEAGUE) == ""


@pytest.mark.parametrize("after", [24 * HOUR, 400 * 24 * HOUR])
def test_nobody_is_vouched_for_by_a_crl_that_ran_out(load: Load, after: timedelta) -> None:
    assert "ran out" in objection(load(crl(CA)), CALLER, after)


def test_a_certificate_that_ran_out_is_not_vouched_for(load: Load) -> None:
    assert objection(load(), CALLER, 364 * 24 * HOUR) == ""
    assert "ran out" in objection(load(), CALLER, 366 * 24 * HOUR)


def test_a_chain_is_followed_up_to_its_root(load: Load) -> None:
    issuing = intermediate(CA)
    caller = client_identity(issuing, "caller")

    assert objection(load(authorities=[CA, issuing]), caller) == ""
    assert "no CA" in objection(load(authorities=[issuing]), caller)
    assert "no CA" in objection(load(authorities=[CA]), caller)
    assert "ran out" in objection(load(authorities=[CA, issuing]), caller, 49 * HOUR)


def test_a_revoked_ca_vouches_for_nobody(load: Load) -> None:
    issuing = intermediate(CA)
    caller = client_identity(issuing, "caller")
    both = [CA, issuing]

    assert objection(load(crl(CA), crl(issuing), authorities=both), caller) == ""
    trust = load(crl(CA, [issuing.certificate]), crl(issuing), authorities=both)
    assert objection(trust, caller) == "CN=callers has revoked the certificate"


def test_the_certificate_of_a_ca_may_be_renewed_beside_the_old_one(load: Load) -> None:
    old = intermediate(CA)
    new = certified(CA, "intermediate", old.private_key)
    caller = client_identity(new, "caller")
    trust = load(crl(CA, [old.certificate]), crl(new), authorities=[CA, old, new])

    assert objection(trust, caller) == ""


def test_cas_that_certify_each_other_and_lead_nowhere_vouch_for_nobody(load: Load) -> None:
    one, two = intermediate(CA, "one"), intermediate(OTHER, "two")
    circle = [certified(two, "one", one.private_key), certified(one, "two", two.private_key)]

    assert "no end" in objection(load(authorities=circle), client_identity(one, "caller"))


def test_one_file_may_hold_the_crls_of_several_cas(load: Load) -> None:
    trust = load(crl(CA, [CALLER.certificate]) + crl(OTHER), authorities=[CA, OTHER])

    assert "revoked" in objection(trust, CALLER)


def with_critical_extension() -> bytes:
    delta = crl_builder(CA).add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return signed(delta, CA)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"confidential", "must hold certificate revocation lists in PEM (BEGIN X509 CRL)"),
        (CA.certificate_pem, "must hold certificate revocation lists in PEM (BEGIN X509 CRL)"),
        (
            crl(CA).replace(b"\nMI", b"\nMJ"),
            "must hold certificate revocation lists in PEM (BEGIN X509 CRL)",
        ),
        (crl(OTHER), "the CRL of CN=others was not signed by a CA of caller_trust"),
        (
            signed(crl_builder(CA), OTHER),
            "the CRL of CN=callers was not signed by a CA of caller_trust",
        ),
        (
            crl(CA, since=-2 * HOUR, until=-HOUR),
            "(nextUpdate): fetch a newer one",
        ),
        (crl(CA, since=HOUR), "(thisUpdate)"),
        (with_critical_extension(), "has a critical extension, as partial ones have"),
        (crl(CA) * 2, "holds another CRL of CN=callers: keep the newest"),
    ],
    ids=[
        "text",
        "a certificate",
        "damaged",
        "of another CA",
        "in the name of a CA",
        "run out",
        "of the future",
        "a delta CRL",
        "twice",
    ],
)
def test_a_crl_that_is_not_fit_is_refused_by_file_and_key(
    load: Load, content: bytes, reason: str
) -> None:
    with pytest.raises(UnfitTrust) as caught:
        load(content)

    (complaint,) = caught.value.complaints
    assert complaint.path == ("api", "caller_crls", 0)
    assert "/0.crl: " in complaint.message
    assert complaint.message.endswith(reason) or reason in complaint.message
    assert "confidential" not in complaint.message


def test_each_ca_must_have_a_crl(load: Load) -> None:
    with pytest.raises(UnfitTrust) as caught:
        load(crl(CA), authorities=[CA, OTHER])

    (complaint,) = caught.value.complaints
    assert complaint.path == ("api", "caller_crls")
    assert complaint.message.startswith("lacks a CRL of CN=others")


def test_a_warning_comes_when_a_quarter_of_a_crls_time_is_left(load: Load) -> None:
    trust = load(crl(CA, since=-HOUR, until=24 * HOUR))

    assert list(trust.warnings(now() + 17 * HOUR)) == []
    (warning,) = trust.warnings(now() + 18 * HOUR)
    assert "0.crl: the CRL of CN=callers runs out at " in warning
