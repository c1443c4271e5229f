"""What no caller can have takes the approval of a quorum, once the token has one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.quorum.officers import HOUR, officer, quorum, signer
from tests.quorum.policies import remembered
from tests.worker.authority import csr
from tests.x509.authority import Authority
from tmsd import clock
from tmsd.config.callers import APPLIANCE
from tmsd.errors import Code, ServiceError
from tmsd.quorum import canonical
from tmsd.quorum.approval import Approval, approve
from tmsd.quorum.certificate_approval import Draft, request_for
from tmsd.quorum.policy_approval import PolicyIdentity
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request
from tmsd.vault.certificate_messages import (
    CrossedCa,
    DraftCertificate,
    DraftedCertificate,
    PrepareCertificate,
    Proof,
    QuorumApproval,
    SignCertificate,
    SignedRequest,
)
from tmsd.worker import certifying
from tmsd.worker.context import Context
from tmsd.worker.policy_in_force import Governed

QUORUM = quorum()
VERSION = 7
POLICY = remembered(PolicyIdentity(VERSION, "7" * 64))
CSR = SignedRequest(csr("Olga"))
OFFICER = ("demo", "officer")


@pytest.fixture(scope="module")
def appliance(context: Context) -> Context:
    """A worker for the appliance, whose token has a quorum."""
    return replace(context, for_appliance=True, governed=Governed(QUORUM, POLICY))


@pytest.fixture(scope="module")
def drafted(appliance: Context) -> DraftedCertificate:
    """An officer's certificate, as it is shown to those who have to approve it."""
    return draft(appliance)


def draft(
    appliance: Context, ca: str = "demo", profile: str = "officer", proof: Proof = CSR
) -> DraftedCertificate:
    wanted = DraftCertificate(APPLIANCE, ca, profile, proof, {}, None)
    return certifying.draft_certificate(appliance, wanted)


def asked(
    drafted: DraftedCertificate, ca: str = "demo", profile: str = "officer", by: str = "olaf"
) -> Request:
    """Return the request for a certificate that was drafted."""
    certificate = x509.load_der_x509_certificate(drafted.certificate)
    told = Draft(ca, profile, certificate)
    return request_for(told, QUORUM, drafted.policy_version, by, clock.now())


def changed(request: Request, **parameters: str | int) -> Request:
    return msgspec.structs.replace(request, parameters={**request.parameters, **parameters})


def approved(
    request: Request, names: Sequence[str] = ("anna", "berta"), by: Quorum = QUORUM
) -> QuorumApproval:
    """Have officers approve a request."""
    given = [approve(request, by, signer(name), clock.now()) for name in names]
    return carried(request, *given)


def carried(request: Request, *given: Approval) -> QuorumApproval:
    return QuorumApproval(canonical.encode(request), [canonical.encode(each) for each in given])


def prepare(
    worker: Context,
    approval: QuorumApproval | None,
    *,
    ca: str = "demo",
    profile: str = "officer",
    proof: Proof = CSR,
    caller: str = APPLIANCE,
) -> bytes:
    wanted = PrepareCertificate(caller, ca, profile, proof, {}, None, approval)
    return certifying.prepare_certificate(worker, wanted).prepared


def sign(
    worker: Context, prepared: bytes, approval: QuorumApproval | None, caller: str = APPLIANCE
) -> x509.Certificate:
    signed = certifying.sign_certificate(worker, SignCertificate(caller, prepared, approval))
    return x509.load_der_x509_certificate(signed.certificate)


def refusals(worker: Context, approval: QuorumApproval | None, proof: Proof = CSR) -> set[str]:
    """Return by which rules nothing is prepared, and what is prepared is not signed."""
    drafted = draft(worker, proof=proof)
    good = approved(asked(drafted))
    prepared = prepare(worker, good, proof=proof)
    met = set()
    for step in (
        lambda: prepare(worker, approval, proof=proof),
        lambda: sign(worker, prepared, approval),
    ):
        with pytest.raises(ServiceError) as refused:
            step()
        assert refused.value.code is Code.ISSUANCE_REFUSED
        met.add(refused.value.detail.partition(": ")[0])
    return met


def another_root() -> CrossedCa:
    return CrossedCa(Authority(name="Another root").certificate.public_bytes(Encoding.DER), None)


@pytest.mark.parametrize(
    ("ca", "profile", "proof"),
    [
        ("demo", "officer", CSR),
        ("demo", "ocsp-signing", CSR),
        ("root", "subordinate-ca", CSR),
        ("root", "subordinate-ca", another_root()),
    ],
)
def test_what_is_approved_is_signed_to_the_byte_however_often(
    appliance: Context, ca: str, profile: str, proof: Proof
) -> None:
    what: Any = {"ca": ca, "profile": profile, "proof": proof}
    request = asked(draft(appliance, **what), ca, profile)
    by_two, by_all = approved(request), approved(request, ("carl", "anna", "berta"))

    first = sign(appliance, prepare(appliance, by_two, **what), by_two)
    again = sign(appliance, prepare(appliance, by_all, **what), by_all)

    first.verify_directly_issued_by(certificate_of(appliance, ca))
    assert f"{first.serial_number:032x}" == request.request_id
    digest = sha256(first.tbs_certificate_bytes).hexdigest()
    assert digest == request.parameters["to_be_signed_sha256"]
    assert first.tbs_certificate_bytes == again.tbs_certificate_bytes


def certificate_of(worker: Context, ca: str) -> x509.Certificate:
    return worker.policy.authorities.by_name[ca].certificate


def test_officers_are_shown_all_that_it_says(drafted: DraftedCertificate) -> None:
    certificate = x509.load_der_x509_certificate(drafted.certificate)
    shown = list(asked(drafted).shown())

    assert "Action:     certificate.issue" in shown
    assert "    subject: CN=Olga,OU=Security Officers" in shown
    assert f"    valid until: {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert f"Policy in force: {VERSION}" in shown
    assert f"Request:    {certificate.serial_number:032x}" in shown


def test_a_draft_is_signed_by_nobody(appliance: Context, drafted: DraftedCertificate) -> None:
    certificate = x509.load_der_x509_certificate(drafted.certificate)
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(certificate_of(appliance, "demo"))


def test_nothing_is_signed_without_an_approval(appliance: Context) -> None:
    assert refusals(appliance, None) == {"approval-required"}


def test_each_approval_that_is_wrong_is_refused_by_its_rule(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    request = asked(drafted)
    anna, berta = (
        approve(request, QUORUM, signer(name), clock.now()) for name in ("anna", "berta")
    )
    by_dora = approve(
        msgspec.structs.replace(request, quorum=quorum(officer("dora"), approvals=1).digest),
        quorum(officer("dora"), approvals=1),
        signer("dora"),
        clock.now(),
    )
    forged = msgspec.structs.replace(berta, signature=anna.signature)
    of_anna = asked(drafted, by="anna")
    wrong = {
        "approvals-missing": (
            carried(request),
            carried(request, anna),
            carried(request, anna, anna),
        ),
        "approval-by-stranger": (carried(request, anna, by_dora),),
        "approval-signature-wrong": (carried(request, anna, forged),),
        "approval-of-other-request": (carried(asked(drafted, by="otto"), anna, berta),),
        "approval-by-requester": (
            carried(of_anna, msgspec.structs.replace(anna, request_sha256=of_anna.digest.hex())),
        ),
        "approval-malformed": (QuorumApproval(canonical.encode(request), [b"{}"]),),
        "request-malformed": (QuorumApproval(b"{}\n", []),),
    }
    for rule, cases in wrong.items():
        for given in cases:
            assert refusals(appliance, given) == {rule}


def test_each_request_for_something_else_is_refused_by_its_rule(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    request = asked(drafted)
    replaced = msgspec.structs.replace
    now = int(clock.now().timestamp())
    next_quorum = quorum(number=2)
    of_next = replaced(request, quorum=next_quorum.digest)
    expired = replaced(request, expires=now - 1)
    too_long = replaced(request, expires=now + LONGEST_LIFE_SECONDS + HOUR)
    wrong = {
        "request-expired": carried(expired),
        "request-too-long-lived": carried(too_long),
        "request-of-other-quorum": approved(of_next, by=next_quorum),
        "request-of-other-policy": approved(replaced(request, policy_version=VERSION - 1)),
    }
    for rule, given in wrong.items():
        assert refusals(appliance, given) == {rule}


@pytest.mark.parametrize(
    "other",
    [
        lambda request: msgspec.structs.replace(request, action="policy.activate"),
        lambda request: msgspec.structs.replace(request, parameters={"version": 8}),
        lambda request: msgspec.structs.replace(request, request_id="7" * 32),
        lambda request: changed(request, ca="root"),
        lambda request: changed(request, profile="ocsp-signing"),
        lambda request: changed(request, subject="CN=Olga Other,OU=Security Officers"),
        lambda request: changed(request, valid_until="2199-01-01 00:00:00 UTC"),
        lambda request: changed(request, valid_from="2001-01-01 00:00:00 UTC"),
        lambda request: changed(request, valid_from="today"),
        lambda request: changed(request, more=1),
    ],
)
def test_a_request_is_for_one_certificate_alone(
    appliance: Context, drafted: DraftedCertificate, other: Callable[[Request], Request]
) -> None:
    given = approved(other(asked(drafted)))
    assert refusals(appliance, given) == {"request-of-other-certificate"}


def test_a_request_for_another_key_or_by_another_profile_is_not_what_was_approved(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    given = approved(asked(drafted))
    altered = SignedRequest(csr("Olga"))
    others: tuple[Any, ...] = ({"proof": altered}, {"profile": "ocsp-signing"})
    for what in others:
        with pytest.raises(ServiceError, match="request-of-other-certificate: "):
            prepare(appliance, given, **what)


def test_no_quorum_gives_a_key_more_time_than_profile_and_ca_do(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    later = approved(changed(asked(drafted), valid_until="2199-01-01 00:00:00 UTC"))
    with pytest.raises(ServiceError, match="a validity that CA and profile do not give"):
        prepare(appliance, later)


def test_what_was_approved_is_not_signed_by_another_quorum_or_under_another_policy(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    given = approved(asked(drafted))
    prepared = prepare(appliance, given)
    next_policy = remembered(PolicyIdentity(VERSION + 1, "8" * 64))
    meanwhile = {
        "request-of-other-quorum": Governed(quorum(number=2), POLICY),
        "request-of-other-policy": Governed(QUORUM, next_policy),
    }
    for rule, governed in meanwhile.items():
        with pytest.raises(ServiceError, match=rule):
            sign(replace(appliance, governed=governed), prepared, given)


def test_what_was_prepared_before_there_was_a_quorum_is_not_signed_any_more(
    appliance: Context,
) -> None:
    before = prepare(replace(appliance, governed=None), None)
    with pytest.raises(ServiceError, match="approval-required"):
        sign(appliance, before, None)


def test_a_worker_for_callers_signs_nothing_of_it_whatever_is_approved(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    front = replace(appliance, for_appliance=False)
    given = approved(asked(drafted))
    prepared = prepare(appliance, given)
    steps = {
        Code.CALLER_UNKNOWN: (
            lambda: draft(front),
            lambda: prepare(front, given),
            lambda: sign(front, prepared, given),
        ),
        Code.PROFILE_NOT_ALLOWED: (lambda: prepare(front, given, caller="ra"),),
        Code.PREPARED_INVALID: (lambda: sign(front, prepared, given, caller="ra"),),
    }
    for code, asking in steps.items():
        for step in asking:
            with pytest.raises(ServiceError) as refused:
                step()
            assert refused.value.code is code


def test_what_takes_no_approval_is_issued_without_and_carries_none(
    appliance: Context, drafted: DraftedCertificate
) -> None:
    given, server = approved(asked(drafted)), "token-authentication"
    assert sign(appliance, prepare(appliance, None, profile=server), None)
    ungoverned = replace(appliance, governed=None)
    for step in (
        lambda: prepare(appliance, given, profile=server),
        lambda: draft(appliance, profile=server),
        lambda: prepare(ungoverned, given),
        lambda: draft(ungoverned),
    ):
        with pytest.raises(ServiceError, match="approval-not-needed"):
            step()
