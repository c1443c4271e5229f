"""Preparing and signing certificates: a real token signs what the policy's profiles say."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.worker.authority import csr, issued
from tests.x509.authority import Authority
from tests.x509.issuing import root
from tests.x509.test_constraints import constrained, dns
from tmsd.config.authorities import Authorities
from tmsd.config.blocked_keys import BlockedKeys
from tmsd.config.callers import APPLIANCE
from tmsd.errors import Code, ServiceError
from tmsd.vault import certificate_messages
from tmsd.worker import certifying
from tmsd.worker.context import Context
from tmsd.x509.distribution import crl_url, partition_of
from tmsd.x509.public_keys import spki_sha256

AUTHENTICATION = "token-authentication"


@pytest.fixture(scope="module")
def sealed(context: Context) -> bytes:
    return prepare(context).prepared


def signed(request: bytes) -> certificate_messages.SignedRequest:
    return certificate_messages.SignedRequest(request)


def wanted(**changes: object) -> certificate_messages.PrepareCertificate:
    asked = certificate_messages.PrepareCertificate(
        "ra", "demo", AUTHENTICATION, signed(csr("Alice")), {}, None
    )
    return structs.replace(asked, **changes)


def prepare(context: Context, **changes: object) -> certificate_messages.PreparedCertificate:
    return certifying.prepare_certificate(context, wanted(**changes))


def with_ca(context: Context, **changes: object) -> Context:
    """Return what a worker works with where the policy has something else of the CA."""
    demo = context.policy.authorities.by_name["demo"]
    changed = replace(demo, table=demo.table.model_copy(update=changes))
    authorities = Authorities({"demo": changed})
    policy = context.policy.model_copy(update={"authorities": authorities})
    return replace(context, policy=policy)


def refusal(context: Context, **changes: object) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        prepare(context, **changes)
    return refused.value


def sign(context: Context, sealed: bytes, caller: str = "ra") -> x509.Certificate:
    request = certificate_messages.SignCertificate(caller, sealed)
    signed = certifying.sign_certificate(context, request)
    return x509.load_der_x509_certificate(signed.certificate)


def test_a_prepared_certificate_is_signed_as_it_was_prepared(context: Context) -> None:
    told = prepare(context)
    certificate = sign(context, told.prepared)

    certificate.verify_directly_issued_by(context.policy.authorities.by_name["demo"].certificate)
    assert certificate.serial_number == int.from_bytes(told.serial_number)
    assert certificate.subject.rfc4514_string() == told.subject == "CN=Alice"
    assert int(certificate.not_valid_after_utc.timestamp()) == told.not_after
    assert told.unique_key


def test_it_is_one_certificate_however_often_it_is_signed(context: Context) -> None:
    told = prepare(context)
    first, second = (sign(context, told.prepared) for _ in range(2))

    assert first.tbs_certificate_bytes == second.tbs_certificate_bytes


def test_fields_go_before_those_of_the_request_and_what_has_no_place_is_told(
    context: Context,
) -> None:
    subject = x509.Name.from_rfc4514_string("CN=Alice,O=Elsewhere,UID=alice")
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    told = prepare(
        context,
        proof=signed(request.public_bytes(Encoding.DER)),
        fields={"common_name": ["Alice Example"], "email": ["alice@pki.example"]},
    )

    assert told.subject == "UID=alice,CN=Alice Example"
    assert told.left_out == ["organization"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ca": "none"}, Code.CA_UNKNOWN),
        ({"profile": "none"}, Code.PROFILE_UNKNOWN),
        ({"profile": "device"}, Code.PROFILE_UNKNOWN),
        ({"caller": "nobody"}, Code.CALLER_UNKNOWN),
        ({"caller": "tps", "profile": "token-encryption"}, Code.PROFILE_NOT_ALLOWED),
        ({"caller": "tps", "profile": "tls-server"}, Code.PROFILE_NOT_ALLOWED),
        ({"profile": "officer"}, Code.PROFILE_NOT_ALLOWED),
        ({"profile": "ocsp-signing"}, Code.PROFILE_NOT_ALLOWED),
        ({"ca": "root", "profile": "subordinate-ca"}, Code.PROFILE_NOT_ALLOWED),
        ({"caller": APPLIANCE}, Code.CALLER_UNKNOWN),
        ({"caller": APPLIANCE, "profile": "officer"}, Code.CALLER_UNKNOWN),
    ],
)
def test_what_the_policy_does_not_give_is_refused(
    context: Context, changes: dict[str, object], code: Code
) -> None:
    assert refusal(context, **changes).code is code


def test_the_appliance_s_own_worker_issues_what_no_caller_can_have(context: Context) -> None:
    appliance = replace(context, for_appliance=True)

    officer = issued(appliance, "demo", "officer", csr("Olga"))
    assert officer.subject.rfc4514_string() == "CN=Olga,OU=Security Officers"


@pytest.mark.parametrize(
    ("changes", "detail", "pointer"),
    [
        ({"proof": signed(b"no request")}, "csr-malformed: ", None),
        ({"fields": {"shoe_size": ["44"]}}, "field-unknown: ", "/fields/shoe_size"),
        ({"fields": {"email": ["alice"]}}, "email-malformed: ", "/fields/email"),
        ({"days": 4000}, "validity-too-long: ", "/days"),
        ({"days": 0}, "validity-too-short: ", "/days"),
    ],
)
def test_a_rule_that_is_broken_is_told_by_its_name(
    context: Context, changes: dict[str, object], detail: str, pointer: str | None
) -> None:
    refused = refusal(context, **changes)
    assert refused.code is Code.ISSUANCE_REFUSED
    assert refused.detail.startswith(detail)
    assert refused.pointer == pointer


def crossed() -> certificate_messages.CrossedCa:
    """Another root, which is certified by this one."""
    other = Authority(name="Another root").certificate
    return certificate_messages.CrossedCa(other.public_bytes(Encoding.DER), None)


def test_another_root_is_certified_under_its_own_name(context: Context) -> None:
    appliance, proof = replace(context, for_appliance=True), crossed()
    names = {"caller": APPLIANCE, "ca": "root", "profile": "subordinate-ca"}
    told = prepare(appliance, **names, proof=proof)
    certificate = sign(appliance, told.prepared, APPLIANCE)

    other = x509.load_der_x509_certificate(proof.certificate)
    assert certificate.subject.public_bytes() == other.subject.public_bytes()
    assert certificate.public_key() == other.public_key()
    assert certificate.issuer == context.policy.authorities.by_name["root"].certificate.subject
    assert not told.unique_key


def test_no_profile_of_callers_certifies_a_ca(context: Context) -> None:
    assert refusal(context, proof=crossed()).detail.startswith("issuer-not-ca: ")


def test_a_cross_certificate_takes_no_fields(context: Context) -> None:
    refused = refusal(context, proof=crossed(), fields={"common_name": ["Mine"]})
    assert (refused.detail[:15], refused.pointer) == ("field-unknown: ", "/fields/common_name")


def test_the_key_of_a_caller_is_nobody_elses(context: Context) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ra = context.policy.callers["ra"]
    named = ra.model_copy(update={"public_key_sha256": spki_sha256(key.public_key())})
    policy = context.policy.model_copy(update={"callers": {"ra": named}})

    refused = refusal(replace(context, policy=policy), proof=signed(csr("Alice", key)))
    assert refused.detail.startswith("key-of-caller: ")


def blocking(context: Context, key: ec.EllipticCurvePrivateKey) -> Context:
    """Return the worker of a policy that blocks a key."""
    blocked = BlockedKeys(frozenset({spki_sha256(key.public_key())}))
    return replace(context, policy=context.policy.model_copy(update={"blocked": blocked}))


def test_a_key_that_the_policy_blocks_is_refused(context: Context) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    refused = refusal(blocking(context, key), proof=signed(csr("Alice", key)))
    assert refused.detail.startswith("key-blocked: ")


def test_a_key_that_was_blocked_meanwhile_is_not_signed_for(context: Context) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told = prepare(context, proof=signed(csr("Alice", key)))
    with pytest.raises(ServiceError, match="key-blocked: "):
        sign(blocking(context, key), told.prepared)


def test_what_was_prepared_for_one_caller_is_signed_for_no_other(context: Context) -> None:
    told = prepare(context)
    with pytest.raises(ServiceError, match="made for another caller"):
        sign(context, told.prepared, caller="tps")


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_prepared_certificate_that_was_altered_is_not_signed(
    context: Context, sealed: bytes, place: int, bit: int
) -> None:
    altered = bytearray(sealed)
    altered[place % len(altered)] ^= 1 << bit
    with pytest.raises(ServiceError) as refused:
        sign(context, bytes(altered))
    assert refused.value.code is Code.PREPARED_INVALID


def test_a_policy_that_changed_meanwhile_has_nothing_else_signed(context: Context) -> None:
    told = prepare(context)
    elsewhere = with_ca(context, crl_url="http://elsewhere.example/crl")
    with pytest.raises(ServiceError) as refused:
        sign(elsewhere, told.prepared)
    assert refused.value.detail.startswith("certificate-differs: ")


def crl_urls(certificate: x509.Certificate) -> list[str]:
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return [name.value for point in points for name in point.full_name or ()]


@pytest.mark.parametrize("partitions", [1, 3, 1000])
def test_a_certificate_names_the_crl_of_the_partition_that_is_told_of_it(
    context: Context, partitions: int
) -> None:
    told = prepare(with_ca(context, crl_partitions=partitions))
    assert told.partition == partition_of(told.serial_number, partitions)
    certificate = sign(with_ca(context, crl_partitions=partitions), told.prepared)
    assert crl_urls(certificate) == [crl_url("http://pki.example/demo.crl", told.partition)]


@pytest.mark.parametrize("later", [1, 2, 9])
def test_it_stays_in_its_partition_if_their_number_changes_before_it_is_signed(
    context: Context, later: int
) -> None:
    told = prepare(with_ca(context, crl_partitions=5))
    certificate = sign(with_ca(context, crl_partitions=later), told.prepared)
    assert crl_urls(certificate) == [f"http://pki.example/demo~{told.partition}.crl"]


def test_a_key_that_is_not_that_of_the_certificate_signs_nothing(context: Context) -> None:
    told = prepare(context)
    with pytest.raises(ServiceError) as refused:
        sign(with_ca(context, label="a root"), told.prepared)
    assert refused.value.code is Code.KEY_MISSING


def test_a_name_that_a_ca_above_excludes_is_refused(context: Context) -> None:
    demo = context.policy.authorities.by_name["demo"]
    above = constrained(root(), excluded=[dns("pki.example")])
    authorities = Authorities({"demo": replace(demo, chain=(demo.certificate, above))})
    policy = context.policy.model_copy(update={"authorities": authorities})

    asked = {"profile": "tls-server", "fields": {"dns": ["www.pki.example"]}}
    refused = refusal(
        replace(context, policy=policy), **asked, proof=signed(csr("www.pki.example"))
    )
    assert refused.detail.startswith("name-excluded: 'www.pki.example' ")


@pytest.mark.parametrize("name", ["ra", "TPS"])
def test_the_name_of_a_caller_is_nobody_elses(context: Context, name: str) -> None:
    refused = refusal(context, proof=signed(csr("Alice")), fields={"common_name": [name]})
    assert refused.detail.startswith("name-of-caller: ")
